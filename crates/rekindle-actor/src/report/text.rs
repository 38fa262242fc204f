//! A report as people read it, and where it is written.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::CrashReport;
use crate::exit::ExitReason;
use crate::pid::Pid;

/// Links that are named.
const LINKS: usize = 8;
/// Where the second and the third column of a line begin, counted from the one before.
const SECOND: usize = 16;
const THIRD: usize = 17;

/// Prints a report through `log`; to stderr where no logger is installed, for a crash must never
/// go unseen. A closed stderr harms nobody. `repeated`: it is the last of so many, in this time,
/// of which no other was printed.
pub(super) fn emit(report: &CrashReport, repeated: Option<(u64, Duration)>) {
    crate::telemetry::crash_report(report, repeated.map_or(0, |(count, _)| count));
    let mut text = Text {
        report,
        repeated,
        paint: Paint::Plain,
    };
    if log::max_level() == log::LevelFilter::Off {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let stderr = std::io::stderr();
        text.paint = Paint::wanted(stderr.is_terminal());
        let mut lines = format!("{} {text}\n", text.paint.error("ERROR"));
        if !TOLD.swap(true, Ordering::Relaxed) {
            lines.push_str("(no logger is installed: crash reports go to stderr)\n");
        }
        let _ = stderr.lock().write_all(lines.as_bytes());
        return;
    }
    rekindle_scheduler::log_guarded(|| {
        log::error!(
            target: "rekindle::crash",
            pid:% = report.pid,
            behaviour = report.behaviour,
            name = report.name.as_deref(),
            label = report.label.as_deref(),
            reason:% = report.reason,
            last_message = report.last_message.as_deref(),
            last_sender = report.last_sender.map(|pid| pid.to_string()),
            parent = report.ancestors.first().map(|(pid, _)| pid.to_string()),
            supervisor = report.supervisor.as_deref(),
            outcome = report.outcome,
            action = report.action.as_deref(),
            mailbox = report.mailbox,
            links = report.links.len(),
            age_ms = u64::try_from(report.age.as_millis()).unwrap_or(u64::MAX),
            spawned_at:% = report.spawned_at,
            repeated = repeated.map_or(0, |(count, _)| count);
            "{text}"
        )
    });
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text {
            report: self,
            repeated: None,
            paint: Paint::Plain,
        }
        .fmt(f)
    }
}

/// Whether words stand out by colour: on a terminal only, and not if `NO_COLOR` says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Coloured,
}

impl Paint {
    fn wanted(is_terminal: bool) -> Paint {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match is_terminal && !refused {
            true => Paint::Coloured,
            false => Paint::Plain,
        }
    }

    fn error(self, what: impl fmt::Display) -> Painted<impl fmt::Display> {
        self.with("1;31", what)
    }

    fn bold(self, what: impl fmt::Display) -> Painted<impl fmt::Display> {
        self.with("1", what)
    }

    fn dim(self, what: impl fmt::Display) -> Painted<impl fmt::Display> {
        self.with("2", what)
    }

    fn with<D: fmt::Display>(self, style: &'static str, what: D) -> Painted<D> {
        let style = (self == Paint::Coloured).then_some(style);
        Painted { style, what }
    }
}

struct Painted<D> {
    style: Option<&'static str>,
    what: D,
}

impl<D: fmt::Display> fmt::Display for Painted<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(f, "\x1b[{style}m{}\x1b[0m", self.what),
            None => self.what.fmt(f),
        }
    }
}

/// A report as people read it.
struct Text<'a> {
    report: &'a CrashReport,
    repeated: Option<(u64, Duration)>,
    paint: Paint,
}

