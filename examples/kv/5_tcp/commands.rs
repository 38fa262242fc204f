// What clients can ask.

use rekindle::prelude::*;

use crate::bucket::BucketApi;
use crate::resp::Reply;
use crate::store;

/// Carries out a command. Whatever goes wrong is an answer too.
pub async fn run(words: &[String]) -> Reply {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match answer(&words).await {
        Ok(reply) => reply,
        Err(reason) => Reply::Error(format!("ERR {reason}")),
    }
}

async fn answer(words: &[&str]) -> Result<Reply, ExitReason> {
    let (command, arguments) = words.split_first().unwrap_or((&"", &[]));
    Ok(match (command.to_uppercase().as_str(), arguments) {
        ("PING", []) => Reply::Status("PONG"),
        ("KEYS", ["*"]) => Reply::List(store::names()?),
        ("HSET", [bucket, key, value]) => {
            let bucket = store::bucket_or_new(bucket).await?;
            let new = bucket.put(key.to_string(), value.to_string()).await?;
            Reply::Integer(new.into())
        }
        ("HGET", [bucket, key]) => {
            let found = known(store::bucket(bucket).get(key.to_string()).await)?;
            found.flatten().map_or(Reply::Nothing, Reply::Text)
        }
        ("HGETALL", [bucket]) => {
            let all = known(store::bucket(bucket).all().await)?.unwrap_or_default();
            Reply::List(
                all.into_iter()
                    .flat_map(|(key, value)| [key, value])
                    .collect(),
            )
        }
        ("HINCRBY", [bucket, key, by]) => {
            let Ok(by) = by.parse() else {
                return Ok(Reply::Error("ERR value is not an integer".to_owned()));
            };
            let bucket = store::bucket_or_new(bucket).await?;
            Reply::Integer(bucket.add(key.to_string(), by).await?)
        }
        ("HDEL", [bucket, key]) => {
            let was = known(store::bucket(bucket).remove(key.to_string()).await)?;
            Reply::Integer(was.unwrap_or(false).into())
        }
        ("DEL", [bucket]) => match store::bucket(bucket).stop().await {
            Ok(()) => Reply::Integer(1),
            Err(_) => Reply::Integer(0),
        },
        ("CRASH", []) => panic!("a client has asked for it"),
        _ => Reply::Error(format!(
            "ERR unknown command, or wrong arguments: '{command}'"
        )),
    })
}

/// What a bucket has answered; `None` if there is no such bucket.
fn known<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Err(CallError::NoProc) => Ok(None),
        answer => answer.map(Some),
    }
}
