//! What a method of the block is, by its attribute or its name, and whether it can be that.

use quote::format_ident;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, Meta, Pat, Receiver, ReturnType, Signature, Type,
};

use super::server::{Argument, ByHand, Callback, Errors, HandKind, Message};
use super::types::{self, Unsendable};

/// What a method is to the server.
pub(super) enum Role<'a> {
    /// Its own business.
    Plain,
    Call(Message<'a>),
    Cast(Message<'a>),
    Info(Message<'a>),
    Continue(Message<'a>),
    Down(Callback<'a>),
    Exit(Callback<'a>),
    Timeout(Callback<'a>),
    Init(Callback<'a>),
    Terminate(Callback<'a>),
    FormatStatus(Callback<'a>),
    Hibernate(Callback<'a>),
    ByHand(ByHand<'a>),
}

/// The attributes that are read here, and taken away.
const OURS: [&str; 4] = ["call", "cast", "info", "continues"];

/// What people write instead.
const NEARLY: [(&str, &str); 12] = [
    ("calls", "call"),
    ("handle_call", "call"),
    ("request", "call"),
    ("rpc", "call"),
    ("casts", "cast"),
    ("handle_cast", "cast"),
    ("message", "cast` or `#[call]` or `#[info"),
    ("infos", "info"),
    ("handle_info", "info"),
    ("handle_continue", "continues"),
    ("cont", "continues"),
    ("continue_with", "continues"),
];

/// Methods that the handles have themselves: they would be called instead.
const OF_HANDLES: [&str; 22] = [
    "as_str",
    "call",
    "cast",
    "cast_recipient",
    "clone",
    "eq",
    "exit",
    "is_alive",
    "key",
    "ne",
    "pid",
    "recipient",
    "registry",
    "resolve",
    "send",
    "send_request",
    "stop",
    "try_cast",
    "try_send",
    "whereis",
    "with",
    "with_value",
];

fn is_ours(attribute: &Attribute) -> bool {
    OURS.iter().any(|ours| attribute.path().is_ident(ours))
}

/// Whether nobody but this attribute would know it, or what was meant by it.
pub(super) fn is_taken_away(attribute: &Attribute) -> bool {
    let mut nearly = NEARLY.iter();
    is_ours(attribute) || nearly.any(|(wrong, _)| attribute.path().is_ident(wrong))
}

/// Reads a method.
pub(super) fn read(method: &ImplItemFn) -> syn::Result<Role<'_>> {
    if let Some((attribute, right)) = method.attrs.iter().find_map(|attribute| {
        let right = NEARLY
            .iter()
            .find(|(wrong, _)| attribute.path().is_ident(wrong))?;
        Some((attribute, right.1))
    }) {
        return Err(Error::new_spanned(
            attribute.path(),
            format!("there is no such attribute: write `#[{right}]`"),
        ));
    }
    let mut ours = method.attrs.iter().filter(|attribute| is_ours(attribute));
    let Some(attribute) = ours.next() else {
        return by_name(method);
    };
    if let Some(second) = ours.next() {
        return Err(Error::new_spanned(
            second,
            "a method handles one kind of message: it has one of `#[call]`, `#[cast]`, `#[info]` and `#[continues]`",
        ));
    }
    let name = attribute.path().require_ident()?.to_string();
    let option = option_of(attribute, &name)?;
    check_signature(&method.sig, &name)?;
    let callback = Callback::read(&method.sig, &method.attrs, name == "call")?;
    match name.as_str() {
        "call" => {
            check_on_handle(callback.ident)?;
            check_answer(&callback)?;
            Ok(Role::Call(Message::new(method, callback)))
        }
        "cast" => {
            check_on_handle(callback.ident)?;
            let mut message = Message::new(method, callback);
            message.tried = option.is_some();
            Ok(Role::Cast(message))
        }
        "continues" => Ok(Role::Continue(Message::new(method, callback))),
        _ => info(method, callback, option.as_deref()),
    }
}

/// What stands in the brackets of one of our attributes.
fn option_of(attribute: &Attribute, name: &str) -> syn::Result<Option<String>> {
    let known: &[&str] = match name {
        "cast" => &["try"],
        "info" => &["timeout", "message"],
        _ => &[],
    };
    let list = match &attribute.meta {
        Meta::Path(_) => return Ok(None),
        Meta::List(list) => list,
        Meta::NameValue(value) => {
            return Err(Error::new_spanned(
                value,
                format!("write `#[{name}]` alone"),
            ));
        }
    };
    let option = list.tokens.to_string();
    if known.contains(&option.as_str()) {
        return Ok(Some(option));
    }
    let says = match known {
        [] => format!("`#[{name}]` has no options"),
        known => format!(
            "`#[{name}]` alone, or `#[{name}({})]`",
            known.join(")]` or `#[info(")
        ),
    };
    Err(Error::new_spanned(&list.tokens, says))
}

/// A method without an attribute: one of the server's own callbacks, or nobody's business.
fn by_name(method: &ImplItemFn) -> syn::Result<Role<'_>> {
    let signature = &method.sig;
    let read = || Callback::read(signature, &method.attrs, false);
    let by_hand = |kind| {
        let callback = Callback::read_any(signature, &method.attrs)?;
        let message = message_type(&callback, kind).ok_or_else(|| {
            Error::new_spanned(
                &signature.inputs,
                format!("by hand, `{}` has the arguments that it has in `GenServer`: `&mut self`, the message, and `cx: &mut Context<Self>`", signature.ident),
            )
        })?;
        Ok(Role::ByHand(ByHand {
            callback,
            kind,
            message,
        }))
    };
    match signature.ident.to_string().as_str() {
        "init" => {
            if let Some(receiver) = signature.receiver() {
                return Err(Error::new_spanned(
                    receiver,
                    "`init` makes the state: there is no `self` yet. Give `Self`, an `Init<Self>`, or a `Result` of either",
                ));
            }
            check_generics(signature)?;
            let ReturnType::Type(..) = signature.output else {
                return Err(Error::new_spanned(
                    &signature.ident,
                    "`init` gives the state: add `-> Self`",
                ));
            };
            Ok(Role::Init(read()?))
        }
        "terminate" => {
            check_signature(signature, "terminate")?;
            let callback = Callback::read_any(signature, &method.attrs)?;
            no_fields(
                &callback,
                "`terminate` is given `reason: &ExitReason` and `cx: &mut Context<Self>`, or fewer",
            )?;
            Ok(Role::Terminate(callback))
        }
        "format_status" => {
            check_signature(signature, "format_status")?;
            let callback = read()?;
            plain(
                signature,
                "`format_status` is a plain `fn` of `&self` alone",
            )?;
            Ok(Role::FormatStatus(callback))
        }
        "hibernate" => {
            check_signature(signature, "hibernate")?;
            let callback = read()?;
            plain(
                signature,
                "`hibernate` is a plain `fn` of `&mut self` alone",
            )?;
            Ok(Role::Hibernate(callback))
        }
        "handle_call" => by_hand(HandKind::Call),
        "handle_cast" => by_hand(HandKind::Cast),
        "handle_info" => by_hand(HandKind::Info),
        "handle_continue" => by_hand(HandKind::Continue),
        _ => Ok(Role::Plain),
    }
}

/// What a callback that is written by hand takes.
fn message_type<'a>(callback: &Callback<'a>, kind: HandKind) -> Option<&'a Type> {
    let [argument, Argument::Context] = callback.arguments.as_slice() else {
        return None;
    };
    let ty = match argument {
        Argument::Field { ty, .. } => *ty,
        // `type Call = ReplyTo<i64>` is a server with one question.
        Argument::ReplyTo { ty, .. } => *ty,
        _ => return None,
    };
    match kind {
        HandKind::Info if types::is_called(ty, "Info") => types::only_parameter(ty),
        HandKind::Info => None,
        _ => Some(ty),
    }
}

/// An `#[info]`: of plain messages of one type, or of one kind of what the runtime sends.
fn info<'a>(
    method: &'a ImplItemFn,
    callback: Callback<'a>,
    option: Option<&str>,
) -> syn::Result<Role<'a>> {
    let fields: Vec<&Type> = callback.fields().map(|(_, ty)| ty).collect();
    match (option, fields.as_slice()) {
        (Some("timeout"), []) => Ok(Role::Timeout(callback)),
        (Some("timeout"), _) => Err(Error::new_spanned(
            &method.sig.inputs,
            "an idle timeout carries nothing: `#[info(timeout)]` is given `&mut self`, and `cx: &mut Context<Self>` if it likes",
        )),
        (None, [ty]) if types::is_called(ty, "Down") => Ok(Role::Down(callback)),
        (None, [ty]) if types::is_called(ty, "Exit") => Ok(Role::Exit(callback)),
        (_, [_]) => Ok(Role::Info(Message::new(method, callback))),
        (_, []) => Err(Error::new_spanned(
            &method.sig.ident,
            "an `#[info]` is known by the type of its message: add an argument, as `_: Tick`. For the idle timeout, write `#[info(timeout)]`",
        )),
        (_, _) => Err(Error::new_spanned(
            &method.sig.inputs,
            "an `#[info]` is known by the type of its message, and takes one: put the values into a struct",
        )),
    }
}

/// What no callback of a server can be.
fn check_signature(signature: &Signature, name: &str) -> syn::Result<()> {
    check_generics(signature)?;
    match signature.receiver() {
        None => Err(Error::new_spanned(
            &signature.ident,
            format!(
                "a `{name}` works on the server's state: add `&mut self`, or `&self` if it only looks"
            ),
        )),
        Some(Receiver {
            reference: Some(_), ..
        }) => Ok(()),
        Some(receiver) => Err(Error::new_spanned(
            receiver,
            "the server keeps its state for the next message: take `&mut self`. To end, give `Step<Self>` and return `Ok(Next::Stop(reason))`",
        )),
    }
}

fn check_generics(signature: &Signature) -> syn::Result<()> {
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new_spanned(
            parameter,
            "a message is a variant of an enum, and has no type parameters of its own: put them on the impl block, or name the type",
        ));
    }
    if let Some(keyword) = &signature.unsafety {
        return Err(Error::new_spanned(
            keyword,
            "whoever sends a message cannot promise anything for the server: a callback is not `unsafe`",
        ));
    }
    Ok(())
}

/// A method of the handles' own would be called in the place of this one.
fn check_on_handle(ident: &Ident) -> syn::Result<()> {
    if OF_HANDLES.iter().any(|taken| ident == taken) {
        return Err(Error::new_spanned(
            ident,
            format!(
                "the handles have a method `{ident}` of their own, which would be called in the place of this one: choose another name"
            ),
        ));
    }
    Ok(())
}

/// The answer of a call must be able to go to its caller.
fn check_answer(callback: &Callback<'_>) -> syn::Result<()> {
    if let Some((ty, answer)) = callback.reply_to() {
        return match types::unsendable(answer) {
            Some(_) => Err(Error::new_spanned(
                ty,
                "the answer goes to another process, and cannot borrow: answer with an owned value",
            )),
            None => Ok(()),
        };
    }
    let ReturnType::Type(_, ty) = callback.output else {
        return Ok(());
    };
    if types::is_called(ty, "Step") || types::is_called(ty, "Next") {
        return Err(Error::new_spanned(
            ty,
            "what a `#[call]` returns is its answer. To decide what comes next as well, take `from: ReplyTo<T>` and answer with `from.reply(..)`",
        ));
    }
    match types::unsendable(ty) {
        None => Ok(()),
        Some(Unsendable::Unnamed(token)) => Err(Error::new_spanned(
            token,
            "the answer's type is part of a message, and needs a name: write the type, or a `Box<dyn ..>`",
        )),
        Some(Unsendable::Borrowed(borrowed)) => Err(Error::new_spanned(
            borrowed,
            format!(
                "the answer goes to another process, and cannot borrow from the state: answer with {}",
                types::owned(borrowed)
            ),
        )),
        Some(Unsendable::Lifetime(lifetime)) => Err(Error::new_spanned(
            lifetime,
            "the answer goes to another process, and cannot borrow from the state: answer with an owned value",
        )),
    }
}

/// For the callbacks that are not futures and get nothing but the state.
fn plain(signature: &Signature, says: &str) -> syn::Result<()> {
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new_spanned(keyword, says));
    }
    match signature.inputs.iter().nth(1) {
        Some(argument) => Err(Error::new_spanned(argument, says)),
        None => Ok(()),
    }
}

fn no_fields(callback: &Callback<'_>, says: &str) -> syn::Result<()> {
    match callback.fields().next() {
        Some((_, ty)) => Err(Error::new_spanned(ty, says)),
        None => Ok(()),
    }
}

impl<'a> Callback<'a> {
    /// The method, whose arguments must be able to travel.
    fn read(
        signature: &'a Signature,
        attributes: &'a [Attribute],
        is_call: bool,
    ) -> syn::Result<Callback<'a>> {
        let mut errors = Errors(None);
        let mut callback = Callback::read_any(signature, attributes)?;
        let mut answered = false;
        for argument in &mut callback.arguments {
            if let Argument::ReplyTo { ty, .. } = argument {
                if !is_call {
                    // Somebody else's: a value as any.
                    let name = format_ident!("reply_to");
                    *argument = Argument::Field { name, ty };
                } else if std::mem::replace(&mut answered, true) {
                    errors.add(Error::new_spanned(
                        ty,
                        "a call has one answer, and so one `ReplyTo`: put the other, if it is somebody else's, into a struct",
                    ));
                }
            }
            match argument {
                Argument::Field { ty, .. } => errors.add_all(check_field(ty)),
                Argument::Reason => errors.add(Error::new_spanned(
                    &signature.inputs,
                    "a message is moved to the server's process and cannot borrow: take `ExitReason`",
                )),
                Argument::Context | Argument::ReplyTo { .. } => {}
            }
        }
        errors.into_result().map(|()| callback)
    }

    /// The method, whatever its arguments are.
    fn read_any(
        signature: &'a Signature,
        attributes: &'a [Attribute],
    ) -> syn::Result<Callback<'a>> {
        let mut arguments = Vec::new();
        for input in &signature.inputs {
            let FnArg::Typed(input) = input else { continue };
            let ty = &*input.ty;
            arguments.push(match types::referent(ty) {
                Some(to) if types::is_called(to, "Context") => Argument::Context,
                Some(to) if types::is_called(to, "ExitReason") => Argument::Reason,
                _ if types::is_called(ty, "Context") => {
                    return Err(Error::new_spanned(
                        ty,
                        "the context is lent: take `cx: &mut Context<Self>`",
                    ));
                }
                _ => match types::only_parameter(ty) {
                    Some(answer) if types::is_called(ty, "ReplyTo") => {
                        Argument::ReplyTo { ty, answer }
                    }
                    _ => Argument::Field {
                        name: name_of(&input.pat, arguments.len()),
                        ty,
                    },
                },
            });
        }
        Ok(Callback {
            ident: &signature.ident,
            is_async: signature.asyncness.is_some(),
            arguments,
            output: &signature.output,
            cfgs: named(attributes, &["cfg"]),
        })
    }
}

