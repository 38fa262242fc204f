//! Registries as children.

use rekindle_actor::{
    ExitReason, Registry, RegistryKey, RegistryKind, RegistryValue, StartError, StartRegistry,
};

use crate::spec::{ChildKind, ChildOptions, ChildSpec, start_fn};
use crate::started::{Child, ChildHandle, IntoStarted};

/// A registry that is not yet started is a child as it stands: permanent, a supervisor for the
/// books, stopped in as much time as it takes, and called like its name, or `Registry`. To change
/// that, make it a [`ChildSpec`] first.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::Registry;
/// use rekindle_supervisor::Supervisor;
///
/// type Rooms = Registry<String, u32>;
///
/// Supervisor::rest_for_one()
///     .child(Rooms::unique().name("rooms"))
///     .start_link()
///     .await
///     .unwrap();
/// let rooms = Rooms::named("rooms");
/// rooms.register("kitchen".to_owned(), 4).unwrap();
/// assert_eq!(rooms.get("kitchen"), Ok(Some(4)));
/// # });
/// ```
impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> From<StartRegistry<K, V, Kind>>
    for ChildSpec
{
    fn from(registry: StartRegistry<K, V, Kind>) -> ChildSpec {
        let name = registry.get_name().cloned();
        let start = start_fn(move || registry.clone().start_link());
        ChildOptions::default().into_spec(ChildKind::Supervisor, name, "Registry", start)
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> Child for StartRegistry<K, V, Kind> {
    type Handle = Registry<K, V, Kind>;

    fn handle(started: ChildHandle) -> Option<Registry<K, V, Kind>> {
        started.into_info()
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> IntoStarted for Registry<K, V, Kind> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        let pid = self.pid();
        let pid = pid.map_err(|gone| StartError::Failed(ExitReason::from(gone)))?;
        Ok(ChildHandle::with_info(pid, self))
    }
}
