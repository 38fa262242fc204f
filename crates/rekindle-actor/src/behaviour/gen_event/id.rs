//! Which handler: typed references, and entries of the list.

use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::handler::EventHandler;
use crate::pid::Pid;
use crate::report::short_type_name;

/// A typed reference to a handler of some manager, by which it is called, deleted and swapped.
///
/// | made by                          | stands for                                                    |
/// |----------------------------------|---------------------------------------------------------------|
/// | `add_handler`, `swap_handler`    | this one handler; once it is removed, nobody ([`CallHandlerError::BadHandler`]) |
/// | [`by_id`](Self::by_id)           | whichever `H` has the id at each use                          |
/// | [`of_type`](Self::of_type)       | the newest `H` without an id at each use                      |
///
/// [`CallHandlerError::BadHandler`]: crate::CallHandlerError::BadHandler
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod sum {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone)] pub struct Sum(pub u32);
/// #     impl EventHandler for Sum {
/// #         type Event = u32; type Args = u32; type Call = ReplyTo<u32>; type DeleteArgs = (); type Output = u32;
/// #         async fn init(n: u32, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
/// #             if n > 100 { Err(ExitReason::msg("too much to begin with")) } else { Ok(Sum(n)) }
/// #         }
/// #         async fn handle_event(&mut self, n: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { self.0 += n; Ok(Reaction::Keep) }
/// #         async fn handle_call(&mut self, from: ReplyTo<u32>, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { from.reply(self.0); Ok(Reaction::Keep) }
/// #         async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
/// #     }
/// # }
/// # use sum::Sum;
/// use rekindle_actor::{CallHandlerError, GenEvent, HandlerRef};
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let first = manager.add_handler::<Sum>(1).id("total").await.unwrap();
/// manager.delete_handler(&first, ()).await.unwrap();
/// manager.add_handler::<Sum>(2).id("total").await.unwrap();
///
/// // The one that was added is gone; under the id there is another.
/// assert_eq!(manager.call(&first, |from| from).await, Err(CallHandlerError::BadHandler));
/// let total = HandlerRef::<Sum>::by_id("total");
/// assert_eq!(manager.call(&total, |from| from).await, Ok(2));
/// # });
/// ```
pub struct HandlerRef<H> {
    target: Target,
    handler: PhantomData<fn(H)>,
}

/// Which of the handlers of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Serial(u64),
    Id(Arc<str>),
    WithoutId,
}

impl<H: EventHandler> HandlerRef<H> {
    /// Whichever handler of this type has this id at each use: `{Module, Id}` in OTP.
    #[must_use]
    pub fn by_id(id: impl Into<Arc<str>>) -> HandlerRef<H> {
        HandlerRef::new(Target::Id(id.into()))
    }

    /// The newest handler of this type that was added without an id: `Module` in OTP.
    #[must_use]
    pub fn of_type() -> HandlerRef<H> {
        HandlerRef::new(Target::WithoutId)
    }

    pub(super) fn exact(serial: u64) -> HandlerRef<H> {
        HandlerRef::new(Target::Serial(serial))
    }

    fn new(target: Target) -> HandlerRef<H> {
        HandlerRef {
            target,
            handler: PhantomData,
        }
    }

    /// Whether it stands for the handler of this entry.
    #[must_use]
    pub fn is(&self, entry: &HandlerEntry) -> bool {
        entry.kind.id == TypeId::of::<H>()
            && match &self.target {
                Target::Serial(serial) => entry.serial == *serial,
                Target::Id(id) => entry.id.as_ref() == Some(id),
                Target::WithoutId => entry.id.is_none(),
            }
    }
}

impl<H> Clone for HandlerRef<H> {
    fn clone(&self) -> Self {
        HandlerRef {
            target: self.target.clone(),
            handler: PhantomData,
        }
    }
}

impl<H> PartialEq for HandlerRef<H> {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target
    }
}

impl<H> Eq for HandlerRef<H> {}

impl<H> fmt::Debug for HandlerRef<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = short_type_name(type_name::<H>());
        match &self.target {
            Target::Serial(serial) => write!(f, "HandlerRef<{handler}>(#{serial})"),
            Target::Id(id) => write!(f, "HandlerRef<{handler}>({id:?})"),
            Target::WithoutId => write!(f, "HandlerRef<{handler}>"),
        }
    }
}

/// The type of a handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    id: TypeId,
    name: &'static str,
}

impl Kind {
    pub(super) fn of<H: 'static>() -> Kind {
        Kind {
            id: TypeId::of::<H>(),
            name: type_name::<H>(),
        }
    }
}

/// A handler in the list of a manager: see
/// [`which_handlers`](crate::EventManager::which_handlers).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod sum {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone)] pub struct Sum(pub u32);
/// #     impl EventHandler for Sum {
/// #         type Event = u32; type Args = u32; type Call = ReplyTo<u32>; type DeleteArgs = (); type Output = u32;
/// #         async fn init(n: u32, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
/// #             if n > 100 { Err(ExitReason::msg("too much to begin with")) } else { Ok(Sum(n)) }
/// #         }
/// #         async fn handle_event(&mut self, n: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { self.0 += n; Ok(Reaction::Keep) }
/// #         async fn handle_call(&mut self, from: ReplyTo<u32>, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { from.reply(self.0); Ok(Reaction::Keep) }
/// #         async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
/// #     }
/// # }
/// # use sum::Sum;
/// use rekindle_actor::GenEvent;
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// manager.add_handler::<Sum>(1).id("total").await.unwrap();
/// for entry in manager.which_handlers().await.unwrap() {
///     assert_eq!(entry.to_string(), "Sum \"total\"");
///     if let Some(sum) = entry.as_ref::<Sum>() {
///         assert_eq!(manager.delete_handler(&sum, ()).await, Ok(1));
///     }
/// }
/// # });
/// ```
#[derive(Clone)]
pub struct HandlerEntry {
    pub(super) kind: Kind,
    pub(super) id: Option<Arc<str>>,
    pub(super) serial: u64,
    pub(super) adder: Option<Pid>,
}

impl HandlerEntry {
    /// The full name of the handler's type.
    #[must_use]
    pub fn handler(&self) -> &'static str {
        self.kind.name
    }

    /// The id it was added under.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The process that supervises it, if it was added so.
    #[must_use]
    pub fn adder(&self) -> Option<Pid> {
        self.adder
    }

    /// Whether it is one of this type.
    #[must_use]
    pub fn is<H: EventHandler>(&self) -> bool {
        self.kind.id == TypeId::of::<H>()
    }

    /// The reference to this very handler, if it is an `H`.
    #[must_use]
    pub fn as_ref<H: EventHandler>(&self) -> Option<HandlerRef<H>> {
        self.is::<H>().then(|| HandlerRef::exact(self.serial))
    }
}

/// Two entries are equal if they are of the same addition to the same manager.
impl PartialEq for HandlerEntry {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.serial == other.serial
    }
}

impl Eq for HandlerEntry {}

/// As text: the type without its path, and the id.
impl fmt::Display for HandlerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short_type_name(self.kind.name))?;
        match &self.id {
            Some(id) => write!(f, " {id:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HandlerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerEntry")
            .field("handler", &self.kind.name)
            .field("id", &self.id)
            .field("serial", &self.serial)
            .field("adder", &self.adder)
            .finish()
    }
}
