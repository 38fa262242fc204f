//! What one run of a test's body shares with those who watch over it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::Pid;
use rekindle_supervisor::{Supervisor, SupervisorHandle};

use crate::faults::Plan;
use crate::random::Random;

/// How long the supervised children may take to stop at the end of a test.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What is done about victims: see [`Test::victim`](crate::Test::victim).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Nothing: not a test of crash points.
    Off,
    /// Their turns are counted.
    Count,
    /// This one, counted from 0, is killed at this turn, counted from 1.
    At(usize, u64),
}

/// Shared by the body, its guardian and the faults of one run.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) seed: u64,
    pub(crate) simulated: bool,
    pub(crate) crash: Crash,
    pub(crate) supervisor: Mutex<Option<SupervisorHandle>>,
    pub(crate) plan: Mutex<Plan>,
    pub(crate) body: Mutex<Option<Pid>>,
}

impl Kit {
    pub(crate) fn new(seed: u64, simulated: bool, crash: Crash) -> Arc<Kit> {
        Arc::new(Kit {
            seed,
            simulated,
            crash,
            supervisor: Mutex::new(None),
            plan: Mutex::new(Plan::new(Random::new(seed))),
            body: Mutex::new(None),
        })
    }

    /// The supervisor of this run, started if need be: the running process is its parent.
    pub(crate) async fn supervisor(&self) -> SupervisorHandle {
        let known = self.supervisor.lock().clone();
        if let Some(supervisor) = known {
            return supervisor;
        }
        // A test that makes its children crash wants to see them restarted, not the end of its
        // supervisor: as in ExUnit.
        let started = Supervisor::one_for_one()
            .intensity(1_000_000, Duration::from_secs(1))
            .start()
            .await;
        let supervisor = started.unwrap_or_else(|error| {
            panic!("the test's own supervisor does not start: {error}");
        });
        *self.supervisor.lock() = Some(supervisor.clone());
        supervisor
    }

    /// Stops what the test has started; an error says what does not stop.
    pub(crate) async fn stop_supervised(&self) -> Result<(), String> {
        let supervisor = self.supervisor.lock().take();
        let Some(supervisor) = supervisor else {
            return Ok(());
        };
        match supervisor.stop().timeout(STOP_WITHIN).await {
            Ok(()) | Err(rekindle_actor::StopError::NoProc) => Ok(()),
            Err(error) => {
                let tree = rekindle_actor::tree_text();
                Err(format!(
                    "what the test has supervised did not stop in order: {error}\nprocesses:\n{tree}"
                ))
            }
        }
    }
}
