//! TIME: timers and sleep, in virtual time where the moment matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    Event, ExitReason, GenServer as _, Info, Mailbox, Name, TimerFired, TimerLeft, ZeroPeriod,
    apply_after, apply_interval, apply_repeatedly, exit_after, kill_after, monitor, now, self_pid,
    send_after, send_at, send_interval, sleep, spawn, start_timer, trap_exit,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn time_001_a_timer_fires_once_and_not_early() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let start = now();
            send_after(ms(30), &inbox.recipient(), 1);
            assert_eq!(inbox.recv().await, 1);
            assert!(now() >= start + ms(30));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn time_001_virtual_time_is_exact() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let start = now();
            send_after(ms(30), &inbox.recipient(), 1);
            inbox.recv().await;
            assert!(now().saturating_since(start) <= ms(31));
            sleep(Duration::from_secs(86_400)).await;
            assert!(now().saturating_since(start) >= Duration::from_secs(86_400));
        })
    });
}

#[test]
fn time_002_a_tagged_timer_tells_its_tag() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<TimerFired<u8>>| async move {
            let me = inbox.recipient();
            let (_, first) = start_timer(ms(1), &me, 7);
            assert_eq!(
                inbox.recv().await,
                TimerFired {
                    timer: first,
                    message: 7
                }
            );
            let (_, second) = start_timer(ms(1), &me, 7);
            assert_ne!(first, second);
            assert_eq!(inbox.recv().await.timer, second);
        })
    });
}

#[test]
fn time_003_read_gives_the_time_left() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let me = inbox.recipient();
            let long = send_after(Duration::from_secs(3600), &me, 1);
            let left = long.read().unwrap();
            assert!(left <= Duration::from_secs(3600) + ms(1) && left > Duration::from_secs(3000));
            let short = send_after(ms(1), &me, 2);
            inbox.recv().await;
            assert_eq!(short.read(), None);
            long.cancel();
            assert_eq!(long.read(), None);
        })
    });
}

#[test]
fn time_004_cancel_gives_the_time_left_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let me = inbox.recipient();
            let timer = send_after(Duration::from_secs(3600), &me, 1);
            assert!(timer.cancel().unwrap() > Duration::from_secs(3000));
            assert_eq!(timer.cancel(), None);
            let timer = send_after(ms(15), &me, 2);
            if timer.cancel().is_some() {
                expect_nothing(&mut inbox).await;
            }
            let timer = send_after(ms(1), &me, 3);
            assert_eq!(inbox.recv().await, 3);
            assert_eq!(timer.cancel(), None);
        })
    });
}

#[test]
fn time_005_a_delay_of_zero_delivers() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            send_after(Duration::ZERO, &inbox.recipient(), 1);
            assert_eq!(inbox.recv().await, 1);
            sleep(Duration::ZERO).await;
        })
    });
}

#[test]
fn time_006_deadlines_decide_the_order() {
    // Virtual time: on a loaded machine two real timers may come due between two looks.
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u64>| async move {
            let me = inbox.recipient();
            let delays = [90, 10, 500, 50, 70_000, 20, 3_000, 30, 1, 900_000];
            for delay in delays {
                send_after(ms(delay), &me, delay);
            }
            let mut sorted = delays;
            sorted.sort_unstable();
            for delay in sorted {
                assert_eq!(inbox.recv().await, delay);
            }
        })
    });
}

#[test]
fn time_007_very_long_timers_work() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let me = inbox.recipient();
            for power in [32, 33, 36, 42] {
                let delay = ms(1 << power);
                let timer = send_after(delay, &me, 1);
                let left = timer.read().unwrap();
                assert!(
                    left > delay - Duration::from_secs(600),
                    "2^{power}: {left:?}"
                );
                assert!(timer.cancel().is_some());
            }
            let timer = send_after(Duration::MAX, &me, 1);
            assert!(timer.cancel().is_some());
            expect_nothing(&mut inbox).await;
        })
    });
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let start = now();
            send_after(ms(1 << 33), &inbox.recipient(), 1);
            assert_eq!(inbox.recv().await, 1);
            assert!(now() >= start + ms(1 << 33));
            sleep(ms((1 << 32) + 5)).await;
            assert!(now() >= start + ms(1 << 33) + ms((1 << 32) + 5));
        })
    });
}

