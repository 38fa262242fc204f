//! SYS: looking into a running behaviour.

use std::future::pending;
use std::time::Duration;

use rekindle_actor::{
    CallError, Context, ExitReason, GenServer, Info, Init, Mailbox, Never, Next, Pid, ReplyTo,
    Step, SysError, exit, link, monitor, register, self_pid, sleep, spawn, sys,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A server whose state can be cloned.
#[derive(Clone, Debug, PartialEq)]
struct Counter {
    n: i64,
}

enum Count {
    Get(ReplyTo<i64>),
    Add(i64, ReplyTo<()>),
    LookAtSelf(ReplyTo<Result<Counter, SysError>>),
    Hang(#[allow(dead_code)] ReplyTo<()>),
}

impl GenServer for Counter {
    type Args = i64;
    type Call = Count;
    type Cast = i64;
    type Info = u8;
    type Continue = Never;

    async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Counter { n }))
    }

    async fn handle_call(&mut self, request: Count, cx: &mut Context<Self>) -> Step<Self> {
        match request {
            Count::Get(from) => from.reply(self.n),
            Count::Add(k, from) => {
                self.n += k;
                from.reply(());
            }
            Count::LookAtSelf(from) => from.reply(sys::get_state(cx.pid()).await),
            Count::Hang(_from) => pending().await,
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
        self.n += k;
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<u8>, _: &mut Context<Self>) -> Step<Self> {
        if let Info::Message(n) = info {
            self.n += i64::from(n);
        }
        Ok(Next::Wait)
    }
}

#[test]
fn sys_001_get_state_also_while_suspended() {
    on_both(|| async {
        let counter = Counter::start(3).await.unwrap();
        assert_eq!(sys::get_state(counter.pid()).await, Ok(Counter { n: 3 }));
        sys::suspend(counter.pid()).await.unwrap();
        assert_eq!(sys::get_state(counter.pid()).await, Ok(Counter { n: 3 }));
        let wrong = sys::get_state::<String>(counter.pid()).await;
        assert!(matches!(wrong, Err(SysError::WrongType(found)) if found.ends_with("Counter")));
    });
}

#[test]
fn sys_002_replace_state_also_while_suspended() {
    on_both(|| async {
        let counter = Counter::start(3).await.unwrap();
        let changed = sys::replace_state(counter.pid(), |c: &mut Counter| c.n *= 2).await;
        assert_eq!(changed, Ok(Counter { n: 6 }));
        assert_eq!(counter.call(Count::Get).await, Ok(6));
        sys::suspend(counter.pid()).await.unwrap();
        let changed = sys::replace_state(counter.pid(), |c: &mut Counter| c.n += 1).await;
        assert_eq!(changed, Ok(Counter { n: 7 }));
        sys::resume(counter.pid()).await.unwrap();
        assert_eq!(counter.call(Count::Get).await, Ok(7));
        // By name as well.
        register("counted", counter.pid()).unwrap();
        assert_eq!(sys::get_state("counted").await, Ok(Counter { n: 7 }));
        let nobody = sys::get_state::<Counter>("nobody").await;
        assert_eq!(nobody, Err(SysError::NoProc));
        let text = sys::with_state(counter.pid(), |c: &mut Counter| format!("{c:?}")).await;
        assert_eq!(text.as_deref(), Ok("Counter { n: 7 }"));
    });
}

#[test]
fn sys_003_a_suspended_server_handles_nothing_until_it_is_resumed() {
    on_both(|| async {
        let counter = Counter::start(0).await.unwrap();
        sys::suspend(counter.pid()).await.unwrap();
        counter.cast(1);
        counter.send(10);
        let outcome = counter.call(Count::Get).timeout(ms(5)).await;
        assert_eq!(outcome, Err(CallError::Timeout(ms(5))));
        assert_eq!(sys::get_state(counter.pid()).await, Ok(Counter { n: 0 }));
        sys::resume(counter.pid()).await.unwrap();
        assert_eq!(counter.call(Count::Get).await, Ok(11));
    });
}

#[test]
fn sys_003_a_suspended_server_still_ends_with_its_links_and_its_parent() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            let counter = Counter::start(0).await.unwrap();
            sys::suspend(counter.pid()).await.unwrap();
            monitor(counter.pid());
            exit(counter.pid(), oops("signal"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("signal"));

            let (log, me) = (Log::new(), inbox.recipient());
            let args = Probe::trapping(&log);
            let parent = spawn(|mut inbox: Mailbox<ExitReason>| async move {
                let server = Probe::start_link(args).await.unwrap();
                sys::suspend(server.pid()).await.unwrap();
                me.send(server.pid());
                inbox.recv().await
            });
            let server = inbox.recv().await;
            monitor(server);
            parent.send(ExitReason::Shutdown);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Shutdown);
            assert_eq!(log.all(), ["init", "terminate shutdown"]);
        })
    });
}

#[test]
fn sys_003_exits_of_others_wait_for_the_resumption() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log)).await.unwrap();
        let (stranger, pid) = (Puppet::new(), server.pid());
        sys::suspend(pid).await.unwrap();
        server.cast(Tell::Note("queued"));
        stranger.run(move || link(pid)).await;
        stranger.die(oops("linked"));
        until(|| !stranger.is_alive()).await;
        sys::get_status(pid).await.unwrap();
        assert!(
            !log.contains("queued"),
            "suspended means no request is handled"
        );
        sys::resume(pid).await.unwrap();
        until(|| log.len() == 3).await;
    });
}

