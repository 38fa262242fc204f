//! The handle's methods: on which handles, and who sees them.

use rekindle::prelude::*;
use rekindle::{SendError, ServerHandle};

use crate::simulated;

#[allow(
    unreachable_pub,
    reason = "as in a library, whose users see what is `pub`"
)]
mod cart {
    use rekindle::prelude::*;

    #[derive(Debug)]
    pub struct Cart {
        items: Vec<String>,
    }

    #[gen_server]
    impl Cart {
        fn init() -> Self {
            Cart { items: Vec::new() }
        }
        /// How many items there are.
        #[call]
        pub fn count(&self) -> usize {
            self.items.len()
        }
        /// Adds an item.
        #[cast(try)]
        pub fn put(&mut self, item: String) {
            self.items.push(item);
        }
        #[call]
        pub(crate) fn all(&self) -> Vec<String> {
            self.items.clone()
        }
        #[cast]
        fn forget(&mut self) {
            self.items.clear();
        }
    }

    pub(super) fn forget(cart: &Addr<Cart>) {
        cart.forget();
    }
}

use cart::{Cart, CartApi, CartApiCrate};

#[test]
fn names_and_registry_keys_have_the_methods_as_well() {
    simulated(async {
        let carts = Registry::<u8, ()>::unique().start_link().await.unwrap();
        let seventh = carts.via::<Cart>(7);
        let addr = Cart::start(()).name("cart").via(&seventh).await.unwrap();
        let name = Name::<Cart>::new("cart");

        addr.put("apple".to_owned());
        name.put("pear".to_owned());
        seventh.put("plum".to_owned());
        assert_eq!(addr.count().await, Ok(3));
        assert_eq!(name.count().await, Ok(3));
        assert_eq!(seventh.count().await, Ok(3));
        assert_eq!(addr.all().await.unwrap(), ["apple", "pear", "plum"]);
        cart::forget(&addr);
        assert_eq!(addr.count().await, Ok(0));
    });
}

#[test]
fn a_call_to_a_name_that_nobody_holds_says_so() {
    simulated(async {
        let nobody = Name::<Cart>::new("nobody");
        nobody.put("lost".to_owned());
        assert_eq!(nobody.count().await, Err(CallError::NoProc));
    });
}

#[test]
fn a_cast_can_be_tried() {
    simulated(async {
        let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
        let addr = Cart::start(()).mailbox(policy).await.unwrap();
        assert_eq!(addr.try_put("apple".to_owned()), Ok(()));
        assert_eq!(addr.try_put("pear".to_owned()), Err(SendError::Full(())));
        let nobody = Name::<Cart>::new("nobody");
        assert_eq!(
            nobody.try_put("plum".to_owned()),
            Err(SendError::NoProc(()))
        );
    });
}

#[test]
fn the_caller_chooses_how_long_it_waits() {
    struct Slow;
    #[gen_server]
    impl Slow {
        #[call]
        async fn think(&mut self) -> u8 {
            sleep(Duration::from_secs(60)).await;
            42
        }
    }

    simulated(async {
        let slow = Slow::start(Slow).await.unwrap();
        let limit = Duration::from_secs(1);
        assert_eq!(
            slow.think().timeout(limit).await,
            Err(CallError::Timeout(limit))
        );
        assert_eq!(slow.think().no_timeout().await, Ok(42));
    });
}

#[test]
fn a_handle_of_ones_own_has_the_methods_as_well() {
    struct Either(Addr<Cart>);
    impl ServerHandle for Either {
        type Server = Cart;
        fn call<T: Send + 'static>(
            &self,
            make: impl FnOnce(ReplyTo<T>) -> <Cart as GenServer>::Call,
        ) -> rekindle::Call<'_, T> {
            self.0.call(make)
        }
        fn cast(&self, message: <Cart as GenServer>::Cast) {
            self.0.cast(message);
        }
        fn try_cast(
            &self,
            message: <Cart as GenServer>::Cast,
        ) -> Result<(), SendError<<Cart as GenServer>::Cast>> {
            self.0.try_cast(message)
        }
    }

    simulated(async {
        let either = Either(Cart::start(()).await.unwrap());
        either.put("apple".to_owned());
        assert_eq!(either.count().await, Ok(1));
    });
}

#[test]
fn generic_code_asks_for_the_trait() {
    async fn filled(cart: &impl CartApi) -> bool {
        cart.count().await.is_ok_and(|count| count > 0)
    }
    simulated(async {
        let addr = Cart::start(()).await.unwrap();
        assert!(!filled(&addr).await);
        addr.put("apple".to_owned());
        assert!(filled(&addr).await);
    });
}

#[test]
fn a_supervisor_starts_it_again() {
    simulated(async {
        let _tree = Supervisor::one_for_one()
            .child(Cart::child(()).name("cart"))
            .start_link()
            .await
            .unwrap();
        let cart = Name::<Cart>::new("cart");
        cart.put("apple".to_owned());
        assert_eq!(cart.count().await, Ok(1));
        exit(cart.pid().unwrap(), ExitReason::Kill);
        while cart.count().await != Ok(0) {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn the_wait_site_of_a_call_is_the_users_line() {
    struct Deaf;
    #[gen_server]
    impl Deaf {
        #[call]
        fn ask(&mut self, from: ReplyTo<u8>) {
            std::mem::forget(from);
        }
    }

    simulated(async {
        let deaf = Deaf::start(Deaf).await.unwrap();
        let caller = spawn(async move { drop(deaf.ask().no_timeout().await) });
        sleep(Duration::from_secs(1)).await;
        let wait = info(caller).unwrap().waits.unwrap();
        assert!(wait.at.file().ends_with("handles.rs"), "{wait:?}");
        exit(caller, ExitReason::Kill);
    });
}