#[test]
fn time_008_a_moment_is_as_good_as_a_delay() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let moment = now() + ms(10);
            send_at(moment, &inbox.recipient(), 1);
            assert_eq!(inbox.recv().await, 1);
            assert!(now() >= moment);
            send_at(rekindle_actor::Time::ZERO, &inbox.recipient(), 2);
            assert_eq!(inbox.recv().await, 2);
        })
    });
}

#[test]
fn time_009_a_timer_to_a_name_reaches_the_holder_at_that_time() {
    on_both(|| async {
        let log = Log::new();
        let name = Name::<Probe>::new("server");
        send_after(ms(20), &name.recipient(), 1_u32);
        // Nobody holds the name yet.
        Probe::start(Probe::plain(&log, 0))
            .name("server")
            .await
            .unwrap();
        until_slowly(|| log.contains("info 1")).await;
    });
}

/// As `until`, for what needs time to pass: in the simulator time only moves when all wait.
async fn until_slowly(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(ms(1)).await;
    }
}

#[test]
fn time_009_a_timer_to_a_name_reaches_whoever_holds_it_then() {
    on_both(|| async {
        let (old, new) = (Log::new(), Log::new());
        let start = |log: &Log| Probe::start(Probe::plain(log, 0)).name("passed on");
        let first = start(&old).await.unwrap();
        send_after(ms(20), &Name::<Probe>::new("passed on").recipient(), 1_u32);
        first.stop().await.unwrap();
        start(&new).await.unwrap();
        until_slowly(|| new.contains("info 1")).await;
        assert_eq!(old.all().last().unwrap(), "terminate normal");
        // And nobody, if there is nobody.
        send_after(ms(1), &Name::<Probe>::new("nobody").recipient(), 1_u32);
        sleep(ms(5)).await;
    });
}

/// What comes in the tests of asynchronous cancels.
#[derive(Debug, PartialEq)]
enum Came {
    Fired,
    Left(TimerLeft),
}

impl From<TimerLeft> for Came {
    fn from(left: TimerLeft) -> Came {
        Came::Left(left)
    }
}

#[test]
fn time_010_the_result_of_an_asynchronous_cancel_comes_as_a_message() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Came>| async move {
            let me = inbox.recipient();
            let hour = Duration::from_secs(3600);
            let timer = send_after(hour, &me, Came::Fired);
            timer.read_async(&me);
            timer.cancel_async(&me);
            timer.cancel_async(&me);
            timer.read_async(&me);
            let mut lefts = Vec::new();
            for _ in 0..4 {
                match inbox.recv().await {
                    Came::Left(told) => {
                        assert_eq!(told.timer, timer);
                        lefts.push(told.left);
                    }
                    Came::Fired => panic!("it was cancelled"),
                }
            }
            assert!(lefts[0].is_some_and(|left| left > hour - Duration::from_secs(600)));
            assert!(lefts[1].is_some_and(|left| left <= hour));
            assert_eq!(lefts[2..], [None, None]);
            // One that has fired.
            let timer = send_after(ms(1), &me, Came::Fired);
            assert_eq!(inbox.recv().await, Came::Fired);
            timer.cancel_async(&me);
            assert!(matches!(inbox.recv().await, Came::Left(told) if told.left.is_none()));
            // Suppressed on request: nothing comes at all.
            let timer = send_after(ms(20), &me, Came::Fired);
            timer.cancel_quietly();
            assert_eq!(inbox.recv_timeout(ms(40)).await, None);
        })
    });
}

#[test]
fn time_010_a_timer_may_be_cancelled_from_another_process() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Came>| async move {
            let me = inbox.recipient();
            let timer = send_after(Duration::from_secs(3600), &me, Came::Fired);
            spawn(async move { timer.cancel_async(&me) });
            assert!(matches!(inbox.recv().await, Came::Left(told) if told.left.is_some()));
        })
    });
}

