//! REG-001 to REG-020: registries. What goes wrong, and races, are in `registry_edges`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rekindle_actor::{
    Addr, CallError, DispatchError, Duplicate, ExitReason, GenServer as _, LockError, Mailbox,
    MetaKey, Name, NoRegistry, Pid, Recipient, RegistrationError, Registry, RegistryEvent,
    SendError, StartError, Starter, UpdateError, Via, is_alive, register, self_pid, spawn, sys,
    trap_exit, whereis, yield_now,
};

use crate::support::*;

type Plain = Registry<&'static str, u32>;
type Many = Registry<&'static str, u32, Duplicate>;

/// Partitions that the cases are run with (REG-019).
const PARTITIONS: [usize; 2] = [1, 3];

async fn unique(partitions: usize) -> Plain {
    let start = Plain::unique().partitions(partitions);
    start.start_link().await.expect("it starts")
}

async fn duplicate(partitions: usize) -> Many {
    let start = Many::duplicate().partitions(partitions);
    start.start_link().await.expect("it starts")
}

/// Registers a puppet.
async fn enter<Kind: rekindle_actor::RegistryKind>(
    puppet: &Puppet,
    registry: &Registry<&'static str, u32, Kind>,
    key: &'static str,
    value: u32,
) -> Result<(), RegistrationError> {
    let registry = registry.clone();
    puppet.run(move || registry.register(key, value)).await
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

#[test]
fn reg_001_a_unique_key_has_one_holder() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = unique(partitions).await;
            let (one, two) = (Puppet::new(), Puppet::new());
            let taken = Err(RegistrationError::AlreadyRegistered(one.pid()));
            assert_eq!(enter(&one, &registry, "key", 1).await, Ok(()));
            assert_eq!(enter(&two, &registry, "key", 2).await, taken);
            assert_eq!(enter(&one, &registry, "key", 3).await, taken);
            // Nothing is left of what was refused.
            assert_eq!(registry.lookup("key"), Ok(vec![(one.pid(), 1)]));
            assert_eq!(registry.keys(two.pid()), Ok(vec![]));
            assert_eq!(registry.keys(one.pid()), Ok(vec!["key"]));
            assert_eq!(registry.count(), Ok(1));
            assert!(links_of(two.pid()).is_empty());
        }
    });
}

#[test]
fn reg_001_an_unknown_registry_is_a_clear_error() {
    on_both(|| async {
        let unknown = NoRegistry::Unknown("nowhere".into());
        let registry = Plain::named("nowhere");
        let refused = registry.register("key", 1);
        assert_eq!(refused, Err(RegistrationError::NoRegistry(unknown.clone())));
        assert_eq!(registry.lookup("key"), Err(unknown.clone()));
        assert_eq!(registry.count(), Err(unknown.clone()));
        assert_eq!(registry.unregister("key"), Err(unknown.clone()));
        assert_eq!(
            registry.update_value("key", |n| n + 1),
            Err(UpdateError::NoRegistry(unknown.clone()))
        );
        assert!(unknown.to_string().contains("\"nowhere\""));
        // A name of something else.
        let other = idle();
        register("nowhere", other).unwrap();
        let wrong = NoRegistry::OtherType("nowhere".into(), other);
        assert_eq!(registry.count(), Err(wrong));
    });
}

#[test]
fn reg_002_a_duplicate_key_has_many_entries() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = duplicate(partitions).await;
            let (one, two) = (Puppet::new(), Puppet::new());
            for (puppet, value) in [(&one, 1), (&two, 2), (&one, 3), (&one, 1)] {
                enter(puppet, &registry, "key", value).await.unwrap();
            }
            let (p, q) = (one.pid(), two.pid());
            let all = vec![(p, 1), (q, 2), (p, 3), (p, 1)];
            assert_eq!(registry.lookup("key"), Ok(all));
        }
    });
}

#[test]
fn reg_003_lookup_gives_pid_and_value_or_nothing() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let (registry, many) = (unique(partitions).await, duplicate(partitions).await);
            assert_eq!(registry.lookup("key"), Ok(vec![]));
            assert_eq!(many.lookup("key"), Ok(vec![]));
            registry.register("key", 7).unwrap();
            many.register("key", 8).unwrap();
            assert_eq!(registry.lookup("key"), Ok(vec![(self_pid(), 7)]));
            assert_eq!(registry.get("key"), Ok(Some(7)));
            assert_eq!(registry.whereis("key"), Ok(Some(self_pid())));
            assert_eq!(many.lookup("key"), Ok(vec![(self_pid(), 8)]));
            assert_eq!(registry.lookup("other"), Ok(vec![]));
            assert_eq!(
                (registry.get("other"), registry.whereis("other")),
                (Ok(None), Ok(None))
            );
        }
    });
}

