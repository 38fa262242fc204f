//! Stopping, killing and giving up at awkward moments. Each test says what OTP does and where that
//! is written; `supervisor` is `lib/stdlib/src/supervisor.erl` and its reference page.

use std::time::Duration;

use rekindle_actor::{ExitReason, Info, Mailbox, Pid, exit, now, raise, sleep, spawn, trap_exit};
use rekindle_supervisor::{
    AutoShutdown, ChildSpec, ChildState, DynamicSupervisor, Restart, Shutdown, Supervisor,
    SupervisorHandle,
};

use crate::kit::*;

fn oops() -> ExitReason {
    ExitReason::msg("oops")
}

/// `supervisor:shutdown/1`: another reason than `shutdown` is reported, and the shutdown goes on:
/// the rest is stopped, in order, and the supervisor ends with the reason it was given.
#[test]
fn a_child_that_ends_badly_while_it_is_stopped_disturbs_nobody() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.ending("b", End::Raise(oops())))
            .child(kit.child("c"))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        kit.log();
        let why = ExitReason::shutdown_with("that was all");
        supervisor.stop().reason(why.clone()).await.unwrap();
        assert_eq!(watcher.end().await, why);
        assert_eq!(kit.log(), "-c -b -a");
    });
}

/// `shutdown` in the child specification: the time is what the child has; just within it, it ends
/// by itself, and just beyond, it is killed.
#[test]
fn the_time_to_stop_ends_when_it_ends() {
    simulated(|kit| async move {
        let limit = Duration::from_millis(1000);
        let rows = [
            (Duration::from_millis(999), ExitReason::Shutdown),
            (Duration::from_millis(1001), ExitReason::Killed),
        ];
        for (takes, reason) in rows {
            let child = kit.ending("a", End::Slow(takes));
            let supervisor = Supervisor::one_for_one()
                .child(child.shutdown(Shutdown::Within(limit)))
                .start()
                .await
                .unwrap();
            let watcher = watch(pid_of(&supervisor, "a").await.unwrap()).await;
            supervisor.stop().await.unwrap();
            assert_eq!(watcher.end().await, reason, "{takes:?}");
        }
    });
}

/// `supervisor:terminate_children/2` stops one after the other: each has its whole time.
#[test]
fn each_child_of_a_list_has_a_time_of_its_own_to_stop() {
    simulated(|kit| async move {
        let slow = |id| {
            kit.ending(id, End::Slow(seconds(3)))
                .shutdown(Shutdown::Within(seconds(4)))
        };
        let supervisor = Supervisor::one_for_one()
            .child(slow("a"))
            .child(slow("b"))
            .start()
            .await
            .unwrap();
        let watcher = watch(pid_of(&supervisor, "a").await.unwrap()).await;
        let begun = now();
        supervisor.stop().await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        assert!(now().saturating_since(begun) >= seconds(6));
    });
}

/// `supervisor:terminate_dynamic_children/1` (and `DynamicSupervisor`): all are told at once, so
/// the slowest counts, and each has its own kind of end.
#[test]
fn dynamic_children_stop_side_by_side_each_in_its_way() {
    simulated(|kit| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        let kinds = [
            (
                seconds(3),
                Shutdown::Within(seconds(4)),
                ExitReason::Shutdown,
            ),
            (seconds(9), Shutdown::Within(seconds(2)), ExitReason::Killed),
            (seconds(5), Shutdown::Infinite, ExitReason::Shutdown),
            (seconds(9), Shutdown::Kill, ExitReason::Killed),
        ];
        let mut watchers = Vec::new();
        for (takes, how, reason) in kinds {
            let child = kit.ending("a", End::Slow(takes)).shutdown(how);
            let addr = supervisor.start_child(child).await.unwrap();
            watchers.push((watch(addr.pid()).await, reason));
        }
        let begun = now();
        supervisor.stop().await.unwrap();
        let took = now().saturating_since(begun);
        assert!(took >= seconds(5) && took < seconds(6), "{took:?}");
        for (watcher, reason) in watchers {
            assert_eq!(watcher.end().await, reason);
        }
    });
}

