//! Faults: by hand, and by seed.
//!
//! | fault                       | by hand                      | by seed                                    |
//! |-----------------------------|------------------------------|--------------------------------------------|
//! | a kill at a receive or await | [`Faults::kill_at`]         | [`Faults::kill_descendants_of`]            |
//! | a slow handler              | [`Faults::stall`]            | [`Faults::stall_at_random`]                |
//! | a late message              | [`Faults::delay`]            | (the seed decides the order anyway)        |
//! | a start that fails          | [`Faults::fail_start`], [`Faults::fail_restart`] |                        |
//! | a lost worker               | [`Faults::drop_worker`]      |                                            |
//! | a clock that jumps          | [`Faults::jump_clock`]       |                                            |
//!
//! All of it is said in the trace. Every turn of a process begins at a receive or an await, so to
//! kill it at its n-th turn is to kill it at the n-th of those that it has to wait at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rekindle_actor::{ExitReason, Pid, StartError, faults as actor, spawn};
use rekindle_scheduler::{Fate, Simulation, TurnAhead};
use rekindle_supervisor::ChildSpec;

use crate::invariants;
use crate::kit::{Crash, Kit};
use crate::random::Random;

/// How long the turn lasts that takes a worker away, on real threads: more than the 10 ms after
/// which a worker counts as stuck.
const BLOCKS_FOR: Duration = Duration::from_millis(60);

/// What is to happen in a run.
#[derive(Debug)]
pub(crate) struct Plan {
    rules: Vec<Rule>,
    random: Random,
    /// Those who are killed at each of their turns, with the turns they have had.
    pub(crate) victims: Vec<(Pid, u64)>,
    hooked: bool,
    /// Whether the invariants are looked at before each turn.
    watched: bool,
    /// How many processes were killed.
    pub(crate) kills: u64,
}

#[derive(Debug)]
enum Rule {
    Kill {
        pid: Pid,
        turns: u64,
    },
    Stall {
        pid: Pid,
        time: Duration,
    },
    KillDescendants {
        of: Pid,
        every: u64,
        /// The count of messages at which the next one dies.
        next: u64,
        left: u64,
    },
    StallAtRandom {
        of: Pid,
        percent: f64,
        longest: Duration,
    },
}

/// What the plan wants of a turn.
#[derive(Debug, Default)]
struct Wanted {
    kill: Vec<Pid>,
    stall: Duration,
}

impl Plan {
    pub(crate) fn new(random: Random) -> Plan {
        Plan {
            rules: Vec::new(),
            random,
            victims: Vec::new(),
            hooked: false,
            watched: false,
            kills: 0,
        }
    }

    /// Decides on a turn of `pid`. `descendants` looks the living ones up, in order of pids.
    fn decide(
        &mut self,
        pid: Pid,
        messages: u64,
        crash: Crash,
        descendants: impl Fn(Pid) -> Vec<Pid>,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        let Plan {
            rules,
            random,
            victims,
            ..
        } = self;
        rules.retain_mut(|rule| match rule {
            Rule::Kill { pid: who, turns } if *who == pid => {
                *turns -= 1;
                if *turns == 0 {
                    wanted.kill.push(pid);
                }
                *turns > 0
            }
            Rule::Stall { pid: who, time } if *who == pid => {
                wanted.stall = *time;
                false
            }
            Rule::KillDescendants {
                of,
                every,
                next,
                left,
            } if messages >= *next => {
                *next = messages + *every;
                let candidates = descendants(*of);
                if let Some(chosen) = candidates.get(random.below(candidates.len())) {
                    wanted.kill.push(*chosen);
                    *left -= 1;
                }
                *left > 0
            }
            Rule::StallAtRandom {
                of,
                percent,
                longest,
            } => {
                // The draw is first, so that the look-up of descendants is for few turns only.
                let hit = (random.below(1_000_000) as f64) < *percent * 10_000.0;
                if hit && descendants(*of).contains(&pid) {
                    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
                    wanted.stall = Duration::from_nanos(random.next() % nanos.max(1));
                }
                true
            }
            _ => true,
        });
        for (index, (victim, turns)) in victims.iter_mut().enumerate() {
            if *victim == pid {
                *turns += 1;
                if crash == Crash::At(index, *turns) {
                    wanted.kill.push(pid);
                }
            }
        }
        self.kills += wanted.kill.len() as u64;
        wanted
    }
}

