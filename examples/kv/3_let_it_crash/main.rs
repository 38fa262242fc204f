//! A key-value store, step 3: a supervisor starts a failed bucket again.

mod bucket;

use bucket::{Bucket, BucketApi};
use rekindle::prelude::*;

/// Asks until somebody answers: between two lives there is nobody for a moment.
async fn all(shopping: &Name<Bucket>) -> Vec<(String, String)> {
    loop {
        match shopping.all().await {
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

    shopping.put("milk".into(), "2".into()).await?;
    shopping.put("eggs".into(), "a dozen".into()).await?;
    println!("milk and 1: {:?}", shopping.add("milk".into(), 1).await);
    if let Err(error) = shopping.add("eggs".into(), 1).await {
        println!("eggs and 1: {error}");
    }
    println!("what is left: {:?}", all(&shopping).await);

    println!("-- and again, and again");
    for _ in 0..3 {
        all(&shopping).await;
        shopping.put("eggs".into(), "a dozen".into()).await?;
        shopping.add("eggs".into(), 1).await.unwrap_err();
    }
    while is_alive(tree.pid()) {
        sleep(Duration::from_millis(1)).await;
    }
    println!("the supervisor has given up");
    println!("eggs and 1: {:?}", shopping.add("eggs".into(), 1).await);
    Ok(())
}