/// RM Links: a supervisor that is killed has no time to stop anybody; its exit signals do. A child
/// that does not trap dies with `Killed`, one that traps ends in order, for it is its parent's end.
#[test]
fn a_killed_supervisor_takes_its_children_along_by_their_links() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.ending("b", End::Plain))
            .start()
            .await
            .unwrap();
        let watchers = [
            watch(pid_of(&supervisor, "a").await.unwrap()).await,
            watch(pid_of(&supervisor, "b").await.unwrap()).await,
        ];
        exit(supervisor.pid(), ExitReason::Kill);
        for watcher in watchers {
            assert_eq!(watcher.end().await, ExitReason::Killed);
        }
    });
}

/// `proc_lib:start_link/5` and `gen_server` with its parent: a supervisor whose parent dies while
/// it starts a slow child finishes that start, sees the exit, and stops its children in order.
#[test]
fn a_supervisor_whose_parent_dies_during_its_start_stops_what_it_has_started() {
    simulated(|kit| async move {
        let children = [
            kit.child("a"),
            kit.scripted("b", &[Opening::Slow(seconds(10))]),
            kit.child("c"),
        ];
        let parent = spawn(async move {
            let supervisor = Supervisor::one_for_one()
                .name("young")
                .children(children)
                .start_link()
                .await;
            drop(supervisor);
        });
        sleep(seconds(1)).await;
        let supervisor = rekindle_actor::whereis("young").unwrap();
        let watcher = watch(supervisor).await;
        kill(parent).await;
        assert_eq!(watcher.end().await, ExitReason::Killed);
        assert_eq!(kit.log(), "+a +b +c -c -b -a");
        assert_eq!(rekindle_actor::whereis("young"), None);
    });
}

/// `supervisor` started by `start_link`: a kill in the middle of its start leaves no child behind,
/// neither those that run nor the one in its init, and the starter hears `Killed`.
#[test]
fn a_supervisor_killed_in_the_middle_of_its_start_leaves_nothing() {
    simulated(|kit| async move {
        let children = [
            kit.child("a").name("first"),
            kit.scripted("b", &[Opening::Slow(seconds(10))])
                .name("second"),
        ];
        spawn(async move {
            sleep(seconds(1)).await;
            exit(rekindle_actor::whereis("young").unwrap(), ExitReason::Kill);
        });
        let failed = Supervisor::one_for_one()
            .name("young")
            .children(children)
            .start()
            .await
            .unwrap_err();
        assert!(failed.to_string().contains("killed"), "{failed}");
        sleep(seconds(20)).await;
        assert_eq!(kit.log(), "+a -a");
        for name in ["first", "second", "young"] {
            assert_eq!(rekindle_actor::whereis(name), None, "{name}");
        }
    });
}

/// `supervisor:init_children/2`: when a child does not start, those before it are stopped in
/// reverse, and the error names the child.
#[test]
fn a_start_that_fails_half_way_stops_the_first_half_in_reverse() {
    use rekindle_actor::StartError;
    use rekindle_supervisor::SupervisorError;
    everywhere(|kit| async move {
        let failed = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(kit.scripted("c", &[Opening::Fail]))
            .child(kit.child("d"))
            .start()
            .await
            .unwrap_err();
        let expected = SupervisorError::Child {
            id: "c".into(),
            error: StartError::Failed(ExitReason::msg("told to fail")),
        };
        assert_eq!(failed, expected);
        assert_eq!(kit.log(), "+a +b -b -a");
    });
}

/// `gen_server` with its parent: the parent's exit ends a supervisor with whatever reason, also
/// with `normal`, for it traps exits.
#[test]
fn a_parent_that_ends_normally_ends_its_supervisor() {
    everywhere(|kit| async move {
        let child = kit.child("a");
        let (tell, told) = std::sync::mpsc::channel();
        let parent = spawn(move |mut inbox: Mailbox<()>| async move {
            let supervisor = Supervisor::one_for_one().child(child).start_link().await;
            tell.send(supervisor.unwrap()).unwrap();
            inbox.recv().await;
        });
        let supervisor: SupervisorHandle = loop {
            if let Ok(supervisor) = told.try_recv() {
                break supervisor;
            }
            rekindle_actor::yield_now().await;
        };
        let watcher = watch(supervisor.pid()).await;
        parent.send(());
        assert_eq!(watcher.end().await, ExitReason::Normal);
        assert_eq!(kit.log(), "+a -a");
    });
}

