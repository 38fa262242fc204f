//! Whoever holds a key, as a handle of some kind: looked up at each use, and remembered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::kept::Kept;
use super::table::Table;
use super::{RegistrationError, Registry, RegistryKey, RegistryValue};
use crate::ambient::self_pid;
use crate::behaviour::{Addr, GenServer, GenStatem, StartError, StatemAddr};
use crate::exit::ExitReason;
use crate::inspect;
use crate::pid::Pid;
use crate::process::Process;

/// A handle on one life of a process of some kind.
pub(super) trait LifeHandle: Clone + Send + 'static {
    /// The handle on a process, if it lives and is of this kind.
    fn of(pid: Pid) -> Option<Self>;
    fn life(&self) -> Pid;
    fn process(&self) -> &Process;
}

impl<G: GenServer> LifeHandle for Addr<G> {
    fn of(pid: Pid) -> Option<Self> {
        Addr::from_pid(pid)
    }

    fn life(&self) -> Pid {
        self.pid()
    }

    fn process(&self) -> &Process {
        Addr::process(self)
    }
}

impl<M: GenStatem> LifeHandle for StatemAddr<M> {
    fn of(pid: Pid) -> Option<Self> {
        StatemAddr::from_pid(pid)
    }

    fn life(&self) -> Pid {
        self.pid()
    }

    fn process(&self) -> &Process {
        StatemAddr::process(self)
    }
}

/// Whoever holds a key.
pub(super) struct Holder<K: RegistryKey, V: RegistryValue, H> {
    registry: Registry<K, V>,
    key: Kept<K>,
    last: Mutex<Option<Known<K, V, H>>>,
}

/// Who held the key at the last look.
struct Known<K, V, H> {
    handle: H,
    /// The process's `name_epoch` at that time: it changes when the process loses a key.
    epoch: u32,
    /// The life of the registry.
    table: Arc<Table<K, V>>,
}

impl<K: RegistryKey, V: RegistryValue, H: LifeHandle> Holder<K, V, H> {
    pub(super) fn new(registry: Registry<K, V>, key: Kept<K>) -> Self {
        Holder {
            registry,
            key,
            last: Mutex::new(None),
        }
    }

    pub(super) fn key(&self) -> &K {
        &self.key
    }

    pub(super) fn registry(&self) -> &Registry<K, V> {
        &self.registry
    }

    /// The holder's pid, whatever kind of process it is.
    pub(super) fn whereis(&self) -> Option<Pid> {
        self.registry.whereis(&*self.key).ok().flatten()
    }

    /// Who holds the key now, if it is of this kind. Nobody, if there is no such registry.
    pub(super) fn resolve(&self) -> Option<H> {
        let table = self.registry.table().ok()?;
        let known = self.last.lock().clone();
        if let Some(known) = &known
            && Arc::ptr_eq(&known.table, &table)
            && known
                .handle
                .process()
                .shared
                .name_epoch
                .load(Ordering::Acquire)
                == known.epoch
            && inspect::is_alive(known.handle.life())
        {
            return Some(known.handle.clone());
        }
        loop {
            let Some(handle) = table.first(&*self.key).and_then(|held| H::of(held.pid)) else {
                let forgotten = self.last.lock().take();
                drop((known, forgotten));
                return None;
            };
            // The key may have changed hands before the epoch was read. If it has not by the second
            // look, the holder's epoch changes when it does.
            let epoch = handle.process().shared.name_epoch.load(Ordering::Acquire);
            if table.first(&*self.key).map(|held| held.pid) == Some(handle.life()) {
                let known = Known {
                    handle: handle.clone(),
                    epoch,
                    table,
                };
                let forgotten = self.last.lock().replace(known);
                drop(forgotten);
                return Some(handle);
            }
        }
    }

    /// Registers the running process under the key, with a value that is made of its handle.
    pub(super) fn registering<F>(
        &self,
        value: F,
    ) -> impl Fn() -> Result<(), StartError> + Send + Sync + use<K, V, H, F>
    where
        F: Fn(H) -> V + Send + Sync + 'static,
    {
        let (registry, key) = (self.registry.clone(), self.key.clone());
        move || {
            let Some(own) = H::of(self_pid()) else {
                // The type of the start's `via` keeps this from being.
                return Err(StartError::Failed(ExitReason::NoProc));
            };
            let registered = registry.register_kept(key.clone(), value(own));
            registered.map_err(into_start_error)
        }
    }
}

/// A start fails because of a registration.
pub(super) fn into_start_error(error: RegistrationError) -> StartError {
    match error {
        RegistrationError::AlreadyRegistered(pid) => StartError::AlreadyStarted(pid),
        other => StartError::Failed(other.into()),
    }
}

impl<K: RegistryKey, V: RegistryValue, H: LifeHandle> Clone for Holder<K, V, H> {
    fn clone(&self) -> Self {
        Holder::new(self.registry.clone(), self.key.clone())
    }
}

impl<K, V, H: Clone> Clone for Known<K, V, H> {
    fn clone(&self) -> Self {
        Known {
            handle: self.handle.clone(),
            epoch: self.epoch,
            table: self.table.clone(),
        }
    }
}
