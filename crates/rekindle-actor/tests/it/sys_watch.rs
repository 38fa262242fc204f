//! SYS: watching a behaviour at work.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::sys::{self, SystemEvent, SystemState, SystemVerdict, Traced};
use rekindle_actor::{
    Ack, CallError, Event, ExitReason, GenServer, Mailbox, MailboxPolicy, Name, Next, Overflow,
    ReplyTo, Starter, exit, monitor, self_pid, send_after, sleep, spawn,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// Waits until `holds`, and lets time go on meanwhile.
async fn patiently(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(ms(1)).await;
    }
}

/// The events as text, without whose they are.
fn texts(events: &[Traced]) -> Vec<String> {
    events
        .iter()
        .map(|traced| traced.event.to_string())
        .collect()
}

#[test]
fn sys_006_statistics_count_what_comes_in_and_goes_out() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        assert_eq!(sys::get_statistics(&server).await, Ok(None), "off");
        server.call(Ask::Get).await.unwrap();
        sys::start_statistics(&server).await.unwrap();
        let none = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!((none.messages_in, none.messages_out), (0, 0));
        for _ in 0..3 {
            server.call(Ask::Get).await.unwrap();
        }
        server.cast(Tell::Add(1));
        server.send(7u32);
        let some = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!((some.messages_in, some.messages_out), (5, 3));
        assert_eq!(some.since, none.since);
        assert!(some.since <= some.now);
        // Switched on again, the count goes on; after a pause it begins anew.
        sys::start_statistics(&server).await.unwrap();
        server.cast(Tell::Add(1));
        let more = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!((more.messages_in, more.since), (6, none.since));
        sys::stop_statistics(&server).await.unwrap();
        assert_eq!(sys::get_statistics(&server).await, Ok(None));
        sys::start_statistics(&server).await.unwrap();
        let anew = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!((anew.messages_in, anew.messages_out), (0, 0));
    });
}

#[test]
fn sys_006_the_start_time_is_that_of_the_switch() {
    on_sim(|| async {
        let server = probe(&Log::new()).await;
        sleep(ms(30)).await;
        let before = rekindle_actor::now();
        sys::start_statistics(&server).await.unwrap();
        sleep(ms(40)).await;
        let statistics = sys::get_statistics(&server).await.unwrap().unwrap();
        assert!(statistics.since >= before);
        assert!(statistics.now.saturating_since(statistics.since) >= ms(40));
    });
}

#[test]
fn sys_006_a_late_reply_counts_when_it_is_given() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        sys::start_statistics(&server).await.unwrap();
        let caller = server.clone();
        let waiting = rekindle_actor::Task::spawn(async move { caller.call(Ask::Defer).await });
        until_deferred(&server).await;
        let held = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!(held.messages_out, 0);
        server.cast(tell(|probe, _| {
            if let Some(from) = probe.deferred.pop() {
                from.reply(5);
            }
            Ok(Next::Wait)
        }));
        assert_eq!(waiting.await, Ok(Ok(5)));
        let given = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!(given.messages_out, 1);
    });
}

/// Waits until the probe keeps a `ReplyTo`.
async fn until_deferred(server: &rekindle_actor::Addr<Probe>) {
    while sys::with_state(server, |probe: &mut Probe| probe.deferred.is_empty())
        .await
        .unwrap()
    {
        rekindle_actor::yield_now().await;
    }
}

#[test]
fn sys_007_the_log_keeps_the_last_events_oldest_first() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        assert_eq!(sys::get_log(&server).await, Ok(vec![]));
        sys::start_log(&server, 4).await.unwrap();
        let me = self_pid();
        server.call(|from| Ask::Add(2, from)).await.unwrap();
        let log = sys::get_log(&server).await.unwrap();
        assert_eq!(
            texts(&log),
            [
                format!("got call Add(2) from {me}"),
                format!("replied with i64 to {me}"),
                "has the state n = 2".to_owned(),
            ]
        );
        for _ in 0..3 {
            server.cast(Tell::Add(1));
        }
        let log = sys::get_log(&server).await.unwrap();
        assert_eq!(
            texts(&log),
            [
                "got cast Tell",
                "has the state n = 4",
                "got cast Tell",
                "has the state n = 5",
            ]
        );
        assert!(log.windows(2).all(|two| two[0].number + 1 == two[1].number));
        assert!(log.iter().all(|traced| traced.pid == server.pid()));
        assert_eq!(sys::print_log(&server).await, Ok(4));
        // A smaller limit keeps the newest, a larger one what is there.
        sys::start_log(&server, 1).await.unwrap();
        sys::start_log(&server, 9).await.unwrap();
        let log = sys::get_log(&server).await.unwrap();
        assert_eq!(texts(&log), ["has the state n = 5"]);
        sys::stop_log(&server).await.unwrap();
        assert_eq!(sys::get_log(&server).await, Ok(vec![]));
        sys::start_log(&server, 9).await.unwrap();
        assert_eq!(sys::get_log(&server).await, Ok(vec![]), "off forgets");
    });
}

