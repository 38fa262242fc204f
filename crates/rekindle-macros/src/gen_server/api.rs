//! The handle's methods: a trait per visibility, implemented for all handles.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, Visibility};

use super::messages;
use super::server::{Argument, Message, Server};

/// The methods of one visibility.
struct Api<'a, 'b> {
    name: Ident,
    visibility: &'a Visibility,
    calls: Vec<&'a Message<'b>>,
    casts: Vec<&'a Message<'b>>,
}

/// How widely visible something is, and what the trait of its like is called if it is not the
/// widest.
fn width(visibility: &Visibility) -> (u8, &'static str) {
    match visibility {
        Visibility::Public(_) => (4, ""),
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => (3, "Crate"),
        Visibility::Restricted(restricted) if restricted.path.is_ident("super") => (1, "Super"),
        Visibility::Restricted(restricted) if restricted.path.is_ident("self") => (0, "Private"),
        Visibility::Restricted(_) => (2, "Within"),
        Visibility::Inherited => (0, "Private"),
    }
}

/// The traits, the widest first: it has the plain name.
fn apis<'a, 'b>(server: &'a Server<'b>) -> Vec<Api<'a, 'b>> {
    let mut apis: Vec<Api<'a, 'b>> = Vec::new();
    let calls = server.calls.iter().map(|call| (call, true));
    for (message, is_call) in calls.chain(server.casts.iter().map(|cast| (cast, false))) {
        let own = message.visibility.to_token_stream().to_string();
        let known = apis
            .iter()
            .position(|api| api.visibility.to_token_stream().to_string() == own);
        let at = known.unwrap_or_else(|| {
            apis.push(Api {
                name: server.name.clone(),
                visibility: message.visibility,
                calls: Vec::new(),
                casts: Vec::new(),
            });
            apis.len() - 1
        });
        let list = if is_call {
            &mut apis[at].calls
        } else {
            &mut apis[at].casts
        };
        list.push(message);
    }
    apis.sort_by_key(|api| std::cmp::Reverse(width(api.visibility).0));
    let base = match &server.options.api {
        Some(name) => name.clone(),
        None => format_ident!("{}Api", server.name),
    };
    for (n, api) in apis.iter_mut().enumerate() {
        let suffix = if n == 0 { "" } else { width(api.visibility).1 };
        api.name = format_ident!("{base}{suffix}");
    }
    apis
}