#[test]
fn reg_004_keys_and_values_of_a_process() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = unique(partitions).await;
            let puppet = Puppet::new();
            for (key, value) in [("b", 1), ("a", 2), ("c", 3)] {
                enter(&puppet, &registry, key, value).await.unwrap();
            }
            registry.register("mine", 4).unwrap();
            assert_eq!(registry.keys(puppet.pid()), Ok(vec!["b", "a", "c"]));
            assert_eq!(registry.values("a", puppet.pid()), Ok(vec![2]));
            assert_eq!(registry.values("mine", puppet.pid()), Ok(vec![]));
            assert_eq!(registry.values("none", puppet.pid()), Ok(vec![]));

            let many = duplicate(partitions).await;
            for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
                enter(&puppet, &many, key, value).await.unwrap();
            }
            many.register("a", 9).unwrap();
            assert_eq!(many.keys(puppet.pid()), Ok(vec!["a", "b", "a"]));
            assert_eq!(many.values("a", puppet.pid()), Ok(vec![1, 3]));
            assert_eq!(many.values("a", self_pid()), Ok(vec![9]));
            assert_eq!(many.keys(idle()), Ok(vec![]));
        }
    });
}

#[test]
fn reg_005_count_counts_all_entries() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let (registry, many) = (unique(partitions).await, duplicate(partitions).await);
            let puppet = Puppet::new();
            assert_eq!(registry.count(), Ok(0));
            registry.register("a", 1).unwrap();
            enter(&puppet, &registry, "b", 1).await.unwrap();
            for _ in 0..3 {
                many.register("a", 1).unwrap();
                enter(&puppet, &many, "a", 1).await.unwrap();
            }
            assert_eq!((registry.count(), many.count()), (Ok(2), Ok(6)));
            many.unregister("a").unwrap();
            assert_eq!(many.count(), Ok(3));
            puppet.die(ExitReason::Shutdown);
            until(|| !puppet.is_alive()).await;
            assert_eq!((registry.count(), many.count()), (Ok(1), Ok(0)));
        }
    });
}

#[test]
fn reg_006_unregister_takes_the_callers_own_entries() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = unique(partitions).await;
            let puppet = Puppet::new();
            enter(&puppet, &registry, "key", 1).await.unwrap();
            assert_eq!(registry.unregister("none"), Ok(()));
            assert_eq!(registry.unregister("key"), Ok(()));
            assert_eq!(registry.whereis("key"), Ok(Some(puppet.pid())));
            let own = registry.clone();
            assert_eq!(puppet.run(move || own.unregister("key")).await, Ok(()));
            assert_eq!(
                (registry.whereis("key"), registry.count()),
                (Ok(None), Ok(0))
            );
            registry.register("key", 2).unwrap();

            let many = duplicate(partitions).await;
            for value in [1, 2] {
                many.register("key", value).unwrap();
                enter(&puppet, &many, "key", value).await.unwrap();
                many.register("other", value).unwrap();
            }
            assert_eq!(many.unregister("key"), Ok(()));
            let left = vec![(puppet.pid(), 1), (puppet.pid(), 2)];
            assert_eq!(many.lookup("key"), Ok(left));
            assert_eq!(many.keys(self_pid()), Ok(vec!["other", "other"]));
        }
    });
}

#[test]
fn reg_007_a_dead_holders_entries_are_gone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for partitions in PARTITIONS {
                let (registry, many) = (unique(partitions).await, duplicate(partitions).await);
                for reason in [ExitReason::Normal, ExitReason::Shutdown, oops("crash")] {
                    let puppet = Puppet::new();
                    enter(&puppet, &registry, "key", 1).await.unwrap();
                    enter(&puppet, &many, "key", 1).await.unwrap();
                    enter(&puppet, &many, "key", 2).await.unwrap();
                    rekindle_actor::monitor(puppet.pid());
                    puppet.die(reason.clone());
                    assert_eq!(expect_down(&mut inbox).await.reason, reason);
                    // Who sees the Down finds the keys free.
                    assert_eq!(registry.lookup("key"), Ok(vec![]));
                    assert_eq!((registry.count(), many.count()), (Ok(0), Ok(0)));
                    assert_eq!(many.keys(puppet.pid()), Ok(vec![]));
                    // The registry is none the worse for it.
                    assert!(is_alive(registry.pid().unwrap()));
                }
            }
        })
    });
}

#[test]
fn reg_008_update_value_is_the_holders() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = unique(partitions).await;
            let puppet = Puppet::new();
            registry.register("mine", 1).unwrap();
            enter(&puppet, &registry, "other", 1).await.unwrap();
            assert_eq!(registry.update_value("mine", |n| n + 1), Ok((2, 1)));
            assert_eq!(registry.update_value("mine", |n| n * 10), Ok((20, 2)));
            assert_eq!(registry.get("mine"), Ok(Some(20)));
            let ran = |_: &u32| panic!("it must not run");
            let not_mine = UpdateError::NotRegistered(Some(puppet.pid()));
            assert_eq!(registry.update_value("other", ran), Err(not_mine));
            let nobodys = UpdateError::NotRegistered(None);
            assert_eq!(registry.update_value("none", ran), Err(nobodys));
            assert_eq!(registry.get("other"), Ok(Some(1)));
        }
    });
}

