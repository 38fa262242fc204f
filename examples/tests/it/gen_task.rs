//! The gen_task story, simulated; and `GenTask`, its behaviour, by itself.

use std::collections::BTreeSet;
use std::future::pending;

use rekindle::prelude::*;
use rekindle::{TaskSupervisorHandle, recent_crashes, sys};
use rekindle_examples::cli::Pace;
use rekindle_examples::gen_task::behaviour::{self, Begin, GenTask, Outcome, Then, Verdict};
use rekindle_examples::gen_task::queue::{Delivery, Queue, SettleError};
use rekindle_examples::gen_task::story::{CONSUMER, MyApp, PREFETCH, WORKERS};
use rekindle_examples::gen_task::{Summary, run};
use rekindle_examples::screen::Screen;

const SECOND: Duration = Duration::from_secs(1);

/// Runs a process in virtual time. Crash reports go where the test's output goes.
fn simulated<T: Send + 'static>(seed: u64, body: impl Future<Output = T> + Send + 'static) -> T {
    let _ = env_logger::builder().is_test(true).try_init();
    Runtime::simulated(seed).block_on(body)
}

fn story(seed: u64) -> (Vec<String>, Summary) {
    simulated(seed, async {
        let screen = Screen::kept();
        let summary = run(&screen, Pace::REAL).await.unwrap();
        (screen.lines(), summary)
    })
}

fn count(lines: &[String], start: &str) -> u64 {
    lines.iter().filter(|line| line.starts_with(start)).count() as u64
}

// The story.

#[test]
fn every_job_is_acknowledged_exactly_once_whatever_the_seed() {
    for seed in 0..50 {
        let (
            lines,
            Summary {
                ledger,
                supervisors_survived,
                left_over,
            },
        ) = story(seed);
        assert_eq!(ledger.jobs.len(), 16, "seed {seed}");
        for job in &ledger.jobs {
            assert_eq!(
                (job.acks, job.nacks),
                (1, job.deliveries - 1),
                "seed {seed}: {job:?}"
            );
        }
        assert_eq!(ledger.acks + ledger.nacks, ledger.deliveries, "seed {seed}");
        assert_eq!(
            (ledger.mistakes, ledger.in_flight, left_over),
            (0, 0, 0),
            "seed {seed}"
        );
        assert_eq!(ledger.most_in_flight, PREFETCH, "seed {seed}");
        assert!(supervisors_survived, "seed {seed}");
        // One worker dies of its own bug: its job is the one that is done twice.
        assert_eq!(ledger.orphans, 1, "seed {seed}");
        assert_eq!(
            count(&lines, "Processed job #"),
            ledger.acks + 1,
            "seed {seed}"
        );
        assert_eq!(
            count(&lines, "Task with tag "),
            ledger.nacks - 1,
            "seed {seed}"
        );
    }
}

#[test]
fn the_lines_are_those_of_the_seed_text() {
    let (lines, summary) = story(1);
    assert_eq!(lines[0], "start_task: ok, 5050");
    assert!(
        lines[1].starts_with("start_task: exit, panicked at "),
        "{}",
        lines[1]
    );
    assert!(lines[1].ends_with(": Error!"), "{}", lines[1]);
    assert_eq!(lines[2], "start_task: timeout");
    // The third job published hangs, and so does its first delivery.
    assert!(lines.contains(&"Task with tag 3 terminated with reason: timeout".to_owned()));
    assert_eq!(count(&lines, "The worker of job #"), 1);
    assert_eq!(count(&lines, "No new worker for job #"), 1);
    let errors = lines
        .iter()
        .filter(|line| line.starts_with("Task") && line.ends_with("Error!"));
    assert_eq!(errors.count() as u64, summary.ledger.nacks - 2);
    let end = &lines[lines.len() - 3..];
    assert!(end[0].starts_with("16 of 16 jobs were acknowledged exactly once; settled twice: 0 "));
    assert!(end[1].ends_with("are the same processes as before"));
    assert_eq!(end[2], "workers and tasks left over: 0");
}

