//! EVT: the event manager.

use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{
    AddHandlerError, CallError, CallHandlerError, DeleteHandlerError, EventHandler, EventManager,
    EventManagerName, ExitReason, GenEvent, HandlerContext, HandlerExit, HandlerRef,
    HandlerStateError, HandlerStep, HandlerSwap, Handlers, Handover, HandoverError, Info, Mailbox,
    MailboxPolicy, Never, Overflow, Reaction, Removal, ReplyTo, SendError, StartError, StopError,
    SwapHandlerError, SysError, exit, is_alive, link, monitor, recent_crashes, self_pid,
    send_after, sleep, spawn, sys, trap_exit, whereis,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

type Script = Arc<dyn Fn(&mut Tap, &mut HandlerContext<Tap>) -> HandlerStep<Tap> + Send + Sync>;

/// The events of the tests.
enum Event {
    Note(&'static str),
    Number(i64),
    /// Every `Tap` of this name runs the script.
    Run(&'static str, Script),
    /// Every `Tap` of this name waits that long in its callback.
    Wait(&'static str, Duration),
    Bomb(Bomb),
}

impl From<i64> for Event {
    fn from(n: i64) -> Event {
        Event::Number(n)
    }
}

impl From<&'static str> for Event {
    fn from(text: &'static str) -> Event {
        Event::Note(text)
    }
}

fn run(
    name: &'static str,
    f: impl Fn(&mut Tap, &mut HandlerContext<Tap>) -> HandlerStep<Tap> + Send + Sync + 'static,
) -> Event {
    Event::Run(name, Arc::new(f))
}

/// A handler that logs what it sees, and does as it is told.
#[derive(Clone)]
struct Tap {
    log: Log,
    name: &'static str,
    n: i64,
    deferred: Arc<parking_lot::Mutex<Vec<ReplyTo<i64>>>>,
}

/// How the init of a `Tap` goes.
#[derive(Clone)]
struct TapArgs {
    log: Log,
    name: &'static str,
    n: i64,
    init: fn(&mut HandlerContext<Tap>) -> Result<(), ExitReason>,
    delay: Duration,
}

fn tap(log: &Log, name: &'static str) -> TapArgs {
    TapArgs {
        log: log.clone(),
        name,
        n: 0,
        init: |_| Ok(()),
        delay: Duration::ZERO,
    }
}

type Once = Box<dyn FnOnce(&mut Tap, &mut HandlerContext<Tap>) -> HandlerStep<Tap> + Send>;

enum Ask {
    Get(ReplyTo<i64>),
    Add(i64),
    Defer(ReplyTo<i64>),
    Slow(Duration, ReplyTo<i64>),
    Run(Once, ReplyTo<i64>),
}

fn scripted(
    f: impl FnOnce(&mut Tap, &mut HandlerContext<Tap>) -> HandlerStep<Tap> + Send + 'static,
) -> impl FnOnce(ReplyTo<i64>) -> Ask {
    move |from| Ask::Run(Box::new(f), from)
}

impl EventHandler for Tap {
    type Event = Event;
    type Args = TapArgs;
    type Call = Ask;
    type DeleteArgs = &'static str;
    type Output = String;

    async fn init(args: TapArgs, cx: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
        let TapArgs {
            log,
            name,
            n,
            init,
            delay,
        } = args;
        log.add(format!("{name} init"));
        if !delay.is_zero() {
            sleep(delay).await;
        }
        init(cx)?;
        Ok(Tap {
            log,
            name,
            n,
            deferred: Arc::default(),
        })
    }

    async fn handle_event(
        &mut self,
        event: &Event,
        cx: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        match event {
            Event::Note(text) => self.log.add(format!("{} {text}", self.name)),
            Event::Number(n) => self.n += n,
            Event::Run(name, script) if *name == self.name => return script(self, cx),
            Event::Wait(name, time) if *name == self.name => sleep(*time).await,
            Event::Bomb(bomb) => self.log.add(format!("{} {}", self.name, bomb.0)),
            _ => {}
        }
        Ok(Reaction::Keep)
    }

    async fn handle_call(
        &mut self,
        request: Ask,
        cx: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        match request {
            Ask::Get(from) => from.reply(self.n),
            Ask::Add(n) => self.n += n,
            Ask::Defer(from) => self.deferred.lock().push(from),
            Ask::Slow(time, from) => {
                sleep(time).await;
                from.reply(self.n);
            }
            Ask::Run(script, from) => {
                let step = script(self, cx);
                from.reply(self.n);
                return step;
            }
        }
        Ok(Reaction::Keep)
    }

    async fn handle_info(
        &mut self,
        info: &Info<Event>,
        cx: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        match info {
            Info::Message(Event::Note(text)) => self.log.add(format!("{} info {text}", self.name)),
            Info::Message(Event::Run(name, script)) if *name == self.name => {
                return script(self, cx);
            }
            Info::Down(down) => self.log.add(format!("{} down {}", self.name, down.reason)),
            Info::Exit(exit) => self.log.add(format!("{} exit {}", self.name, exit.reason)),
            _ => {}
        }
        Ok(Reaction::Keep)
    }

    async fn terminate(self, why: Removal<Self>, _cx: &mut HandlerContext<Self>) -> String {
        let text = match &why {
            Removal::Deleted(args) | Removal::Swapped(args) => (*args).to_owned(),
            Removal::Asked => "asked".to_owned(),
            Removal::Failed(reason) => format!("failed {reason:?}"),
            Removal::AdderExited(reason) => format!("adder {reason}"),
            Removal::ManagerStops(reason) => format!("stop {reason}"),
            _ => "?".to_owned(),
        };
        if text.contains("panic in terminate") {
            panic!("terminate!");
        }
        self.log.add(format!("{} terminate {text}", self.name));
        format!("{} had {}", self.name, self.n)
    }

    fn hibernate(&mut self) {
        if self.n == i64::MAX {
            panic!("hibernate!");
        }
        self.log.add(format!("{} hibernate", self.name));
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("n = {}", self.n))
    }
}

/// A handler of another type: adds up, and starts from what it is given.
#[derive(Debug, Clone, PartialEq)]
struct Sum(i64);

impl EventHandler for Sum {
    type Event = Event;
    type Args = i64;
    type Call = ReplyTo<String>;
    type DeleteArgs = ();
    type Output = i64;

    async fn init(n: i64, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
        if n < 0 {
            Err(oops("negative"))
        } else {
            Ok(Sum(n))
        }
    }

    async fn handle_event(
        &mut self,
        event: &Event,
        _: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        if let Event::Number(n) = event {
            self.0 += n;
        }
        Ok(Reaction::Keep)
    }

    async fn handle_call(
        &mut self,
        from: ReplyTo<String>,
        _: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        from.reply(format!("sum {}", self.0));
        Ok(Reaction::Keep)
    }

    async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> i64 {
        self.0
    }
}

async fn manager() -> EventManager<Event> {
    GenEvent::start().await.expect("it starts")
}

async fn names(manager: &EventManager<Event>) -> Vec<String> {
    let entries = manager.which_handlers().await.expect("it lives");
    entries.iter().map(ToString::to_string).collect()
}

async fn add(manager: &EventManager<Event>, args: TapArgs) -> HandlerRef<Tap> {
    manager.add_handler(args).await.expect("it is added")
}

// Start and stop.

#[test]
fn evt_001_start_names_and_stop() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let plain = GenEvent::<Event>::start().await.unwrap();
            assert_eq!(links_of(plain.pid()), []);
            let linked = GenEvent::<Event>::start_link()
                .name("events")
                .await
                .unwrap();
            assert_eq!(links_of(linked.pid()), [self_pid()]);
            assert_eq!(whereis("events"), Some(linked.pid()));
            assert_eq!(EventManager::whereis("events"), Some(linked.clone()));
            assert_eq!(EventManager::<String>::whereis("events"), None);

            let again = GenEvent::<Event>::start_link().name("events").await;
            assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(linked.pid()));
            let other = GenEvent::<String>::start().name("events").await;
            assert_eq!(other.unwrap_err(), StartError::AlreadyStarted(linked.pid()));

            let (watched, reference) = GenEvent::<Event>::start_monitor().await.unwrap();
            watched.stop().reason(ExitReason::Shutdown).await.unwrap();
            let down = expect_down(&mut inbox).await;
            assert_eq!(
                (down.reference, down.reason),
                (reference, ExitReason::Shutdown)
            );

            linked.stop().await.unwrap();
            assert_eq!((whereis("events"), linked.is_alive()), (None, false));
            assert_eq!(linked.stop().await, Err(StopError::NoProc));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn evt_001_a_manager_may_start_with_handlers() {
    on_both(|| async {
        let log = Log::new();
        let manager = GenEvent::start()
            .handler::<Sum>(3)
            .handler_with_id::<Tap>("t", tap(&log, "t"))
            .await
            .unwrap();
        assert_eq!(names(&manager).await, ["Tap \"t\"", "Sum"]);
        let sum = HandlerRef::<Sum>::of_type();
        assert_eq!(
            manager.call(&sum, |from| from).await.as_deref(),
            Ok("sum 3")
        );

        let failed = GenEvent::start()
            .name("events")
            .handler::<Tap>(tap(&log, "first"))
            .handler::<Sum>(-1)
            .await;
        assert_eq!(failed.unwrap_err(), StartError::Failed(oops("negative")));
        assert_eq!(whereis("events"), None);
        assert!(log.contains("first terminate stop negative"));
    });
}

// Handlers come and go.

#[test]
fn evt_002_add_handler_runs_init_in_the_manager() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let mut args = tap(&log, "a");
        args.delay = ms(2);
        let handler = add(&manager, args).await;
        assert_eq!(log.all(), ["a init"]);
        assert_eq!(manager.call(&handler, Ask::Get).await, Ok(0));
    });
}