impl Text<'_> {
    /// A line with a heading.
    fn line(&self, f: &mut fmt::Formatter<'_>, heading: &str, value: &str) -> fmt::Result {
        let heading = format!("{heading:<15}");
        write!(f, "\n  {}{}", self.paint.dim(heading), indented(value))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.report;
        let mut who = behaviour_path(r.behaviour);
        if let Some(name) = &r.name {
            write!(who, " {name:?}")?;
        }
        write!(f, "{} ({}) crashed", self.paint.bold(who), r.pid)?;
        if let Some((count, over)) = self.repeated {
            let often = match count {
                1 => "once".to_owned(),
                count => format!("{count} times"),
            };
            let over = Age(over);
            let said = format!("the same {often} more in {over}, this is the last");
            write!(f, ": {}", self.paint.bold(said))?;
        }
        let reason = r.reason.to_string();
        write!(f, "\n  {}", self.paint.error(indented(&reason)))?;
        if let Some(message) = &r.last_message {
            self.line(f, "last message", &with_sender(r, message))?;
        }
        if let Some(state) = &r.state {
            self.line(f, "state", state)?;
        }
        if let Some(label) = &r.label {
            self.line(f, "label", label)?;
        }
        if let Some((pid, name)) = r.ancestors.first() {
            let mut parent = known_as(*pid, name.as_deref());
            if let Some(supervisor) = &r.supervisor {
                write!(parent, " ({supervisor})")?;
            }
            if let Some(action) = &r.action {
                write!(parent, " -> {action}")?;
            }
            self.line(f, "parent", &parent)?;
        }
        if let Some((_, above @ [_, ..])) = r.ancestors.split_first() {
            let known = above
                .iter()
                .map(|(pid, name)| known_as(*pid, name.as_deref()));
            self.line(f, "ancestors", &known.collect::<Vec<_>>().join(", "))?;
        }
        let parent = r.ancestors.first().map(|(pid, _)| *pid);
        if r.callers.iter().any(|pid| Some(*pid) != parent) {
            let known = r.callers.iter().map(ToString::to_string);
            self.line(f, "callers", &known.collect::<Vec<_>>().join(", "))?;
        }
        let (waiting, age) = (format!("{} waiting", r.mailbox), Age(r.age));
        let alive = format!("alive {age}");
        let spawned = format!("spawned at {}", r.spawned_at);
        self.line(
            f,
            "mailbox",
            &format!("{waiting:<SECOND$}{alive:<THIRD$}{spawned}"),
        )?;
        let backtrace = match &r.reason {
            ExitReason::Panic(panic) => Some(panic.backtrace.as_deref()),
            _ => None,
        };
        let hint = match backtrace {
            Some(None) => "  backtrace: set RUST_BACKTRACE=1",
            _ => "",
        };
        if !r.links.is_empty() || !hint.is_empty() {
            let links = links(&r.links);
            // The hint brings two spaces of its own.
            let width = if hint.is_empty() { 0 } else { SECOND - 2 };
            self.line(f, "links", &format!("{links:<width$}{hint}"))?;
        }
        match backtrace {
            Some(Some(backtrace)) => write!(f, "\n{}", backtrace.trim_end()),
            _ => Ok(()),
        }
    }
}

fn with_sender(r: &CrashReport, message: &str) -> String {
    let Some(from) = r.last_sender else {
        return message.to_owned();
    };
    let mut text = format!("{message} from {from}");
    // Writing to a string cannot fail.
    if let Some(name) = &r.last_sender_name {
        let _ = write!(text, " {name:?}");
    }
    if let Some(wait) = &r.last_sender_waits {
        let _ = write!(text, " (waiting at {})", wait.at);
    }
    text
}

fn known_as(pid: Pid, name: Option<&str>) -> String {
    name.map_or_else(|| pid.to_string(), str::to_owned)
}

fn links(pids: &[Pid]) -> String {
    if pids.is_empty() {
        return "none".to_owned();
    }
    let named = pids.iter().take(LINKS).map(Pid::to_string);
    let mut text = named.collect::<Vec<_>>().join(" ");
    if pids.len() > LINKS {
        // Writing to a string cannot fail.
        let _ = write!(text, " and {} more", pids.len() - LINKS);
    }
    text
}

