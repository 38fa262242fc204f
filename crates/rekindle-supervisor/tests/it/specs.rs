//! Specifications from anybody: a list of children is checked as a whole, before any is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rekindle_actor::Runtime;
use rekindle_supervisor::{
    AutoShutdown, ChildSpec, Restart, SpecError, Supervisor, SupervisorError,
};

/// What a child's specification says.
#[derive(Debug, Clone)]
struct Given {
    id: &'static str,
    restart: Restart,
    significant: bool,
}

fn given() -> impl Strategy<Value = Given> {
    let id = prop_oneof![
        1 => Just(""),
        20 => prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "h", " ", "\u{0}"]),
    ];
    let restart = prop::sample::select(vec![
        Restart::Permanent,
        Restart::Transient,
        Restart::Temporary,
    ]);
    (id, restart, prop::bool::weighted(0.3)).prop_map(|(id, restart, significant)| Given {
        id,
        restart,
        significant,
    })
}

/// The rules, child by child: the first that breaks one is told of.
fn wrong(children: &[Given], auto: AutoShutdown) -> Option<SpecError> {
    children.iter().enumerate().find_map(|(place, child)| {
        let Given {
            id,
            restart,
            significant,
        } = child;
        if id.is_empty() {
            Some(SpecError::EmptyId)
        } else if *significant && auto == AutoShutdown::Never {
            Some(SpecError::SignificantInVain((*id).into()))
        } else if *significant && *restart == Restart::Permanent {
            Some(SpecError::SignificantPermanent((*id).into()))
        } else if children[..place].iter().any(|other| other.id == *id) {
            Some(SpecError::DuplicateId((*id).into()))
        } else {
            None
        }
    })
}

proptest! {
    #[test]
    fn a_list_of_children_starts_as_a_whole_or_not_at_all(
        children in vec(given(), 0..6),
        auto in prop::sample::select(vec![
            AutoShutdown::Never,
            AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant,
        ]),
        period in prop_oneof![1 => Just(0), 9 => 1..u64::MAX],
    ) {
        let started = Arc::new(AtomicUsize::new(0));
        let specs: Vec<ChildSpec> = children.iter().map(|child| {
            let started = started.clone();
            let task = ChildSpec::task(move || {
                started.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>()
            });
            task.id(child.id).restart(child.restart).significant(child.significant)
        }).collect();
        let outcome = Runtime::simulated(1).block_on(async move {
            let supervisor = Supervisor::one_for_one()
                .auto_shutdown(auto)
                .intensity(1, Duration::from_nanos(period))
                .children(specs)
                .start()
                .await?;
            let running = supervisor.count_children().await.unwrap().active;
            supervisor.stop().await.unwrap();
            Ok(running)
        });
        let wrong = match period {
            0 => Some(SpecError::ZeroPeriod),
            _ => wrong(&children, auto),
        };
        match wrong {
            Some(wrong) => {
                prop_assert_eq!(outcome, Err(SupervisorError::Invalid(wrong)));
                prop_assert_eq!(started.load(Ordering::Relaxed), 0);
            }
            None => {
                prop_assert_eq!(outcome, Ok(children.len()));
                prop_assert_eq!(started.load(Ordering::Relaxed), children.len());
            }
        }
    }
}