#[test]
fn reg_009_match_count_match_unregister_match() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let many = duplicate(partitions).await;
            let puppet = Puppet::new();
            for value in 1..=6 {
                many.register("key", value).unwrap();
            }
            enter(&puppet, &many, "key", 4).await.unwrap();
            many.register("other", 4).unwrap();
            let own = self_pid();
            let matching = many.lookup_match("key", |n| *n > 4);
            assert_eq!(matching, Ok(vec![(own, 5), (own, 6)]));
            assert_eq!(many.count_match("key", |n| n % 2 == 0), Ok(4));
            assert_eq!(many.count_match("none", |_| true), Ok(0));
            assert_eq!(many.unregister_match("key", |n| n % 2 == 0), Ok(3));
            assert_eq!(many.unregister_match("key", |n| *n == 100), Ok(0));
            let left = vec![(own, 1), (own, 3), (own, 5), (puppet.pid(), 4)];
            assert_eq!(many.lookup("key"), Ok(left));
            assert_eq!(many.values("other", own), Ok(vec![4]));

            let registry = unique(partitions).await;
            registry.register("key", 1).unwrap();
            assert_eq!(registry.lookup_match("key", |n| *n == 2), Ok(vec![]));
            assert_eq!(
                registry.lookup_match("key", |n| *n == 1),
                Ok(vec![(own, 1)])
            );
            assert_eq!(registry.unregister_match("key", |n| *n == 2), Ok(0));
            assert_eq!(registry.unregister_match("key", |n| *n == 1), Ok(1));
            assert_eq!(registry.count(), Ok(0));
        }
    });
}

#[test]
fn reg_010_select_and_count_select() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry = unique(partitions).await;
            let puppet = Puppet::new();
            registry.register("a", 1).unwrap();
            registry.register("b", 2).unwrap();
            enter(&puppet, &registry, "c", 3).await.unwrap();
            let all = registry.select(|key, pid, value| Some((*key, pid, *value)));
            let (own, other) = (self_pid(), puppet.pid());
            let expected = [("a", own, 1), ("b", own, 2), ("c", other, 3)];
            assert_eq!(sorted(all.unwrap()), expected);
            let some = registry.select(|key, pid, n| (pid == own && *n > 1).then_some(key.len()));
            assert_eq!(some, Ok(vec![1]));
            assert_eq!(registry.count_select(|_, pid, _| pid == own), Ok(2));
            assert_eq!(registry.count_select(|key, _, _| *key == "z"), Ok(0));

            let many = duplicate(partitions).await;
            for n in 0..1000 {
                many.register("all", n).unwrap();
            }
            let values = many.select(|_, _, value| Some(*value)).unwrap();
            assert_eq!(sorted(values), (0..1000).collect::<Vec<_>>());
            assert_eq!(many.count_select(|_, _, n| *n < 10), Ok(10));
        }
    });
}

#[test]
fn reg_011_keys_are_compared_exactly() {
    on_both(|| async {
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        enum Key {
            Number(i64),
            Text(String),
        }
        let registry = Registry::<Key, u32>::unique().start_link().await.unwrap();
        let texts = ["_", ":_", "*", "$1", "", "1", " ", "\0"];
        for (n, text) in texts.iter().enumerate() {
            registry
                .register(Key::Text((*text).to_owned()), n as u32)
                .unwrap();
        }
        registry.register(Key::Number(1), 100).unwrap();
        for (n, text) in texts.iter().enumerate() {
            let found = registry.get(&Key::Text((*text).to_owned()));
            assert_eq!(found, Ok(Some(n as u32)));
        }
        assert_eq!(registry.get(&Key::Number(1)), Ok(Some(100)));
        assert_eq!(registry.get(&Key::Number(0)), Ok(None));
        registry.unregister(&Key::Text("_".to_owned())).unwrap();
        assert_eq!(registry.count(), Ok(texts.len()));
    });
}

