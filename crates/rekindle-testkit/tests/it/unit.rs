//! `unit::Subject`: one server, by hand.

use rekindle::prelude::*;
use rekindle::testkit::unit::{Callback, NextStep, NotStarted, Subject};
use rekindle::{CallError, raise};

#[derive(Debug)]
struct Shop {
    stock: u32,
    waiting: Vec<ReplyTo<u32>>,
    heard: Vec<String>,
}

enum Order {
    Take(u32, ReplyTo<Result<u32, String>>),
    /// Answered when there is stock.
    Wait(ReplyTo<u32>),
    Forget(ReplyTo<()>),
    Watch(Pid, ReplyTo<()>),
    Trap(ReplyTo<()>),
    Ask(
        rekindle::Sender<ReplyTo<u32>>,
        ReplyTo<Result<u32, CallError>>,
    ),
}

enum Delivery {
    Goods(u32),
    Panic,
    Idle(Duration),
    Later(Duration),
    Reload,
    Hibernate,
    Spawn,
}

enum Note {
    Tell(Recipient<String>),
    Restock,
}

impl GenServer for Shop {
    type Args = u32;
    type Call = Order;
    type Cast = Delivery;
    type Info = Note;
    type Continue = u32;

    async fn init(stock: u32, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let shop = Shop {
            stock,
            waiting: Vec::new(),
            heard: Vec::new(),
        };
        match stock {
            0 => Ok(Init::Ignore),
            1 => Ok(Init::Fail(ExitReason::msg("too small"))),
            2 => panic!("no luck"),
            3 => Ok(Init::Continue(shop, 10)),
            _ => Ok(Init::Ready(shop)),
        }
    }