/// The processes that descend from one, in order of pids, without the ones that only kits have.
fn descendants(of: Pid) -> Vec<Pid> {
    let mut all = std::collections::BTreeMap::new();
    let mut from = Some(0);
    while let Some(place) = from {
        let window = rekindle_actor::list(place, 1024);
        all.extend(window.processes.into_iter().map(|p| (p.pid, p.parent)));
        from = window.next;
    }
    let descends = |pid: &Pid| {
        let mut at = all.get(pid).copied().flatten();
        // A parent lives longer than this chain is deep, or it is not in the list.
        for _ in 0..all.len() {
            match at {
                Some(parent) if parent == of => return true,
                Some(parent) => at = all.get(&parent).copied().flatten(),
                None => return false,
            }
        }
        false
    };
    all.keys().copied().filter(descends).collect()
}

/// Faults for the run of one test: see [`Test::faults`](crate::Test::faults).
///
/// ```test_harness
/// use rekindle::testkit::{Test, assert_down};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut Test) {
///     let worker = spawn(async {
///         for _ in 0..100 { sleep(Duration::from_secs(1)).await }
///     });
///     monitor(worker);
///     t.faults().kill_at(worker, 3);
///     let down = assert_down!(t, worker, within = Duration::from_secs(10));
///     assert_eq!(down.reason, ExitReason::Killed);
///     assert_eq!(t.now().as_nanos(), 2_000_000_000);
/// }
/// ```
#[derive(Clone)]
pub struct Faults {
    kit: Arc<Kit>,
}

impl Faults {
    pub(crate) fn of(kit: &Arc<Kit>) -> Faults {
        Faults {
            kit: Arc::clone(kit),
        }
    }

    /// Kills a process at its `turn`-th turn from now on: 1 is the next one. A process that waits
    /// has its next turn when something comes for it.
    ///
    /// # Panics
    ///
    /// If `turn` is 0, or on real threads.
    #[track_caller]
    pub fn kill_at(&self, pid: Pid, turn: u64) {
        assert!(turn > 0, "`kill_at`: turns are counted from 1");
        self.add("kill_at", Rule::Kill { pid, turns: turn });
    }

    /// Kills a process: as `exit(pid, Kill)`, by the process that calls this; so a delay between the
    /// two delays it.
    pub fn kill(&self, pid: Pid) {
        kill(pid);
    }

    /// Kills descendants of a process, chosen by the seed, as often as the result is told. The
    /// process itself lives.
    ///
    /// ```test_harness
    /// # use rekindle::testkit::Test;
    /// # use rekindle::prelude::*;
    /// #[rekindle::test(simulated)]
    /// async fn body(t: &mut Test) {
    /// # let sup = t.start_supervised(Supervisor::one_for_one().id("sup")).await;
    /// t.faults().kill_descendants_of(sup.pid()).every(100);
    /// }
    /// ```
    pub fn kill_descendants_of(&self, pid: Pid) -> KillDescendants {
        KillDescendants {
            faults: self.clone(),
            of: pid,
            times: u64::MAX,
        }
    }

    /// Delays the next turn of a process by this much time: what a slow handler, or a machine that
    /// has no time, looks like from outside. Others go on meanwhile.
    ///
    /// # Panics
    ///
    /// On real threads.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let slow = t.start_supervised(Agent::child(|| 7)).await;
    /// t.faults().stall(slow.pid().unwrap(), Duration::from_secs(10));
    /// let limit = Duration::from_secs(5);
    /// assert_eq!(slow.get(|n| *n).timeout(limit).await, Err(CallError::Timeout(limit)));
    /// assert_eq!(slow.get(|n| *n).timeout(2 * limit).await, Ok(7)); // one turn only
    /// # });
    /// ```
    #[track_caller]
    pub fn stall(&self, pid: Pid, time: Duration) {
        self.add("stall", Rule::Stall { pid, time });
    }

