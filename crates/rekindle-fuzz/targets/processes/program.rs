//! Carries a program out, in one of two ways, and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use rekindle_actor::{ExitReason, Pid, Sender, exit, is_alive, list, registered, sleep, yield_now};
use rekindle_fuzz::{no_other_panics, settle};

use super::model::Model;
use super::puppet::{self, Act, Board, Known, NAMES, Seen, Tie, Told, Why, text};

/// Those who are there at the beginning.
const FIRST: usize = 4;
/// More are not spawned.
const MOST: usize = 24;

/// An order to one process, about others; numbers are taken modulo what there is.
#[derive(Debug, Clone, Arbitrary)]
pub struct Order {
    by: u8,
    to: u8,
    what: What,
}

#[derive(Debug, Clone, Arbitrary)]
enum What {
    Spawn(Tie),
    Link,
    Unlink {
        flush: bool,
    },
    Monitor,
    MonitorName {
        name: u8,
    },
    Demonitor {
        which: u8,
        flush: bool,
    },
    Exit(Why),
    Trap(bool),
    Register {
        name: u8,
    },
    Unregister {
        name: u8,
    },
    Send,
    Sleep {
        ms: u8,
    },
    End(Why),
    Panic,
    /// To nobody: the program itself waits.
    Wait {
        ms: u8,
    },
    Yield,
}

impl Order {
    /// Who is to do what, when there are so many; `None` is nobody's business.
    fn act(&self, count: usize) -> Option<(usize, Act)> {
        let number = |n: u8| usize::from(n) % count;
        let name = |n: u8| usize::from(n) % NAMES.len();
        let other = number(self.to);
        let act = match self.what {
            What::Spawn(tie) if count < MOST => Act::Spawn(tie),
            What::Link => Act::Link(other),
            What::Unlink { flush } => Act::Unlink { other, flush },
            What::Monitor => Act::Monitor(other),
            What::MonitorName { name: n } => Act::MonitorName(name(n)),
            What::Demonitor { which, flush } => Act::Demonitor {
                which: which.into(),
                flush,
            },
            What::Exit(why) => Act::Exit(other, why),
            What::Trap(on) => Act::Trap(on),
            What::Register { name: n } => Act::Register {
                name: name(n),
                who: other,
            },
            What::Unregister { name: n } => Act::Unregister(name(n)),
            What::Send => Act::Send(other),
            What::Sleep { ms } => Act::Sleep(Duration::from_millis(ms.into())),
            What::End(why) => Act::End(why),
            What::Panic => Act::Panic,
            What::Spawn(_) | What::Wait { .. } | What::Yield => return None,
        };
        Some((number(self.by), act))
    }
}

fn begin() -> Board {
    let board = Board::default();
    for _ in 0..FIRST {
        puppet::start(&board, Tie::None);
    }
    board
}

fn tell(board: &Board, own: usize, act: Act) {
    if let Some(puppet) = Sender::from_pid(board.pid(own)) {
        puppet.send(Told::Do(act));
    }
}

/// Each order when all that the one before has led to is over: as the model says.
pub async fn step_by_step(orders: Vec<Order>) {
    let (board, mut model) = (begin(), Model::default());
    for _ in 0..FIRST {
        model.spawn();
    }
    settle().await;
    for order in orders {
        let Some((own, act)) = order.act(model.processes.len()) else {
            continue;
        };
        // Whoever sleeps would do the next later.
        if matches!(act, Act::Sleep(_)) {
            continue;
        }
        tell(&board, own, act);
        settle().await;
        if model.lives(own) {
            model.act(own, act);
        }
        agree(&board, &mut model, (own, act));
    }
    nothing_is_left(&board).await;
}