/// Keeps what has several lines apart from the lines of the report.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// A span of time in two units at most: `812ms`, `4.2s`, `3m12s`, `2h05m`, `11d04h`.
struct Age(Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, secs) = (self.0.as_millis(), self.0.as_secs());
        match secs {
            0 if self.0.is_zero() => f.write_str("0s"),
            0 if millis == 0 => write!(f, "{}us", self.0.as_micros()),
            0 => write!(f, "{millis}ms"),
            1..60 if millis % 1000 < 100 => write!(f, "{secs}s"),
            1..60 => write!(f, "{secs}.{}s", millis % 1000 / 100),
            60..3600 => write!(f, "{}m{:02}s", secs / 60, secs % 60),
            3600..86400 => write!(f, "{}h{:02}m", secs / 3600, secs / 60 % 60),
            _ => write!(f, "{}d{:02}h", secs / 86400, secs / 3600 % 24),
        }
    }
}

/// Cuts a text after so many characters, and says how many are left out.
pub(super) fn shorten(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        let left = text[at..].chars().count();
        text.truncate(at);
        // Writing to a string cannot fail.
        let _ = write!(text, "... ({left} more)");
    }
}

/// What ran, with its path, for the first line of a report: `orders::Cart<String>`, `Task of
/// orders::ship`. An `async fn`, and a block or closure in a function, are called like the function.
fn behaviour_path(name: &str) -> String {
    let task = std::any::type_name::<crate::task::TaskOf<()>>().trim_end_matches("()>");
    if let Some(work) = name.strip_prefix(task) {
        let work = work.strip_suffix('>').unwrap_or(work);
        return format!("Task of {}", behaviour_path(work));
    }
    let name = name.replace("::{{closure}}", "");
    match name.split_once('<') {
        // What begins with a bracket is a path of its own: `<T as Trait>::function`.
        Some((path, generics)) if !path.is_empty() => {
            format!("{path}<{}", short_type_name(generics))
        }
        _ => name,
    }
}

/// A type's name without the paths: `app::Cart<alloc::string::String>` is `Cart<String>`.
#[must_use]
pub(crate) fn short_type_name(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut word = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' || c == '{' || c == '}' {
            word.push(c);
        } else if c == ':' {
            // `{{closure}}` says nothing without what it is in.
            if !word.is_empty() {
                word.clear();
            }
        } else {
            short.push_str(&word);
            word.clear();
            short.push(c);
        }
    }
    if word == "{{closure}}" {
        return match name.trim_end_matches("::{{closure}}").rsplit("::").next() {
            Some(outer) if !outer.is_empty() => format!("{short}closure in {outer}"),
            _ => short + &word,
        };
    }
    short + &word
}

#[cfg(test)]
pub(super) mod tests {
    use std::panic::Location;
    use std::sync::Arc;

    use rekindle_scheduler::TaskId;

    use super::*;
    use crate::exit::Panic;
    use crate::wait::{Wait, WaitKind};

    fn pid(index: u32) -> Pid {
        Pid::new(1, TaskId::from_parts(index, 1))
    }

    pub(in super::super) fn report() -> CrashReport {
        let panic = Panic {
            message: "index out of bounds: the len is 3 but the index is 3".to_owned(),
            location: Some("src/cart.rs:88:17".to_owned()),
            backtrace: None,
        };
        let at = Location::caller();
        CrashReport {
            pid: pid(812),
            behaviour: "orders::Cart",
            name: Some("cart:42".into()),
            label: Some("user 9c1e".into()),
            reason: ExitReason::Panic(Arc::new(panic)),
            last_message: Some("call AddItem".to_owned()),
            last_sender: Some(pid(77)),
            last_sender_name: Some("http:conn".into()),
            last_sender_waits: Some(Wait {
                kind: WaitKind::Call,
                at,
                since: Duration::ZERO,
            }),
            state: None,
            ancestors: vec![(pid(5), Some("cart_sup".into()))],
            callers: vec![],
            links: vec![pid(70)],
            mailbox: 14,
            traps_exits: false,
            age: Duration::from_secs(192),
            spawned_at: at,
            supervisor: Some("dynamic, one_for_one".to_owned()),
            outcome: Some("restarted"),
            action: Some("restarted as #813.1, 2 of 3 in 5s".to_owned()),
        }
    }

