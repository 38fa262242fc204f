//! What a key may have: one holder, or many.

use std::fmt::Debug;

/// A registry in which a key has at most one entry: see [`Registry`](crate::Registry).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, Unique, self_pid};
///
/// // The default: `Registry<u32, &str>` is the same type.
/// let desks: Registry<u32, &str, Unique> = Registry::unique().start().await.unwrap();
/// desks.register(1, "window").unwrap();
/// assert!(desks.register(1, "door").is_err());
/// assert_eq!(desks.whereis(&1), Ok(Some(self_pid())));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Unique;

/// A registry in which a key has any number of entries: see [`Registry`](crate::Registry).
///
/// What makes sense for unique keys only does not exist here (REG-013):
///
/// ```compile_fail,E0599
/// # use rekindle_actor::{Duplicate, GenServer, Registry};
/// fn server_of<G: GenServer>(topics: Registry<String, u32, Duplicate>) {
///     let _ = topics.via::<G>("news");
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Duplicate;

/// The kinds of registries: [`Unique`] and [`Duplicate`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, RegistryKind};
///
/// /// For registries of both kinds.
/// fn is_busy<K: RegistryKind>(registry: &Registry<u32, (), K>) -> bool {
///     registry.count().is_ok_and(|entries| entries > 1)
/// }
///
/// let (one, many) = (Registry::unique().start(), Registry::duplicate().start());
/// let (one, many) = (one.await.unwrap(), many.await.unwrap());
/// for _ in 0..2 {
///     let _held_already = one.register(7, ());
///     many.register(7, ()).unwrap();
/// }
/// assert!(!is_busy(&one) && is_busy(&many));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of registry",
    note = "the kinds are `Unique` and `Duplicate`"
)]
pub trait RegistryKind: sealed::Sealed + Debug + Send + Sync + 'static {
    #[doc(hidden)]
    const UNIQUE: bool;
}

impl RegistryKind for Unique {
    const UNIQUE: bool = true;
}

impl RegistryKind for Duplicate {
    const UNIQUE: bool = false;
}

mod sealed {
    #[allow(
        unnameable_types,
        reason = "that nobody can name it is what seals the other trait"
    )]
    pub trait Sealed {}
    impl Sealed for super::Unique {}
    impl Sealed for super::Duplicate {}
}
