//! What a project may be called: what `cargo new` would take, and rekindle leaves free.

use std::fmt;
use std::str::FromStr;

/// The name of a project that is a package and a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// Why a project cannot be called so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// There is none.
    Empty,
    /// It begins with this, and must begin with a letter.
    Begins(String, char),
    /// It has this in it, and may have lower-case letters, digits, `_` and `-` only.
    Character(String, char),
    /// It is a word of the language.
    Keyword(String),
    /// It is the name of a crate that every program has, of a folder that cargo makes, or of
    /// rekindle itself.
    Reserved(String),
}

impl Name {
    /// As a package: `my-app`, if it was written so.
    #[must_use]
    pub fn as_package(&self) -> &str {
        &self.0
    }

    /// As a crate: `my_app`.
    #[must_use]
    pub fn as_crate(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As a type: `MyApp`.
    #[must_use]
    pub fn as_type(&self) -> String {
        let words = self.0.split(['_', '-']);
        words
            .flat_map(|word| {
                let (first, rest) = word.split_at(word.len().min(1));
                [first.to_ascii_uppercase(), rest.to_owned()]
            })
            .collect()
    }
}

/// Those of every edition so far, and those that are kept for later ones.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

const RESERVED: &[&str] = &[
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "proc_macro",
    "rekindle",
    "std",
    "test",
    "tests",
];

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        let name = || text.to_owned();
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if !first.is_ascii_alphabetic() {
            return Err(NameError::Begins(name(), first));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
            return Err(NameError::Character(name(), bad));
        }
        let as_crate = text.replace('-', "_");
        if KEYWORDS.contains(&text) {
            return Err(NameError::Keyword(name()));
        }
        if RESERVED.contains(&as_crate.as_str()) || as_crate.starts_with("rekindle_") {
            return Err(NameError::Reserved(name()));
        }
        Ok(Name(name()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a project needs a name"),
            NameError::Begins(name, first) => write!(
                f,
                "{name:?} cannot be the name of a crate: it begins with {first:?}, not with a letter"
            ),
            NameError::Character(name, bad) => write!(
                f,
                "{name:?} cannot be the name of a project: it has {bad:?} in it; lower-case \
                 letters, digits, `_` and `-` are allowed, as in {:?}",
                suggestion(name)
            ),
            NameError::Keyword(name) => {
                write!(f, "{name:?} cannot be the name of a crate: it is a keyword")
            }
            NameError::Reserved(name) => write!(
                f,
                "{name:?} cannot be the name of a project: another crate or a folder of cargo's is \
                 called so"
            ),
        }
    }
}

impl std::error::Error for NameError {}

/// A name like this one that would do: `MyApp` as `my_app`.
fn suggestion(name: &str) -> String {
    let mut better = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && better.ends_with(|c: char| c.is_ascii_lowercase()) {
            better.push('_');
        }
        match c {
            c if c.is_ascii_alphanumeric() => better.push(c.to_ascii_lowercase()),
            _ if better.ends_with('_') => {}
            _ => better.push('_'),
        }
    }
    let better = better.trim_end_matches('_');
    match better.parse::<Name>() {
        Ok(name) => name.0,
        // A keyword, or taken: `Self`, `Test`.
        Err(_) => format!("my_{better}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates_are_taken() {
        for name in [
            "a",
            "my_app",
            "my-app",
            "app2",
            "counter_v2_final",
            "selfish",
        ] {
            let parsed: Name = name.parse().unwrap();
            assert_eq!(parsed.as_package(), name);
            assert_eq!(parsed.as_crate(), name.replace('-', "_"));
        }
    }

    #[test]
    fn what_cannot_be_a_crate_is_refused_with_the_reason() {
        let rows = [
            ("", NameError::Empty),
            ("2fast", NameError::Begins("2fast".into(), '2')),
            ("_app", NameError::Begins("_app".into(), '_')),
            ("-v", NameError::Begins("-v".into(), '-')),
            ("my app", NameError::Character("my app".into(), ' ')),
            ("MyApp", NameError::Character("MyApp".into(), 'M')),
            ("a/b", NameError::Character("a/b".into(), '/')),
            (
                "caf\u{e9}",
                NameError::Character("caf\u{e9}".into(), '\u{e9}'),
            ),
            ("self", NameError::Keyword("self".into())),
            ("gen", NameError::Keyword("gen".into())),
            ("core", NameError::Reserved("core".into())),
            ("test", NameError::Reserved("test".into())),
            ("rekindle", NameError::Reserved("rekindle".into())),
            ("proc-macro", NameError::Reserved("proc-macro".into())),
            (
                "rekindle_actor",
                NameError::Reserved("rekindle_actor".into()),
            ),
        ];
        for (name, error) in rows {
            assert_eq!(name.parse::<Name>(), Err(error), "{name}");
        }
    }

    #[test]
    fn a_better_name_is_suggested() {
        let rows = [("MyApp", "my_app"), ("my app", "my_app"), ("a--b!", "a_b")];
        for (name, better) in rows {
            assert_eq!(suggestion(name), better);
            assert!(better.parse::<Name>().is_ok());
        }
    }

    #[test]
    fn as_a_type() {
        let rows = [
            ("my_app", "MyApp"),
            ("my-app", "MyApp"),
            ("a", "A"),
            ("v2__x_", "V2X"),
        ];
        for (name, ty) in rows {
            assert_eq!(name.parse::<Name>().unwrap().as_type(), ty);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error_that_quotes_it(text in "[a-zA-Z_-]{0,12}|[a-zé]{1,4}|(Self|Fn|Test|REKINDLE)(_a)?|\\PC{0,12}") {
            match text.parse::<Name>() {
                Ok(name) => {
                    proptest::prop_assert_eq!(name.as_package(), &text);
                    let ident = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    proptest::prop_assert!(name.as_crate().chars().all(ident));
                    let ty = name.as_type();
                    proptest::prop_assert!(ty.starts_with(|c: char| c.is_ascii_uppercase()));
                    proptest::prop_assert!(ty.chars().all(|c| c.is_ascii_alphanumeric()));
                }
                Err(NameError::Character(name, _)) => {
                    proptest::prop_assert!(suggestion(&name).parse::<Name>().is_ok());
                    proptest::prop_assert_eq!(name, text);
                }
                Err(NameError::Empty) => proptest::prop_assert_eq!(text, ""),
                Err(error) => {
                    let quoted = format!("{text:?}");
                    proptest::prop_assert!(error.to_string().contains(&quoted));
                }
            }
        }
    }
}
