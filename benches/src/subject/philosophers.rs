//! Philosophers who ask a waiter: the second half of 17.

use rekindle::prelude::*;
use rekindle::yield_now;

use super::support::all;

struct Waiter {
    taken: Vec<bool>,
}

enum Request {
    /// Both forks, or neither.
    Hungry(usize, ReplyTo<bool>),
}

impl GenServer for Waiter {
    type Args = u64;
    type Call = Request;
    type Cast = usize;
    type Info = Never;
    type Continue = Never;

    async fn init(seats: u64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let taken = vec![false; seats as usize];
        Ok(Init::Ready(Waiter { taken }))
    }

    async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
        let Request::Hungry(seat, from) = request;
        let (left, right) = (seat, (seat + 1) % self.taken.len());
        let both = !self.taken[left] && !self.taken[right];
        if both {
            self.taken[left] = true;
            self.taken[right] = true;
        }
        from.reply(both);
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, seat: usize, _: &mut Context<Self>) -> Step<Self> {
        let right = (seat + 1) % self.taken.len();
        self.taken[seat] = false;
        self.taken[right] = false;
        Ok(Next::Wait)
    }
}

/// `k` philosophers, `n` meals each.
pub async fn philosophers(n: u64, k: u64) -> u64 {
    let waiter = Waiter::start(k).await.expect("it starts");
    let philosopher = |seat: usize| {
        let waiter = waiter.clone();
        Task::spawn(async move {
            let mut meals = 0;
            while meals < n {
                let hungry = waiter.call(|from| Request::Hungry(seat, from)).await;
                if hungry.expect("an answer") {
                    meals += 1;
                    waiter.cast(seat);
                } else {
                    yield_now().await;
                }
            }
            meals
        })
    };
    let meals = all((0..k as usize).map(philosopher).collect()).await;
    waiter.stop().await.expect("it stops");
    meals
}
