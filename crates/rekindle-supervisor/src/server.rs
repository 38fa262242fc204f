//! The process behind every supervisor: it carries the plans out.
//!
//! One loop serves all kinds. What differs is the [`Shape`]: an ordinary supervisor has a list of
//! children with ids and a strategy; a dynamic one has any number of children without, and forgets
//! those that have ended.
//!
//! The rules it keeps:
//! 1. One thing at a time. While a child's init runs, or a child is being stopped, the supervisor
//!    waits, and what comes meanwhile is served afterwards, in order.
//! 2. Every child is linked with it, and its death is an `Exit` that comes by the link. An exit signal
//!    that a child sends is not a death. Who takes its link away is no longer heard of, until it is stopped.
//! 3. A restart that fails is tried again by a message of the supervisor to itself, behind the
//!    requests that wait (SUP-030). The message carries a number: if anything else has happened to
//!    the child meanwhile, the number is stale, and the message means nothing.
//! 4. A group restart counts once.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::log_guarded;
use rekindle_actor::sys::{SystemEvent, SystemState, SystemVerdict};
use rekindle_actor::{
    Ack, CrashOutcome, Event, Exit, ExitReason, Handle, Mailbox, PendingReport, Pid, Sender,
    StartError, Starter, TaskBody, guarded, is_linked, link, now, parent, report_for_children,
    self_pid, send_after, trap_exit,
};

use crate::backoff::Backoff;
use crate::children::{ChildCount, Children, Key, State};
use crate::errors::{
    DeleteChildError, FindChildError, RestartChildError, StartChildError, SupervisorError,
    TerminateChildError,
};
use crate::inbox::Inbox;
use crate::intensity::{Verdict, Window};
use crate::request::{ChildEntry, ChildState, Kind, Message, Request, Who};
use crate::restart::{self, Group, Plan, Rules, Strategy};
use crate::shutdown::{Ended, Leaving};
use crate::spec::{
    self, AutoShutdown, ChildKind, ChildSpec, Restart, Shutdown, SpecError, Started,
};
use crate::started::ChildHandle;
use crate::telemetry;

/// Where the log records of supervisors go.
const LOG: &str = "rekindle::supervisor";

/// What all supervisors can be told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) intensity: u32,
    pub(crate) period: Duration,
    pub(crate) backoff: Option<Backoff>,
}

impl Default for Settings {
    /// SUP-010, as in Elixir.
    fn default() -> Self {
        Settings {
            intensity: crate::DEFAULT_INTENSITY,
            period: crate::DEFAULT_PERIOD,
            backoff: None,
        }
    }
}

/// What kinds of supervisors differ in.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Children with ids, in an order.
    Ordered {
        strategy: Strategy,
        auto_shutdown: AutoShutdown,
        children: Vec<ChildSpec>,
    },
    /// Children that come and go.
    Dynamic { max_children: Option<usize> },
}

/// What a supervisor is.
#[derive(Debug, Clone)]
pub(crate) struct Charter {
    pub(crate) settings: Settings,
    pub(crate) shape: Shape,
    /// What kind of supervisor it is, for crash reports; `None` for its strategy.
    pub(crate) role: Option<&'static str>,
}

/// What decides at the start what the supervisor is: `None` is to ignore.
pub(crate) type Resolve = Pin<Box<dyn Future<Output = Result<Option<Charter>, ExitReason>> + Send>>;

impl Charter {
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if self.settings.period.is_zero() {
            return Err(SpecError::ZeroPeriod);
        }
        match &self.shape {
            Shape::Ordered {
                auto_shutdown,
                children,
                ..
            } => spec::check_all(children, *auto_shutdown),
            Shape::Dynamic { .. } => Ok(()),
        }
    }
}

/// Where a supervisor was made.
pub(crate) type Place = &'static Location<'static>;

