//! What `docs/SEMANTICS.md` says of processes, one step at a time.

use std::collections::{BTreeSet, VecDeque};

use rekindle_actor::ExitReason;
use rekindle_fuzz::PLANNED;

use super::puppet::{Act, Seen, Tie, Why, text};

#[derive(Debug, Default)]
pub struct Process {
    /// Why it has ended, if it has.
    pub ended: Option<String>,
    traps: bool,
    links: BTreeSet<usize>,
    /// Those it has made, and whether they still stand.
    monitors: Vec<Monitor>,
    name: Option<usize>,
    /// How many it has sent to each.
    letters: Vec<usize>,
    pub seen: Vec<Seen>,
}

#[derive(Debug)]
struct Monitor {
    target: Option<usize>,
    stands: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    pub processes: Vec<Process>,
}

impl Model {
    pub fn spawn(&mut self) -> usize {
        self.processes.push(Process::default());
        self.processes.len() - 1
    }

    pub fn lives(&self, who: usize) -> bool {
        self.processes[who].ended.is_none()
    }

    fn holder(&self, name: usize) -> Option<usize> {
        self.processes
            .iter()
            .position(|process| process.name == Some(name))
    }

    /// What happens when a process that lives is told so.
    pub fn act(&mut self, own: usize, act: Act) {
        match act {
            Act::Spawn(tie) => {
                let new = self.spawn();
                match tie {
                    Tie::None => {}
                    Tie::Link => self.link(own, new),
                    Tie::Monitor => self.monitor(own, Some(new)),
                }
            }
            Act::Link(other) => self.link(own, other),
            Act::Unlink { other, .. } => {
                self.processes[own].links.remove(&other);
                self.processes[other].links.remove(&own);
            }
            Act::Monitor(other) => self.monitor(own, Some(other)),
            Act::MonitorName(name) => self.monitor(own, self.holder(name)),
            Act::Demonitor { which, flush } => self.demonitor(own, which, flush),
            Act::Exit(to, Why::Kill) if self.lives(to) => self.end(to, &ExitReason::Killed),
            Act::Exit(to, why) => self.exit_signal(own, to, &why.reason()),
            Act::Trap(on) => {
                let before = std::mem::replace(&mut self.processes[own].traps, on);
                self.answer(own, format!("trapped: {before}"));
            }
            Act::Register { name, who } => {
                let answer = self.register(name, who);
                self.answer(own, format!("{answer:?}"));
            }
            Act::Unregister(name) => {
                let holder = self.holder(name);
                if let Some(holder) = holder {
                    self.processes[holder].name = None;
                }
                self.answer(own, format!("freed: {}", holder.is_some()));
            }
            Act::Send(to) => {
                let sent = &mut self.processes[own].letters;
                sent.resize(sent.len().max(to + 1), 0);
                let n = sent[to];
                sent[to] += 1;
                self.sees(to, Seen::Letter { from: own, n });
            }
            Act::Sleep(_) => {}
            Act::End(why) => self.end(own, &why.reason()),
            Act::Panic => self.end_as(own, PLANNED.to_owned(), false),
        }
    }

    fn sees(&mut self, who: usize, what: Seen) {
        if self.lives(who) {
            self.processes[who].seen.push(what);
        }
    }

    fn answer(&mut self, own: usize, answer: String) {
        self.sees(own, Seen::Answer(answer));
    }

    fn link(&mut self, own: usize, other: usize) {
        if own == other || self.processes[own].links.contains(&other) {
            return;
        }
        if !self.lives(other) {
            return self.exit_signal(other, own, &ExitReason::NoProc);
        }
        self.processes[own].links.insert(other);
        self.processes[other].links.insert(own);
    }

    fn monitor(&mut self, own: usize, target: Option<usize>) {
        let stands = target.is_some_and(|target| self.lives(target));
        let monitors = &mut self.processes[own].monitors;
        monitors.push(Monitor { target, stands });
        let monitor = monitors.len() - 1;
        if !stands {
            let reason = text(&ExitReason::NoProc);
            self.sees(own, Seen::Down { monitor, reason });
        }
    }

    fn demonitor(&mut self, own: usize, which: usize, flush: bool) {
        let monitors = &mut self.processes[own].monitors;
        let Some(monitor) = which.checked_rem(monitors.len()) else {
            return;
        };
        let stood = std::mem::replace(&mut monitors[monitor].stands, false);
        self.answer(own, format!("stood: {stood}"));
        if stood || flush {
            self.sees(own, Seen::TakenAway { monitor });
        }
    }

    fn register(&mut self, name: usize, who: usize) -> Result<(), String> {
        if !self.lives(who) {
            return Err(rekindle_actor::RegisterError::NoProc.to_string());
        }
        if let Some(holder) = self.holder(name) {
            return Err(format!("taken by {:?}", Some(holder)));
        }
        if let Some(other) = self.processes[who].name {
            let other = super::puppet::NAMES[other].into();
            return Err(rekindle_actor::RegisterError::HasName(other).to_string());
        }
        self.processes[who].name = Some(name);
        Ok(())
    }

    /// An exit signal that is no kill, and that a standing link or `exit` brings.
    fn exit_signal(&mut self, from: usize, to: usize, reason: &ExitReason) {
        if !self.lives(to) {
            return;
        }
        if self.processes[to].traps {
            let reason = text(reason);
            return self.sees(to, Seen::Exit { from, reason });
        }
        if !reason.is_normal() || from == to {
            self.end(to, reason);
        }
    }

    fn end(&mut self, who: usize, reason: &ExitReason) {
        self.end_as(who, text(reason), reason.is_normal());
    }

    /// Ends a process, and with it whom it takes along: all with the same reason.
    fn end_as(&mut self, who: usize, reason: String, normal: bool) {
        let mut ending = VecDeque::from([who]);
        while let Some(who) = ending.pop_front() {
            if !self.lives(who) {
                continue;
            }
            let process = &mut self.processes[who];
            process.ended = Some(reason.clone());
            process.name = None;
            for other in std::mem::take(&mut process.links) {
                self.processes[other].links.remove(&who);
                if self.processes[other].traps {
                    let reason = reason.clone();
                    self.sees(other, Seen::Exit { from: who, reason });
                } else if !normal {
                    ending.push_back(other);
                }
            }
            for process in &mut self.processes {
                for (monitor, one) in process.monitors.iter_mut().enumerate() {
                    if one.target == Some(who) && std::mem::take(&mut one.stands) {
                        let reason = reason.clone();
                        process.seen.push(Seen::Down { monitor, reason });
                    }
                }
            }
        }
    }
}
