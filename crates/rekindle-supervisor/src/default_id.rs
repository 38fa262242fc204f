//! What a child is called that was given no id: like its type.
//!
//! A supervisor with a million children of one type keeps that name once, not a million times: each
//! thread remembers what it has made of some types.

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;

/// Types whose names a thread remembers; those of all others are made anew each time.
const MOST: usize = 16;

thread_local! {
    static KNOWN: RefCell<Vec<(&'static str, Arc<str>)>> = const { RefCell::new(Vec::new()) };
}

/// The id for a type of that name, or of that word.
pub(crate) fn default_id(of: &'static str) -> Arc<str> {
    let known = KNOWN.try_with(|known| {
        let mut known = known.borrow_mut();
        if let Some((_, id)) = known.iter().find(|(name, _)| ptr::eq(*name, of)) {
            return id.clone();
        }
        let id: Arc<str> = short_type_name(of).into();
        if known.len() < MOST {
            known.push((of, id.clone()));
        }
        id
    });
    // A thread that is about to end remembers nothing.
    known.unwrap_or_else(|_| short_type_name(of).into())
}

/// A type's name without its path: `app::cart::Cart<u8>` is `Cart<u8>`.
fn short_type_name(name: &'static str) -> &'static str {
    let path = name.find('<').unwrap_or(name.len());
    // A single character is found several times faster than a text.
    name[..path].rfind(':').map_or(name, |at| &name[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_called_like_its_type() {
        for _ in 0..2 {
            assert_eq!(&*default_id("app::Cart"), "Cart");
            assert_eq!(&*default_id("app::Cart<app::Item>"), "Cart<app::Item>");
            assert_eq!(&*default_id("Cart"), "Cart");
        }
    }

    #[test]
    fn children_of_one_type_share_its_name_and_of_very_many_types_some_do() {
        let names: Vec<&'static str> = (0..2 * MOST)
            .map(|n| &*Box::leak(format!("app::Type{n}").into_boxed_str()))
            .collect();
        let ids = || {
            names
                .iter()
                .map(|name| default_id(name))
                .collect::<Vec<_>>()
        };
        let (first, second) = (ids(), ids());
        assert_eq!(first, second);
        let shared = first.iter().zip(&second).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), MOST);
    }
}
