//! Feature `serde`: what can be looked at can be written down. Nothing here can be read back: a pid
//! means nothing in another program, and a report is not a process.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::exit::{ExitReason, Panic};
use crate::inspect::{ProcessInfo, Tree, Window};
use crate::pid::{MonitorRef, Pid};
use crate::report::CrashReport;
use crate::wait::{Wait, WaitKind};

/// As its text, `#1.812`: pids are for people and for comparing.
impl Serialize for Pid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As its `Debug` text.
impl Serialize for MonitorRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

/// As `{ kind, text }`, and what is known of a panic. An error is its text.
impl Serialize for ExitReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self {
            ExitReason::Normal => "normal",
            ExitReason::Shutdown => "shutdown",
            ExitReason::ShutdownWith(_) => "shutdown_with",
            ExitReason::Kill => "kill",
            ExitReason::Killed => "killed",
            ExitReason::NoProc => "no_proc",
            ExitReason::NoConnection => "no_connection",
            ExitReason::Panic(_) => "panic",
            ExitReason::Error(_) => "error",
        };
        let panic = match self {
            ExitReason::Panic(panic) => Some(&**panic),
            _ => None,
        };
        let mut out = serializer.serialize_struct("ExitReason", 3)?;
        out.serialize_field("kind", kind)?;
        out.serialize_field("text", &self.to_string())?;
        match panic {
            Some(panic) => out.serialize_field("panic", panic)?,
            None => out.skip_field("panic")?,
        }
        out.end()
    }
}

impl Serialize for Panic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Panic", 3)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("location", &self.location)?;
        out.serialize_field("backtrace", &self.backtrace)?;
        out.end()
    }
}

impl Serialize for WaitKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            WaitKind::Other => "other",
            WaitKind::Receive => "receive",
            WaitKind::Call => "call",
            WaitKind::Start => "start",
            WaitKind::Stop => "stop",
            WaitKind::Sleep => "sleep",
            WaitKind::Task => "task",
        })
    }
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Wait", 3)?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("at", &Place(self.at))?;
        out.serialize_field("since_seconds", &Seconds(self.since))?;
        out.end()
    }
}

impl Serialize for ProcessInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ProcessInfo", 16)?;
        out.serialize_field("pid", &self.pid)?;
        out.serialize_field("behaviour", self.behaviour)?;
        out.serialize_field("name", &self.name.as_deref())?;
        out.serialize_field("label", &self.label.as_deref())?;
        out.serialize_field("parent", &self.parent)?;
        out.serialize_field("running", &self.running)?;
        out.serialize_field("mailbox", &self.mailbox)?;
        out.serialize_field("dropped", &self.dropped)?;
        out.serialize_field("links", &self.links)?;
        out.serialize_field("monitors", &self.monitors)?;
        out.serialize_field("monitored_by", &self.monitored_by)?;
        out.serialize_field("traps_exits", &self.traps_exits)?;
        out.serialize_field("age_seconds", &Seconds(self.age))?;
        out.serialize_field("spawned_at", &Place(self.spawned_at))?;
        out.serialize_field("waits", &self.waits)?;
        out.serialize_field("calls", &self.calls)?;
        out.end()
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Window", 2)?;
        out.serialize_field("processes", &self.processes)?;
        out.serialize_field("next", &self.next)?;
        out.end()
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Tree", 2)?;
        out.serialize_field("process", &self.process)?;
        out.serialize_field("children", &self.children)?;
        out.end()
    }
}

impl Serialize for CrashReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("CrashReport", 20)?;
        out.serialize_field("pid", &self.pid)?;
        out.serialize_field("behaviour", self.behaviour)?;
        out.serialize_field("name", &self.name.as_deref())?;
        out.serialize_field("label", &self.label.as_deref())?;
        out.serialize_field("reason", &self.reason)?;
        out.serialize_field("last_message", &self.last_message)?;
        out.serialize_field("last_sender", &self.last_sender)?;
        out.serialize_field("last_sender_name", &self.last_sender_name.as_deref())?;
        out.serialize_field("last_sender_waits", &self.last_sender_waits)?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("ancestors", &Ancestors(&self.ancestors))?;
        out.serialize_field("callers", &self.callers)?;
        out.serialize_field("links", &self.links)?;
        out.serialize_field("mailbox", &self.mailbox)?;
        out.serialize_field("traps_exits", &self.traps_exits)?;
        out.serialize_field("age_seconds", &Seconds(self.age))?;
        out.serialize_field("spawned_at", &Place(self.spawned_at))?;
        out.serialize_field("supervisor", &self.supervisor)?;
        out.serialize_field("outcome", &self.outcome)?;
        out.serialize_field("action", &self.action)?;
        out.end()
    }
}

/// A list of `{ pid, name }`.
struct Ancestors<'a>(&'a [(Pid, Option<Arc<str>>)]);

impl Serialize for Ancestors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(pid, name)| {
            let name = name.as_deref().map(str::to_owned);
            BTreeMap::from([("pid", Some(pid.to_string())), ("name", name)])
        }))
    }
}

/// A line of code, as compilers name it: `src/cart.rs:88:17`.
struct Place(&'static Location<'static>);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// A span of time in seconds, with its fraction.
struct Seconds(Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}
