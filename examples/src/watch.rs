//! Waiting for the end of somebody else.

use rekindle::prelude::*;

/// Waits until a process has ended, and gives its reason; `NoProc` if it was gone already.
///
/// A monitor tells of an end by a message to the mailbox of whoever watches. Stories have no
/// mailbox, so a process of its own watches for them.
pub async fn ended(pid: Pid) -> ExitReason {
    let watcher = spawn(move |mut inbox: Mailbox<ReplyTo<ExitReason>>| async move {
        monitor(pid);
        let from = inbox.recv().await;
        if let Info::Down(down) = inbox.next().await {
            from.reply(down.reason);
        }
    });
    let told = watcher.call(|from| from).no_timeout().await;
    told.unwrap_or(ExitReason::NoProc)
}