#[test]
fn reg_012_a_server_starts_under_a_key() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let registry: Registry<String, Addr<Probe>> = Registry::unique()
                .partitions(partitions)
                .start_link()
                .await
                .unwrap();
            let log = Log::new();
            let via: Via<_, _, Probe> = registry.via("seven".to_owned());
            // It is registered before its init runs.
            let (early, seen) = (registry.clone(), log.clone());
            let args = Probe::init_by(&log, move |cx| {
                assert_eq!(early.get("seven"), Ok(Some(cx.addr())));
                Ok(rekindle_actor::Init::Ready(Probe::with(&seen, 1)))
            });
            let server = Probe::start(args).via(&via).await.unwrap();
            assert_eq!(via.call(Ask::Get).await, Ok(1));
            via.cast(Tell::Add(4));
            via.send(7);
            assert_eq!(via.call(Ask::Get).await, Ok(5));
            assert!(log.contains("info 7"));
            assert_eq!(via.whereis(), Some(server.pid()));
            assert_eq!(via.resolve(), Some(server.clone()));
            assert_eq!(
                registry.lookup("seven"),
                Ok(vec![(server.pid(), server.clone())])
            );
            // Taken: init is not run.
            let again = Probe::start_link(Probe::plain(&log, 2)).via(&via).await;
            assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(server.pid()));
            assert_eq!(log.all().iter().filter(|event| *event == "init").count(), 1);
            // And followed to its next life.
            server.stop().await.unwrap();
            assert_eq!(via.whereis(), None);
            Probe::start(Probe::plain(&log, 30))
                .via(via.clone())
                .await
                .unwrap();
            assert_eq!(via.call(Ask::Get).await, Ok(30));
        }
    });
}

#[test]
fn gen_011_a_server_under_a_via_name_is_as_one_under_a_local_name() {
    on_both(|| async {
        let registry: Registry<&str, Addr<Probe>> = Registry::unique().start_link().await.unwrap();
        let (log, via) = (Log::new(), registry.via("key"));
        assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
        let server = Probe::start(Probe::plain(&log, 1)).via(&via).await.unwrap();
        assert_eq!(via.call(Ask::Get).await, Ok(1));
        via.cast(Tell::Add(2));
        assert_eq!(via.call(Ask::Get).await, Ok(3));
        let again = Probe::start(Probe::plain(&log, 9)).via(&via).await;
        assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(server.pid()));
        via.stop().await.unwrap();
        assert!(!is_alive(server.pid()));
        assert_eq!(via.whereis(), None);
        let stopped = via.stop().await;
        assert_eq!(stopped, Err(rekindle_actor::StopError::NoProc));
    });
}

#[test]
fn reg_012_the_value_may_be_given_or_made() {
    on_both(|| async {
        let log = Log::new();
        let numbers = unique(1).await;
        let via = numbers.via::<Probe>("server");
        let start = || Probe::start(Probe::plain(&log, 1));
        let server = start().via(via.with_value(5)).await.unwrap();
        assert_eq!(numbers.lookup("server"), Ok(vec![(server.pid(), 5)]));
        assert_eq!(via.call(Ask::Get).await, Ok(1));

        let recipients = Registry::<u8, Recipient<u32>>::unique()
            .start_link()
            .await
            .unwrap();
        let noted = start().via(recipients.via(1)).await.unwrap();
        recipients.get(&1).unwrap().unwrap().send(11);
        noted.call(Ask::Get).await.unwrap();
        assert!(log.contains("info 11"));

        let pids = Registry::<u8, Pid>::unique().start_link().await.unwrap();
        let server = start().via(pids.via(1)).name("both").await.unwrap();
        assert_eq!(pids.get(&1), Ok(Some(server.pid())));
        assert_eq!(whereis("both"), Some(server.pid()));

        // A process that is no server.
        let body = |_: Mailbox<()>, ack: rekindle_actor::Ack| async move {
            ack.ready();
            std::future::pending::<ExitReason>().await
        };
        let plain = Starter::new("plain").via(pids.registration(2, |pid| pid));
        let started = plain.clone().start(body).await.unwrap();
        assert_eq!(pids.get(&2), Ok(Some(started.pid())));
        let again = plain.start(body).await.unwrap_err();
        assert_eq!(again, StartError::AlreadyStarted(started.pid()));
    });
}

/// `via`, `get`, `whereis` and `update_value` do not exist on duplicate registries: see the
/// `compile_fail` example of `Duplicate`. What is left to be wrong at run time is a name.
#[test]
fn reg_013_a_duplicate_registry_is_not_one_for_via_names() {
    on_both(|| async {
        let many = Many::duplicate().name("many").start_link().await.unwrap();
        let wrong = Plain::named("many");
        let error = NoRegistry::OtherType("many".into(), many.pid().unwrap());
        assert_eq!(wrong.whereis("key"), Err(error.clone()));
        let log = Log::new();
        let via = wrong.via::<Probe>("key");
        let started = Probe::start(Probe::plain(&log, 1))
            .via(via.with_value(1))
            .await;
        let Err(StartError::Failed(reason)) = started else {
            panic!("{started:?}")
        };
        assert_eq!(
            reason.downcast_ref::<RegistrationError>(),
            Some(&RegistrationError::NoRegistry(error))
        );
        assert_eq!((log.len(), many.count()), (0, Ok(0)));
        assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
    });
}