#[test]
fn a_job_is_processed_before_its_tag_is_used_up() {
    for seed in 0..10 {
        let (lines, summary) = story(seed);
        let tag = |line: &String, start: &str| -> Option<u64> {
            line.strip_prefix(start)?
                .split([':', ' '])
                .next()?
                .parse()
                .ok()
        };
        let processed: Vec<u64> = lines
            .iter()
            .filter_map(|line| tag(line, "Processed job #"))
            .collect();
        let failed: Vec<u64> = lines
            .iter()
            .filter_map(|line| tag(line, "Task with tag "))
            .collect();
        let all: BTreeSet<u64> = processed.iter().chain(&failed).copied().collect();
        // Each delivery was either processed or has failed, and was told of once.
        assert_eq!(all.len(), processed.len() + failed.len(), "seed {seed}");
        assert!(
            all.into_iter().eq(1..=summary.ledger.deliveries),
            "seed {seed}"
        );
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..5 {
        assert_eq!(story(seed), story(seed), "seed {seed}");
    }
    let different: BTreeSet<Vec<String>> = (0..5).map(|seed| story(seed).0).collect();
    assert!(different.len() > 1, "chance has no part in it");
}

#[test]
fn no_job_is_lost_when_the_consumer_a_worker_or_their_supervisor_is_killed() {
    for seed in 0..30 {
        let ledger = simulated(seed, async {
            let app = MyApp::new(&Screen::kept(), Pace::REAL);
            let tree = app
                .tree()
                .intensity(100, SECOND)
                .start_link()
                .await
                .unwrap();
            (0..40).for_each(|n| app.queue.publish(format!("job {n}")));
            for round in 0..12 {
                sleep(Duration::from_millis(30)).await;
                let name = if round % 4 == 3 { WORKERS } else { CONSUMER };
                let victim = if round % 2 == 0 {
                    some_worker().await
                } else {
                    whereis(name)
                };
                victim
                    .into_iter()
                    .for_each(|pid| exit(pid, ExitReason::Kill));
            }
            let ledger = app.queue.drained().await.unwrap();
            app.queue.stop();
            tree.stop().await.unwrap();
            ledger
        });
        assert!(
            ledger.jobs.iter().all(|job| job.acks == 1),
            "seed {seed}: {ledger:?}"
        );
        assert_eq!(ledger.acks + ledger.nacks, ledger.deliveries, "seed {seed}");
        assert_eq!((ledger.mistakes, ledger.in_flight), (0, 0), "seed {seed}");
        assert!(ledger.orphans > 0, "seed {seed}: nobody was hit");
    }
}

async fn some_worker() -> Option<Pid> {
    let workers = rekindle::DynamicSupervisorRef::named(WORKERS);
    let children = workers.which_children().await.ok()?;
    children.into_iter().find_map(|child| child.state.pid())
}

// The queue.

#[test]
fn the_queue_counts_what_is_settled_twice() {
    simulated(1, async {
        let queue = Queue::start(&Screen::kept());
        queue.publish("a");
        let (tag, _) = deliver(&queue, 1).await;
        assert_eq!(queue.ack(tag).await, Ok(()));
        assert_eq!(queue.ack(tag).await, Err(SettleError::UnknownTag(tag)));
        assert_eq!(queue.nack(tag).await, Err(SettleError::UnknownTag(tag)));
        assert_eq!(queue.ledger().await.unwrap().mistakes, 2);
        assert_eq!(queue.claim(tag).await, Ok(false));
    });
}

#[test]
fn a_delivery_is_claimed_once_and_taken_back_when_its_claimant_dies() {
    simulated(1, async {
        let queue = Queue::start(&Screen::kept());
        queue.publish("a");
        let (tag, _) = deliver(&queue, 1).await;
        let claimant = {
            let queue = queue.clone();
            spawn(async move {
                assert_eq!(queue.claim(tag).await, Ok(true));
                pending::<()>().await;
            })
        };
        sleep(SECOND).await;
        assert_eq!(queue.claim(tag).await, Ok(false), "it is another's");
        exit(claimant, ExitReason::Kill);
        sleep(SECOND).await;
        let ledger = queue.ledger().await.unwrap();
        assert_eq!((ledger.deliveries, ledger.nacks, ledger.orphans), (2, 1, 1));
    });
}

#[test]
fn the_queue_delivers_again_what_a_dead_consumer_leaves() {
    simulated(1, async {
        let queue = Queue::start(&Screen::kept());
        queue.publish("a");
        let (first, pid) = deliver(&queue, 1).await;
        exit(pid, ExitReason::Kill);
        let (second, _) = deliver(&queue, 1).await;
        assert_ne!(first, second, "a delivery has a tag of its own");
        assert!(queue.ack(first).await.is_err());
        assert_eq!(queue.ack(second).await, Ok(()));
    });
}

#[test]
fn the_queue_holds_back_what_is_above_the_prefetch_limit() {
    simulated(1, async {
        let queue = Queue::start(&Screen::kept());
        (0..10).for_each(|n| queue.publish(n.to_string()));
        deliver(&queue, 3).await;
        assert_eq!(queue.ledger().await.unwrap().deliveries, 3);
        queue.ack(2).await.unwrap();
        assert_eq!(queue.ledger().await.unwrap().deliveries, 4);
    });
}

/// Makes a process a consumer; gives the tag of its first delivery.
async fn deliver(queue: &Queue, prefetch: usize) -> (u64, Pid) {
    let consumer = spawn(|mut inbox: Mailbox<Wanted>| async move {
        let mut tags = Vec::new();
        let mut asked = Vec::new();
        loop {
            match inbox.recv().await {
                Wanted::Delivery(delivery) => tags.push(delivery.tag),
                Wanted::First(from) => asked.push(from),
            }
            if let Some(first) = tags.first() {
                asked
                    .drain(..)
                    .for_each(|from: ReplyTo<u64>| from.reply(*first));
            }
        }
    });
    queue.subscribe(consumer.recipient(), prefetch);
    (consumer.call(Wanted::First).await.unwrap(), consumer.pid())
}

enum Wanted {
    Delivery(Delivery),
    First(ReplyTo<u64>),
}

impl From<Delivery> for Wanted {
    fn from(delivery: Delivery) -> Self {
        Wanted::Delivery(delivery)
    }
}

// The behaviour.

/// What a [`Probe`] is to do.
#[derive(Debug, Clone)]
enum Order {
    /// Its init is to fail, to panic, or to refuse.
    InitFails,
    InitPanics,
    InitIgnores,
    /// Its task is to take this long.
    Takes(Duration),
    /// Its task is to panic.
    TaskPanics,
    /// The worker itself is to fail after the task.
    WorkerFails,
}

/// A worker that says what happens to it.
#[derive(Debug)]
struct Probe {
    screen: Screen,
    order: Order,
    /// How often it waits on after a timeout.
    patience: u32,
}

impl GenTask for Probe {
    type Args = (Screen, Order);
    type Job = Order;
    type Output = u32;

    async fn init((screen, order): Self::Args) -> Result<Begin<Self, Order>, ExitReason> {
        match order {
            Order::InitFails => Err(ExitReason::msg("no init")),
            Order::InitPanics => panic!("init panics"),
            Order::InitIgnores => Ok(Begin::Ignore),
            order => {
                let probe = Probe {
                    screen,
                    order: order.clone(),
                    patience: 1,
                };
                Ok(Begin::Run(probe, order))
            }
        }
    }

    async fn run(order: Order) -> u32 {
        match order {
            Order::Takes(time) => sleep(time).await,
            Order::TaskPanics => panic!("Error!"),
            _ => {}
        }
        7
    }

    async fn handle_result(&mut self, outcome: Outcome<u32>) -> Verdict<Self> {
        match outcome {
            Outcome::Ok(_) if matches!(self.order, Order::WorkerFails) => {
                "x".parse::<u32>()?;
            }
            Outcome::Ok(value) => self.screen.say(format!("ok {value}")),
            Outcome::Exit(reason) => self.screen.say(format!("exit {reason:?}")),
            Outcome::Timeout(task) if self.patience > 0 => {
                self.patience -= 1;
                self.screen.say("waits on");
                return Ok(Then::Wait(task));
            }
            Outcome::Timeout(task) => {
                self.screen.say("gives up");
                task.shutdown(SECOND).await;
            }
        }
        Ok(Then::Stop(ExitReason::Normal))
    }

    async fn terminate(&mut self, reason: &ExitReason) {
        self.screen.say(format!("terminate {reason}"));
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("patience {}", self.patience))
    }
}

