//! A message broker in a process: what RabbitMQ is to the story, as far as it needs it.
//!
//! Words: a *job* is published once. Each time it is handed out, that is a *delivery*, with a *tag*
//! of its own. A delivery is *settled* once: acknowledged (`ack`), and the job is done; or rejected
//! (`nack`), and the job is delivered again later. *Prefetch* limits how many deliveries may be
//! unsettled at a time.
//!
//! Who answers for a delivery, and what the queue does when that process dies:
//!
//! | state                       | answers for it                | when it dies                        |
//! |-----------------------------|-------------------------------|-------------------------------------|
//! | delivered                   | the consumer                  | the queue rejects it                |
//! | claimed, by a worker        | that worker, and nobody after | the queue rejects it                |
//! | settled                     | nobody                        | nothing                             |
//!
//! So a job is done *at least once*: it may have been done by a worker that died before it said so.
//!
//! Invariants
//! 1. Every delivery is settled exactly once: `deliveries == acks + nacks + in_flight`.
//! 2. Every job is waiting, in flight, or acknowledged; never two of these.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use rekindle::{
    CallError, Down, ExitReason, Info, Mailbox, MonitorRef, Pid, Recipient, ReplyTo, Sender,
    demonitor_flush, monitor, self_pid, spawn,
};

use crate::screen::Screen;

/// A job, handed out.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The number of this delivery; of no other, not even of the same job.
    pub tag: u64,
    /// The job.
    pub payload: String,
    /// How often the job has been delivered, this time included.
    pub attempt: u32,
}

/// The books of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Each job, in the order of publishing.
    pub jobs: Vec<Job>,
    /// Deliveries made.
    pub deliveries: u64,
    /// Deliveries acknowledged.
    pub acks: u64,
    /// Deliveries rejected, by whomever.
    pub nacks: u64,
    /// Those of them that the queue rejected itself, because who answered for them had died.
    pub orphans: u64,
    /// Attempts to settle what was settled, or never delivered.
    pub mistakes: u64,
    /// Deliveries not settled yet.
    pub in_flight: usize,
    /// The most there ever were of those.
    pub most_in_flight: usize,
}

/// The books of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// What was published.
    pub payload: String,
    /// How often it was delivered.
    pub deliveries: u32,
    /// How often it was acknowledged.
    pub acks: u32,
    /// How often it was rejected.
    pub nacks: u32,
}

/// Why a delivery was not settled.
#[derive(Debug, Clone, PartialEq)]
pub enum SettleError {
    /// There is no unsettled delivery with this tag.
    UnknownTag(u64),
    /// The queue did not answer.
    Queue(CallError),
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettleError::UnknownTag(tag) => write!(f, "no delivery #{tag} is to be settled"),
            SettleError::Queue(error) => write!(f, "the queue did not answer: {error}"),
        }
    }
}

impl std::error::Error for SettleError {}

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settlement {
    Ack,
    Nack,
}

/// What the queue is asked. What expects an answer carries the way back for it.
enum Request {
    Publish(String),
    Subscribe(Recipient<Delivery>, usize),
    Claim(u64, Pid, ReplyTo<bool>),
    Settle(u64, Settlement, ReplyTo<Result<(), SettleError>>),
    Look(ReplyTo<Ledger>),
    Drained(ReplyTo<Ledger>),
}

/// A handle on a queue.
#[derive(Debug, Clone)]
pub struct Queue(Sender<Request>);

impl Queue {
    /// Starts a queue that tells on the screen what it does of its own accord.
    ///
    /// Its process is linked with nobody: a broker is another program, as a rule.
    #[must_use]
    pub fn start(screen: &Screen) -> Queue {
        let screen = screen.clone();
        Queue(spawn(|inbox: Mailbox<Request>| serve(inbox, screen)))
    }

    /// Adds a job.
    pub fn publish(&self, payload: impl Into<String>) {
        self.0.send(Request::Publish(payload.into()));
    }

