//! Rings of two and three processes, in every interleaving.
//!
//! The models run the shipped record of who waits for whom. A process is that record and a lock, which
//! stands for SCHEDULED in a task's word; who is claimed gets its turn by `ready`, which stands for
//! the queue that its `Runnable` goes through.

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;
use rekindle_scheduler::model::explore;

use super::{Calling, Ordering};

struct Process {
    calling: Calling,
    scheduled: AtomicBool,
    ready: AtomicBool,
}

struct Ring<const N: usize>([Process; N]);

impl<const N: usize> Ring<N> {
    /// All run, but for those who are idle.
    fn new(idle: [bool; N]) -> Arc<Ring<N>> {
        Arc::new(Ring(idle.map(|idle| Process {
            calling: Calling::nobody(),
            scheduled: AtomicBool::new(!idle),
            ready: AtomicBool::new(false),
        })))
    }

    /// `own` calls the next one on the ring, and goes to rest; `false` if that would close the ring.
    fn call(&self, own: usize) -> bool {
        let to = (own + 1) % N;
        let (process, callee) = (&self.0[own], &self.0[to]);
        let name = to as u64 + 1;
        let (claimed, look) = process.calling.begin(name, &callee.calling, || {
            let (free, taken) = (false, true);
            let order = (Ordering::AcqRel, Ordering::Relaxed);
            let change = callee
                .scheduled
                .compare_exchange(free, taken, order.0, order.1);
            change.ok()
        });
        let closes = look && self.leads_back(own, to);
        if closes {
            process.calling.end(name);
        }
        if claimed.is_some() {
            callee.ready.store(true, Ordering::Release);
        }
        if !closes {
            process.scheduled.store(false, Ordering::Release);
        }
        !closes
    }

    fn leads_back(&self, own: usize, mut at: usize) -> bool {
        while at != own {
            match self.0[at].calling.get() {
                0 => return false,
                next => at = next as usize - 1,
            }
        }
        true
    }

    /// As `call`, by one who was idle; `false` also if it has not been called itself yet.
    fn call_when_called(&self, own: usize) -> bool {
        self.0[own].ready.load(Ordering::Acquire) && self.call(own)
    }
}

#[test]
fn loom_of_two_that_call_each_other_one_is_told() {
    explore(|| {
        let ring = Ring::new([false, false]);
        let other = Arc::clone(&ring);
        let first = thread::spawn(move || other.call(0));
        let second = ring.call(1);
        assert!(!(first.join().unwrap() && second), "a ring was closed");
    });
}

#[test]
fn loom_of_three_in_a_ring_one_is_told() {
    explore(|| {
        let ring = Ring::new([false; 3]);
        let others = [0, 1].map(|own| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.call(own))
        });
        let last = ring.call(2);
        let made = others.map(|other| other.join().unwrap());
        assert!(!(made[0] && made[1] && last), "a ring was closed");
    });
}

#[test]
fn loom_who_was_idle_and_calls_on_sees_that_it_is_waited_for() {
    explore(|| {
        let ring = Ring::new([false, false, true]);
        let others = [0, 1].map(|own| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.call(own))
        });
        let last = ring.call_when_called(2);
        let made = others.map(|other| other.join().unwrap());
        assert!(!(made[0] && made[1] && last), "a ring was closed");
    });
}

#[test]
fn loom_of_two_that_were_idle_one_is_told() {
    explore(|| {
        // The first calls the second, which calls the third, which calls the first.
        let ring = Ring::new([false, true, true]);
        let others = [1, 2].map(|own| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.call_when_called(own))
        });
        let first = ring.call(0);
        let made = others.map(|other| other.join().unwrap());
        assert!(!(first && made[0] && made[1]), "a ring was closed");
    });
}
