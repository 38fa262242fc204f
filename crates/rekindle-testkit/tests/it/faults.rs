//! Faults, by hand and by seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rekindle::prelude::*;
use rekindle::testkit::{
    Strategy, Test, TestRun, assert_down, assert_receive, assert_received, refute_receive,
};
use rekindle::{now, yield_now};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A process that counts its own awaits.
fn counting(turns: &Arc<AtomicU64>) -> Pid {
    let turns = Arc::clone(turns);
    spawn(async move {
        loop {
            sleep(ms(1)).await;
            turns.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[rekindle::test(simulated)]
async fn a_process_is_killed_at_the_turn_that_was_said(t: &mut Test) {
    for turn in 1..6 {
        let turns = Arc::default();
        let pid = counting(&turns);
        t.settle().await;
        monitor(pid);
        // The monitor is a signal, and acts in a turn of its own.
        t.settle().await;
        t.faults().kill_at(pid, turn);
        t.advance(ms(20)).await;
        assert_eq!(assert_down!(t, pid).reason, ExitReason::Killed);
        // Turn n of those to come would have counted to n.
        assert_eq!(turns.load(Ordering::Relaxed), turn - 1);
    }
}

#[rekindle::test(simulated)]
async fn a_stalled_process_goes_on_later_and_others_go_on_meanwhile(t: &mut Test<&'static str>) {
    let (slow, quick) = (t.recipient(), t.recipient());
    let stalled = spawn(|mut inbox: Mailbox<()>| async move {
        inbox.recv().await;
        slow.send("slow");
    });
    t.settle().await;
    t.faults().stall(stalled.pid(), Duration::from_secs(3));
    stalled.send(());
    send_after(ms(10), &quick, "quick");
    assert_receive!(t, "quick");
    refute_receive!(t, "slow", within = ms(2_900));
    assert_receive!(t, "slow", within = ms(200));
    assert!(now() >= t.now());
}

/// What two processes exchange.
#[derive(Debug)]
enum Wire {
    Number(u32),
    Ask(ReplyTo<u32>),
    Go(rekindle::Sender<Wire>),
}

fn sender() -> rekindle::Sender<Wire> {
    spawn(|mut inbox: Mailbox<Wire>| async move {
        let Wire::Go(to) = inbox.recv().await else {
            panic!("it is told whom to send to")
        };
        monitor(to.pid());
        for n in 0..10 {
            to.send(Wire::Number(n));
        }
    })
}

#[rekindle::test(simulated, seeds = 30)]
async fn a_delayed_message_comes_late_and_in_order(t: &mut Test<u32>) {
    let results = t.recipient();
    let receiver = spawn(|mut inbox: Mailbox<Wire>| async move {
        loop {
            if let Wire::Number(n) = inbox.recv().await {
                results.send(n);
            }
        }
    });
    let sender = sender();
    let faults = t.faults();
    faults.delay(sender.pid(), receiver.pid(), Duration::from_secs(2));
    sender.send(Wire::Go(receiver.clone()));
    t.advance(ms(1)).await;
    // Made shorter while some are on their way: those stay ahead.
    faults.delay(sender.pid(), receiver.pid(), Duration::ZERO);
    refute_receive!(t, _, within = ms(1_900));
    t.advance(ms(200)).await;
    for n in 0..10 {
        let first = assert_received!(t, got => got);
        assert_eq!(first, n);
    }
}

#[rekindle::test(simulated, seeds = 30)]
async fn a_delay_holds_requests_replies_and_downs(t: &mut Test<String>) {
    let server = spawn(|mut inbox: Mailbox<Wire>| async move {
        for _ in 0..2 {
            if let Wire::Ask(from) = inbox.recv().await {
                from.reply(1);
            }
        }
    });
    let (asked, told) = (server.clone(), t.recipient());
    let client = spawn(|mut inbox: Mailbox<Wire>| async move {
        monitor(asked.pid());
        for _ in 0..2 {
            let begun = now();
            inbox.recv().await;
            let reply = asked.call(Wire::Ask).timeout(Duration::from_secs(10)).await;
            told.send(format!("{reply:?} after {:?}", now() - begun));
        }
        if let Info::Down(down) = inbox.next().await {
            told.send(format!("down: {}", down.reason));
        }
    });
    t.settle().await;
    let faults = t.faults();
    let go = || client.send(Wire::Number(0));
    // Four seconds there, and none back; then one second back.
    faults.delay(client.pid(), server.pid(), Duration::from_secs(4));
    go();
    assert_receive!(t, text if text == "Ok(1) after 4s", within = Duration::from_secs(5));
    faults.delay(client.pid(), server.pid(), Duration::ZERO);
    faults.delay(server.pid(), client.pid(), Duration::from_secs(1));
    let before = now();
    go();
    t.settle().await;
    assert!(!is_alive(server.pid()), "it has replied and ended");
    // The reply is lost with the process that gave it, or comes late; but never before the `Down`.
    t.advance(Duration::from_secs(1)).await;
    assert_received!(t, text if text.starts_with("down: "));
    assert_eq!(now() - before, Duration::from_secs(1));
}

#[rekindle::test(simulated, seeds = 20)]
async fn a_delayed_exit_signal_arrives_in_its_turn(t: &mut Test<u32>) {
    let results = t.recipient();
    let receiver = spawn(|mut inbox: Mailbox<u32>| async move {
        loop {
            results.send(inbox.recv().await);
        }
    });
    let target = receiver.pid();
    let killer = spawn(|mut inbox: Mailbox<rekindle::Sender<u32>>| async move {
        let to = inbox.recv().await;
        to.send(1);
        sleep(ms(500)).await;
        exit(to.pid(), ExitReason::Kill);
        to.send(2);
    });
    monitor(target);
    t.faults()
        .delay(killer.pid(), target, Duration::from_secs(1));
    killer.send(receiver);
    t.advance(ms(1_200)).await;
    assert_received!(t, 1);
    assert!(is_alive(target));
    t.advance(ms(400)).await;
    assert_down!(t, target);
    refute_receive!(t, 2);
}

#[rekindle::test(simulated)]
async fn what_is_on_its_way_to_the_dead_is_refused(t: &mut Test<String>) {
    let server = spawn(|mut inbox: Mailbox<Wire>| async move {
        inbox.recv().await;
    });
    let (asked, told) = (server.clone(), t.recipient());
    let client = spawn(|mut inbox: Mailbox<()>| async move {
        inbox.recv().await;
        let reply = asked.call(Wire::Ask).no_timeout().await;
        told.send(format!("{reply:?}"));
        let reference = monitor(asked.pid());
        if let Info::Down(down) = inbox.next().await {
            assert_eq!(down.reference, reference);
            told.send(format!("{:?}", down.reason));
        }
    });
    t.faults()
        .delay(client.pid(), server.pid(), Duration::from_secs(1));
    client.send(());
    t.settle().await;
    exit(server.pid(), ExitReason::Kill);
    t.advance(Duration::from_secs(3)).await;
    assert_received!(t, text if text == "Err(NoProc)");
    assert_received!(t, text if text == "NoProc");
}

#[rekindle::test(simulated)]
async fn a_start_fails_as_often_as_was_said(t: &mut Test) {
    let faults = t.faults();
    let starts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&starts);
    let child = ChildSpec::worker("child", move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { spawn_link(std::future::pending::<()>()) }
    });
    let refused = t
        .try_start_supervised(faults.fail_start(child.clone(), 2))
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("was made to fail by the test")
    );
    assert_eq!(starts.load(Ordering::Relaxed), 0);

    let started = t.start_supervised(faults.fail_restart(child, 2)).await;
    assert_eq!(starts.load(Ordering::Relaxed), 1);
    exit(started.pid(), ExitReason::Kill);
    t.advance(Duration::from_secs(1)).await;
    assert_eq!(starts.load(Ordering::Relaxed), 2);
}

#[rekindle::test(simulated)]
async fn a_clock_that_jumps_makes_timers_late(t: &mut Test<&'static str>) {
    let begun = now();
    send_after(Duration::from_secs(1), &t.recipient(), "first");
    send_after(Duration::from_secs(2), &t.recipient(), "second");
    t.jump_clock(Duration::from_secs(10));
    assert_eq!(now() - begun, Duration::from_secs(10));
    t.settle().await;
    let first = assert_received!(t, text => text);
    let order = [first, assert_received!(t, text => text)];
    assert_eq!(order, ["first", "second"]);
    assert_eq!(now() - begun, Duration::from_secs(10));
}

#[test]
fn descendants_are_killed_by_the_seed() {
    let run = |seed| {
        let kills = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&kills);
        let test = TestRun::new("it").seeds(1).seed(seed);
        let explored = test.explore(move |mut t: Test| {
            let counted = Arc::clone(&counted);
            async move {
                let tree = Supervisor::one_for_one()
                    .intensity(1_000, Duration::from_secs(1))
                    .child(Agent::child(|| 0).name("a"))
                    .child(Agent::child(|| 0).name("b"));
                let tree = t.start_supervised(tree).await;
                let faults = t.faults();
                faults.kill_descendants_of(tree.pid()).times(5).every(20);
                for _ in 0..100 {
                    for name in ["a", "b"] {
                        let agent = Name::<rekindle::AgentServer<i32>>::new(name);
                        let _ = agent.pid();
                    }
                    // Messages are what is counted.
                    let _ = tree.count_children().await;
                    yield_now().await;
                }
                t.settle().await;
                assert!(is_alive(tree.pid()));
                counted.store(faults.kills(), Ordering::Relaxed);
            }
        });
        assert_eq!(explored.found, None);
        assert_eq!(kills.load(Ordering::Relaxed), 5);
        explored.steps
    };
    assert_eq!(run(1), run(1));
}

