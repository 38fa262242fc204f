//! What supervisors say: one report per crash, and records of the log as data.

use std::sync::{Mutex, OnceLock};

use rekindle_actor::{ExitReason, recent_crashes, trap_exit};
use rekindle_supervisor::{DynamicSupervisor, Restart, Shutdown, Supervisor};

use crate::kit::{
    End, Opening, Probe, addr_of, end, kill, pid_of, running, seconds, simulated, watch,
};
use rekindle_supervisor::ServerChild;

/// What was done about each crash so far.
fn actions() -> Vec<String> {
    recent_crashes()
        .into_iter()
        .filter_map(|crash| crash.action)
        .collect()
}

#[test]
fn a_crash_report_says_what_the_supervisor_did() {
    simulated(|kit| async move {
        trap_exit(true);
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.child("t").restart(Restart::Temporary))
            .start_link()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("one")).await;
        let again = pid_of(&supervisor, "a").await.unwrap();
        assert_eq!(actions(), [format!("restarted as {again}, 1 of 3 in 5s")]);
        end(&addr_of(&supervisor, "t").await, ExitReason::msg("two")).await;
        running(&supervisor).await;
        assert_eq!(actions()[1], "not restarted (temporary)");
        for n in 2..=3 {
            end(&addr_of(&supervisor, "a").await, ExitReason::msg("more")).await;
            let again = pid_of(&supervisor, "a").await.unwrap();
            assert_eq!(
                actions()[n],
                format!("restarted as {again}, {n} of 3 in 5s")
            );
        }
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("more")).await;
        watcher.end().await;
        let last = "not restarted: more than 3 in 5s, its supervisor gives up";
        assert_eq!(actions()[4], last);
        assert_eq!(actions().len(), 5);
    });
}

#[test]
fn a_crash_report_tells_of_groups_and_of_failing_restarts() {
    simulated(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = Supervisor::one_for_all()
            .child(Probe::child(args).id("a"))
            .child(kit.child("b"))
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "b").await, ExitReason::msg("one")).await;
        let again = pid_of(&supervisor, "b").await.unwrap();
        assert_eq!(
            actions(),
            [format!("restarted as {again} with 2 others, 1 of 3 in 5s")]
        );
        script.push([Opening::Fail]);
        end(&addr_of(&supervisor, "b").await, ExitReason::msg("two")).await;
        while running(&supervisor).await != "abc" {}
        let failed = "its restart failed: \"a\": init failed: told to fail, 2 of 3 in 5s";
        assert_eq!(actions()[1], failed);
    });
}

#[test]
fn a_child_that_is_killed_on_purpose_gives_no_crash_report() {
    simulated(|kit| async move {
        let slow = || End::Slow(seconds(60));
        let children = || {
            [
                kit.ending("a", slow()).shutdown(Shutdown::Kill),
                kit.ending("b", slow())
                    .shutdown(Shutdown::Within(seconds(1))),
                kit.child("c"),
            ]
        };
        let ordinary = Supervisor::one_for_one()
            .children(children())
            .start_link()
            .await
            .unwrap();
        ordinary.stop().await.unwrap();
        let dynamic = DynamicSupervisor::new().start_link().await.unwrap();
        for child in children() {
            dynamic.start_child(child).await.unwrap();
        }
        dynamic.stop().await.unwrap();
        assert_eq!(actions(), [] as [String; 0]);
    });
}

#[test]
fn a_child_that_crashes_while_it_is_stopped_is_reported() {
    simulated(|kit| async move {
        let odd = kit.ending("a", End::Raise(ExitReason::msg("odd")));
        let supervisor = Supervisor::one_for_one()
            .child(odd)
            .start_link()
            .await
            .unwrap();
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(actions(), ["it was being stopped"]);
    });
}

/// Keeps the records of supervisors: level, text, and the kind of error.
struct Records(Mutex<Vec<(log::Level, String, String)>>);

impl log::Log for Records {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "rekindle::supervisor"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let error = record.key_values().get("error".into());
            let error = error.map(|value| value.to_string()).unwrap_or_default();
            let line = (record.level(), record.args().to_string(), error);
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

fn records() -> &'static Records {
    static RECORDS: OnceLock<Records> = OnceLock::new();
    let records = RECORDS.get_or_init(|| Records(Mutex::new(Vec::new())));
    if log::set_logger(records).is_ok() {
        log::set_max_level(log::LevelFilter::Debug);
    }
    records
}

#[test]
fn sup_063_progress_and_errors_are_logged_as_data() {
    let records = records();
    simulated(|kit| async move {
        trap_exit(true);
        let args = kit.args("sup_063");
        let script = args.script.clone();
        let supervisor = Supervisor::one_for_one()
            .name("sup_063")
            .intensity(1, seconds(5))
            .child(Probe::child(args).id("flaky"))
            .child(kit.ending("late", End::Slow(seconds(60))))
            .start_link()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        script.push([Opening::Fail]);
        kill(pid_of(&supervisor, "flaky").await.unwrap()).await;
        watcher.end().await;
    });
    let seen = records.0.lock().unwrap();
    let mine = |level: log::Level, error: &str, text: &str| {
        seen.iter().any(|(l, t, e)| {
            *l == level && e == error && t.contains("\"sup_063\"") && t.contains(text)
        })
    };
    use log::Level::{Debug, Error};
    assert!(mine(Debug, "", "started \"flaky\" as"));
    assert!(mine(
        Error,
        "start_error",
        "could not start \"flaky\": init failed: told to fail"
    ));
    assert!(mine(Error, "shutdown_error", "killed \"late\""));
    assert!(mine(
        Error,
        "shutdown",
        "gives up: \"flaky\" would need more than 1 in 5s restarts"
    ));
}
