//! A key-value store, step 3: a supervisor starts a failed bucket again.

mod bucket;

use bucket::{Bucket, Request};
use rekindle::prelude::*;

async fn put(shopping: &Name<Bucket>, key: &str, value: &str) -> Result<bool, CallError> {
    let (key, value) = (key.to_owned(), value.to_owned());
    shopping.call(|from| Request::Put(key, value, from)).await
}

async fn add(shopping: &Name<Bucket>, key: &str, by: i64) -> Result<i64, CallError> {
    shopping
        .call(|from| Request::Add(key.into(), by, from))
        .await
}

/// Asks until somebody answers: between two lives there is nobody for a moment.
async fn all(shopping: &Name<Bucket>) -> Vec<(String, String)> {
    loop {
        match shopping.call(Request::All).await {
            Ok(all) => return all,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

#[rekindle::main]
async fn main() -> Result<(), ExitReason> {
    let tree = Supervisor::one_for_one()
        .child(Bucket::child(()).name("shopping"))
        .start()
        .await?;
    let shopping = Name::<Bucket>::new("shopping");

    put(&shopping, "milk", "2").await?;
    put(&shopping, "eggs", "a dozen").await?;
    println!("milk and 1: {:?}", add(&shopping, "milk", 1).await);
    if let Err(error) = add(&shopping, "eggs", 1).await {
        println!("eggs and 1: {error}");
    }
    println!("what is left: {:?}", all(&shopping).await);

    println!("-- and again, and again");
    for _ in 0..3 {
        all(&shopping).await;
        put(&shopping, "eggs", "a dozen").await?;
        add(&shopping, "eggs", 1).await.unwrap_err();
    }
    while is_alive(tree.pid()) {
        sleep(Duration::from_millis(1)).await;
    }
    println!("the supervisor has given up");
    println!("eggs and 1: {:?}", add(&shopping, "eggs", 1).await);
    Ok(())
}
