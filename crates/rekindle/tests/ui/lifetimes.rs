//! A server owns its state.
use rekindle::prelude::*;

struct Reader<'a> {
    text: &'a str,
}

#[gen_server]
impl<'a> Reader<'a> {
    #[call]
    fn length(&self) -> usize {
        self.text.len()
    }
}

fn main() {}
