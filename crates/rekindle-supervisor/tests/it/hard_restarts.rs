//! Restarts where several things go wrong at once. Each test says what OTP does and where that is
//! written; `supervisor` is `lib/stdlib/src/supervisor.erl` and its reference page.

use rekindle_actor::{ExitReason, exit, link, sleep, spawn};
use rekindle_supervisor::{Backoff, ChildCount, ChildSpec, ChildState, Restart, Supervisor};

use crate::kit::*;

fn oops() -> ExitReason {
    ExitReason::msg("oops")
}

/// `supervisor:in_period/3`: a restart counts while it is at most one period old, so one at
/// exactly the end of the period is one too many.
#[test]
fn a_restart_at_the_very_end_of_the_period_is_one_too_many() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(1, seconds(5))
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "a").await, oops()).await;
        addr_of(&supervisor, "a").await;
        sleep(seconds(5)).await;
        end(&addr_of(&supervisor, "a").await, oops()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

/// As above: past the period it is forgotten, however often that happens.
#[test]
fn restarts_just_more_than_a_period_apart_never_add_up() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(1, seconds(5))
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        for _ in 0..5 {
            end(&addr_of(&supervisor, "a").await, oops()).await;
            addr_of(&supervisor, "a").await;
            sleep(seconds(5) + std::time::Duration::from_millis(1)).await;
        }
        assert!(supervisor.is_alive());
    });
}

/// `supervisor:restart/2` adds each try to the window before it makes it (`add_restart`), so a
/// child whose init fails uses the limit up by itself, and the try beyond it is never made.
#[test]
fn each_failed_try_of_a_restart_counts_and_the_one_too_many_is_not_made() {
    everywhere(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        script.push([Opening::Ready, Opening::Fail, Opening::Panic, Opening::Fail]);
        let child = <Probe as rekindle_supervisor::ServerChild>::child(args).id("a");
        let supervisor = Supervisor::one_for_one()
            .intensity(2, seconds(5))
            .child(child)
            .child(kit.child("b"))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "a").await, oops()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        // Two tries, by the two that were left; the last opening was never asked for.
        assert_eq!(script.len(), 1);
        assert_eq!(kit.log(), "+a +b -a -b");
    });
}

/// `supervisor:restart/2` for `one_for_all`, and `try_again_restart`: the retry is for the child
/// that failed to start, with everybody, and counts by itself.
#[test]
fn a_member_that_fails_in_a_restart_of_all_has_all_restarted_once_more() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .intensity(2, seconds(5))
            .child(kit.child("a"))
            .child(kit.scripted("b", &[Opening::Ready, Opening::Fail]))
            .child(kit.child("c"))
            .start()
            .await
            .unwrap();
        kit.log();
        end(&addr_of(&supervisor, "a").await, oops()).await;
        // A request behind the retry may come before it: ask until all run.
        while running(&supervisor).await != "abc" {
            rekindle_actor::yield_now().await;
        }
        assert_eq!(kit.log(), "-a -c -b +a -a +a +b +c");
        // Both counted: one more is too many.
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "c").await, oops()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

/// `rest_for_one` in `supervisor:restart/2`: the retry begins with the member that failed, and
/// those started before it stay.
#[test]
fn a_later_member_that_fails_in_a_restart_of_the_rest_is_retried_without_the_earlier() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::rest_for_one()
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(kit.scripted("c", &[Opening::Ready, Opening::Fail]))
            .child(kit.child("d"))
            .start()
            .await
            .unwrap();
        kit.log();
        let a = pid_of(&supervisor, "a").await;
        end(&addr_of(&supervisor, "b").await, oops()).await;
        while running(&supervisor).await != "abcd" {
            rekindle_actor::yield_now().await;
        }
        assert_eq!(kit.log(), "-b -d -c +b +c +d");
        assert_eq!(pid_of(&supervisor, "a").await, a);
    });
}

/// `supervisor:terminate_children/2`: who has died meanwhile is only collected, so two deaths in
/// one moment cost one restart of the group.
#[test]
fn siblings_that_die_in_one_moment_under_one_for_all_cost_one_restart() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .intensity(1, seconds(5))
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(kit.child("c"))
            .start()
            .await
            .unwrap();
        let before = [
            pid_of(&supervisor, "a").await.unwrap(),
            pid_of(&supervisor, "b").await.unwrap(),
            pid_of(&supervisor, "c").await.unwrap(),
        ];
        let watchers = [
            watch(before[0]).await,
            watch(before[1]).await,
            watch(before[2]).await,
        ];
        for pid in before {
            exit(pid, ExitReason::Kill);
        }
        for watcher in &watchers {
            watcher.end().await;
        }
        assert_eq!(running(&supervisor).await, "abc");
        let after = [
            pid_of(&supervisor, "a").await.unwrap(),
            pid_of(&supervisor, "b").await.unwrap(),
            pid_of(&supervisor, "c").await.unwrap(),
        ];
        assert!(before.iter().all(|pid| !after.contains(pid)));
    });
}

