//! `#[gen_server]`: from an impl block to the messages, the callbacks and the typed handle.
//!
//! The methods stay what they are, inherent methods of the server. Beside them are written, in
//! this order:
//!
//! 1. a trait per visibility with a method for each `#[call]` and `#[cast]` (`api`);
//! 2. one enum each for the calls, casts, infos and continues (`messages`);
//! 3. `impl GenServer`, whose callbacks match on these and call the methods (`callbacks`).
//!
//! Everything but the traits stands in a `const _`, so that no name but theirs comes into the
//! user's module. Modules in reading order: `server` has what was understood of the block, `method`
//! and `types` how that is found out, then the three that write.

mod options;
mod server;

mod method;
mod types;

mod api;
mod callbacks;
mod messages;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ImplItem, ItemImpl};

use options::Options;
use server::Server;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parse(arguments).and_then(|options| {
        let block: ItemImpl = parse_block(item.clone())?;
        Ok((options, block))
    });
    let (options, mut block) = match expanded {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let written = Server::of(&block, &options).map_or_else(
        |errors| {
            let errors = errors.into_compile_error();
            let stand_in = callbacks::stand_in(&block, &options.framework);
            quote!(#errors #stand_in)
        },
        write,
    );
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            method
                .attrs
                .retain(|attribute| !method::is_taken_away(attribute));
        }
    }
    // The methods are kept in any case, so that one mistake is not told as many.
    quote!(#block #written)
}

/// What stands beside the block.
fn write(server: Server<'_>) -> TokenStream {
    let api = api::traits(&server);
    let implementations = api::implementations(&server);
    let messages = messages::enums(&server);
    let callbacks = callbacks::gen_server(&server);
    quote! {
        #api
        const _: () = { #messages #implementations #callbacks };
    }
}

/// The impl block, or a word on what it should have been.
fn parse_block(item: TokenStream) -> syn::Result<ItemImpl> {
    let block = match syn::parse2::<syn::Item>(item)? {
        syn::Item::Impl(block) => block,
        other => {
            return Err(syn::Error::new_spanned(
                first_token(&other),
                "`#[gen_server]` stands on an impl block of the server's type: `#[gen_server] impl Counter { .. }`",
            ));
        }
    };
    if let Some((_, of, _)) = &block.trait_ {
        return Err(syn::Error::new_spanned(
            of,
            "`#[gen_server]` writes the `impl GenServer` itself: it stands on a plain `impl Counter { .. }`",
        ));
    }
    Ok(block)
}

fn first_token(item: &syn::Item) -> TokenStream {
    use quote::ToTokens;
    let after_attributes = |tokens: TokenStream| {
        let mut tokens = tokens.into_iter();
        while let Some(token) = tokens.next() {
            match token {
                proc_macro2::TokenTree::Punct(hash) if hash.as_char() == '#' => drop(tokens.next()),
                token => return token.into(),
            }
        }
        TokenStream::new()
    };
    after_attributes(item.to_token_stream())
}
