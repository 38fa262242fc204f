//! LINK: two processes that die together.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekindle_actor::{
    ExitReason, Mailbox, Runtime, exit, info, is_alive, link, monitor, raise, self_pid, spawn,
    spawn_link, trap_exit, unlink,
};

use crate::support::*;

#[test]
fn link_001_a_link_works_both_ways() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for maker_dies in [true, false] {
                let (maker, other) = (Puppet::new(), Puppet::new());
                let pid = other.pid();
                maker.run(move || link(pid)).await;
                let (first, second) = if maker_dies {
                    (maker, other)
                } else {
                    (other, maker)
                };
                monitor(second.pid());
                first.die(oops("together"));
                assert_eq!(expect_down(&mut inbox).await.reason, oops("together"));
            }
        })
    });
}

#[test]
fn link_002_a_normal_end_leaves_the_partner_alone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, partner) = (mortal(), Puppet::new());
            let pid = target.pid();
            partner.run(move || link(pid)).await;
            monitor(pid);
            target.send(ExitReason::Normal);
            expect_down(&mut inbox).await;
            until(|| links_of(partner.pid()).is_empty()).await;
            assert_eq!(partner.run(|| 1).await, 1);
        })
    });
}

#[test]
fn link_003_a_clean_shutdown_is_not_harmless() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [
                ExitReason::Shutdown,
                ExitReason::shutdown_with("closing time"),
            ] {
                let (target, partner) = (mortal(), Puppet::new());
                let pid = target.pid();
                partner.run(move || link(pid)).await;
                monitor(partner.pid());
                target.send(reason.clone());
                assert_eq!(expect_down(&mut inbox).await.reason, reason);
            }
        })
    });
}

#[test]
fn link_004_a_death_runs_along_a_chain() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let [a, b, c] = [Puppet::new(), Puppet::new(), Puppet::new()];
            let (to_b, to_c) = (b.pid(), c.pid());
            a.run(move || link(to_b)).await;
            b.run(move || link(to_c)).await;
            let (b_down, c_down) = (monitor(b.pid()), monitor(c.pid()));
            a.die(oops("the first"));
            let downs = [expect_down(&mut inbox).await, expect_down(&mut inbox).await];
            assert!(downs.iter().all(|down| down.reason == oops("the first")));
            assert!(downs.iter().any(|down| down.reference == b_down));
            assert!(downs.iter().any(|down| down.reference == c_down));
        })
    });
}

#[test]
fn link_005_a_trapping_process_stops_the_chain() {
    on_both(|| async {
        let [a, b, c] = [Puppet::new(), Puppet::trapping().await, Puppet::new()];
        let (to_b, to_c) = (b.pid(), c.pid());
        a.run(move || link(to_b)).await;
        b.run(move || link(to_c)).await;
        a.die(oops("the first"));
        assert_eq!(
            b.has_seen(1).await,
            [Seen::Exit(a.pid(), oops("the first"))]
        );
        assert_eq!(b.run(|| 2).await, 2);
        assert_eq!(c.run(|| 3).await, 3);
    });
}

#[test]
fn link_006_after_unlink_neither_death_matters() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for maker_unlinks in [true, false] {
                for maker_dies in [true, false] {
                    let (maker, other) = (Puppet::new(), Puppet::new());
                    let (m, o) = (maker.pid(), other.pid());
                    maker.run(move || link(o)).await;
                    maker.is_linked_with(o).await;
                    if maker_unlinks {
                        maker.run(move || unlink(o)).await;
                    } else {
                        other.run(move || unlink(m)).await;
                    }
                    let (dies, stays) = if maker_dies {
                        (maker, other)
                    } else {
                        (other, maker)
                    };
                    monitor(dies.pid());
                    dies.die(oops("alone"));
                    expect_down(&mut inbox).await;
                    assert_eq!(stays.run(|| 1).await, 1);
                }
            }
        })
    });
}

#[test]
fn link_006_unlink_holds_even_against_a_signal_on_its_way() {
    on_both(|| async {
        // The death comes at the moment of the unlink, or just after it. That it also holds when
        // the exit signal lies there unreceived is tested by `unlink_beats_..` in `hard_signals`.
        let receiver = Puppet::trapping().await;
        let outcome = receiver.run(|| {
            let dead = spawn_link(async { raise(oops("early")) as () });
            unlink(dead);
            dead
        });
        let dead = outcome.await;
        until(|| !is_alive(dead)).await;
        assert_eq!(receiver.seen().await, []);
    });
}

#[test]
fn link_007_unlink_without_a_link_does_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let stranger = idle();
            unlink(stranger);
            assert!(is_alive(stranger));
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            unlink(dead);
            unlink(self_pid());
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn link_007_linking_with_the_dead_is_heard_as_no_proc() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            link(dead);
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (dead, ExitReason::NoProc));
            assert_eq!(links_of(self_pid()), []);
        })
    });
}

#[test]
fn link_008_a_link_with_oneself_has_no_effect() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            link(self_pid());
            assert_eq!(links_of(self_pid()), []);
            let (_, _) = rekindle_actor::spawn_monitor(async { link(self_pid()) });
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Normal);
        })
    });
}

#[test]
fn link_009_no_early_death_is_missed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            for n in 0..200 {
                let child = spawn_link(async move { oops(&n.to_string()) });
                let heard = expect_exit(&mut inbox).await;
                assert_eq!((heard.from, heard.reason), (child, oops(&n.to_string())));
            }
        })
    });
}

#[test]
fn link_009_a_child_hears_of_a_spawner_that_dies_at_once() {
    on_both(|| async {
        let drops = Drops::new();
        let counted = drops.counted();
        spawn(async move {
            spawn_link(async move {
                let _held = counted;
                pending::<()>().await;
            });
            oops("at once")
        });
        until(|| drops.count() == 1).await;
    });
}