    /// Makes `consumer` the one to whom jobs are delivered, in place of the last one; at most
    /// `prefetch` deliveries are in flight.
    pub fn subscribe(&self, consumer: Recipient<Delivery>, prefetch: usize) {
        self.0.send(Request::Subscribe(consumer, prefetch));
    }

    /// Makes the running process the one that answers for a delivery. `false` if the delivery is
    /// settled, or was claimed before: then the running process must leave it alone.
    ///
    /// # Errors
    ///
    /// If the queue does not answer.
    pub async fn claim(&self, tag: u64) -> Result<bool, CallError> {
        self.0
            .call(|from| Request::Claim(tag, self_pid(), from))
            .await
    }

    /// Acknowledges a delivery: its job is done.
    ///
    /// # Errors
    ///
    /// If it was settled before, or the queue does not answer.
    pub async fn ack(&self, tag: u64) -> Result<(), SettleError> {
        self.settle(tag, Settlement::Ack).await
    }

    /// Rejects a delivery: its job will be delivered again.
    ///
    /// # Errors
    ///
    /// If it was settled before, or the queue does not answer.
    pub async fn nack(&self, tag: u64) -> Result<(), SettleError> {
        self.settle(tag, Settlement::Nack).await
    }

    /// The books as they are.
    ///
    /// # Errors
    ///
    /// If the queue does not answer.
    pub async fn ledger(&self) -> Result<Ledger, CallError> {
        self.0.call(Request::Look).await
    }

    /// Waits, however long it takes, until all jobs published so far are acknowledged.
    ///
    /// # Errors
    ///
    /// If the queue ends first.
    pub async fn drained(&self) -> Result<Ledger, CallError> {
        self.0.call(Request::Drained).no_timeout().await
    }

    /// Ends the queue.
    pub fn stop(&self) {
        self.0.exit(ExitReason::Shutdown);
    }

    async fn settle(&self, tag: u64, how: Settlement) -> Result<(), SettleError> {
        let answer = self.0.call(|from| Request::Settle(tag, how, from)).await;
        answer.map_err(SettleError::Queue)?
    }
}

/// The queue's process.
async fn serve(mut inbox: Mailbox<Request>, screen: Screen) {
    let mut broker = Broker {
        screen,
        ..Broker::default()
    };
    loop {
        match inbox.next().await {
            Info::Message(request) => broker.handle(request),
            Info::Down(down) => broker.down(&down),
            _ => {}
        }
        broker.deliver();
        broker.tell_if_drained();
    }
}

/// To whom jobs are delivered.
struct Consumer {
    to: Recipient<Delivery>,
    prefetch: usize,
    watch: Option<MonitorRef>,
}

/// A delivery in flight.
struct Unsettled {
    /// Which job.
    job: usize,
    /// The monitor on the worker that has claimed it; `None` while it is the consumer's.
    claimed: Option<MonitorRef>,
}

/// The queue's state.
#[derive(Default)]
struct Broker {
    ledger: Ledger,
    /// Jobs that wait for a delivery.
    waiting: VecDeque<usize>,
    /// By tag. Ordered, so that runs can be repeated.
    in_flight: BTreeMap<u64, Unsettled>,
    consumer: Option<Consumer>,
    drained: Vec<ReplyTo<Ledger>>,
    screen: Screen,
}

impl Broker {
    fn handle(&mut self, request: Request) {
        match request {
            Request::Publish(payload) => {
                self.waiting.push_back(self.ledger.jobs.len());
                self.ledger.jobs.push(Job {
                    payload,
                    ..Job::default()
                });
            }
            Request::Subscribe(to, prefetch) => self.subscribe(to, prefetch),
            Request::Claim(tag, worker, from) => from.reply(self.claim(tag, worker)),
            Request::Settle(tag, how, from) => from.reply(self.settle(tag, how)),
            Request::Look(from) => from.reply(self.ledger.clone()),
            Request::Drained(from) => self.drained.push(from),
        }
    }