/// RM Links, and `supervisor:restart_child/3`: under `one_for_one` a child that falls by its link
/// to a sibling is a failed child like any other, and counts.
#[test]
fn a_child_that_falls_with_its_linked_sibling_counts_by_itself_under_one_for_one() {
    for (limit, survives) in [(1, false), (2, true)] {
        everywhere(move |kit| async move {
            let linked = |kit: &Kit, id: &'static str, to: &'static str| {
                let kit = kit.clone();
                ChildSpec::worker(id, move || {
                    let kit = kit.clone();
                    async move {
                        let pid = rekindle_actor::spawn_link(std::future::pending::<()>());
                        kit.note(format!("+{id}"));
                        rekindle_actor::register(id, pid).unwrap();
                        if let Some(other) = rekindle_actor::whereis(to) {
                            spawn_in(pid, other);
                        }
                        pid
                    }
                })
            };
            // Links two processes by way of a third that is linked with both, and dies by either.
            fn spawn_in(one: rekindle_actor::Pid, two: rekindle_actor::Pid) {
                spawn(async move {
                    link(one);
                    link(two);
                    std::future::pending::<()>().await
                });
            }
            let supervisor = Supervisor::one_for_one()
                .intensity(limit, seconds(5))
                .child(linked(&kit, "a", "nobody"))
                .child(linked(&kit, "b", "a"))
                .start()
                .await
                .unwrap();
            let watcher = watch(supervisor.pid()).await;
            let b = watch(pid_of(&supervisor, "b").await.unwrap()).await;
            let a = pid_of(&supervisor, "a").await.unwrap();
            // The links are there when the bridge has had its turn.
            while rekindle_actor::info(a).is_none_or(|info| info.links.len() < 2) {
                rekindle_actor::yield_now().await;
            }
            exit(a, oops());
            assert_eq!(b.end().await, oops());
            if survives {
                while running(&supervisor).await != "ab" {
                    rekindle_actor::yield_now().await;
                }
                assert!(supervisor.is_alive());
            } else {
                assert_eq!(watcher.end().await, ExitReason::Shutdown);
            }
        });
    }
}

/// `supervisor`: `{ok, undefined}` from a restart leaves the child in the list without a pid;
/// nothing tries again, and `restart_child` may.
#[test]
fn a_child_that_ignores_its_restart_stays_listed_until_it_is_asked_for() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(1, seconds(5))
            .child(kit.scripted("a", &[Opening::Ready, Opening::Ignore]))
            .start()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, oops()).await;
        let entry = supervisor.which_child("a").await.unwrap();
        assert_eq!(entry.state, ChildState::Stopped);
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active, count.workers), (1, 0, 1));
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(kit.log(), "+a -a +a");
    });
}

/// A group restart starts those again that had been stopped by `terminate_child`:
/// `supervisor:start_children/2` starts every child of the group.
#[test]
fn a_restart_of_all_starts_a_child_that_was_terminated_on_purpose() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .child(kit.child("a"))
            .child(kit.child("b"))
            .start()
            .await
            .unwrap();
        supervisor.terminate_child("b").await.unwrap();
        end(&addr_of(&supervisor, "a").await, oops()).await;
        assert_eq!(running(&supervisor).await, "ab");
    });
}

/// `supervisor:do_restart/3`: a transient child with a clean end touches nobody, also in the
/// middle of the order of `rest_for_one`.
#[test]
fn a_transient_member_that_ends_well_leaves_the_rest_alone() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::rest_for_one()
            .intensity(0, seconds(5))
            .child(kit.child("a"))
            .child(kit.child("b").restart(Restart::Transient))
            .child(kit.child("c"))
            .start()
            .await
            .unwrap();
        let c = pid_of(&supervisor, "c").await;
        for reason in [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("done"),
        ] {
            end(&addr_of(&supervisor, "b").await, reason).await;
            assert_eq!(running(&supervisor).await, "ac");
            supervisor.restart_child("b").await.unwrap();
        }
        assert_eq!(pid_of(&supervisor, "c").await, c);
    });
}

/// `supervisor:handle_cast({try_again_restart, _}, _)` finds the child by its state: whoever ended
/// the restart meanwhile has ended it for good.
#[test]
fn terminate_child_ends_a_restart_that_is_under_way() {
    simulated(|kit| async move {
        let pause = seconds(60);
        let supervisor = Supervisor::one_for_one()
            .backoff(Backoff::exponential(pause, pause).without_jitter())
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, oops()).await;
        let entry = supervisor.which_child("a").await.unwrap();
        assert_eq!(entry.state, ChildState::Restarting);
        supervisor.terminate_child("a").await.unwrap();
        let entry = supervisor.which_child("a").await.unwrap();
        assert_eq!(entry.state, ChildState::Stopped);
        sleep(seconds(200)).await;
        assert_eq!(kit.log(), "+a -a");
        supervisor.restart_child("a").await.unwrap();
        // The old retry is void also for the new life.
        sleep(seconds(200)).await;
        assert_eq!(kit.log(), "+a");
    });
}

