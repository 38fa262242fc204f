//! Accounts that call each other: 16 of the catalogue.

use rekindle::prelude::*;
use rekindle_bench_protocol::Dice;

use super::support::all;

struct Account {
    balance: u64,
}

enum Order {
    /// Takes one away here and puts it there; answered when both are done.
    Transfer(Addr<Account>, ReplyTo<u64>),
    Credit(u64, ReplyTo<u64>),
}

impl GenServer for Account {
    type Args = u64;
    type Call = Order;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(balance: u64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Account { balance }))
    }

    async fn handle_call(&mut self, order: Order, _: &mut Context<Self>) -> Step<Self> {
        match order {
            Order::Credit(amount, from) => {
                self.balance += amount;
                from.reply(amount);
            }
            Order::Transfer(target, from) => {
                self.balance -= 1;
                from.reply(target.call(|from| Order::Credit(1, from)).await?);
            }
        }
        Ok(Next::Wait)
    }
}

/// `k` accounts, `n` transfers by so many tellers. Money goes from lower to higher numbers only,
/// so that no ring of calls can close.
pub async fn bank(n: u64, k: u64, tellers: u64) -> u64 {
    let mut accounts = Vec::with_capacity(k as usize);
    for _ in 0..k {
        accounts.push(Account::start(n).await.expect("it starts"));
    }
    let teller = |number: u64| {
        let accounts = accounts.clone();
        Task::spawn(async move {
            let (mut dice, mut moved) = (Dice::new(number), 0);
            for _ in 0..n / tellers {
                let source = dice.below(k - 1);
                let target = source + 1 + dice.below(k - 1 - source);
                let target = accounts[target as usize].clone();
                let call = accounts[source as usize].call(|from| Order::Transfer(target, from));
                moved += call.await.expect("an answer");
            }
            moved
        })
    };
    let moved = all((0..tellers).map(teller).collect()).await;
    for account in accounts {
        account.stop().await.expect("it stops");
    }
    moved
}