/// The design principles, Supervision trees: a supervisor that gives up ends with `shutdown`, and
/// what becomes of that is decided one level up. Three levels, each at its limit.
#[test]
fn giving_up_goes_up_as_far_as_limits_are_used_up() {
    everywhere(|kit| async move {
        let inner = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .id("inner")
            .child(kit.child("a").name("worker"));
        let middle = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .id("middle")
            .child(inner);
        let root = Supervisor::one_for_one()
            .intensity(1, seconds(5))
            .child(middle)
            .start()
            .await
            .unwrap();
        let root_watcher = watch(root.pid()).await;
        let middle_before = pid_of(&root, "middle").await.unwrap();
        let middle_watcher = watch(middle_before).await;
        kill(rekindle_actor::whereis("worker").unwrap()).await;
        assert_eq!(middle_watcher.end().await, ExitReason::Shutdown);
        let middle_after = pid_of(&root, "middle").await.unwrap();
        assert_ne!(middle_before, middle_after);
        assert_eq!(kit.log(), "+a -a +a");
        kill(rekindle_actor::whereis("worker").unwrap()).await;
        assert_eq!(root_watcher.end().await, ExitReason::Shutdown);
        assert_eq!(rekindle_actor::whereis("worker"), None);
    });
}

/// `shutdown` is a clean reason: a transient supervisor that gives up is not restarted.
#[test]
fn a_transient_supervisor_that_gives_up_stays_down_and_harms_nobody() {
    everywhere(|kit| async move {
        let inner = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .id("inner")
            .restart(Restart::Transient)
            .child(kit.child("a"));
        let root = Supervisor::one_for_all()
            .intensity(0, seconds(5))
            .child(kit.child("b"))
            .child(inner)
            .start()
            .await
            .unwrap();
        let inner = SupervisorHandle::from_pid(pid_of(&root, "inner").await.unwrap()).unwrap();
        let watcher = watch(inner.pid()).await;
        kill(pid_of(&inner, "a").await.unwrap()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        let entry = root.which_child("inner").await.unwrap();
        assert_eq!(entry.state, ChildState::Stopped);
        assert_eq!(running(&root).await, "b");
    });
}

/// `supervisor:do_auto_shutdown/2` runs for a child that has ended by itself: a significant one
/// that is stopped in a group restart is not one.
#[test]
fn a_significant_child_that_falls_in_a_group_restart_ends_nothing() {
    for auto in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        everywhere(move |kit| async move {
            let supervisor = Supervisor::one_for_all()
                .auto_shutdown(auto)
                .child(kit.child("a"))
                .child(kit.child("b").restart(Restart::Temporary).significant(true))
                .child(kit.child("c").restart(Restart::Transient).significant(true))
                .start()
                .await
                .unwrap();
            end(&addr_of(&supervisor, "a").await, oops()).await;
            assert_eq!(running(&supervisor).await, "ac");
        });
    }
}

/// `auto_shutdown` in `supervisor`: an abnormal end of a transient child is a restart; only an end
/// for good counts. For a temporary child each end is one.
#[test]
fn only_ends_for_good_are_significant() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AllSignificant)
            .child(kit.child("a"))
            .child(kit.child("b").restart(Restart::Transient).significant(true))
            .child(kit.child("c").restart(Restart::Temporary).significant(true))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "b").await, oops()).await;
        assert_eq!(running(&supervisor).await, "abc");
        end(&addr_of(&supervisor, "c").await, oops()).await;
        assert_eq!(running(&supervisor).await, "ab");
        kit.log();
        end(&addr_of(&supervisor, "b").await, ExitReason::Normal).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        assert_eq!(kit.log(), "-b -a");
    });
}

