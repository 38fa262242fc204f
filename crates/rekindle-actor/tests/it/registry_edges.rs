//! Registries: foreign code that misbehaves, races, restarts, and many entries.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekindle_actor::{
    Addr, CallError, Duplicate, ExitReason, GenServer as _, Init, Mailbox, NoRegistry,
    RegistrationError, Registry, StartError, Task, exit, monitor, self_pid, spawn,
};

use crate::support::*;

type Plain = Registry<u64, u64>;
type Many = Registry<u64, u64, Duplicate>;

async fn plain() -> Plain {
    Plain::unique().start_link().await.expect("it starts")
}

/// A key whose every piece of code may be told to panic, and whose hashes are all the same.
#[derive(Debug, Clone)]
struct Nasty {
    n: u32,
    hash_panics: bool,
    eq_panics: bool,
}

impl Nasty {
    fn new(n: u32) -> Nasty {
        Nasty {
            n,
            hash_panics: false,
            eq_panics: false,
        }
    }
}

impl Hash for Nasty {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(!self.hash_panics, "hash");
        0_u8.hash(state);
    }
}

impl PartialEq for Nasty {
    fn eq(&self, other: &Nasty) -> bool {
        assert!(!self.eq_panics && !other.eq_panics, "eq");
        self.n == other.n
    }
}

impl Eq for Nasty {}

#[test]
fn keys_that_panic_or_collide_leave_the_registry_whole() {
    on_both(|| async {
        let registry = Registry::<Nasty, u32>::unique().start_link().await.unwrap();
        for n in 0..10 {
            registry.register(Nasty::new(n), n).unwrap();
        }
        for n in 0..10 {
            assert_eq!(registry.get(&Nasty::new(n)), Ok(Some(n)));
        }
        for n in [3, 0, 9] {
            registry.unregister(&Nasty::new(n)).unwrap();
            assert_eq!(registry.get(&Nasty::new(n)), Ok(None));
        }
        let mut bad = [Nasty::new(5), Nasty::new(5)];
        bad[0].hash_panics = true;
        bad[1].eq_panics = true;
        for bad in bad {
            let (own, key) = (registry.clone(), bad.clone());
            let died = Task::spawn_nolink(async move { own.register(key, 1) }).await;
            assert!(died.is_err_and(|reason| reason.is_panic()));
            let own = registry.clone();
            let died = Task::spawn_nolink(async move { own.lookup(&bad) }).await;
            assert!(died.is_err_and(|reason| reason.is_panic()));
        }
        assert_eq!(registry.count(), Ok(7));
        registry.register(Nasty::new(3), 33).unwrap();
        assert_eq!(registry.get(&Nasty::new(3)), Ok(Some(33)));
    });
}

#[test]
fn predicates_and_functions_that_panic_change_nothing() {
    on_both(|| async {
        let registry = plain().await;
        let many = Many::duplicate().start_link().await.unwrap();
        let (own, topics) = (registry.clone(), many.clone());
        let puppet = Puppet::new();
        puppet
            .run(move || {
                own.register(1, 1).unwrap();
                topics.register(1, 1).unwrap();
                topics.register(1, 2).unwrap();
                let fails = |f: &mut dyn FnMut()| {
                    let f = AssertUnwindSafe(f);
                    assert!(std::panic::catch_unwind(move || { f }.0()).is_err());
                };
                fails(&mut || drop(own.update_value(&1, |_| panic!("update"))));
                fails(&mut || {
                    let matches = |n: &u64| if *n == 2 { panic!("match") } else { true };
                    drop(topics.unregister_match(&1, matches));
                });
                fails(&mut || drop(topics.dispatch(&1, |_| panic!("dispatch"))));
                fails(&mut || drop(topics.select(|_, _, _| -> Option<()> { panic!("select") })));
                assert_eq!(own.get(&1), Ok(Some(1)));
            })
            .await;
        assert_eq!(many.values(&1, puppet.pid()), Ok(vec![1, 2]));
    });
}

