//! Questions about types, as far as their tokens answer them.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, Lifetime, PathArguments, PathSegment, Type};

/// The same type for where `Self` means somebody else.
pub(super) fn without_self(tokens: TokenStream, own: &TokenStream) -> TokenStream {
    let mut spelt_out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                let is_path =
                    matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ':');
                spelt_out.extend(if is_path { quote!(<#own>) } else { own.clone() });
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_self(group.stream(), own));
                inner.set_span(group.span());
                spelt_out.extend([TokenTree::Group(inner)]);
            }
            token => spelt_out.extend([token]),
        }
    }
    spelt_out
}

/// The last segment of a type that is a path.
pub(super) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

pub(super) fn is_called(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// What a reference refers to.
pub(super) fn referent(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => Some(&reference.elem),
        Type::Group(group) => referent(&group.elem),
        _ => None,
    }
}

/// The one type in the angle brackets of a path.
pub(super) fn only_parameter(ty: &Type) -> Option<&Type> {
    match &last_segment(ty)?.arguments {
        PathArguments::AngleBracketed(brackets) => {
            let mut types = brackets.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            types.next().filter(|_| types.next().is_none())
        }
        _ => None,
    }
}

/// Why a value of a type cannot go to another process.
pub(super) enum Unsendable<'a> {
    /// It borrows.
    Borrowed(&'a Type),
    /// It has a lifetime.
    Lifetime(&'a Lifetime),
    /// It has no name.
    Unnamed(TokenStream),
}

/// The first part of a type that cannot be in a message.
pub(super) fn unsendable(ty: &Type) -> Option<Unsendable<'_>> {
    let is_short = |lifetime: &Lifetime| lifetime.ident != "static";
    match ty {
        Type::Reference(reference) => match &reference.lifetime {
            Some(lifetime) if !is_short(lifetime) => unsendable(&reference.elem),
            _ => Some(Unsendable::Borrowed(ty)),
        },
        Type::ImplTrait(unnamed) => Some(Unsendable::Unnamed(unnamed.impl_token.to_token_stream())),
        Type::Infer(unnamed) => Some(Unsendable::Unnamed(unnamed.to_token_stream())),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(unsendable),
        Type::Array(array) => unsendable(&array.elem),
        Type::Slice(slice) => unsendable(&slice.elem),
        Type::Paren(paren) => unsendable(&paren.elem),
        Type::Group(group) => unsendable(&group.elem),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| {
            let PathArguments::AngleBracketed(brackets) = &segment.arguments else {
                return None;
            };
            brackets.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => unsendable(ty),
                GenericArgument::Lifetime(lifetime) if is_short(lifetime) => {
                    Some(Unsendable::Lifetime(lifetime))
                }
                _ => None,
            })
        }),
        _ => None,
    }
}

/// The owned type to take in the place of a borrowed one.
pub(super) fn owned(ty: &Type) -> String {
    let Some(borrowed) = referent(ty) else {
        return "an owned type".to_owned();
    };
    if let Type::Slice(slice) = borrowed {
        return format!("`Vec<{}>`", text(&slice.elem));
    }
    let name = last_segment(borrowed).map(|segment| segment.ident.to_string());
    match name.as_deref() {
        Some("str") => "`String`".to_owned(),
        Some("Path") => "`PathBuf`".to_owned(),
        Some("OsStr") => "`OsString`".to_owned(),
        Some("CStr") => "`CString`".to_owned(),
        _ => format!("`{0}`, or `Arc<{0}>` to share it", text(borrowed)),
    }
}

/// A type as one would write it.
pub(super) fn text(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (spaced, close) in [
        (" :: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
    ] {
        text = text.replace(spaced, close);
    }
    text
}