/// Starts a supervisor.
pub(crate) async fn start<K: Kind>(
    name: Option<Arc<str>>,
    timeout: Option<Duration>,
    linked: bool,
    at: Place,
    resolve: Resolve,
) -> Result<Sender<Message<K>>, SupervisorError> {
    let mut starter = Starter::default().spawned_at(at);
    if let Some(name) = &name {
        starter = starter.name(name.clone());
    }
    if let Some(limit) = timeout {
        starter = starter.timeout(limit);
    }
    if linked {
        starter = starter.link();
    }
    let body = move |inbox, ack| supervise::<K>(inbox, ack, name, linked, resolve);
    starter
        .start_behaviour::<K::Behaviour, _, _, _>(body)
        .await
        .map_err(SupervisorError::from_start)
}

/// Starts a supervisor that has nothing to decide at its start.
pub(crate) async fn start_dynamic<K: Kind>(
    charter: Charter,
    name: Option<Arc<str>>,
    timeout: Option<Duration>,
    linked: bool,
    at: Place,
) -> Result<Sender<Message<K>>, SupervisorError> {
    charter.check().map_err(SupervisorError::Invalid)?;
    start(
        name,
        timeout,
        linked,
        at,
        Box::pin(async move { Ok(Some(charter)) }),
    )
    .await
}

/// The life of a supervisor.
async fn supervise<K: Kind>(
    inbox: Mailbox<Message<K>>,
    ack: Ack,
    name: Option<Arc<str>>,
    linked: bool,
    resolve: Resolve,
) -> ExitReason {
    trap_exit(true);
    report_for_children(true);
    let plan = match guarded(resolve).await {
        Ok(Ok(Some(plan))) => plan,
        Ok(Ok(None)) => return ack.ignore(),
        // The acknowledgement is dropped, and tells the reason when the process is gone.
        Ok(Err(reason)) | Err(reason) => return reason,
    };
    if let Err(error) = plan.check() {
        return ack.fail(ExitReason::error(SupervisorError::Invalid(error)));
    }
    let inbox = Inbox::new(inbox, if linked { parent() } else { None });
    let (mut server, specs) = Server::new(inbox, name, plan);
    if let Err(error) = server.start_all(specs).await {
        server.stop_all().await;
        return ack.fail(ExitReason::error(error));
    }
    ack.ready();
    let mut system = SystemState::new();
    let reason = server.serve(&mut system).await;
    server.stop_all().await;
    reason
}

/// What a supervisor does next.
#[must_use]
enum Next {
    Wait,
    /// Stops all children and ends.
    Stop(ExitReason),
}

/// The supervisor's state.
struct Server<K: Kind> {
    inbox: Inbox<Message<K>>,
    book: Book,
}

/// What `sys` shows of a supervisor.
struct Book {
    children: Children,
    rules: Rules,
    max_children: Option<usize>,
    window: Window,
    backoff: Option<Backoff>,
    /// The number of the last retry. After four billion they come again; a retry does not wait for so long.
    retries: u32,
    /// The name of pieces of work that run once.
    task_id: Arc<str>,
    /// What kind of supervisor it is, for crash reports.
    role: &'static str,
    /// The supervisor in words, for the log.
    who: String,
}

impl<K: Kind> Server<K> {
    fn new(
        inbox: Inbox<Message<K>>,
        name: Option<Arc<str>>,
        plan: Charter,
    ) -> (Self, Vec<ChildSpec>) {
        let Charter {
            settings,
            shape,
            role,
        } = plan;
        let (rules, max_children, specs) = match shape {
            Shape::Ordered {
                strategy,
                auto_shutdown,
                children,
            } => (
                Rules {
                    strategy,
                    auto_shutdown,
                    keeps_stopped: true,
                },
                None,
                children,
            ),
            Shape::Dynamic { max_children } => {
                let strategy = Strategy::OneForOne;
                let auto_shutdown = AutoShutdown::Never;
                (
                    Rules {
                        strategy,
                        auto_shutdown,
                        keeps_stopped: false,
                    },
                    max_children,
                    Vec::new(),
                )
            }
        };
        let book = Book {
            children: Children::new(),
            rules,
            max_children,
            window: Window::new(settings.intensity, settings.period),
            backoff: settings.backoff,
            retries: 0,
            task_id: "Task".into(),
            role: role.unwrap_or(rules.strategy.name()),
            who: match name {
                Some(name) => format!("{name:?} ({})", self_pid()),
                None => format!("{} ({})", K::LABEL, self_pid()),
            },
        };
        (Server { inbox, book }, specs)
    }