#[test]
fn sys_008_a_trace_tells_each_event_to_another_process() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Traced>| async move {
            let log = Log::new();
            let server = Probe::start(Probe::plain(&log, 0)).name("traced").await;
            let server = server.unwrap();
            let me = self_pid();
            sys::trace_to("traced", &inbox.recipient()).await.unwrap();
            server.call(Ask::Get).await.unwrap();
            server.send(7u32);
            server.cast(tell(|_, _| Ok(Next::Continue(Work::Note("later")))));
            server.stop().await.unwrap();
            let mut events = Vec::new();
            for _ in 0..10 {
                events.push(inbox.recv().await);
            }
            assert!(events.iter().all(|t| t.name.as_deref() == Some("traced")));
            assert_eq!(
                texts(&events),
                [
                    format!("got call Ask from {me}").as_str(),
                    &format!("replied with i64 to {me}"),
                    "has the state n = 0",
                    "got message Plain",
                    "has the state n = 0",
                    "got cast Tell",
                    "has the state n = 0",
                    "goes on with continue Work",
                    "has the state n = 0",
                    "ends: normal",
                ]
            );
            assert_eq!(events[9].event, SystemEvent::Ending(ExitReason::Normal));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn sys_008_a_trace_ends_when_it_is_switched_off_and_when_its_receiver_ends() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Traced>| async move {
            let server = probe(&Log::new()).await;
            sys::trace_to(&server, &inbox.recipient()).await.unwrap();
            server.cast(Tell::Add(1));
            sys::stop_trace(&server).await.unwrap();
            server.cast(Tell::Add(1));
            sys::get_status(&server).await.unwrap();
            assert_eq!(inbox.recv().await.event.to_string(), "got cast Tell");
            assert_eq!(inbox.recv().await.event.to_string(), "has the state n = 1");
            expect_nothing(&mut inbox).await;

            let short = spawn(|mut inbox: Mailbox<Traced>| async move {
                inbox.recv().await;
            });
            sys::trace_to(&server, &short.recipient()).await.unwrap();
            let on = sys::get_status(&server).await.unwrap().watched;
            assert_eq!(on, [format!("trace to {}", short.pid())]);
            server.cast(Tell::Add(1));
            until(|| !short.is_alive()).await;
            // The first event that finds nobody ends it.
            loop {
                server.cast(Tell::Add(1));
                let on = sys::get_status(&server).await.unwrap().watched;
                if on.is_empty() {
                    break;
                }
            }
            assert!(server.call(Ask::Get).await.unwrap() >= 4);
        })
    });
}

#[test]
fn sys_008_a_receiver_that_is_full_misses_events_and_keeps_the_trace() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
        let full = Starter::new("full").mailbox(policy).start(
            |mut inbox: Mailbox<Traced>, ack: Ack| async move {
                ack.ready();
                loop {
                    inbox.recv_match(|_| false).await;
                }
            },
        );
        let full = full.await.unwrap();
        sys::trace_to(&server, &full.recipient()).await.unwrap();
        for _ in 0..5 {
            server.call(Ask::Get).await.unwrap();
        }
        let on = sys::get_status(&server).await.unwrap().watched;
        assert_eq!(on, [format!("trace to {}", full.pid())]);
    });
}

