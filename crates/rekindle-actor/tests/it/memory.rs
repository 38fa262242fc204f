//! Uses of memory at the very end of a process or a request: see `memory` of the scheduler's tests.

use std::fmt;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rekindle_actor::{ExitReason, Mailbox, Pid, ReplyTo, exit, self_pid, spawn};

use crate::support::*;

/// The process that was running when a value was dropped, once it was.
type Found = Arc<Mutex<Option<Option<Pid>>>>;

/// A reason whose error is dropped with the cell of its process, which is nobody's running one then.
#[test]
fn a_reason_that_is_dropped_with_its_process_finds_no_running_process() {
    #[derive(Debug)]
    struct Reason(Found);
    impl fmt::Display for Reason {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so")
        }
    }
    impl std::error::Error for Reason {}
    impl Drop for Reason {
        fn drop(&mut self) {
            let found = std::panic::catch_unwind(self_pid).ok();
            *self.0.lock() = Some(found);
        }
    }
    on_pool(|| async {
        let heard = Found::default();
        let said = Arc::clone(&heard);
        let pid = spawn(std::future::pending::<()>());
        // By a signal, lest a crash report keep it.
        exit(pid, ExitReason::error(Reason(said)));
        let mut running = None;
        until(|| {
            running = *heard.lock();
            running.is_some()
        })
        .await;
        // It may be this one, if this one let go of the last handle.
        assert_ne!(running, Some(Some(pid)), "the process is gone");
    });
}

/// A process gives its mailbox away while it serves the request that it took from it: what the
/// other one drops must not be the hold on which the answer relies.
#[test]
fn an_answer_relies_on_a_hold_that_nobody_else_drops() {
    on_pool(|| async {
        for _ in 0..20 {
            let server = spawn(|mut inbox: Mailbox<ReplyTo<[u8; 2048]>>| async move {
                let reply = inbox.recv().await;
                let other = thread::spawn(move || drop(inbox));
                other.join().expect("a drop harms nobody");
                reply.reply([7; 2048]);
            });
            assert_eq!(server.call(|from| from).await, Ok([7; 2048]));
        }
    });
}

/// A process that nobody knows ends without a word, but not over a message that it sent to itself in
/// its last turn.
#[test]
fn a_message_to_oneself_in_the_last_turn_is_dropped() {
    on_both(|| async {
        let drops = Drops::new();
        let message = drops.counted();
        drop(spawn(|inbox: Mailbox<Counted>| async move {
            inbox.recipient().send(message);
        }));
        until(|| drops.count() == 1).await;
    });
}
