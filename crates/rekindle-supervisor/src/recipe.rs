//! How a child is started, again and again: its arguments, and what it is started with beside them, in one
//! block. It is kept as long as the child is, and there are many children.

use std::panic::Location;
use std::sync::Arc;

use crate::extras::Extras;
use crate::spec::{ChildKind, ChildOptions, ChildSpec, StartFn, StartFuture, Startable};

/// What children of one behaviour are started by.
pub(crate) trait Launch: 'static {
    type Args;
    /// What registers the child in a registry.
    type Via: Send + Sync;

    fn launch(
        args: Self::Args,
        at: &'static Location<'static>,
        extras: Option<&Extras<Self::Via>>,
    ) -> StartFuture;
}

/// The arguments are made anew by `F` at each start.
struct Kept<L: Launch, F> {
    /// Where the child was asked for.
    at: &'static Location<'static>,
    extras: Option<Box<Extras<L::Via>>>,
    args: F,
}

/// A [`Kept`] whose arguments' type is forgotten.
pub(crate) trait Recipe<L: Launch>: Startable {
    fn start_with(&self, extras: Option<&Extras<L::Via>>) -> StartFuture;

    fn set_extras(&mut self, extras: Box<Extras<L::Via>>);
}

impl<L: Launch, F: Fn() -> L::Args + Send + Sync> Startable for Kept<L, F> {
    fn start(&self) -> StartFuture {
        self.start_with(self.extras.as_deref())
    }
}

impl<L: Launch, F: Fn() -> L::Args + Send + Sync> Recipe<L> for Kept<L, F> {
    fn start_with(&self, extras: Option<&Extras<L::Via>>) -> StartFuture {
        L::launch((self.args)(), self.at, extras)
    }

    fn set_extras(&mut self, extras: Box<Extras<L::Via>>) {
        self.extras = Some(extras);
    }
}

/// A recipe for arguments that are made by `args`.
pub(crate) fn recipe<L: Launch>(
    at: &'static Location<'static>,
    args: impl Fn() -> L::Args + Send + Sync + 'static,
) -> Arc<dyn Recipe<L>> {
    Arc::new(Kept {
        at,
        extras: None,
        args,
    })
}

/// The recipe of a builder that was cloned, with the extras of one of the clones.
struct Shared<L: Launch> {
    recipe: Arc<dyn Recipe<L>>,
    extras: Box<Extras<L::Via>>,
}

impl<L: Launch> Startable for Shared<L> {
    fn start(&self) -> StartFuture {
        self.recipe.start_with(Some(&self.extras))
    }
}

/// The specification of a worker that is called like its type, unless it has a name or an id.
pub(crate) fn into_spec<L: Launch>(
    recipe: Arc<dyn Recipe<L>>,
    extras: Extras<L::Via>,
    options: ChildOptions,
    type_name: &'static str,
) -> ChildSpec {
    let name = extras.name.clone();
    let start = into_start(recipe, extras.boxed());
    options.into_spec(ChildKind::Worker, name, type_name, start)
}

/// The start of a child that has these extras.
fn into_start<L: Launch>(
    mut recipe: Arc<dyn Recipe<L>>,
    extras: Option<Box<Extras<L::Via>>>,
) -> StartFn {
    let Some(extras) = extras else {
        return recipe;
    };
    match Arc::get_mut(&mut recipe) {
        Some(own) => own.set_extras(extras),
        None => return Arc::new(Shared { recipe, extras }),
    }
    recipe
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use rekindle_actor::{ExitReason, MailboxPolicy, StartError};

    use super::*;

    /// Writes down what it is started with.
    struct Scribe;

    static STARTED: Mutex<Vec<(u32, Option<Duration>)>> = Mutex::new(Vec::new());

    impl Launch for Scribe {
        type Args = u32;
        type Via = ();

        fn launch(
            args: u32,
            _: &'static Location<'static>,
            extras: Option<&Extras<()>>,
        ) -> StartFuture {
            let limit = extras.and_then(|extras| extras.start_timeout);
            STARTED.lock().unwrap().push((args, limit));
            Box::pin(async { Err(StartError::Failed(ExitReason::Normal)) })
        }
    }

    fn limit(secs: u64) -> Option<Box<Extras<()>>> {
        let extras = Extras {
            name: None,
            via: None,
            mailbox: MailboxPolicy::unbounded(),
            start_timeout: Some(Duration::from_secs(secs)),
            hibernate_after: None,
        };
        extras.boxed()
    }

    #[test]
    fn clones_of_a_builder_keep_extras_of_their_own() {
        let one = recipe::<Scribe>(Location::caller(), || 7);
        let (two, three) = (one.clone(), one.clone());
        let starts = [
            into_start(one, limit(1)),
            into_start(two, None),
            into_start(three, limit(3)),
        ];
        for start in &starts {
            drop(start.start());
        }
        drop(starts);
        let alone = recipe::<Scribe>(Location::caller(), || 8);
        let start = into_start(alone, limit(4));
        drop(start.start());
        let secs = |secs| Some(Duration::from_secs(secs));
        let expected = [(7, secs(1)), (7, None), (7, secs(3)), (8, secs(4))];
        assert_eq!(*STARTED.lock().unwrap(), expected);
    }
}
