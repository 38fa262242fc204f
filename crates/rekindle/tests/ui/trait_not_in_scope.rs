//! The methods of a handle are a trait's, which is imported where they are used.
mod stock {
    use rekindle::prelude::*;

    pub struct Stock {
        apples: u32,
    }

    #[gen_server]
    impl Stock {
        #[call]
        pub fn apples(&self) -> u32 {
            self.apples
        }
    }
}

use rekindle::prelude::*;

fn main() {
    let stock: Name<stock::Stock> = Name::new("stock");
    let _ = stock.apples();
}