#[rekindle::test(simulated)]
async fn turns_stall_at_random(t: &mut Test<u8>) {
    let tree = t
        .start_supervised(Supervisor::one_for_one().id("tree"))
        .await;
    let root = tree.pid();
    t.faults().stall_at_random(root, 50.0, ms(10));
    let turns: Arc<AtomicU64> = Arc::default();
    let counted = Arc::clone(&turns);
    tree.start_child(ChildSpec::worker("busy", move || {
        let counted = Arc::clone(&counted);
        async move {
            spawn_link(async move {
                loop {
                    yield_now().await;
                    counted.fetch_add(1, Ordering::Relaxed);
                    if counted.load(Ordering::Relaxed) == 200 {
                        std::future::pending::<()>().await;
                    }
                }
            })
        }
    }))
    .await
    .unwrap();
    t.settle().await;
    assert!(turns.load(Ordering::Relaxed) < 200, "some turn has stalled");
    t.advance(Duration::from_secs(10)).await;
    assert_eq!(turns.load(Ordering::Relaxed), 200);
}

#[rekindle::test(simulated, strategy = pct(depth = 2, steps = 50))]
async fn a_dropped_worker_loses_nothing(t: &mut Test<u32>) {
    for n in 0..10 {
        let to = t.recipient();
        spawn(async move { to.send(n) });
    }
    t.faults().drop_worker();
    t.settle().await;
    for n in 0..10 {
        assert_received!(t, got if got == n);
    }
}

