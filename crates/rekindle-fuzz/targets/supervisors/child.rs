//! Children as they are specified, and what they do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arbitrary::Arbitrary;
use rekindle_actor::{ExitReason, Info, Mailbox, spawn_link, trap_exit};
use rekindle_fuzz::PLANNED;
use rekindle_supervisor::{AutoShutdown, ChildSpec, Restart, Shutdown, SpecError};

pub const IDS: [&str; 8] = ["", "a", "b", "c", "d", "e", " ", "\u{0}é"];

#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Given {
    pub id: Among<8>,
    pub restart: Among<3>,
    pub significant: bool,
    /// It takes exit signals for messages, so it must be killed.
    pub stubborn: bool,
    /// How long it is given to stop; 0 is none at all.
    pub shutdown_ms: u8,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Why {
    Normal,
    Shutdown,
    Error,
    Panic,
    Kill,
}

/// A number less than `N`.
#[derive(Debug, Clone, Copy)]
pub struct Among<const N: usize>(pub usize);

impl<'a, const N: usize> Arbitrary<'a> for Among<N> {
    fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Among(usize::from(u8::arbitrary(bytes)?) % N))
    }
}

impl Given {
    pub fn id(self) -> &'static str {
        IDS[self.id.0]
    }

    pub fn restart(self) -> Restart {
        [Restart::Permanent, Restart::Transient, Restart::Temporary][self.restart.0]
    }

    pub fn spec(self, log: &Log) -> ChildSpec {
        let (log, id) = (Arc::clone(log), self.id());
        let start = move || {
            let life = Life::begin(&log, id);
            async move { spawn_link(move |inbox: Mailbox<Why>| work(inbox, life, self.stubborn)) }
        };
        let shutdown = match self.shutdown_ms {
            0 => Shutdown::Kill,
            ms => Shutdown::Within(Duration::from_millis(ms.into())),
        };
        ChildSpec::worker(id, start)
            .restart(self.restart())
            .significant(self.significant)
            .shutdown(shutdown)
    }

    /// What is wrong with it.
    pub fn fault(self, auto: AutoShutdown) -> Option<SpecError> {
        if self.id().is_empty() {
            Some(SpecError::EmptyId)
        } else if self.significant && auto == AutoShutdown::Never {
            Some(SpecError::SignificantInVain(self.id().into()))
        } else if self.significant && self.restart() == Restart::Permanent {
            Some(SpecError::SignificantPermanent(self.id().into()))
        } else {
            None
        }
    }
}

async fn work(mut inbox: Mailbox<Why>, life: Life, stubborn: bool) -> ExitReason {
    let _life = life;
    trap_exit(stubborn);
    loop {
        match inbox.next().await {
            Info::Message(Why::Normal) => return ExitReason::Normal,
            Info::Message(Why::Shutdown) => return ExitReason::Shutdown,
            Info::Message(Why::Error) => return ExitReason::msg("told to"),
            Info::Message(Why::Panic) => panic!("{PLANNED}"),
            _ => {}
        }
    }
}

/// Starts and ends of children, in their order: `+a`, `-a`.
pub type Log = Arc<Mutex<Vec<String>>>;

pub fn note(log: &Log, what: String) {
    log.lock().expect("no panic while it is held").push(what);
}

pub fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().expect("no panic while it is held"))
}

/// Notes when it begins and when it is dropped.
pub struct Life {
    log: Log,
    id: &'static str,
}

impl Life {
    fn begin(log: &Log, id: &'static str) -> Life {
        note(log, format!("+{id}"));
        let log = Arc::clone(log);
        Life { log, id }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        note(&self.log, format!("-{}", self.id));
    }
}
