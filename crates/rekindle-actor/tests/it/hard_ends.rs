//! Ends in which foreign code fails once more: in the drop of a state, in the text of an error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_actor::{
    Context, ExitReason, GenServer, Info, Init, Mailbox, Never, Next, Runtime, Step, Task, info,
    monitor, self_pid, sleep, spawn, trap_exit,
};

/// A server whose state panics when it is dropped, and that ends as it is told to.
struct Sore;

#[derive(Clone, Copy)]
enum End {
    Panic,
    Error,
    Stop,
    StopNormally,
}

impl Drop for Sore {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

impl GenServer for Sore {
    type Args = ();
    type Call = Never;
    type Cast = End;
    type Info = Never;
    type Continue = Never;

    async fn init((): (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Sore))
    }

    async fn handle_cast(&mut self, end: End, _: &mut Context<Self>) -> Step<Self> {
        match end {
            End::Panic => panic!("first"),
            End::Error => Err(ExitReason::msg("first")),
            End::Stop => Ok(Next::Stop(ExitReason::msg("first"))),
            End::StopNormally => Ok(Next::Stop(ExitReason::Normal)),
        }
    }
}

/// What a watcher hears of a server that ends so.
fn heard(end: End, seed: u64) -> ExitReason {
    let heard = Arc::new(Mutex::new(None));
    let tell = heard.clone();
    Runtime::simulated(seed).block_on(async move {
        let sore = Sore::start(()).await.unwrap();
        let pid = sore.pid();
        spawn(move |mut inbox: Mailbox<Never>| async move {
            monitor(pid);
            if let Info::Down(down) = inbox.next().await {
                *tell.lock().unwrap() = Some(down.reason);
            }
        });
        sleep(Duration::from_millis(1)).await;
        sore.cast(end);
        sleep(Duration::from_millis(1)).await;
    });
    heard.lock().unwrap().take().expect("a `Down`")
}

#[test]
fn a_panic_in_the_drop_of_a_servers_state_hides_no_abnormal_reason() {
    for seed in 0..20 {
        for end in [End::Error, End::Stop] {
            assert_eq!(heard(end, seed), ExitReason::msg("first"));
        }
        for (end, text) in [(End::Panic, "first"), (End::StopNormally, "in drop")] {
            let reason = heard(end, seed);
            let ExitReason::Panic(panic) = reason else {
                panic!("{reason:?}");
            };
            assert_eq!(panic.message, text);
        }
    }
}

#[test]
fn an_error_that_cannot_be_shown_ends_nobody_else() {
    struct Ugly;
    impl std::fmt::Debug for Ugly {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("by debug");
        }
    }
    impl std::fmt::Display for Ugly {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("by display");
        }
    }
    impl std::error::Error for Ugly {}

    let reason = ExitReason::from(Ugly);
    assert!(reason.to_string().contains("by display"), "{reason}");
    assert!(format!("{reason:?}").contains("by debug"));
    assert_ne!(reason, ExitReason::msg("another"));
    assert!(reason.downcast_ref::<Ugly>().is_some());
}

/// `info` counts what lies in the mailbox, and not what a start or a stream has taken back out.
#[test]
fn what_is_taken_back_out_of_a_mailbox_is_not_counted() {
    struct Refuses;
    impl GenServer for Refuses {
        type Args = ();
        type Call = Never;
        type Cast = Never;
        type Info = Never;
        type Continue = Never;

        async fn init((): (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Fail(ExitReason::msg("no")))
        }
    }

    Runtime::simulated(1).block_on(async {
        assert!(Refuses::start_monitor(()).await.is_err());
        assert_eq!(info(self_pid()).unwrap().mailbox, 0);
        trap_exit(true);
        let naps = Task::async_stream([3, 1], |n| sleep(Duration::from_millis(n)));
        assert_eq!(naps.collect().await.len(), 2);
        assert_eq!(info(self_pid()).unwrap().mailbox, 0);
    });
}