#[test]
fn sys_009_a_function_sees_every_event_with_its_own_state_until_it_is_removed() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let seen = Log::new();
        let see = seen.clone();
        let count = move |n: &mut i32, traced: &Traced| {
            *n += 1;
            see.add(format!("{n} {}", traced.event));
            GO_ON
        };
        let twice = count.clone();
        assert_eq!(sys::install(&server, "count", 10, count).await, Ok(true));
        assert_eq!(sys::install(&server, "count", 50, twice).await, Ok(false));
        server.cast(Tell::Add(1));
        server.cast(Tell::Add(1));
        sys::get_status(&server).await.unwrap();
        assert_eq!(
            seen.all(),
            [
                "11 got cast Tell",
                "12 has the state n = 1",
                "13 got cast Tell",
                "14 has the state n = 2"
            ]
        );
        assert_eq!(sys::remove(&server, "other").await, Ok(false));
        assert_eq!(sys::remove(&server, "count").await, Ok(true));
        assert_eq!(sys::remove(&server, "count").await, Ok(false));
        server.cast(Tell::Add(1));
        assert_eq!(server.call(Ask::Get).await, Ok(3));
        assert_eq!(seen.len(), 4);
    });
}

#[test]
fn sys_009_a_function_ends_itself() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let (seen, drops) = (Log::new(), Drops::new());
        let (see, held) = (seen.clone(), drops.counted());
        let once = move |_: &mut (), _: &Traced| {
            let _ = &held;
            see.add("seen");
            ControlFlow::Break(())
        };
        sys::install(&server, "once", (), once).await.unwrap();
        for _ in 0..3 {
            server.call(Ask::Get).await.unwrap();
        }
        assert_eq!((seen.len(), drops.count()), (1, 1));
        let on = sys::get_status(&server).await.unwrap().watched;
        assert!(on.is_empty(), "{on:?}");
    });
}

#[test]
fn sys_010_a_function_that_panics_is_dropped_and_harms_nobody() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let (seen, drops) = (Log::new(), Drops::new());
        let (see, held) = (seen.clone(), drops.counted());
        let fails = move |_: &mut (), _: &Traced| -> ControlFlow<()> {
            let _ = &held;
            panic!("inside")
        };
        let works = move |_: &mut (), traced: &Traced| {
            see.add(traced.event.to_string());
            GO_ON
        };
        sys::install(&server, "fails", (), fails).await.unwrap();
        sys::install(&server, "works", (), works).await.unwrap();
        // Its state panics as it is dropped, too.
        let bomb = Mutex::new(Some(Bomb("dropped")));
        let drops_badly = move |_: &mut (), _: &Traced| -> ControlFlow<()> {
            let _ = &bomb;
            ControlFlow::Break(())
        };
        sys::install(&server, "bomb", (), drops_badly)
            .await
            .unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        let on = sys::get_status(&server).await.unwrap().watched;
        assert_eq!(on, ["function \"works\""]);
        assert_eq!(drops.count(), 1);
        assert_eq!(seen.len(), 3);
        sys::no_debug(&server).await.unwrap();
        server.call(Ask::Get).await.unwrap();
        assert_eq!(seen.len(), 3);
    });
}

#[test]
fn sys_010_a_function_cannot_end_its_process() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let raises = |_: &mut (), _: &Traced| -> ControlFlow<()> {
            rekindle_actor::raise(oops("no business of yours"))
        };
        sys::install(&server, "raises", (), raises).await.unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        assert!(server.is_alive());
    });
}

#[test]
fn watching_goes_on_while_suspended_and_sees_what_queued_up() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        sys::suspend(&server).await.unwrap();
        sys::start_statistics(&server).await.unwrap();
        sys::start_log(&server, 10).await.unwrap();
        server.cast(Tell::Add(1));
        server.cast(Tell::Add(1));
        let held = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!(held.messages_in, 0);
        assert_eq!(sys::get_log(&server).await, Ok(vec![]));
        sys::resume(&server).await.unwrap();
        let after = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!(after.messages_in, 2);
        assert_eq!(sys::get_log(&server).await.unwrap().len(), 4);
    });
}

