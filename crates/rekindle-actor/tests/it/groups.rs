//! PG: process groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    CallError, ExitReason, GenServer as _, GroupChange, GroupEvent, Groups, JoinError, LeaveError,
    Mailbox, MailboxPolicy, Overflow, Pid, Recipient, Sender, SpawnOptions, StartError, Task, exit,
    info, is_alive, monitor_name, self_pid, sleep, spawn, spawn_with, sys, whereis, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

type Rooms = Groups<&'static str, u32>;

async fn rooms() -> Rooms {
    Rooms::start("rooms").await.expect("the name is free")
}

/// A process that can be a member, and lives until it is ended.
fn member() -> Sender<u32> {
    spawn(|mut inbox: Mailbox<u32>| async move {
        loop {
            inbox.recv().await;
        }
    })
}

/// A member that logs what it is sent.
fn logging(log: &Log, name: &'static str) -> Sender<u32> {
    let log = log.clone();
    spawn(move |mut inbox: Mailbox<u32>| async move {
        loop {
            let n = inbox.recv().await;
            log.add(format!("{name} {n}"));
        }
    })
}

async fn join(rooms: &Rooms, group: &'static str, member: &Sender<u32>) {
    rooms
        .join(group, &member.recipient())
        .await
        .expect("the scope runs");
}

/// An event without its monitor.
type Seen = (&'static str, GroupChange, Vec<Pid>);

fn plain(event: GroupEvent<&'static str>) -> Seen {
    (event.group, event.change, event.pids)
}

use GroupChange::{Joined, Left};

#[test]
fn pg_001_join_shows_members_and_groups() {
    on_both(|| async {
        let rooms = rooms().await;
        assert_eq!(rooms.pids(&"lobby"), []);
        assert_eq!(rooms.which_groups(), [""; 0]);
        let (a, b, c) = (member(), member(), member());
        join(&rooms, "lobby", &a).await;
        assert_eq!(rooms.pids(&"lobby"), [a.pid()]);
        let both = [b.recipient(), c.recipient()];
        rooms.join_all("bar", both).await.unwrap();
        assert_eq!(rooms.pids(&"bar"), [b.pid(), c.pid()]);
        assert_eq!(rooms.which_groups(), ["bar", "lobby"]);
        assert_eq!(rooms.pids(&"nowhere"), []);
        rooms.join_all("empty", []).await.unwrap();
        assert_eq!(rooms.which_groups(), ["bar", "lobby"]);
        // The same scope, by its name.
        assert_eq!(Rooms::named("rooms").pids(&"lobby"), [a.pid()]);
    });
}

#[test]
fn pg_002_leave_and_the_group_vanishes_with_its_last_member() {
    on_both(|| async {
        let rooms = rooms().await;
        let (a, b) = (member(), member());
        join(&rooms, "lobby", &a).await;
        join(&rooms, "lobby", &b).await;
        assert_eq!(rooms.leave(&"lobby", a.pid()).await, Ok(()));
        assert_eq!(rooms.pids(&"lobby"), [b.pid()]);
        assert_eq!(rooms.leave(&"lobby", b.pid()).await, Ok(()));
        assert_eq!(rooms.pids(&"lobby"), []);
        assert_eq!(rooms.which_groups(), [""; 0]);
        assert!(a.is_alive() && b.is_alive());
        // Nobody is watched who is in no group.
        let scope = rooms.pid().unwrap();
        assert_eq!(info(scope).unwrap().monitors, []);
    });
}

#[test]
fn pg_003_leave_by_one_that_has_not_joined() {
    on_both(|| async {
        let rooms = rooms().await;
        let (a, b) = (member(), member());
        let not_joined = Err(LeaveError::NotJoined);
        assert_eq!(rooms.leave(&"lobby", a.pid()).await, not_joined);
        join(&rooms, "lobby", &a).await;
        assert_eq!(rooms.leave(&"lobby", b.pid()).await, not_joined);
        assert_eq!(rooms.leave(&"bar", a.pid()).await, not_joined);
        let none: [Pid; 0] = [];
        assert_eq!(rooms.leave_all(&"lobby", none).await, not_joined);
        // Of several it is enough that one was there.
        let both = [b.pid(), a.pid(), a.pid()];
        assert_eq!(rooms.leave_all(&"lobby", both).await, Ok(()));
        assert_eq!(rooms.which_groups(), [""; 0]);
    });
}

#[test]
fn pg_004_a_process_may_join_several_times() {
    on_both(|| async {
        let (rooms, log) = (rooms().await, Log::new());
        let a = logging(&log, "a");
        join(&rooms, "lobby", &a).await;
        let twice = [a.recipient(), a.recipient()];
        rooms.join_all("lobby", twice).await.unwrap();
        assert_eq!(rooms.pids(&"lobby"), [a.pid(); 3]);
        assert_eq!(rooms.broadcast(&"lobby", 7), 3);
        until(|| log.len() == 3).await;
        for left in [2, 1, 0] {
            assert_eq!(rooms.leave(&"lobby", a.pid()).await, Ok(()));
            assert_eq!(rooms.pids(&"lobby").len(), left);
        }
        assert_eq!(
            rooms.leave(&"lobby", a.pid()).await,
            Err(LeaveError::NotJoined)
        );
        // It leaves the place that it has had for longest.
        let b = member();
        for one in [&a, &b, &a] {
            join(&rooms, "lobby", one).await;
        }
        rooms.leave(&"lobby", a.pid()).await.unwrap();
        assert_eq!(rooms.pids(&"lobby"), [b.pid(), a.pid()]);
    });
}

#[test]
fn pg_005_a_member_that_dies_is_removed() {
    on_both(|| async {
        let rooms = rooms().await;
        let (a, b) = (member(), member());
        for group in ["lobby", "bar", "bar"] {
            join(&rooms, group, &a).await;
        }
        join(&rooms, "lobby", &b).await;
        exit(a.pid(), ExitReason::Kill);
        until(|| rooms.which_groups() == ["lobby"]).await;
        assert_eq!(rooms.pids(&"lobby"), [b.pid()]);
        // One that was dead when it joined does not stay either.
        join(&rooms, "grave", &a).await;
        until(|| rooms.pids(&"grave").is_empty()).await;
    });
}

/// A lobby of a hundred, in the order in which they joined.
async fn crowd(rooms: &Rooms) -> Vec<Sender<u32>> {
    let all: Vec<_> = (0..100).map(|_| member()).collect();
    let joining = rooms.join_all("lobby", all.iter().map(Sender::recipient));
    joining.await.unwrap();
    all
}

fn pids_of<'a>(members: impl IntoIterator<Item = &'a Sender<u32>>) -> Vec<Pid> {
    members.into_iter().map(Sender::pid).collect()
}