    #[test]
    fn a_report_as_people_read_it() {
        let report = report();
        let at = report.spawned_at.to_string();
        let expected = "\
orders::Cart \"cart:42\" (#812.1) crashed
  panicked at src/cart.rs:88:17: index out of bounds: the len is 3 but the index is 3
  last message   call AddItem from #77.1 \"http:conn\" (waiting at HERE)
  label          user 9c1e
  parent         cart_sup (dynamic, one_for_one) -> restarted as #813.1, 2 of 3 in 5s
  mailbox        14 waiting      alive 3m12s      spawned at HERE
  links          #70.1           backtrace: set RUST_BACKTRACE=1";
        assert_eq!(report.to_string(), expected.replace("HERE", &at));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let report = CrashReport {
            name: None,
            label: None,
            reason: ExitReason::msg("no database\nno cache"),
            last_message: None,
            supervisor: None,
            outcome: None,
            action: None,
            ancestors: vec![(pid(5), None), (pid(4), Some("app".into())), (pid(3), None)],
            links: Vec::new(),
            ..report()
        };
        let expected = "\
orders::Cart (#812.1) crashed
  no database
    no cache
  parent         #5.1
  ancestors      app, #3.1
  mailbox        14 waiting      alive 3m12s      spawned at HERE";
        let at = report.spawned_at.to_string();
        assert_eq!(report.to_string(), expected.replace("HERE", &at));
    }

    #[test]
    fn colour_changes_no_word() {
        let report = report();
        let text = |paint| {
            let repeated = Some((999, Duration::from_millis(5003)));
            Text {
                report: &report,
                repeated,
                paint,
            }
            .to_string()
        };
        let (plain, coloured) = (text(Paint::Plain), text(Paint::Coloured));
        let first = "orders::Cart \"cart:42\" (#812.1) crashed: \
                     the same 999 times more in 5s, this is the last";
        assert_eq!(plain.lines().next(), Some(first));
        assert!(!plain.contains('\x1b') && coloured.contains("\x1b[1;31mpanicked at"));
        let mut stripped = coloured;
        for style in ["\x1b[1;31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"] {
            stripped = stripped.replace(style, "");
        }
        assert_eq!(stripped, plain);
        assert_eq!(Paint::wanted(false), Paint::Plain);
    }

    #[test]
    fn spans_of_time_have_two_units_at_most() {
        let rows = [
            (Duration::ZERO, "0s"),
            (Duration::from_micros(250), "250us"),
            (Duration::from_millis(812), "812ms"),
            (Duration::from_millis(5_003), "5s"),
            (Duration::from_millis(4_250), "4.2s"),
            (Duration::from_secs(192), "3m12s"),
            (Duration::from_secs(7_500), "2h05m"),
            (Duration::from_secs(11 * 86_400 + 4 * 3_600), "11d04h"),
        ];
        for (span, text) in rows {
            assert_eq!(Age(span).to_string(), text);
        }
    }

    #[test]
    fn what_ran_is_called_with_its_path() {
        let task = std::any::type_name::<crate::task::TaskOf<ExitReason>>();
        let rows = [
            ("orders::Cart", "orders::Cart"),
            (
                "orders::Cart<alloc::string::String>",
                "orders::Cart<String>",
            ),
            ("app::main::{{closure}}::{{closure}}", "app::main"),
            ("app::main::{{closure}}::inner", "app::main::inner"),
            (
                "<app::Cart as app::Ships>::ship::{{closure}}",
                "<app::Cart as app::Ships>::ship",
            ),
            (task, "Task of rekindle_actor::exit::ExitReason"),
        ];
        for (name, path) in rows {
            assert_eq!(behaviour_path(name), path);
        }
    }

    #[test]
    fn type_names_are_shortened() {
        let rows = [
            ("app::cart::Cart<alloc::string::String>", "Cart<String>"),
            ("app::main::{{closure}}::{{closure}}", "closure in main"),
            ("u8", "u8"),
        ];
        for (name, short) in rows {
            assert_eq!(short_type_name(name), short);
        }
    }
}