    fn subscribe(&mut self, to: Recipient<Delivery>, prefetch: usize) {
        if let Some(last) = self.consumer.take() {
            self.forget(&last);
        }
        let watch = to.pid().map(monitor);
        self.consumer = Some(Consumer {
            to,
            prefetch,
            watch,
        });
    }

    /// A delivery is one worker's for good. One that is started again for a delivery of its
    /// predecessor's is told so here, whether or not we have heard of that one's death.
    fn claim(&mut self, tag: u64, worker: Pid) -> bool {
        match self.in_flight.get_mut(&tag) {
            Some(delivery) if delivery.claimed.is_none() => {
                delivery.claimed = Some(monitor(worker));
                true
            }
            _ => false,
        }
    }

    fn settle(&mut self, tag: u64, how: Settlement) -> Result<(), SettleError> {
        let Some(delivery) = self.in_flight.remove(&tag) else {
            self.ledger.mistakes += 1;
            return Err(SettleError::UnknownTag(tag));
        };
        if let Some(watch) = delivery.claimed {
            demonitor_flush(watch);
        }
        let job = &mut self.ledger.jobs[delivery.job];
        match how {
            Settlement::Ack => {
                job.acks += 1;
                self.ledger.acks += 1;
            }
            Settlement::Nack => {
                job.nacks += 1;
                self.ledger.nacks += 1;
                self.waiting.push_back(delivery.job);
            }
        }
        self.ledger.in_flight = self.in_flight.len();
        Ok(())
    }

    /// A worker has died, or the consumer.
    fn down(&mut self, down: &Down) {
        let reference = Some(down.reference);
        if let Some(gone) = self
            .consumer
            .take_if(|consumer| consumer.watch == reference)
        {
            self.screen
                .say("The consumer died: the queue takes back what nobody has claimed");
            return self.forget(&gone);
        }
        let claimed = |(_, delivery): &(&u64, &Unsettled)| delivery.claimed == reference;
        if let Some((&tag, _)) = self.in_flight.iter().find(claimed) {
            self.screen.say(format!(
                "The worker of job #{tag} died: the queue takes the job back"
            ));
            self.take_back(tag);
        }
    }

    fn forget(&mut self, consumer: &Consumer) {
        consumer.watch.map(demonitor_flush);
        let unclaimed = self
            .in_flight
            .iter()
            .filter(|(_, delivery)| delivery.claimed.is_none());
        let tags: Vec<u64> = unclaimed.map(|(tag, _)| *tag).collect();
        tags.into_iter().for_each(|tag| self.take_back(tag));
    }

    fn take_back(&mut self, tag: u64) {
        if self.settle(tag, Settlement::Nack).is_ok() {
            self.ledger.orphans += 1;
        }
    }

    /// Hands out what waits, as far as the prefetch limit goes.
    fn deliver(&mut self) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        while self.in_flight.len() < consumer.prefetch {
            let Some(index) = self.waiting.pop_front() else {
                break;
            };
            self.ledger.deliveries += 1;
            let (tag, job) = (self.ledger.deliveries, &mut self.ledger.jobs[index]);
            job.deliveries += 1;
            let (payload, attempt) = (job.payload.clone(), job.deliveries);
            self.in_flight.insert(
                tag,
                Unsettled {
                    job: index,
                    claimed: None,
                },
            );
            consumer.to.send(Delivery {
                tag,
                payload,
                attempt,
            });
        }
        self.ledger.in_flight = self.in_flight.len();
        self.ledger.most_in_flight = self.ledger.most_in_flight.max(self.in_flight.len());
    }

    fn tell_if_drained(&mut self) {
        if self.waiting.is_empty() && self.in_flight.is_empty() {
            for from in self.drained.drain(..) {
                from.reply(self.ledger.clone());
            }
        }
    }
}
