//! What was logged, test by test.
//!
//! The `log` crate has one logger per program, and tests run side by side. So the kit installs a
//! logger of its own, which asks in which runtime, and in which process, a record was made: each
//! test has its own runtime, and what it logs goes nowhere else. Warnings and errors of a run that
//! fails are shown with the failure; those of a run that passes are not printed.
//!
//! `REKINDLE_TEST_LOG=debug` (or another level) prints everything as it comes.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, Once, OnceLock};

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use rekindle_actor::{Handle, Pid, ancestors_of, is_alive, try_self_pid};

/// How many warnings and errors are kept for the case of a failure.
const TAIL: usize = 20;

/// One record of the log.
///
/// ```
/// use rekindle::testkit::{Level, Test, capture_log};
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
/// let ((), logged) = capture_log(async { log::warn!(target: "disk", "91 % full") }).await;
/// let record = &logged.records[0];
/// assert_eq!((record.level, &*record.target), (Level::Warn, "disk"));
/// assert_eq!((&*record.text, record.pid), ("91 % full", Some(t.pid())));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord {
    /// How bad it is.
    pub level: Level,
    /// Where it comes from: a module, or what the code said.
    pub target: String,
    /// The text.
    pub text: String,
    /// The process that logged it.
    pub pid: Option<Pid>,
}

impl fmt::Display for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5} {}: {}", self.level, self.target, self.text)
    }
}

/// What was logged while a future ran: see [`capture_log`].
///
/// ```
/// use rekindle::testkit::{Level, Test, capture_log};
/// use rekindle::prelude::*;
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|_t: Test| async move {
/// let (answer, logged) = capture_log(async {
///     log::info!("asks");
///     Task::spawn_nolink(async { log::warn!("hardly knows"); 42 }).await
/// })
/// .await;
/// assert_eq!(answer, Ok(42));
/// assert!(logged.contains("hardly knows"), "{logged}");
/// assert_eq!(logged.count(Level::Warn), 1); // warnings, and whatever is worse
/// assert_eq!(logged.count(Level::Error), 0);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CapturedLog {
    /// The records, oldest first.
    pub records: Vec<LogRecord>,
}

impl CapturedLog {
    /// Whether a record contains this text.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.records.iter().any(|record| record.text.contains(text))
    }

    /// How many records there are of a level, or worse.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let bad = self.records.iter().filter(|record| record.level <= level);
        bad.count()
    }

    /// Whether nothing was logged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl fmt::Display for CapturedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.records
            .iter()
            .try_for_each(|record| writeln!(f, "{record}"))
    }
}

/// Runs a future, and gives its value with what was logged meanwhile by the running process and
/// those that descend from it, down to level `debug`. That includes crash reports, which then
/// print nothing.
///
/// A process whose ancestors are dead is taken for a descendant: so a crash is not missed because
/// its supervisor has ended as well.
///
/// ```test_harness
/// use rekindle::testkit::{Test, capture_log};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut Test) {
///     let (_, log) = capture_log(async {
///         spawn(async { panic!("on purpose") as () });
///         t.settle().await;
///     })
///     .await;
///     assert!(log.contains("on purpose"), "{log}");
/// }
/// ```
///
/// # Panics
///
/// Outside of a test of this kit, and if the program has installed another logger: there is one
/// per program.
pub async fn capture_log<F: Future>(future: F) -> (F::Output, CapturedLog) {
    let root = try_self_pid().unwrap_or_else(|| panic!("`capture_log` outside of a process"));
    let sink = current_sink()
        .unwrap_or_else(|| panic!("`capture_log` outside of a test: see `rekindle::test`"));
    assert!(
        is_installed(),
        "`capture_log`: the program has installed a logger of its own, and there is one per program"
    );
    let capture = Capturing {
        number: sink.begin(root),
        sink,
    };
    let value = future.await;
    let log = capture.sink.end(capture.number);
    (value, log)
}

/// Ends a capture, also if the future is dropped.
struct Capturing {
    sink: Arc<Sink>,
    number: u64,
}

impl Drop for Capturing {
    fn drop(&mut self) {
        drop(self.sink.end(self.number));
    }
}

/// Where the records of one run go.
#[derive(Debug, Default)]
pub(crate) struct Sink(Mutex<Sinking>);

#[derive(Debug, Default)]
struct Sinking {
    last: u64,
    captures: BTreeMap<u64, Capture>,
    tail: VecDeque<LogRecord>,
}

#[derive(Debug)]
struct Capture {
    root: Pid,
    log: CapturedLog,
}

impl Sink {
    fn begin(&self, root: Pid) -> u64 {
        let mut sinking = self.0.lock();
        sinking.last += 1;
        let number = sinking.last;
        let log = CapturedLog::default();
        sinking.captures.insert(number, Capture { root, log });
        number
    }

