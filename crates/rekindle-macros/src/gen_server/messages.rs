//! The enums of messages.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{GenericParam, Ident};

use super::server::{Message, Server};

/// An enum of messages, by what it has: `Counter_info`. A user sees it in errors of the compiler,
/// so it says whose it is; no type of the user's is spelt like this, so it hides none.
pub(super) fn name(server: &Server<'_>, kind: &str) -> Ident {
    format_ident!("{}_{}", server.name, kind.to_lowercase())
}

/// The enums that the server needs, and the conversions into infos and continues.
pub(super) fn enums(server: &Server<'_>) -> TokenStream {
    let calls = of(server, "Call", &server.calls, true);
    let casts = of(server, "Cast", &server.casts, false);
    let infos = of(server, "Info", &server.infos, false);
    let continues = of(server, "Continue", &server.continues, false);
    let from_infos = conversions(server, "Info", &server.infos);
    let from_continues = conversions(server, "Continue", &server.continues);
    quote!(#calls #casts #infos #continues #from_infos #from_continues)
}

fn of(server: &Server<'_>, kind: &str, messages: &[Message<'_>], answered: bool) -> TokenStream {
    if messages.is_empty() {
        return TokenStream::new();
    }
    let framework = &server.options.framework;
    let name = name(server, kind);
    let (parameters, _, condition) = server.generics.split_for_impl();
    let condition = server.spelt_out(condition);
    let parameters = server.spelt_out(parameters);
    let variants = messages.iter().map(|message| {
        let (cfgs, ident) = (&message.callback.cfgs, message.callback.ident);
        let types = message
            .callback
            .fields()
            .map(|(_, ty)| server.spelt_out(ty));
        let from = answered.then(|| {
            let answer = server.answer(message);
            quote!(#framework::ReplyTo<#answer>,)
        });
        quote!(#(#cfgs)* #ident(#(#types,)* #from))
    });
    // A parameter that no message has must be in some variant: in one that cannot be made.
    let types: Vec<&Ident> = server
        .generics
        .params
        .iter()
        .filter_map(type_parameter)
        .collect();
    let unused = (!types.is_empty()).then(|| {
        quote! {
            __Parameters(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(#types,)*)>),
        }
    });
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, deprecated, private_interfaces, unnameable_types,
            missing_debug_implementations, clippy::large_enum_variant, clippy::type_complexity)]
        pub enum #name #parameters #condition { #(#variants,)* #unused }
    }
}

fn type_parameter(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        _ => None,
    }
}

/// How a value becomes a message.
fn conversions(server: &Server<'_>, kind: &str, messages: &[Message<'_>]) -> TokenStream {
    let name = name(server, kind);
    let (parameters, arguments, condition) = server.generics.split_for_impl();
    let one = |message: &Message<'_>| {
        let (cfgs, ident) = (&message.callback.cfgs, message.callback.ident);
        let payload = server.payload(message);
        let fields: Vec<Ident> = message.callback.fields().map(|(name, _)| name).collect();
        let pattern = match fields.as_slice() {
            [one] => quote!(#one),
            several => quote!((#(#several),*)),
        };
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #parameters ::core::convert::From<#payload> for #name #arguments #condition {
                #[inline]
                fn from(#pattern: #payload) -> Self {
                    #name::#ident(#(#fields),*)
                }
            }
        }
    };
    messages.iter().map(one).collect()
}