#[test]
fn evt_002_a_failed_init_adds_nothing() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let mut args = tap(&log, "a");
        args.init = |_| Err(oops("no disk"));
        let failed = manager.add_handler::<Tap>(args.clone()).await;
        assert_eq!(failed, Err(AddHandlerError::Failed(oops("no disk"))));
        args.init = |_| panic!("init!");
        let failed = manager.add_handler::<Tap>(args.clone()).id("x").await;
        let Err(AddHandlerError::Failed(ExitReason::Panic(panic))) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(panic.message, "init!");
        args.init = |_| rekindle_actor::raise(ExitReason::Normal);
        let failed = manager.add_handler::<Tap>(args).await;
        assert_eq!(failed, Err(AddHandlerError::Failed(ExitReason::Normal)));
        assert_eq!(names(&manager).await, [""; 0]);
        manager
            .add_handler::<Tap>(tap(&log, "b"))
            .id("x")
            .await
            .unwrap();
    });
}

#[test]
fn evt_003_handlers_of_one_type_newest_first() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let one = manager
            .add_handler::<Tap>(tap(&log, "1"))
            .id("one")
            .await
            .unwrap();
        manager.add_handler::<Sum>(0).id("one").await.unwrap();
        manager
            .add_handler::<Tap>(tap(&log, "2"))
            .id("two")
            .await
            .unwrap();
        add(&manager, tap(&log, "3")).await;
        add(&manager, tap(&log, "4")).await;
        assert_eq!(
            names(&manager).await,
            ["Tap", "Tap", "Tap \"two\"", "Sum \"one\"", "Tap \"one\""]
        );
        let taken = manager.add_handler::<Tap>(tap(&log, "x")).id("one").await;
        let Err(AddHandlerError::AlreadyAdded(entry)) = taken else {
            panic!("{taken:?}");
        };
        assert!(one.is(&entry) && entry.is::<Tap>() && entry.id() == Some("one"));
        assert!(!log.contains("x init"));

        manager.sync_notify("e".into()).await.unwrap();
        let seen = log.all().into_iter().filter(|line| line.ends_with(" e"));
        assert_eq!(seen.collect::<Vec<_>>(), ["4 e", "3 e", "2 e", "1 e"]);
        let newest = HandlerRef::<Tap>::of_type();
        assert_eq!(
            manager.delete_handler(&newest, "d").await.as_deref(),
            Ok("4 had 0")
        );
        let two = HandlerRef::<Tap>::by_id("two");
        assert_eq!(
            manager.delete_handler(&two, "d").await.as_deref(),
            Ok("2 had 0")
        );
    });
}

#[test]
fn evt_004_notify_reaches_every_handler_once_and_in_order() {
    on_both(|| async {
        let (one, two, manager) = (Log::new(), Log::new(), manager().await);
        add(&manager, tap(&one, "a")).await;
        add(&manager, tap(&two, "b")).await;
        const TEXTS: [&str; 5] = ["0", "1", "2", "3", "4"];
        manager.notify(Event::Wait("a", ms(3)));
        for text in TEXTS {
            manager.notify(text.into());
        }
        // `notify` has returned although the manager is held up.
        assert!(!one.contains("a 0"));
        manager.sync_notify("end".into()).await.unwrap();
        let expected = |name: &str| {
            let texts = TEXTS.iter().chain(&["end"]);
            let mut all = vec![format!("{name} init")];
            all.extend(texts.map(|text| format!("{name} {text}")));
            all
        };
        assert_eq!((one.all(), two.all()), (expected("a"), expected("b")));
    });
}

#[test]
fn evt_004_events_to_the_dead_vanish_and_try_notify_tells() {
    on_both(|| async {
        let manager = manager().await;
        manager.stop().await.unwrap();
        manager.notify("lost".into());
        let Err(SendError::NoProc(Event::Note("back"))) = manager.try_notify("back".into()) else {
            panic!("the event comes back");
        };
        let gone = manager.sync_notify("lost".into()).await;
        assert_eq!(gone, Err(CallError::NoProc));
        let gone = manager.add_handler::<Sum>(0).await;
        assert_eq!(gone, Err(AddHandlerError::Manager(CallError::NoProc)));
    });
}

#[test]
fn evt_005_sync_notify_returns_after_all_handlers() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        for name in ["a", "b", "c"] {
            add(&manager, tap(&log, name)).await;
        }
        manager.sync_notify(Event::Wait("b", ms(3))).await.unwrap();
        manager.sync_notify("e".into()).await.unwrap();
        assert_eq!(log.all()[3..], ["c e", "b e", "a e"]);
        let late = manager
            .sync_notify(Event::Wait("a", ms(50)))
            .timeout(ms(5))
            .await;
        assert_eq!(late, Err(CallError::Timeout(ms(5))));
    });
}

