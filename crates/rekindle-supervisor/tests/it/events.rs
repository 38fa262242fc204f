//! Event managers and scopes of process groups under a supervisor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_actor::{
    EventHandler, EventManager, EventManagerName, ExitReason, GenEvent, Groups, HandlerContext,
    HandlerExit, HandlerRef, HandlerStep, Mailbox, Reaction, Removal, ReplyTo, exit, monitor_name,
    spawn, whereis, yield_now,
};
use rekindle_supervisor::{EventManagerChild, GroupsChild, Supervisor};

use crate::kit::everywhere;

type Log = Arc<Mutex<Vec<String>>>;

/// Adds up, and logs its end.
struct Sum(i64, Log);

impl EventHandler for Sum {
    type Event = i64;
    type Args = (i64, Log);
    type Call = ReplyTo<i64>;
    type DeleteArgs = ();
    type Output = ();

    async fn init((n, log): (i64, Log), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
        Ok(Sum(n, log))
    }

    async fn handle_event(&mut self, n: &i64, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
        self.0 += n;
        Ok(Reaction::Keep)
    }

    async fn handle_call(
        &mut self,
        from: ReplyTo<i64>,
        _: &mut HandlerContext<Self>,
    ) -> HandlerStep<Self> {
        from.reply(self.0);
        Ok(Reaction::Keep)
    }

    async fn terminate(self, why: Removal<Self>, _: &mut HandlerContext<Self>) {
        self.1.lock().unwrap().push(format!("{why:?}"));
    }
}

/// Waits until another process than this one holds the name.
async fn replaced(name: &str, old: rekindle_actor::Pid) {
    while whereis(name).is_none_or(|pid| pid == old) {
        yield_now().await;
    }
}

#[test]
fn a_restarted_manager_comes_back_with_the_handlers_of_its_specification() {
    everywhere(|_| async {
        let log = Log::default();
        let events = GenEvent::<i64>::child()
            .name("events")
            .handler::<Sum>((10, log.clone()))
            .handler_with_id::<Sum>("other", (20, log.clone()));
        let tree = Supervisor::one_for_one()
            .child(events)
            .start_link()
            .await
            .unwrap();
        let manager = EventManagerName::<i64>::new("events");
        let (first, other) = (
            HandlerRef::<Sum>::of_type(),
            HandlerRef::<Sum>::by_id("other"),
        );
        for _ in 0..2 {
            let added = manager
                .add_handler::<Sum>((0, log.clone()))
                .id("late")
                .await;
            assert!(added.is_ok(), "it is not there any more");
            manager.notify(1);
            assert_eq!(manager.call(&first, |from| from).await, Ok(11));
            assert_eq!(manager.call(&other, |from| from).await, Ok(21));
            let old = manager.pid().unwrap();
            exit(old, ExitReason::Kill);
            replaced("events", old).await;
        }
        assert_eq!(manager.which_handlers().await.unwrap().len(), 2);
        assert_eq!(
            *log.lock().unwrap(),
            [""; 0],
            "a killed manager runs no terminate"
        );
        tree.stop().await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["ManagerStops(Shutdown)"; 2]);
    });
}

#[test]
fn a_supervised_handler_is_added_again_by_its_guard() {
    everywhere(|_| async {
        let (log, seen) = (Log::default(), Log::default());
        let tree = Supervisor::one_for_one()
            .child(GenEvent::<i64>::child().name("events"))
            .start_link()
            .await
            .unwrap();
        let noted = seen.clone();
        let guard = spawn(move |mut inbox: Mailbox<HandlerExit>| async move {
            let manager = EventManagerName::<i64>::new("events");
            loop {
                let args = (0, log.clone());
                let adding = manager.add_sup_handler::<Sum>(args, &inbox.recipient());
                match adding.await {
                    Ok(_) => {
                        let heard = inbox.recv().await.reason;
                        noted.lock().unwrap().push(format!("{heard:?}"));
                    }
                    // It is being restarted.
                    Err(_) => yield_now().await,
                }
            }
        });
        let manager = EventManagerName::<i64>::new("events");
        let sum = HandlerRef::<Sum>::of_type();
        for _ in 0..3 {
            while manager.call(&sum, |from| from).await != Ok(0) {
                yield_now().await;
            }
            let old = manager.pid().unwrap();
            exit(old, ExitReason::Kill);
            replaced("events", old).await;
        }
        while seen.lock().unwrap().len() < 3 {
            yield_now().await;
        }
        assert_eq!(*seen.lock().unwrap(), ["Killed"; 3]);
        exit(guard.pid(), ExitReason::Kill);
        tree.stop().await.unwrap();
    });
}

#[test]
fn start_child_gives_the_manager() {
    everywhere(|_| async {
        let tree = Supervisor::one_for_one().start_link().await.unwrap();
        let log = Log::default();
        let child = GenEvent::<i64>::child()
            .id("events")
            .hibernate_after(Duration::from_secs(1))
            .handler::<Sum>((1, log));
        let manager: EventManager<i64> = tree.start_child(child).await.unwrap();
        let sum = HandlerRef::<Sum>::of_type();
        assert_eq!(manager.call(&sum, |from| from).await, Ok(1));
        tree.terminate_child("events").await.unwrap();
        assert!(!manager.is_alive());
    });
}

#[test]
fn a_restarted_scope_is_empty_and_is_joined_again() {
    everywhere(|_| async {
        let tree = Supervisor::one_for_one()
            .child(Groups::<u8, u32>::child("rooms"))
            .start_link()
            .await
            .unwrap();
        let rooms = Groups::<u8, u32>::named("rooms");
        // A member that joins again whenever the scope has ended.
        let theirs = rooms.clone();
        let member = spawn(move |mut inbox: Mailbox<u32>| async move {
            loop {
                let _watch = monitor_name("rooms");
                if theirs.join(1, &inbox.recipient()).await.is_err() {
                    yield_now().await;
                    continue;
                }
                while let rekindle_actor::Info::Message(_) = inbox.next().await {}
            }
        });
        for _ in 0..3 {
            while rooms.pids(&1).is_empty() {
                yield_now().await;
            }
            assert_eq!(rooms.pids(&1)[0], member.pid());
            let old = rooms.pid().unwrap();
            exit(old, ExitReason::Kill);
            replaced("rooms", old).await;
        }
        tree.stop().await.unwrap();
        assert_eq!(rooms.which_groups(), [0; 0]);
    });
}
