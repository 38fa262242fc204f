//! Does `#[gen_server]` cost anything? The same counter by hand and by the attribute, in turns.
//!
//! ```sh
//! cargo run --release -p rekindle-benches --bin attribute
//! # Instructions, which no other program on the machine can change:
//! for who in hand attribute; do
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!         target/release/attribute --only $who --calls 100000
//! done
//! ```

use std::time::Instant;

use rekindle::prelude::*;

/// By hand, with names for its messages in crash reports, as the attribute gives them.
mod hand {
    use rekindle::Shown;
    use rekindle::prelude::*;

    pub(super) struct Counter {
        pub(super) n: i64,
    }
    pub(super) enum Request {
        Get(ReplyTo<i64>),
        Swap(i64, ReplyTo<i64>),
    }
    pub(super) enum Change {
        Add(i64),
        Reset,
    }

    impl GenServer for Counter {
        type Args = i64;
        type Call = Request;
        type Cast = Change;
        type Info = Never;
        type Continue = Never;

        async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Counter { n }))
        }
        async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
            match request {
                Request::Get(from) => from.reply(self.n),
                Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.n, n)),
            }
            Ok(Next::Wait)
        }
        async fn handle_cast(&mut self, change: Change, _: &mut Context<Self>) -> Step<Self> {
            match change {
                Change::Add(k) => self.n += k,
                Change::Reset => self.n = 0,
            }
            Ok(Next::Wait)
        }
        fn message_kind(message: Shown<'_, Self>) -> u16 {
            match message {
                Shown::Call(Request::Get(_)) => 1,
                Shown::Call(Request::Swap(..)) => 2,
                Shown::Cast(Change::Add(_)) => 3,
                Shown::Cast(Change::Reset) => 4,
                _ => 0,
            }
        }
        fn kind_name(kind: u16) -> Option<&'static str> {
            let names = ["get", "swap", "add", "reset"];
            names.get(usize::from(kind).wrapping_sub(1)).copied()
        }
    }
}

/// By hand, without them: what they cost.
mod nameless {
    use super::hand::{Change, Request};
    use rekindle::prelude::*;

    pub(super) struct Counter {
        pub(super) n: i64,
    }

    impl GenServer for Counter {
        type Args = i64;
        type Call = Request;
        type Cast = Change;
        type Info = Never;
        type Continue = Never;

        async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Counter { n }))
        }
        async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
            match request {
                Request::Get(from) => from.reply(self.n),
                Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.n, n)),
            }
            Ok(Next::Wait)
        }
        async fn handle_cast(&mut self, change: Change, _: &mut Context<Self>) -> Step<Self> {
            match change {
                Change::Add(k) => self.n += k,
                Change::Reset => self.n = 0,
            }
            Ok(Next::Wait)
        }
    }
}

mod attribute {
    use rekindle::prelude::*;

    pub(super) struct Counter {
        n: i64,
    }

    #[gen_server]
    impl Counter {
        fn init(n: i64) -> Self {
            Counter { n }
        }
        #[call]
        pub(super) fn get(&self) -> i64 {
            self.n
        }
        #[call]
        pub(super) fn swap(&mut self, n: i64) -> i64 {
            std::mem::replace(&mut self.n, n)
        }
        #[cast]
        pub(super) fn add(&mut self, k: i64) {
            self.n += k;
        }
        #[cast]
        pub(super) fn reset(&mut self) {
            self.n = 0;
        }
    }
}

/// Each round is two casts and two calls.
macro_rules! by_hand {
    ($name:ident, $server:ident) => {
        async fn $name(calls: u64) {
            use hand::{Change, Request};
            let counter = $server::Counter::start(0).await.expect("it starts");
            for _ in 0..calls / 2 {
                counter.cast(Change::Reset);
                counter.cast(Change::Add(2));
                let n = counter.call(Request::Get).await.expect("it answers");
                let old = counter.call(move |from| Request::Swap(n, from)).await;
                assert_eq!(old, Ok(2));
            }
            counter.stop().await.expect("it stops");
        }
    };
}
by_hand!(run_by_hand, hand);
by_hand!(run_nameless, nameless);

async fn run_by_attribute(calls: u64) {
    use attribute::CounterApi;
    let counter = attribute::Counter::start(0).await.expect("it starts");
    for _ in 0..calls / 2 {
        counter.reset();
        counter.add(2);
        let n = counter.get().await.expect("it answers");
        assert_eq!(counter.swap(n).await, Ok(2));
    }
    counter.stop().await.expect("it stops");
}

const WAYS: [&str; 3] = ["nameless", "hand", "attribute"];

fn run(who: &str, calls: u64) {
    // One thread, chosen by a seed: the same instructions each time.
    let runtime = Runtime::simulated(1);
    match who {
        "nameless" => runtime.block_on(run_nameless(calls)),
        "hand" => runtime.block_on(run_by_hand(calls)),
        "attribute" => runtime.block_on(run_by_attribute(calls)),
        other => panic!("--only {other}: one of {WAYS:?}"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let calls = option("--calls").map_or(200_000, |n| n.parse().expect("a number"));
    if let Some(who) = option("--only") {
        return run(who, calls);
    }
    let mut best = [u128::MAX; WAYS.len()];
    for _ in 0..15 {
        for (who, best) in WAYS.into_iter().zip(&mut best) {
            let begun = Instant::now();
            run(who, calls);
            *best = (*best).min(begun.elapsed().as_nanos());
        }
    }
    println!("a call and a cast on one thread, least of 15 rounds in turns:");
    for (who, best) in WAYS.into_iter().zip(best) {
        println!("{who:>10}  {:>6} ns", best / u128::from(calls));
    }
}