#[test]
fn evt_006_call_is_answered_by_that_handler_only() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let mut args = tap(&log, "a");
        args.n = 1;
        let a = add(&manager, args.clone()).await;
        args.n = 2;
        let b = manager.add_handler::<Tap>(args).id("b").await.unwrap();
        let sum = manager.add_handler::<Sum>(3).await.unwrap();
        assert_eq!(manager.call(&a, Ask::Get).await, Ok(1));
        assert_eq!(manager.call(&b, Ask::Get).await, Ok(2));
        assert_eq!(
            manager.call(&HandlerRef::<Tap>::by_id("b"), Ask::Get).await,
            Ok(2)
        );
        assert_eq!(
            manager.call(&HandlerRef::<Tap>::of_type(), Ask::Get).await,
            Ok(1)
        );
        assert_eq!(
            manager.call(&sum, |from| from).await.as_deref(),
            Ok("sum 3")
        );

        let bad = manager
            .call(&HandlerRef::<Tap>::by_id("no"), Ask::Get)
            .await;
        assert_eq!(bad, Err(CallHandlerError::BadHandler));
        let bad = manager
            .call(&HandlerRef::<Sum>::by_id("b"), |from| from)
            .await;
        assert_eq!(bad, Err(CallHandlerError::BadHandler));
        manager.delete_handler(&a, "gone").await.unwrap();
        let bad = manager.call(&a, Ask::Get).await;
        assert_eq!(bad, Err(CallHandlerError::BadHandler));

        let slow = |from| Ask::Slow(ms(50), from);
        let late = manager.call(&b, slow).timeout(ms(5)).await;
        assert_eq!(
            late,
            Err(CallHandlerError::Manager(CallError::Timeout(ms(5))))
        );
    });
}

#[test]
fn evt_006_an_answer_may_come_later_and_from_elsewhere() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        let (caller, handler) = (manager.clone(), a.clone());
        let noted = log.clone();
        spawn(async move {
            let answer = caller.call(&handler, Ask::Defer).await;
            noted.add(format!("{answer:?}"));
        });
        // The manager goes on meanwhile.
        let state = loop {
            let state = manager.get_state(&a).await.unwrap();
            if !state.deferred.lock().is_empty() {
                break state;
            }
            rekindle_actor::yield_now().await;
        };
        manager.sync_notify("e".into()).await.unwrap();
        let from = state.deferred.lock().pop().unwrap();
        spawn(async move { from.reply(9) });
        until(|| log.contains("Ok(9)")).await;
    });
}

#[test]
fn evt_007_delete_handler_gives_what_terminate_returns() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        manager.notify(4.into());
        let output = manager.delete_handler(&a, "bye").await;
        assert_eq!(output.as_deref(), Ok("a had 4"));
        assert_eq!(log.all(), ["a init", "a terminate bye"]);
        let again = manager.delete_handler(&a, "bye").await;
        assert_eq!(again, Err(DeleteHandlerError::NotFound));
        let unknown = manager
            .delete_handler(&HandlerRef::<Sum>::of_type(), ())
            .await;
        assert_eq!(unknown, Err(DeleteHandlerError::NotFound));
    });
}

#[test]
fn evt_007_a_panic_in_terminate_is_told_and_harms_nobody() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        let sum = manager.add_handler::<Sum>(1).await.unwrap();
        let failed = manager.delete_handler(&a, "panic in terminate").await;
        assert!(
            matches!(&failed, Err(DeleteHandlerError::Failed(reason)) if reason.is_panic()),
            "{failed:?}"
        );
        assert_eq!(names(&manager).await, ["Sum"]);
        assert_eq!(manager.delete_handler(&sum, ()).await, Ok(1));
    });
}

#[test]
fn evt_008_a_handler_asks_for_its_own_removal() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        for name in ["event", "info", "stays"] {
            add(&manager, tap(&log, name)).await;
        }
        let caller = manager
            .add_handler::<Tap>(tap(&log, "call"))
            .id("c")
            .await
            .unwrap();
        manager.notify(run("event", |_, _| Ok(Reaction::Remove)));
        manager.send(run("info", |_, _| Ok(Reaction::Remove)));
        let answer = manager
            .call(&caller, scripted(|_, _| Ok(Reaction::Remove)))
            .await;
        assert_eq!(answer, Ok(0), "it answered before it went");
        for name in ["event", "info", "call"] {
            assert!(log.contains(&format!("{name} terminate asked")));
        }
        manager.sync_notify("e".into()).await.unwrap();
        let seen = log.all().into_iter().filter(|line| line.ends_with(" e"));
        assert_eq!(seen.collect::<Vec<_>>(), ["stays e"]);
    });
}

#[test]
fn evt_009_a_handler_that_fails_is_removed_and_the_rest_go_on() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        for name in ["first", "error", "panic", "raise", "info", "last"] {
            add(&manager, tap(&log, name)).await;
        }
        let called = manager
            .add_handler::<Tap>(tap(&log, "call"))
            .id("c")
            .await
            .unwrap();
        manager.notify(run("error", |_, _| Err(oops("bad"))));
        manager.notify(run("panic", |_, _| panic!("worse")));
        manager.notify(run("raise", |_, _| {
            rekindle_actor::raise(ExitReason::Normal)
        }));
        manager.send(run("info", |_, _| Err(oops("info"))));
        let failed = manager.call(&called, |from| {
            Ask::Run(Box::new(|_, _| panic!("over a call")), from)
        });
        let failed = failed.await;
        assert!(
            matches!(&failed, Err(CallHandlerError::Failed(reason)) if reason.is_panic()),
            "{failed:?}"
        );
        manager.sync_notify("e".into()).await.unwrap();
        for line in [
            "error terminate failed Error(Message(\"bad\"))",
            "panic terminate failed Panic(\"worse\")",
            "raise terminate failed Normal",
            "info terminate failed Error(Message(\"info\"))",
            "call terminate failed Panic(\"over a call\")",
        ] {
            assert!(log.contains(line), "{line} in {:?}", log.all());
        }
        assert_eq!(
            log.all().into_iter().rev().take(2).collect::<Vec<_>>(),
            ["first e", "last e"]
        );
        assert_eq!(recent_crashes().len(), 0, "no process has crashed");
    });
}

#[test]
fn evt_010_swap_handler_hands_the_old_ones_result_over() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let sum = manager.add_handler::<Sum>(0).await.unwrap();
        manager.notify(41.into());
        let args = tap(&log, "new");
        let tap = manager
            .swap_handler::<Sum, Tap>(&sum, (), move |handed| TapArgs {
                n: handed.expect("it is there") + 1,
                ..args
            })
            .id("heir")
            .await
            .unwrap();
        assert_eq!(manager.call(&tap, Ask::Get).await, Ok(42));
        assert_eq!(names(&manager).await, ["Tap \"heir\""]);
        let bad = manager.call(&sum, |from| from).await;
        assert_eq!(bad, Err(CallHandlerError::BadHandler));
    });
}

