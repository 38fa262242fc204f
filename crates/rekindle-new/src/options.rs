//! What was asked for.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::{Kind, Name, NameError, Project};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// A project.
    Project(Project),
    /// How the program is called.
    Help,
    /// Its version.
    Version,
}

/// What is wrong with the arguments.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no name.
    NoName,
    /// There are two names, of which this is the second.
    SecondName(OsString),
    /// The name cannot be the name of a project.
    Name(NameError),
    /// A project is of one kind.
    TwoKinds(Kind, Kind),
    /// There is no such option, or it lacks its value.
    Option(lexopt::Error),
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
///
/// What is wrong with them, the first thing that is.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let (mut name, mut kind): (Option<Name>, Option<Kind>) = (None, None);
    let (mut path, mut rekindle): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    while let Some(argument) = parser.next().map_err(UsageError::Option)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Asked::Version),
            Arg::Long("path") => path = Some(value(&mut parser)?),
            Arg::Long("rekindle-path") => rekindle = Some(value(&mut parser)?),
            Arg::Long(flag) if Kind::of_flag(flag).is_some() => {
                let asked = Kind::of_flag(flag).unwrap_or_default();
                match kind.replace(asked) {
                    Some(before) if before != asked => {
                        return Err(UsageError::TwoKinds(before, asked));
                    }
                    _ => {}
                }
            }
            Arg::Value(second) if name.is_some() => return Err(UsageError::SecondName(second)),
            Arg::Value(first) => {
                let text = first.string().map_err(UsageError::Option)?;
                name = Some(text.parse().map_err(UsageError::Name)?);
            }
            other => return Err(UsageError::Option(other.unexpected())),
        }
    }
    let mut project = Project::new(name.ok_or(UsageError::NoName)?, kind.unwrap_or_default());
    if let Some(folder) = path {
        project = project.folder(folder);
    }
    if let Some(checkout) = rekindle {
        project = project.rekindle_path(checkout);
    }
    Ok(Asked::Project(project))
}

fn value(parser: &mut Parser) -> Result<PathBuf, UsageError> {
    let value = parser.value().map_err(UsageError::Option)?;
    Ok(PathBuf::from(value))
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::NoName => f.write_str("which name? as in `rekindle-new my_app`"),
            UsageError::SecondName(name) => {
                write!(f, "one project at a time: what is {name:?} for?")
            }
            UsageError::Name(error) => error.fmt(f),
            UsageError::TwoKinds(one, two) => {
                write!(f, "--{} or --{}, not both", one.flag(), two.flag())
            }
            UsageError::Option(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UsageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            UsageError::Name(error) => Some(error),
            UsageError::Option(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        let arguments = line.split_whitespace().map(OsString::from);
        parse(arguments).map_err(|error| error.to_string())
    }

    fn project(kind: Kind) -> Project {
        Project::new("my_app".parse().unwrap(), kind)
    }

    #[test]
    fn projects() {
        let rows = [
            ("my_app", project(Kind::Sup)),
            ("my_app --sup", project(Kind::Sup)),
            ("--server my_app --server", project(Kind::Server)),
            ("my_app --behaviour", project(Kind::Behaviour)),
            ("my_app --path=x/y", project(Kind::Sup).folder("x/y")),
            (
                "my_app --rekindle-path ../rekindle",
                project(Kind::Sup).rekindle_path("../rekindle"),
            ),
        ];
        for (line, project) in rows {
            assert_eq!(parsed(line), Ok(Asked::Project(project)), "{line}");
        }
        assert_eq!(parsed("--help"), Ok(Asked::Help));
        assert_eq!(parsed("my_app -V"), Ok(Asked::Version));
    }

    #[test]
    fn wrong_use_is_named() {
        let rows = [
            ("", "which name? as in `rekindle-new my_app`"),
            ("a b", "one project at a time: what is \"b\" for?"),
            ("a --sup --server", "--sup or --server, not both"),
            ("a --supervisor", "invalid option '--supervisor'"),
            ("a --path", "missing argument for option '--path'"),
            (
                "a --sup=yes",
                "unexpected argument for option '--sup': \"yes\"",
            ),
        ];
        for (line, text) in rows {
            assert_eq!(parsed(line), Err(text.to_owned()), "{line}");
        }
        assert!(parsed("My-App").unwrap_err().contains("as in \"my_app\""));
    }

    proptest::proptest! {
        #[test]
        fn any_words_are_a_project_or_a_sentence(
            words in proptest::collection::vec(
                "my_app|--sup|--server|--behaviour|--path(=x)?|--rekindle-path|-h|-V|--|-[a-z]{0,3}|\\PC{0,8}",
                0..6,
            ),
        ) {
            let asked = parse(words.iter().map(OsString::from));
            if let Err(error) = asked {
                proptest::prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