    /// Starts the children of the list, in its order (SUP-004).
    async fn start_all(&mut self, specs: Vec<ChildSpec>) -> Result<(), SupervisorError> {
        for spec in specs {
            let id = spec.id.clone();
            match linked(spec.start().await) {
                Ok(child) => {
                    self.book.add(spec, child.pid());
                }
                Err(StartError::Ignore) => self.book.add_stopped(spec),
                Err(error) => {
                    self.book.log_start_error(&id, &error);
                    return Err(SupervisorError::Child { id, error });
                }
            }
        }
        Ok(())
    }

    /// The loop; it ends with the supervisor's reason.
    async fn serve(&mut self, system: &mut SystemState) -> ExitReason {
        loop {
            let event = if system.is_suspended() {
                self.inbox.next_while_suspended().await
            } else if let Some(event) = self.inbox.set_aside() {
                event
            } else {
                self.inbox.arriving().await
            };
            if system.is_watched() {
                tell(system, &event, self.inbox.mailbox().caller());
            }
            let mut next = Next::Wait;
            match event {
                // Not in a future of its own, which would be looked through at each step of a start.
                Event::Message(Message(request, _)) => match request {
                    Request::Start(spec, from) => from.reply(self.start_one(spec).await),
                    Request::StartTask(body, shutdown, from) => {
                        from.reply(self.start_task(body, shutdown));
                    }
                    Request::Terminate(who, from) => {
                        let found = self.book.find(&who);
                        if let Ok(key) = found {
                            self.end_one(key).await;
                            let forget =
                                !self.book.rules.keeps_stopped || self.book.is_temporary(key);
                            self.book.note_stop(key, forget);
                        }
                        from.reply(found.map(|_| ()));
                    }
                    Request::Restart(id, from) => from.reply(self.restart_one(&id).await),
                    Request::Delete(id, from) => from.reply(self.book.delete(&id)),
                    Request::WhichAll(from) => from.reply(self.book.which_all()),
                    Request::Which(id, from) => from.reply(self.book.which(&id)),
                    Request::Spec(id, from) => from.reply(self.book.spec(&id)),
                    Request::Count(from) => from.reply(self.book.children.count()),
                    Request::Retry(key, number) => {
                        if self.book.waits_for(key, number) {
                            next = self.restart(key, None).await;
                        }
                    }
                },
                Event::Exit(exit) if self.inbox.is_parent(exit.from) => {
                    next = Next::Stop(exit.reason);
                }
                Event::Exit(exit) => next = self.handle_exit(exit).await,
                Event::System(message) => {
                    let shown = |book: &Book| Some(book.to_string());
                    if let SystemVerdict::Stop(reason) =
                        message.handle(system, &mut self.book, shown)
                    {
                        next = Next::Stop(reason);
                    }
                }
                Event::Down(down) => {
                    log_guarded(|| {
                        log::error!(
                            target: LOG,
                            supervisor:% = self.book.who;
                            "supervisor {} received an unexpected down: {}", self.book.who, down.reason
                        )
                    });
                }
                _ => {}
            }
            system.handled(|| Some(self.book.to_string()));
            if let Next::Stop(reason) = next {
                system.note(|| SystemEvent::Ending(reason.clone()));
                return reason;
            }
        }
    }