#[test]
fn evt_010_swap_without_an_old_one_and_with_a_failing_new_one() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let nobody = HandlerRef::<Tap>::by_id("nobody");
        let new = manager.swap_handler::<Tap, Sum>(&nobody, "args", |handed| {
            assert_eq!(handed, Err(HandoverError::NotFound));
            7
        });
        let new = new.await.unwrap();
        assert_eq!(
            manager.call(&new, |from| from).await.as_deref(),
            Ok("sum 7")
        );

        let a = add(&manager, tap(&log, "a")).await;
        let failed = manager
            .swap_handler::<Tap, Sum>(&a, "swapped", |_| -1)
            .await;
        assert_eq!(failed, Err(SwapHandlerError::Failed(oops("negative"))));
        assert!(log.contains("a terminate swapped"));
        assert_eq!(
            names(&manager).await,
            ["Sum"],
            "neither of the two is there"
        );

        let b = add(&manager, tap(&log, "b")).await;
        let failed = manager.swap_handler::<Tap, Sum>(&b, "swapped", |_| panic!("make"));
        let failed = failed.await;
        assert!(matches!(&failed, Err(SwapHandlerError::Failed(r)) if r.is_panic()));

        let c = add(&manager, tap(&log, "c")).await;
        let swapped = manager.swap_handler::<Tap, Sum>(&c, "panic in terminate", |handed| {
            assert!(matches!(handed, Err(HandoverError::Failed(reason)) if reason.is_panic()));
            5
        });
        let swapped = swapped.await.unwrap();
        assert_eq!(manager.delete_handler(&swapped, ()).await, Ok(5));
    });
}

#[test]
fn evt_010_a_swap_to_an_id_that_is_taken_does_nothing() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = manager
            .add_handler::<Tap>(tap(&log, "a"))
            .id("a")
            .await
            .unwrap();
        let b = manager
            .add_handler::<Tap>(tap(&log, "b"))
            .id("b")
            .await
            .unwrap();
        let args = tap(&log, "x");
        let refused = manager
            .swap_handler::<Tap, Tap>(&a, "no", move |_| args)
            .id("b")
            .await;
        let Err(SwapHandlerError::AlreadyAdded(entry)) = refused else {
            panic!("{refused:?}");
        };
        assert!(b.is(&entry));
        assert_eq!(log.all(), ["a init", "b init"]);
        // Its own id is free for its successor.
        let args = tap(&log, "x");
        let new = manager
            .swap_handler::<Tap, Tap>(&a, "yes", move |_| args)
            .id("a")
            .await;
        assert!(new.is_ok());
        assert_eq!(names(&manager).await, ["Tap \"a\"", "Tap \"b\""]);
    });
}

#[test]
fn evt_011_a_handler_swaps_itself_in_its_place() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let becomes = |_: &mut Tap, _: &mut HandlerContext<Tap>| -> HandlerStep<Tap> {
            Ok(Reaction::Swap(HandlerSwap::to::<Sum>(
                "swap",
                |handed: Handover<Tap>| handed.map_or(0, |text| text.len() as i64),
            )))
        };
        add(&manager, tap(&log, "below")).await;
        add(&manager, tap(&log, "event")).await;
        add(&manager, tap(&log, "info")).await;
        let called = manager
            .add_handler::<Tap>(tap(&log, "call"))
            .id("c")
            .await
            .unwrap();
        manager
            .add_handler::<Tap>(tap(&log, "above"))
            .id("above")
            .await
            .unwrap();
        manager.notify(run("event", becomes));
        manager.send(run("info", becomes));
        assert_eq!(manager.call(&called, scripted(becomes)).await, Ok(0));
        assert_eq!(
            names(&manager).await,
            ["Tap \"above\"", "Sum", "Sum", "Sum", "Tap"]
        );
        for name in ["event", "info", "call"] {
            assert!(log.contains(&format!("{name} terminate swap")));
        }
        // "event had 0" is eleven letters long.
        let sums: Vec<_> = manager.get_states().await.unwrap();
        assert_eq!(sums.len(), 5);
        let all = sys::with_state(manager.pid(), |handlers: &mut Handlers<Event>| {
            handlers
                .iter_mut::<Sum>()
                .map(|(_, sum)| sum.0)
                .collect::<Vec<_>>()
        });
        assert_eq!(all.await, Ok(vec![10, 10, 11]));
    });
}

#[test]
fn evt_011_a_swap_that_fails_costs_the_place() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "a")).await;
        add(&manager, tap(&log, "b")).await;
        manager.notify(run("b", |_, _| {
            Ok(Reaction::Swap(HandlerSwap::to::<Sum>("swap", |_| -1)))
        }));
        manager.sync_notify("e".into()).await.unwrap();
        assert_eq!(names(&manager).await, ["Tap"]);
        assert_eq!(log.all()[2..], ["b terminate swap", "a e"]);
    });
}

// Supervised handlers.

#[test]
fn evt_012_the_adder_hears_why_its_handler_is_gone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let (log, manager, me) = (Log::new(), manager().await, inbox.recipient());
            let adding = |name| manager.add_sup_handler::<Tap>(tap(&log, name), &me);

            let a = adding("a").id("a").await.unwrap();
            let entry = manager.which_handlers().await.unwrap().remove(0);
            assert_eq!(entry.adder(), Some(self_pid()));
            manager.delete_handler(&a, "bye").await.unwrap();
            let heard = inbox.recv().await;
            assert!(a.is(&heard.handler) && heard.handler.id() == Some("a"));
            assert_eq!(
                (heard.manager, heard.reason),
                (manager.pid(), ExitReason::Normal)
            );
            assert_eq!(heard.successor, None);

            adding("b").await.unwrap();
            manager.notify(run("b", |_, _| Ok(Reaction::Remove)));
            assert_eq!(inbox.recv().await.reason, ExitReason::Normal);

            adding("c").await.unwrap();
            manager.notify(run("c", |_, _| Err(oops("bad"))));
            assert_eq!(inbox.recv().await.reason, oops("bad"));

            let d = adding("d").await.unwrap();
            let sum = manager
                .swap_handler::<Tap, Sum>(&d, "swap", |_| 0)
                .await
                .unwrap();
            let heard = inbox.recv().await;
            assert_eq!(heard.reason, ExitReason::Normal);
            let successor = heard.successor.expect("another took its place");
            assert!(sum.is(&successor) && successor.adder() == Some(self_pid()));

            // The successor is supervised as well.
            manager.stop().reason(oops("over")).await.unwrap();
            let heard = inbox.recv().await;
            assert!(sum.is(&heard.handler));
            assert_eq!(heard.reason, ExitReason::Shutdown);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn evt_012_the_end_of_the_adder_removes_the_handler() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "stays")).await;
        for (name, reason, line) in [
            ("a", ExitReason::Normal, "a terminate adder normal"),
            ("b", oops("crash"), "b terminate adder crash"),
            ("c", ExitReason::Killed, "c terminate adder killed"),
        ] {
            let (manager, args) = (manager.clone(), tap(&log, name));
            let adder = spawn(move |mut inbox: Mailbox<Mortal>| async move {
                manager
                    .add_sup_handler::<Tap>(args, &to(&inbox))
                    .await
                    .unwrap();
                match inbox.recv().await {
                    Mortal::Die(reason) => reason,
                    Mortal::Heard(exit) => exit.reason,
                }
            });
            let added = format!("{name} init");
            until(|| log.contains(&added)).await;
            match reason {
                ExitReason::Killed => exit(adder.pid(), ExitReason::Kill),
                reason => adder.send(Mortal::Die(reason)),
            }
            until(|| log.contains(line)).await;
        }
        assert_eq!(names(&manager).await, ["Tap"]);
        // Nobody saw the end of the adders as an info.
        assert!(!log.all().iter().any(|line| line.contains("down")));
    });
}