    async fn handle_call(&mut self, order: Order, _cx: &mut Context<Self>) -> Step<Self> {
        match order {
            Order::Take(n, from) if n <= self.stock => {
                self.stock -= n;
                from.reply(Ok(self.stock));
            }
            Order::Take(n, from) => from.reply(Err(format!("there are no {n}"))),
            Order::Wait(from) => self.waiting.push(from),
            Order::Forget(from) => drop(from),
            Order::Watch(pid, from) => {
                monitor(pid);
                link(pid);
                from.reply(());
            }
            Order::Trap(from) => {
                trap_exit(true);
                from.reply(());
            }
            Order::Ask(whom, from) => from.reply(whom.call(|from| from).await),
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, delivery: Delivery, cx: &mut Context<Self>) -> Step<Self> {
        match delivery {
            Delivery::Goods(n) => {
                self.stock += n;
                self.waiting
                    .drain(..)
                    .for_each(|from| from.reply(self.stock));
                if self.stock > 1_000 {
                    return Ok(Next::Stop(ExitReason::ShutdownWith(
                        "full".to_owned().into(),
                    )));
                }
            }
            Delivery::Panic => panic!("broken jar"),
            Delivery::Idle(time) => return Ok(Next::Timeout(time)),
            Delivery::Later(time) => {
                cx.send_after(time, Note::Restock);
            }
            Delivery::Reload => return Ok(Next::Continue(5)),
            Delivery::Hibernate => return Ok(Next::Hibernate),
            Delivery::Spawn => {
                spawn_link(std::future::pending::<()>());
            }
        }
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<Note>, _cx: &mut Context<Self>) -> Step<Self> {
        match info {
            Info::Message(Note::Tell(to)) => to.send(format!("{} left", self.stock)),
            Info::Message(Note::Restock) => self.stock += 100,
            Info::Timeout => self.heard.push("timeout".to_owned()),
            Info::Down(down) => self.heard.push(format!("down {}", down.reason)),
            Info::Exit(exit) => self.heard.push(format!("exit {}", exit.reason)),
            _ => {}
        }
        Ok(Next::Wait)
    }

    async fn handle_continue(&mut self, n: u32, _cx: &mut Context<Self>) -> Step<Self> {
        self.stock += n;
        Ok(Next::Wait)
    }

    async fn terminate(&mut self, reason: &ExitReason, _cx: &mut Context<Self>) {
        if *reason == ExitReason::Normal && self.stock == 13 {
            panic!("terminate is unlucky");
        }
    }

    fn hibernate(&mut self) {
        self.heard.push("hibernate".to_owned());
    }
}

fn shop(stock: u32) -> Subject<Shop> {
    Subject::start(stock).expect("it starts")
}

#[test]
fn init_may_refuse_fail_and_crash() {
    let start = |stock| Subject::<Shop>::start(stock).map(drop);
    assert_eq!(start(0), Err(NotStarted::Ignore));
    assert_eq!(
        start(1),
        Err(NotStarted::Fail(ExitReason::msg("too small")))
    );
    let crashed = start(2).unwrap_err();
    assert!(crashed.to_string().contains("no luck"), "{crashed}");
}

#[test]
fn a_continue_runs_by_itself() {
    let mut shop = shop(3);
    assert_eq!(
        shop.started().callbacks(),
        [Callback::Init, Callback::Continue]
    );
    assert_eq!(shop.state(|shop| shop.stock), 13);
    let steps = shop.cast(Delivery::Reload);
    assert_eq!(steps.callbacks(), [Callback::Cast, Callback::Continue]);
    assert_eq!(steps.all()[0].next, NextStep::Continue);
    assert_eq!(shop.state(|shop| shop.stock), 18);
}

#[test]
fn a_call_gives_its_reply_and_its_next() {
    let mut shop = shop(10);
    let called = shop.call(|from| Order::Take(4, from));
    assert_eq!(called.reply(), Some(Ok(Ok(6))));
    assert_eq!(called.next(), Some(&NextStep::Wait));
    let called = shop.call(|from| Order::Take(40, from));
    assert_eq!(called.reply(), Some(Ok(Err("there are no 40".to_owned()))));
    assert_eq!(
        shop.call(Order::Forget).reply(),
        Some(Err(CallError::NoReply))
    );
}

#[test]
fn a_reply_may_come_later() {
    let mut shop = shop(10);
    let called = shop.call(Order::Wait);
    assert_eq!(called.reply(), None);
    shop.cast(Delivery::Goods(5));
    assert_eq!(called.reply(), Some(Ok(15)));
}

#[test]
fn timers_and_timeouts_fire_as_time_passes() {
    let mut shop = shop(10);
    assert_eq!(
        shop.cast(Delivery::Later(Duration::from_secs(60)))
            .all()
            .len(),
        1
    );
    assert_eq!(shop.advance(Duration::from_secs(59)).all(), []);
    let steps = shop.advance(Duration::from_secs(1));
    assert_eq!(steps.callbacks(), [Callback::Message]);
    assert_eq!(steps.all()[0].at, Duration::from_secs(60));
    assert_eq!(shop.state(|shop| shop.stock), 110);

    let idle = Duration::from_secs(3600);
    assert_eq!(
        shop.cast(Delivery::Idle(idle)).next(),
        Some(&NextStep::Timeout(idle))
    );
    assert_eq!(shop.advance(idle).callbacks(), [Callback::Timeout]);
    assert_eq!(shop.advance(idle).all(), [], "once");
    // Whatever comes ends the wait.
    shop.cast(Delivery::Idle(idle));
    shop.cast(Delivery::Goods(1));
    assert_eq!(shop.advance(idle * 2).all(), []);
    assert_eq!(shop.elapsed(), Duration::from_secs(60) + idle * 4);
}

#[test]
fn what_is_sent_lies_in_the_outbox() {
    let mut shop = shop(10);
    let outbox = shop.outbox::<String>();
    shop.info(Note::Tell(outbox.recipient()));
    shop.cast(Delivery::Goods(1));
    shop.info(Note::Tell(outbox.recipient()));
    assert_eq!(outbox.take(), ["10 left", "11 left"]);
    assert_eq!(outbox.take(), [""; 0]);
}

#[test]
fn peers_end_and_are_heard_of() {
    let mut shop = shop(10);
    assert_eq!(shop.call(Order::Trap).reply(), Some(Ok(())));
    let peer = shop.peer();
    shop.call(move |from| Order::Watch(peer, from))
        .reply()
        .unwrap()
        .unwrap();
    assert_eq!(shop.process().unwrap().links, [peer]);
    let steps = shop.end_peer(peer, ExitReason::msg("gone"));
    assert_eq!(steps.all().len(), 2);
    let mut heard = shop.state(|shop| shop.heard.clone());
    heard.sort();
    assert_eq!(heard, ["down gone", "exit gone"]);
}

#[test]
fn an_exit_signal_ends_it_without_a_callback() {
    let mut shop = shop(10);
    assert_eq!(shop.exit(ExitReason::Normal).all(), []);
    assert_eq!(shop.ended(), None);
    assert_eq!(shop.exit(ExitReason::Kill).all(), []);
    assert_eq!(shop.ended(), Some(ExitReason::Killed));
    assert_eq!(
        shop.call(Order::Forget).reply(),
        Some(Err(CallError::NoProc))
    );
    assert!(shop.process().is_none());
}

#[test]
fn a_stop_an_error_and_a_panic_end_it() {
    let mut full = shop(10);
    let why = ExitReason::ShutdownWith("full".to_owned().into());
    assert_eq!(
        full.cast(Delivery::Goods(5_000)).next(),
        Some(&NextStep::Stop(why.clone()))
    );
    assert_eq!(full.ended(), Some(why));

    let mut broken = shop(10);
    broken.cast(Delivery::Panic);
    let reason = broken.ended().unwrap();
    assert!(reason.is_panic() && reason.to_string().contains("broken jar"));
    assert!(
        broken
            .log()
            .iter()
            .any(|record| record.text.contains("broken jar"))
    );

    assert_eq!(shop(10).stop(ExitReason::Normal), ExitReason::Normal);
    let unlucky = shop(3).stop(ExitReason::Normal);
    assert!(
        unlucky.to_string().contains("terminate is unlucky"),
        "{unlucky}"
    );
}

#[test]
fn hibernation_is_carried_out() {
    let mut shop = shop(10);
    assert_eq!(
        shop.cast(Delivery::Hibernate).next(),
        Some(&NextStep::Hibernate)
    );
    assert_eq!(shop.state(|shop| shop.heard.clone()), ["hibernate"]);
}

#[test]
fn children_are_listed() {
    let mut shop = shop(10);
    assert!(shop.children().is_empty());
    shop.cast(Delivery::Spawn);
    assert_eq!(shop.children().len(), 1);
}

#[test]
fn another_server_may_answer_from_beside() {
    let mut shop = shop(10);
    let clerk = shop.beside(async {
        spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
            loop {
                inbox.recv().await.reply(77);
            }
        })
    });
    let called = shop.call(|from| Order::Ask(clerk, from));
    assert_eq!(called.reply(), Some(Ok(Ok(77))));
}

#[test]
fn an_answer_that_never_comes_is_given_up_in_virtual_time() {
    let mut shop = shop(10);
    let silent = shop.beside(async {
        spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
            let _kept = inbox.recv().await;
            std::future::pending::<()>().await;
            raise(ExitReason::Normal)
        })
    });
    let called = shop.call(|from| Order::Ask(silent, from));
    let five = Duration::from_secs(5);
    assert_eq!(called.reply(), Some(Ok(Err(CallError::Timeout(five)))));
    assert!(shop.elapsed() >= five);
}
