//! The thread that watches the workers.
//!
//! A worker inside a long turn cannot help those behind it: it neither fires its timers, nor
//! offers its queue, nor gives up its slot. Somebody else must see that. The monitor looks at each
//! seat every 2 ms while anybody works, and sleeps when all sleep: an idle program has no clock
//! that ticks.
//!
//! | seen at two ticks in a row                         | what it does                                   |
//! |----------------------------------------------------|------------------------------------------------|
//! | another turn, and many since                       | nothing                                        |
//! | another turn, but few since                        | asks the worker to look at clock and queue     |
//! | the same turn, and something waits behind it       | wakes a thief                                  |
//! | the same turn for `stuck_after`                    | says so in the log, once per turn              |
//! | the same turn for `stuck_after`, something waits   | and gives the seat to another thread           |
//! | the same turn, and the runtime stops               | frees what waits behind it, to be cancelled    |
//!
//! At each tick it also gives some of the memory back that nobody uses (`block/chunks.rs`).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::doze::Doze;
use super::worker::Context;
use super::{Pool, join};
use crate::core::{CoreRef, Stage};
use crate::metrics::Counter;
use crate::task::Runnable;
use crate::time::{Time, panic_text};

/// How often the monitor looks while anybody works.
const TICK: Duration = Duration::from_millis(2);
/// A worker that made fewer turns than this between two ticks is asked to look.
const FEW_TURNS: u64 = 64;
/// Ticks with everybody asleep before the monitor sleeps too: waking it costs a system call, and
/// a program that works a little every millisecond shall not pay it each time.
const QUIET_TICKS: u32 = 5;
/// How long everybody sleeps before all memory goes back that nobody uses: a program that rests between its
/// bursts shall not ask for it anew in each.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// What others see of the monitor.
pub(super) struct Monitor {
    doze: Doze,
    ended: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    retired: Counter,
}

impl Monitor {
    pub(super) fn new() -> Monitor {
        Monitor {
            doze: Doze::new(),
            ended: AtomicBool::new(false),
            thread: Mutex::new(None),
            retired: Counter::default(),
        }
    }

    pub(super) fn started(&self, thread: JoinHandle<()>) {
        *self.thread.lock() = Some(thread);
    }

    /// How many seats it has taken away.
    pub(super) fn retired(&self) -> u64 {
        self.retired.get()
    }

    /// Somebody works: the monitor must watch.
    #[inline]
    pub(super) fn rouse(&self) {
        self.doze.rouse();
    }

    /// Ends the thread and waits for that.
    pub(super) fn stop(&self) {
        self.ended.store(true, Ordering::Release);
        self.doze.interrupt();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            join(thread);
        }
    }
}

/// What the monitor remembers of a seat.
#[derive(Clone, Copy)]
struct Watch {
    /// Which context minded it, and in which turn.
    index: usize,
    turns: u64,
    /// When that was seen first.
    since: Time,
    /// Whether the log knows of it.
    said: bool,
}

/// The life of the monitor.
pub(super) fn run(core: &CoreRef, pool: &Pool) {
    let monitor = &pool.monitor;
    let unseen = Watch {
        index: usize::MAX,
        turns: 0,
        since: Time::ZERO,
        said: false,
    };
    let mut watches = vec![unseen; pool.workers()];
    let mut quiet = 0;
    let mut minding = core.upkeep.mind();
    while !monitor.ended.load(Ordering::Acquire) {
        monitor.doze.wait(TICK);
        let now = core.clock.now();
        pool.staff_vacant(core);
        for (seat, watch) in watches.iter_mut().enumerate() {
            Round {
                core,
                pool,
                seat,
                now,
            }
            .judge(watch);
        }
        minding.tick();
        let is_quiet = || pool.idle.all_asleep() && core.stage() == Stage::Running;
        quiet = if is_quiet() { quiet + 1 } else { 0 };
        if quiet > QUIET_TICKS {
            let may_sleep = || is_quiet() && !monitor.ended.load(Ordering::Acquire);
            if monitor.doze.sleep_if(Some(KEPT_FOR), may_sleep) {
                drop(minding);
                monitor.doze.sleep_if(None, may_sleep);
                minding = core.upkeep.mind();
            }
            quiet = 0;
        }
    }
}