enum Mortal {
    Die(ExitReason),
    Heard(HandlerExit),
}

impl From<HandlerExit> for Mortal {
    fn from(exit: HandlerExit) -> Mortal {
        Mortal::Heard(exit)
    }
}

fn to(inbox: &Mailbox<Mortal>) -> rekindle_actor::Recipient<HandlerExit> {
    rekindle_actor::Sender::<Mortal>::from_pid(inbox.pid())
        .unwrap()
        .recipient()
}

#[test]
fn evt_012_swap_sup_handler_changes_who_supervises() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let (log, manager, me) = (Log::new(), manager().await, inbox.recipient());
            let a = manager
                .add_sup_handler::<Tap>(tap(&log, "a"), &me)
                .await
                .unwrap();
            let (theirs, first) = (manager.clone(), a.clone());
            let (noted, swapping) = (log.clone(), log.clone());
            let other = spawn(move |mut inbox: Mailbox<HandlerExit>| async move {
                let tell = inbox.recipient();
                let args = tap(&swapping, "b");
                theirs
                    .swap_sup_handler::<Tap, Tap>(&first, "swap", move |_| args, &tell)
                    .await
                    .unwrap();
                let exit = inbox.recv().await;
                noted.add(format!("other heard {}", exit.reason));
            });
            let heard = inbox.recv().await;
            assert_eq!(heard.reason, ExitReason::Normal);
            assert_eq!(heard.successor.and_then(|s| s.adder()), Some(other.pid()));
            manager.notify(run("b", |_, _| Err(oops("bad"))));
            until(|| log.contains("other heard bad")).await;
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn evt_012_a_killed_manager_is_heard_of_too() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let (log, manager, me) = (Log::new(), manager().await, inbox.recipient());
            manager
                .add_sup_handler::<Tap>(tap(&log, "a"), &me)
                .await
                .unwrap();
            manager.add_handler::<Tap>(tap(&log, "b")).await.unwrap();
            exit(manager.pid(), ExitReason::Kill);
            let heard = inbox.recv().await;
            assert_eq!(
                (heard.manager, heard.reason),
                (manager.pid(), ExitReason::Killed)
            );
            expect_nothing(&mut inbox).await;
            assert_eq!(log.all(), ["a init", "b init"], "no terminate after a kill");
        })
    });
}

#[test]
fn evt_012_a_kill_in_the_middle_of_a_removal_is_heard_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            struct Slow;
            impl EventHandler for Slow {
                type Event = Event;
                type Args = ();
                type Call = Never;
                type DeleteArgs = ();
                type Output = ();
                async fn init(_: (), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
                    Ok(Slow)
                }
                async fn handle_event(
                    &mut self,
                    _: &Event,
                    _: &mut HandlerContext<Self>,
                ) -> HandlerStep<Self> {
                    Ok(Reaction::Remove)
                }
                async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) {
                    std::future::pending().await
                }
            }
            let manager = manager().await;
            manager
                .add_sup_handler::<Slow>((), &inbox.recipient())
                .await
                .unwrap();
            manager.notify("go".into());
            let asked = manager.which_handlers().timeout(ms(5)).await;
            assert_eq!(
                asked,
                Err(CallError::Timeout(ms(5))),
                "it hangs in the terminate"
            );
            exit(manager.pid(), ExitReason::Kill);
            assert_eq!(inbox.recv().await.reason, ExitReason::Killed);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn evt_012_only_a_process_can_supervise() {
    let runtime = rekindle_actor::Runtime::simulated(3);
    let (manager, me) = runtime.block_on(async {
        let manager = manager().await;
        let sink = spawn(|mut inbox: Mailbox<HandlerExit>| async move {
            inbox.recv().await;
        });
        (manager, sink.recipient::<HandlerExit>())
    });
    // Made outside of any process, and awaited inside of one: whoever awaits it adds it.
    let outside = IntoFuture::into_future(manager.add_sup_handler::<Sum>(0, &me));
    let refused = runtime.block_on(outside);
    assert_eq!(refused, Err(AddHandlerError::NoAdder));
}

// The rest of what comes.

#[test]
fn evt_013_plain_messages_go_to_every_handlers_info() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "a")).await;
        manager.add_handler::<Sum>(0).await.unwrap();
        add(&manager, tap(&log, "b")).await;
        manager.send("hello");
        manager.recipient::<&'static str>().send("again");
        send_after(ms(1), &manager.recipient(), "later");
        sleep(ms(5)).await;
        until(|| log.contains("a info later")).await;
        let expected = [
            "b info hello",
            "a info hello",
            "b info again",
            "a info again",
        ];
        assert_eq!(log.all()[2..6], expected);
        assert_eq!(
            names(&manager).await,
            ["Tap", "Sum", "Tap"],
            "the default ignores it"
        );
        manager.event_recipient::<&'static str>().send("event");
        manager.sync_notify("end".into()).await.unwrap();
        assert!(log.contains("a event") && log.contains("b event"));
    });
}

#[test]
fn evt_013_downs_and_exits_are_infos() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        let mortal = mortal();
        let (watched, linked, stranger) = (mortal.pid(), Puppet::new(), Puppet::new());
        let watch = scripted(move |_, _| {
            monitor(watched);
            Ok(Reaction::Keep)
        });
        manager.call(&a, watch).await.unwrap();
        mortal.send(oops("seen"));
        until(|| log.contains("a down seen")).await;

        let pid = manager.pid();
        linked.run(move || link(pid)).await;
        linked.is_linked_with(pid).await;
        linked.die(oops("linked"));
        until(|| log.contains("a exit linked")).await;
        // We are its parent; this one is not.
        stranger.tell(move || exit(pid, ExitReason::Shutdown));
        until(|| log.contains("a exit shutdown")).await;
        assert!(manager.is_alive(), "only the parent's exit stops it");
    });
}

#[test]
fn evt_014_stop_runs_every_terminate() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        for name in ["a", "b", "c"] {
            add(&manager, tap(&log, name)).await;
        }
        manager.notify("e".into());
        manager
            .stop()
            .reason(ExitReason::shutdown_with("done"))
            .await
            .unwrap();
        assert_eq!(
            log.all()[6..],
            [
                "c terminate stop shutdown: done",
                "b terminate stop shutdown: done",
                "a terminate stop shutdown: done"
            ]
        );
        assert!(!manager.is_alive());
    });
}

#[test]
fn evt_014_the_end_of_the_parent_stops_the_manager() {
    on_both(|| async {
        let log = Log::new();
        let args = tap(&log, "a");
        let parent = spawn(move |mut inbox: Mailbox<ExitReason>| async move {
            let manager = GenEvent::start_link().name("child").await.unwrap();
            manager.add_handler::<Tap>(args).await.unwrap();
            inbox.recv().await
        });
        until(|| log.contains("a init")).await;
        parent.send(oops("parent"));
        until(|| log.contains("a terminate stop parent")).await;
        until(|| whereis("child").is_none()).await;
    });
}

