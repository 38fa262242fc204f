//! Given who ended and why: whom to stop, whom to start, or nothing. Pure.

use std::hash::Hash;

use rekindle_actor::ExitReason;

use crate::children::{Children, Key, State};
use crate::spec::{AutoShutdown, Restart, Shutdown};
use crate::terms::Terms;

/// Who else is restarted when a child must be.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{Strategy, Supervisor};
///
/// let tree = Supervisor::new(Strategy::RestForOne).start_link().await.unwrap();
/// tree.stop().await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Nobody: only the failed child is started again.
    OneForOne,
    /// Everybody.
    OneForAll,
    /// Those that were started after it.
    RestForOne,
}

impl Strategy {
    /// The Erlang word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }
}

/// What a supervisor decides by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) strategy: Strategy,
    pub(crate) auto_shutdown: AutoShutdown,
    /// Whether a child that has ended for good stays in the books.
    pub(crate) keeps_stopped: bool,
}

/// What is to be done about a child that ended.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Plan {
    /// Nothing.
    Leave {
        /// The child is taken out of the books.
        forget: bool,
    },
    /// To start it again, with these.
    Restart(Group),
    /// To stop all children and end.
    ShutDown,
}

/// Who takes part in a restart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Whom to stop, in this order: the last started first. Temporary ones do not come back.
    pub(crate) stop: Vec<Key>,
    /// Whom to start, in this order. It includes those that had been stopped before.
    pub(crate) start: Vec<Key>,
}

/// Decides about `failed`, which does not run any more.
pub(crate) fn plan<P: Copy + Eq + Hash>(
    rules: Rules,
    children: &Children<P>,
    failed: Key,
    reason: &ExitReason,
) -> Plan {
    let Some(child) = children.get(failed) else {
        return Plan::Leave { forget: false };
    };
    if is_restarted(child.terms.restart, reason) {
        return Plan::Restart(group(rules.strategy, children, failed));
    }
    // It is counted no more: it does not run.
    let ends_all = match rules.auto_shutdown {
        AutoShutdown::Never => false,
        AutoShutdown::AnySignificant => true,
        AutoShutdown::AllSignificant => children.significant() == 0,
    };
    if child.terms.significant && ends_all {
        return Plan::ShutDown;
    }
    Plan::Leave {
        forget: !rules.keeps_stopped || child.terms.restart == Restart::Temporary,
    }
}

/// The table of restart classes.
pub(crate) fn is_restarted(restart: Restart, reason: &ExitReason) -> bool {
    match restart {
        Restart::Permanent => true,
        Restart::Transient => !reason.is_clean(),
        Restart::Temporary => false,
    }
}

/// Who is restarted with `failed`.
pub(crate) fn group<P: Copy + Eq + Hash>(
    strategy: Strategy,
    children: &Children<P>,
    failed: Key,
) -> Group {
    let members: Vec<Key> = match strategy {
        Strategy::OneForOne => vec![failed],
        Strategy::OneForAll => children.keys().collect(),
        Strategy::RestForOne => children.keys_from(Some(failed)).collect(),
    };
    let entry = |key: &Key| children.get(*key);
    let runs = |key: &Key| entry(key).is_some_and(|e| !matches!(e.state(), State::Stopped));
    let comes_back = |key: &Key| entry(key).is_some_and(|e| e.terms.restart != Restart::Temporary);
    Group {
        stop: members
            .iter()
            .rev()
            .copied()
            .filter(|key| *key != failed && runs(key))
            .collect(),
        start: members.iter().copied().filter(comes_back).collect(),
    }
}

