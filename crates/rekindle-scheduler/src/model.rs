//! Loom's exploration, with a count: a model whose threads loom finds nothing to try with has
//! one execution only, and passes whatever the code does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tries every execution, with as many pre-emptions as `LOOM_MAX_PREEMPTIONS` says.
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    counting(model, |model| loom::model(model));
}

/// The same with a number of its own.
pub fn explore_up_to(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    counting(model, |model| builder.check(model));
}

/// `.ci/loom` adds up what is printed here.
fn counting<M: Fn() + Send + Sync + 'static>(
    model: M,
    check: impl FnOnce(Box<dyn Fn() + Send + Sync>),
) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    check(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    }));
    let executions = executions.load(Ordering::Relaxed);
    let thread = std::thread::current();
    println!("LOOM {} {executions}", thread.name().unwrap_or("?"));
    assert!(executions > 1, "loom found nothing to try");
}