#[test]
fn time_004_a_timer_cancelled_as_it_fires_is_one_or_the_other() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            let mut cancelled = Vec::new();
            for n in 0..300_u32 {
                let timer = send_after(Duration::from_micros(u64::from(n % 50) * 20), &me, n);
                if n % 3 == 0 {
                    rekindle_actor::yield_now().await;
                }
                if n % 7 == 0 {
                    sleep(Duration::from_micros(300)).await;
                }
                if timer.cancel().is_some() {
                    cancelled.push(n);
                }
            }
            let mut came = Vec::new();
            while came.len() + cancelled.len() < 300 {
                came.push(inbox.recv().await);
            }
            assert!(came.iter().all(|n| !cancelled.contains(n)));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn time_012_apply_interval_starts_the_next_run_beside_the_last() {
    on_sim(|| async {
        let (begun, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, inside) = (begun.clone(), together.clone());
        let most = Arc::new(AtomicUsize::new(0));
        let highest = most.clone();
        let runs = apply_interval(ms(10), move || {
            let (count, inside, highest) = (count.clone(), inside.clone(), highest.clone());
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(now, Ordering::SeqCst);
                sleep(ms(35)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .unwrap();
        sleep(ms(9)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 0, "not before one period");
        sleep(ms(96)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 10);
        runs.cancel();
        assert_eq!(most.load(Ordering::SeqCst), 4);
        // What has begun comes to its end; nothing begins any more.
        sleep(ms(100)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 10);
        assert_eq!(together.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn time_012_apply_repeatedly_waits_for_the_last_run() {
    on_sim(|| async {
        let (log, start) = (Log::new(), now());
        let told = log.clone();
        let runs = apply_repeatedly(ms(10), move || {
            let log = told.clone();
            async move {
                let at = || now().saturating_since(start).as_millis();
                log.add(format!("begins {}", at()));
                // The first run takes long, the others do not.
                sleep(if log.len() == 1 { ms(25) } else { ms(1) }).await;
                log.add("ends");
            }
        })
        .unwrap();
        sleep(ms(70)).await;
        runs.cancel();
        let all = log.all();
        assert!(all.len() >= 8, "{all:?}");
        for two in all.chunks_exact(2) {
            assert!(two[0].starts_with("begins") && two[1] == "ends", "{all:?}");
        }
        let begun = |run: usize| -> u128 {
            let text = all[2 * run].strip_prefix("begins ").unwrap();
            text.parse().unwrap()
        };
        assert!((10..12).contains(&begun(0)), "{all:?}");
        // At once after the long one, then a period after that.
        assert!((35..39).contains(&begun(1)), "{all:?}");
        assert!((45..50).contains(&begun(2)), "{all:?}");
        sleep(ms(50)).await;
        assert_eq!(log.len(), all.len(), "cancelled");
    });
}

#[test]
fn time_012_a_run_that_crashes_or_is_killed_does_not_end_the_interval() {
    on_both(|| async {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        let _runs = apply_repeatedly(ms(1), move || {
            let n = seen.fetch_add(1, Ordering::SeqCst);
            async move {
                match n % 3 {
                    0 => panic!("a run that crashes"),
                    1 => rekindle_actor::exit(self_pid(), ExitReason::Kill),
                    _ => rekindle_actor::raise(oops("raised")),
                }
                sleep(Duration::from_secs(3600)).await;
            }
        })
        .unwrap();
        until_slowly(|| count.load(Ordering::SeqCst) >= 7).await;
    });
}

#[test]
fn time_012_the_next_run_finds_the_name_of_the_last_one_free() {
    on_both(|| async {
        let log = Log::new();
        let told = log.clone();
        let runs = apply_repeatedly(ms(1), move || {
            let log = told.clone();
            async move {
                let outcome = rekindle_actor::register("the run", self_pid());
                log.add(format!("{outcome:?}"));
                // Longer than the period: the next one follows at once.
                sleep(ms(3)).await;
            }
        })
        .unwrap();
        until_slowly(|| log.len() >= 5).await;
        runs.cancel();
        assert!(log.all().iter().all(|outcome| outcome == "Ok(())"));
    });
}

#[test]
fn apply_after_runs_once_unless_it_is_cancelled() {
    on_both(|| async {
        let log = Log::new();
        let (one, two) = (log.clone(), log.clone());
        let never = apply_after(
            Duration::from_secs(60),
            move || async move { one.add("one") },
        );
        apply_after(
            ms(1),
            move || async move { two.add(format!("{}", self_pid())) },
        );
        assert!(never.cancel().is_some());
        until_slowly(|| log.len() == 1).await;
        sleep(ms(5)).await;
        assert_eq!(log.len(), 1);
        let refused = apply_interval(Duration::ZERO, || async {});
        assert_eq!(refused.unwrap_err(), ZeroPeriod);
        let refused = apply_repeatedly(Duration::ZERO, || async {});
        assert_eq!(refused.unwrap_err(), ZeroPeriod);
    });
}

#[test]
fn an_interval_may_be_cancelled_by_the_message_that_it_sends() {
    /// Refused, it is dropped where it was sent from.
    #[derive(Clone)]
    struct Cancels(Arc<parking_lot::Mutex<Option<rekindle_actor::Interval>>>);
    impl Drop for Cancels {
        fn drop(&mut self) {
            let interval = self.0.lock().take();
            drop(interval);
        }
    }
    on_both(|| async {
        let dead = spawn(|mut inbox: Mailbox<Cancels>| async move {
            inbox.recv_match(|_| false).await;
        });
        dead.exit(ExitReason::Kill);
        until(|| !dead.is_alive()).await;
        let place = Arc::new(parking_lot::Mutex::new(None));
        let interval = send_interval(ms(1), &dead.recipient(), Cancels(place.clone()));
        *place.lock() = interval.ok();
        until_slowly(|| place.lock().is_none()).await;
    });
}

#[test]
fn time_011_nothing_comes_once_a_cancel_has_returned() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            for _ in 0..20 {
                let interval = send_interval(Duration::from_micros(50), &inbox.recipient(), 1);
                inbox.recv().await;
                interval.unwrap().cancel();
                // What was sent is received by the next turn.
                rekindle_actor::yield_now().await;
                while inbox.try_recv().is_some() {}
                sleep(ms(1)).await;
                assert_eq!(inbox.try_recv(), None);
            }
        })
    });
}

#[test]
fn time_011_an_interval_fires_until_it_is_cancelled() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let interval = send_interval(ms(2), &inbox.recipient(), 1).unwrap();
            for _ in 0..5 {
                assert_eq!(inbox.recv().await, 1);
            }
            interval.cancel();
            // What was sent before may still be here; after one look nothing comes any more.
            rekindle_actor::yield_now().await;
            while inbox.try_recv().is_some() {}
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn time_011_an_interval_keeps_its_beat() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let start = now();
            let interval = send_interval(ms(100), &inbox.recipient(), 1).unwrap();
            for beat in 1..=5 {
                inbox.recv().await;
                let at = now().saturating_since(start);
                assert!(at >= ms(100 * beat) && at <= ms(100 * beat + 2), "{at:?}");
            }
            drop(interval);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn time_011_a_dropped_interval_ends_and_a_detached_one_goes_on() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            drop(send_interval(ms(1), &inbox.recipient(), 1).unwrap());
            rekindle_actor::yield_now().await;
            while inbox.try_recv().is_some() {}
            expect_nothing(&mut inbox).await;
            send_interval(ms(1), &inbox.recipient(), 2)
                .unwrap()
                .detach();
            for _ in 0..3 {
                assert_eq!(inbox.recv().await, 2);
            }
        })
    });
}

