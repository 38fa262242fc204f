//! Processes that do as they are told, and write down what they receive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arbitrary::Arbitrary;
use rekindle_actor::{
    ExitReason, Info, Mailbox, MonitorRef, Pid, Sender, demonitor, demonitor_flush, exit, link,
    monitor, monitor_name, register, sleep, spawn, spawn_link, spawn_monitor, trap_exit, unlink,
    unlink_flush, unregister,
};
use rekindle_fuzz::PLANNED;

pub const NAMES: [&str; 3] = ["one", "two", "three"];

/// What a puppet is told. Processes are given by their number, in the order of their starts.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    Spawn(Tie),
    Link(usize),
    Unlink { other: usize, flush: bool },
    Monitor(usize),
    MonitorName(usize),
    Demonitor { which: usize, flush: bool },
    Exit(usize, Why),
    Trap(bool),
    Register { name: usize, who: usize },
    Unregister(usize),
    Send(usize),
    Sleep(Duration),
    End(Why),
    Panic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Tie {
    None,
    Link,
    Monitor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Why {
    Normal,
    Shutdown,
    Kill,
    Error,
}

impl Why {
    pub fn reason(self) -> ExitReason {
        match self {
            Why::Normal => ExitReason::Normal,
            Why::Shutdown => ExitReason::Shutdown,
            Why::Kill => ExitReason::Kill,
            Why::Error => ExitReason::msg("told to"),
        }
    }
}

/// What a process has seen; processes and monitors by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// The n-th letter of this process to this one.
    Letter {
        from: usize,
        n: usize,
    },
    Down {
        monitor: usize,
        reason: String,
    },
    Exit {
        from: usize,
        reason: String,
    },
    /// What an operation gave.
    Answer(String),
    /// It has taken a monitor away: so much is certain from now on.
    TakenAway {
        monitor: usize,
    },
}

/// A reason as text; a panic without its place.
pub fn text(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Panic(panic) => panic.message.clone(),
        reason => reason.to_string(),
    }
}

/// A process, and what is known of it outside.
#[derive(Debug)]
pub struct Known {
    pub pid: Pid,
    pub seen: Vec<Seen>,
    /// Whom each of its monitors watches.
    pub watches: Vec<Option<Pid>>,
}

/// All processes of a program.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Vec<Known>>>);

impl Board {
    pub fn with<T>(&self, look: impl FnOnce(&mut Vec<Known>) -> T) -> T {
        look(&mut self.0.lock().expect("nothing panics while it is held"))
    }

    pub fn pid(&self, number: usize) -> Pid {
        self.with(|known| known[number].pid)
    }

    pub fn number(&self, pid: Pid) -> Option<usize> {
        self.with(|known| known.iter().position(|one| one.pid == pid))
    }

    fn enter(&self, pid: Pid) -> usize {
        self.with(|known| {
            let (seen, watches) = (Vec::new(), Vec::new());
            known.push(Known { pid, seen, watches });
            known.len() - 1
        })
    }
}

#[derive(Debug)]
pub enum Told {
    Do(Act),
    Letter { from: usize, n: usize },
}

/// Spawns a puppet; it has its number when this returns.
pub fn start(board: &Board, tie: Tie) -> (usize, Option<MonitorRef>) {
    let own = board.clone();
    let body =
        move |inbox: Mailbox<Told>| async move { Puppet::new(own, &inbox).play(inbox).await };
    let (sender, monitor) = match tie {
        Tie::None => (spawn(body), None),
        Tie::Link => (spawn_link(body), None),
        Tie::Monitor => {
            let (sender, monitor) = spawn_monitor(body);
            (sender, Some(monitor))
        }
    };
    (board.enter(sender.pid()), monitor)
}

struct Puppet {
    board: Board,
    own: Pid,
    monitors: Vec<MonitorRef>,
    letters: BTreeMap<usize, usize>,
}

