//! Registries against a list: whatever processes register, take away, change and die, a registry
//! says what the list says.

use proptest::prelude::*;
use rekindle_actor::{Duplicate, ExitReason, Pid, Registry, RegistryKind, Runtime, exit, is_alive};

use crate::support::*;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const PROCESSES: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Deed {
    Register(u32),
    Unregister,
    Update,
    /// And another process takes its place.
    Die,
}

type Step = (usize, usize, Deed);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let deed = prop_oneof![
        6 => any::<u32>().prop_map(Deed::Register),
        2 => Just(Deed::Unregister),
        2 => Just(Deed::Update),
        1 => Just(Deed::Die),
    ];
    prop::collection::vec((0..PROCESSES, 0..KEYS.len(), deed), 0..60)
}

/// Entries in the order of their registration.
#[derive(Default)]
struct List {
    unique: bool,
    entries: Vec<(&'static str, Pid, u32)>,
}

impl List {
    fn under(&self, key: &str) -> Vec<(Pid, u32)> {
        let under = self.entries.iter().filter(|(k, ..)| *k == key);
        under.map(|(_, pid, value)| (*pid, *value)).collect()
    }

    fn of(&self, pid: Pid) -> Vec<&'static str> {
        let own = self.entries.iter().filter(|(_, p, _)| *p == pid);
        own.map(|(key, ..)| *key).collect()
    }

    /// Whether it was accepted.
    fn register(&mut self, key: &'static str, pid: Pid, value: u32) -> bool {
        let free = !self.unique || self.under(key).is_empty();
        if free {
            self.entries.push((key, pid, value));
        }
        free
    }
}

async fn compare<Kind: RegistryKind>(
    registry: Registry<&'static str, u32, Kind>,
    unique: bool,
    steps: Vec<Step>,
    update: impl Fn(&Registry<&'static str, u32, Kind>, &'static str) -> bool + Copy + Send + 'static,
) {
    let mut list = List {
        unique,
        ..List::default()
    };
    let mut puppets: Vec<Puppet> = (0..PROCESSES).map(|_| Puppet::new()).collect();
    for (who, key, deed) in steps {
        let (pid, key, theirs) = (puppets[who].pid(), KEYS[key], registry.clone());
        match deed {
            Deed::Register(value) => {
                let registered = puppets[who].run(move || theirs.register(key, value).is_ok());
                assert_eq!(registered.await, list.register(key, pid, value));
            }
            Deed::Unregister => {
                let done = puppets[who].run(move || theirs.unregister(key)).await;
                assert_eq!(done, Ok(()));
                list.entries.retain(|(k, p, _)| (*k, *p) != (key, pid));
            }
            Deed::Update if unique => {
                let updated = puppets[who].run(move || update(&theirs, key)).await;
                let own = list
                    .entries
                    .iter_mut()
                    .find(|(k, p, _)| (*k, *p) == (key, pid));
                assert_eq!(updated, own.is_some());
                if let Some((.., value)) = own {
                    *value = value.wrapping_add(1);
                }
            }
            Deed::Update => {}
            Deed::Die => {
                exit(pid, ExitReason::Kill);
                until(|| !is_alive(pid)).await;
                list.entries.retain(|(_, p, _)| *p != pid);
                puppets[who] = Puppet::new();
            }
        }
        for key in KEYS {
            assert_eq!(registry.lookup(key), Ok(list.under(key)));
        }
        for puppet in &puppets {
            assert_eq!(registry.keys(puppet.pid()), Ok(list.of(puppet.pid())));
        }
        assert_eq!(registry.count(), Ok(list.entries.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_unique_registry_is_as_a_list(seed: u64, partitions in 1..4_usize, steps in steps()) {
        quiet();
        let ran = Runtime::simulated(seed).run(async move {
            let start = Registry::<&str, u32>::unique().partitions(partitions);
            let registry = start.start_link().await.expect("it starts");
            compare(registry, true, steps, |registry, key| {
                registry.update_value(key, |n| n.wrapping_add(1)).is_ok()
            })
            .await;
        });
        prop_assert!(ran.is_ok(), "{ran:?}");
    }

    #[test]
    fn a_duplicate_registry_is_as_a_list(seed: u64, partitions in 1..4_usize, steps in steps()) {
        quiet();
        let ran = Runtime::simulated(seed).run(async move {
            let start = Registry::<&str, u32, Duplicate>::duplicate().partitions(partitions);
            let registry = start.start_link().await.expect("it starts");
            compare(registry, false, steps, |_, _| false).await;
        });
        prop_assert!(ran.is_ok(), "{ran:?}");
    }
}