#[test]
fn an_interval_of_zero_is_refused() {
    on_both(|| {
        with_inbox(|inbox: Mailbox<u8>| async move {
            let refused = send_interval(Duration::ZERO, &inbox.recipient(), 1);
            assert_eq!(refused.unwrap_err(), ZeroPeriod);
        })
    });
}

#[test]
fn time_013_exit_after_and_kill_after() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = idle();
            monitor(target);
            exit_after(ms(2), target, oops("time is up"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("time is up"));
            exit_after(ms(1), target, oops("nobody there"));
            kill_after(ms(1), target);

            let target = Puppet::trapping().await;
            monitor(target.pid());
            kill_after(ms(2), target.pid());
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Killed);

            trap_exit(true);
            let timer = exit_after(Duration::from_secs(60), self_pid(), oops("cancelled"));
            assert!(timer.cancel().is_some());
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn time_014_many_timers_leave_nothing_behind() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let (sent, me) = (Drops::new(), inbox.recipient());
            let mut random = 0x2545_f491_4f6c_dd1d_u64;
            let mut cancelled = 0;
            let sink = spawn(|mut inbox: Mailbox<Counted>| async move {
                for _ in 0..usize::MAX {
                    drop(inbox.recv().await);
                }
            });
            // With all seeds, and on the pool, far beyond a hundred thousand.
            const TIMERS: usize = 25_000;
            for _ in 0..TIMERS {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let timer = send_after(ms(random % 50), &sink.recipient(), sent.counted());
                if random >> 32 & 1 == 0 && timer.cancel().is_some() {
                    cancelled += 1;
                }
            }
            assert!(cancelled > 0);
            until_slowly(|| sent.count() == TIMERS).await;
            // No late message, and the wheel still works.
            send_after(ms(1), &me, 5);
            assert_eq!(inbox.recv().await, 5);
        })
    });
}

