// Looks into all buckets at once.

use rekindle::prelude::*;

use crate::bucket::BucketApi;
use crate::store;

/// What each bucket has under this key. Nobody waits for a bucket that does not answer.
pub async fn find(key: &str) -> Result<Vec<String>, ExitReason> {
    let key = key.to_owned();
    let mut answers = Task::async_stream_nolink(store::names()?, move |name| {
        let bucket = store::bucket(&name);
        let key = key.clone();
        async move {
            let value = bucket.get(key).await;
            (name, value)
        }
    })
    .max_concurrency(100)?
    .timeout(Duration::from_secs(1))
    .kill_on_timeout()
    .zip_input_on_exit();

    let mut found = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok((name, Ok(Some(value)))) => found.push(format!("{name}: {value}")),
            // It has no such key, or it ended meanwhile.
            Ok((_, Ok(None) | Err(_))) => {}
            Err(error) => {
                let name = error.input.unwrap_or_default();
                found.push(format!("{name}: {}", error.failure));
            }
        }
    }
    Ok(found)
}
