//! TIME: timers and sleep, in virtual time where the moment matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    Event, ExitReason, GenServer as _, Info, Mailbox, Name, TimerFired, ZeroPeriod, exit_after,
    kill_after, monitor, now, self_pid, send_after, send_at, send_interval, sleep, spawn,
    start_timer, trap_exit,
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
            const TIMERS: usize = 10_000;
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