#[test]
fn pg_005_one_of_very_many_is_removed_too() {
    on_both(|| async {
        let rooms = rooms().await;
        let all = crowd(&rooms).await;
        exit(all[0].pid(), ExitReason::Kill);
        until(|| rooms.pids(&"lobby") == pids_of(&all[1..])).await;
    });
}

#[test]
fn pg_005_many_that_die_at_once_are_removed_and_told_of_in_that_order() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            let rooms = rooms().await;
            let all = crowd(&rooms).await;
            let twice = rooms.join("lobby", &all[7].recipient());
            twice.await.unwrap();
            rooms.monitor("lobby", &inbox.recipient()).await.unwrap();
            let (die, live): (Vec<_>, Vec<_>) = (0..100).partition(|n| n % 10 < 8);
            for &n in &die {
                exit(all[n].pid(), ExitReason::Kill);
                until(|| !all[n].is_alive()).await;
            }
            for &n in &die {
                let times = if n == 7 { 2 } else { 1 };
                let event = inbox.recv().await;
                assert_eq!(plain(event), ("lobby", Left, vec![all[n].pid(); times]));
            }
            expect_nothing(&mut inbox).await;
            let left = pids_of(live.iter().map(|&n| &all[n]));
            assert_eq!(rooms.pids(&"lobby"), left);
        })
    });
}

