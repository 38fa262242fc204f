//! Ends in which foreign code fails once more: in the drop of a state, in the text of an error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_actor::{
    Context, ExitReason, GenServer, Info, Init, Mailbox, Never, Next, Pid, Runtime, Step, Task,
    exit, info, is_alive, link, monitor, note_state, register, self_pid, sleep, spawn, spawn_link,
    sys, trap_exit, whereis,
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

/// A reason whose drop has something to say to the process that it is dropped in.
#[derive(Debug)]
struct NotesAtItsEnd;

impl std::fmt::Display for NotesAtItsEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("noted at last")
    }
}

impl std::error::Error for NotesAtItsEnd {}

impl Drop for NotesAtItsEnd {
    fn drop(&mut self) {
        note_state("an innocent note");
    }
}

/// What a watcher of `victim` hears, and who has its name afterwards.
async fn heard_of(victim: Pid, doom: impl FnOnce()) -> (Option<ExitReason>, Option<Pid>) {
    register("victim", victim).unwrap();
    let heard = Arc::new(Mutex::new(None));
    let tell = heard.clone();
    spawn(move |mut inbox: Mailbox<Never>| async move {
        monitor(victim);
        if let Info::Down(down) = inbox.next().await {
            *tell.lock().unwrap() = Some(down.reason);
        }
    });
    sleep(Duration::from_secs(1)).await;
    doom();
    sleep(Duration::from_secs(100)).await;
    let reason = heard.lock().unwrap().take();
    (reason, whereis("victim"))
}

/// The first fatal signal counts, and the reason of the second is dropped: that is the user's code.
#[test]
fn the_drop_of_a_reason_that_does_not_count_stops_no_end() {
    for seed in 0..8 {
        let (reason, holder) = Runtime::simulated(seed).block_on(async {
            let victim = spawn(sleep(Duration::from_secs(600)));
            let twice = || {
                for _ in 0..2 {
                    exit(victim, ExitReason::error(NotesAtItsEnd));
                }
            };
            heard_of(victim, twice).await
        });
        assert!(reason.unwrap().downcast_ref::<NotesAtItsEnd>().is_some());
        assert_eq!(holder, None);
    }
}

/// A reason that cannot be dropped in peace.
#[derive(Debug)]
struct Bitter;

impl std::fmt::Display for Bitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bitter to the end")
    }
}

impl std::error::Error for Bitter {}

impl Drop for Bitter {
    fn drop(&mut self) {
        panic!("in the drop of a reason");
    }
}

/// A server that fails with such a reason, and then again in its `terminate`, or stays there.
struct Watched {
    stays: bool,
}

impl GenServer for Watched {
    type Args = bool;
    type Call = Never;
    type Cast = ();
    type Info = Never;
    type Continue = Never;

    async fn init(stays: bool, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Watched { stays }))
    }

    async fn handle_cast(&mut self, (): (), _: &mut Context<Self>) -> Step<Self> {
        Err(ExitReason::error(Bitter))
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        if self.stays {
            sleep(Duration::from_secs(600)).await;
        }
        panic!("in terminate");
    }
}

/// What watches a server may have the last copy of its reason.
#[test]
fn the_drop_of_a_reason_that_was_logged_stops_no_end() {
    for (stays, seed) in [(false, 1), (true, 2)] {
        let (reason, holder) = Runtime::simulated(seed).block_on(async move {
            let server = Watched::start(stays).await.unwrap();
            sys::start_log(&server, 9).await.unwrap();
            let pid = server.pid();
            let doom = || {
                server.cast(());
                if stays {
                    spawn(async move {
                        sleep(Duration::from_secs(5)).await;
                        exit(pid, ExitReason::Kill);
                    });
                }
            };
            heard_of(pid, doom).await
        });
        let reason = reason.unwrap();
        assert_eq!(
            (reason.is_panic(), reason == ExitReason::Killed),
            (!stays, stays)
        );
        assert_eq!(holder, None);
    }
}

/// Doomed in the middle of a turn, with which the body ends by itself.
#[test]
fn the_drop_of_a_reason_that_came_too_late_stops_no_end() {
    for seed in 0..8 {
        let (reason, holder) = Runtime::simulated(seed).block_on(async {
            let victim = spawn(|inbox: Mailbox<Never>| async move {
                sleep(Duration::from_secs(5)).await;
                exit(self_pid(), ExitReason::error(NotesAtItsEnd));
                assert!(inbox.is_empty());
            });
            heard_of(victim.pid(), || ()).await
        });
        assert_eq!((reason, holder), (Some(ExitReason::Normal), None));
    }
}

/// What a panicking drop has carried is dropped as well: the process may still be used there.
#[test]
fn the_drop_of_what_a_drop_has_thrown_finds_its_process() {
    static SAW: Mutex<Vec<bool>> = Mutex::new(Vec::new());

    struct Thrown;
    impl Drop for Thrown {
        fn drop(&mut self) {
            let noted = std::panic::catch_unwind(|| note_state("thrown"));
            SAW.lock().unwrap().push(noted.is_ok());
        }
    }
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            std::panic::panic_any(Thrown);
        }
    }
    impl std::future::Future for Throws {
        type Output = ();
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<()> {
            std::task::Poll::Ready(())
        }
    }

    Runtime::simulated(1).block_on(async {
        spawn(Throws);
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(*SAW.lock().unwrap(), [true]);
}

/// Whoever a process links with on its way out hears of the end, as it would have a moment before.
#[test]
fn a_link_that_is_made_at_the_end_tells_the_reason() {
    struct LinksAtItsEnd(Pid, Arc<Mutex<Vec<Pid>>>);
    impl Drop for LinksAtItsEnd {
        fn drop(&mut self) {
            link(self.0);
            let child = spawn_link(sleep(Duration::from_secs(500)));
            self.1.lock().unwrap().push(child);
        }
    }

    for seed in 0..8 {
        Runtime::simulated(seed).block_on(async {
            let parent = spawn(|_inbox: Mailbox<LinksAtItsEnd>| async move {
                sleep(Duration::from_secs(5)).await;
                ExitReason::msg("broken")
            });
            let heard = Arc::new(Mutex::new(None));
            let tell = heard.clone();
            let other = spawn(move |mut inbox: Mailbox<Never>| async move {
                trap_exit(true);
                if let Info::Exit(exit) = inbox.next().await {
                    *tell.lock().unwrap() = Some((exit.from, exit.reason));
                }
            });
            let children = Arc::new(Mutex::new(Vec::new()));
            // Never read, so it is dropped when the parent ends.
            parent.send(LinksAtItsEnd(other.pid(), children.clone()));
            sleep(Duration::from_secs(100)).await;
            let children = std::mem::take(&mut *children.lock().unwrap());
            assert!(children.len() == 1 && !is_alive(children[0]));
            let expected = Some((parent.pid(), ExitReason::msg("broken")));
            assert_eq!(*heard.lock().unwrap(), expected);
        });
    }
}