    /// Delays turns of a process's descendants, so many in a hundred, by up to `longest`.
    ///
    /// # Panics
    ///
    /// If `percent` is not between 0 and 100, or on real threads.
    #[track_caller]
    pub fn stall_at_random(&self, of: Pid, percent: f64, longest: Duration) {
        assert!(
            (0.0..=100.0).contains(&percent),
            "`stall_at_random`: {percent} is not between 0 and 100"
        );
        self.add(
            "stall_at_random",
            Rule::StallAtRandom {
                of,
                percent,
                longest,
            },
        );
    }

    /// Delays whatever one process sends to another from now on: messages, signals and replies.
    /// Their order is kept. A delay of zero ends it, and what is still on its way stays ahead of
    /// what comes later. Works on real threads as well.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let far = t.start_supervised(Agent::child(|| 7)).await;
    /// t.faults().delay(t.pid(), far.pid().unwrap(), Duration::from_millis(80));
    /// assert_eq!(far.get(|n| *n).await, Ok(7));
    /// assert!(t.now().as_duration() >= Duration::from_millis(80)); // there; the way back is short
    /// # });
    /// ```
    pub fn delay(&self, from: Pid, to: Pid, time: Duration) {
        rekindle_scheduler::trace(|| format!("fault: {from} to {to} takes {time:?}"));
        actor::delay(from, to, time);
    }

    /// A child whose next `times` starts fail, with a reason that says so.
    pub fn fail_start(&self, child: impl Into<ChildSpec>, times: u64) -> ChildSpec {
        fail_starts(child.into(), 0, times)
    }

    /// A child that starts once, and whose next `times` restarts fail.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let cache = Agent::child(|| 0).name("cache");
    /// let cache = t.faults().fail_restart(cache, 2); // as if what it needs were gone for a while
    /// let tree = Supervisor::one_for_one().child(cache).id("tree");
    /// t.start_supervised(tree).await;
    /// exit(whereis("cache").unwrap(), ExitReason::Kill);
    /// t.advance(Duration::from_secs(1)).await;
    /// assert!(whereis("cache").is_some()); // at the third attempt
    /// # });
    /// ```
    pub fn fail_restart(&self, child: impl Into<ChildSpec>, times: u64) -> ChildSpec {
        fail_starts(child.into(), 1, times)
    }

    /// Takes a worker away.
    ///
    /// On real threads a process blocks its worker for longer than a worker may be stuck; the
    /// monitor gives the worker's queue to another thread, and the log names the culprit. Under the
    /// simulator there is one worker: what waits in its queue loses its place, and the order is
    /// drawn anew. Nothing is lost either way.
    pub fn drop_worker(&self) {
        let simulated = self.with_simulation(|simulation| simulation.drop_worker());
        if simulated.is_none() {
            spawn(async { std::thread::sleep(BLOCKS_FOR) });
        }
    }

    /// Moves the clock forward at once: what was due meanwhile comes late.
    ///
    /// # Panics
    ///
    /// On real threads.
    #[track_caller]
    pub fn jump_clock(&self, time: Duration) {
        self.must_be_simulated("jump_clock");
        self.with_simulation(|simulation| simulation.jump_clock(time));
    }

    /// How many processes were killed by rules so far.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.kit.plan.lock().kills
    }

    pub(crate) fn add_victim(&self, pid: Pid) {
        self.kit.plan.lock().victims.push((pid, 0));
        self.hook();
    }

    #[track_caller]
    pub(crate) fn watch_invariants(&self) {
        self.must_be_simulated("watch_invariants");
        self.kit.plan.lock().watched = true;
        self.hook();
    }

    #[track_caller]
    fn add(&self, what: &str, rule: Rule) {
        self.must_be_simulated(what);
        rekindle_scheduler::trace(|| format!("fault planned: {rule:?}"));
        self.kit.plan.lock().rules.push(rule);
        self.hook();
    }

    #[track_caller]
    fn must_be_simulated(&self, what: &str) {
        assert!(
            self.kit.simulated,
            "`{what}` needs a simulated test: write `#[rekindle::test(simulated)]`"
        );
    }

    fn with_simulation<R>(&self, f: impl FnOnce(Simulation<'_>) -> R) -> Option<R> {
        rekindle_scheduler::with_handle(|handle| Some(f(handle?.simulation()?)))
    }

    /// Sees to it that the plan is asked before each turn. Tests without faults do not pay for it.
    fn hook(&self) {
        if std::mem::replace(&mut self.kit.plan.lock().hooked, true) {
            return;
        }
        let kit = Arc::downgrade(&self.kit);
        self.with_simulation(|simulation| {
            simulation.on_turn(move |ahead| match kit.upgrade() {
                Some(kit) => turn(&kit, ahead),
                None => Fate::Run,
            });
        });
    }
}