#[test]
fn watching_sees_downs_exits_and_timeouts() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log)).await.unwrap();
        sys::start_log(&server, 20).await.unwrap();
        sys::start_statistics(&server).await.unwrap();
        let target = mortal();
        let watched = target.pid();
        server
            .call(ask(move |_, _, from| {
                monitor(watched);
                from.reply(());
                Ok(Next::Wait)
            }))
            .await
            .unwrap();
        target.send(oops("gone"));
        until(|| log.contains("down gone")).await;
        // Not its parent, whose exit would end it.
        let stranger = Puppet::new();
        let (me, pid) = (stranger.pid(), server.pid());
        stranger.tell(move || exit(pid, oops("signal")));
        until(|| log.contains("exit signal")).await;
        server.cast(tell(|_, _| Ok(Next::Timeout(ms(1)))));
        patiently(|| log.contains("timeout")).await;
        let seen = texts(&sys::get_log(&server).await.unwrap());
        for wanted in [
            format!("got down of {watched}: gone"),
            format!("got exit of {me}: signal"),
            "goes on with timeout".to_owned(),
        ] {
            assert!(seen.contains(&wanted), "{wanted} in {seen:?}");
        }
        let counted = sys::get_statistics(&server).await.unwrap().unwrap();
        assert_eq!(counted.messages_in, 4, "a timeout is no message");
    });
}

#[test]
fn watching_an_idle_timeout_does_not_put_it_off() {
    on_sim(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(|_, _| Ok(Next::Timeout(ms(10)))));
        for _ in 0..5 {
            sleep(ms(3)).await;
            sys::start_log(&server, 3).await.unwrap();
            sys::stop_log(&server).await.unwrap();
        }
        assert!(log.contains("timeout"));
    });
}

#[test]
fn watching_a_call_that_the_server_answers_by_stopping_or_crashing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Traced>| async move {
            let server = probe(&Log::new()).await;
            sys::trace_to(&server, &inbox.recipient()).await.unwrap();
            let crashed = server.call(ask(|_, _, from: ReplyTo<()>| {
                drop(from);
                Err(oops("inside"))
            }));
            assert_eq!(crashed.await, Err(CallError::Exited(oops("inside"))));
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(inbox.recv().await);
            }
            assert_eq!(
                texts(&seen)[1..],
                ["has the state n = 0", "ends: inside"].map(String::from)
            );
        })
    });
}

#[test]
fn a_reply_in_terminate_is_seen_last() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let seen = Log::new();
        let see = seen.clone();
        let note = move |_: &mut (), traced: &Traced| {
            see.add(traced.event.to_string());
            GO_ON
        };
        let caller = server.clone();
        let waiting = rekindle_actor::Task::spawn(async move {
            let held = ask(|probe: &mut Probe, _, from: ReplyTo<i64>| {
                probe.on_terminate = Some(Box::new(move || from.reply(9)));
                Ok(Next::Wait)
            });
            caller.call(held).await
        });
        while sys::with_state(&server, |probe: &mut Probe| probe.on_terminate.is_none())
            .await
            .unwrap()
        {
            rekindle_actor::yield_now().await;
        }
        sys::install(&server, "note", (), note).await.unwrap();
        server.stop().await.unwrap();
        assert_eq!(waiting.await, Ok(Ok(9)));
        assert_eq!(seen.len(), 2);
        assert_eq!(seen.all()[0], "ends: normal");
        assert!(seen.all()[1].starts_with("replied with i64 to"));
    });
}

#[test]
fn a_server_that_is_watched_no_longer_forgets_that_it_was() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        for _ in 0..3 {
            sys::start_statistics(&server).await.unwrap();
            sys::start_log(&server, 3).await.unwrap();
            sys::trace(&server).await.unwrap();
            assert_eq!(sys::get_status(&server).await.unwrap().watched.len(), 3);
            server.call(Ask::Get).await.unwrap();
            sys::stop_trace(&server).await.unwrap();
            sys::stop_log(&server).await.unwrap();
            sys::stop_statistics(&server).await.unwrap();
            assert!(sys::get_status(&server).await.unwrap().watched.is_empty());
        }
        assert_eq!(sys::get_statistics(&server).await, Ok(None));
    });
}

#[test]
fn a_trace_to_a_name_follows_it() {
    on_both(|| {
        with_inbox(|_inbox: Mailbox<()>| async move {
            // A tracer that is a server under a name, reached by the name.
            let log = Log::new();
            let tracer = Probe::start(Probe::plain(&log, 0)).name("tracer").await;
            let server = probe(&Log::new()).await;
            let to = Name::<Probe>::new("tracer").recipient::<Traced>();
            sys::trace_to(&server, &to).await.unwrap();
            server.call(Ask::Get).await.unwrap();
            until(|| log.len() == 4).await;
            assert!(log.all()[3].starts_with("info"), "{:?}", log.all());
            drop(tracer);
        })
    });
}

