//! A process ends with a reason, whether it has a mailbox or not, and a child as well.
use rekindle::prelude::*;

fn main() {
    spawn(|mut inbox: Mailbox<u8>| async move { inbox.recv().await });
    spawn(async { Err::<(), &str>("no reason") });
    let _ = ChildSpec::task(|| async { 42 });
}