/// Runs a body with the supervisor of tasks there; gives what the probe said.
fn probed<F>(body: impl FnOnce(Screen, TaskSupervisorHandle) -> F + Send + 'static) -> Vec<String>
where
    F: Future<Output = ()> + Send + 'static,
{
    simulated(7, async move {
        let screen = Screen::kept();
        let tasks = behaviour::supervisor().start_link().await.unwrap();
        body(screen.clone(), tasks.clone()).await;
        assert_eq!(tasks.children().await.unwrap(), [], "a task is left alone");
        screen.lines()
    })
}

/// Waits for the end of a process, which may be over already.
async fn end_of(pid: Pid) {
    while is_alive(pid) {
        sleep(SECOND / 10).await;
    }
}

#[test]
fn the_three_outcomes() {
    let orders = [
        Order::Takes(SECOND),
        Order::TaskPanics,
        Order::Takes(60 * SECOND),
    ];
    let lines = probed(|screen, _| async move {
        for order in orders {
            let worker = Probe::start_link((screen.clone(), order)).await.unwrap();
            end_of(worker.pid()).await;
        }
    });
    let expected = [
        "ok 7",
        "terminate normal",
        "exit Panic(\"Error!\")",
        "terminate normal",
        "waits on",
        "gives up",
        "terminate normal",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_start_fails_with_the_reason_of_init_and_leaves_nothing() {
    let lines = probed(|screen, _| async move {
        let start = |order| Probe::start_link((screen.clone(), order));
        let failed = start(Order::InitFails);
        let pid = failed.pid();
        assert_eq!(
            failed.await.unwrap_err(),
            StartError::Failed(ExitReason::msg("no init"))
        );
        assert!(!is_alive(pid));
        let panicked = start(Order::InitPanics).await.unwrap_err();
        assert!(matches!(panicked, StartError::Failed(reason) if reason.is_panic()));
        assert_eq!(
            start(Order::InitIgnores).await.unwrap_err(),
            StartError::Ignore
        );
    });
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_supervisor_hears_why_a_child_did_not_start() {
    probed(|screen, _| async move {
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let error = supervisor
            .start_child(Probe::child((screen, Order::InitFails)))
            .await;
        let expected = rekindle::StartChildError::Failed(ExitReason::msg("no init"));
        assert_eq!(error.unwrap_err(), expected);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn status_suspend_and_resume_work_while_the_task_runs() {
    let lines = probed(|screen, tasks| async move {
        let order = Order::Takes(SECOND);
        let worker = Probe::start_link((screen.clone(), order))
            .await
            .unwrap()
            .pid();
        let status = sys::get_status(worker).await.unwrap();
        assert!(status.behaviour.ends_with("Probe"), "{}", status.behaviour);
        assert_eq!(status.parent, Some(self_pid()));
        assert_eq!(status.state.as_deref(), Some("patience 1"));
        assert!(!status.suspended);

        sys::suspend(worker).await.unwrap();
        sleep(3 * SECOND).await;
        assert_eq!(tasks.children().await.unwrap(), [], "the task is done");
        assert!(screen.lines().is_empty(), "but nobody has looked");
        assert!(sys::get_status(worker).await.unwrap().suspended);
        let patience = sys::with_state(worker, |probe: &mut Probe| {
            std::mem::replace(&mut probe.patience, 5)
        });
        assert_eq!(patience.await, Ok(1));

        sys::resume(worker).await.unwrap();
        end_of(worker).await;
    });
    assert_eq!(lines, ["ok 7", "terminate normal"]);
}

#[test]
fn a_suspended_worker_finds_the_result_even_after_its_time() {
    let lines = probed(|screen, _| async move {
        let order = Order::Takes(4 * SECOND);
        let worker = Probe::start_link((screen, order)).await.unwrap();
        sys::suspend(worker.pid()).await.unwrap();
        sleep(60 * SECOND).await;
        sys::resume(worker.pid()).await.unwrap();
        sleep(SECOND).await;
        assert!(!worker.is_alive());
    });
    assert_eq!(lines, ["ok 7", "terminate normal"]);
}

#[test]
fn stop_ends_the_worker_and_its_task_also_while_suspended() {
    let lines = probed(|screen, tasks| async move {
        for suspended in [false, true] {
            let order = Order::Takes(60 * SECOND);
            let worker = Probe::start_link((screen.clone(), order)).await.unwrap();
            sleep(SECOND).await;
            assert_eq!(tasks.children().await.unwrap().len(), 1);
            if suspended {
                sys::suspend(worker.pid()).await.unwrap();
            }
            assert_eq!(worker.stop().await, Ok(()));
            assert!(!worker.is_alive());
            assert_eq!(tasks.children().await.unwrap(), []);
        }
    });
    assert_eq!(lines, ["terminate normal", "terminate normal"]);
}

#[test]
fn the_end_of_the_parent_is_the_end_of_the_worker_and_its_task() {
    for suspended in [false, true] {
        let lines = probed(move |screen, tasks| async move {
            let parent = spawn(async move {
                let order = Order::Takes(60 * SECOND);
                let worker = Probe::start_link((screen, order)).await?;
                if suspended {
                    sys::suspend(worker.pid()).await?;
                }
                sleep(SECOND).await;
                Ok::<(), ExitReason>(())
            });
            sleep(SECOND / 2).await;
            assert_eq!(tasks.children().await.unwrap().len(), 1);
            sleep(SECOND).await;
            assert!(!is_alive(parent));
        });
        assert_eq!(lines, ["terminate normal"], "suspended: {suspended}");
    }
}

#[test]
fn a_worker_is_stopped_by_its_supervisor_like_any_other_child() {
    let lines = probed(|screen, _| async move {
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let child = Probe::child((screen, Order::Takes(60 * SECOND)));
        let worker = supervisor.start_child(child).await.unwrap().pid();
        supervisor.terminate_child(worker).await.unwrap();
        assert!(!is_alive(worker));
    });
    assert_eq!(lines, ["terminate shutdown"]);
}

#[test]
fn a_worker_that_fails_is_reported_and_restarted_and_one_that_ends_well_is_not() {
    let lines = probed(|screen, _| async move {
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let well = Probe::child((screen.clone(), Order::Takes(SECOND)));
        supervisor.start_child(well).await.unwrap();
        sleep(2 * SECOND).await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);

        trap_exit(true);
        let badly = Probe::child((screen, Order::WorkerFails));
        supervisor.start_child(badly).await.unwrap();
        sleep(2 * SECOND).await;
        assert!(
            !supervisor.is_alive(),
            "it has restarted the child too often"
        );
        let crash = recent_crashes()
            .into_iter()
            .find(|crash| crash.behaviour.ends_with("Probe"));
        let crash = crash.expect("a crash makes a report");
        assert!(
            crash
                .reason
                .downcast_ref::<std::num::ParseIntError>()
                .is_some()
        );
    });
    let badly = "terminate invalid digit found in string";
    assert_eq!(lines[..2], ["ok 7", "terminate normal"]);
    assert_eq!(lines[2..], [badly; 4], "once, and three restarts");
}

#[test]
fn without_the_supervisor_of_tasks_a_job_is_an_exit() {
    simulated(3, async {
        let screen = Screen::kept();
        let worker = Probe::start_link((screen.clone(), Order::Takes(SECOND)))
            .await
            .unwrap();
        end_of(worker.pid()).await;
        assert!(
            screen.lines()[0].starts_with("exit "),
            "{:?}",
            screen.lines()
        );
        let outcome = behaviour::start_task(SECOND, || async { 1 }).await;
        assert!(matches!(outcome, Outcome::Exit(_)), "{outcome:?}");
    });
}

#[test]
fn start_task_gives_what_became_of_the_function() {
    let lines = probed(|_, _| async {
        let ok = behaviour::start_task(SECOND, || async { 1 }).await;
        assert!(matches!(ok, Outcome::Ok(1)), "{ok:?}");
        let early = || -> std::future::Ready<u32> { panic!("before there is a future") };
        let exit = behaviour::start_task(SECOND, early).await;
        assert!(
            matches!(&exit, Outcome::Exit(reason) if reason.is_panic()),
            "{exit:?}"
        );
        let timeout = behaviour::start_task(SECOND, pending::<u32>).await;
        let Outcome::Timeout(task) = timeout else {
            panic!("{timeout:?}")
        };
        assert_eq!(task.shutdown(SECOND).await, None);
    });
    assert!(lines.is_empty());
}
