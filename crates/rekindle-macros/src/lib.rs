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

#[doc = include_str!("main_attribute.md")]
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_attribute::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[doc = include_str!("test_attribute.md")]
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
