//! PROC-001 to PROC-004: names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rekindle_actor::{
    ExitReason, GenServer as _, Info, Mailbox, Name, NotRegistered, RegisterError, info, monitor,
    register, registered, self_pid, spawn, unregister, whereis,
};

use crate::support::*;

#[test]
fn proc_001_a_name_finds_its_holder() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        register("server", server.pid()).unwrap();
        assert_eq!(whereis("server"), Some(server.pid()));
        let name = Name::<Probe>::new("server");
        assert_eq!((name.pid(), name.as_str()), (Some(server.pid()), "server"));
        name.send(7);
        name.cast(Tell::Add(2));
        assert_eq!(name.call(Ask::Get).await, Ok(2));
        assert_eq!(log.all(), ["init", "info 7"]);
        assert_eq!(registered(), [("server".into(), server.pid())]);
    });
}

#[test]
fn proc_001_a_name_handle_follows_a_restart() {
    on_both(|| async {
        let log = Log::new();
        let name = Name::<Probe>::new("server");
        for life in 0..5 {
            let server = Probe::start(Probe::plain(&log, life))
                .name("server")
                .await
                .unwrap();
            assert_eq!(name.call(Ask::Get).await, Ok(life));
            assert_eq!(name.clone().pid(), Some(server.pid()));
            server.stop().await.unwrap();
            assert_eq!(name.pid(), None);
        }
    });
}

#[test]
fn proc_001_a_name_of_another_kind_of_process_is_not_resolved() {
    on_both(|| async {
        register("puppet", idle()).unwrap();
        let name = Name::<Probe>::new("puppet");
        assert!(name.resolve().is_none());
        name.cast(Tell::Add(1));
        assert_eq!(
            name.call(Ask::Get).await,
            Err(rekindle_actor::CallError::NoProc)
        );
    });
}

#[test]
fn proc_002_a_taken_name_stays_with_its_holder() {
    on_both(|| async {
        let (first, second) = (idle(), idle());
        register("name", first).unwrap();
        assert_eq!(register("name", second), Err(RegisterError::Taken(first)));
        assert_eq!(whereis("name"), Some(first));
        assert_eq!(info(second).unwrap().name, None);
    });
}

#[test]
fn proc_003_at_most_one_name_and_none_for_the_dead() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let pid = idle();
            register("one", pid).unwrap();
            assert_eq!(
                register("two", pid),
                Err(RegisterError::HasName("one".into()))
            );
            assert_eq!(whereis("two"), None);
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            assert_eq!(register("ghost", dead), Err(RegisterError::NoProc));
            assert_eq!(register("", self_pid()), Err(RegisterError::Empty));
        })
    });
}

#[test]
fn proc_004_unregister_frees_at_once_and_so_does_death() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            assert_eq!(unregister("unknown"), Err(NotRegistered));
            let target = mortal();
            register("name", target.pid()).unwrap();
            assert_eq!(unregister("name"), Ok(()));
            assert_eq!(
                (whereis("name"), unregister("name")),
                (None, Err(NotRegistered))
            );
            assert_eq!(info(target.pid()).unwrap().name, None);
            register("again", target.pid()).unwrap();
            monitor(target.pid());
            target.send(ExitReason::Normal);
            expect_down(&mut inbox).await;
            // Whoever sees the Down finds the name free.
            assert_eq!(whereis("again"), None);
            register("again", self_pid()).unwrap();
            assert_eq!(registered().len(), 1);
        })
    });
}

/// Teardown order: whoever hears of the end, in whatever way, finds the name free and the state
/// gone.
#[test]
fn who_hears_of_an_end_finds_name_and_state_gone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            rekindle_actor::trap_exit(true);
            for round in 0..20 {
                let (drops, log) = (Drops::new(), Log::new());
                let held = drops.counted();
                let probe_log = log.clone();
                let args = Probe::init_by(&log, move |_| {
                    let mut probe = Probe::with(&probe_log, 0);
                    probe.keeps.push(Box::new(held));
                    Ok(rekindle_actor::Init::Ready(probe))
                });
                let server = Probe::start_link(args).name("named").await.unwrap();
                monitor(server.pid());
                server.exit(if round % 2 == 0 {
                    ExitReason::Kill
                } else {
                    oops("x")
                });
                for _ in 0..2 {
                    let heard = inbox.next().await;
                    assert!(matches!(heard, Info::Down(_) | Info::Exit(_)));
                    assert_eq!((whereis("named"), drops.count()), (None, 1));
                    assert!(!server.is_alive());
                }
            }
        })
    });
}

#[test]
fn two_runtimes_have_names_of_their_own() {
    within_patience("two runtimes", || {
        let (one, two) = (pool(1), pool(1));
        let pid = one.block_on(async {
            let pid = idle();
            register("name", pid).unwrap();
            pid
        });
        two.block_on(async move {
            assert_eq!(whereis("name"), None);
            // The pid says which runtime; it is found from here, too.
            assert!(rekindle_actor::is_alive(pid));
            assert_eq!(info(pid).unwrap().name.as_deref(), Some("name"));
            rekindle_actor::exit(pid, ExitReason::Kill);
            until(|| !rekindle_actor::is_alive(pid)).await;
        });
        one.block_on(async { assert_eq!(whereis("name"), None) });
    });
}

/// Waits for another thread, on as few processors as there are.
fn wait_for(rounds: &AtomicUsize, round: usize) {
    while rounds.load(Ordering::Acquire) < round {
        thread::yield_now();
    }
}

/// Somebody looks a name up while it changes hands: what is remembered is one who holds it, or one who is known to
/// have lost it.
#[test]
fn a_name_that_moves_while_it_is_looked_up_is_not_remembered_wrongly() {
    const ROUNDS: usize = 4_000;

    within_patience("a name that moves", || {
        let runtime = pool(1);
        let name = Name::<Probe>::new("moves");
        let holders = runtime.block_on(async {
            let log = Log::new();
            let holders = [probe(&log).await.pid(), probe(&log).await.pid()];
            register("moves", holders[0]).unwrap();
            holders
        });
        // Each round has a handle that has not looked yet.
        let names: Arc<[_]> = (0..ROUNDS).map(|_| name.clone()).collect();
        let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let looker = {
            let (handle, names) = (runtime.handle().clone(), names.clone());
            let (begun, done) = (begun.clone(), done.clone());
            thread::spawn(move || {
                let _entered = handle.enter();
                for (round, name) in names.iter().enumerate() {
                    wait_for(&begun, round + 1);
                    drop(name.resolve());
                    done.store(round + 1, Ordering::Release);
                }
            })
        };
        let _entered = runtime.handle().enter();
        for (round, name) in names.iter().enumerate() {
            begun.store(round + 1, Ordering::Release);
            (0..round % 300).for_each(|_| std::hint::spin_loop());
            unregister("moves").unwrap();
            register("moves", holders[(round + 1) % 2]).unwrap();
            wait_for(&done, round + 1);
            assert_eq!(name.pid(), whereis("moves"), "round {round}");
            assert_eq!(name.resolve().map(|known| known.pid()), whereis("moves"));
        }
        looker.join().unwrap();
    });
}
