//! State machines as children.

use std::time::Duration;

use rekindle_actor::{
    CallError, ExitReason, GenStatem, MailboxPolicy, Never, Registry, ReplyTo, StatemAddr,
    StatemContext, StatemEvent, StatemInit, StatemName, StatemStep, Transition, is_alive, spawn,
    trap_exit, yield_now,
};
use rekindle_supervisor::{ChildSpec, ChildState, Restart, Shutdown, StatemChild, Supervisor};

use crate::kit::{Kit, everywhere, watch};

/// A lamp that breaks when it is switched on while it is on.
struct Lamp(Kit);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Switch {
    Off,
    On,
}

enum Ask {
    State(ReplyTo<Switch>),
    /// Answered when the lamp goes off.
    WhenOff(ReplyTo<()>),
}

impl GenStatem for Lamp {
    type Args = Kit;
    type State = Switch;
    type Call = Ask;
    type Cast = Switch;
    type Info = Never;
    type Internal = Never;
    type Timer = Never;
    type Content = ();

    async fn init(kit: Kit, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        trap_exit(true);
        kit.note("start");
        Ok(StatemInit::ready(Switch::Off, Lamp(kit)))
    }

    async fn handle_event(
        &mut self,
        state: &Switch,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(match (state, event) {
            (Switch::On, StatemEvent::Cast(Switch::On)) => panic!("it broke"),
            (_, StatemEvent::Cast(to)) => Transition::next(to),
            (state, StatemEvent::Call(Ask::State(from))) => Transition::keep().reply(from, *state),
            (Switch::On, later @ StatemEvent::Call(Ask::WhenOff(_))) => {
                Transition::keep().postpone(later)
            }
            (Switch::Off, StatemEvent::Call(Ask::WhenOff(from))) => {
                Transition::keep().reply(from, ())
            }
            (_, other) => return cx.unexpected(other),
        })
    }

    async fn terminate(
        &mut self,
        reason: &ExitReason,
        state: &Switch,
        _: &mut StatemContext<Self>,
    ) {
        let why = if reason.is_panic() {
            "a panic".to_owned()
        } else {
            reason.to_string()
        };
        self.0.note(format!("{state:?} ended by {why}"));
    }
}

#[test]
fn a_machine_is_restarted_in_its_first_state_and_its_name_goes_on() {
    everywhere(|kit| async move {
        let lamp = StatemName::<Lamp>::new("lamp");
        let child = Lamp::child(kit.clone())
            .name("lamp")
            .mailbox(MailboxPolicy::bounded(100))
            .hibernate_after(Duration::from_secs(1));
        let supervisor = Supervisor::one_for_one()
            .child(child)
            .start_link()
            .await
            .unwrap();
        assert_eq!(
            supervisor.which_child("lamp").await.unwrap().state,
            ChildState::Running(lamp.pid().unwrap())
        );
        lamp.cast(Switch::On);
        assert_eq!(lamp.call(Ask::State).await, Ok(Switch::On));
        let waiting = lamp.clone();
        let (send, told) = std::sync::mpsc::channel();
        spawn(async move {
            let _ = send.send(waiting.call(Ask::WhenOff).await);
        });
        // Postponed, before the lamp breaks.
        let first = lamp.resolve().unwrap();
        loop {
            let status = rekindle_actor::sys::get_status(first.pid()).await.unwrap();
            if status
                .state
                .is_some_and(|state| state.contains("postponed"))
            {
                break;
            }
            yield_now().await;
        }
        let watcher = watch(first.pid()).await;
        lamp.cast(Switch::On);
        assert!(watcher.end().await.is_panic());
        let outcome = loop {
            match told.try_recv() {
                Ok(outcome) => break outcome,
                Err(_) => yield_now().await,
            }
        };
        assert!(
            matches!(&outcome, Err(CallError::Exited(reason)) if reason.is_panic()),
            "{outcome:?}"
        );
        // The supervisor's answer comes after the restart.
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
        assert_eq!(lamp.call(Ask::State).await, Ok(Switch::Off));
        assert_ne!(lamp.pid(), Some(first.pid()));
        assert_eq!(kit.log(), "start On ended by a panic start");
    });
}

#[test]
fn a_machine_is_a_child_as_any_other() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one().start_link().await.unwrap();
        let child = Lamp::child(kit.clone())
            .restart(Restart::Transient)
            .shutdown(Shutdown::Within(Duration::from_secs(60)));
        let lamp: StatemAddr<Lamp> = supervisor.start_child(child).await.unwrap();
        assert_eq!(
            supervisor.which_child("Lamp").await.unwrap().state,
            ChildState::Running(lamp.pid())
        );
        lamp.cast(Switch::On);
        supervisor.terminate_child("Lamp").await.unwrap();
        assert!(!is_alive(lamp.pid()));
        assert_eq!(kit.log(), "start On ended by shutdown");

        let lamp = supervisor.restart_child("Lamp").await.unwrap();
        let lamp: StatemAddr<Lamp> = lamp.info().cloned().unwrap();
        lamp.stop().await.unwrap();
        assert_eq!(
            supervisor.which_child("Lamp").await.unwrap().state,
            ChildState::Stopped
        );
    });
}

#[test]
fn a_start_function_may_give_a_machines_handle() {
    everywhere(|kit| async move {
        let own = kit.clone();
        let child = ChildSpec::worker("own", move || Lamp::start_link(own.clone()).into_future());
        let supervisor = Supervisor::one_for_one().start_link().await.unwrap();
        let started = supervisor.start_child(child).await.unwrap();
        let lamp: &StatemAddr<Lamp> = started.info().unwrap();
        assert_eq!(lamp.call(Ask::State).await, Ok(Switch::Off));
    });
}

#[test]
fn a_machine_under_a_key_is_found_there_after_a_restart() {
    everywhere(|kit| async move {
        let lamps = Registry::<&str, StatemAddr<Lamp>>::unique();
        let lamps = lamps.start_link().await.unwrap();
        let desk = lamps.statem_via::<Lamp>("desk");
        let supervisor = Supervisor::one_for_one()
            .child(Lamp::child(kit).via(&desk))
            .start_link()
            .await
            .unwrap();
        let first = desk.resolve().expect("it has been started");
        desk.cast(Switch::On);
        desk.cast(Switch::On);
        while desk.pid().is_none_or(|pid| pid == first.pid()) {
            yield_now().await;
        }
        assert_eq!(desk.call(Ask::State).await, Ok(Switch::Off));
        supervisor.stop().await.unwrap();
        assert_eq!(desk.whereis(), None);
    });
}