#[test]
fn evt_014_callers_that_wait_hear_the_reason() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        let noted = log.clone();
        let (deferred, handler) = (manager.clone(), a.clone());
        spawn(async move {
            let failed = deferred.call(&handler, Ask::Defer).no_timeout().await;
            noted.add(format!("{failed:?}"));
        });
        let noted = log.clone();
        let queued = manager.clone();
        spawn(async move {
            queued.notify(Event::Wait("a", ms(20)));
            let failed = queued.sync_notify("unread".into()).await;
            noted.add(format!("{failed:?}"));
        });
        sleep(ms(5)).await;
        exit(manager.pid(), ExitReason::Kill);
        until(|| {
            log.contains("Err(Manager(Exited(Killed)))") && log.contains("Err(Exited(Killed))")
        })
        .await;
    });
}

#[test]
fn evt_015_hibernate_by_request_and_by_inactivity() {
    on_sim(|| async {
        let log = Log::new();
        let count = |log: &Log| {
            let lines = log.all();
            lines.iter().filter(|line| *line == "b hibernate").count()
        };
        let manager = GenEvent::start().await.unwrap();
        let a = add(&manager, tap(&log, "a")).await;
        add(&manager, tap(&log, "b")).await;
        manager
            .sync_notify(run("a", |_, _| Ok(Reaction::Hibernate)))
            .await
            .unwrap();
        until(|| count(&log) == 1).await;
        assert!(log.contains("a hibernate"), "all of them");
        manager
            .call(&a, scripted(|_, _| Ok(Reaction::Hibernate)))
            .await
            .unwrap();
        until(|| count(&log) == 2).await;
        manager.send(run("a", |_, cx| {
            cx.hibernate();
            Ok(Reaction::Keep)
        }));
        until(|| count(&log) == 3).await;
        // The wish is for one wait.
        manager.sync_notify("e".into()).await.unwrap();
        sleep(ms(100)).await;
        assert_eq!(count(&log), 3);
        let mut sleepy = tap(&log, "c");
        sleepy.init = |cx| {
            cx.hibernate();
            Ok(())
        };
        add(&manager, sleepy).await;
        until(|| count(&log) == 4).await;
        assert_eq!(manager.call(&a, Ask::Get).await, Ok(0), "it wakes up");

        let log = Log::new();
        let idle = GenEvent::start().hibernate_after(ms(50)).await.unwrap();
        let b = add(&idle, tap(&log, "b")).await;
        sleep(ms(40)).await;
        assert_eq!(idle.call(&b, Ask::Get).await, Ok(0));
        sleep(ms(40)).await;
        assert_eq!(count(&log), 0, "the call began the wait anew");
        sleep(ms(20)).await;
        assert_eq!(count(&log), 1);
        sleep(ms(500)).await;
        assert_eq!(count(&log), 1, "once per wait");
        idle.notify("e".into());
        sleep(ms(60)).await;
        assert_eq!(count(&log), 2);
    });
}

#[test]
fn evt_015_a_handler_that_fails_over_its_hibernation_is_removed() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "a")).await;
        let mut bad = tap(&log, "bad");
        bad.n = i64::MAX;
        add(&manager, bad).await;
        manager.notify(run("a", |_, _| Ok(Reaction::Hibernate)));
        until(|| log.contains("bad terminate failed Panic(\"hibernate!\")")).await;
        assert_eq!(names(&manager).await, ["Tap"]);
    });
}

#[test]
fn evt_016_states_are_listed_and_replaced_per_handler() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = manager
            .add_handler::<Tap>(tap(&log, "a"))
            .id("a")
            .await
            .unwrap();
        let sum = manager.add_handler::<Sum>(7).await.unwrap();
        let b = manager
            .add_handler::<Tap>(tap(&log, "b"))
            .id("b")
            .await
            .unwrap();
        sys::suspend(manager.pid()).await.unwrap();
        manager.notify(100.into());

        let shown = |states: Vec<(rekindle_actor::HandlerEntry, Option<String>)>| {
            let lines = states
                .into_iter()
                .map(|(entry, state)| format!("{entry}: {state:?}"));
            lines.collect::<Vec<_>>()
        };
        let states = manager.get_states().await.unwrap();
        let n0 = "Some(\"n = 0\")";
        assert_eq!(
            shown(states),
            [
                format!("Tap \"b\": {n0}"),
                "Sum: None".into(),
                format!("Tap \"a\": {n0}")
            ]
        );
        assert_eq!(manager.get_state(&sum).await, Ok(Sum(7)));

        let changed = manager.replace_states(|entry, tap: &mut Tap| {
            tap.n = 5;
            assert_eq!(entry.id(), Some("a"), "and so it fails over the other");
        });
        let changed = changed.await.unwrap();
        assert_eq!(changed.len(), 2);
        assert!(changed[0].1.as_ref().is_err_and(ExitReason::is_panic));
        assert_eq!(changed[1].1.as_ref().map(|tap| tap.n).ok(), Some(5));
        let replaced = manager.replace_state(&sum, |sum| sum.0 *= 2).await;
        assert_eq!(replaced, Ok(Sum(14)));
        let failed = manager.replace_state(&sum, |sum| {
            sum.0 = 0;
            panic!("halfway");
        });
        assert!(matches!(failed.await, Err(HandlerStateError::Failed(r)) if r.is_panic()));
        let unknown = manager.get_state(&HandlerRef::<Sum>::by_id("no")).await;
        assert_eq!(unknown, Err(HandlerStateError::BadHandler));

        let status = sys::get_status(manager.pid()).await.unwrap();
        let text = "Tap \"b\": n = 0; Sum; Tap \"a\": n = 5";
        assert_eq!(
            (status.suspended, status.state.as_deref()),
            (true, Some(text))
        );
        assert!(status.behaviour.contains("GenEvent"));
        sys::resume(manager.pid()).await.unwrap();
        assert_eq!(manager.call(&a, Ask::Get).await, Ok(105));
        assert_eq!(manager.call(&b, Ask::Get).await, Ok(100));
        assert_eq!(manager.delete_handler(&sum, ()).await, Ok(114));
    });
}

// At the edges.

#[test]
fn a_callback_that_calls_its_own_manager_is_refused() {
    on_both(|| async {
        struct Nosy(Log);
        impl EventHandler for Nosy {
            type Event = Event;
            type Args = Log;
            type Call = Never;
            type DeleteArgs = ();
            type Output = ();
            async fn init(log: Log, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
                Ok(Nosy(log))
            }
            async fn handle_event(
                &mut self,
                event: &Event,
                cx: &mut HandlerContext<Self>,
            ) -> HandlerStep<Self> {
                if let Event::Note("ask") = event {
                    let own = cx.manager();
                    let sync = own.sync_notify("deadlock".into()).await;
                    assert_eq!(sync, Err(CallError::Cycle(vec![cx.pid()])));
                    let added = own.add_handler::<Sum>(0).await;
                    let cycle = CallError::Cycle(vec![cx.pid()]);
                    assert_eq!(added, Err(AddHandlerError::Manager(cycle)));
                    let looked = own.get_states().await;
                    assert_eq!(looked.unwrap_err(), SysError::CallingSelf);
                    own.notify("later".into());
                    self.0.add("asked");
                } else if let Event::Note(text) = event {
                    self.0.add(*text);
                }
                Ok(Reaction::Keep)
            }
            async fn terminate(self, why: Removal<Self>, _: &mut HandlerContext<Self>) {
                self.0.add(format!("{why:?}"));
            }
        }
        let (log, manager) = (Log::new(), manager().await);
        manager.add_handler::<Nosy>(log.clone()).await.unwrap();
        manager.notify("ask".into());
        until(|| log.contains("later")).await;
        assert_eq!(log.all(), ["asked", "later"]);
    });
}

