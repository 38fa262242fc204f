//! Telling others who registers and who unregisters.

use std::fmt;
use std::sync::Arc;

use crate::pid::Pid;
use crate::recipient::{Recipient, Via};
use crate::sender::{SendError, Sender};

/// What a listener of a registry is told: see
/// [`StartRegistry::listener`](crate::StartRegistry::listener).
///
/// The end of a process is not announced (REG-016): a listener that wants to know of it monitors
/// the process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, Registry, RegistryEvent, self_pid, spawn};
///
/// # let main = self_pid();
/// let listener = spawn(move |mut inbox: Mailbox<RegistryEvent<u32, &'static str>>| async move {
///     let RegistryEvent::Registered { key, value, .. } = inbox.recv().await else { panic!() };
///     assert_eq!((key, value), (7, "kitchen"));
///     let RegistryEvent::Unregistered { key, pid, .. } = inbox.recv().await else { panic!() };
///     assert_eq!((key, pid), (7, main));
/// });
/// let start = Registry::unique().listener(listener.recipient());
/// let rooms = start.start().await.unwrap();
/// rooms.register(7, "kitchen").unwrap();
/// rooms.unregister(&7).unwrap();
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !listener.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryEvent<K, V> {
    /// A process has registered an entry.
    #[non_exhaustive]
    Registered {
        /// The registry's name, if it has one.
        registry: Option<Arc<str>>,
        /// The key.
        key: K,
        /// Who has registered.
        pid: Pid,
        /// With which value.
        value: V,
    },
    /// A process has unregistered its last entry under a key.
    #[non_exhaustive]
    Unregistered {
        /// The registry's name, if it has one.
        registry: Option<Arc<str>>,
        /// The key.
        key: K,
        /// Who has unregistered.
        pid: Pid,
    },
}

/// An event before it is made, for it may be that nobody listens.
pub(super) enum News<'a, K, V> {
    Registered(&'a K, &'a V),
    Unregistered(&'a K),
}

/// Somebody who listens.
pub(super) struct Listener<K, V>(Arc<Tell<K, V>>);

type Tell<K, V> = dyn Fn(Option<&Arc<str>>, Pid, &News<'_, K, V>) + Send + Sync;

impl<K, V> Listener<K, V> {
    pub(super) fn new(recipient: Recipient<RegistryEvent<K, V>>) -> Listener<K, V>
    where
        K: Clone + Send + 'static,
        V: Clone + Send + 'static,
    {
        Listener(Arc::new(move |registry, pid, news| {
            let registry = registry.cloned();
            recipient.send(match *news {
                News::Registered(key, value) => RegistryEvent::Registered {
                    registry,
                    key: key.clone(),
                    pid,
                    value: value.clone(),
                },
                News::Unregistered(key) => RegistryEvent::Unregistered {
                    registry,
                    key: key.clone(),
                    pid,
                },
            });
        }))
    }

    /// Whoever holds the name when there is something to tell.
    pub(super) fn named(name: Arc<str>) -> Listener<K, V>
    where
        K: Clone + Send + 'static,
        V: Clone + Send + 'static,
    {
        type Event<K, V> = RegistryEvent<K, V>;
        Listener::new(Recipient::new(Via {
            target: name,
            send: |name, event: Event<K, V>| match Sender::<Event<K, V>>::whereis(name) {
                Some(sender) => sender.try_send(event).map_err(|e| e.map(drop)),
                None => Err(SendError::NoProc(())),
            },
            pid: |name| crate::names::whereis(name),
        }))
    }

    pub(super) fn tell(&self, registry: Option<&Arc<str>>, pid: Pid, news: &News<'_, K, V>) {
        (self.0)(registry, pid, news);
    }
}

impl<K, V> Clone for Listener<K, V> {
    fn clone(&self) -> Self {
        Listener(self.0.clone())
    }
}

impl<K, V> fmt::Debug for Listener<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
