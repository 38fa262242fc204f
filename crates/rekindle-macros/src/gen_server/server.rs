//! What was understood of the impl block.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, GenericParam, Generics, Ident, ImplItem, ItemImpl, ReturnType, Type,
    Visibility,
};

use super::method::{self, Role};
use super::options::Options;
use super::types;

/// A server, as its impl block describes it.
pub(super) struct Server<'a> {
    pub(super) options: &'a Options,
    pub(super) generics: &'a Generics,
    pub(super) ty: &'a Type,
    /// The last word of the type's path.
    pub(super) name: Ident,
    pub(super) init: Option<Callback<'a>>,
    pub(super) calls: Vec<Message<'a>>,
    pub(super) casts: Vec<Message<'a>>,
    pub(super) infos: Vec<Message<'a>>,
    pub(super) continues: Vec<Message<'a>>,
    pub(super) downs: Option<Callback<'a>>,
    pub(super) exits: Option<Callback<'a>>,
    pub(super) timeouts: Option<Callback<'a>>,
    pub(super) terminate: Option<Callback<'a>>,
    pub(super) format_status: Option<Callback<'a>>,
    pub(super) hibernate: Option<Callback<'a>>,
    /// `handle_call` and its like, written by hand; the message type is that of the argument.
    pub(super) by_hand: Vec<ByHand<'a>>,
}

/// A method and what it is given.
pub(super) struct Callback<'a> {
    pub(super) ident: &'a Ident,
    pub(super) is_async: bool,
    pub(super) arguments: Vec<Argument<'a>>,
    pub(super) output: &'a ReturnType,
    /// Its `#[cfg]`s.
    pub(super) cfgs: Vec<&'a Attribute>,
}

/// A callback that is a variant of an enum of messages.
pub(super) struct Message<'a> {
    pub(super) callback: Callback<'a>,
    pub(super) visibility: &'a Visibility,
    /// Documentation and lints, which the handle's method has as well.
    pub(super) carried: Vec<&'a Attribute>,
    /// The server's number for this kind of message.
    pub(super) kind: u16,
    /// A cast that can be tried.
    pub(super) tried: bool,
}

/// An argument of a method.
pub(super) enum Argument<'a> {
    /// A part of the message.
    Field { name: Ident, ty: &'a Type },
    /// `&mut Context<Self>`.
    Context,
    /// The `ReplyTo<T>` of a call that is answered by hand, and its `T`.
    ReplyTo { ty: &'a Type, answer: &'a Type },
    /// `&ExitReason`.
    Reason,
}

/// A callback of the trait, written by hand.
pub(super) struct ByHand<'a> {
    pub(super) callback: Callback<'a>,
    pub(super) kind: HandKind,
    /// The type of messages that it takes.
    pub(super) message: &'a Type,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandKind {
    Call,
    Cast,
    Info,
    Continue,
}