#[test]
fn pg_005_whoever_asks_after_a_death_is_answered_after_it() {
    on_both(|| async {
        let rooms = rooms().await;
        let (all, scope) = (crowd(&rooms).await, rooms.pid().unwrap());
        sys::suspend(scope).await.unwrap();
        for dead in &all[..3] {
            exit(dead.pid(), ExitReason::Kill);
            until(|| !dead.is_alive()).await;
        }
        until(|| info(scope).unwrap().mailbox == 3).await;
        let late = member();
        let joining = Task::spawn(rooms.join("lobby", &late.recipient()));
        until(|| info(scope).unwrap().mailbox == 4).await;
        sys::resume(scope).await.unwrap();
        joining.await.unwrap().unwrap();
        let present = pids_of(all[3..].iter().chain([&late]));
        assert_eq!(rooms.pids(&"lobby"), present);
    });
}

#[test]
fn pg_006_scopes_are_separate() {
    on_both(|| async {
        let one = Rooms::start("one").await.unwrap();
        let two = Rooms::start("two").await.unwrap();
        let (a, b) = (member(), member());
        join(&one, "lobby", &a).await;
        join(&two, "lobby", &b).await;
        assert_eq!(
            (one.pids(&"lobby"), two.pids(&"lobby")),
            (vec![a.pid()], vec![b.pid()])
        );
        assert_eq!(
            one.leave(&"lobby", b.pid()).await,
            Err(LeaveError::NotJoined)
        );
        let again = Rooms::start("one").await.map(drop);
        assert_eq!(again, Err(StartError::AlreadyStarted(one.pid().unwrap())));

        let none = Rooms::named("none");
        let no_scope = CallError::NoProc;
        let refused = none.join("lobby", &a.recipient()).await;
        assert_eq!(refused, Err(JoinError::Scope(no_scope.clone())));
        let refused = none.leave(&"lobby", a.pid()).await;
        assert_eq!(refused, Err(LeaveError::Scope(no_scope)));
        assert_eq!((none.pids(&"lobby"), none.which_groups()), (vec![], vec![]));
        assert_eq!(none.broadcast(&"lobby", 1), 0);
    });
}

#[test]
fn pg_006_a_scope_of_other_types_is_as_none() {
    on_both(|| async {
        let rooms = rooms().await;
        let a = member();
        join(&rooms, "lobby", &a).await;
        let other = Groups::<&'static str, String>::named("rooms");
        assert_eq!((other.pid(), other.pids(&"lobby")), (None, vec![]));
        let other = Groups::<u8, u32>::named("rooms");
        let refused = other.join(1, &a.recipient()).await;
        assert_eq!(refused, Err(JoinError::Scope(CallError::NoProc)));
        let taken = Groups::<u8, u32>::start("rooms").await.map(drop);
        assert_eq!(taken, Err(StartError::AlreadyStarted(rooms.pid().unwrap())));
    });
}

#[test]
fn pg_006_the_groups_end_with_their_scope_and_the_members_live_on() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let rooms = rooms().await;
            let a = member();
            for reason in [ExitReason::Kill, ExitReason::Shutdown, oops("crash")] {
                join(&rooms, "lobby", &a).await;
                assert_eq!(rooms.broadcast(&"lobby", 1), 1);
                monitor_name("rooms");
                exit(whereis("rooms").unwrap(), reason);
                expect_down(&mut inbox).await;
                // At the `Down` everything is gone.
                assert_eq!((rooms.pid(), rooms.pids(&"lobby")), (None, vec![]));
                assert_eq!(rooms.which_groups(), [""; 0]);
                Rooms::start("rooms").await.unwrap();
                assert_eq!(rooms.pids(&"lobby"), [], "nobody has joined the new one");
            }
            assert!(a.is_alive());
        })
    });
}

