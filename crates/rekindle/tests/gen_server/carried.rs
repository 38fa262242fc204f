//! What is carried over: generics, visibility, documentation, `cfg`, lints; and which names are not
//! touched.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use rekindle::prelude::*;

use crate::simulated;

/// A map in a process.
struct Cache<K, V, const N: usize = 4>
where
    V: Clone,
{
    entries: HashMap<K, V>,
}

struct Evict<K>(K);

#[gen_server]
impl<K: Hash + Eq + Send + 'static, V, const N: usize> Cache<K, V, N>
where
    V: Clone + Send + Debug + 'static,
{
    const LIMIT: usize = N;

    fn init() -> Self {
        Self {
            entries: HashMap::new(),
        }
    }
    /// The value of a key.
    #[call]
    fn value(&self, key: K) -> Option<V> {
        self.entries.get(&key).cloned()
    }
    #[call]
    fn length(&self) -> usize {
        self.entries.len()
    }
    #[call]
    fn merge(&mut self, other: Self) -> [usize; 2] {
        self.entries.extend(other.entries);
        [self.entries.len(), Self::LIMIT]
    }
    #[cast]
    fn put(&mut self, key: K, value: V) {
        if self.has_room() {
            self.entries.insert(key, value);
        }
    }
    #[info]
    fn evict(&mut self, Evict(key): Evict<K>) {
        self.entries.remove(&key);
    }
    #[continues]
    fn refill(&mut self, entries: Vec<(K, V)>) {
        self.entries.extend(entries);
    }
    #[cast]
    fn refill_soon(&mut self, entries: Vec<(K, V)>) -> Next<Self> {
        Next::continue_with(entries)
    }

    /// No attribute: its own business.
    fn has_room(&self) -> bool {
        self.entries.len() < Self::LIMIT
    }
}

#[test]
fn a_server_may_be_generic() {
    simulated(async {
        let cache = Cache::<&'static str, u8, 2>::start(()).await.unwrap();
        cache.put("a", 1);
        cache.put("b", 2);
        cache.put("c", 3);
        assert_eq!(cache.value("b").await, Ok(Some(2)));
        assert_eq!(cache.value("c").await, Ok(None));
        cache.send(Evict("a"));
        assert_eq!(cache.length().await, Ok(1));
        let entries = HashMap::from([("x", 7)]);
        assert_eq!(cache.merge(Cache { entries }).await, Ok([2, 2]));
        cache.refill_soon(vec![("y", 8)]);
        assert_eq!(cache.length().await, Ok(3));
    });
}

#[test]
fn a_part_that_is_not_compiled_is_in_no_part_of_the_server() {
    struct Parts;
    #[gen_server]
    impl Parts {
        #[cfg(not(test))]
        #[call]
        fn other_system(&self) -> NoSuchType {
            no_such_function()
        }
        #[cfg(not(test))]
        #[cast]
        fn neither(&mut self, _: NoSuchType) {}
        #[cfg(not(test))]
        #[info]
        fn nor(&mut self, _: NoSuchType) {}
        #[cfg(test)]
        #[call]
        fn this_system(&self) -> u8 {
            1
        }
        #[cfg(not(test))]
        #[call]
        fn either(&self) -> u8 {
            2
        }
        #[cfg(test)]
        #[call]
        fn either(&self) -> u8 {
            3
        }
    }
    simulated(async {
        let parts = Parts::start(Parts).await.unwrap();
        assert_eq!(parts.this_system().await, Ok(1));
        assert_eq!(parts.either().await, Ok(3));
    });
}

/// A module in which all that could be meant is something else.
#[allow(dead_code, non_camel_case_types)]
mod hostile {
    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct String;
    pub(super) struct Ok;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Call;
    pub(super) struct From;
    pub(super) struct Into;
    pub(super) struct Send;
    pub(super) struct Step;
    pub(super) struct Context;
    pub(super) mod rekindle {}
    pub(super) mod core {}
    pub(super) mod std {}

    pub(super) struct Stubborn;
    #[::rekindle::gen_server]
    impl Stubborn {
        fn init() -> Self {
            Stubborn
        }
        #[call]
        pub(super) fn same(&self, call: Call) -> Call {
            call
        }
        #[cast]
        pub(super) fn from(&mut self, message: Option, request: Result) {
            let _ = (message, request);
        }
        #[info]
        fn info(&mut self, _: Some) {}
    }
}

#[test]
fn names_of_ones_own_are_in_nobodys_way() {
    use hostile::StubbornApi;
    simulated(async {
        let stubborn = hostile::Stubborn::start(()).await.unwrap();
        stubborn.from(hostile::Option, hostile::Result);
        stubborn.send(hostile::Some);
        assert!(stubborn.same(hostile::Call).await.is_ok());
    });
}

/// The trait may be called otherwise, and the framework be elsewhere.
mod elsewhere {
    pub(super) use ::rekindle as framework;
    use framework::prelude::*;

    pub(super) struct Renamed;
    #[gen_server(api = Renaming, crate = crate::carried::elsewhere::framework)]
    impl Renamed {
        #[call]
        #[deprecated = "only to see that this is carried over, and does not disturb"]
        pub(super) fn answer(&self) -> u8 {
            42
        }
    }
}

#[test]
#[expect(
    deprecated,
    reason = "the handle's method is deprecated as the server's own is"
)]
fn the_trait_has_the_name_that_one_gives_it() {
    use elsewhere::Renaming;
    simulated(async {
        let renamed = elsewhere::Renamed::start(elsewhere::Renamed).await.unwrap();
        assert_eq!(renamed.answer().await, Ok(42));
    });
}
