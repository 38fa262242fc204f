//! Tasks, agents, timers, registries and event managers at awkward moments. Each test says what
//! OTP or Elixir does and where that is written.

use std::time::Duration;

use rekindle_actor::{
    Agent, CallError, CallHandlerError, EventHandler, EventManager, ExitReason, GenEvent,
    GenServer, HandlerContext, HandlerExit, HandlerRef, HandlerStep, Info, ItemFailure, Mailbox,
    Name, OnTimeout, Reaction, RegistrationError, Registry, RegistryEvent, Removal, ReplyTo, Task,
    exit, exit_after, is_alive, kill_after, monitor, raise, register, self_pid, send_after,
    send_interval, sleep, spawn, trap_exit, unregister,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `Task.yield/2` and then `Task.shutdown/2`: a result that comes between the two is given by the
/// second, and nothing is left in the mailbox.
#[test]
fn a_result_that_comes_between_yield_and_shutdown_is_not_lost() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            let mut task = Task::spawn_nolink(async {
                sleep(ms(50)).await;
                7
            });
            assert_eq!(task.yield_for(ms(10)).await, None);
            sleep(ms(100)).await;
            assert_eq!(task.shutdown(ms(10)).await, Some(Ok(7)));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `Task.shutdown/2` of a task that has died: its reason, and once more is `noproc` by type: the
/// handle is gone.
#[test]
fn shutdown_of_a_task_that_has_crashed_tells_its_reason() {
    on_both(|| async {
        let task: Task<()> = Task::spawn_nolink(async { raise(oops("crash")) });
        let pid = task.pid().unwrap();
        until(|| !is_alive(pid)).await;
        assert_eq!(task.shutdown(ms(10)).await, Some(Err(oops("crash"))));
    });
}

/// `Task.shutdown/2`: a task that answers the order with another reason tells that; one that was
/// told and does not trap is `nil`, linked or not, and the owner lives.
#[test]
fn shutdown_tells_an_end_on_order_from_any_other() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let obedient: Task<()> = Task::spawn(std::future::pending());
            assert_eq!(obedient.shutdown(ms(100)).await, None);
            let moody: Task<()> = Task::spawn(async {
                trap_exit(true);
                std::future::pending().await
            });
            let pid = moody.pid().unwrap();
            until(|| rekindle_actor::info(pid).is_some_and(|info| info.traps_exits)).await;
            assert_eq!(
                moody.shutdown(Duration::from_secs(5)).await,
                Some(Err(ExitReason::Killed))
            );
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `Task.await/2` on a linked task that crashes: a caller that traps lives and has the reason from
/// the task, and one `Exit`.
#[test]
fn a_trapping_owner_has_the_reason_and_one_exit() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            let task: Task<()> = Task::spawn(async { raise(oops("crash")) });
            let pid = task.pid().unwrap();
            assert_eq!(task.await, Err(oops("crash")));
            let exit = expect_exit(&mut own).await;
            assert_eq!((exit.from, exit.reason), (pid, oops("crash")));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `Task.async/1`: the link goes both ways: an owner that dies takes its task along, one that ends
/// normally does not.
#[test]
fn a_task_dies_with_its_owner_unless_that_ends_well() {
    on_both(|| async {
        for (reason, lives) in [(oops("owner"), false), (ExitReason::Normal, true)] {
            let (tell, told) = std::sync::mpsc::channel();
            let owner = spawn(|mut inbox: Mailbox<ExitReason>| async move {
                let task: Task<()> = Task::spawn(std::future::pending());
                tell.send(task.pid().unwrap()).unwrap();
                let reason = inbox.recv().await;
                std::mem::forget(task);
                raise(reason)
            });
            owner.send(reason);
            until(|| !owner.is_alive()).await;
            let task = told.recv().unwrap();
            if lives {
                sleep(ms(5)).await;
                assert!(is_alive(task));
                exit(task, ExitReason::Kill);
            } else {
                until(|| !is_alive(task)).await;
            }
        }
    });
}

/// `Task.yield_many/2`, `on_timeout: :kill_task`: those that were late are dead when it returns,
/// also those that trap exits.
#[test]
fn yield_many_that_kills_has_killed_when_it_returns() {
    on_sim(|| async {
        let done = Task::spawn_nolink(async { 1 });
        let late = Task::spawn_nolink(async {
            trap_exit(true);
            std::future::pending::<i32>().await
        });
        let pid = late.pid().unwrap();
        let mut tasks = [done, late];
        let results = Task::yield_many(&mut tasks)
            .timeout(ms(50))
            .on_timeout(OnTimeout::Kill);
        assert_eq!(results.await, [Some(Ok(1)), None]);
        assert!(!is_alive(pid));
    });
}

/// `Task.async_stream/3` with `on_timeout: :kill_task`, `ordered: false` and `zip_input_on_exit`:
/// results as they come, the late with their input.
#[test]
fn an_unordered_stream_gives_the_late_with_their_input_in_their_time() {
    on_sim(|| async {
        let work = |n: u64| async move {
            sleep(ms(n)).await;
            n
        };
        let stream = Task::async_stream_nolink([80, 10, 500, 40], work)
            .max_concurrency(4)
            .unwrap()
            .unordered()
            .timeout(ms(60))
            .kill_on_timeout()
            .zip_input_on_exit();
        let results = stream.collect().await;
        let shown: Vec<_> = results
            .into_iter()
            .map(|result| match result {
                Ok(n) => (true, n),
                Err(error) => {
                    assert_eq!(error.failure, ItemFailure::Timeout(ms(60)));
                    (false, error.input.unwrap())
                }
            })
            .collect();
        assert_eq!(shown[..2], [(true, 10), (true, 40)]);
        let mut late = shown[2..].to_vec();
        late.sort_unstable();
        assert_eq!(late, [(false, 80), (false, 500)]);
    });
}

/// `Task.async_stream/3` (`ordered: true`): a slow first item holds the results back, not the
/// work: with two at a time the third begins when the second is done.
#[test]
fn an_ordered_stream_works_on_while_the_first_result_is_awaited() {
    on_sim(|| async {
        let log = Log::new();
        let begun = log.clone();
        let mut stream = Task::async_stream_nolink([100_u64, 10, 20], move |n| {
            let log = begun.clone();
            async move {
                log.add(format!("begin {n}"));
                sleep(ms(n)).await;
                log.add(format!("end {n}"));
                n
            }
        })
        .max_concurrency(2)
        .unwrap();
        assert_eq!(stream.next().await, Some(Ok(100)));
        let expected = [
            "begin 100",
            "begin 10",
            "end 10",
            "begin 20",
            "end 20",
            "end 100",
        ];
        let mut all = log.all();
        all[..2].sort_by_key(|event| event == "begin 10");
        assert_eq!(all, expected);
        assert_eq!(stream.next().await, Some(Ok(10)));
        assert_eq!(stream.next().await, Some(Ok(20)));
        assert_eq!(stream.next().await, None);
    });
}

/// `Task.Supervised.stream/7`: a consumer that dies in the middle leaves no task behind.
#[test]
fn a_consumer_that_dies_takes_its_unlinked_tasks_along() {
    on_sim(|| async {
        let drops = Drops::new();
        let counted = drops.clone();
        let consumer = spawn(async move {
            let stream = Task::async_stream_nolink(0..4, move |_| {
                let held = counted.counted();
                async move {
                    let _held = held;
                    std::future::pending::<()>().await
                }
            });
            stream.max_concurrency(4).unwrap().collect().await;
        });
        sleep(ms(10)).await;
        assert_eq!(drops.count(), 0);
        exit(consumer, ExitReason::Kill);
        sleep(ms(10)).await;
        assert_eq!(drops.count(), 4);
    });
}

/// `Agent.update/3` that crashes: its caller and all who wait in the queue hear the true reason.
#[test]
fn who_waits_behind_a_crashing_update_hears_why() {
    on_both(|| async {
        let agent = Agent::start(|| 1).await.unwrap();
        let pid = agent.pid().unwrap();
        rekindle_actor::sys::suspend(pid).await.unwrap();
        let (first, second) = (agent.clone(), agent.clone());
        let crash = Task::spawn_nolink(async move { first.update(|_| raise(oops("bad"))).await });
        until(|| rekindle_actor::info(pid).is_some_and(|info| info.mailbox == 1)).await;
        let behind = Task::spawn_nolink(async move { second.get(|n| *n).await });
        until(|| rekindle_actor::info(pid).is_some_and(|info| info.mailbox == 2)).await;
        rekindle_actor::sys::resume(pid).await.unwrap();
        let why = CallError::Exited(oops("bad"));
        assert_eq!(crash.await.unwrap(), Err(why.clone()));
        assert_eq!(behind.await.unwrap(), Err(why));
    });
}

/// `erlang:cancel_timer/1` and `read_timer/1`: after it has fired, and after it was cancelled,
/// there is nothing to read or cancel.
#[test]
fn a_timer_that_is_over_is_over_for_everybody() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<u8>| async move {
            let fired = send_after(ms(10), &own.recipient(), 1);
            assert_eq!(own.recv().await, 1);
            assert_eq!((fired.read(), fired.cancel()), (None, None));
            let timer = send_after(ms(10), &own.recipient(), 2);
            sleep(ms(4)).await;
            assert_eq!(timer.read(), Some(ms(6)));
            assert_eq!(timer.cancel(), Some(ms(6)));
            assert_eq!((timer.read(), timer.cancel()), (None, None));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `timer:cancel/1` of a timer that has fired does not take its message back.
#[test]
fn a_message_that_was_sent_cannot_be_cancelled() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<u8>| async move {
            let timer = send_after(ms(10), &own.recipient(), 1);
            sleep(ms(20)).await;
            assert_eq!(timer.cancel(), None);
            assert_eq!(own.try_recv(), Some(1));
        })
        .await;
    });
}

