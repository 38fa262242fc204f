#![forbid(unsafe_code)]
//! The attributes of rekindle. Each writes what a user could write by hand, and nothing else.
//!
//! Use them through the front door: `rekindle::main` (and its neighbours), not through this crate.
//!
//! Reading order: one attribute a file, each a pure function from tokens to tokens.

mod gen_server;
mod main_attribute;

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

#[doc = include_str!("gen_server/page.md")]
#[proc_macro_attribute]
pub fn gen_server(arguments: TokenStream, item: TokenStream) -> TokenStream {
    gen_server::expand(arguments.into(), item.into()).into()
}
