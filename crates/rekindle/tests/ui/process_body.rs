//! A process ends with a reason, not with a result.
use rekindle::prelude::*;

fn main() {
    spawn(async { 42 });
}
