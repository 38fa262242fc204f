//! A key-value store, step 4: many buckets, found by name.

mod bucket;
mod store;

use bucket::BucketApi;
use rekindle::prelude::*;

async fn put(name: &str, key: &str, value: &str) -> Result<(), ExitReason> {
    let bucket = store::bucket_or_new(name).await?;
    bucket.put(key.to_owned(), value.to_owned()).await?;
    Ok(())
}

#[rekindle::main]
async fn main() -> Result<(), ExitReason> {
    store::tree().start_link().await?;

    put("shopping", "milk", "2").await?;
    put("party", "guests", "12").await?;
    put("party", "cake", "a large one").await?;
    println!("buckets: {:?}", store::names()?);

    // One of them crashes. The other does not notice.
    let party = store::bucket("party");
    let before = party.pid();
    party.add("cake".into(), 1).await.unwrap_err();
    while party.pid().is_none() || party.pid() == before {
        sleep(Duration::from_millis(1)).await;
    }
    println!("party: {:?}", party.all().await?);
    println!("shopping: {:?}", store::bucket("shopping").all().await?);

    // A bucket that is stopped is transient: it stays away.
    party.stop().await?;
    println!("buckets: {:?}", store::names()?);

    // Ten thousand buckets are no trouble.
    for n in 0..10_000 {
        put(&format!("bucket {n}"), "key", "value").await?;
    }
    println!("buckets: {}", store::names()?.len());
    Ok(())
}
