//! A guard that is held over an `.await` is not `Send`: let it go before.
use std::sync::{Arc, Mutex};

use rekindle::prelude::*;

struct Counter {
    shared: Arc<Mutex<i64>>,
}

#[gen_server]
impl Counter {
    #[call]
    async fn get(&mut self) -> i64 {
        let shared = self.shared.clone();
        let guard = shared.lock().unwrap();
        sleep(Duration::from_secs(1)).await;
        *guard
    }
}

fn main() {}