    async fn start_one(&mut self, spec: Box<ChildSpec>) -> Result<ChildHandle, StartChildError> {
        spec::check(&spec, self.book.rules.auto_shutdown).map_err(StartChildError::Invalid)?;
        self.book.check_room()?;
        if self.book.rules.keeps_stopped
            && let Some(key) = self.book.children.by_id(&spec.id)
        {
            return Err(match self.book.running(key) {
                Some(pid) => StartChildError::AlreadyStarted(pid),
                None => StartChildError::AlreadyPresent,
            });
        }
        match linked(spec.start().await) {
            Ok(child) => {
                self.book.add(*spec, child.pid());
                Ok(child)
            }
            Err(error) => {
                if error != StartError::Ignore {
                    self.book.log_start_error(&spec.id, &error);
                } else if self.book.rules.keeps_stopped {
                    self.book.add_stopped(*spec);
                }
                Err(error.into())
            }
        }
    }

    fn start_task(&mut self, body: TaskBody, how: Shutdown) -> Result<Pid, StartChildError> {
        self.book.check_room()?;
        let pid = body.spawn_link();
        let spec = ChildSpec {
            id: self.book.task_id.clone(),
            restart: Restart::Temporary,
            shutdown: how,
            kind: ChildKind::Worker,
            significant: false,
            start: None,
        };
        self.book.add(spec, pid);
        Ok(pid)
    }

    async fn restart_one(&mut self, id: &str) -> Result<ChildHandle, RestartChildError> {
        let key = self
            .book
            .children
            .by_id(id)
            .ok_or(RestartChildError::NotFound)?;
        let child = self
            .book
            .children
            .get(key)
            .ok_or(RestartChildError::NotFound)?;
        match child.state() {
            State::Running(_) => return Err(RestartChildError::Running),
            State::Restarting(_) => return Err(RestartChildError::Restarting),
            State::Stopped => {}
        }
        let spec = child.spec();
        match linked(spec.start().await) {
            Ok(started) => {
                self.book.set_running(key, started.pid());
                Ok(started)
            }
            Err(error) => {
                if error != StartError::Ignore {
                    self.book.log_start_error(id, &error);
                }
                Err(RestartChildError::Start(error))
            }
        }
    }

    /// A linked process has ended, or an exit signal came.
    async fn handle_exit(&mut self, exit: Exit) -> Next {
        let by_link = exit.came_by_link();
        let Exit {
            from,
            reason,
            report,
            ..
        } = exit;
        if !by_link {
            log_guarded(|| {
                log::warn!(
                    target: LOG,
                    supervisor:% = self.book.who, pid:% = from, reason:% = reason;
                    "supervisor {} ignores an exit signal that {from} has sent", self.book.who
                )
            });
            return Next::Wait;
        }
        let Some(key) = self.book.children.by_pid(from) else {
            self.book.print(&report, "not_a_child", || {
                "it is no child of this supervisor any more".to_owned()
            });
            return Next::Wait;
        };
        self.book.children.set_state(key, State::Stopped);
        self.book.forgive(key);
        self.book.log_end(key, from, &reason, report.is_some());
        match restart::plan(self.book.rules, &self.book.children, key, &reason) {
            Plan::Leave { forget } => {
                self.book.print(&report, "not_restarted", || {
                    format!("not restarted ({})", self.book.restart_class(key))
                });
                if forget {
                    self.book.children.remove(key);
                }
                Next::Wait
            }
            Plan::ShutDown => {
                self.book.print(&report, "shut_down", || {
                    "its supervisor shuts down with it".to_owned()
                });
                self.book.log_auto_shutdown(key);
                Next::Stop(ExitReason::Shutdown)
            }
            Plan::Restart(group) => match self.book.pause(key) {
                Some(pause) => {
                    self.stop_group(&group).await;
                    self.book
                        .print(&report, "restart_later", || format!("restart in {pause:?}"));
                    self.retry(key, pause);
                    Next::Wait
                }
                None => self.restart(key, report).await,
            },
        }
    }

