//! What a supervisor should do, as `docs/SEMANTICS.md` says it.

use std::time::Duration;

use rekindle_actor::Time;
use rekindle_supervisor::{AutoShutdown, Restart, Strategy};

use super::child::{Given, Why};

/// What the supervisor should be.
pub struct Model {
    pub strategy: Strategy,
    pub auto_shutdown: AutoShutdown,
    pub intensity: usize,
    pub period: Duration,
    /// In the order of their starts, each with the number of its life, if it runs.
    pub children: Vec<(Given, Option<usize>)>,
    pub lives: usize,
    pub restarts: Vec<Time>,
    pub log: Vec<String>,
    pub over: bool,
}

impl Model {
    pub fn find(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|(given, _)| given.id() == id)
    }

    pub fn begin(&mut self, at: usize) {
        self.lives += 1;
        self.children[at].1 = Some(self.lives);
        self.log.push(format!("+{}", self.children[at].0.id()));
    }

    /// A child does not run any more, for whatever reason.
    pub fn end(&mut self, at: usize) {
        if self.children[at].1.take().is_some() {
            self.log.push(format!("-{}", self.children[at].0.id()));
        }
    }

    pub fn forget_if_temporary(&mut self, at: usize) {
        if self.children[at].0.restart() == Restart::Temporary {
            self.children.remove(at);
        }
    }

    pub fn add(&mut self, given: Given) {
        self.children.push((given, None));
        self.begin(self.children.len() - 1);
    }

    pub fn stop_all(&mut self) {
        (0..self.children.len()).rev().for_each(|at| self.end(at));
        self.children.clear();
        self.over = true;
    }

    /// A child has ended by itself.
    pub fn ended(&mut self, at: usize, why: Why, now: Time) {
        self.end(at);
        let child = self.children[at].0;
        let clean = matches!(why, Why::Normal | Why::Shutdown);
        let back = match child.restart() {
            Restart::Permanent => true,
            Restart::Transient => !clean,
            Restart::Temporary => false,
        };
        if back {
            return self.restarted(at, now);
        }
        let mut others = self.children.iter();
        let last = !others.any(|(given, life)| given.significant && life.is_some());
        match self.auto_shutdown {
            AutoShutdown::AnySignificant if child.significant => self.stop_all(),
            AutoShutdown::AllSignificant if child.significant && last => self.stop_all(),
            _ => self.forget_if_temporary(at),
        }
    }

    fn restarted(&mut self, at: usize, now: Time) {
        self.restarts.push(now);
        let recent = self
            .restarts
            .iter()
            .filter(|then| now - **then <= self.period);
        if recent.count() > self.intensity {
            return self.stop_all();
        }
        let group = match self.strategy {
            Strategy::OneForOne => at..at + 1,
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => at..self.children.len(),
        };
        let (first, behind) = (group.start, self.children.len() - group.end);
        for member in group.rev() {
            self.end(member);
            self.forget_if_temporary(member);
        }
        (first..self.children.len() - behind).for_each(|member| self.begin(member));
    }
}