#[test]
fn a_handler_sends_requests_to_itself() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let a = add(&manager, tap(&log, "a")).await;
        let b = add(&manager, tap(&log, "b")).await;
        manager.notify(run("a", |_, cx| {
            cx.send_after(ms(2), Ask::Add(5));
            cx.recipient().send(Ask::Add(1));
            Ok(Reaction::Keep)
        }));
        sleep(ms(5)).await;
        until_equal(&manager, &a, 6).await;
        assert_eq!(
            manager.call(&b, Ask::Get).await,
            Ok(0),
            "nobody else gets them"
        );
        // What comes after the handler's end vanishes.
        let late = manager.handler_recipient(&a);
        manager.delete_handler(&a, "bye").await.unwrap();
        late.send(Ask::Add(1));
        assert_eq!(names(&manager).await, ["Tap"]);
    });
}

async fn until_equal(manager: &EventManager<Event>, handler: &HandlerRef<Tap>, n: i64) {
    while manager.call(handler, Ask::Get).await != Ok(n) {
        rekindle_actor::yield_now().await;
    }
}

#[test]
fn a_name_follows_the_manager_through_restarts() {
    on_both(|| async {
        let name = EventManagerName::<Event>::new("events");
        assert_eq!(name.pid(), None);
        assert!(matches!(
            name.try_notify("nobody".into()),
            Err(SendError::NoProc(_))
        ));
        for n in 0..3 {
            let manager = GenEvent::start()
                .name("events")
                .handler::<Sum>(n)
                .await
                .unwrap();
            assert_eq!(name.resolve(), Some(manager.clone()));
            name.notify(1.into());
            let sum = HandlerRef::<Sum>::of_type();
            let answer = name.call(&sum, |from| from).await;
            assert_eq!(answer, Ok(format!("sum {}", n + 1)));
            let deleted = name.delete_handler(&sum, ()).await;
            assert_eq!(deleted, Ok(n + 1));
            manager.stop().await.unwrap();
            let gone = name.call(&sum, |from| from).await;
            assert_eq!(gone, Err(CallHandlerError::Manager(CallError::NoProc)));
        }
        // Another kind of process under the name is as nobody.
        let strings = GenEvent::<String>::start().name("events").await.unwrap();
        assert_eq!(name.pid(), None);
        assert!(strings.is_alive());
    });
}

#[test]
fn an_event_whose_drop_panics_harms_nobody() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "a")).await;
        manager.notify(Event::Bomb(Bomb("boom")));
        manager.send(Event::Bomb(Bomb("boom")));
        manager
            .sync_notify(Event::Bomb(Bomb("boom")))
            .await
            .unwrap();
        assert_eq!(log.all(), ["a init", "a boom", "a boom"]);
        assert_eq!(names(&manager).await, ["Tap"]);
    });
}

#[test]
fn a_function_that_panics_over_the_handlers_stops_the_manager_in_order() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let (log, manager) = (Log::new(), manager().await);
            manager
                .add_sup_handler::<Tap>(tap(&log, "a"), &inbox.recipient())
                .await
                .unwrap();
            let looked = sys::with_state(manager.pid(), |_: &mut Handlers<Event>| panic!("inside"));
            let looked: Result<(), SysError> = looked.await;
            assert!(matches!(looked, Err(SysError::Exited(reason)) if reason.is_panic()));
            assert_eq!(inbox.recv().await.reason, ExitReason::Shutdown);
            assert!(log.all()[1].starts_with("a terminate stop panicked"));
        })
    });
}

#[test]
fn a_kill_during_a_handlers_init_fails_the_addition() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let mut args = tap(&log, "a");
        args.delay = Duration::from_secs(3600);
        let (killed, noted) = (manager.pid(), log.clone());
        spawn(async move {
            until(|| noted.contains("a init")).await;
            exit(killed, ExitReason::Kill);
        });
        let failed = manager.add_handler::<Tap>(args).await;
        let reason = CallError::Exited(ExitReason::Killed);
        assert_eq!(failed, Err(AddHandlerError::Manager(reason)));
        assert!(!is_alive(manager.pid()));
    });
}

#[test]
fn an_addition_that_was_given_up_is_made_all_the_same() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let mut args = tap(&log, "a");
        args.delay = ms(20);
        let adding = manager.add_handler::<Tap>(args).id("a").timeout(ms(5));
        let timeout = AddHandlerError::Manager(CallError::Timeout(ms(5)));
        assert_eq!(adding.await, Err(timeout));
        let entries = manager.which_handlers().no_timeout().await.unwrap();
        assert_eq!(entries.len(), 1);
        let a = entries[0].as_ref::<Tap>().expect("it is a Tap");
        assert_eq!(entries[0].as_ref::<Sum>(), None);
        assert_eq!(manager.call(&a, Ask::Get).await, Ok(0));
    });
}

#[test]
fn an_adder_that_dies_while_its_handler_is_added() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        for _ in 0..5 {
            let (theirs, args) = (manager.clone(), tap(&log, "a"));
            let adder = spawn(|inbox: Mailbox<HandlerExit>| async move {
                let _ = theirs
                    .add_sup_handler::<Tap>(args, &inbox.recipient())
                    .await;
                std::future::pending::<()>().await;
            });
            rekindle_actor::yield_now().await;
            exit(adder.pid(), ExitReason::Kill);
            until(|| !is_alive(adder.pid())).await;
        }
        // Whatever was added has gone again with its adder.
        while !names(&manager).await.is_empty() {
            rekindle_actor::yield_now().await;
        }
        let lines = log.all();
        let count = |end: &str| lines.iter().filter(|line| line.contains(end)).count();
        assert_eq!(count("init"), count("terminate adder"));
    });
}