#[rekindle::test(workers = 1)]
async fn a_dropped_worker_is_replaced_on_real_threads(t: &mut Test<u32>) {
    t.faults().drop_worker();
    for n in 0..10 {
        let to = t.recipient();
        spawn(async move { to.send(n) });
    }
    for n in 0..10 {
        assert_receive!(t, got if got == n, within = Duration::from_secs(60));
    }
}

#[rekindle::test]
#[should_panic(expected = "`kill_at` needs a simulated test")]
async fn faults_by_turn_need_the_simulator(t: &mut Test) {
    t.faults().kill_at(t.pid(), 1);
}

#[test]
fn a_process_may_be_killed_where_no_test_would_hit_it() {
    // A server that is killed between its two awaits leaves the books wrong. Which seed says so
    // does not matter: the kill is at a turn.
    let test = TestRun::new("it").seeds(1).strategy(Strategy::Random);
    let explored = test.explore(|mut t: Test| async move {
        let total = Arc::new(AtomicU64::new(0));
        let books = Arc::clone(&total);
        let transfer = spawn(async move {
            books.fetch_sub(1, Ordering::Relaxed);
            yield_now().await;
            books.fetch_add(1, Ordering::Relaxed);
        });
        t.faults().kill_at(transfer, 2);
        t.settle().await;
        assert_eq!(total.load(Ordering::Relaxed), 0, "the books do not balance");
    });
    let text = explored.to_string();
    assert!(text.contains("the books do not balance"), "{text}");
    assert!(text.contains("fault: kills #"), "{text}");
}