/// Whether the end of a child that was told to stop must be reported (SUP-038).
pub(crate) fn is_odd_end(terms: &Terms, reason: &ExitReason) -> bool {
    match reason {
        ExitReason::Shutdown => false,
        // It had ended before it was told, and that was told elsewhere.
        ExitReason::NoProc => false,
        ExitReason::Killed => terms.shutdown != Shutdown::Kill,
        reason => !reason.is_clean() || terms.restart == Restart::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ChildSpec;
    use Restart::{Permanent, Temporary, Transient};
    use Strategy::{OneForAll, OneForOne, RestForOne};

    /// Children named by letters: lower case runs, upper case is stopped.
    fn children(rows: &[(&str, Restart)]) -> Children<u32> {
        let mut children = Children::new();
        for (n, (id, restart)) in (0..).zip(rows) {
            let key = children.push(ChildSpec::task(|| async {}).id(*id).restart(*restart), None);
            if id.chars().all(char::is_lowercase) {
                children.set_state(key, State::Running(n));
            }
        }
        children
    }

    fn letters(children: &Children<u32>, keys: &[Key]) -> String {
        keys.iter()
            .map(|key| children.get(*key).unwrap().terms.id.to_string())
            .collect()
    }

    fn rules(strategy: Strategy, auto_shutdown: AutoShutdown) -> Rules {
        Rules {
            strategy,
            auto_shutdown,
            keeps_stopped: true,
        }
    }

    #[test]
    fn who_is_restarted() {
        let clean = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("x"),
        ];
        let abnormal = [ExitReason::Killed, ExitReason::msg("x"), ExitReason::NoProc];
        for reason in &clean {
            assert!(is_restarted(Permanent, reason), "{reason}");
            assert!(!is_restarted(Transient, reason), "{reason}");
        }
        for reason in &abnormal {
            assert!(is_restarted(Permanent, reason), "{reason}");
            assert!(is_restarted(Transient, reason), "{reason}");
        }
        for reason in clean.iter().chain(&abnormal) {
            assert!(!is_restarted(Temporary, reason), "{reason}");
        }
    }

    #[test]
    fn who_is_restarted_with_it() {
        let set = [
            ("a", Permanent),
            ("b", Transient),
            ("c", Temporary),
            ("D", Transient),
            ("e", Permanent),
        ];
        // Strategy, who failed, who is stopped in this order, who is started in this order.
        let rows = [
            (OneForOne, "b", "", "b"),
            (OneForAll, "b", "eca", "abDe"),
            (RestForOne, "b", "ec", "bDe"),
            (RestForOne, "e", "", "e"),
            (RestForOne, "a", "ecb", "abDe"),
        ];
        for (strategy, failed, stop, start) in rows {
            let mut children = children(&set);
            let key = children.by_id(failed).unwrap();
            children.set_state(key, State::Stopped);
            let got = group(strategy, &children, key);
            assert_eq!(letters(&children, &got.stop), stop, "{strategy:?} {failed}");
            assert_eq!(
                letters(&children, &got.start),
                start,
                "{strategy:?} {failed}"
            );
        }
    }

    #[test]
    fn a_clean_end_never_restarts_a_group() {
        let mut children = children(&[("a", Permanent), ("b", Transient), ("c", Temporary)]);
        for (id, forget) in [("b", false), ("c", true)] {
            let key = children.by_id(id).unwrap();
            children.set_state(key, State::Stopped);
            let rules = rules(OneForAll, AutoShutdown::Never);
            let plan = plan(rules, &children, key, &ExitReason::Normal);
            assert_eq!(plan, Plan::Leave { forget });
        }
    }

    #[test]
    fn what_is_not_kept_is_forgotten() {
        let mut children = children(&[("a", Transient)]);
        let key = children.by_id("a").unwrap();
        children.set_state(key, State::Stopped);
        let rules = Rules {
            keeps_stopped: false,
            ..rules(OneForOne, AutoShutdown::Never)
        };
        let plan = plan(rules, &children, key, &ExitReason::Normal);
        assert_eq!(plan, Plan::Leave { forget: true });
    }

    #[test]
    fn significant_children_end_the_supervisor() {
        use AutoShutdown::{AllSignificant, AnySignificant};
        let mut children = Children::<u32>::new();
        let spec = |id: &str| ChildSpec::task(|| async {}).id(id).restart(Transient);
        let one = children.push(spec("one").significant(true), None);
        let two = children.push(spec("two").significant(true), None);
        let plain = children.push(spec("plain"), None);
        for (n, key) in [one, two, plain].into_iter().enumerate() {
            children.set_state(key, State::Running(n as u32));
        }
        let decide = |children: &Children<u32>, auto, key, reason: &ExitReason| {
            plan(rules(OneForOne, auto), children, key, reason)
        };
        let stays = Plan::Leave { forget: false };
        children.set_state(plain, State::Stopped);
        assert_eq!(
            decide(&children, AnySignificant, plain, &ExitReason::Normal),
            stays
        );
        children.set_state(one, State::Stopped);
        assert_eq!(
            decide(&children, AnySignificant, one, &ExitReason::Normal),
            Plan::ShutDown
        );
        assert_eq!(
            decide(&children, AllSignificant, one, &ExitReason::Normal),
            stays
        );
        let failed = decide(&children, AnySignificant, one, &ExitReason::Killed);
        assert!(matches!(failed, Plan::Restart(_)));
        children.set_state(two, State::Stopped);
        assert_eq!(
            decide(&children, AllSignificant, two, &ExitReason::Normal),
            Plan::ShutDown
        );
    }

    #[test]
    fn which_ends_are_odd() {
        let spec = |restart, shutdown| {
            ChildSpec::task(|| async {})
                .restart(restart)
                .shutdown(shutdown)
        };
        let rows = [
            (Permanent, Shutdown::Infinite, ExitReason::Shutdown, false),
            (Permanent, Shutdown::Infinite, ExitReason::Normal, true),
            (
                Permanent,
                Shutdown::Infinite,
                ExitReason::shutdown_with("x"),
                true,
            ),
            (Transient, Shutdown::Infinite, ExitReason::Normal, false),
            (
                Temporary,
                Shutdown::Infinite,
                ExitReason::shutdown_with("x"),
                false,
            ),
            (Temporary, Shutdown::Infinite, ExitReason::msg("x"), true),
            (Temporary, Shutdown::Infinite, ExitReason::Killed, true),
            (Temporary, Shutdown::Kill, ExitReason::Killed, false),
        ];
        for (restart, shutdown, reason, odd) in rows {
            let (terms, _) = Terms::of(spec(restart, shutdown));
            assert_eq!(is_odd_end(&terms, &reason), odd, "{terms:?} {reason}");
        }
    }

    /// A child of the model: its place is its index.
    #[derive(Debug, Clone, Copy)]
    struct Row {
        restart: Restart,
        runs: bool,
        significant: bool,
    }

    fn rows() -> impl proptest::strategy::Strategy<Value = Vec<Row>> {
        use proptest::prelude::*;
        let restart = prop_oneof![Just(Permanent), Just(Transient), Just(Temporary)];
        let row = (restart, any::<bool>(), any::<bool>());
        let row = row.prop_map(|(restart, runs, significant)| Row {
            restart,
            runs,
            // A significant permanent child is refused at the start.
            significant: significant && restart != Permanent,
        });
        prop::collection::vec(row, 1..9)
    }

    proptest::proptest! {
        /// The plan as OTP's manual tells it, over a plain list.
        #[test]
        fn a_plan_is_that_of_the_manual(
            rows in rows(),
            failed: proptest::sample::Index,
            strategy in 0..3_usize,
            auto in 0..3_usize,
            reason in 0..5_usize,
            keeps_stopped: bool,
        ) {
            let failed = failed.index(rows.len());
            let strategy = [OneForOne, OneForAll, RestForOne][strategy];
            let auto_shutdown = [
                AutoShutdown::Never,
                AutoShutdown::AnySignificant,
                AutoShutdown::AllSignificant,
            ][auto];
            let (reason, clean) = [
                (ExitReason::Normal, true),
                (ExitReason::Shutdown, true),
                (ExitReason::shutdown_with("x"), true),
                (ExitReason::Killed, false),
                (ExitReason::msg("x"), false),
            ][reason].clone();
            let mut children = Children::<u32>::new();
            let keys: Vec<Key> = (0..).zip(&rows).map(|(n, row)| {
                let spec = ChildSpec::task(|| async {}).id(n.to_string());
                let key = children.push(spec.restart(row.restart).significant(row.significant), None);
                if row.runs && n as usize != failed {
                    children.set_state(key, State::Running(n));
                }
                key
            }).collect();
            let rules = Rules { strategy, auto_shutdown, keeps_stopped };
            let plan = plan(rules, &children, keys[failed], &reason);

            let own = rows[failed];
            let others_matter = |n: usize| n != failed && rows[n].runs && rows[n].significant;
            let expected = if own.restart == Permanent || own.restart == Transient && !clean {
                let members = match strategy {
                    OneForOne => failed..failed + 1,
                    OneForAll => 0..rows.len(),
                    RestForOne => failed..rows.len(),
                };
                let stops = |n: &usize| *n != failed && rows[*n].runs;
                let starts = |n: &usize| rows[*n].restart != Temporary;
                let mut stop: Vec<Key> =
                    members.clone().filter(stops).map(|n| keys[n]).collect();
                stop.reverse();
                let start = members.filter(starts).map(|n| keys[n]).collect();
                Plan::Restart(Group { stop, start })
            } else if own.significant && match auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !(0..rows.len()).any(others_matter),
            } {
                Plan::ShutDown
            } else {
                Plan::Leave { forget: own.restart == Temporary || !keeps_stopped }
            };
            proptest::prop_assert_eq!(plan, expected);
        }
    }
}
