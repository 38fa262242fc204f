//! Starting and stopping servers: 6 of the catalogue. The counting server is used by many others.

use rekindle::DynamicSupervisorHandle;
use rekindle::prelude::*;

/// A server that adds words, and tells the sum.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adder<const WORDS: usize = 1> {
    sum: u64,
}

/// What an [`Adder`] is asked.
#[derive(Debug)]
pub enum Request<const WORDS: usize = 1> {
    /// Adds the first word, and answers with it.
    Add([u64; WORDS], ReplyTo<u64>),
    /// The sum.
    Get(ReplyTo<u64>),
}

impl<const WORDS: usize> GenServer for Adder<WORDS> {
    type Args = ();
    type Call = Request<WORDS>;
    type Cast = [u64; WORDS];
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Adder { sum: 0 }))
    }

    async fn handle_call(&mut self, request: Self::Call, _: &mut Context<Self>) -> Step<Self> {
        match request {
            Request::Add(words, from) => {
                self.sum += words[0];
                from.reply(words[0]);
            }
            Request::Get(from) => from.reply(self.sum),
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, words: Self::Cast, _: &mut Context<Self>) -> Step<Self> {
        self.sum += words[0];
        Ok(Next::Wait)
    }
}

/// `n` in sequence: started with acknowledgement, stopped and awaited.
pub async fn start_stop(n: u64) -> u64 {
    let mut done = 0;
    for _ in 0..n {
        let server = Adder::<1>::start(()).await.expect("it starts");
        done += u64::from(server.stop().await.is_ok());
    }
    done
}

/// A dynamic supervisor for [`Jobs::start_stop`].
#[derive(Debug)]
pub struct Jobs(DynamicSupervisorHandle);

impl Jobs {
    /// Starts it.
    pub async fn start() -> Jobs {
        let jobs = DynamicSupervisor::new().start_link().await;
        Jobs(jobs.expect("it starts"))
    }

    /// `n` children in sequence, each started and terminated.
    pub async fn start_stop(&self, n: u64) -> u64 {
        let mut done = 0;
        for _ in 0..n {
            let spec = Adder::<1>::child(()).restart(Restart::Temporary);
            let server = self.0.start_child(spec).await.expect("it starts");
            done += u64::from(self.0.terminate_child(server.pid()).await.is_ok());
        }
        done
    }
}
