#![forbid(unsafe_code)]
//! The attributes of rekindle. Each writes what a user could write by hand, and nothing else.
//!
//! Use them through the front door: `rekindle::main` (and its neighbours), not through this crate.
//!
//! Reading order: one attribute a file, each a pure function from tokens to tokens.

mod gen_server;
mod main_attribute;
mod test_attribute;

use proc_macro::TokenStream;

/// Runs an `async fn main` as the first process of a runtime.
///
/// The function's value becomes the program's: anything that `main` may return. With `workers = n`
/// the runtime has so many worker threads; without it, as many as the machine has cores.
///
/// ```ignore (the front door is not a dependency of this crate)
/// #[rekindle::main]
/// async fn main() {
///     println!("hello from {}", rekindle::self_pid());
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_attribute::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes an `async fn` a test: its body runs as a process, in a runtime of its own.
///
/// The function takes nothing, or the test from inside: `t: &mut Test`, or `mut t: Test<Msg>` to
/// receive messages of type `Msg`. It gives nothing, or a `Result` with an error that is `Debug`.
/// `#[should_panic]` and `#[ignore]` work as on any test. It needs the feature `testkit`.
///
/// ```ignore (the front door is not a dependency of this crate)
/// #[rekindle::test]
/// async fn on_real_threads() {}
///
/// #[rekindle::test(simulated, seeds = 500, strategy = pct(depth = 3))]
/// async fn under_many_orders_in_virtual_time(t: &mut Test) {
///     t.advance(Duration::from_secs(3600)).await;
/// }
/// ```
///
/// | option                     | means                                                            | default |
/// |----------------------------|------------------------------------------------------------------|---------|
/// | `workers = 4`              | real threads: so many workers                                      | 2       |
/// | `simulated`                | the simulator: one thread, virtual time, orders that follow from seeds | no  |
/// | `seeds = 500`              | simulated: so many runs                                            | 10      |
/// | `seed = 7`                 | simulated: the first seed                                          | 0       |
/// | `strategy = random`        | simulated: any order is as likely                                  | this    |
/// | `strategy = pct(depth = 3)` | simulated: by priorities that change; also `steps = 500`          |         |
/// | `max_steps = 100_000`      | simulated: a longer run counts as endless                          | 5,000,000 |
///
/// `REKINDLE_SEED=7 cargo test name` runs the seed 7 alone.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test_attribute::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[doc = include_str!("gen_server/page.md")]
#[proc_macro_attribute]
pub fn gen_server(arguments: TokenStream, item: TokenStream) -> TokenStream {
    gen_server::expand(arguments.into(), item.into()).into()
}