#[test]
fn reg_014_nobody_holds_the_key() {
    on_both(|| async {
        let registry = unique(1).await;
        let via = registry.via::<Probe>("nobody");
        let nothing_is_there = |via: &Via<_, _, Probe>| {
            via.cast(Tell::Add(1));
            via.send(1);
            assert!(matches!(via.try_send(1), Err(SendError::NoProc(_))));
            assert!(matches!(
                via.try_cast(Tell::Add(1)),
                Err(SendError::NoProc(_))
            ));
            let recipient: Recipient<u32> = via.recipient();
            assert!(recipient.try_send(1).is_err() && recipient.pid().is_none());
            assert!(via.resolve().is_none());
        };
        assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
        nothing_is_there(&via);
        // Another kind of process holds it.
        registry.register("nobody", 1).unwrap();
        assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
        nothing_is_there(&via);
        assert_eq!((via.whereis(), via.pid()), (Some(self_pid()), None));
        // There is no registry.
        let via = Plain::named("nowhere").via::<Probe>("key");
        assert_eq!(via.call(Ask::Get).await, Err(CallError::NoProc));
        nothing_is_there(&via);
    });
}

#[test]
fn reg_015_dispatch_runs_in_the_caller_with_all_entries() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let many = duplicate(partitions).await;
            let puppets = [Puppet::new(), Puppet::new(), Puppet::new(), Puppet::new()];
            for (value, puppet) in (0..).zip(&puppets) {
                enter(puppet, &many, "key", value).await.unwrap();
            }
            let mut got = Vec::new();
            let mut runs = 0;
            many.dispatch("key", |entries| {
                runs += 1;
                got.extend(
                    entries
                        .iter()
                        .map(|(pid, value)| (*pid, **value, self_pid())),
                );
            })
            .unwrap();
            let own = self_pid();
            let all: Vec<_> = (0..)
                .zip(&puppets)
                .map(|(value, puppet)| (puppet.pid(), value, own))
                .collect();
            assert_eq!((runs, got), (1, all));
            let nobody = many.dispatch("none", |_| panic!("it must not run"));
            assert_eq!(nobody, Ok(()));
            let registry = unique(partitions).await;
            registry.register("key", 1).unwrap();
            let mut seen = 0;
            registry
                .dispatch("key", |entries| seen = *entries[0].1)
                .unwrap();
            assert_eq!(seen, 1);
        }
    });
}

#[test]
fn reg_015_dispatch_in_parallel_runs_once_for_each_partition() {
    on_both(|| async {
        let many = duplicate(3).await;
        let puppets: Vec<_> = (0..12).map(|_| Puppet::new()).collect();
        for (value, puppet) in (0..).zip(&puppets) {
            enter(puppet, &many, "key", value).await.unwrap();
        }
        let runs = Arc::new(Mutex::new(Vec::new()));
        let noted = runs.clone();
        let note = move |entries: &[(Pid, &u32)]| {
            let values: Vec<u32> = entries.iter().map(|(_, value)| **value).collect();
            noted.lock().push((self_pid(), values));
        };
        many.dispatch_parallel("key", note.clone()).await.unwrap();
        let by_pid = std::mem::take(&mut *runs.lock());
        assert!((2..=3).contains(&by_pid.len()), "{by_pid:?}");
        assert!(by_pid.iter().all(|(pid, _)| *pid != self_pid()));
        let values = by_pid.into_iter().flat_map(|(_, values)| values).collect();
        assert_eq!(sorted(values), (0..12).collect::<Vec<_>>());
        many.dispatch_parallel("none", |_| panic!("it must not run"))
            .await
            .unwrap();

        // All entries of a key are in one partition: it runs in the caller.
        let by_key = Many::duplicate()
            .partitions(3)
            .by_key()
            .start_link()
            .await
            .unwrap();
        for puppet in &puppets {
            enter(puppet, &by_key, "key", 1).await.unwrap();
        }
        by_key.dispatch_parallel("key", note).await.unwrap();
        let runs = runs.lock();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].0, runs[0].1.len()), (self_pid(), 12));
    });
}

#[test]
fn reg_015_a_panic_in_parallel_is_the_callers_as_well() {
    on_both(|| async {
        let many = duplicate(4).await;
        let puppets: Vec<_> = (0..12).map(|_| Puppet::new()).collect();
        for puppet in &puppets {
            enter(puppet, &many, "key", 1).await.unwrap();
        }
        let dispatch = |trap: bool| {
            let many = many.clone();
            rekindle_actor::Task::spawn_nolink(async move {
                trap_exit(trap);
                many.dispatch_parallel("key", |_| panic!("dispatch")).await
            })
        };
        let died = dispatch(false).await;
        assert!(died.is_err_and(|reason| reason.is_panic()));
        let told = dispatch(true).await.unwrap();
        assert!(matches!(told, Err(DispatchError::Failed(reason)) if reason.is_panic()));
    });
}