#[test]
fn pg_007_monitor_tells_of_changes_in_their_order() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            let (rooms, me) = (rooms().await, inbox.recipient());
            let (a, b) = (member(), member());
            join(&rooms, "lobby", &a).await;
            let (monitor, members) = rooms.monitor("lobby", &me).await.unwrap();
            assert_eq!(members, [a.pid()]);
            join(&rooms, "bar", &b).await;
            join(&rooms, "lobby", &b).await;
            rooms.leave(&"lobby", a.pid()).await.unwrap();
            rooms
                .join_all("lobby", [a.recipient(), a.recipient()])
                .await
                .unwrap();
            rooms.leave_all(&"lobby", [b.pid(), b.pid()]).await.unwrap();
            exit(a.pid(), ExitReason::Kill);
            for expected in [
                ("lobby", Joined, vec![b.pid()]),
                ("lobby", Left, vec![a.pid()]),
                ("lobby", Joined, vec![a.pid(); 2]),
                ("lobby", Left, vec![b.pid()]),
                ("lobby", Left, vec![a.pid(); 2]),
            ] {
                let event = inbox.recv().await;
                assert_eq!(event.monitor, monitor);
                assert_eq!(plain(event), expected);
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn pg_007_monitor_scope_tells_of_all_groups() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            let (rooms, me) = (rooms().await, inbox.recipient());
            let (a, b) = (member(), member());
            let (_, empty) = rooms.monitor_scope(&me).await.unwrap();
            assert_eq!(empty, BTreeMap::new());
            join(&rooms, "lobby", &a).await;
            assert_eq!(plain(inbox.recv().await), ("lobby", Joined, vec![a.pid()]));
            let (second, groups) = rooms.monitor_scope(&me).await.unwrap();
            assert_eq!(groups, BTreeMap::from([("lobby", vec![a.pid()])]));
            join(&rooms, "bar", &b).await;
            // Two monitors, two events.
            let events = [inbox.recv().await, inbox.recv().await];
            assert_ne!(events[0].monitor, events[1].monitor);
            assert!(events.iter().any(|event| event.monitor == second));
            for event in events {
                assert_eq!(plain(event), ("bar", Joined, vec![b.pid()]));
            }
        })
    });
}

#[test]
fn pg_007_a_slow_watcher_holds_the_scope_up_when_many_die_at_once() {
    on_both(|| async {
        let (rooms, log) = (rooms().await, Log::new());
        let all = crowd(&rooms).await;
        let policy = MailboxPolicy::bounded(4).when_full(Overflow::Slow);
        let (heard, opened) = (log.clone(), Arc::new(AtomicUsize::new(0)));
        let gate = opened.clone();
        let watcher = spawn_with(
            SpawnOptions::new().mailbox(policy),
            |mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
                while gate.load(Ordering::Relaxed) == 0 {
                    sleep(ms(1)).await;
                }
                loop {
                    heard.add(format!("{:?}", inbox.recv().await.pids));
                }
            },
        );
        rooms.monitor("lobby", &watcher.recipient()).await.unwrap();
        for dead in &all {
            exit(dead.pid(), ExitReason::Kill);
        }
        let waiting = || info(watcher.pid()).unwrap().mailbox;
        until(|| waiting() > 4).await;
        sleep(ms(20)).await;
        assert_eq!(waiting(), 5, "one more than there is room for");
        opened.store(1, Ordering::Relaxed);
        while log.len() < all.len() {
            sleep(ms(1)).await;
        }
        assert_eq!(rooms.pids(&"lobby"), []);
    });
}

#[test]
fn pg_007_whoever_hears_of_a_join_finds_the_member() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            let (rooms, me) = (rooms().await, inbox.recipient());
            rooms.monitor_scope(&me).await.unwrap();
            for _ in 0..20 {
                let rooms = rooms.clone();
                spawn(async move {
                    let a = member();
                    join(&rooms, "lobby", &a).await;
                });
            }
            for _ in 0..20 {
                let event = inbox.recv().await;
                assert!(rooms.pids(&"lobby").contains(&event.pids[0]));
            }
        })
    });
}