/// A part of a message must be able to travel.
fn check_field(ty: &Type) -> syn::Result<()> {
    match types::unsendable(ty) {
        None => Ok(()),
        Some(Unsendable::Borrowed(borrowed)) => Err(Error::new_spanned(
            borrowed,
            format!(
                "a message is moved to the server's process and cannot borrow: take {}",
                types::owned(borrowed)
            ),
        )),
        Some(Unsendable::Lifetime(lifetime)) => Err(Error::new_spanned(
            lifetime,
            "a message is moved to the server's process and cannot borrow: take an owned type",
        )),
        Some(Unsendable::Unnamed(token)) => Err(Error::new_spanned(
            token,
            "a message is a variant of an enum, whose fields have named types: write the type, or a `Box<dyn ..>`",
        )),
    }
}

/// What an argument is called at the handle's method.
fn name_of(pattern: &Pat, n: usize) -> Ident {
    match pattern {
        Pat::Ident(ident) if ident.subpat.is_none() => ident.ident.clone(),
        _ => format_ident!("argument_{n}"),
    }
}

/// The attributes of these names.
fn named<'a>(attributes: &'a [Attribute], names: &[&str]) -> Vec<&'a Attribute> {
    let is_named =
        |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(is_named).collect()
}

impl<'a> Message<'a> {
    fn new(method: &'a ImplItemFn, callback: Callback<'a>) -> Message<'a> {
        Message {
            callback,
            visibility: &method.vis,
            carried: named(
                &method.attrs,
                &[
                    "doc",
                    "cfg",
                    "allow",
                    "expect",
                    "warn",
                    "deny",
                    "deprecated",
                ],
            ),
            kind: 0,
            tried: false,
        }
    }
}