#[test]
fn reg_016_listeners_hear_of_explicit_operations() {
    on_both(|| {
        with_inbox(
            |mut inbox: Mailbox<RegistryEvent<&'static str, u32>>| async move {
                register("listener", self_pid()).unwrap();
                let many = Many::duplicate()
                    .name("topics")
                    .listener(inbox.recipient())
                    .start_link()
                    .await
                    .unwrap();
                let registry = Plain::unique()
                    .listener_named("listener")
                    .start_link()
                    .await
                    .unwrap();
                let puppet = Puppet::new();
                let pid = puppet.pid();
                let mut expect = async |event: &str| {
                    let told = match inbox.recv().await {
                        RegistryEvent::Registered {
                            registry,
                            key,
                            pid: who,
                            value,
                            ..
                        } => {
                            assert_eq!(who, pid);
                            format!("{registry:?} + {key} {value}")
                        }
                        RegistryEvent::Unregistered {
                            registry,
                            key,
                            pid: who,
                            ..
                        } => {
                            assert_eq!(who, pid);
                            format!("{registry:?} - {key}")
                        }
                        other => format!("{other:?}"),
                    };
                    assert_eq!(told, event);
                };
                enter(&puppet, &many, "a", 1).await.unwrap();
                enter(&puppet, &many, "a", 2).await.unwrap();
                enter(&puppet, &registry, "u", 3).await.unwrap();
                expect("Some(\"topics\") + a 1").await;
                expect("Some(\"topics\") + a 2").await;
                expect("None + u 3").await;
                // A refusal, an update and what takes nothing away are not announced.
                enter(&puppet, &registry, "u", 4).await.unwrap_err();
                let (own, topics) = (registry.clone(), many.clone());
                puppet
                    .run(move || {
                        own.update_value("u", |n| n + 1).unwrap();
                        own.unregister("none").unwrap();
                        topics.unregister_match("a", |n| *n == 1).unwrap();
                        topics.unregister("a").unwrap();
                        own.unregister("u").unwrap();
                    })
                    .await;
                expect("Some(\"topics\") - a").await;
                expect("None - u").await;
                // A death is not.
                enter(&puppet, &registry, "u", 5).await.unwrap();
                expect("None + u 5").await;
                puppet.die(ExitReason::Normal);
                until(|| !is_alive(pid)).await;
                assert_eq!(registry.count(), Ok(0));
                expect_nothing(&mut inbox).await;
            },
        )
    });
}

#[test]
fn reg_016_a_listener_that_is_not_there_harms_nobody() {
    on_both(|| async {
        let log = Log::new();
        let server = Name::<Probe>::new("later");
        let registry = Registry::<u32, u32>::unique()
            .listener_named("later")
            .start_link()
            .await
            .unwrap();
        registry.register(1, 1).unwrap();
        // Not a process that takes events.
        Probe::start(Probe::plain(&log, 0))
            .name("later")
            .await
            .unwrap();
        registry.register(2, 2).unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        assert_eq!((registry.count(), log.len()), (Ok(2), 1));
    });
}

#[test]
fn reg_017_metadata() {
    on_both(|| async {
        const NUMBER: MetaKey<u32> = MetaKey::new("key");
        const TEXT: MetaKey<String> = MetaKey::new("key");
        let start = Plain::unique().meta(NUMBER, 1);
        let registry = start.clone().start_link().await.unwrap();
        assert_eq!(
            (registry.meta(NUMBER), registry.meta(TEXT)),
            (Ok(Some(1)), Ok(None))
        );
        registry.put_meta(TEXT, "text".to_owned()).unwrap();
        registry.put_meta(NUMBER, 2).unwrap();
        assert_eq!(registry.meta(NUMBER), Ok(Some(2)));
        assert_eq!(registry.meta(TEXT), Ok(Some("text".to_owned())));
        registry.delete_meta(NUMBER).unwrap();
        registry.delete_meta(NUMBER).unwrap();
        assert_eq!(
            (
                registry.meta(NUMBER),
                registry.meta(TEXT).unwrap().is_some()
            ),
            (Ok(None), true)
        );
        // What a start gives is there again after the next one.
        assert_eq!(start.start_link().await.unwrap().meta(NUMBER), Ok(Some(1)));
        registry.stop().await.unwrap();
        assert_eq!(registry.meta(TEXT), Err(NoRegistry::Ended));
        assert_eq!(registry.put_meta(NUMBER, 1), Err(NoRegistry::Ended));
    });
}