impl Puppet {
    fn new(board: Board, inbox: &Mailbox<Told>) -> Puppet {
        let (own, monitors, letters) = (inbox.pid(), Vec::new(), BTreeMap::new());
        Puppet {
            board,
            own,
            monitors,
            letters,
        }
    }

    fn saw(&self, what: Seen) {
        let own = self
            .board
            .number(self.own)
            .expect("whoever spawned it has entered it");
        self.board.with(|known| known[own].seen.push(what));
    }

    async fn play(mut self, mut inbox: Mailbox<Told>) -> ExitReason {
        loop {
            match inbox.next().await {
                Info::Message(Told::Do(Act::End(why))) => return why.reason(),
                Info::Message(Told::Do(Act::Sleep(time))) => sleep(time).await,
                Info::Message(Told::Do(act)) => self.act(act),
                Info::Message(Told::Letter { from, n }) => self.saw(Seen::Letter { from, n }),
                Info::Down(down) => {
                    let monitor = self.monitors.iter().position(|one| *one == down.reference);
                    let monitor = monitor.expect("a monitor of its own");
                    let reason = text(&down.reason);
                    self.saw(Seen::Down { monitor, reason });
                }
                Info::Exit(exit) => {
                    let from = self.board.number(exit.from).expect("a puppet");
                    let reason = text(&exit.reason);
                    self.saw(Seen::Exit { from, reason });
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, act: Act) {
        let pid = |number| self.board.pid(number);
        match act {
            Act::Spawn(tie) => {
                if let (number, Some(monitor)) = start(&self.board, tie) {
                    let pid = self.board.pid(number);
                    self.watches(monitor, Some(pid));
                }
            }
            Act::Link(other) => link(pid(other)),
            Act::Unlink {
                other,
                flush: false,
            } => unlink(pid(other)),
            Act::Unlink { other, flush: true } => unlink_flush(pid(other)),
            Act::Monitor(other) => {
                let other = pid(other);
                self.watches(monitor(other), Some(other));
            }
            Act::MonitorName(name) => {
                let holder = rekindle_actor::whereis(NAMES[name]);
                self.watches(monitor_name(NAMES[name]), holder);
            }
            Act::Demonitor { which, flush } => self.demonitor(which, flush),
            Act::Exit(other, why) => exit(pid(other), why.reason()),
            Act::Trap(on) => self.saw(Seen::Answer(format!("trapped: {}", trap_exit(on)))),
            Act::Register { name, who } => {
                let answer = register(NAMES[name], pid(who)).map_err(|error| match error {
                    rekindle_actor::RegisterError::Taken(holder) => {
                        format!("taken by {:?}", self.board.number(holder))
                    }
                    other => other.to_string(),
                });
                self.saw(Seen::Answer(format!("{answer:?}")));
            }
            Act::Unregister(name) => {
                self.saw(Seen::Answer(format!(
                    "freed: {}",
                    unregister(NAMES[name]).is_ok()
                )));
            }
            Act::Send(to) => {
                let from = self.board.number(self.own).expect("it has been entered");
                let sent = self.letters.entry(to).or_default();
                let n = *sent;
                *sent += 1;
                if let Some(to) = Sender::from_pid(self.board.pid(to)) {
                    to.send(Told::Letter { from, n });
                }
            }
            Act::Panic => panic!("{PLANNED}"),
            // The loop does these.
            Act::Sleep(_) | Act::End(_) => {}
        }
    }

    fn watches(&mut self, monitor: MonitorRef, whom: Option<Pid>) {
        self.monitors.push(monitor);
        let own = self.board.number(self.own).expect("it has been entered");
        self.board.with(|known| known[own].watches.push(whom));
    }

    fn demonitor(&self, which: usize, flush: bool) {
        let Some(monitor) = which.checked_rem(self.monitors.len()) else {
            return;
        };
        let reference = self.monitors[monitor];
        let stood = match flush {
            true => demonitor_flush(reference),
            false => demonitor(reference),
        };
        self.saw(Seen::Answer(format!("stood: {stood}")));
        if stood || flush {
            self.saw(Seen::TakenAway { monitor });
        }
    }
}