#[test]
fn a_supervised_handler_swaps_itself_and_its_adder_keeps_watch() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let (log, manager, me) = (Log::new(), manager().await, inbox.recipient());
            manager
                .add_sup_handler::<Tap>(tap(&log, "a"), &me)
                .await
                .unwrap();
            manager.notify(run("a", |tap, _| {
                let args = TapArgs {
                    log: tap.log.clone(),
                    name: "b",
                    n: 1,
                    init: |_| Ok(()),
                    delay: Duration::ZERO,
                };
                let swap = HandlerSwap::to_id::<Tap>("swap", "b", move |_| args);
                Ok(Reaction::Swap(swap))
            }));
            let heard = inbox.recv().await;
            assert_eq!(heard.reason, ExitReason::Normal);
            let b = heard
                .successor
                .and_then(|entry| entry.as_ref::<Tap>())
                .unwrap();
            assert_eq!(manager.call(&b, Ask::Get).await, Ok(1));
            manager.notify(run("b", |_, _| {
                Ok(Reaction::Swap(HandlerSwap::to::<Sum>("again", |_| -1)))
            }));
            let heard = inbox.recv().await;
            assert!(b.is(&heard.handler));
            assert_eq!((heard.reason, heard.successor), (oops("negative"), None));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn a_bounded_mailbox_refuses_events_and_orders() {
    on_both(|| async {
        let log = Log::new();
        let manager = GenEvent::start()
            .mailbox(MailboxPolicy::bounded(2).when_full(Overflow::Fail))
            .await
            .unwrap();
        add(&manager, tap(&log, "a")).await;
        sys::suspend(manager.pid()).await.unwrap();
        manager.notify("1".into());
        manager.notify("2".into());
        assert!(matches!(
            manager.try_notify("3".into()),
            Err(SendError::Full(Event::Note("3")))
        ));
        let full = manager.add_handler::<Sum>(0).await;
        assert_eq!(full, Err(AddHandlerError::Manager(CallError::Full)));
        let full = manager.call(&HandlerRef::<Tap>::of_type(), Ask::Get).await;
        assert_eq!(full, Err(CallHandlerError::Manager(CallError::Full)));
        sys::resume(manager.pid()).await.unwrap();
        until(|| log.contains("a 2")).await;
        assert!(!log.contains("a 3"));
    });
}

#[test]
fn a_handler_that_panics_in_every_callback_cannot_hurt_the_manager() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        add(&manager, tap(&log, "watch")).await;
        for _ in 0..20 {
            let mut args = tap(&log, "bad");
            args.n = 1;
            add(&manager, args).await;
            manager.notify(run("bad", |_, _| panic!("panic in terminate")));
        }
        manager.sync_notify("e".into()).await.unwrap();
        assert_eq!(names(&manager).await, ["Tap"]);
        assert!(log.contains("watch e"));
    });
}

#[test]
fn many_senders_many_handlers_nothing_lost() {
    on_both(|| async {
        trap_exit(true);
        let manager = manager().await;
        let mut sums = Vec::new();
        for _ in 0..10 {
            sums.push(manager.add_handler::<Sum>(0).await.unwrap());
        }
        let done = Log::new();
        for _ in 0..10 {
            let (manager, done) = (manager.clone(), done.clone());
            spawn(async move {
                for _ in 0..50 {
                    manager.notify(1.into());
                }
                manager.sync_notify(0.into()).await.unwrap();
                done.add("done");
            });
        }
        until(|| done.len() == 10).await;
        for sum in sums {
            assert_eq!(manager.delete_handler(&sum, ()).await, Ok(500));
        }
    });
}

/// Everything it is given panics when it is dropped.
struct Loaded;

impl EventHandler for Loaded {
    type Event = Event;
    type Args = Bomb;
    type Call = Bomb;
    type DeleteArgs = Bomb;
    type Output = Bomb;

    async fn init(bomb: Bomb, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
        std::mem::forget(bomb);
        Ok(Loaded)
    }

    async fn handle_event(&mut self, _: &Event, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
        Ok(Reaction::Keep)
    }

    async fn terminate(self, why: Removal<Self>, _: &mut HandlerContext<Self>) -> Bomb {
        std::mem::forget(why);
        Bomb("output")
    }
}

#[test]
fn what_is_thrown_away_may_panic_and_harms_nobody() {
    on_both(|| async {
        let manager = manager().await;
        let bomb = || Bomb("boom");
        let a = manager.add_handler::<Loaded>(bomb()).id("a").await.unwrap();
        let b = manager.add_handler::<Loaded>(bomb()).id("b").await.unwrap();
        let unknown = HandlerRef::<Loaded>::by_id("unknown");

        let taken = manager.add_handler::<Loaded>(bomb()).id("a").await;
        assert!(matches!(taken, Err(AddHandlerError::AlreadyAdded(_))));
        let kept = bomb();
        let taken = manager
            .swap_handler::<Loaded, Loaded>(&a, bomb(), move |_| kept)
            .id("b");
        assert!(matches!(
            taken.await,
            Err(SwapHandlerError::AlreadyAdded(_))
        ));
        let missing = manager.delete_handler(&unknown, bomb()).await;
        assert!(matches!(missing, Err(DeleteHandlerError::NotFound)));
        manager.handler_recipient(&unknown).send(bomb());
        // No `handle_call`: the handler fails, and its output is thrown away.
        manager.handler_recipient(&b).send(bomb());
        manager.sync_notify("e".into()).await.unwrap();
        assert_eq!(names(&manager).await, ["Loaded \"a\""]);
        let output = manager.delete_handler(&a, bomb()).await.ok().unwrap();
        std::mem::forget(output);
        manager.add_handler::<Loaded>(bomb()).await.unwrap();
        manager.stop().await.unwrap();
    });
}

#[test]
fn an_adder_that_dies_during_a_swap_is_named_with_its_true_reason() {
    on_both(|| async {
        let (log, manager) = (Log::new(), manager().await);
        let (theirs, args) = (manager.clone(), tap(&log, "old"));
        let adder = spawn(move |mut inbox: Mailbox<Mortal>| async move {
            theirs
                .add_sup_handler::<Tap>(args, &to(&inbox))
                .id("x")
                .await
                .unwrap();
            loop {
                match inbox.recv().await {
                    Mortal::Die(reason) => return reason,
                    Mortal::Heard(_) => {}
                }
            }
        });
        let old = HandlerRef::<Tap>::by_id("x");
        while manager.call(&old, Ask::Get).await.is_err() {
            rekindle_actor::yield_now().await;
        }
        let mut args = tap(&log, "new");
        args.delay = ms(10);
        let dies = adder.clone();
        let noted = log.clone();
        spawn(async move {
            until(|| noted.contains("new init")).await;
            dies.send(Mortal::Die(oops("in the middle")));
        });
        let swapped = manager
            .swap_handler::<Tap, Tap>(&old, "swap", move |_| args)
            .await;
        assert!(swapped.is_ok());
        until(|| log.contains("new terminate adder in the middle")).await;
        assert!(names(&manager).await.is_empty());
    });
}

#[test]
fn a_manager_that_overflows_is_heard_of() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<HandlerExit>| async move {
            let log = Log::new();
            let policy = MailboxPolicy::bounded(1).when_full(Overflow::Stop);
            let manager = GenEvent::start().mailbox(policy).await.unwrap();
            let adding = manager.add_sup_handler::<Tap>(tap(&log, "a"), &inbox.recipient());
            adding.await.unwrap();
            sys::suspend(manager.pid()).await.unwrap();
            manager.notify("1".into());
            manager.notify("2".into());
            let heard = inbox.recv().await;
            let overflow = heard
                .reason
                .downcast_ref::<rekindle_actor::MailboxOverflow>();
            assert_eq!(overflow.map(|overflow| overflow.limit), Some(1));
        })
    });
}

#[test]
fn what_a_manager_does_is_counted() {
    on_both(|| async {
        let manager: EventManager<Event> = GenEvent::start().await.unwrap();
        sys::start_statistics(manager.pid()).await.unwrap();
        manager.notify("one".into());
        manager.sync_notify("two".into()).await.unwrap();
        let counted = sys::get_statistics(manager.pid()).await.unwrap().unwrap();
        assert_eq!((counted.messages_in, counted.messages_out), (2, 1));
    });
}
