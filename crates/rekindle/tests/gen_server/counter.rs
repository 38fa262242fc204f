//! The counter by attribute, and by hand: to a user they are the same.

use rekindle::prelude::*;
use rekindle::recent_crashes;

use crate::{gone, simulated};

#[rustfmt::skip]
mod shortest {
    // Nine lines, this one not counted.
    use rekindle::prelude::*;
    struct Counter { n: i64 }
    #[gen_server]
    impl Counter {
        fn init(n: i64) -> Self { Counter { n } }
        #[call] fn get(&self) -> i64 { self.n }
        #[cast] fn add(&mut self, k: i64) { self.n += k }
    }

    pub(super) async fn used() -> Result<i64, ExitReason> {
        let counter = Counter::start_link(0).await?;
        counter.add(2);
        Ok(counter.get().await?)
    }
}

#[test]
fn the_counter_takes_nine_lines_and_three_to_use() {
    simulated(async { assert_eq!(shortest::used().await, Ok(2)) });
}

mod by_attribute {
    use super::Tick;
    use rekindle::prelude::*;

    pub(crate) struct Counter {
        n: i64,
    }

    #[gen_server]
    impl Counter {
        fn init(n: i64) -> Self {
            Counter { n }
        }
        #[call]
        pub(crate) fn get(&self) -> i64 {
            self.n
        }
        #[call]
        pub(crate) fn swap(&mut self, n: i64) -> i64 {
            std::mem::replace(&mut self.n, n)
        }
        #[call]
        pub(crate) fn explode(&mut self, _from: ReplyTo<()>) -> Step<Self> {
            Err(ExitReason::msg("exploded"))
        }
        #[cast]
        pub(crate) fn add(&mut self, k: i64) {
            self.n += k;
        }
        #[info]
        fn tick(&mut self, Tick(k): Tick) {
            self.n += k;
        }
        #[continues]
        fn double(&mut self, (): ()) {
            self.n *= 2;
        }
        #[cast]
        pub(crate) fn double_now(&mut self) -> Next<Self> {
            Next::continue_with(())
        }
        fn format_status(&self) -> String {
            format!("n = {}", self.n)
        }
    }
}

pub(crate) struct Tick(i64);

/// What the attribute writes for `by_attribute::Counter`, written by hand. The page of
/// `#[gen_server]` shows the same.
mod by_hand {
    use super::Tick;
    use rekindle::prelude::*;
    use rekindle::{Call, Shown};

    pub(crate) struct Counter {
        n: i64,
    }

    pub(crate) enum Request {
        Get(ReplyTo<i64>),
        Swap(i64, ReplyTo<i64>),
        Explode(ReplyTo<()>),
    }
    pub(crate) enum Change {
        Add(i64),
        DoubleNow,
    }
    pub(crate) enum Message {
        Tick(Tick),
    }
    pub(crate) enum Work {
        Double,
    }

    impl From<Tick> for Message {
        fn from(tick: Tick) -> Self {
            Message::Tick(tick)
        }
    }

    impl GenServer for Counter {
        type Args = i64;
        type Call = Request;
        type Cast = Change;
        type Info = Message;
        type Continue = Work;

        async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Counter { n }))
        }
        async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
            match request {
                Request::Get(from) => from.reply(self.n),
                Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.n, n)),
                Request::Explode(_from) => return Err(ExitReason::msg("exploded")),
            }
            Ok(Next::Wait)
        }
        async fn handle_cast(&mut self, change: Change, _: &mut Context<Self>) -> Step<Self> {
            match change {
                Change::Add(k) => self.n += k,
                Change::DoubleNow => return Ok(Next::Continue(Work::Double)),
            }
            Ok(Next::Wait)
        }
        async fn handle_info(&mut self, info: Info<Message>, cx: &mut Context<Self>) -> Step<Self> {
            match info {
                Info::Message(Message::Tick(Tick(k))) => self.n += k,
                other => return cx.unexpected(other),
            }
            Ok(Next::Wait)
        }
        async fn handle_continue(&mut self, work: Work, _: &mut Context<Self>) -> Step<Self> {
            let Work::Double = work;
            self.n *= 2;
            Ok(Next::Wait)
        }
        fn format_status(&self) -> Option<String> {
            Some(format!("n = {}", self.n))
        }
        fn message_kind(message: Shown<'_, Self>) -> u16 {
            match message {
                Shown::Call(Request::Get(_)) => 1,
                Shown::Call(Request::Swap(..)) => 2,
                Shown::Call(Request::Explode(_)) => 3,
                Shown::Cast(Change::Add(_)) => 4,
                Shown::Info(Message::Tick(_)) => 5,
                Shown::Continue(Work::Double) => 6,
                Shown::Cast(Change::DoubleNow) => 7,
            }
        }
        fn kind_name(kind: u16) -> Option<&'static str> {
            let names = [
                "get",
                "swap",
                "explode",
                "add",
                "tick",
                "double",
                "double_now",
            ];
            names.get(usize::from(kind).wrapping_sub(1)).copied()
        }
    }

    pub(crate) trait CounterApi {
        fn get(&self) -> Call<'_, i64>;
        fn swap(&self, n: i64) -> Call<'_, i64>;
        fn explode(&self) -> Call<'_, ()>;
        fn add(&self, k: i64);
        fn double_now(&self);
    }

    impl<H: rekindle::ServerHandle<Server = Counter>> CounterApi for H {
        fn get(&self) -> Call<'_, i64> {
            self.call(Request::Get)
        }
        fn swap(&self, n: i64) -> Call<'_, i64> {
            self.call(move |from| Request::Swap(n, from))
        }
        fn explode(&self) -> Call<'_, ()> {
            self.call(Request::Explode)
        }
        fn add(&self, k: i64) {
            self.cast(Change::Add(k));
        }
        fn double_now(&self) {
            self.cast(Change::DoubleNow);
        }
    }
}

/// The same story told to a counter, whichever; gives what was to be seen of it.
macro_rules! story {
    ($kind:ident) => {{
        use $kind::{Counter, CounterApi};
        let mut seen: Vec<String> = Vec::new();
        let counter = Counter::start(1).await.unwrap();
        counter.add(2);
        counter.send(Tick(4));
        seen.push(format!("{:?}", counter.get().await));
        counter.double_now();
        seen.push(format!("{:?}", counter.swap(5).await));
        seen.push(format!("{:?}", counter.explode().await));
        gone(counter.pid()).await;
        seen.push(format!("{:?}", counter.get().await));
        let report = recent_crashes().pop().unwrap();
        seen.push(format!(
            "{:?} {:?} {}",
            report.last_message, report.state, report.reason
        ));
        seen
    }};
}

#[test]
fn by_attribute_and_by_hand_are_the_same() {
    simulated(async {
        let (by_attribute, by_hand) = (story!(by_attribute), story!(by_hand));
        assert_eq!(by_attribute, by_hand);
        assert_eq!(
            by_attribute,
            [
                "Ok(7)",
                "Ok(14)",
                "Err(Exited(Error(Message(\"exploded\"))))",
                "Err(NoProc)",
                "Some(\"call explode\") Some(\"n = 5\") exploded",
            ]
        );
    });
}

#[test]
fn a_server_by_attribute_is_as_large_as_one_by_hand() {
    use rekindle::ServerMessage;
    assert_eq!(
        size_of::<ServerMessage<by_attribute::Counter>>(),
        size_of::<ServerMessage<by_hand::Counter>>()
    );
}
