//! What the scheduler does for hosts that do as little as they may.

use std::fmt;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;

use rekindle_scheduler::{Body, Host, NodePtr, Runtime, Turn};

/// Leaves its future where it is, whatever happens, and may give its id up in passing.
#[derive(Default)]
struct Careless {
    /// What it has to say for giving the id up, if it is to do so.
    vacates: Option<bool>,
    /// Whether it has.
    has_vacated: Arc<AtomicBool>,
}

impl Host for Careless {
    type Output = ();

    fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
    where
        F: Future<Output = ()>,
    {
        let Some(polled) = body.poll(&mut turn.context()) else {
            return Poll::Ready(());
        };
        if let Some(too) = self.vacates {
            let vacated = turn.vacate_if_alone(|| too);
            self.has_vacated.store(vacated, Ordering::Relaxed);
        }
        polled
    }

    fn cancel<F>(&self, _: Body<'_, F>, _: &mut Turn<'_>)
    where
        F: Future<Output = ()>,
    {
    }

    fn undelivered(&self, _: NodePtr) {}

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a careless task")
    }
}

#[test]
fn a_future_that_its_host_has_left_is_dropped_at_the_end() {
    for ends in [true, false] {
        let held = Arc::new(());
        let kept = held.clone();
        let body = async move {
            let _kept = kept;
            if !ends {
                pending::<()>().await;
            }
        };
        let runtime = Runtime::simulated(1);
        // The reference keeps the cell, but nothing in it.
        let handle = runtime.handle();
        let task = handle.spawn_with(Careless::default(), body, |view| view.to_ref());
        runtime.simulation().unwrap().run_until_idle();
        assert_eq!(Arc::strong_count(&held), if ends { 1 } else { 2 });
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1, "ends: {ends}");
        drop(task);
    }
}

/// Drops its future twice, and polls it then.
struct Thorough(Arc<AtomicBool>);

impl Host for Thorough {
    type Output = ();

    fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
    where
        F: Future<Output = ()>,
    {
        assert!(!body.is_gone());
        let dropped = catch_unwind(AssertUnwindSafe(|| body.drop_in_place()));
        assert!(dropped.is_err(), "the drop panics");
        // Nothing is done twice.
        body.drop_in_place();
        assert!(body.is_gone() && body.poll(&mut turn.context()).is_none());
        self.0.store(true, Ordering::Relaxed);
        Poll::Ready(())
    }

    fn cancel<F>(&self, _: Body<'_, F>, _: &mut Turn<'_>)
    where
        F: Future<Output = ()>,
    {
    }

    fn undelivered(&self, _: NodePtr) {}

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a thorough task")
    }
}

#[test]
fn a_future_that_was_dropped_is_neither_polled_nor_dropped_again() {
    struct Loud(Arc<AtomicU32>);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("in the drop of a future");
        }
    }
    let (drops, is_done) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let loud = Loud(drops.clone());
    let body = async move {
        let _loud = loud;
        pending::<()>().await;
    };
    let runtime = Runtime::simulated(1);
    let host = Thorough(is_done.clone());
    runtime.handle().spawn_with(host, body, |_| ());
    runtime.simulation().unwrap().run_until_idle();
    assert!(is_done.load(Ordering::Relaxed));
    drop(runtime);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn an_id_goes_in_passing_if_nobody_knows_the_task_and_it_agrees() {
    for (is_known, agrees) in [(false, true), (false, false), (true, true)] {
        let runtime = Runtime::simulated(1);
        let has_vacated = Arc::new(AtomicBool::new(false));
        let host = Careless {
            vacates: Some(agrees),
            has_vacated: has_vacated.clone(),
        };
        let (id, known) = runtime.handle().spawn_with(host, ready(()), |view| {
            (view.id(), is_known.then(|| view.to_ref()))
        });
        assert!(runtime.handle().lookup(id).is_some());
        runtime.simulation().unwrap().run_until_idle();
        let expected = agrees && !is_known;
        assert_eq!(has_vacated.load(Ordering::Relaxed), expected);
        // In the end it is gone in any case.
        assert!(runtime.handle().lookup(id).is_none());
        drop(known);
    }
}
