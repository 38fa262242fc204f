//! `impl GenServer`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ReturnType, Type};

use super::messages;
use super::server::{Argument, Callback, HandKind, Message, Server};

pub(super) fn gen_server(server: &Server<'_>) -> TokenStream {
    let own = server.ty;
    let framework = &server.options.framework;
    let (parameters, _, condition) = server.generics.split_for_impl();
    let arguments = arguments(server);
    let call = message_type(server, "Call", HandKind::Call, &server.calls);
    let cast = message_type(server, "Cast", HandKind::Cast, &server.casts);
    let info = message_type(server, "Info", HandKind::Info, &server.infos);
    let work = message_type(server, "Continue", HandKind::Continue, &server.continues);
    let methods = [
        init(server),
        handle_call(server),
        handle(server, "Cast", HandKind::Cast, &server.casts),
        handle_info(server),
        handle(server, "Continue", HandKind::Continue, &server.continues),
        terminate(server).unwrap_or_default(),
        others(server),
        kinds(server).unwrap_or_default(),
    ];
    quote! {
        #[automatically_derived]
        #[allow(deprecated, unreachable_patterns, unused_variables, unreachable_code, private_interfaces,
            clippy::unit_arg, clippy::let_unit_value, clippy::type_complexity)]
        impl #parameters #framework::GenServer for #own #condition {
            type Args = #arguments;
            type Call = #call;
            type Cast = #cast;
            type Info = #info;
            type Continue = #work;
            #(#methods)*
        }
    }
}