#[test]
fn functions_may_use_the_registry_themselves() {
    on_both(|| async {
        let registry = plain().await;
        registry.register(1, 1).unwrap();
        let nested = registry.update_value(&1, |old| {
            registry.update_value(&1, |_| 100).unwrap();
            registry.register(2, 2).unwrap();
            old + 1
        });
        assert_eq!(nested, Ok((2, 1)));
        let gone = registry.update_value(&2, |old| {
            registry.unregister(&2).unwrap();
            *old
        });
        assert_eq!(gone, Err(rekindle_actor::UpdateError::NotRegistered(None)));
        registry
            .dispatch(&1, |entries| {
                assert_eq!(*entries[0].1, 2);
                registry.unregister(&1).unwrap();
            })
            .unwrap();
        assert_eq!(registry.count(), Ok(0));
        assert_eq!(rekindle_actor::info(self_pid()).unwrap().links.len(), 1);
    });
}

/// The value's drop panics, wherever the last of those who hold it may be.
#[test]
fn a_value_that_panics_in_its_drop_is_nobodys_crash() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let registry = Registry::<u8, Bomb>::unique().start_link().await.unwrap();
            registry.register(1, Bomb("mine")).unwrap();
            registry.unregister(&1).unwrap();
            let puppet = Puppet::new();
            let own = registry.clone();
            puppet
                .run(move || own.register(2, Bomb("its")).unwrap())
                .await;
            registry.register(2, Bomb("refused")).unwrap_err();
            monitor(puppet.pid());
            puppet.die(ExitReason::Shutdown);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Shutdown);
            assert_eq!(registry.count(), Ok(0));
            registry.register(3, Bomb("at the end")).unwrap();
            rekindle_actor::trap_exit(true);
            registry.stop().await.unwrap();
        })
    });
}

/// Drops count: nothing is kept of an entry once its holder's `Down` is seen.
#[test]
fn values_are_gone_when_the_down_is_seen() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            type Held = Registry<u64, Counted, Duplicate>;
            let registry = Held::duplicate().partitions(2).start_link().await.unwrap();
            let drops = Drops::new();
            let puppet = Puppet::new();
            let (own, made) = (registry.clone(), drops.clone());
            puppet
                .run(move || {
                    for n in 0..1000 {
                        own.register(n % 7, made.counted()).unwrap();
                    }
                })
                .await;
            assert_eq!((registry.count(), drops.count()), (Ok(1000), 0));
            monitor(puppet.pid());
            exit(puppet.pid(), ExitReason::Kill);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Killed);
            assert_eq!((registry.count(), drops.count()), (Ok(0), 1000));
        })
    });
}

/// A caller who hears that the holder has died, by whatever way, finds the key free.
#[test]
fn whoever_hears_of_a_failed_call_finds_the_key_free() {
    on_both(|| async {
        let registry = Registry::<u64, Addr<Probe>>::unique()
            .start_link()
            .await
            .unwrap();
        let log = Log::new();
        let via = registry.via::<Probe>(1_u64);
        for round in 0..20 {
            let args = Probe::init_by(&log, {
                let log = log.clone();
                move |_| Ok(Init::Ready(Probe::with(&log, round)))
            });
            let started = Probe::start(args).via(&via).await;
            assert!(started.is_ok(), "round {round}: {started:?}");
            assert_eq!(via.call(Ask::Get).await, Ok(round));
            let told = via.call(ask(|_, _, _from: rekindle_actor::ReplyTo<()>| {
                Err(oops("crash"))
            }));
            assert_eq!(told.await, Err(CallError::Exited(oops("crash"))));
            assert_eq!(registry.whereis(&1), Ok(None));
        }
    });
}

#[test]
fn a_start_that_fails_under_a_key_leaves_it_free() {
    on_both(|| async {
        let registry = Registry::<u64, Addr<Probe>>::unique()
            .start_link()
            .await
            .unwrap();
        let log = Log::new();
        let via = registry.via::<Probe>(1_u64);
        let fail = Probe::init_by(&log, |_| Err(oops("init")));
        let failed = Probe::start(fail).via(&via).await;
        assert_eq!(failed.unwrap_err(), StartError::Failed(oops("init")));
        assert_eq!((registry.count(), via.whereis()), (Ok(0), None));
        let ignore = Probe::init_by(&log, |_| Ok(Init::Ignore));
        assert_eq!(
            Probe::start(ignore).via(&via).await.unwrap_err(),
            StartError::Ignore
        );
        assert_eq!(registry.count(), Ok(0));
        // A value that cannot be made is the failure of the start.
        let bomb = via.with(|_| panic!("value"));
        let failed = Probe::start(Probe::plain(&log, 1)).via(bomb).await;
        assert!(matches!(failed, Err(StartError::Failed(reason)) if reason.is_panic()));
        assert_eq!(registry.count(), Ok(0));
    });
}

