//! A name that is resolved at each use, and remembers who held it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::inspect;
use crate::mailbox::Address;
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
        let mut known = self.known.lock();
        if let Some(Known { address, epoch }) = &*known {
            let stands = address.process().shared.name_epoch.load(Ordering::Acquire) == *epoch;
            if stands && inspect::is_alive(address.pid()) {
                return Some(address.clone());
            }
        }
        let address = Sender::<M>::whereis(&self.name).map(|sender| sender.into_address());
        *known = address.clone().map(|address| {
            let epoch = address.process().shared.name_epoch.load(Ordering::Acquire);
            Known { address, epoch }
        });
        address
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