/// What becomes of a turn.
fn turn(kit: &Kit, ahead: &TurnAhead<'_>) -> Fate {
    let watched = kit.plan.lock().watched;
    if watched && let Some(broken) = invariants::broken().into_iter().next() {
        kit.plan.lock().watched = false;
        rekindle_scheduler::trace(|| format!("an invariant is broken: {broken}"));
        if let Some(body) = *kit.body.lock() {
            let why = format!("an invariant is broken: {broken}");
            rekindle_actor::exit(body, ExitReason::msg(why));
        }
    }
    let Some(pid) = actor::pid_of(ahead.task) else {
        return Fate::Run;
    };
    let wanted = kit
        .plan
        .lock()
        .decide(pid, ahead.messages, kit.crash, descendants);
    wanted.kill.into_iter().for_each(kill);
    if wanted.stall.is_zero() {
        return Fate::Run;
    }
    rekindle_scheduler::trace(|| format!("fault: {pid} stalls for {:?}", wanted.stall));
    Fate::Stall(wanted.stall)
}

fn kill(pid: Pid) {
    rekindle_scheduler::trace(|| format!("fault: kills {pid}"));
    rekindle_actor::exit(pid, ExitReason::Kill);
}

fn fail_starts(spec: ChildSpec, after: u64, times: u64) -> ChildSpec {
    let starts = AtomicU64::new(0);
    let id = spec.id.clone();
    spec.before_start(move || {
        let start = starts.fetch_add(1, Ordering::Relaxed);
        let fails = (after..after.saturating_add(times)).contains(&start);
        let id = id.clone();
        async move {
            if !fails {
                return Ok(());
            }
            rekindle_scheduler::trace(|| format!("fault: the start of {id:?} fails"));
            let why = format!("the start of {id:?} was made to fail by the test");
            Err(StartError::Failed(ExitReason::msg(why)))
        }
    })
}

/// A rule that kills descendants: see [`Faults::kill_descendants_of`].
///
/// ```
/// use rekindle::testkit::Test;
/// use rekindle::prelude::*;
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
/// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("tally"));
/// let tree = t.start_supervised(tree.id("tree")).await;
/// t.faults().kill_descendants_of(tree.pid()).times(2).every(10);
/// for _ in 0..100 {
///     let _ = Agent::<i32>::named("tally").update(|n| *n += 1).await;
///     sleep(Duration::from_millis(1)).await;
/// }
/// assert_eq!(t.faults().kills(), 2);
/// assert!(whereis("tally").is_some()); // each time it came back
/// # });
/// ```
#[derive(Debug)]
#[must_use = "say how often: `every(100)`"]
pub struct KillDescendants {
    faults: Faults,
    of: Pid,
    times: u64,
}

impl KillDescendants {
    /// Stops after so many kills. By default it never does.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Kills one whenever so many messages were sent, by whomever: messages, requests, replies and
    /// signals all count.
    ///
    /// # Panics
    ///
    /// If `messages` is 0, or on real threads.
    #[track_caller]
    pub fn every(self, messages: u64) {
        assert!(messages > 0, "`every`: a kill every 0 messages has no end");
        if self.times == 0 {
            return;
        }
        let sent = self
            .faults
            .with_simulation(|simulation| simulation.messages());
        let rule = Rule::KillDescendants {
            of: self.of,
            every: messages,
            next: sent.unwrap_or(0) + messages,
            left: self.times,
        };
        self.faults.add("kill_descendants_of", rule);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.kit.seed)
            .field("kills", &self.kills())
            .finish_non_exhaustive()
    }
}