    /// Restarts a child with its group, if the intensity allows.
    async fn restart(&mut self, key: Key, report: Option<PendingReport>) -> Next {
        let Verdict::Allowed(count) = self.book.window.record(now()) else {
            let limit = self.book.limit();
            self.book.print(&report, "gave_up", || {
                format!("not restarted: more than {limit}, its supervisor gives up")
            });
            self.book.log_gives_up(key);
            return Next::Stop(ExitReason::Shutdown);
        };
        // Whoever else waits for a retry loses it to this restart, and so does this child.
        self.book.children.set_state(key, State::Stopped);
        let so_far = format!("{count} of {}", self.book.limit());
        let group = restart::group(self.book.rules.strategy, &self.book.children, key);
        self.stop_group(&group).await;
        let others = group.start.len().saturating_sub(1);
        for member in group.start {
            let Some(child) = self.book.children.get(member) else {
                continue;
            };
            let spec = child.spec();
            match linked(spec.start().await) {
                Ok(started) => self.book.set_running(member, started.pid()),
                Err(StartError::Ignore) => {
                    self.book.children.set_state(member, State::Stopped);
                    if !self.book.rules.keeps_stopped {
                        self.book.children.remove(member);
                    }
                }
                Err(error) => {
                    let of = if member == key {
                        String::new()
                    } else {
                        format!("{:?}: ", spec.id)
                    };
                    self.book.print(&report, "restart_failed", || {
                        format!("its restart failed: {of}{error}, {so_far}")
                    });
                    self.book.log_start_error(&spec.id, &error);
                    let pause = self.book.pause(member).unwrap_or(Duration::ZERO);
                    self.retry(member, pause);
                    return Next::Wait;
                }
            }
        }
        let (id, new) = (self.book.id(key), self.book.running(key));
        telemetry::restarted(&self.book.who, &id, new, report.as_ref());
        self.book.print(&report, "restarted", || {
            match (self.book.running(key), others) {
                (Some(pid), 0) => format!("restarted as {pid}, {so_far}"),
                (Some(pid), 1) => format!("restarted as {pid} with another one, {so_far}"),
                (Some(pid), others) => format!("restarted as {pid} with {others} others, {so_far}"),
                (None, _) => format!("its init chose not to start again, {so_far}"),
            }
        });
        Next::Wait
    }

    /// Has another try at a restart: behind what waits already, or after a pause.
    fn retry(&mut self, key: Key, pause: Duration) {
        self.book.retries = self.book.retries.wrapping_add(1);
        let number = self.book.retries;
        self.book.children.set_state(key, State::Restarting(number));
        let itself = self.inbox.mailbox().recipient();
        let message = Message::new(Request::Retry(key, number));
        if pause.is_zero() {
            itself.send(message);
        } else {
            send_after(pause, &itself, message);
        }
    }

    /// Stops the members of a group that still run, the last one first (SUP-023).
    async fn stop_group(&mut self, group: &Group) {
        for &key in &group.stop {
            self.end_one(key).await;
            self.book.note_stop(key, self.book.is_temporary(key));
        }
    }

    /// Ends a child's process, if it runs. What the books say of it is left to the caller.
    async fn end_one(&mut self, key: Key) {
        let Some(child) = self.book.children.get(key) else {
            return;
        };
        if let State::Running(pid) = child.state() {
            let ended = self.inbox.stop(pid, child.terms.shutdown).await;
            self.book.log_stopped(key, pid, &ended);
        }
    }

