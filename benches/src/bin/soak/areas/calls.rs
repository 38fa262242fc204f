//! Calls that are answered at once, late, by another process, or never; a late answer must not
//! reach a later call.

use std::sync::Arc;

use rekindle::CallError;
use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::tree::is_possible;
use crate::world::{Area, World};

const CLIENTS: usize = 50;
const CALLS: u64 = 20;

/// Answers numbers, in many ways.
struct Echo;

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    AtOnce,
    Late(Duration),
    ByAnother(Duration),
    Forgets,
    Panics,
}

struct Ask(How, u64, ReplyTo<u64>);

impl GenServer for Echo {
    type Args = ();
    type Call = Ask;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Echo))
    }

    async fn handle_call(&mut self, ask: Ask, _: &mut Context<Self>) -> Step<Self> {
        let Ask(how, number, reply) = ask;
        match how {
            How::AtOnce => reply.reply(number),
            How::Late(time) => {
                sleep(time).await;
                reply.reply(number);
            }
            How::ByAnother(time) => {
                spawn(async move {
                    sleep(time).await;
                    reply.reply(number);
                });
            }
            How::Forgets => drop(reply),
            How::Panics => panic!("as it was asked"),
        }
        Ok(Next::Wait)
    }
}

pub(super) async fn run(world: Arc<World>) {
    let servers: Vec<Name<Echo>> = (0..20).map(|n| Name::new(format!("echo {n}"))).collect();
    let tree = servers
        .iter()
        .fold(Supervisor::one_for_one(), |tree, name| {
            tree.child(Echo::child(()).name(name.as_str()).id(name.as_str()))
        })
        .intensity(100_000_000, Duration::from_secs(1));
    let tree = tree.start().await.expect("the echoes start");
    let servers: Arc<[Name<Echo>]> = servers.into();
    while !world.is_stopping() {
        let clients: Vec<Task<()>> = (0..CLIENTS)
            .map(|_| Task::spawn_nolink(client(world.clone(), servers.clone())))
            .collect();
        for client in clients {
            let ended = client.await;
            world.check(Invariant::Call, ended.is_ok(), || {
                format!("a client of calls died: {ended:?}")
            });
        }
        world.did(Area::Calls, CLIENTS as u64 * CALLS);
    }
    let stopped = tree.stop().await;
    world.check(Invariant::Orphan, stopped.is_ok(), || {
        format!("the tree of echoes does not stop: {stopped:?}")
    });
}

async fn client(world: Arc<World>, servers: Arc<[Name<Echo>]>) {
    let mut dice = world.dice();
    for _ in 0..CALLS {
        let server = &servers[dice.below(servers.len() as u64) as usize];
        let time = Duration::from_micros(dice.below(3_000));
        let how = match dice.below(200) {
            0..100 => How::AtOnce,
            100..140 => How::Late(time),
            140..180 => How::ByAnother(time),
            180..198 => How::Forgets,
            _ => How::Panics,
        };
        let number = world.serial();
        let call = server.call(|reply| Ask(how, number, reply));
        let limit = Duration::from_micros(500 + dice.below(4_000));
        let limited = dice.below(2) == 0;
        let answer = if limited {
            call.timeout(limit).await
        } else {
            call.no_timeout().await
        };
        let holds = match &answer {
            Ok(echo) => *echo == number && !matches!(how, How::Forgets | How::Panics),
            Err(CallError::Timeout(after)) => limited && *after == limit,
            Err(CallError::NoReply) => how == How::Forgets,
            Err(error) => is_possible(error),
        };
        world.check(Invariant::Call, holds, || {
            format!("asked {how:?} for {number} within {limited} {limit:?}: {answer:?}")
        });
    }
}