/// `timer:send_interval/2` for a receiver that is slow: the moments are multiples of the period,
/// and cancelling ends it also for one that lags behind.
#[test]
fn an_interval_does_not_drift_with_a_slow_receiver() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<u8>| async move {
            let begun = rekindle_actor::now();
            let interval = send_interval(ms(10), &own.recipient(), 0).unwrap();
            for n in 1..=3 {
                own.recv().await;
                assert_eq!(rekindle_actor::now().saturating_since(begun), ms(10 * n));
                sleep(ms(4)).await;
            }
            sleep(ms(30)).await;
            interval.cancel();
            while own.try_recv().is_some() {}
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `timer:exit_after/3` and `kill_after/2`: signals like any other: trapped, and not; and they can
/// be cancelled.
#[test]
fn exits_by_timer_are_signals_like_any_other() {
    on_sim(|| async {
        let trapping = Puppet::trapping().await;
        let _ = exit_after(ms(10), trapping.pid(), oops("timer"));
        let never = kill_after(ms(20), trapping.pid());
        sleep(ms(15)).await;
        never.cancel();
        sleep(ms(50)).await;
        let seen = trapping.seen().await;
        assert!(matches!(&seen[..], [Seen::Exit(_, reason)] if *reason == oops("timer")));
        let _ = kill_after(ms(10), trapping.pid());
        sleep(ms(20)).await;
        assert!(!trapping.is_alive());
    });
}

/// `erlang:send_after/3` to a name: whoever holds it when the time has come.
#[test]
fn a_timer_to_a_name_finds_the_holder_of_that_moment() {
    on_sim(|| async {
        let (one, two) = (Log::new(), Log::new());
        let first = Probe::start(Probe::plain(&one, 0))
            .name("post")
            .await
            .unwrap();
        let second = Probe::start(Probe::plain(&two, 0)).await.unwrap();
        let to = Name::<Probe>::new("post").recipient::<u32>();
        let _ = send_after(ms(10), &to, 7);
        unregister("post").unwrap();
        register("post", second.pid()).unwrap();
        sleep(ms(20)).await;
        first.call(Ask::Get).await.unwrap();
        second.call(Ask::Get).await.unwrap();
        assert_eq!(one.all(), ["init"]);
        assert_eq!(two.all(), ["init", "info 7"]);
    });
}

/// `Registry`, unique keys: of those who race for a key one has it; when it dies, whoever sees that
/// can have it.
#[test]
fn of_those_who_race_for_a_unique_key_one_has_it_until_its_end() {
    for partitions in [1, 4] {
        on_both(move || async move {
            with_inbox(move |mut own: Mailbox<()>| async move {
                let registry: Registry<&str, u32> = Registry::unique()
                    .partitions(partitions)
                    .start()
                    .await
                    .unwrap();
                let racers: Vec<Puppet> = (0..4).map(|_| Puppet::new()).collect();
                let mut winner = None;
                let mut held_by = Vec::new();
                for (n, racer) in racers.iter().enumerate() {
                    let registry = registry.clone();
                    let result = racer.run(move || registry.register("key", n as u32)).await;
                    match result {
                        Ok(()) => assert!(winner.replace(racer.clone()).is_none()),
                        Err(RegistrationError::AlreadyRegistered(pid)) => held_by.push(pid),
                        Err(other) => panic!("{other}"),
                    }
                }
                let winner = winner.unwrap();
                assert_eq!(held_by, [winner.pid(); 3]);
                monitor(winner.pid());
                winner.die(ExitReason::Normal);
                expect_down(&mut own).await;
                assert_eq!(registry.lookup("key").unwrap(), []);
                registry.register("key", 9).unwrap();
                assert_eq!(registry.whereis("key").unwrap(), Some(self_pid()));
            })
            .await;
        });
    }
}

/// `Registry`, listeners: told of what is done in the order in which it is done, and not of
/// updates and deaths.
#[test]
fn a_listener_hears_of_comings_and_goings_in_their_order() {
    on_both(|| async {
        with_inbox(
            |mut own: Mailbox<RegistryEvent<&'static str, u32>>| async move {
                let registry: Registry<&'static str, u32> = Registry::unique()
                    .listener(own.recipient())
                    .start()
                    .await
                    .unwrap();
                let holder = Puppet::new();
                let pid = holder.pid();
                let used = registry.clone();
                holder
                    .run(move || {
                        used.register("a", 1).unwrap();
                        used.update_value("a", |n| n + 1).unwrap();
                        used.unregister("a").unwrap();
                        used.register("a", 3).unwrap();
                        used.register("b", 4).unwrap();
                    })
                    .await;
                let mut heard = Vec::new();
                for _ in 0..4 {
                    heard.push(match own.recv().await {
                        RegistryEvent::Registered {
                            key,
                            pid: by,
                            value,
                            ..
                        } => {
                            assert_eq!(by, pid);
                            format!("+{key}{value}")
                        }
                        RegistryEvent::Unregistered { key, pid: by, .. } => {
                            assert_eq!(by, pid);
                            format!("-{key}")
                        }
                        _ => unreachable!(),
                    });
                }
                assert_eq!(heard, ["+a1", "-a", "+a3", "+b4"]);
                holder.die(ExitReason::Normal);
                until(|| !holder.is_alive()).await;
                expect_nothing(&mut own).await;
                assert_eq!(registry.count().unwrap(), 0);
            },
        )
        .await;
    });
}

