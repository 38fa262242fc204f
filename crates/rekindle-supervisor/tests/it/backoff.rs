//! Pauses before restarts.

use std::time::Duration;

use rekindle_actor::{Runtime, Time, exit, now, sleep};
use rekindle_supervisor::{Backoff, ChildState, ServerChild, Supervisor};

use crate::kit::{Kit, Opening, Probe, addr_of, kill, pid_of, running, seconds, simulated, watch};

fn backoff() -> Backoff {
    Backoff::exponential(seconds(1), seconds(60)).without_jitter()
}

#[test]
fn restarts_wait_longer_each_time() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .backoff(backoff())
            .child(kit.child("a"))
            .child(kit.child("b"))
            .start_link()
            .await
            .unwrap();
        for pause in [1, 2, 4] {
            let begun = now();
            kill(pid_of(&supervisor, "a").await.unwrap()).await;
            let a = supervisor.which_child("a").await.unwrap();
            assert_eq!(a.state, ChildState::Restarting);
            // The supervisor answers meanwhile, and restarts others by their own clock.
            assert_eq!(running(&supervisor).await, "b");
            while pid_of(&supervisor, "a").await.is_none() {
                sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(now().saturating_since(begun), seconds(pause));
        }
        // It did not eat up the intensity of 3 in 5 s; and a long life is forgiven.
        sleep(seconds(61)).await;
        let begun = now();
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        while pid_of(&supervisor, "a").await.is_none() {
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(now().saturating_since(begun), seconds(1));
    });
}

#[test]
fn a_child_that_cannot_start_is_tried_ever_more_rarely() {
    simulated(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = Supervisor::one_for_one()
            .intensity(100, seconds(3600))
            .backoff(Backoff::exponential(seconds(1), seconds(4)).without_jitter())
            .child(Probe::child(args).id("a"))
            .start_link()
            .await
            .unwrap();
        script.push(vec![Opening::Fail; 6]);
        let begun = now();
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        while pid_of(&supervisor, "a").await.is_none() {
            sleep(Duration::from_millis(100)).await;
        }
        let pauses = 1 + 2 + 4 + 4 + 4 + 4 + 4;
        assert_eq!(now().saturating_since(begun), seconds(pauses));
    });
}

#[test]
fn a_group_stops_at_once_and_starts_after_the_pause() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .backoff(backoff())
            .child(kit.child("a"))
            .child(kit.child("b"))
            .start_link()
            .await
            .unwrap();
        kit.log();
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        assert_eq!(running(&supervisor).await, "");
        assert_eq!(kit.log(), "-a -b");
        sleep(seconds(2)).await;
        assert_eq!(kit.log(), "+a +b");
    });
}

#[test]
fn a_pause_can_be_called_off() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .backoff(backoff())
            .child(kit.child("a"))
            .start_link()
            .await
            .unwrap();
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        supervisor.terminate_child("a").await.unwrap();
        supervisor.restart_child("a").await.unwrap();
        let pid = pid_of(&supervisor, "a").await;
        sleep(seconds(5)).await;
        assert_eq!(pid_of(&supervisor, "a").await, pid);
    });
}

#[test]
fn jitter_comes_from_the_seed() {
    fn revival(seed: u64) -> Time {
        let kit = Kit::default();
        Runtime::simulated(seed).block_on(async move {
            let supervisor = Supervisor::one_for_one()
                .backoff(Backoff::exponential(seconds(1), seconds(60)))
                .child(kit.child("a"))
                .start_link()
                .await
                .unwrap();
            let child = addr_of(&supervisor, "a").await;
            let watcher = watch(child.pid()).await;
            exit(child.pid(), rekindle_actor::ExitReason::Kill);
            watcher.end().await;
            while pid_of(&supervisor, "a").await.is_none() {
                sleep(Duration::from_micros(1)).await;
            }
            now()
        })
    }
    let moments: Vec<Time> = (1..=4).map(revival).collect();
    assert_eq!(moments, (1..=4).map(revival).collect::<Vec<_>>());
    assert!(moments.windows(2).any(|pair| pair[0] != pair[1]));
}
