//! What a machine shows of itself.

use std::fmt;

/// What is to be seen of a state machine: in [`sys::get_status`](crate::sys::get_status), and in
/// its crash report.
///
/// A state, data and messages may hold secrets, so nothing of them is shown unless
/// [`GenStatem::format_status`](crate::GenStatem::format_status) and
/// [`GenStatem::show_event`](crate::GenStatem::show_event) say so. Running timeouts are listed by
/// their names, and postponed events by their types.
///
/// ```
/// use rekindle_actor::{GenStatem, StatemStatus, sys};
/// # use rekindle_actor::{ExitReason, Never, StatemContext, StatemEvent, StatemInit, StatemStep};
/// # struct Vault { code: u32, opened: u32 }
/// # #[derive(Debug, PartialEq)] enum State { Locked }
/// # impl GenStatem for Vault {
/// #     type Args = u32; type State = State; type Call = Never; type Cast = Never; type Info = Never;
/// #     type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(code: u32, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Locked, Vault { code, opened: 0 })) }
/// #     async fn handle_event(&mut self, _: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> { let _ = self.code; cx.unexpected(event) }
///
/// /// Everything but the code.
/// fn format_status(&self, state: &State, status: &mut StatemStatus) {
///     status.state = Some(format!("{state:?}"));
///     status.data = Some(format!("opened {} times", self.opened));
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// let vault = Vault::start(4711).await.unwrap();
/// let status = sys::get_status(vault.pid()).await.unwrap();
/// assert_eq!(status.state.as_deref(), Some("state Locked; data opened 0 times"));
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatemStatus {
    /// The state, as far as it may be shown.
    pub state: Option<String>,
    /// The data, as far as they may be shown.
    pub data: Option<String>,
    /// The running timeouts, each with the time it has left, in the order in which they were set.
    pub timeouts: Vec<String>,
    /// The postponed events, in their order.
    pub postponed: Vec<String>,
}

impl StatemStatus {
    /// The text for a report; none if there is nothing to be said.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.to_string();
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for StatemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(state) = &self.state {
            parts.push(format!("state {state}"));
        }
        if let Some(data) = &self.data {
            parts.push(format!("data {data}"));
        }
        if !self.timeouts.is_empty() {
            parts.push(format!("timeouts {}", self.timeouts.join(", ")));
        }
        if !self.postponed.is_empty() {
            parts.push(format!("postponed {}", self.postponed.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}