    /// Stops all children: in reverse order and one by one, or, where there is no order, all at
    /// once (SUP-034, SUP-039).
    async fn stop_all(&mut self) {
        if !self.book.rules.keeps_stopped {
            let Server { inbox, book } = self;
            let next = book.children.last();
            return inbox.stop_together(&mut All { book, next }).await;
        }
        let keys: Vec<Key> = self.book.children.keys_backwards().collect();
        for key in keys {
            self.end_one(key).await;
            self.book.note_stop(key, false);
        }
    }
}

/// All children that run, the last one first, and the books that lose them.
struct All<'a> {
    book: &'a mut Book,
    next: Option<Key>,
}

impl Leaving for All<'_> {
    fn next(&mut self) -> Option<(Pid, Shutdown)> {
        loop {
            let key = self.next?;
            let children = &self.book.children;
            self.next = children.before(key);
            let child = children.get(key)?;
            if let State::Running(pid) = child.state() {
                return Some((pid, child.terms.shutdown));
            }
        }
    }

    fn ended(&mut self, pid: Pid, ended: Ended) {
        if let Some(key) = self.book.children.by_pid(pid) {
            self.book.log_stopped(key, pid, &ended);
            self.book.children.remove(key);
        }
    }
}

/// Makes sure that a child which was started is linked.
fn linked(started: Started) -> Result<ChildHandle, StartError> {
    let started = started.unwrap_or_else(|reason| Err(StartError::Failed(reason)))?;
    // Whoever forgot the link gets it.
    if !is_linked(started.pid()) {
        link(started.pid());
    }
    Ok(started)
}

impl State {
    fn pid(self) -> Option<Pid> {
        match self {
            State::Running(pid) => Some(pid),
            _ => None,
        }
    }
}

impl From<State> for ChildState {
    fn from(state: State) -> ChildState {
        match state {
            State::Running(pid) => ChildState::Running(pid),
            State::Stopped => ChildState::Stopped,
            State::Restarting(_) => ChildState::Restarting,
        }
    }
}

/// Tells those who watch what came in.
fn tell<K: Kind>(system: &mut SystemState, event: &Event<Message<K>>, caller: Option<Pid>) {
    match event {
        Event::Message(message) => {
            system.message_in("request", caller, || message.0.name().to_owned());
        }
        Event::Exit(exit) => {
            system.message_in("exit", None, || {
                format!("of {}: {}", exit.from, exit.reason)
            });
        }
        _ => {}
    }
}

/// The books: what can be done without waiting.
impl Book {
    /// The child that is to be stopped.
    fn find(&self, who: &Who) -> Result<Key, TerminateChildError> {
        let children = &self.children;
        let found = match who {
            Who::Id(id) => children.by_id(id),
            Who::Pid(pid) => children
                .by_pid(*pid)
                .or_else(|| children.by_former_pid(*pid)),
        };
        found.ok_or(TerminateChildError::NotFound)
    }

    /// Whether the child waits for just this retry.
    fn waits_for(&self, key: Key, number: u32) -> bool {
        let state = self.children.get(key).map(|child| child.state());
        state == Some(State::Restarting(number))
    }

    /// A child was stopped because somebody wanted it: it is forgotten, or may be started again.
    fn note_stop(&mut self, key: Key, forget: bool) {
        if forget {
            self.children.remove(key);
        } else {
            self.children.set_state(key, State::Stopped);
        }
    }

    fn is_temporary(&self, key: Key) -> bool {
        let child = self.children.get(key);
        child.is_some_and(|child| child.terms.restart == Restart::Temporary)
    }

    /// Prints a crash report, with what was done: a word for machines, and a text for people.
    fn print(
        &self,
        report: &Option<PendingReport>,
        word: &'static str,
        text: impl FnOnce() -> String,
    ) {
        if let Some(report) = report {
            report.print(CrashOutcome::new(word, text()).by(self.role));
        }
    }

    fn running(&self, key: Key) -> Option<Pid> {
        self.children.get(key)?.state().pid()
    }