/// `supervisor:do_auto_shutdown/2` for `all_significant` looks for others that have a pid: one
/// that was stopped on purpose is none, and so the next end is the last.
#[test]
fn a_terminated_significant_child_does_not_count_as_one_that_still_works() {
    everywhere(|kit| async move {
        let significant = |id| kit.child(id).restart(Restart::Transient).significant(true);
        let supervisor = Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AllSignificant)
            .child(significant("a"))
            .child(significant("b"))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        supervisor.terminate_child("a").await.unwrap();
        assert!(supervisor.is_alive());
        end(&addr_of(&supervisor, "b").await, ExitReason::Normal).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

/// `supervisor` traps exits: an exit signal of a stranger, also with `kill`'s successor `killed`,
/// is no business of its own. `kill` itself is.
#[test]
fn exit_signals_of_strangers_leave_a_supervisor_alone_but_for_kill() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(0, seconds(5))
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        let a = pid_of(&supervisor, "a").await;
        let target = supervisor.pid();
        let stranger = spawn(async move {
            exit(target, ExitReason::Shutdown);
            exit(target, ExitReason::Killed);
            exit(target, oops());
        });
        watch(stranger).await.end().await;
        assert_eq!(pid_of(&supervisor, "a").await, a);
        let watcher = watch(target).await;
        exit(target, ExitReason::Kill);
        assert_eq!(watcher.end().await, ExitReason::Killed);
    });
}

/// `supervisor:monitor_child/1`: a child that has taken its link away is stopped all the same, by
/// its monitor.
#[test]
fn a_child_that_has_unlinked_itself_is_stopped_with_the_others() {
    simulated(|kit| async move {
        let runaway = ChildSpec::worker("a", || async {
            let parent = rekindle_actor::self_pid();
            rekindle_actor::spawn_link(async move {
                trap_exit(false);
                rekindle_actor::unlink(parent);
                std::future::pending::<()>().await
            })
        });
        let supervisor = Supervisor::one_for_one()
            .child(runaway)
            .child(kit.child("b"))
            .start()
            .await
            .unwrap();
        let a = pid_of(&supervisor, "a").await.unwrap();
        while rekindle_actor::info(a).is_some_and(|info| !info.links.is_empty()) {
            rekindle_actor::yield_now().await;
        }
        let watcher = watch(a).await;
        supervisor.stop().await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

/// RM Exit signals: a child that ends with `kill` as its own word has an abnormal reason like any
/// other, and its supervisor lives to restart it.
#[test]
fn a_child_that_ends_with_kill_by_its_own_word_is_restarted() {
    everywhere(|kit| async move {
        let once = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let moody = ChildSpec::task(move || {
            let first = once.swap(false, std::sync::atomic::Ordering::SeqCst);
            async move {
                if first {
                    raise(ExitReason::Kill);
                }
                std::future::pending::<()>().await
            }
        });
        let supervisor = Supervisor::one_for_all()
            .child(kit.child("b"))
            .child(moody.id("a").restart(Restart::Transient))
            .start()
            .await
            .unwrap();
        while kit.peek() != "+b -b +b" {
            rekindle_actor::yield_now().await;
        }
        assert_eq!(running(&supervisor).await, "ba");
    });
}

/// A child that takes its link away when it is told to stop, and takes a second to end.
fn leaving() -> ChildSpec {
    ChildSpec::worker("leaving", || async {
        rekindle_actor::spawn_link(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            assert!(matches!(inbox.next().await, Info::Exit(exit) if !exit.came_by_link()));
            rekindle_actor::unlink(rekindle_actor::parent().unwrap());
            sleep(seconds(1)).await;
        })
    })
}

/// `supervisor:monitor_child/1`: whoever leaves while it is being stopped is waited for by a monitor.
#[test]
fn a_child_that_unlinks_itself_while_it_is_stopped_is_waited_for() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(leaving())
            .child(kit.child("b"))
            .start()
            .await
            .unwrap();
        let begun = now();
        supervisor.terminate_child("leaving").await.unwrap();
        assert!(now().saturating_since(begun) >= seconds(1));
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
    });
}