/// A server that is never built, in the place of one that was not understood: so that whatever
/// speaks of a server does not add to the errors.
pub(super) fn stand_in(block: &syn::ItemImpl, framework: &TokenStream) -> TokenStream {
    if block.generics.lifetimes().next().is_some() || block.trait_.is_some() {
        return TokenStream::new();
    }
    let own = &block.self_ty;
    let (parameters, _, condition) = block.generics.split_for_impl();
    let init = block.items.iter().find_map(|item| match item {
        syn::ImplItem::Fn(method) if method.sig.ident == "init" => Some(&method.sig.inputs),
        _ => None,
    });
    let types = init.into_iter().flatten().filter_map(|input| match input {
        syn::FnArg::Typed(input) if !matches!(*input.ty, Type::Reference(_)) => Some(&input.ty),
        _ => None,
    });
    let types: Vec<_> = types.collect();
    let arguments = match (init, types.as_slice()) {
        (None, _) => quote!(Self),
        (Some(_), [one]) => quote!(#one),
        (Some(_), several) => quote!((#(#several),*)),
    };
    quote! {
        impl #parameters #framework::GenServer for #own #condition {
            type Args = #arguments;
            type Call = #framework::Never;
            type Cast = #framework::Never;
            type Info = #framework::Never;
            type Continue = #framework::Never;
            async fn init(
                _: Self::Args,
                _: &mut #framework::Context<Self>,
            ) -> ::core::result::Result<#framework::Init<Self>, #framework::ExitReason> {
                ::core::unreachable!()
            }
        }
    }
}

/// What the start is given: what `init` is, as a tuple if it is not one value.
fn arguments(server: &Server<'_>) -> TokenStream {
    let Some(init) = &server.init else {
        return quote!(Self);
    };
    let types: Vec<&Type> = init.fields().map(|(_, ty)| ty).collect();
    match types.as_slice() {
        [one] => quote!(#one),
        several => quote!((#(#several),*)),
    }
}

fn message_type(
    server: &Server<'_>,
    name: &str,
    kind: HandKind,
    messages: &[Message<'_>],
) -> TokenStream {
    if let Some(by_hand) = server.hand_written(kind) {
        let message = by_hand.message;
        return quote!(#message);
    }
    if messages.is_empty() {
        let framework = &server.options.framework;
        return quote!(#framework::Never);
    }
    let (_, arguments, _) = server.generics.split_for_impl();
    let name = messages::name(server, name);
    quote!(#name #arguments)
}

fn init(server: &Server<'_>) -> TokenStream {
    let framework = &server.options.framework;
    let body = match &server.init {
        None => quote!(::core::result::Result::Ok(#framework::Init::Ready(__args))),
        Some(init) => {
            let names: Vec<Ident> = init.fields().map(|(name, _)| name).collect();
            let pattern = match names.as_slice() {
                [one] => quote!(#one),
                several => quote!((#(#several),*)),
            };
            let (call, span) = (invoke(init, None), output_span(init));
            quote_spanned! {span=>
                let #pattern = __args;
                #framework::IntoInit::<Self>::into_init(#call)
            }
        }
    };
    quote! {
        async fn init(
            __args: Self::Args,
            __cx: &mut #framework::Context<Self>,
        ) -> ::core::result::Result<#framework::Init<Self>, #framework::ExitReason> {
            #body
        }
    }
}

/// The method, with all that it is given.
fn invoke(callback: &Callback<'_>, receiver: Option<TokenStream>) -> TokenStream {
    let ident = callback.ident;
    let mut names = callback.fields().map(|(name, _)| name);
    let arguments = callback.arguments.iter().map(|argument| match argument {
        Argument::Field { .. } => {
            let name = names.next().expect("as many names as fields");
            quote!(#name)
        }
        Argument::Context => quote!(__cx),
        Argument::ReplyTo { .. } => quote!(__from),
        Argument::Reason => quote!(__reason),
    });
    let receiver = receiver.into_iter();
    let dot_await = callback.is_async.then(|| quote!(.await));
    let span = output_span(callback);
    let arguments: Vec<TokenStream> = receiver.chain(arguments).collect();
    quote_spanned!(span=> Self::#ident(#(#arguments),*) #dot_await)
}

/// Where an error about what a method gives belongs.
fn output_span(callback: &Callback<'_>) -> Span {
    match callback.output {
        ReturnType::Default => callback.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    }
}

/// The method, and the step that it decides.
fn step(framework: &TokenStream, callback: &Callback<'_>) -> TokenStream {
    let call = invoke(callback, Some(quote!(self)));
    match callback.output {
        ReturnType::Default => quote!({
            #call;
            ::core::result::Result::Ok(#framework::Next::Wait)
        }),
        ReturnType::Type(..) => {
            let span = output_span(callback);
            quote_spanned!(span=> #framework::IntoStep::<Self>::into_step(#call))
        }
    }
}

/// One of the `handle_*`, with this body.
fn handler(
    framework: &TokenStream,
    name: &str,
    message: TokenStream,
    body: TokenStream,
) -> TokenStream {
    let name = Ident::new(name, Span::call_site());
    quote! {
        async fn #name(
            &mut self,
            __message: #message,
            __cx: &mut #framework::Context<Self>,
        ) -> #framework::Step<Self> {
            #body
        }
    }
}

/// The callback of that kind, if it is written by hand.
fn by_hand(server: &Server<'_>, kind: HandKind) -> Option<TokenStream> {
    let framework = &server.options.framework;
    let by_hand = server.hand_written(kind)?;
    let (name, message) = match kind {
        HandKind::Call => ("handle_call", quote!(Self::Call)),
        HandKind::Cast => ("handle_cast", quote!(Self::Cast)),
        HandKind::Info => ("handle_info", quote!(#framework::Info<Self::Info>)),
        HandKind::Continue => ("handle_continue", quote!(Self::Continue)),
    };
    let ident = by_hand.callback.ident;
    let dot_await = by_hand.callback.is_async.then(|| quote!(.await));
    let span = output_span(&by_hand.callback);
    let call = quote_spanned! {span=>
        #framework::IntoStep::<Self>::into_step(Self::#ident(self, __message, __cx) #dot_await)
    };
    Some(handler(framework, name, message, call))
}

fn handle_call(server: &Server<'_>) -> TokenStream {
    if let Some(by_hand) = by_hand(server, HandKind::Call) {
        return by_hand;
    }
    if server.calls.is_empty() {
        return TokenStream::new();
    }
    let framework = &server.options.framework;
    let name = messages::name(server, "Call");
    let arms = server.calls.iter().map(|call| {
        let (cfgs, ident) = (&call.callback.cfgs, call.callback.ident);
        let fields = call.callback.fields().map(|(name, _)| name);
        let body = if call.callback.reply_to().is_some() {
            step(framework, &call.callback)
        } else {
            let answer = invoke(&call.callback, Some(quote!(self)));
            quote!({
                #framework::ReplyTo::reply(__from, #answer);
                ::core::result::Result::Ok(#framework::Next::Wait)
            })
        };
        quote!(#(#cfgs)* #name::#ident(#(#fields,)* __from) => #body)
    });
    let never = never_arm(server, &name);
    handler(
        framework,
        "handle_call",
        quote!(Self::Call),
        quote!(match __message { #(#arms,)* #never }),
    )
}

fn handle(
    server: &Server<'_>,
    kind: &str,
    hand: HandKind,
    messages: &[Message<'_>],
) -> TokenStream {
    if let Some(by_hand) = by_hand(server, hand) {
        return by_hand;
    }
    if messages.is_empty() {
        return TokenStream::new();
    }
    let framework = &server.options.framework;
    let name = messages::name(server, kind);
    let arms = messages.iter().map(|message| {
        let (cfgs, ident) = (&message.callback.cfgs, message.callback.ident);
        let fields = message.callback.fields().map(|(name, _)| name);
        let body = step(framework, &message.callback);
        quote!(#(#cfgs)* #name::#ident(#(#fields),*) => #body)
    });
    let never = never_arm(server, &name);
    let (callback, message) = match hand {
        HandKind::Continue => ("handle_continue", quote!(Self::Continue)),
        _ => ("handle_cast", quote!(Self::Cast)),
    };
    handler(
        framework,
        callback,
        message,
        quote!(match __message { #(#arms,)* #never }),
    )
}

/// For the variant that only names the parameters.
fn never_arm(server: &Server<'_>, name: &Ident) -> Option<TokenStream> {
    let has_types = server.generics.type_params().next().is_some();
    has_types.then(|| quote!(#name::__Parameters(__never, _) => match __never {},))
}

fn handle_info(server: &Server<'_>) -> TokenStream {
    if let Some(by_hand) = by_hand(server, HandKind::Info) {
        return by_hand;
    }
    let framework = &server.options.framework;
    let name = messages::name(server, "Info");
    let messages = server.infos.iter().map(|message| {
        let (cfgs, ident) = (&message.callback.cfgs, message.callback.ident);
        let fields = message.callback.fields().map(|(name, _)| name);
        let body = step(framework, &message.callback);
        quote!(#(#cfgs)* #framework::Info::Message(#name::#ident(#(#fields),*)) => #body)
    });
    let never = (!server.infos.is_empty())
        .then(|| server.generics.type_params().next())
        .flatten()
        .map(|_| {
            quote! {
                #framework::Info::Message(#name::__Parameters(__never, _)) => match __never {}
            }
        });
    let of_runtime = [
        (&server.downs, "Down"),
        (&server.exits, "Exit"),
        (&server.timeouts, "Timeout"),
    ];
    let of_runtime = of_runtime.into_iter().filter_map(|(callback, variant)| {
        let callback = callback.as_ref()?;
        let variant = Ident::new(variant, Span::call_site());
        let cfgs = &callback.cfgs;
        let fields: Vec<Ident> = callback.fields().map(|(name, _)| name).collect();
        let fields = (!fields.is_empty()).then(|| quote!((#(#fields),*)));
        let body = step(framework, callback);
        Some(quote!(#(#cfgs)* #framework::Info::#variant #fields => #body))
    });
    let arms: Vec<TokenStream> = messages.chain(never).chain(of_runtime).collect();
    if arms.is_empty() {
        return TokenStream::new();
    }
    handler(
        framework,
        "handle_info",
        quote!(#framework::Info<Self::Info>),
        quote! {
            match __message {
                #(#arms,)*
                __other => #framework::Context::unexpected(__cx, __other),
            }
        },
    )
}

fn terminate(server: &Server<'_>) -> Option<TokenStream> {
    let framework = &server.options.framework;
    let terminate = server.terminate.as_ref()?;
    let cfgs = &terminate.cfgs;
    let call = invoke(terminate, Some(quote!(self)));
    Some(quote! {
        #(#cfgs)*
        async fn terminate(
            &mut self,
            __reason: &#framework::ExitReason,
            __cx: &mut #framework::Context<Self>,
        ) {
            #call
        }
    })
}

/// `format_status` and `hibernate`.
fn others(server: &Server<'_>) -> TokenStream {
    let status = server.format_status.as_ref().map(|callback| {
        let (cfgs, span) = (&callback.cfgs, output_span(callback));
        let call = invoke(callback, Some(quote!(self)));
        let into = quote_spanned!(span=> ::core::convert::Into::into(#call));
        quote! {
            #(#cfgs)*
            fn format_status(&self) -> ::core::option::Option<::std::string::String> {
                #into
            }
        }
    });
    let hibernate = server.hibernate.as_ref().map(|callback| {
        let cfgs = &callback.cfgs;
        let call = invoke(callback, Some(quote!(self)));
        quote!(#(#cfgs)* fn hibernate(&mut self) { #call })
    });
    quote!(#status #hibernate)
}

/// What each message is called in reports: as its method.
fn kinds(server: &Server<'_>) -> Option<TokenStream> {
    server.messages().next()?;
    let framework = &server.options.framework;
    let lists = [
        ("Call", &server.calls),
        ("Cast", &server.casts),
        ("Info", &server.infos),
        ("Continue", &server.continues),
    ];
    let number = lists.iter().flat_map(|(kind, messages)| {
        let name = messages::name(server, kind);
        let kind = Ident::new(kind, Span::call_site());
        messages.iter().map(move |message| {
            let (cfgs, ident) = (&message.callback.cfgs, message.callback.ident);
            let number = message.kind;
            quote!(#(#cfgs)* #framework::Shown::#kind(#name::#ident(..)) => #number)
        })
    });
    let names = server.messages().map(|message| {
        let (number, name) = (message.kind, message.callback.ident.to_string());
        let name = name.trim_start_matches("r#").to_owned();
        quote!(#number => ::core::option::Option::Some(#name))
    });
    Some(quote! {
        #[inline]
        fn message_kind(__message: #framework::Shown<'_, Self>) -> u16 {
            match __message { #(#number,)* _ => 0 }
        }
        fn kind_name(__kind: u16) -> ::core::option::Option<&'static str> {
            match __kind { #(#names,)* _ => ::core::option::Option::None }
        }
    })
}
