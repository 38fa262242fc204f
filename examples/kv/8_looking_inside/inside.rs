// What is to be seen of the running program.

use std::fmt::Write as _;

use rekindle::prelude::*;
use rekindle::{recent_crashes, sys, tree_text};

use crate::store;

/// The tree of processes, and what crashed.
pub fn overview() -> String {
    let mut text = format!("# Processes\n{}# Crashes\n", tree_text());
    for crash in recent_crashes() {
        let name = crash.label.or(crash.name).unwrap_or_default();
        let _ = writeln!(text, "{} {name}: {}", crash.pid, crash.reason);
    }
    text
}

/// One bucket.
pub async fn bucket(name: &str) -> Result<String, ExitReason> {
    let pid = store::bucket(name).pid().ok_or(CallError::NoProc)?;
    let seen = info(pid).ok_or(CallError::NoProc)?;
    let mut text = String::new();
    let _ = writeln!(text, "mailbox: {}", seen.mailbox);
    if let Some(waits) = seen.waits {
        let _ = writeln!(text, "waits: {:?}", waits.kind);
    }
    // This one is a message to the bucket: a busy one does not answer.
    match sys::get_status(pid).timeout(Duration::from_secs(1)).await {
        Ok(status) => {
            let _ = writeln!(text, "suspended: {}", status.suspended);
            let _ = writeln!(text, "state: {}", status.state.unwrap_or_default());
        }
        Err(error) => {
            let _ = writeln!(text, "state: {error}");
        }
    }
    Ok(text)
}