fn agree(board: &Board, model: &mut Model, after: (usize, Act)) {
    board.with(|known| {
        assert_eq!(known.len(), model.processes.len());
        for (number, (known, process)) in known.iter_mut().zip(&mut model.processes).enumerate() {
            let mut seen = std::mem::take(&mut known.seen);
            let mut expected = std::mem::take(&mut process.seen);
            assert_eq!(
                is_alive(known.pid),
                process.ended.is_none(),
                "{number} after {after:?}"
            );
            // Who died meanwhile may have seen the news, or not; and news of several come in any
            // order.
            if process.ended.is_none() {
                seen.sort();
                expected.sort();
                assert_eq!(seen, expected, "{number} after {after:?}");
            }
        }
    });
}

/// All orders as fast as they come; what each process has seen.
pub async fn all_at_once(orders: Vec<Order>) -> Vec<Vec<Seen>> {
    let board = begin();
    for order in orders {
        match order.what {
            What::Wait { ms } => sleep(Duration::from_millis(ms.into())).await,
            What::Yield => yield_now().await,
            _ => {
                let count = board.with(|known| known.len());
                if let Some((own, act)) = order.act(count) {
                    tell(&board, own, act);
                }
            }
        }
    }
    // Longer than all of it can sleep.
    sleep(Duration::from_secs(60)).await;
    settle().await;
    board.with(|known| {
        let deaths = deaths(known);
        known.iter().for_each(letters_are_whole);
        known
            .iter()
            .for_each(|process| monitors_fire_once(process, &deaths));
    });
    nothing_is_left(&board).await;
    board.with(|known| known.drain(..).map(|process| process.seen).collect())
}

/// What was told of each end; all who were told in time were told the same.
fn deaths(known: &[Known]) -> BTreeMap<Pid, String> {
    let mut deaths = BTreeMap::new();
    let missing = text(&ExitReason::NoProc);
    for process in known {
        for seen in &process.seen {
            let Seen::Down { monitor, reason } = seen else {
                continue;
            };
            let Some(target) = process.watches[*monitor] else {
                assert_eq!(*reason, missing);
                continue;
            };
            assert!(!is_alive(target), "{target} is said to be dead");
            if *reason != missing {
                let told = deaths.entry(target).or_insert_with(|| reason.clone());
                assert_eq!(told, reason, "of {target}");
            }
        }
    }
    deaths
}

/// From each sender: in order, without a gap; only the last may be missing.
fn letters_are_whole(process: &Known) {
    let mut next: BTreeMap<usize, usize> = BTreeMap::new();
    for seen in &process.seen {
        if let Seen::Letter { from, n } = seen {
            let next = next.entry(*from).or_default();
            assert_eq!(n, next, "from {from}");
            *next += 1;
        }
    }
}

/// At most once, never after it was taken away, and once if both could.
fn monitors_fire_once(process: &Known, deaths: &BTreeMap<Pid, String>) {
    let (mut fired, mut away) = (BTreeSet::new(), BTreeSet::new());
    for seen in &process.seen {
        match seen {
            Seen::Down { monitor, .. } => {
                assert!(!away.contains(monitor), "monitor {monitor} was taken away");
                assert!(fired.insert(*monitor), "monitor {monitor} fired twice");
            }
            Seen::TakenAway { monitor } if !fired.contains(monitor) => {
                away.insert(*monitor);
            }
            _ => {}
        }
    }
    if !is_alive(process.pid) {
        return;
    }
    for (monitor, target) in process.watches.iter().enumerate() {
        let gone = target.is_none_or(|target| !is_alive(target) || deaths.contains_key(&target));
        let due = gone && !away.contains(&monitor);
        assert_eq!(
            fired.contains(&monitor),
            due,
            "monitor {monitor} on {target:?}"
        );
    }
}

/// When all are killed: but for this process.
async fn nothing_is_left(board: &Board) {
    let all: Vec<Pid> = board.with(|known| known.iter().map(|process| process.pid).collect());
    all.into_iter().for_each(|pid| exit(pid, ExitReason::Kill));
    settle().await;
    let left = list(0, 100).processes;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(registered(), []);
    no_other_panics();
}