#[test]
fn of_many_that_start_under_one_key_one_wins() {
    on_both(|| async {
        let registry = Registry::<u64, Addr<Probe>>::unique()
            .start_link()
            .await
            .unwrap();
        let log = Log::new();
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let (via, log) = (registry.via::<Probe>(1_u64), log.clone());
                Task::spawn(async move { Probe::start(Probe::plain(&log, n)).via(via).await })
            })
            .collect();
        let mut won = Vec::new();
        let mut lost = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(server) => won.push(server.pid()),
                Err(StartError::AlreadyStarted(pid)) => lost.push(pid),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((won.len(), lost.len(), log.len()), (1, 9, 1));
        assert!(lost.iter().all(|pid| *pid == won[0]));
    });
}

/// A handle that remembers its target never reaches one that has lost the key.
#[test]
fn a_via_handle_follows_the_key_and_not_the_process() {
    on_both(|| async {
        let registry = Registry::<u64, Addr<Probe>>::unique()
            .start_link()
            .await
            .unwrap();
        let log = Log::new();
        let via = registry.via::<Probe>(1_u64);
        let first = Probe::start(Probe::plain(&log, 1)).via(&via).await.unwrap();
        assert_eq!(via.call(Ask::Get).await, Ok(1));
        let second = Probe::start(Probe::plain(&log, 2)).await.unwrap();
        for (from, to, n) in [
            (&first, &second, 2),
            (&second, &first, 1),
            (&first, &second, 2),
        ] {
            let own = registry.clone();
            let left = from.call(ask(move |_, _, from| {
                from.reply(own.unregister(&1).is_ok());
                Ok(rekindle_actor::Next::Wait)
            }));
            assert_eq!(left.await, Ok(true));
            assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
            let own = registry.clone();
            let taken = to.call(ask(move |_, cx, from| {
                from.reply(own.register(1, cx.addr()).is_ok());
                Ok(rekindle_actor::Next::Wait)
            }));
            assert_eq!(taken.await, Ok(true));
            assert_eq!(via.call(Ask::Get).await, Ok(n));
        }
    });
}

#[test]
fn a_process_that_ends_cannot_register() {
    on_both(|| async {
        struct Clings(Plain, Log);
        impl Drop for Clings {
            fn drop(&mut self) {
                self.1.add(format!("{:?}", self.0.register(1, 1)));
                self.1.add(format!("{:?}", self.0.unregister(&2)));
            }
        }
        let registry = plain().await;
        let log = Log::new();
        for kill in [false, true] {
            let clings = Clings(registry.clone(), log.clone());
            let pid = spawn(async move {
                clings.0.register(2, 2).unwrap();
                if kill {
                    std::future::pending::<()>().await;
                }
            });
            if kill {
                until(|| registry.count() == Ok(1)).await;
                exit(pid, ExitReason::Kill);
            }
            until(|| !rekindle_actor::is_alive(pid)).await;
            assert_eq!(registry.count(), Ok(0));
        }
        let ending = format!("{:?}", Err::<(), _>(RegistrationError::Ending));
        let ok = "Ok(())".to_owned();
        // What a body owns is dropped by the body, when it returns: it has not ended yet. What a
        // killed one owns is dropped by its end. Neither leaves anything behind.
        assert_eq!(log.all(), [ok.clone(), ok.clone(), ending, ok]);
    });
}

#[test]
fn many_that_end_at_once_leave_nothing() {
    on_both(|| async {
        let registry = plain().await;
        let topics = Many::duplicate().partitions(4).start_link().await.unwrap();
        let pids: Vec<_> = (0..500)
            .map(|n| {
                let (registry, topics) = (registry.clone(), topics.clone());
                spawn(async move {
                    registry.register(n, n).unwrap();
                    topics.register(0, n).unwrap();
                    topics.register(1, n).unwrap();
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        until(|| topics.count() == Ok(1000)).await;
        assert_eq!(registry.count(), Ok(500));
        assert_eq!(topics.lookup(&0).map(|all| all.len()), Ok(500));
        for pid in &pids {
            exit(*pid, ExitReason::Kill);
        }
        until(|| pids.iter().all(|pid| !rekindle_actor::is_alive(*pid))).await;
        assert_eq!((registry.count(), topics.count()), (Ok(0), Ok(0)));
    });
}

#[test]
fn a_process_with_very_many_entries_ends_in_steps() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let registry = plain().await;
            let topics = Many::duplicate().start_link().await.unwrap();
            let puppet = Puppet::new();
            let (own, many) = (registry.clone(), topics.clone());
            let all = 20_000;
            puppet
                .run(move || {
                    for n in 0..all {
                        own.register(n, n).unwrap();
                        many.register(7, n).unwrap();
                    }
                })
                .await;
            assert_eq!(registry.keys(puppet.pid()).unwrap().len(), all as usize);
            assert_eq!(topics.lookup(&7).unwrap().len(), all as usize);
            monitor(puppet.pid());
            puppet.die(ExitReason::Normal);
            expect_down(&mut inbox).await;
            assert_eq!((registry.count(), topics.count()), (Ok(0), Ok(0)));
        })
    });
}