    fn check_room(&self) -> Result<(), StartChildError> {
        match self.max_children {
            Some(max) if self.children.len() >= max => Err(StartChildError::MaxChildren),
            _ => Ok(()),
        }
    }

    /// Enters a child that has been started.
    fn add(&mut self, spec: ChildSpec, pid: Pid) {
        let spec = spec.started();
        let key = if self.rules.keeps_stopped {
            self.children.push(spec, Some(pid))
        } else {
            self.children.push_nameless(spec, Some(pid))
        };
        self.note_start(key, pid);
    }

    /// Enters a child whose init chose not to start, unless it is temporary (SUP-005).
    fn add_stopped(&mut self, spec: ChildSpec) {
        if spec.restart != Restart::Temporary {
            self.children.push(spec, None);
        }
    }

    fn set_running(&mut self, key: Key, pid: Pid) {
        self.children.set_state(key, State::Running(pid));
        self.note_start(key, pid);
    }

    fn note_start(&mut self, key: Key, pid: Pid) {
        if self.backoff.is_some()
            && let Some((started_at, _)) = self.children.history(key)
        {
            *started_at = now();
        }
        if log::log_enabled!(target: LOG, log::Level::Debug) {
            let id = self.id(key);
            log_guarded(|| {
                log::debug!(
                    target: LOG,
                    supervisor:% = self.who, child = &*id, pid:% = pid;
                    "supervisor {} started {id:?} as {pid}", self.who
                )
            });
        }
    }

    fn delete(&mut self, id: &str) -> Result<(), DeleteChildError> {
        let key = self.children.by_id(id).ok_or(DeleteChildError::NotFound)?;
        match self.children.get(key).map(|child| child.state()) {
            None => Err(DeleteChildError::NotFound),
            Some(State::Running(_)) => Err(DeleteChildError::Running),
            Some(State::Restarting(_)) => Err(DeleteChildError::Restarting),
            Some(State::Stopped) => {
                self.children.remove(key);
                Ok(())
            }
        }
    }

    /// The newest first (SUP-050).
    fn which_all(&self) -> Vec<ChildEntry> {
        self.children
            .keys_backwards()
            .filter_map(|key| self.entry(key))
            .collect()
    }

    fn which(&self, id: &str) -> Result<ChildEntry, FindChildError> {
        let key = self.children.by_id(id).ok_or(FindChildError::NotFound)?;
        self.entry(key).ok_or(FindChildError::NotFound)
    }

    fn entry(&self, key: Key) -> Option<ChildEntry> {
        let child = self.children.get(key)?;
        let (id, kind) = (child.terms.id.clone(), child.terms.kind);
        Some(ChildEntry {
            id,
            state: child.state().into(),
            kind,
        })
    }

    fn spec(&self, id: &str) -> Result<ChildSpec, FindChildError> {
        let key = self.children.by_id(id).ok_or(FindChildError::NotFound)?;
        self.children
            .get(key)
            .map(|child| child.spec())
            .ok_or(FindChildError::NotFound)
    }

    /// How long to pause before the next restart of a child, if at all.
    fn pause(&mut self, key: Key) -> Option<Duration> {
        let backoff = self.backoff?;
        let (_, attempts) = self.children.history(key)?;
        let random = Handle::try_current().map_or(0, |handle| handle.random());
        let pause = backoff.pause((*attempts).into(), random);
        *attempts = attempts.saturating_add(1);
        Some(pause)
    }

    /// A child that has just ended starts over with its pauses, if it had lived for long.
    fn forgive(&mut self, key: Key) {
        if let (Some(backoff), Some((started_at, attempts))) =
            (self.backoff, self.children.history(key))
            && now().saturating_since(*started_at) > backoff.forgives_after()
        {
            *attempts = 0;
        }
    }

