//! Those who watch one behaviour at work, and telling them.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::ops::ControlFlow;

use rekindle_scheduler::Time;

use super::event::{Statistics, SystemEvent, Traced};
use crate::process::Owner;
use crate::recipient::Recipient;
use crate::sender::SendError;
use crate::{time, unwind};

/// What is kept while somebody watches. Kept in the process watched, and touched by it alone.
#[derive(Default)]
pub(super) struct Watch {
    statistics: Option<Counts>,
    log: Option<Log>,
    prints: bool,
    forwards: Option<Recipient<Traced>>,
    installed: Vec<Installed>,
    /// Events so far.
    count: u64,
    /// Whether a message came in that is not yet `Handled`.
    open: bool,
}

struct Counts {
    since: Time,
    messages_in: u64,
    messages_out: u64,
}

struct Log {
    limit: usize,
    events: VecDeque<Traced>,
}

pub(super) type DebugFunction = Box<dyn FnMut(&Traced) -> ControlFlow<()> + Send>;

struct Installed {
    id: String,
    /// `None` only while it is dropped.
    function: Option<DebugFunction>,
}

impl Drop for Installed {
    fn drop(&mut self) {
        // What it holds is foreign; the process is not to be harmed by its end either.
        unwind::discard(self.function.take());
    }
}

impl Watch {
    /// Whether nobody watches any more.
    pub(super) fn is_over(&self) -> bool {
        self.statistics.is_none()
            && self.log.is_none()
            && !self.prints
            && self.forwards.is_none()
            && self.installed.is_empty()
    }

    pub(super) fn count(&mut self, on: bool) {
        if !on {
            self.statistics = None;
        } else if self.statistics.is_none() {
            self.statistics = Some(Counts {
                since: time::now(),
                messages_in: 0,
                messages_out: 0,
            });
        }
    }

    pub(super) fn statistics(&self) -> Option<Statistics> {
        let counts = self.statistics.as_ref()?;
        Some(Statistics {
            since: counts.since,
            now: time::now(),
            messages_in: counts.messages_in,
            messages_out: counts.messages_out,
        })
    }

    /// Keeps the last `limit` events; what is there stays, as far as it fits.
    pub(super) fn log(&mut self, limit: usize) {
        if limit == 0 {
            self.log = None;
            return;
        }
        let log = self.log.get_or_insert_with(|| Log {
            limit,
            events: VecDeque::new(),
        });
        log.limit = limit;
        log.trim();
    }

    pub(super) fn logged(&self) -> Vec<Traced> {
        let log = self.log.as_ref();
        log.map_or_else(Vec::new, |log| log.events.iter().cloned().collect())
    }

    pub(super) fn print(&mut self) {
        self.prints = true;
    }

    pub(super) fn forward(&mut self, to: Recipient<Traced>) {
        self.forwards = Some(to);
    }

    pub(super) fn stop_trace(&mut self) {
        self.prints = false;
        self.forwards = None;
    }

    /// Installs a debug function; `false`, and the function is dropped, if the id is taken.
    pub(super) fn install(&mut self, id: String, function: DebugFunction) -> bool {
        let taken = self.installed.iter().any(|known| known.id == id);
        let installed = Installed {
            id,
            function: Some(function),
        };
        if !taken {
            self.installed.push(installed);
        }
        !taken
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.installed.len();
        self.installed.retain(|known| known.id != id);
        self.installed.len() < before
    }

    /// What is switched on, in words.
    pub(super) fn describe(&self) -> Vec<String> {
        let mut on = Vec::new();
        if self.statistics.is_some() {
            on.push("statistics".to_owned());
        }
        if let Some(log) = &self.log {
            on.push(format!("log of {}", log.limit));
        }
        if self.prints {
            on.push("trace as text".to_owned());
        }
        if let Some(to) = &self.forwards {
            on.push(match to.pid() {
                Some(pid) => format!("trace to {pid}"),
                None => "trace to nobody".to_owned(),
            });
        }
        on.extend(
            self.installed
                .iter()
                .map(|known| format!("function {:?}", known.id)),
        );
        on
    }

    /// Whether something came in that is not yet handled; no longer, after this.
    pub(super) fn close(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    /// Tells of the replies that the process has given since the last event.
    pub(super) fn tell_replies(&mut self) {
        for reply in Owner::take_replies() {
            self.tell(SystemEvent::Out {
                what: crate::report::short_type_name(reply.what),
                to: reply.to,
            });
        }
    }

    /// Tells everybody who watches.
    pub(super) fn tell(&mut self, event: SystemEvent) {
        let who = Owner::current(|owner| {
            let owner = owner?;
            Some((owner.pid(), owner.process().shared().name()))
        });
        let Some((pid, name)) = who else { return };
        self.count += 1;
        match &event {
            SystemEvent::In { .. } => {
                self.open = true;
                if let Some(counts) = &mut self.statistics {
                    counts.messages_in += 1;
                }
            }
            SystemEvent::Inner(_) => self.open = true,
            SystemEvent::Out { .. } => {
                if let Some(counts) = &mut self.statistics {
                    counts.messages_out += 1;
                }
            }
            _ => {}
        }
        let traced = Traced {
            pid,
            name,
            at: time::now(),
            number: self.count,
            event,
        };
        self.installed.retain_mut(|known| known.keeps(&traced));
        if self.prints {
            print(&traced);
        }
        if let Some(to) = &self.forwards {
            let told = unwind::catch(|| to.try_send(traced.clone()));
            // Nobody is left to be told. A mailbox that is full may have room for the next one.
            if !matches!(told, Ok(Ok(()) | Err(SendError::Full(())))) {
                self.forwards = None;
            }
        }
        if let Some(log) = &mut self.log {
            log.events.push_back(traced);
            log.trim();
        }
    }
}

impl Log {
    fn trim(&mut self) {
        let excess = self.events.len().saturating_sub(self.limit);
        self.events.drain(..excess);
    }
}

impl Installed {
    /// Runs the function; whether it is to be kept. One that panics is not (SYS-010).
    fn keeps(&mut self, event: &Traced) -> bool {
        let Some(function) = &mut self.function else {
            return false;
        };
        match unwind::catch(|| function(event)) {
            Ok(verdict) => verdict.is_continue(),
            Err(payload) => {
                let reason = crate::exit::ExitReason::from_panic(payload);
                rekindle_scheduler::log_guarded(|| {
                    log::warn!(
                        target: "rekindle",
                        "the debug function {:?} of {} is removed, because it ended with: {reason}",
                        self.id, event.pid,
                    )
                });
                false
            }
        }
    }
}

/// Prints an event through `log`; to stderr where no logger is installed.
pub(super) fn print(event: &Traced) {
    if log::max_level() == log::LevelFilter::Off {
        let _ = writeln!(std::io::stderr().lock(), "*DBG* {event}");
        return;
    }
    rekindle_scheduler::log_guarded(|| log::info!(target: "rekindle::trace", "{event}"));
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.describe()).finish()
    }
}
