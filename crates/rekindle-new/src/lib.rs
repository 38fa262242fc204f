#![forbid(unsafe_code)]
//! Makes a new project on rekindle: `rekindle-new my_app --sup`, or `cargo rekindle new my_app`.
//!
//! Reading order: `options` (what was asked for), `name` (what a project may be called), `template`
//! (the files of each kind of project, with their placeholders filled in), `project` (writing
//! them, and saying what to do next). Everything is decided before anything is written.
//!
//! ```
//! use rekindle_new::{Kind, Name, Project};
//!
//! let project = Project::new("my_app".parse::<Name>()?, Kind::Server);
//! let files = project.files();
//! let server = files.iter().find(|file| file.path == "src/lib.rs").unwrap();
//! assert!(server.text.contains("pub struct MyApp {"));
//! # Ok::<(), rekindle_new::NameError>(())
//! ```

mod name;
mod options;
mod project;
mod template;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

pub use name::{Name, NameError};
pub use options::{Asked, UsageError, parse};
pub use project::{Made, MakeError, Project};
pub use template::{File, Kind};

/// How the program is called.
pub const USAGE: &str = "\
Makes a new project on rekindle.

Usage: rekindle-new NAME [--sup | --server | --behaviour] [OPTIONS]
       cargo rekindle new NAME ...

  --sup                 an application with a supervision tree and a test (the default)
  --server              a library with one server, and tests
  --behaviour           a library with a behaviour of your own, and tests
  --path DIR            make the project in DIR instead of ./NAME
  --rekindle-path DIR   build it against a checkout of rekindle instead of a release
  -h, --help            show this
  -V, --version         show the version
";

/// The checkout of rekindle that this program is run from by `cargo run -p rekindle-new`: what it
/// makes is then built against that, as there may be no release of it.
fn checkout() -> Option<PathBuf> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let root = own
        .ends_with("crates/rekindle-new")
        .then(|| own.ancestors().nth(2))??;
    Some(root.to_owned())
}

/// Runs the program with these arguments, without the program's own name: the exit status is 0, 1
/// if the project could not be made, 2 if the arguments were wrong.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (text, status) = match parse(arguments) {
        Ok(Asked::Help) => (USAGE.to_owned(), 0),
        Ok(Asked::Version) => (format!("rekindle-new {}\n", env!("CARGO_PKG_VERSION")), 0),
        Ok(Asked::Project(project)) => match project.or_against(checkout()).make() {
            Ok(made) => (made.to_string(), 0),
            Err(error) => (format!("error: {error}\n"), 1),
        },
        Err(error) => {
            let hint = "try `rekindle-new --help`";
            (format!("error: {error}\n{hint}\n"), 2)
        }
    };
    // A closed pipe is no reason to fail.
    let _ = match status {
        0 => std::io::stdout().write_all(text.as_bytes()),
        _ => std::io::stderr().write_all(text.as_bytes()),
    };
    ExitCode::from(status)
}
