//! Crash reports as people get them: who asked, what is counted, what happens to a report whose
//! parent does nothing about it, and what is written where no logger is.

use std::panic::Location;
use std::process::Command;
use std::time::Duration;

use rekindle_actor::{
    CrashOutcome, CrashReport, ExitReason, Mailbox, ReplyTo, Runtime, is_alive, recent_crashes,
    register, report_for_children, set_label, sleep, spawn, spawn_link, trap_exit, yield_now,
};

use crate::support::{expect_exit, on_both, on_sim, oops, until, with_inbox};

/// Answers nothing, and crashes over the first question.
async fn touchy(mut inbox: Mailbox<ReplyTo<()>>) -> Result<(), ExitReason> {
    let from = inbox.recv().await;
    set_label("touchy");
    rekindle_actor::note_last_message("call ()", inbox.caller());
    drop(from);
    Err(oops("do not ask"))
}

async fn only_crash() -> CrashReport {
    until(|| recent_crashes().len() == 1).await;
    recent_crashes().remove(0)
}

#[test]
fn a_report_names_the_caller_and_the_line_on_which_it_waits() {
    on_both(|| async {
        let server = spawn(touchy);
        let (at, asks) = (Location::caller(), server.clone());
        let caller = spawn(async move {
            register("asks", rekindle_actor::self_pid()).unwrap();
            let _ = asks.call(|from| from).called_at(at).await;
        });
        let crash = only_crash().await;
        assert_eq!(crash.last_sender, Some(caller));
        assert_eq!(crash.last_sender_name.as_deref(), Some("asks"));
        assert_eq!(crash.last_sender_waits.map(|wait| wait.at), Some(at));
        let line = format!("last message   call () from {caller} \"asks\" (waiting at {at})");
        assert!(crash.to_string().contains(&line), "{crash}");
        assert!(
            crash.to_string().contains("label          touchy"),
            "{crash}"
        );
    });
}

#[test]
fn a_caller_that_has_its_answer_is_not_said_to_wait() {
    on_both(|| async {
        let server = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
            let from = inbox.recv().await;
            rekindle_actor::note_last_message("call ()", inbox.caller());
            from.reply(());
            Err::<(), _>(oops("afterwards"))
        });
        let asks = server.clone();
        let caller = spawn(async move {
            asks.call(|from| from).await.unwrap();
            sleep(Duration::from_secs(60)).await;
        });
        let crash = only_crash().await;
        assert_eq!(crash.last_sender, Some(caller));
        assert!(crash.last_sender_waits.is_none(), "{crash}");
    });
}

#[test]
fn a_report_that_its_parent_keeps_prints_itself_after_5_s() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            report_for_children(true);
            let child = spawn_link(async { oops("kept") });
            let pending = expect_exit(&mut inbox).await.report.unwrap();
            sleep(Duration::from_millis(4_900)).await;
            assert!(recent_crashes().is_empty());
            sleep(Duration::from_millis(200)).await;
            let crash = recent_crashes().remove(0);
            assert_eq!((crash.pid, crash.outcome), (child, Some("unknown")));
            pending.print(CrashOutcome::new("restarted", "too late"));
            assert_eq!(recent_crashes().len(), 1);
        })
    });
}

#[test]
fn a_report_whose_parent_dies_first_is_not_lost() {
    on_both(|| async {
        let parent = spawn(async {
            trap_exit(true);
            report_for_children(true);
            let child = spawn_link(async { oops("orphan") });
            while is_alive(child) {
                yield_now().await;
            }
        });
        until(|| !is_alive(parent)).await;
        let crash = only_crash().await;
        assert_eq!((crash.reason, crash.outcome), (oops("orphan"), None));
    });
}

/// What the tests below run in a program of their own, which has no logger.
fn in_a_program_of_its_own(story: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("reports::{story}"),
            "--nocapture",
            "--ignored",
        ])
        .env("REKINDLE_STORY", story)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

/// The program: `None` if this is the test itself.
fn story(name: &str) -> Option<Runtime> {
    (std::env::var("REKINDLE_STORY").ok()? == name).then(|| Runtime::simulated(1))
}

async fn fails() {
    panic!("the same each time")
}

async fn crash_so_often(times: u32) {
    for _ in 0..times {
        let pid = spawn(fails());
        until(|| !is_alive(pid)).await;
    }
}

#[test]
#[ignore = "the program of a_storm_is_counted_and_its_last_words_are_heard"]
fn storm() {
    let Some(runtime) = story("storm") else {
        return;
    };
    runtime.block_on(async {
        crash_so_often(1_000).await;
        sleep(Duration::from_secs(6)).await;
        crash_so_often(7).await;
    });
    // The last window has not ended.
    drop(runtime);
}

#[test]
fn a_storm_is_counted_and_its_last_words_are_heard() {
    let text = in_a_program_of_its_own("storm");
    let first_lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("ERROR "))
        .collect();
    let counts: Vec<_> = first_lines
        .iter()
        .map(|line| line.split_once(" crashed").unwrap().1)
        .collect();
    let expected = [
        "",
        ": the same 999 times more in 5s, this is the last",
        ": the same 7 times more in 1s, this is the last",
    ];
    assert_eq!(counts, expected, "{text}");
    assert!(
        first_lines[0].starts_with("ERROR it::reports::fails (#"),
        "{text}"
    );
    assert!(text.contains("links          none            backtrace: set RUST_BACKTRACE=1"));
    assert!(!text.contains('\x1b'), "no colour: stderr is no terminal");
}
