//! What only some servers and state machines are started with.

use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::MailboxPolicy;

/// Beside the arguments. `V` registers the child in a registry.
pub(crate) struct Extras<V> {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) via: Option<V>,
    pub(crate) mailbox: MailboxPolicy,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) hibernate_after: Option<Duration>,
}

impl<V> Extras<V> {
    /// Nothing at all if there are none: the start of a child is kept as long as the child is, and most
    /// children have none.
    pub(crate) fn boxed(self) -> Option<Box<Extras<V>>> {
        let none = self.name.is_none()
            && self.via.is_none()
            && self.mailbox == MailboxPolicy::unbounded()
            && self.start_timeout.is_none()
            && self.hibernate_after.is_none();
        (!none).then(|| Box::new(self))
    }
}

/// Tells a start of some behaviour what of its extras every behaviour knows. A macro, because the starts have these
/// functions each for itself.
macro_rules! with_extras {
    ($start:expr, $extras:expr) => {{
        let (mut start, extras) = ($start, $extras);
        start = start.mailbox(extras.mailbox);
        if let Some(name) = &extras.name {
            start = start.name(name.clone());
        }
        if let Some(via) = &extras.via {
            start = start.via(via.clone());
        }
        if let Some(limit) = extras.start_timeout {
            start = start.timeout(limit);
        }
        start
    }};
}
pub(crate) use with_extras;

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Extras<()> = Extras {
        name: None,
        via: None,
        mailbox: MailboxPolicy::unbounded(),
        start_timeout: None,
        hibernate_after: None,
    };

    #[test]
    fn whatever_there_is_is_kept_and_nothing_takes_no_memory() {
        assert!(NONE.boxed().is_none());
        let all = [
            Extras {
                name: Some("a".into()),
                ..NONE
            },
            Extras {
                via: Some(()),
                ..NONE
            },
            Extras {
                mailbox: MailboxPolicy::bounded(1),
                ..NONE
            },
            Extras {
                start_timeout: Some(Duration::ZERO),
                ..NONE
            },
            Extras {
                hibernate_after: Some(Duration::ZERO),
                ..NONE
            },
        ];
        assert!(all.into_iter().all(|extras| extras.boxed().is_some()));
    }
}