#[test]
fn pg_008_demonitor_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            let (rooms, me) = (rooms().await, inbox.recipient());
            let a = member();
            let (group, _) = rooms.monitor("lobby", &me).await.unwrap();
            let (scope, _) = rooms.monitor_scope(&me).await.unwrap();
            for monitor in [group, scope] {
                assert_eq!(rooms.demonitor(monitor).await, Ok(true));
                assert_eq!(rooms.demonitor(monitor).await, Ok(false));
            }
            join(&rooms, "lobby", &a).await;
            rooms.leave(&"lobby", a.pid()).await.unwrap();
            expect_nothing(&mut inbox).await;
            // One of another scope is unknown here, though its number is known.
            let (_, other) = (
                rooms.monitor("lobby", &me).await.unwrap(),
                Rooms::start("other").await.unwrap(),
            );
            let (foreign, _) = other.monitor("lobby", &me).await.unwrap();
            assert_eq!(rooms.demonitor(foreign).await, Ok(false));
            assert_eq!(other.demonitor(foreign).await, Ok(true));
        })
    });
}

/// A process that is a member, and watches.
enum Mixed {
    #[allow(dead_code)]
    Number(u32),
    Event(GroupEvent<&'static str>),
}

impl From<u32> for Mixed {
    fn from(n: u32) -> Mixed {
        Mixed::Number(n)
    }
}

impl From<GroupEvent<&'static str>> for Mixed {
    fn from(event: GroupEvent<&'static str>) -> Mixed {
        Mixed::Event(event)
    }
}

#[test]
fn pg_009_member_and_monitor_at_once_and_its_death_cleans_both() {
    on_both(|| async {
        let (rooms, log) = (rooms().await, Log::new());
        let noted = log.clone();
        let both = spawn(move |mut inbox: Mailbox<Mixed>| async move {
            loop {
                if let Mixed::Event(event) = inbox.recv().await {
                    let (own, many) = (event.pids[0] == self_pid(), event.pids.len());
                    noted.add(format!("{} {:?} {own} {many}", event.group, event.change));
                }
            }
        });
        let tell: Recipient<GroupEvent<&'static str>> = both.recipient();
        rooms.monitor("lobby", &tell).await.unwrap();
        rooms.monitor("bar", &tell).await.unwrap();
        rooms.monitor_scope(&tell).await.unwrap();
        rooms.join("lobby", &both.recipient()).await.unwrap();
        rooms.join("cellar", &both.recipient()).await.unwrap();
        until(|| log.len() == 3).await;
        let expected = [
            "lobby Joined true 1",
            "lobby Joined true 1",
            "cellar Joined true 1",
        ];
        assert_eq!(log.all(), expected);
        assert_eq!(info(rooms.pid().unwrap()).unwrap().monitors.len(), 1);

        exit(both.pid(), ExitReason::Kill);
        until(|| rooms.which_groups().is_empty()).await;
        let scope = rooms.pid().unwrap();
        let state = sys::get_status(scope).await.unwrap().state;
        assert_eq!(state.as_deref(), Some("0 groups, 0 processes, 0 monitors"));
        assert_eq!(info(scope).unwrap().monitors, []);
        join(&rooms, "lobby", &member()).await;
        assert_eq!(log.len(), 3);
    });
}

#[test]
fn pg_010_leave_racing_with_death() {
    on_both(|| async {
        let rooms = rooms().await;
        for round in 0..20 {
            let a = member();
            join(&rooms, "lobby", &a).await;
            exit(a.pid(), ExitReason::Kill);
            if round % 2 == 0 {
                yield_now().await;
            }
            let left = rooms.leave(&"lobby", a.pid()).await;
            assert!(
                matches!(left, Ok(()) | Err(LeaveError::NotJoined)),
                "{left:?}"
            );
            assert_eq!(rooms.pids(&"lobby"), []);
        }
        let scope = rooms.pid().unwrap();
        assert_eq!(info(scope).unwrap().monitors, []);
        // Whatever `Down` was on its way has done no harm.
        let a = member();
        join(&rooms, "lobby", &a).await;
        assert_eq!(rooms.pids(&"lobby"), [a.pid()]);
    });
}

#[test]
fn pg_011_reading_does_not_go_through_the_scope() {
    on_both(|| async {
        let rooms = Groups::<u32, u32>::start("many").await.unwrap();
        let a = member();
        const MANY: u32 = 10_000;
        for group in 0..MANY {
            // Awaited in the end: they are sent when they are first polled.
            let joining = rooms.join(group, &a.recipient());
            joining.await.unwrap();
        }
        sys::suspend(rooms.pid().unwrap()).await.unwrap();
        assert_eq!(rooms.which_groups().len(), MANY as usize);
        for group in 0..MANY {
            assert_eq!(rooms.pids(&group), [a.pid()]);
        }
        assert_eq!(rooms.broadcast(&77, 1), 1);
        sys::resume(rooms.pid().unwrap()).await.unwrap();
        exit(a.pid(), ExitReason::Kill);
        until(|| rooms.which_groups().is_empty()).await;
    });
}

