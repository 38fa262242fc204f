//! A name that is resolved at each use, and remembers who held it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::inspect;
use crate::mailbox::Address;
use crate::names;
use crate::sender::Sender;

/// The address of whoever holds a name, if that process receives `M`.
pub(crate) struct NamedAddress<M> {
    name: Arc<str>,
    known: Mutex<Option<Known<M>>>,
}

/// Who held the name at the last look.
struct Known<M> {
    address: Address<M>,
    /// The process's `name_epoch` at that time: it changes when the process loses the name.
    epoch: u32,
}

impl<M> Clone for Known<M> {
    fn clone(&self) -> Self {
        Known {
            address: self.address.clone(),
            epoch: self.epoch,
        }
    }
}

impl<M: Send + 'static> Known<M> {
    /// Whether that one holds it still.
    fn stands(&self) -> bool {
        name_epoch(&self.address) == self.epoch && inspect::is_alive(self.address.pid())
    }
}

fn name_epoch<M: Send + 'static>(address: &Address<M>) -> u32 {
    let shared = &address.process().shared;
    shared.name_epoch.load(Ordering::Acquire)
}

impl<M: Send + 'static> NamedAddress<M> {
    pub(crate) fn new(name: impl Into<Arc<str>>) -> Self {
        NamedAddress {
            name: name.into(),
            known: Mutex::new(None),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who holds the name now.
    pub(crate) fn resolve(&self) -> Option<Address<M>> {
        // What is forgotten may be the last of its process, whose reason is the user's: it is dropped without
        // the lock.
        let known = self.known.lock().clone();
        let known = match known {
            Some(known) if known.stands() => return Some(known.address),
            other => other,
        };
        loop {
            let Some(holder) = Sender::<M>::whereis(&self.name) else {
                let forgotten = self.known.lock().take();
                drop((known, forgotten));
                return None;
            };
            let address = holder.into_address();
            // The name may have changed hands before the epoch was read. If it has not by the second
            // look, the holder's epoch changes when it does.
            let epoch = name_epoch(&address);
            if names::whereis(&self.name) == Some(address.pid()) {
                let now = Known {
                    address: address.clone(),
                    epoch,
                };
                let forgotten = self.known.lock().replace(now);
                drop((known, forgotten));
                return Some(address);
            }
        }
    }
}

impl<M: Send + 'static> Clone for NamedAddress<M> {
    fn clone(&self) -> Self {
        NamedAddress::new(self.name.clone())
    }
}

impl<M> fmt::Debug for NamedAddress<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}