    fn restart_class(&self, key: Key) -> &'static str {
        match self.children.get(key).map(|child| child.terms.restart) {
            Some(Restart::Permanent) => "permanent",
            Some(Restart::Transient) => "transient",
            Some(Restart::Temporary) => "temporary",
            None => "forgotten",
        }
    }

    /// "3 in 5s".
    fn limit(&self) -> String {
        format!("{} in {:?}", self.window.limit(), self.window.period())
    }

    fn id(&self, key: Key) -> Arc<str> {
        self.children
            .get(key)
            .map_or_else(|| "".into(), |child| child.terms.id.clone())
    }

    fn log_start_error(&self, id: &str, error: &StartError) {
        telemetry::not_started(&self.who, id, error);
        log_guarded(|| {
            log::error!(
                target: LOG,
                supervisor:% = self.who, child = id, error = "start_error", reason:% = error;
                "supervisor {} could not start {id:?}: {error}", self.who
            )
        });
    }

    /// An end that has a crash report needs no second record.
    fn log_end(&self, key: Key, pid: Pid, reason: &ExitReason, reported: bool) {
        if reported {
            return;
        }
        let level = if reason.is_clean() {
            log::Level::Debug
        } else {
            log::Level::Error
        };
        if log::log_enabled!(target: LOG, level) {
            let id = self.id(key);
            log_guarded(|| {
                log::log!(
                    target: LOG,
                    level,
                    supervisor:% = self.who, child = &*id, pid:% = pid,
                    error = "child_terminated", reason:% = reason;
                    "supervisor {}: {id:?} ({pid}) ended: {reason}", self.who
                )
            });
        }
    }

    fn log_stopped(&self, key: Key, pid: Pid, ended: &Ended) {
        let Some(child) = self.children.get(key) else {
            return;
        };
        let Ended {
            reason,
            report,
            overdue,
        } = ended;
        if *overdue && *reason == ExitReason::Killed {
            // Killed on purpose: that is no crash.
            if let Some(report) = report {
                report.discard();
            }
            let limit = child.terms.shutdown;
            log_guarded(|| {
                log::error!(
                    target: LOG,
                    supervisor:% = self.who, child = &*child.terms.id, pid:% = pid,
                    error = "shutdown_error", reason:% = reason;
                    "supervisor {} killed {:?} ({pid}), which did not stop in time ({limit:?})",
                    self.who,
                    child.terms.id
                )
            });
        } else if !restart::is_odd_end(child.terms, reason) {
            if let Some(report) = report {
                report.discard();
            }
        } else if report.is_some() {
            self.print(report, "stopping", || "it was being stopped".to_owned());
        } else {
            log_guarded(|| {
                log::error!(
                    target: LOG,
                    supervisor:% = self.who, child = &*child.terms.id, pid:% = pid,
                    error = "shutdown_error", reason:% = reason;
                    "supervisor {}: {:?} ({pid}) was told to stop and ended with: {reason}",
                    self.who,
                    child.terms.id
                )
            });
        }
    }

    fn log_gives_up(&self, key: Key) {
        let id = self.id(key);
        telemetry::gave_up(&self.who, &id);
        log_guarded(|| {
            log::error!(
                target: LOG,
                supervisor:% = self.who, child = &*id, error = "shutdown",
                reason = "reached_max_restart_intensity";
                "supervisor {} gives up: {id:?} would need more than {} restarts",
                self.who,
                self.limit()
            )
        });
    }

    fn log_auto_shutdown(&self, key: Key) {
        let id = self.id(key);
        log_guarded(|| {
            log::info!(
                target: LOG,
                supervisor:% = self.who, child = &*id;
                "supervisor {} shuts down: its significant child {id:?} has ended", self.who
            )
        });
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChildCount {
            specs,
            active,
            supervisors,
            workers,
        } = self.children.count();
        write!(
            f,
            "{}, {:?}, at most {} restarts: {specs} children ({supervisors} supervisors, \
             {workers} workers), {active} active",
            self.who,
            self.rules.strategy,
            self.limit()
        )
    }
}