#[test]
fn sys_004_suspend_and_resume_may_be_repeated() {
    on_both(|| async {
        let counter = Counter::start(0).await.unwrap();
        for _ in 0..3 {
            sys::suspend(counter.pid()).await.unwrap();
        }
        sys::resume(counter.pid()).await.unwrap();
        assert_eq!(counter.call(Count::Get).await, Ok(0));
        sys::resume(counter.pid()).await.unwrap();
        assert_eq!(counter.call(Count::Get).await, Ok(0));
    });
}

#[test]
fn sys_005_get_status_tells_who_and_how() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 5))
            .name("shown")
            .await
            .unwrap();
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!(
            (status.pid, status.parent),
            (server.pid(), Some(self_pid()))
        );
        assert_eq!(status.name.as_deref(), Some("shown"));
        assert!(status.behaviour.ends_with("Probe"));
        assert_eq!((status.suspended, status.mailbox), (false, 0));
        assert_eq!(status.state.as_deref(), Some("n = 5"));
        sys::suspend(server.pid()).await.unwrap();
        server.cast(Tell::Add(1));
        server.cast(Tell::Add(1));
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!((status.suspended, status.mailbox), (true, 2));
    });
}

#[test]
fn sys_011_the_dead_and_the_silent() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            assert_eq!(sys::suspend(dead).await, Err(SysError::NoProc));
            assert_eq!(sys::get_state::<()>(dead).await, Err(SysError::NoProc));
            assert!(matches!(sys::get_status(dead).await, Err(SysError::NoProc)));
        })
    });
    on_sim(|| async {
        // It handles no `sys` messages: five virtual seconds.
        let silent = idle();
        let outcome = sys::suspend(silent).await;
        assert!(matches!(outcome, Err(SysError::Timeout(_))));
    });
}

#[test]
fn sys_011_a_process_that_dies_with_the_question_unanswered() {
    on_both(|| async {
        let silent = idle();
        spawn(async move {
            sleep(ms(2)).await;
            exit(silent, oops("gone"));
        });
        assert_eq!(
            sys::suspend(silent).await,
            Err(SysError::Exited(oops("gone")))
        );
    });
}

#[test]
fn sys_011_a_server_cannot_look_into_itself() {
    on_both(|| async {
        let counter = Counter::start(0).await.unwrap();
        let outcome = counter.call(Count::LookAtSelf).await;
        assert_eq!(outcome, Ok(Err(SysError::CallingSelf)));
        assert_eq!(counter.call(Count::Get).await, Ok(0));
    });
}

#[test]
fn sys_012_system_messages_keep_their_place_among_the_others() {
    on_both(|| async {
        let counter = Counter::start(0).await.unwrap();
        for n in 1..=50 {
            counter.cast(1);
            assert_eq!(sys::get_state(counter.pid()).await, Ok(Counter { n }));
            counter.call(|from| Count::Add(0, from)).await.unwrap();
        }
    });
}

#[test]
fn sys_012_a_busy_server_answers_afterwards() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let caller = server.clone();
        spawn(async move {
            let _ = caller.call(|from| Ask::Slow(ms(5), from)).await;
        });
        sleep(ms(1)).await;
        let status = sys::get_status(server.pid()).await.unwrap();
        assert!(!status.suspended);
    });
}

#[test]
fn sys_002_a_panic_in_replace_state_leaves_the_server_and_its_state_alone() {
    on_both(|| async {
        let counter = Counter::start(3).await.unwrap();
        let outcome = sys::replace_state(counter.pid(), |counter: &mut Counter| {
            counter.n = 4;
            panic!("inside")
        });
        let outcome = outcome.await;
        assert!(
            matches!(&outcome, Err(SysError::Panicked(ExitReason::Panic(p))) if p.message == "inside"),
            "{outcome:?}"
        );
        assert_eq!(counter.call(Count::Get).await, Ok(3));
    });
}

#[test]
fn a_panic_in_with_state_is_the_servers_end() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let counter = Counter::start(0).await.unwrap();
            monitor(counter.pid());
            let outcome: Result<(), _> =
                sys::with_state(counter.pid(), |_: &mut Counter| panic!("inside")).await;
            let reason = expect_down(&mut inbox).await.reason;
            assert!(matches!(&reason, ExitReason::Panic(p) if p.message == "inside"));
            assert_eq!(outcome, Err(SysError::Exited(reason)));
        })
    });
}

#[test]
fn sys_works_on_a_server_that_hangs_only_by_its_patience() {
    on_sim(|| async {
        let counter = Counter::start(0).await.unwrap();
        let callee = counter.clone();
        spawn(async move {
            let _ = callee.call(Count::Hang).no_timeout().await;
        });
        sleep(ms(1)).await;
        let outcome = sys::get_state::<Counter>(counter.pid()).await;
        assert_eq!(outcome, Err(SysError::Timeout(Duration::from_secs(5))));
        assert!(counter.is_alive());
    });
}