/// `Registry.lock/3`: who waits and dies loses its place, and who holds and dies gives the lock to
/// the next.
#[test]
fn a_lock_goes_on_past_the_dead() {
    on_sim(|| async {
        let registry: Registry<&'static str, ()> = Registry::unique().start().await.unwrap();
        let log = Log::new();
        let want = |name: &'static str| {
            let (registry, log) = (registry.clone(), log.clone());
            spawn(async move {
                let own = log.clone();
                let work = || async move {
                    own.add(name);
                    std::future::pending::<()>().await
                };
                let _ = registry.lock("key", work).await;
            })
        };
        let holder = want("holder");
        sleep(ms(1)).await;
        let waiter = want("waiter");
        sleep(ms(1)).await;
        let next = want("next");
        sleep(ms(1)).await;
        exit(waiter, ExitReason::Kill);
        sleep(ms(1)).await;
        exit(holder, ExitReason::Kill);
        sleep(ms(1)).await;
        assert_eq!(log.all(), ["holder", "next"]);
        assert!(is_alive(next));
    });
}

/// A handler of numbers: it notes each with its name, and does what some mean.
struct Ear {
    log: Log,
    name: &'static str,
}

/// What an [`Ear`] is asked.
enum Word {
    Name(ReplyTo<&'static str>),
    Crash(ReplyTo<&'static str>),
}

const LEAVE: u32 = 100;
const CRASH: u32 = 200;

impl EventHandler for Ear {
    type Event = u32;
    type Args = (Log, &'static str);
    type Call = Word;
    type DeleteArgs = &'static str;
    type Output = String;

    async fn init(
        (log, name): Self::Args,
        _: &mut HandlerContext<Self>,
    ) -> Result<Self, ExitReason> {
        Ok(Ear { log, name })
    }

    async fn handle_event(&mut self, n: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
        self.log.add(format!("{}{n}", self.name));
        match *n {
            LEAVE if self.name == "a" => Ok(Reaction::Remove),
            CRASH if self.name == "a" => Err(oops("event")),
            _ => Ok(Reaction::Keep),
        }
    }

    async fn handle_call(&mut self, word: Word, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
        match word {
            Word::Name(from) => from.reply(self.name),
            Word::Crash(_from) => return Err(oops("call")),
        }
        Ok(Reaction::Keep)
    }

    async fn terminate(self, why: Removal<Self>, _: &mut HandlerContext<Self>) -> String {
        self.log.add(format!("{} {why:?}", self.name));
        match why {
            Removal::Deleted(args) => format!("{} for {args}", self.name),
            _ => String::new(),
        }
    }
}

async fn manager() -> (EventManager<u32>, Log) {
    (GenEvent::<u32>::start().await.unwrap(), Log::new())
}

async fn add(manager: &EventManager<u32>, log: &Log, name: &'static str) -> HandlerRef<Ear> {
    let adding = manager.add_handler::<Ear>((log.clone(), name)).id(name);
    adding.await.unwrap()
}

/// `gen_event:notify/2`: a handler that leaves or fails over an event misses the next, and the
/// others hear all of them, in order; nobody but the log is told.
#[test]
fn a_handler_that_leaves_in_the_middle_is_missed_by_nobody() {
    on_both(|| async {
        for last in [LEAVE, CRASH] {
            let (manager, log) = manager().await;
            add(&manager, &log, "a").await;
            add(&manager, &log, "b").await;
            for n in [1, last, 3] {
                manager.notify(n);
            }
            manager.sync_notify(4).await.unwrap();
            let of = |name: &str| -> Vec<String> {
                let all = log.all();
                all.into_iter()
                    .filter(|event| event.starts_with(name))
                    .collect()
            };
            assert_eq!(
                of("b"),
                ["b1".into(), format!("b{last}"), "b3".into(), "b4".into()]
            );
            assert_eq!(of("a").len(), 3, "{:?}", of("a"));
            assert_eq!(of("a")[..2], ["a1".to_owned(), format!("a{last}")]);
            assert_eq!(manager.which_handlers().await.unwrap().len(), 1);
        }
    });
}

/// `gen_event:call/3`: an unknown handler is `bad_module`, one that fails over the request is gone
/// and the caller told why, and the manager goes on.
#[test]
fn a_call_to_a_handler_tells_absence_from_failure() {
    on_both(|| async {
        let (manager, log) = manager().await;
        let ear = add(&manager, &log, "a").await;
        assert_eq!(manager.call(&ear, Word::Name).await, Ok("a"));
        let failed = manager.call(&ear, Word::Crash).await;
        assert_eq!(failed, Err(CallHandlerError::Failed(oops("call"))));
        let gone = manager.call(&ear, Word::Name).await;
        assert_eq!(gone, Err(CallHandlerError::BadHandler));
        let unknown = manager
            .call(&HandlerRef::<Ear>::by_id("b"), Word::Name)
            .await;
        assert_eq!(unknown, Err(CallHandlerError::BadHandler));
        manager.sync_notify(1).await.unwrap();
    });
}

/// `gen_event:delete_handler/3`: what terminate returns is given to who deletes, and events that
/// were sent before are handled before.
#[test]
fn a_deleted_handler_has_heard_what_was_said_before() {
    on_both(|| async {
        let (manager, log) = manager().await;
        let ear = add(&manager, &log, "a").await;
        manager.notify(1);
        manager.notify(2);
        let given = manager.delete_handler(&ear, "you").await.unwrap();
        manager.sync_notify(3).await.unwrap();
        assert_eq!(given, "a for you");
        assert_eq!(log.all(), ["a1", "a2", "a Deleted(..)"]);
    });
}

/// `gen_event:add_sup_handler/3`: the handler goes with the process that added it, and only that
/// one; the others stay, and terminate is told.
#[test]
fn a_supervised_handler_goes_with_its_owner() {
    on_both(|| async {
        let (manager, log) = manager().await;
        add(&manager, &log, "b").await;
        let (theirs, own) = (manager.clone(), log.clone());
        let owner = spawn(|mut inbox: Mailbox<Told>| async move {
            let adding = theirs
                .add_sup_handler::<Ear>((own, "a"), &tell(&inbox))
                .id("a");
            adding.await.unwrap();
            loop {
                if let Told::Die = inbox.recv().await {
                    raise(oops("owner"));
                }
            }
        });
        until(|| {
            let pid = manager.pid();
            rekindle_actor::info(owner.pid()).is_some_and(|info| info.monitored_by.contains(&pid))
        })
        .await;
        owner.send(Told::Die);
        until(|| log.len() > 0).await;
        manager.sync_notify(1).await.unwrap();
        let all = log.all();
        assert!(all[0].starts_with("a AdderExited"), "{all:?}");
        assert_eq!(all[1..], ["b1"]);
    });
}

enum Told {
    Die,
    Gone(HandlerExit),
}

impl From<HandlerExit> for Told {
    fn from(exit: HandlerExit) -> Told {
        Told::Gone(exit)
    }
}

fn tell(inbox: &Mailbox<Told>) -> rekindle_actor::Recipient<HandlerExit> {
    let pid = inbox.pid();
    rekindle_actor::Sender::<Told>::from_pid(pid)
        .unwrap()
        .recipient()
}

/// `gen_event_EXIT`: the owner hears once, and why: on purpose, by a failure, by the manager's end.
#[test]
fn the_owner_of_a_handler_hears_once_why_it_is_gone() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<Told>| async move {
            for how in ["delete", "crash", "stop"] {
                let (manager, log) = manager().await;
                let adding = manager.add_sup_handler::<Ear>((log, "a"), &tell(&own));
                let ear = adding.await.unwrap();
                let expected = match how {
                    "delete" => {
                        manager.delete_handler(&ear, "me").await.unwrap();
                        ExitReason::Normal
                    }
                    "crash" => {
                        manager.notify(CRASH);
                        oops("event")
                    }
                    _ => {
                        manager.stop().await.unwrap();
                        ExitReason::Shutdown
                    }
                };
                match own.next().await {
                    Info::Message(Told::Gone(exit)) => assert_eq!(exit.reason, expected, "{how}"),
                    _ => panic!("{how}"),
                }
                expect_nothing(&mut own).await;
            }
        })
        .await;
    });
}
