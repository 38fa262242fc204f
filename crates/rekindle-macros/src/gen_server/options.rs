//! What stands in the brackets of `#[gen_server(..)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::{Ident, Path};

pub(super) struct Options {
    /// `crate = path`: where the framework is.
    pub(super) framework: TokenStream,
    /// `api = Name`: what the trait with the handle's methods is called.
    pub(super) api: Option<Ident>,
}

impl Options {
    pub(super) fn parse(arguments: TokenStream) -> syn::Result<Options> {
        let mut options = Options {
            framework: quote!(::rekindle),
            api: None,
        };
        syn::meta::parser(|option| {
            if option.path.is_ident("crate") {
                let path: Path = option.value()?.call(Path::parse_mod_style)?;
                options.framework = quote!(#path);
                Ok(())
            } else if option.path.is_ident("api") {
                options.api = Some(option.value()?.parse()?);
                Ok(())
            } else {
                Err(option.error(
                    "`#[gen_server]` knows two options: `api = Name`, the name of the trait with the handle's methods, and `crate = path`, where rekindle is",
                ))
            }
        })
        .parse2(arguments)?;
        Ok(options)
    }
}
