//! A key-value store, step 2: the bucket is a server.

mod bucket;

use bucket::{Bucket, Request};
use rekindle::prelude::*;

#[rekindle::main]
async fn main() -> Result<(), ExitReason> {
    let shopping = Bucket::start_link(()).await?;

    let put = |key: &str, value: &str| {
        let (key, value) = (key.to_owned(), value.to_owned());
        shopping.call(|from| Request::Put(key, value, from))
    };
    println!("milk is new: {}", put("milk", "2").await?);
    println!("milk is new: {}", put("milk", "3").await?);
    put("bread", "1").await?;

    let sum = shopping
        .call(|from| Request::Add("milk".into(), 4, from))
        .await?;
    println!("milk after adding 4: {sum}");
    println!("all: {:?}", shopping.call(Request::All).await?);

    shopping.stop().await?;
    println!("after its end: {:?}", shopping.call(Request::All).await);
    Ok(())
}