impl From<Traced> for Plain {
    fn from(traced: Traced) -> Plain {
        Plain::Note(u32::try_from(traced.number).unwrap_or(u32::MAX))
    }
}

#[test]
fn an_own_behaviour_is_watched_as_any_other() {
    enum Request {
        Double(i64, ReplyTo<i64>),
        Later(ReplyTo<i64>),
    }
    async fn doubler(mut inbox: Mailbox<Request>, ack: Ack) -> ExitReason {
        let (mut kept, mut system) = (Vec::new(), SystemState::new());
        ack.ready();
        loop {
            let event = match system.is_suspended() {
                true => inbox.next_system().await,
                false => inbox.next_event(None).await,
            };
            match event {
                Event::System(message) => match message.handle(&mut system, &mut kept, |_| None) {
                    SystemVerdict::Continue => {}
                    SystemVerdict::Stop(reason) => return reason,
                },
                Event::Message(request) => {
                    system.message_in("request", inbox.caller(), || "some".to_owned());
                    match request {
                        Request::Double(n, from) => from.reply(n * 2),
                        Request::Later(from) => kept.push(from),
                    }
                    system.note(|| SystemEvent::Other("halfway".to_owned()));
                    system.handled(|| Some(kept.len().to_string()));
                }
                _ => {}
            }
        }
    }
    on_both(|| async {
        let doubler = Starter::new("doubler").start(doubler).await.unwrap();
        sys::start_statistics(&doubler).await.unwrap();
        sys::start_log(&doubler, 9).await.unwrap();
        let doubled = doubler.call(|from| Request::Double(4, from)).await;
        assert_eq!(doubled, Ok(8));
        let later = doubler.call(Request::Later).timeout(ms(2)).await;
        assert_eq!(later, Err(CallError::Timeout(ms(2))));
        let statistics = sys::get_statistics(&doubler).await.unwrap().unwrap();
        assert_eq!((statistics.messages_in, statistics.messages_out), (2, 1));
        let me = self_pid();
        assert_eq!(
            texts(&sys::get_log(&doubler).await.unwrap()),
            [
                format!("got request some from {me}"),
                format!("replied with i64 to {me}"),
                "halfway".to_owned(),
                "has the state 0".to_owned(),
                format!("got request some from {me}"),
                "halfway".to_owned(),
                "has the state 1".to_owned(),
            ]
        );
    });
}

#[test]
fn the_patience_of_a_question_can_be_chosen() {
    on_sim(|| async {
        let silent = idle();
        let begun = rekindle_actor::now();
        let outcome = sys::get_log(silent).timeout(ms(7)).await;
        assert_eq!(outcome, Err(sys::SysError::Timeout(ms(7))));
        assert!(rekindle_actor::now().saturating_since(begun) < ms(100));
        let patient = sys::get_log(silent).no_timeout();
        rekindle_actor::exit_after(Duration::from_secs(60), silent, oops("late"));
        assert_eq!(patient.await, Err(sys::SysError::Exited(oops("late"))));
    });
}

#[test]
fn a_texts_panic_is_swallowed_where_it_is_only_for_those_who_watch() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|probe, _| {
            probe.on_format = Some(|| panic!("no text"));
            Ok(Next::Wait)
        }));
        sys::start_log(&server, 9).await.unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        let log = sys::get_log(&server).await.unwrap();
        assert_eq!(log[2].event, SystemEvent::Handled(None));
    });
}

#[test]
fn a_watched_servers_timers_and_hibernation_work() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 0))
            .hibernate_after(ms(1))
            .await
            .unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let gather = events.clone();
        let keep = move |_: &mut (), traced: &Traced| {
            gather.lock().push(traced.event.clone());
            GO_ON
        };
        sys::install(&server, "keep", (), keep).await.unwrap();
        send_after(ms(5), &server.recipient::<u32>(), 3u32);
        patiently(|| log.contains("info 3")).await;
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        sys::get_status(&server).await.unwrap();
        assert_eq!(events.lock().len(), 5);
    });
}