#[test]
fn reg_018_a_holder_is_linked_with_the_registry() {
    on_both(|| async {
        for partitions in PARTITIONS {
            let (registry, many) = (unique(partitions).await, duplicate(partitions).await);
            let puppet = Puppet::new();
            let pid = puppet.pid();
            assert!(links_of(pid).is_empty());
            for key in ["a", "b"] {
                enter(&puppet, &registry, key, 1).await.unwrap();
            }
            enter(&puppet, &many, "a", 1).await.unwrap();
            enter(&puppet, &many, "a", 2).await.unwrap();
            assert_eq!(links_of(pid).len(), 2);
            let own = registry.clone();
            puppet.run(move || own.unregister("a")).await.unwrap();
            assert_eq!(links_of(pid).len(), 2);
            let (own, topics) = (registry.clone(), many.clone());
            puppet
                .run(move || {
                    own.unregister("b").unwrap();
                    topics.unregister_match("a", |n| *n == 1).unwrap();
                })
                .await;
            assert_eq!(links_of(pid).len(), 1);
            let topics = many.clone();
            puppet.run(move || topics.unregister("a")).await.unwrap();
            assert!(links_of(pid).is_empty());
            // Who is linked no more outlives it.
            many.stop().await.unwrap();
            registry.stop().await.unwrap();
            assert_eq!(puppet.seen().await, []);
        }
    });
}

#[test]
fn reg_018_the_link_of_a_starter_is_another_one() {
    on_both(|| async {
        let registry = unique(1).await;
        let server = registry.pid().unwrap();
        registry.register("key", 1).unwrap();
        assert_eq!(links_of(self_pid()).len(), 2);
        registry.unregister("key").unwrap();
        assert_eq!(links_of(self_pid()), [server]);
    });
}

#[test]
fn reg_018_holders_end_with_the_registry() {
    on_both(|| async {
        for partitions in PARTITIONS {
            for kill in [false, true] {
                let start = Plain::unique().partitions(partitions);
                let registry = start.start().await.unwrap();
                let (mortal, trapping) = (Puppet::new(), Puppet::trapping().await);
                enter(&mortal, &registry, "a", 1).await.unwrap();
                enter(&trapping, &registry, "b", 1).await.unwrap();
                if kill {
                    rekindle_actor::exit(registry.pid().unwrap(), ExitReason::Kill);
                } else {
                    registry.stop().await.unwrap();
                }
                until(|| !mortal.is_alive()).await;
                let seen = trapping.has_seen(1).await;
                let reason = if kill {
                    ExitReason::Killed
                } else {
                    ExitReason::Shutdown
                };
                assert!(
                    matches!(&seen[..], [Seen::Exit(_, why)] if *why == reason),
                    "{seen:?}"
                );
                assert_eq!(registry.lookup("a"), Err(NoRegistry::Ended));
                let refused = enter(&trapping, &registry, "b", 1).await;
                assert_eq!(
                    refused,
                    Err(RegistrationError::NoRegistry(NoRegistry::Ended))
                );
            }
        }
    });
}

/// The cases above run with three partitions as well; this is about how entries spread.
#[test]
fn reg_019_partitions_change_nothing_that_is_seen() {
    on_both(|| async {
        let registries = [
            duplicate(1).await,
            duplicate(4).await,
            duplicate(0).await,
            Many::duplicate()
                .partitions(4)
                .by_key()
                .start_link()
                .await
                .unwrap(),
        ];
        let puppets: Vec<_> = (0..9).map(|_| Puppet::new()).collect();
        for registry in &registries {
            for (value, puppet) in (0..).zip(&puppets) {
                for key in ["a", "b"] {
                    enter(puppet, registry, key, value).await.unwrap();
                }
            }
        }
        let first = &registries[0];
        for registry in &registries {
            assert_eq!(registry.lookup("a"), first.lookup("a"));
            assert_eq!(registry.count(), Ok(18));
            let entries = registry.select(|key, pid, value| Some((*key, pid, *value)));
            let expected = first.select(|key, pid, value| Some((*key, pid, *value)));
            assert_eq!(sorted(entries.unwrap()), sorted(expected.unwrap()));
        }
        for (n, puppet) in puppets.iter().enumerate() {
            for registry in &registries {
                assert_eq!(registry.keys(puppet.pid()), Ok(vec!["a", "b"]));
                assert_eq!(registry.values("a", puppet.pid()), Ok(vec![n as u32]));
            }
            puppet.die(ExitReason::Normal);
            until(|| !puppet.is_alive()).await;
            for registry in &registries {
                assert_eq!(registry.count(), Ok(18 - 2 * (n + 1)));
            }
        }
    });
}

