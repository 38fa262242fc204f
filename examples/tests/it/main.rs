//! The stories in virtual time.

mod counter;
mod gen_task;
mod guide;
mod job_queue;
mod jobber;
#[cfg(feature = "neighbours")]
mod links;
mod payments;
mod tcp_chat;
#[cfg(feature = "tokio")]
mod web;

/// Asserts that these lines were said in this order, with any others between them.
fn assert_in_order(lines: &[String], expected: &[&str]) {
    let mut rest = lines.iter();
    for wanted in expected {
        assert!(
            rest.any(|line| line.starts_with(wanted)),
            "{wanted:?} was not said in its place; all that was said: {lines:#?}"
        );
    }
}

/// A line with all its pids alike: they are names, and say nothing else.
fn masked(line: &str) -> String {
    let mut parts = line.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        text + "PID" + rest
    })
}
