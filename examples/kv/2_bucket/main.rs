//! A key-value store, step 2: the bucket is a server.

mod bucket;

use bucket::{Bucket, BucketApi};
use rekindle::prelude::*;

#[rekindle::main]
async fn main() -> Result<(), ExitReason> {
    let shopping = Bucket::start_link(()).await?;

    let new = shopping.put("milk".into(), "2".into()).await?;
    println!("milk is new: {new}");
    let new = shopping.put("milk".into(), "3".into()).await?;
    println!("milk is new: {new}");
    shopping.put("bread".into(), "1".into()).await?;

    let sum = shopping.add("milk".into(), 4).await?;
    println!("milk after adding 4: {sum}");
    println!("all: {:?}", shopping.all().await?);

    shopping.stop().await?;
    println!("after its end: {:?}", shopping.all().await);
    Ok(())
}