#[test]
fn pg_011_a_herd_of_joins_and_readers() {
    on_both(|| async {
        let rooms = Groups::<u32, u32>::start("herd").await.unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for n in 0..100 {
            let (rooms, done) = (rooms.clone(), done.clone());
            spawn(|_: Mailbox<u32>| async move {
                let me = Sender::<u32>::from_pid(self_pid()).unwrap().recipient();
                for group in 0..10 {
                    rooms.join(group, &me).await.unwrap();
                    assert!(rooms.pids(&group).contains(&self_pid()));
                }
                if n % 2 == 0 {
                    rooms.leave(&3, self_pid()).await.unwrap();
                    assert!(!rooms.pids(&3).contains(&self_pid()));
                }
                done.fetch_add(1, Ordering::SeqCst);
                if n % 10 != 0 {
                    std::future::pending::<()>().await;
                }
            });
        }
        until(|| done.load(Ordering::SeqCst) == 100).await;
        until(|| rooms.pids(&0).len() == 90 && rooms.pids(&9).len() == 90).await;
        assert_eq!(rooms.pids(&3).len(), 50);
    });
}

// At the edges.

#[test]
fn broadcast_reaches_each_member_and_counts_who_took_it() {
    on_both(|| async {
        let (rooms, log) = (rooms().await, Log::new());
        let (a, b) = (logging(&log, "a"), logging(&log, "b"));
        let full = {
            let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
            let options = SpawnOptions::new().mailbox(policy);
            spawn_with(options, |inbox: Mailbox<u32>| async move {
                let _kept = inbox;
                std::future::pending::<()>().await;
            })
        };
        for member in [&a, &full, &b] {
            join(&rooms, "lobby", member).await;
        }
        assert_eq!(rooms.broadcast(&"lobby", 1), 3);
        assert_eq!(rooms.broadcast(&"lobby", 2), 2, "one is full");
        assert_eq!(rooms.broadcast_from(&"lobby", a.pid(), 3), 1);
        until(|| log.len() == 5).await;
        for name in ["a", "b"] {
            let own = log.all().into_iter().filter(|line| line.starts_with(name));
            let expected: &[&str] = if name == "a" {
                &["a 1", "a 2"]
            } else {
                &["b 1", "b 2", "b 3"]
            };
            assert_eq!(own.collect::<Vec<_>>(), expected);
        }
        let chosen = rooms.dispatch(&"lobby", |members| {
            members[2].send(9);
            members[2].pid()
        });
        assert_eq!(chosen, b.pid());
        until(|| log.contains("b 9")).await;
        assert_eq!(rooms.members(&"lobby")[0].recipient().pid(), Some(a.pid()));
    });
}

#[test]
fn a_reader_keeps_what_it_has_read() {
    on_both(|| async {
        let rooms = rooms().await;
        let (a, b) = (member(), member());
        join(&rooms, "lobby", &a).await;
        let (inside, outside) = (rooms.clone(), rooms.clone());
        let seen = rooms.dispatch(&"lobby", move |members| {
            // No lock is held here.
            assert_eq!(inside.which_groups(), ["lobby"]);
            assert_eq!(inside.pids(&"lobby"), [a.pid()]);
            members.to_vec()
        });
        join(&outside, "lobby", &b).await;
        assert_eq!(seen.len(), 1);
        assert_eq!(outside.pids(&"lobby").len(), 2);
    });
}