/// One look at one seat.
struct Round<'a> {
    core: &'a CoreRef,
    pool: &'a Pool,
    seat: usize,
    now: Time,
}

impl Round<'_> {
    fn judge(&self, watch: &mut Watch) {
        let (index, context) = self.pool.context(self.seat);
        let turns = context.handover.turns();
        if watch.index != index || watch.turns != turns {
            if watch.index == index && turns - watch.turns < 2 * FEW_TURNS {
                context.handover.ask_to_look();
            }
            *watch = Watch {
                index,
                turns,
                since: self.now,
                said: false,
            };
            return;
        }
        if turns.is_multiple_of(2) {
            // Asleep, or searching.
            return;
        }
        let something_waits = self.something_waits(context);
        if self.core.stage() != Stage::Running {
            self.free(context, turns);
            return;
        }
        if something_waits {
            context.offered.store(true, Ordering::Relaxed);
            if self.pool.idle.wants_searcher() {
                self.pool.idle.wake_searcher();
            }
        }
        let held = self.now.saturating_since(watch.since);
        if held < self.pool.settings.stuck_after {
            return;
        }
        if !watch.said {
            watch.said = true;
            self.say(context, held);
        }
        if something_waits && self.pool.can_staff() {
            self.retire(context, turns);
        }
    }

    /// Whether anything can go on only when this worker does, or when another comes.
    fn something_waits(&self, context: &Context) -> bool {
        !context.queue.is_empty()
            || context.handover.is_occupied()
            || !self.pool.inject.is_empty()
            || self.core.timers.next(self.seat as u32) <= self.now
    }

    fn say(&self, context: &Context, held: Duration) {
        let who = context
            .doing()
            .map(|id| self.core.table.with(id, |task| task.to_ref()));
        let who = match who {
            None => "a timer's function".to_owned(),
            Some(None) => "a task that is at its end".to_owned(),
            // The host's own words: foreign code, which may panic.
            Some(Some(task)) => catch_unwind(AssertUnwindSafe(|| task.view().describe()))
                .unwrap_or_else(|payload| format!("(no description: {})", panic_text(payload))),
        };
        #[cfg(feature = "tracing")]
        crate::log_guarded(|| {
            tracing::warn!(
                target: "rekindle::stuck",
                who,
                worker = self.seat,
                held_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
                "worker stuck"
            )
        });
        crate::log_guarded(|| {
            log::warn!(
                "{who} has kept worker {} for {held:?} without an await; what waits behind it goes on \
             on another thread (long or blocking work belongs into `blocking`)",
                self.seat,
            )
        });
    }

    /// Takes the seat from its thread; see `HANDOVER.md`.
    fn retire(&self, context: &Context, turns: u64) {
        if self.take_everything(context, turns) {
            self.pool.monitor.retired.add(1);
            self.pool.staff(self.core, self.seat as u32);
            self.pool.idle.posted();
        }
    }

    /// The same while the runtime stops: nobody gets the seat, and what waited is cancelled.
    fn free(&self, context: &Context, turns: u64) {
        // Also without success: the thread may have lost its seat already and queue on.
        let _taken = self.take_everything(context, turns);
        self.core.cancel_everything();
    }

    /// Moves slot, hand and queue to the common queue, if the worker is still in that turn.
    fn take_everything(&self, context: &Context, turns: u64) -> bool {
        let Some(taken) = context.handover.retire(turns) else {
            return false;
        };
        for header in taken.into_iter().filter_map(std::ptr::NonNull::new) {
            // SAFETY: by invariant 2 of `worker` and invariant 4 of `handover` this address is the
            // one `Runnable` that was put in, and we alone got it.
            self.pool.inject.push(unsafe { Runnable::from_raw(header) });
        }
        while let Some(runnable) = context.queue.take() {
            self.pool.inject.push(runnable);
        }
        true
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("retired", &self.retired())
            .finish_non_exhaustive()
    }
}
