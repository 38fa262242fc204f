// A bucket: a server that keeps a map of texts.

use std::collections::BTreeMap;

use rekindle::prelude::*;

/// The state.
pub struct Bucket {
    entries: BTreeMap<String, String>,
}

/// What a bucket is asked. Each request carries the way back for its answer.
#[allow(dead_code)] // the first programs do not ask everything
pub enum Request {
    /// Is the key new?
    Put(String, String, ReplyTo<bool>),
    Get(String, ReplyTo<Option<String>>),
    /// Adds to a number, and gives the sum.
    Add(String, i64, ReplyTo<Result<i64, NotANumber>>),
    /// Was it there?
    Remove(String, ReplyTo<bool>),
    All(ReplyTo<Vec<(String, String)>>),
}

/// What is there is a text that is no number.
#[derive(Debug)]
pub struct NotANumber;

impl GenServer for Bucket {
    type Args = ();
    type Call = Request;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Bucket {
            entries: BTreeMap::new(),
        }))
    }

    async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
        match request {
            Request::Put(key, value, from) => {
                from.reply(self.entries.insert(key, value).is_none());
            }
            Request::Get(key, from) => from.reply(self.entries.get(&key).cloned()),
            Request::Add(key, by, from) => {
                let text = self.entries.get(&key).map_or("0", String::as_str);
                let Ok(number) = text.parse::<i64>() else {
                    from.reply(Err(NotANumber));
                    return Ok(Next::Wait);
                };
                let too_large = || ExitReason::msg("the sum is too large");
                let sum = number.checked_add(by).ok_or_else(too_large)?;
                self.entries.insert(key, sum.to_string());
                from.reply(Ok(sum));
            }
            Request::Remove(key, from) => from.reply(self.entries.remove(&key).is_some()),
            Request::All(from) => from.reply(self.entries.clone().into_iter().collect()),
        }
        Ok(Next::Wait)
    }
}