#[test]
fn a_recipient_of_a_name_nobody_holds_joins_nothing() {
    on_both(|| async {
        let groups = Groups::<&'static str, Plain>::start("plain").await.unwrap();
        let name = rekindle_actor::Name::<Probe>::new("absent");
        let refused = groups.join("lobby", &name.recipient()).await;
        assert_eq!(refused, Err(JoinError::NoMember));
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 0))
            .name("absent")
            .await
            .unwrap();
        groups.join("lobby", &name.recipient()).await.unwrap();
        assert_eq!(groups.pids(&"lobby"), [server.pid()]);
        groups.dispatch(&"lobby", |members| members[0].send(Plain::Note(3)));
        until(|| log.contains("info 3")).await;
    });
}

#[test]
fn a_watcher_that_dies_is_told_nothing_and_harms_nobody() {
    on_both(|| async {
        let rooms = rooms().await;
        for _ in 0..10 {
            let watcher = spawn(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
                inbox.recv().await;
            });
            rooms.monitor("lobby", &watcher.recipient()).await.unwrap();
            rooms.monitor_scope(&watcher.recipient()).await.unwrap();
            let a = member();
            join(&rooms, "lobby", &a).await;
            until(|| !is_alive(watcher.pid())).await;
            rooms.leave(&"lobby", a.pid()).await.unwrap();
        }
        let scope = rooms.pid().unwrap();
        until(|| info(scope).unwrap().monitors.is_empty()).await;
    });
}

#[test]
fn a_watcher_whose_conversion_panics_harms_nobody() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
            struct Touchy;
            impl From<GroupEvent<&'static str>> for Touchy {
                fn from(_: GroupEvent<&'static str>) -> Touchy {
                    panic!("not me")
                }
            }
            let (rooms, me) = (rooms().await, inbox.recipient());
            let touchy = spawn(|mut inbox: Mailbox<Touchy>| async move {
                inbox.recv().await;
            });
            rooms.monitor_scope(&touchy.recipient()).await.unwrap();
            rooms.monitor_scope(&me).await.unwrap();
            let a = member();
            join(&rooms, "lobby", &a).await;
            assert_eq!(plain(inbox.recv().await), ("lobby", Joined, vec![a.pid()]));
            assert!(touchy.is_alive());
        })
    });
}

#[test]
fn a_kill_of_the_scope_while_processes_join() {
    on_both(|| async {
        let rooms = rooms().await;
        let done = Log::new();
        for _ in 0..10 {
            let (rooms, done) = (rooms.clone(), done.clone());
            spawn(async move {
                let a = member();
                loop {
                    match rooms.join("lobby", &a.recipient()).await {
                        Ok(()) => yield_now().await,
                        Err(JoinError::Scope(CallError::Exited(ExitReason::Killed)))
                        | Err(JoinError::Scope(CallError::NoProc)) => break done.add("heard"),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        }
        sleep_a_little().await;
        exit(rooms.pid().unwrap(), ExitReason::Kill);
        until(|| done.len() == 10).await;
        assert_eq!(rooms.which_groups(), [""; 0]);
    });
}

async fn sleep_a_little() {
    for _ in 0..50 {
        yield_now().await;
    }
}

#[test]
fn the_scope_stops_with_whoever_it_is_linked_with() {
    on_both(|| async {
        let parent = spawn(|mut inbox: Mailbox<ExitReason>| async move {
            Rooms::start_link("linked").await.unwrap();
            inbox.recv().await
        });
        until(|| whereis("linked").is_some()).await;
        let rooms = Rooms::named("linked");
        sleep(ms(2)).await;
        join(&rooms, "lobby", &member()).await;
        parent.send(ExitReason::Shutdown);
        until(|| whereis("linked").is_none()).await;
        assert_eq!(rooms.pids(&"lobby"), []);
    });
}

#[test]
fn two_runtimes_have_scopes_of_their_own() {
    let (one, two) = (
        rekindle_actor::Runtime::simulated(1),
        rekindle_actor::Runtime::simulated(2),
    );
    let rooms = one.block_on(async {
        let rooms = rooms().await;
        join(&rooms, "lobby", &member()).await;
        rooms
    });
    let (same, rooms) = (rooms.clone(), rooms);
    let (groups, pid) = two.block_on(async move { (same.which_groups(), same.pid()) });
    assert_eq!((groups, pid), (vec![], None));
    assert_eq!(one.block_on(async move { rooms.which_groups() }), ["lobby"]);
}