impl<'a> Server<'a> {
    pub(super) fn of(block: &'a ItemImpl, options: &'a Options) -> syn::Result<Server<'a>> {
        let Type::Path(path) = &*block.self_ty else {
            return Err(Error::new_spanned(
                &block.self_ty,
                "a server is a struct or an enum of this crate",
            ));
        };
        let last = path.path.segments.last().expect("a path is not empty");
        let mut server = Server {
            options,
            generics: &block.generics,
            ty: &block.self_ty,
            name: last.ident.clone(),
            init: None,
            calls: Vec::new(),
            casts: Vec::new(),
            infos: Vec::new(),
            continues: Vec::new(),
            downs: None,
            exits: None,
            timeouts: None,
            terminate: None,
            format_status: None,
            hibernate: None,
            by_hand: Vec::new(),
        };
        let mut errors = Errors(None);
        for parameter in &block.generics.params {
            if let GenericParam::Lifetime(lifetime) = parameter {
                errors.add(Error::new_spanned(
                    lifetime,
                    "a server owns its state: a process may outlive whatever it would borrow from. Keep owned values, or an `Arc`",
                ));
            }
        }
        for item in &block.items {
            if let ImplItem::Fn(method) = item {
                let read = method::read(method).and_then(|role| server.take(role));
                errors.add_all(read);
            }
        }
        errors.add_all(server.check());
        match errors.0 {
            None => Ok(server),
            Some(errors) => Err(errors),
        }
    }

    /// Takes up what a method is.
    fn take(&mut self, role: Role<'a>) -> syn::Result<()> {
        let kind = self.messages().count() + 1;
        let numbered = |mut message: Message<'a>| {
            message.kind = u16::try_from(kind).unwrap_or(0);
            message
        };
        match role {
            Role::Plain => {}
            Role::Call(message) => self.calls.push(numbered(message)),
            Role::Cast(message) => self.casts.push(numbered(message)),
            Role::Info(message) => self.infos.push(numbered(message)),
            Role::Continue(message) => self.continues.push(numbered(message)),
            Role::ByHand(by_hand) => self.by_hand.push(by_hand),
            Role::Down(callback) => once(&mut self.downs, callback, "`Down`s")?,
            Role::Exit(callback) => once(&mut self.exits, callback, "`Exit`s")?,
            Role::Timeout(callback) => once(&mut self.timeouts, callback, "idle timeouts")?,
            Role::Init(callback) => once(&mut self.init, callback, "the start")?,
            Role::Terminate(callback) => once(&mut self.terminate, callback, "the end")?,
            Role::FormatStatus(callback) => once(&mut self.format_status, callback, "the status")?,
            Role::Hibernate(callback) => once(&mut self.hibernate, callback, "hibernation")?,
        }
        Ok(())
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message<'a>> {
        let [calls, casts, infos, continues] =
            [&self.calls, &self.casts, &self.infos, &self.continues];
        calls.iter().chain(casts).chain(infos).chain(continues)
    }

    pub(super) fn hand_written(&self, kind: HandKind) -> Option<&ByHand<'a>> {
        self.by_hand.iter().find(|by_hand| by_hand.kind == kind)
    }

    /// What only shows when all methods are known.
    fn check(&self) -> syn::Result<()> {
        let mut errors = Errors(None);
        for by_hand in &self.by_hand {
            let (attribute, taken) = match by_hand.kind {
                HandKind::Call => ("#[call]", !self.calls.is_empty()),
                HandKind::Cast => ("#[cast]", !self.casts.is_empty()),
                HandKind::Continue => ("#[continues]", !self.continues.is_empty()),
                HandKind::Info => {
                    let others = [&self.downs, &self.exits, &self.timeouts];
                    let any = others.iter().any(|callback| callback.is_some());
                    ("#[info]", any || !self.infos.is_empty())
                }
            };
            if taken {
                let ident = by_hand.callback.ident;
                errors.add(Error::new_spanned(
                    ident,
                    format!("either `{attribute}` methods, or `{ident}` by hand: the attribute writes the latter from the former"),
                ));
            }
        }
        let mut seen: Vec<&Ident> = Vec::new();
        for message in self.messages() {
            let Callback { ident, cfgs, .. } = &message.callback;
            if cfgs.is_empty() && seen.contains(ident) {
                errors.add(Error::new_spanned(
                    ident,
                    format!("there is a message `{ident}` already: each needs a name of its own"),
                ));
            }
            seen.push(ident);
        }
        for (messages, what) in [(&self.infos, "#[info]"), (&self.continues, "#[continues]")] {
            let mut seen: Vec<String> = Vec::new();
            for message in messages {
                let field = self.payload(message);
                let text = field.to_string();
                if message.callback.cfgs.is_empty() && seen.contains(&text) {
                    errors.add(Error::new(
                        message.payload_span(),
                        format!("another `{what}` takes `{text}`, and nothing could tell which of the two is meant: wrap one in a type of its own"),
                    ));
                }
                seen.push(text);
            }
        }
        errors.into_result()
    }

    /// What a message of one value, or of several as a tuple, is made of.
    pub(super) fn payload(&self, message: &Message<'a>) -> TokenStream {
        let types = message.callback.fields().map(|(_, ty)| self.spelt_out(ty));
        let types: Vec<TokenStream> = types.collect();
        match types.as_slice() {
            [one] => one.clone(),
            several => quote!((#(#several),*)),
        }
    }

    /// A type of the block, for where `Self` is somebody else.
    pub(super) fn spelt_out(&self, ty: impl ToTokens) -> TokenStream {
        types::without_self(ty.to_token_stream(), &self.ty.to_token_stream())
    }

    /// What a call answers with.
    pub(super) fn answer(&self, call: &Message<'a>) -> TokenStream {
        match call.callback.reply_to() {
            Some((_, answer)) => self.spelt_out(answer),
            None => match call.callback.output {
                ReturnType::Default => quote!(()),
                ReturnType::Type(_, ty) => self.spelt_out(ty),
            },
        }
    }
}

impl<'a> Callback<'a> {
    /// The parts of the message, each with a name that no user's name can be.
    pub(super) fn fields(&self) -> impl Iterator<Item = (Ident, &'a Type)> + Clone + '_ {
        let fields = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Field { ty, .. } => Some(*ty),
            _ => None,
        });
        fields
            .enumerate()
            .map(|(n, ty)| (format_ident!("__field_{n}"), ty))
    }

    /// The type and the answer of the `ReplyTo`, if the method is given it.
    pub(super) fn reply_to(&self) -> Option<(&'a Type, &'a Type)> {
        self.arguments.iter().find_map(|argument| match argument {
            Argument::ReplyTo { ty, answer } => Some((*ty, *answer)),
            _ => None,
        })
    }
}

impl Message<'_> {
    fn payload_span(&self) -> proc_macro2::Span {
        let first = self.callback.fields().next();
        first.map_or(self.callback.ident.span(), |(_, ty)| ty.span())
    }
}

fn once<'a>(
    place: &mut Option<Callback<'a>>,
    callback: Callback<'a>,
    what: &str,
) -> syn::Result<()> {
    if let Some(first) = place
        && first.cfgs.is_empty()
    {
        let (ident, first) = (callback.ident, first.ident);
        return Err(Error::new_spanned(
            ident,
            format!("`{first}` handles {what} already: a server has one callback for them"),
        ));
    }
    *place = Some(callback);
    Ok(())
}

/// Several mistakes are told at once.
pub(super) struct Errors(pub(super) Option<Error>);

impl Errors {
    pub(super) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(super) fn add_all(&mut self, result: syn::Result<()>) {
        if let Err(error) = result {
            self.add(error);
        }
    }

    pub(super) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