/// Registration against the end of the registry: whoever has registered is told or gone, and the
/// table is empty.
#[test]
fn registering_while_the_registry_ends() {
    on_both(|| async {
        let registry = Plain::unique().partitions(2).start().await.unwrap();
        let pids: Vec<_> = (0..50)
            .map(|n| {
                let registry = registry.clone();
                spawn(async move {
                    let registered = registry.register(n, n);
                    if registered == Err(RegistrationError::NoRegistry(NoRegistry::Ended)) {
                        return;
                    }
                    registered.unwrap();
                    // Linked with the registry: its end is this one's.
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        rekindle_actor::yield_now().await;
        exit(registry.pid().unwrap(), ExitReason::Kill);
        until(|| pids.iter().all(|pid| !rekindle_actor::is_alive(*pid))).await;
        assert_eq!(registry.count(), Err(NoRegistry::Ended));
    });
}

#[test]
fn a_dead_keeper_takes_the_whole_registry_along() {
    on_both(|| async {
        let registry = Plain::unique().partitions(2).start().await.unwrap();
        let puppet = Puppet::trapping().await;
        let own = registry.clone();
        puppet.run(move || own.register(1, 1)).await.unwrap();
        let keeper = links_of(puppet.pid())[0];
        exit(keeper, ExitReason::Kill);
        until(|| registry.count() == Err(NoRegistry::Ended)).await;
        let seen = puppet.has_seen(1).await;
        assert_eq!(seen, [Seen::Exit(keeper, ExitReason::Killed)]);
    });
}

#[test]
fn a_key_type_of_ones_own_is_found_by_what_it_borrows() {
    on_both(|| async {
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        struct Room(String);
        impl Borrow<str> for Room {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        let rooms = Registry::<Room, u32>::unique().start_link().await.unwrap();
        rooms.register(Room("hall".to_owned()), 1).unwrap();
        assert_eq!(rooms.get("hall"), Ok(Some(1)));
        assert_eq!(rooms.get(&Room("hall".to_owned())), Ok(Some(1)));
    });
}

#[test]
fn locks_of_processes_that_are_killed_at_random_are_never_lost() {
    on_both(|| async {
        let registry = plain().await;
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let pids: Vec<_> = (0..30)
            .map(|n: u64| {
                let registry = registry.clone();
                spawn(async move {
                    let work = || async {
                        RUNS.fetch_add(1, Ordering::Relaxed);
                        rekindle_actor::yield_now().await;
                        if n.is_multiple_of(5) {
                            panic!("in the lock");
                        }
                        rekindle_actor::yield_now().await;
                    };
                    registry.lock(n % 2, work).await.unwrap();
                })
            })
            .collect();
        rekindle_actor::yield_now().await;
        for pid in pids.iter().skip(1).step_by(3) {
            rekindle_actor::yield_now().await;
            exit(*pid, ExitReason::Kill);
        }
        until(|| pids.iter().all(|pid| !rekindle_actor::is_alive(*pid))).await;
        for key in [0, 1] {
            assert_eq!(registry.lock(key, || async { key }).await, Ok(key));
        }
    });
}

#[test]
fn registering_outside_of_a_process_says_so() {
    on_both(|| async {
        let registry = plain().await;
        let text = std::thread::spawn(move || {
            let panic = std::panic::catch_unwind(AssertUnwindSafe(|| registry.register(1, 1)));
            let panic = panic.unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        });
        let text = text.join().unwrap();
        assert!(
            text.contains("Registry::register") && text.contains("registry_edges.rs"),
            "{text}"
        );
    });
}