    fn end(&self, number: u64) -> CapturedLog {
        let capture = self.0.lock().captures.remove(&number);
        capture.map(|capture| capture.log).unwrap_or_default()
    }

    /// The last warnings and errors that nobody has captured.
    pub(crate) fn tail(&self) -> Vec<LogRecord> {
        self.0.lock().tail.iter().cloned().collect()
    }

    fn wants(&self, level: Level) -> bool {
        level <= Level::Warn || !self.0.lock().captures.is_empty()
    }

    fn take(&self, record: LogRecord) {
        let roots: Vec<(u64, Pid)> = {
            let sinking = self.0.lock();
            let captures = sinking.captures.iter();
            captures.map(|(number, c)| (*number, c.root)).collect()
        };
        // Processes are looked at without the lock.
        let takers: Vec<u64> = roots
            .into_iter()
            .filter(|(_, root)| record.pid.is_none_or(|pid| descends(pid, *root)))
            .map(|(number, _)| number)
            .collect();
        let mut sinking = self.0.lock();
        if takers.is_empty() && record.level <= Level::Warn {
            if sinking.tail.len() == TAIL {
                sinking.tail.pop_front();
            }
            sinking.tail.push_back(record.clone());
        }
        for number in takers {
            if let Some(capture) = sinking.captures.get_mut(&number) {
                capture.log.records.push(record.clone());
            }
        }
    }
}

/// Whether a process comes from `root`, as far as can be told.
fn descends(pid: Pid, root: Pid) -> bool {
    if pid == root {
        return true;
    }
    let ancestors = ancestors_of(pid);
    match ancestors.last() {
        // It is at its end, and nothing is known of its parents.
        None => true,
        Some((oldest, _)) => {
            ancestors.iter().any(|(ancestor, _)| *ancestor == root) || !is_alive(*oldest)
        }
    }
}

static SINKS: Mutex<BTreeMap<u32, Arc<Sink>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The sink of the run that this thread carries out, for what is logged outside of its runtime.
    static OWN: RefCell<Option<Arc<Sink>>> = const { RefCell::new(None) };
}

fn current_sink() -> Option<Arc<Sink>> {
    let runtime = Handle::try_current().map(|handle| handle.runtime_id());
    let of_runtime = runtime.and_then(|id| SINKS.lock().get(&id).cloned());
    of_runtime.or_else(|| OWN.try_with(|own| own.borrow().clone()).ok().flatten())
}

/// Makes a sink the one of a runtime, and of this thread, until dropped.
pub(crate) struct Sunk {
    runtime: u32,
    before: Option<Arc<Sink>>,
}

pub(crate) fn sink_of(runtime: u32, sink: &Arc<Sink>) -> Sunk {
    install();
    SINKS.lock().insert(runtime, Arc::clone(sink));
    Sunk {
        runtime,
        before: OWN.with(|own| own.replace(Some(Arc::clone(sink)))),
    }
}

impl Drop for Sunk {
    fn drop(&mut self) {
        drop(SINKS.lock().remove(&self.runtime));
        OWN.with(|own| *own.borrow_mut() = self.before.take());
    }
}

struct KitLogger;

static LOGGER: KitLogger = KitLogger;
static INSTALLED: OnceLock<bool> = OnceLock::new();

fn is_installed() -> bool {
    INSTALLED.get().copied().unwrap_or(false)
}

/// The level from which everything is printed as it comes.
fn loud() -> Option<Level> {
    static LOUD: OnceLock<Option<Level>> = OnceLock::new();
    *LOUD.get_or_init(|| std::env::var("REKINDLE_TEST_LOG").ok()?.parse().ok())
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let installed = log::set_logger(&LOGGER).is_ok();
        if installed {
            let level = loud().map_or(LevelFilter::Debug, |l| l.to_level_filter());
            log::set_max_level(level.max(LevelFilter::Debug));
        }
        let _ = INSTALLED.set(installed);
    });
}

impl Log for KitLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let wanted = current_sink().map(|sink| sink.wants(metadata.level()));
        wanted.unwrap_or(metadata.level() <= Level::Warn)
            || loud().is_some_and(|loud| metadata.level() <= loud)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let sink = current_sink();
        let is_loud = loud().is_some_and(|loud| record.level() <= loud);
        let record = LogRecord {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
            pid: try_self_pid(),
        };
        if is_loud || sink.is_none() {
            // A closed stderr harms nobody.
            let _ = writeln!(std::io::stderr(), "{record}");
        }
        if let Some(sink) = sink {
            sink.take(record);
        }
    }

    fn flush(&self) {}
}
