//! The files of each kind of project, with their placeholders filled in.
//!
//! | placeholder            | becomes                                          |
//! |------------------------|--------------------------------------------------|
//! | `{{package}}`          | the name of the package: `my-app`                |
//! | `{{name}}`             | the name of the crate: `my_app`                  |
//! | `{{Name}}`             | the name of a type: `MyApp`                      |
//! | `{{rekindle}}`         | the dependency on rekindle: a version, or a path |
//! | `{{rekindle-testkit}}` | the same with the feature for tests              |

use std::path::PathBuf;

use crate::Name;

/// What a project is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// An application with a supervision tree. The default.
    #[default]
    Sup,
    /// A library with a server.
    Server,
    /// A library with a behaviour.
    Behaviour,
}

impl Kind {
    /// All there are.
    pub const ALL: [Kind; 3] = [Kind::Sup, Kind::Server, Kind::Behaviour];

    /// Its flag, without the dashes.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Kind::Sup => "sup",
            Kind::Server => "server",
            Kind::Behaviour => "behaviour",
        }
    }

    pub(crate) fn of_flag(flag: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.flag() == flag)
    }

    /// The templates: path in the project, text.
    fn templates(self) -> &'static [(&'static str, &'static str)] {
        macro_rules! templates {
            ($kind:literal: $($path:literal),*) => {
                &[
                    (".gitignore", include_str!("../templates/common/gitignore")),
                    // Not `Cargo.toml`: that would make a package of the folder, and cargo would
                    // leave it out of ours.
                    ("Cargo.toml", include_str!(concat!("../templates/", $kind, "/Cargo.toml.in"))),
                    $(($path, include_str!(concat!("../templates/", $kind, "/", $path))),)*
                ]
            };
        }
        match self {
            Kind::Sup => templates!("sup":
                "README.md", "src/main.rs", "src/lib.rs", "src/counter.rs", "tests/tree.rs"),
            Kind::Server => templates!("server": "README.md", "src/lib.rs", "tests/server.rs"),
            Kind::Behaviour => {
                templates!("behaviour": "README.md", "src/lib.rs", "tests/behaviour.rs")
            }
        }
    }

    /// The files of a project.
    pub(crate) fn files(self, name: &Name, rekindle: &Source) -> Vec<File> {
        let ty = self.type_name(name);
        let value = |placeholder: &str| match placeholder {
            "package" => name.as_package().to_owned(),
            "name" => name.as_crate(),
            "Name" => ty.clone(),
            "rekindle" => rekindle.dependency(false),
            "rekindle-testkit" => rekindle.dependency(true),
            unknown => format!("{{{{{unknown}}}}}"),
        };
        let files = self.templates().iter().map(|&(path, text)| File {
            path,
            text: filled(text, value),
        });
        files.collect()
    }

    /// The project's name as a type, unless the project needs that word for something else.
    fn type_name(self, name: &Name) -> String {
        let ty = name.as_type();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let taken = self
            .templates()
            .iter()
            .flat_map(|(_, text)| text.split(|c: char| !is_word(c)))
            .any(|word| word == ty);
        match taken || ty == "Self" {
            true => format!("My{ty}"),
            false => ty,
        }
    }
}

/// Where a project has rekindle from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Version(String),
    Path(PathBuf),
}

impl Source {
    /// What stands behind `rekindle = ` in the manifest.
    fn dependency(&self, testkit: bool) -> String {
        let (key, value) = match self {
            Source::Version(version) => ("version", quoted(version)),
            Source::Path(path) => ("path", quoted(&path.display().to_string())),
        };
        match (testkit, self) {
            (true, _) => format!("{{ {key} = {value}, features = [\"testkit\"] }}"),
            (false, Source::Version(_)) => value,
            (false, Source::Path(_)) => format!("{{ {key} = {value} }}"),
        }
    }
}

/// A string of TOML, which does not take all of Rust's escapes: a path may have any character in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A template with its placeholders filled in. What they are filled with is not looked at: a path may
/// have braces in it.
fn filled(template: &str, value: impl Fn(&str) -> String) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("}}") {
        match before.rsplit_once("{{") {
            Some((text, placeholder)) => {
                filled += text;
                filled += &value(placeholder);
            }
            // Two of Rust's own.
            None => filled.extend([before, "}}"]),
        }
        rest = after;
    }
    filled + rest
}

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is in the project.
    pub path: &'static str,
    /// What is in it.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left() {
        for kind in Kind::ALL {
            let version = Source::Version("0.1".into());
            for file in kind.files(&"my_app".parse().unwrap(), &version) {
                assert!(!file.text.contains("{{"), "{kind:?} {}", file.path);
                assert!(file.text.ends_with('\n'));
            }
        }
    }

    #[test]
    fn dependencies() {
        let version = Source::Version("0.1".into());
        assert_eq!(version.dependency(false), r#""0.1""#);
        assert_eq!(
            version.dependency(true),
            r#"{ version = "0.1", features = ["testkit"] }"#
        );
        let path = Source::Path(r"C:\re".into());
        assert_eq!(path.dependency(false), r#"{ path = "C:\\re" }"#);
        assert_eq!(
            path.dependency(true),
            r#"{ path = "C:\\re", features = ["testkit"] }"#
        );
    }

    #[test]
    fn a_path_is_written_as_toml_reads_it() {
        let path = Source::Path("zero\u{200b}width \u{7} \" {{name}} {{rekindle-testkit}}".into());
        let written = "\"zero\u{200b}width \\u0007 \\\" {{name}} {{rekindle-testkit}}\"";
        let files = Kind::Server.files(&"my_app".parse().unwrap(), &path);
        let manifest = files.iter().find(|file| file.path == "Cargo.toml").unwrap();
        let plain = format!("rekindle = {{ path = {written} }}\n");
        assert!(manifest.text.contains(&plain), "{}", manifest.text);
        let testkit = format!("rekindle = {{ path = {written}, features = [\"testkit\"] }}\n");
        assert!(manifest.text.contains(&testkit), "{}", manifest.text);
    }

    #[test]
    fn a_type_does_not_take_a_word_that_the_project_needs() {
        let rows = [
            (Kind::Server, "limits", "Limits"),
            (Kind::Server, "runtime", "MyRuntime"),
            (Kind::Server, "call_error", "MyCallError"),
            (Kind::Behaviour, "result", "MyResult"),
            (Kind::Behaviour, "handle", "MyHandle"),
            (Kind::Server, "self_", "MySelf"),
        ];
        for (kind, name, ty) in rows {
            assert_eq!(kind.type_name(&name.parse().unwrap()), ty);
        }
    }
}