/// A child that is to be restarted is in the books, and neither active nor free:
/// `supervisor:count_child/2`, and `{error, restarting}` of `restart_child` and `delete_child`.
#[test]
fn a_child_between_two_lives_is_listed_counted_and_protected() {
    use rekindle_supervisor::{DeleteChildError, RestartChildError, StartChildError};
    simulated(|kit| async move {
        let pause = seconds(60);
        let supervisor = Supervisor::one_for_one()
            .backoff(Backoff::exponential(pause, pause).without_jitter())
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, oops()).await;
        let ChildCount {
            specs,
            active,
            workers,
            ..
        } = supervisor.count_children().await.unwrap();
        assert_eq!((specs, active, workers), (1, 0, 1));
        let refused = supervisor.restart_child("a").await.unwrap_err();
        assert_eq!(refused, RestartChildError::Restarting);
        let refused = supervisor.delete_child("a").await.unwrap_err();
        assert_eq!(refused, DeleteChildError::Restarting);
        let refused = supervisor.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(refused, StartChildError::AlreadyPresent);
        sleep(seconds(61)).await;
        assert_eq!(running(&supervisor).await, "a");
        assert_eq!(kit.log(), "+a -a +a");
    });
}

/// `supervisor:handle_call({restart_child, _}, _, _)` starts by hand: a failure there is the
/// caller's, and neither counts nor is tried again.
#[test]
fn restart_child_that_fails_costs_nothing_and_is_not_tried_again() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .child(kit.scripted("a", &[Opening::Ready, Opening::Fail, Opening::Panic]))
            .start()
            .await
            .unwrap();
        supervisor.terminate_child("a").await.unwrap();
        for _ in 0..2 {
            assert!(supervisor.restart_child("a").await.is_err());
            let entry = supervisor.which_child("a").await.unwrap();
            assert_eq!(entry.state, ChildState::Stopped);
        }
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(kit.log(), "+a -a +a");
    });
}

/// `supervisor:shutdown/1` collects the exit of a child that has died by itself: the death and
/// the order to stop race, and either way the child is stopped, listed, and stays so.
#[test]
fn terminate_child_of_a_child_that_dies_at_that_moment_leaves_it_stopped() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(1, seconds(5))
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        let a = pid_of(&supervisor, "a").await.unwrap();
        exit(a, ExitReason::Kill);
        supervisor.terminate_child("a").await.unwrap();
        for _ in 0..3 {
            let entry = supervisor.which_child("a").await.unwrap();
            assert_eq!(entry.state, ChildState::Stopped);
            rekindle_actor::yield_now().await;
        }
    });
}

/// A supervisor is one server (`supervisor` is a `gen_server`): what is asked while it restarts a
/// slow child is answered after that, and shows the child running.
#[test]
fn who_asks_during_a_slow_restart_sees_its_result() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.scripted("a", &[Opening::Ready, Opening::Slow(seconds(10))]))
            .start()
            .await
            .unwrap();
        let first = pid_of(&supervisor, "a").await.unwrap();
        kill(first).await;
        let second = pid_of(&supervisor, "a").await.unwrap();
        assert_ne!(first, second);
        assert_eq!(kit.log(), "+a -a +a");
    });
}

/// The exit of a sibling that comes while the supervisor waits for another's init is handled
/// after it (`supervisor` is a `gen_server`), and is not lost.
#[test]
fn a_sibling_that_dies_during_a_slow_restart_is_restarted_after_it() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.scripted("a", &[Opening::Ready, Opening::Slow(seconds(10))]))
            .child(kit.child("b"))
            .start()
            .await
            .unwrap();
        let [a, b] = [
            pid_of(&supervisor, "a").await.unwrap(),
            pid_of(&supervisor, "b").await.unwrap(),
        ];
        kill(a).await;
        sleep(seconds(1)).await;
        kill(b).await;
        assert_eq!(running(&supervisor).await, "ab");
        assert_eq!(kit.log(), "+a +b -a -b +a +b");
    });
}

/// `temporary` in `supervisor`: such a child is never restarted, so its crashes cost nothing, and
/// its id is free when its end has been seen.
#[test]
fn a_temporary_child_may_crash_as_often_as_it_likes() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .start()
            .await
            .unwrap();
        for _ in 0..5 {
            let child = kit.child("a").restart(Restart::Temporary);
            let addr = supervisor.start_child(child).await.unwrap();
            end(&addr, oops()).await;
            assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        }
    });
}
