//! A key-value store, step 1: a process that keeps a map.

use std::collections::BTreeMap;

use rekindle::prelude::*;

enum Message {
    Put(String, String),
    Get(String, ReplyTo<Option<String>>),
}

async fn bucket(mut inbox: Mailbox<Message>) {
    let mut entries = BTreeMap::new();
    loop {
        match inbox.recv().await {
            Message::Put(key, value) => {
                entries.insert(key, value);
            }
            Message::Get(key, from) => from.reply(entries.get(&key).cloned()),
        }
    }
}

#[rekindle::main]
async fn main() {
    let shopping = spawn(bucket);

    shopping.send(Message::Put("milk".into(), "2".into()));
    for key in ["milk", "eggs"] {
        let value = shopping.call(|from| Message::Get(key.into(), from)).await;
        println!("{key}: {value:?}");
    }

    shopping.exit(ExitReason::Kill);
    while shopping.is_alive() {
        sleep(Duration::from_millis(1)).await;
    }
    shopping.send(Message::Put("milk".into(), "3".into()));
    let value = shopping
        .call(|from| Message::Get("milk".into(), from))
        .await;
    println!("afterwards: {value:?}");
}
