//! `#[rekindle::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, LitInt, parse::Parser};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut workers: Option<LitInt> = None;
    syn::meta::parser(|option| {
        if option.path.is_ident("workers") {
            workers = Some(option.value()?.parse()?);
            Ok(())
        } else {
            Err(option.error("`#[rekindle::main]` knows one option: `workers = 4`"))
        }
    })
    .parse2(arguments)?;

    let ItemFn {
        attrs,
        vis,
        mut sig,
        block,
    } = syn::parse2(item)?;
    if sig.asyncness.take().is_none() {
        return Err(syn::Error::new_spanned(
            sig.fn_token,
            "`#[rekindle::main]` runs an `async fn`: write `async` before `fn`",
        ));
    }
    if let Some(argument) = sig.inputs.first() {
        return Err(syn::Error::new_spanned(
            argument,
            "`main` takes no arguments: read them with `std::env::args()`",
        ));
    }
    let workers = workers.map(|n| quote!(.workers(#n)));
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            ::rekindle::Builder::new()
                #workers
                .start()
                .expect("the runtime starts its threads")
                .block_on(async move #block)
        }
    })
}