#[test]
fn link_010_one_death_is_heard_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let partner = Puppet::new();
            let own = self_pid();
            // From both ends, and again.
            link(partner.pid());
            partner.run(move || link(own)).await;
            link(partner.pid());
            partner.die(oops("once"));
            assert_eq!(expect_exit(&mut inbox).await.reason, oops("once"));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn link_011_the_list_of_links_follows_the_links() {
    on_both(|| async {
        let (hub, spoke) = (Puppet::trapping().await, Puppet::new());
        let (h, s) = (hub.pid(), spoke.pid());
        hub.run(move || link(s)).await;
        hub.is_linked_with(s).await;
        assert_eq!((links_of(h), links_of(s)), (vec![s], vec![h]));
        hub.run(move || unlink(s)).await;
        until(|| links_of(h).is_empty() && links_of(s).is_empty()).await;
        hub.run(move || link(s)).await;
        hub.is_linked_with(s).await;
        spoke.die(ExitReason::Normal);
        hub.has_seen(1).await;
        assert_eq!(links_of(h), []);
    });
}

#[test]
fn link_011_a_process_with_very_many_links_tells_them_all() {
    const SPOKES: usize = 5_000;
    on_both(|| async {
        let (hub, drops) = (Puppet::new(), Drops::new());
        let counted: Vec<Counted> = (0..SPOKES).map(|_| drops.counted()).collect();
        let spokes = hub.run(|| {
            for held in counted {
                spawn_link(async move {
                    let _held = held;
                    pending::<()>().await;
                });
            }
            info(self_pid()).unwrap().links.len()
        });
        assert_eq!(spokes.await, SPOKES);
        exit(hub.pid(), ExitReason::Kill);
        until(|| drops.count() == SPOKES).await;
    });
}

/// The ends of links agree once all signals have arrived, whatever was linked and unlinked from
/// either end at once.
#[test]
fn links_made_and_taken_away_from_both_ends_agree_in_the_end() {
    for seed in 0..64 {
        within_patience(&format!("seed {seed}"), move || {
            let runtime = Runtime::simulated(seed);
            runtime.block_on(async move {
                let puppets = [Puppet::new(), Puppet::new(), Puppet::new()];
                let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                for _ in 0..60 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let (one, two) = (random as usize % 3, (random >> 8) as usize % 3);
                    let other = puppets[two].pid();
                    let links = random >> 16 & 1 == 0;
                    puppets[one].tell(move || if links { link(other) } else { unlink(other) });
                    if random >> 20 & 3 == 0 {
                        rekindle_actor::yield_now().await;
                    }
                }
                rekindle_actor::sleep(std::time::Duration::from_millis(1)).await;
                for one in &puppets {
                    for two in &puppets {
                        let there = links_of(one.pid()).contains(&two.pid());
                        let back = links_of(two.pid()).contains(&one.pid());
                        assert_eq!(there, back, "{} and {}", one.pid(), two.pid());
                    }
                }
            });
        });
    }
}

/// No recursion, and no quadratic cost, in the death of a long chain.
#[test]
fn a_very_long_chain_of_links_dies() {
    const LENGTH: usize = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };

    async fn chain() {
        let (linked, drops) = (Arc::new(AtomicUsize::new(0)), Drops::new());
        let mut previous = None;
        let mut first = None;
        for _ in 0..LENGTH {
            let (counter, held) = (linked.clone(), drops.counted());
            let pid = spawn(async move {
                let _held = held;
                if let Some(previous) = previous {
                    link(previous);
                }
                counter.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            });
            first.get_or_insert(pid);
            previous = Some(pid);
        }
        until(|| linked.load(Ordering::SeqCst) == LENGTH).await;
        exit(first.unwrap(), ExitReason::Kill);
        until(|| drops.count() == LENGTH).await;
    }
    within_patience("pool", || pool(2).block_on(chain()));
    within_patience("simulator", || Runtime::simulated(0).block_on(chain()));
}

#[test]
fn a_ring_of_links_dies_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let ring: Vec<Puppet> = (0..16).map(|_| Puppet::new()).collect();
            for (n, puppet) in ring.iter().enumerate() {
                let next = ring[(n + 1) % ring.len()].pid();
                puppet.run(move || link(next)).await;
            }
            for puppet in &ring {
                monitor(puppet.pid());
            }
            ring[5].die(oops("round"));
            for _ in &ring {
                assert_eq!(expect_down(&mut inbox).await.reason, oops("round"));
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn all_who_are_linked_with_one_that_dies_hear_of_it_however_many_they_are() {
    // More than fit into one turn of the end; and new processes take the dead one's slot meanwhile.
    for n in [1_000, 1_200, 5_000] {
        on_pool(move || async move {
            let (begun, drops) = (Arc::new(AtomicUsize::new(0)), Drops::new());
            let (counter, counted) = (begun.clone(), drops.clone());
            let hub = spawn(async move {
                for _ in 0..n {
                    let (counter, held) = (counter.clone(), counted.counted());
                    spawn_link(async move {
                        let _held = held;
                        counter.fetch_add(1, Ordering::SeqCst);
                        pending::<()>().await;
                    });
                }
                pending::<()>().await;
            });
            until(|| begun.load(Ordering::SeqCst) == n).await;
            exit(hub, ExitReason::Kill);
            let mut others = Vec::new();
            until(|| {
                others.push(spawn(pending::<()>()));
                drops.count() == n
            })
            .await;
            until(|| !is_alive(hub)).await;
            others.extend((0..100).map(|_| spawn(pending::<()>())));
            assert!(
                others.iter().all(|pid| is_alive(*pid)),
                "a slot has one owner"
            );
        });
    }
}