#[test]
fn reg_020_one_holder_of_a_lock_at_a_time() {
    on_both(|| async {
        let registry = unique(1).await;
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let (registry, inside, most) = (registry.clone(), inside.clone(), most.clone());
                rekindle_actor::Task::spawn(async move {
                    let work = || async {
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        yield_now().await;
                        yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        n
                    };
                    registry.lock("key", work).await
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(n));
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
        // A lock has nothing to do with entries.
        assert_eq!(registry.count(), Ok(0));
    });
}

/// A process that takes a lock, notes it, and keeps it until it is told how to end.
fn locker(
    registry: &Plain,
    key: &'static str,
    log: &Log,
    note: &'static str,
) -> rekindle_actor::Sender<ExitReason> {
    let (registry, log) = (registry.clone(), log.clone());
    spawn(move |mut inbox: Mailbox<ExitReason>| async move {
        let work = || async move {
            log.add(note);
            let reason = inbox.recv().await;
            if reason == ExitReason::Kill {
                panic!("in the lock");
            }
            reason
        };
        registry.lock(key, work).await.unwrap_or(ExitReason::NoProc)
    })
}

#[test]
fn reg_020_a_lock_is_released_by_end_panic_and_death() {
    on_both(|| async {
        let registry = unique(1).await;
        let log = Log::new();
        let names = ["ends", "panics", "is killed", "waits and dies", "last"];
        let mut lockers = Vec::new();
        for name in names {
            let next = locker(&registry, "key", &log, name);
            // In order of asking: this one has asked before the next one is there.
            let asked = next.pid();
            until(|| rekindle_actor::info(asked).is_some_and(|info| !info.running)).await;
            lockers.push(next);
        }
        // Another key is not blocked.
        assert_eq!(registry.lock("other", || async { 1 }).await, Ok(1));
        assert_eq!(log.all(), ["ends"]);
        lockers[3].exit(ExitReason::Kill);
        until(|| !lockers[3].is_alive()).await;
        lockers[0].send(ExitReason::Normal);
        until(|| log.len() == 2).await;
        lockers[1].send(ExitReason::Kill);
        until(|| log.len() == 3).await;
        lockers[2].exit(ExitReason::Kill);
        until(|| log.len() == 4).await;
        assert_eq!(log.all(), ["ends", "panics", "is killed", "last"]);
        lockers[4].send(ExitReason::Normal);
        assert_eq!(registry.lock("key", || async { 2 }).await, Ok(2));
    });
}

#[test]
fn reg_020_a_process_does_not_wait_for_itself() {
    on_both(|| async {
        let registry = unique(1).await;
        let again = registry.clone();
        let nested = registry
            .lock("key", || async move {
                let other = again.lock("other", || async { 1 }).await;
                (other, again.lock("key", || async { 2 }).await)
            })
            .await;
        assert_eq!(nested, Ok((Ok(1), Err(LockError::HeldBySelf))));
        assert_eq!(registry.lock("key", || async { 3 }).await, Ok(3));
    });
}

#[test]
fn reg_020_the_end_of_the_registry_is_told_to_those_who_wait() {
    on_both(|| async {
        let registry = Plain::unique().start().await.unwrap();
        let log = Log::new();
        let holder = locker(&registry, "key", &log, "holds");
        until(|| log.len() == 1).await;
        let waiting = {
            let registry = registry.clone();
            rekindle_actor::Task::spawn(async move { registry.lock("key", || async {}).await })
        };
        let pid = waiting.pid().unwrap();
        until(|| rekindle_actor::info(pid).is_some_and(|info| !info.running)).await;
        registry.stop().await.unwrap();
        let told = Err(LockError::NoRegistry(NoRegistry::Ended));
        assert_eq!(waiting.await.unwrap(), told);
        assert_eq!(registry.lock("key", || async {}).await, told);
        // Work that has begun goes on.
        assert!(holder.is_alive());
        holder.send(ExitReason::Normal);
        until(|| !holder.is_alive()).await;
    });
}

#[test]
fn sys_works_on_a_registry_and_names_resolve_to_it() {
    on_both(|| async {
        let registry = Plain::unique().name("named").start_link().await.unwrap();
        let named = Plain::named("named");
        assert_eq!(named.pid(), registry.pid());
        registry.register("key", 1).unwrap();
        assert_eq!(named.get("key"), Ok(Some(1)));
        let pid = registry.pid().unwrap();
        // Operations need no message: a suspended registry serves as well.
        sys::suspend(pid).await.unwrap();
        assert_eq!(named.update_value("key", |n| n + 1), Ok((2, 1)));
        sys::resume(pid).await.unwrap();
        named.unregister("key").unwrap();
        named.stop().await.unwrap();
        assert_eq!(named.get("key"), Err(NoRegistry::Unknown("named".into())));
        assert_eq!(registry.get("key"), Err(NoRegistry::Ended));
        // The handle by name follows to the next life.
        let next = Plain::unique().name("named").start_link().await.unwrap();
        assert_eq!(named.count(), Ok(0));
        assert_eq!(named.pid(), next.pid());
    });
}