#[test]
fn a_timer_to_a_process_that_died_meanwhile_vanishes() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let drops = Drops::new();
            let target = spawn(|mut inbox: Mailbox<Counted>| async move {
                inbox.recv().await;
            });
            send_after(ms(10), &target.recipient(), drops.counted());
            monitor(target.pid());
            target.exit(ExitReason::Kill);
            expect_down(&mut inbox).await;
            until_slowly(|| drops.count() == 1).await;
        })
    });
}

#[test]
fn a_sleeping_process_can_be_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let sleeper = spawn(async { sleep(Duration::from_secs(1_000_000)).await });
            monitor(sleeper);
            rekindle_actor::exit(sleeper, oops("wake up"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("wake up"));
        })
    });
}

#[test]
fn a_receive_with_a_timeout_can_be_repeated() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let start = now();
            for n in 1..=10_u64 {
                assert_eq!(inbox.recv_timeout(ms(10)).await, None);
                let spent = now().saturating_since(start);
                assert!(spent >= ms(10 * n) && spent <= ms(11 * n), "{n}: {spent:?}");
            }
            // A shorter wait after a longer one that was given up: the alarm moves forward.
            send_after(ms(5), &inbox.recipient(), 1);
            assert_eq!(inbox.recv_timeout(Duration::from_secs(3600)).await, Some(1));
            let before = now();
            assert_eq!(inbox.recv_timeout(ms(3)).await, None);
            assert!(now().saturating_since(before) <= ms(5));
        })
    });
}

#[test]
fn sleeps_in_many_processes_end_in_order() {
    on_sim(|| async {
        let (log, done) = (Log::new(), Arc::new(AtomicUsize::new(0)));
        for n in [5_u64, 1, 4, 2, 3] {
            let (log, done) = (log.clone(), done.clone());
            spawn(async move {
                sleep(ms(n * 10)).await;
                log.add(n.to_string());
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        sleep(ms(100)).await;
        assert_eq!(log.all(), ["1", "2", "3", "4", "5"]);
    });
}

#[test]
fn an_alarm_takes_its_turn_among_the_messages() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let me = inbox.recipient();
            me.send(1);
            let past = inbox.alarm_at(now(), 7);
            let later = inbox.alarm_at(now().saturating_add(ms(3600)), 8);
            assert!(matches!(inbox.next_event(None).await, Event::Message(1)));
            assert!(matches!(inbox.next_event(None).await, Event::Alarm(7)));
            // Neither a look at something else, nor its own handle, takes out what has gone off.
            let soon = inbox.alarm_at(now(), 9);
            while inbox.is_empty() {
                sleep(Duration::from_micros(100)).await;
            }
            drop((past, later, soon));
            me.send(2);
            assert!(matches!(inbox.next_timeout(ms(1)).await, Info::Message(2)));
            assert_eq!(inbox.recv_timeout(ms(1)).await, None);
            assert!(matches!(inbox.next_event(None).await, Event::Alarm(9)));
        })
    });
}

#[test]
fn an_alarm_that_is_dropped_in_time_does_not_go_off() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let dropped = inbox.alarm_at(now().saturating_add(ms(10)), 1);
            let kept = inbox.alarm_at(now().saturating_add(ms(20)), 2);
            drop(dropped);
            assert!(matches!(inbox.next_event(None).await, Event::Alarm(2)));
            assert!(matches!(
                inbox.next_event(Some(ms(100))).await,
                Event::Timeout
            ));
            drop(kept);
        })
    });
}
