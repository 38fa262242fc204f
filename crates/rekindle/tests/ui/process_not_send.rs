//! A process may be moved to another worker at each `.await`.
use std::rc::Rc;

use rekindle::prelude::*;

fn main() {
    spawn(async {
        let local = Rc::new(1);
        sleep(Duration::from_secs(1)).await;
        drop(local);
    });
}
