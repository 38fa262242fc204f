//! What all handles on servers have in common.

use super::gen_server::GenServer;
use super::handle::{Addr, Name};
use crate::call::Call;
use crate::mailbox::ReplyTo;
use crate::registry::{RegistryKey, RegistryValue, Via};
use crate::sender::SendError;

/// A handle on a server: [`Addr`], [`Name`] and [`Via`].
///
/// For code that does not care which of them it has. The methods that `#[gen_server]` writes are
/// methods of every handle; a handle of your own gets them by implementing this.
///
/// ```
/// use rekindle_actor::{
///     CallError, Context, ExitReason, GenServer, Init, Name, Never, Next, ReplyTo, ServerHandle, Step,
/// };
///
/// struct Counter(i64);
///
/// impl GenServer for Counter {
///     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
///     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///         Ok(Init::Ready(Counter(n)))
///     }
///     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> {
///         from.reply(self.0);
///         Ok(Next::Wait)
///     }
///     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
///         self.0 += k;
///         Ok(Next::Wait)
///     }
/// }
///
/// async fn bump(counter: &impl ServerHandle<Server = Counter>) -> Result<i64, CallError> {
///     counter.cast(1);
///     counter.call(|from| from).await
/// }
///
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// let counter = Counter::start(0).name("counter").await.unwrap();
/// assert_eq!(bump(&counter).await, Ok(1));
/// assert_eq!(bump(&Name::new("counter")).await, Ok(2));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handle on a server",
    note = "the handles are `Addr<G>`, which starting a server gives, `Name<G>` and `Via<K, V, G>`"
)]
pub trait ServerHandle {
    /// The server.
    type Server: GenServer;

    /// As [`Addr::call`].
    fn call<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> <Self::Server as GenServer>::Call,
    ) -> Call<'_, T>;

    /// As [`Addr::cast`].
    fn cast(&self, message: <Self::Server as GenServer>::Cast);

    /// As [`Addr::try_cast`].
    ///
    /// # Errors
    ///
    /// Gives the message back if there is nobody, or the mailbox is full and refuses it.
    fn try_cast(
        &self,
        message: <Self::Server as GenServer>::Cast,
    ) -> Result<(), SendError<<Self::Server as GenServer>::Cast>>;
}

impl<G: GenServer> ServerHandle for Addr<G> {
    type Server = G;

    #[track_caller]
    #[inline]
    fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> G::Call) -> Call<'_, T> {
        Addr::call(self, make)
    }

    #[inline]
    fn cast(&self, message: G::Cast) {
        Addr::cast(self, message);
    }

    fn try_cast(&self, message: G::Cast) -> Result<(), SendError<G::Cast>> {
        Addr::try_cast(self, message)
    }
}

impl<G: GenServer> ServerHandle for Name<G> {
    type Server = G;

    #[track_caller]
    fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> G::Call) -> Call<'_, T> {
        Name::call(self, make)
    }

    fn cast(&self, message: G::Cast) {
        Name::cast(self, message);
    }

    fn try_cast(&self, message: G::Cast) -> Result<(), SendError<G::Cast>> {
        Name::try_cast(self, message)
    }
}

impl<K: RegistryKey, V: RegistryValue, G: GenServer> ServerHandle for Via<K, V, G> {
    type Server = G;

    #[track_caller]
    fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> G::Call) -> Call<'_, T> {
        Via::call(self, make)
    }

    fn cast(&self, message: G::Cast) {
        Via::cast(self, message);
    }

    fn try_cast(&self, message: G::Cast) -> Result<(), SendError<G::Cast>> {
        Via::try_cast(self, message)
    }
}