/// The traits themselves.
pub(super) fn traits(server: &Server<'_>) -> TokenStream {
    let (parameters, _, condition) = server.generics.split_for_impl();
    let (parameters, condition) = (server.spelt_out(parameters), server.spelt_out(condition));
    let of_server = server.name.to_string();
    let one = |api: Api<'_, '_>| {
        let Api {
            name, visibility, ..
        } = &api;
        let about = format!(
            "The requests of [`{of_server}`] as methods of its handles: `Addr`, `Name` and `Via`."
        );
        let calls = api.calls.iter().map(|call| {
            let (carried, signature) = (&call.carried, call_signature(server, call));
            quote!(#(#carried)* #[track_caller] #signature;)
        });
        let casts = api.casts.iter().map(|cast| {
            let (carried, signature) = (&cast.carried, cast_signature(server, cast));
            let tried = cast.tried.then(|| {
                let signature = try_signature(server, cast);
                let cfgs = &cast.callback.cfgs;
                let about = format!(
                    "As `{}`, and tells.\n\n# Errors\n\nIf there is nobody, or the mailbox is full and refuses the message.",
                    cast.callback.ident
                );
                quote!(#(#cfgs)* #[doc = #about] #signature;)
            });
            quote!(#(#carried)* #signature; #tried)
        });
        quote! {
            #[doc = #about]
            ///
            /// Written by `#[gen_server]`. It must be in scope where a handle is used.
            #[allow(missing_docs, unreachable_pub, unnameable_types, private_interfaces, private_bounds,
                clippy::type_complexity, clippy::too_many_arguments, clippy::result_unit_err)]
            #visibility trait #name #parameters #condition { #(#calls)* #(#casts)* }
        }
    };
    apis(server).into_iter().map(one).collect()
}

/// The traits for every handle.
pub(super) fn implementations(server: &Server<'_>) -> TokenStream {
    let framework = &server.options.framework;
    let own = server.ty;
    let (_, arguments, condition) = server.generics.split_for_impl();
    let condition = server.spelt_out(condition);
    let parameters = &server.generics.params;
    let parameters = server.spelt_out(quote!(#parameters));
    let comma = (!server.generics.params.empty_or_trailing()).then(|| quote!(,));
    let one = |api: Api<'_, '_>| {
        let name = &api.name;
        let calls = api.calls.iter().map(|call| {
            let (cfgs, signature) = (&call.callback.cfgs, call_signature(server, call));
            let message = construct(server, call, "Call", true);
            quote! {
                #(#cfgs)*
                #[track_caller]
                #[inline]
                #signature {
                    #framework::ServerHandle::call(self, move |__from| #message)
                }
            }
        });
        let casts = api.casts.iter().map(|cast| {
            let (cfgs, signature) = (&cast.callback.cfgs, cast_signature(server, cast));
            let message = construct(server, cast, "Cast", false);
            let tried = cast.tried.then(|| {
                let signature = try_signature(server, cast);
                quote! {
                    #(#cfgs)*
                    #signature {
                        #framework::ServerHandle::try_cast(self, #message)
                            .map_err(|__error| __error.map(::core::mem::drop))
                    }
                }
            });
            quote! {
                #(#cfgs)*
                #[inline]
                #signature {
                    #framework::ServerHandle::cast(self, #message)
                }
                #tried
            }
        });
        quote! {
            #[automatically_derived]
            #[allow(deprecated, clippy::type_complexity, clippy::too_many_arguments)]
            impl<#parameters #comma __Handle: #framework::ServerHandle<Server = #own>> #name #arguments
                for __Handle #condition
            {
                #(#calls)*
                #(#casts)*
            }
        }
    };
    apis(server).into_iter().map(one).collect()
}

/// The arguments that whoever sends the message gives: names and types.
fn parameters<'a>(message: &'a Message<'_>) -> impl Iterator<Item = (&'a Ident, &'a syn::Type)> {
    message
        .callback
        .arguments
        .iter()
        .filter_map(|argument| match argument {
            Argument::Field { name, ty } => Some((name, *ty)),
            _ => None,
        })
}

fn call_signature(server: &Server<'_>, call: &Message<'_>) -> TokenStream {
    let framework = &server.options.framework;
    let ident = call.callback.ident;
    let names = parameters(call).map(|(name, _)| name);
    let types = parameters(call).map(|(_, ty)| server.spelt_out(ty));
    let answer = server.answer(call);
    quote!(fn #ident(&self, #(#names: #types),*) -> #framework::Call<'_, #answer>)
}

fn cast_signature(server: &Server<'_>, cast: &Message<'_>) -> TokenStream {
    let ident = cast.callback.ident;
    let names = parameters(cast).map(|(name, _)| name);
    let types = parameters(cast).map(|(_, ty)| server.spelt_out(ty));
    quote!(fn #ident(&self, #(#names: #types),*))
}

fn try_signature(server: &Server<'_>, cast: &Message<'_>) -> TokenStream {
    let framework = &server.options.framework;
    let ident = format_ident!("try_{}", cast.callback.ident);
    let names = parameters(cast).map(|(name, _)| name);
    let types = parameters(cast).map(|(_, ty)| server.spelt_out(ty));
    quote! {
        fn #ident(&self, #(#names: #types),*)
            -> ::core::result::Result<(), #framework::SendError<()>>
    }
}

/// The message, of the arguments of the handle's method.
fn construct(
    server: &Server<'_>,
    message: &Message<'_>,
    kind: &str,
    answered: bool,
) -> TokenStream {
    let (name, ident) = (messages::name(server, kind), message.callback.ident);
    let names = parameters(message).map(|(name, _)| name);
    let from = answered.then(|| quote!(__from));
    quote!(#name::#ident(#(#names,)* #from))
}