/// The same where all are stopped at once, and where it does not end in time.
#[test]
fn children_that_unlink_themselves_while_all_are_stopped_are_waited_for() {
    simulated(|_| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        for limit in [Shutdown::Infinite, Shutdown::Within(seconds(1) / 2)] {
            supervisor
                .start_child(leaving().shutdown(limit))
                .await
                .unwrap();
        }
        let children = supervisor.which_children().await.unwrap();
        let pids: Vec<Pid> = children.iter().filter_map(|c| c.state.pid()).collect();
        let (late, patient) = (watch(pids[0]).await, watch(pids[1]).await);
        supervisor.stop().await.unwrap();
        assert!(!pids.into_iter().any(rekindle_actor::is_alive));
        assert_eq!(late.end().await, ExitReason::Killed);
        assert_eq!(patient.end().await, ExitReason::Normal);
    });
}

/// There are more than are told in one go, so some end while others are still to be told: each ends in its own way.
#[test]
fn hundreds_of_children_stop_side_by_side_each_in_its_way() {
    simulated(|kit| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        let mut pids = Vec::new();
        for n in 0..600 {
            let child: ChildSpec = match n % 5 {
                0 => kit.child("quick").into(),
                1 => kit.ending("slow", End::Slow(seconds(3))).into(),
                2 => kit
                    .ending("late", End::Slow(seconds(9)))
                    .shutdown(Shutdown::Within(seconds(2)))
                    .into(),
                3 => kit.child("killed").shutdown(Shutdown::Kill).into(),
                _ => leaving(),
            };
            pids.push(supervisor.start_child(child).await.unwrap().pid());
        }
        let late = watch(pids[2]).await;
        let begun = now();
        supervisor.stop().await.unwrap();
        assert_eq!(now().saturating_since(begun).as_secs(), 3);
        assert!(!pids.into_iter().any(rekindle_actor::is_alive));
        assert_eq!(late.end().await, ExitReason::Killed);
    });
}

/// A child may die by another's hand before it is told: nobody waits for it.
#[test]
fn children_that_die_before_they_are_told_are_not_waited_for() {
    simulated(|_| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        let mut victims = Vec::new();
        for _ in 0..300 {
            let victim = ChildSpec::task(std::future::pending::<()>);
            victims.push(supervisor.start_child(victim).await.unwrap().pid());
        }
        for victim in victims.clone() {
            let avenger = ChildSpec::worker("avenger", move || async move {
                rekindle_actor::spawn_link(move |mut inbox: Mailbox<()>| async move {
                    trap_exit(true);
                    inbox.next().await;
                    exit(victim, ExitReason::Kill);
                })
            });
            supervisor.start_child(avenger).await.unwrap();
        }
        let begun = now();
        supervisor.stop().await.unwrap();
        assert_eq!(now().saturating_since(begun).as_secs(), 0);
        assert!(!victims.into_iter().any(rekindle_actor::is_alive));
    });
}

/// An exit signal that a child sends is not its end, even if it comes to its end before that is read.
#[test]
fn the_last_words_of_a_child_are_not_the_reason_of_its_end() {
    simulated(|_| async move {
        let slow = ChildSpec::worker("slow", || async {
            rekindle_actor::spawn_link(async {
                let parent = rekindle_actor::parent().unwrap();
                rekindle_actor::exit(parent, ExitReason::msg("only words"));
            })
        });
        let supervisor = Supervisor::one_for_one()
            .child(slow.restart(Restart::Transient))
            .start()
            .await
            .unwrap();
        sleep(seconds(1)).await;
        // It has ended well, and so for good.
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active), (1, 0));
        assert!(rekindle_actor::recent_crashes().is_empty());
    });
}

/// Whoever does not trap exits hears nothing of an end that is normal, and so a child's start function that turns
/// trapping off has the supervisor miss that. Its time limit holds all the same.
#[test]
fn a_child_whose_end_was_missed_is_not_waited_for_beyond_its_limit() {
    simulated(|_| async move {
        let quiet = ChildSpec::worker("quiet", || async {
            trap_exit(false);
            rekindle_actor::spawn_link(|mut inbox: Mailbox<()>| async move {
                trap_exit(true);
                inbox.next().await;
            })
        });
        let supervisor = Supervisor::one_for_one()
            .child(quiet.shutdown(Shutdown::Within(seconds(2))))
            .start()
            .await
            .unwrap();
        let begun = now();
        supervisor.terminate_child("quiet").await.unwrap();
        assert_eq!(now().saturating_since(begun).as_secs(), 2);
    });
}
