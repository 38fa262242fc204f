//! Writing a project, and saying what to do next.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, fs, io};

use crate::template::Source;
use crate::{File, Kind, Name};

/// A project to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is written until `make`"]
pub struct Project {
    name: Name,
    kind: Kind,
    folder: Option<PathBuf>,
    rekindle: Option<PathBuf>,
}

/// Why a project was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum MakeError {
    /// Something is there already. Nothing was written.
    Exists(PathBuf),
    /// There is no rekindle in this checkout. Nothing was written.
    NoRekindle(PathBuf),
    /// The system refused to write this.
    Io(PathBuf, io::Error),
}

/// A project that has been made. Its `Display` says what to do next.
#[derive(Debug)]
pub struct Made {
    folder: PathBuf,
    kind: Kind,
    rekindle: Option<PathBuf>,
    paths: Vec<&'static str>,
}

impl Project {
    /// A project in a folder of its name, built against the release of rekindle that this program
    /// belongs to.
    pub fn new(name: Name, kind: Kind) -> Project {
        Project {
            name,
            kind,
            folder: None,
            rekindle: None,
        }
    }

    /// Makes the project in this folder.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Project {
        self.folder = Some(folder.into());
        self
    }

    /// Builds the project against the checkout of rekindle in this folder.
    pub fn rekindle_path(mut self, checkout: impl Into<PathBuf>) -> Project {
        self.rekindle = Some(checkout.into());
        self
    }

    /// As [`rekindle_path`](Self::rekindle_path), unless that was said already.
    pub(crate) fn or_against(mut self, checkout: Option<PathBuf>) -> Project {
        self.rekindle = self.rekindle.or(checkout);
        self
    }

    /// The files, as they would be written. A checkout that is not there is written as it was
    /// given.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        let rekindle = match &self.rekindle {
            None => {
                let (version, _) = env!("CARGO_PKG_VERSION")
                    .rsplit_once('.')
                    .unwrap_or_default();
                Source::Version(version.to_owned())
            }
            Some(checkout) => Source::Path(crate_in(checkout).unwrap_or_else(|| checkout.clone())),
        };
        self.kind.files(&self.name, &rekindle)
    }

    /// Writes the project.
    ///
    /// # Errors
    ///
    /// If the folder exists and has something in it, there is no rekindle where it should be, or
    /// the system refuses.
    pub fn make(&self) -> Result<Made, MakeError> {
        let named = || PathBuf::from(self.name.as_package());
        let folder = self.folder.clone().unwrap_or_else(named);
        let is_free = match fs::read_dir(&folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !is_free {
            return Err(MakeError::Exists(folder));
        }
        if let Some(checkout) = &self.rekindle
            && crate_in(checkout).is_none()
        {
            return Err(MakeError::NoRekindle(checkout.clone()));
        }
        let mut files = self.files();
        if is_in_workspace(&folder) {
            let manifest = files.iter_mut().find(|file| file.path == "Cargo.toml");
            manifest
                .into_iter()
                .for_each(|file| file.text += OWN_WORKSPACE);
        }
        for file in &files {
            let path = folder.join(file.path);
            let refused = |error| MakeError::Io(path.clone(), error);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(refused)?;
            }
            fs::write(&path, &file.text).map_err(refused)?;
        }
        format_sources(&folder, &files);
        Ok(Made {
            folder,
            kind: self.kind,
            rekindle: self.rekindle.clone(),
            paths: files.iter().map(|file| file.path).collect(),
        })
    }
}

/// Lets cargo build a project in the folder of a workspace that does not know of it.
const OWN_WORKSPACE: &str = "
# It is in the folder of another workspace, and none of its members.
[workspace]
";

/// Whether cargo, looking for a workspace from this folder upwards, would find another's.
fn is_in_workspace(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else {
        return false;
    };
    let mut above = folder.ancestors().skip(1);
    above.any(|above| {
        let manifest = fs::read_to_string(above.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[workspace]")
    })
}

/// Breaks lines as the length of the name asks for. Where there is no rustfmt they stay as they are,
/// which does no harm.
fn format_sources(folder: &Path, files: &[File]) {
    let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
    let _ = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .args(sources.map(|file| folder.join(file.path)))
        .output();
}

/// The crate `rekindle` in a checkout, whose root or whose crate may be given; absolute, for the
/// project is elsewhere.
fn crate_in(checkout: &Path) -> Option<PathBuf> {
    let is_it = |folder: &PathBuf| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest
            .lines()
            .any(|line| line.trim() == "name = \"rekindle\"")
    };
    let found = [checkout.join("crates/rekindle"), checkout.to_owned()]
        .into_iter()
        .find(is_it)?;
    std::path::absolute(found).ok()
}

impl Made {
    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.paths {
            writeln!(f, "* creating {}", self.folder.join(path).display())?;
        }
        if let Some(checkout) = &self.rekindle {
            writeln!(f, "* against the rekindle in {}", checkout.display())?;
        }
        writeln!(
            f,
            "\nYour project has been made (--{}). Next:\n",
            self.kind.flag()
        )?;
        writeln!(f, "    cd {}", self.folder.display())?;
        writeln!(f, "    cargo test")?;
        if self.kind == Kind::Sup {
            writeln!(f, "    cargo run       # until Ctrl-C")?;
        }
        Ok(())
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MakeError::Exists(folder) => write!(
                f,
                "{} exists already, and nothing is written over: choose another name, or --path",
                folder.display()
            ),
            MakeError::NoRekindle(checkout) => write!(
                f,
                "--rekindle-path {}: there is no crate `rekindle`, and no `crates/rekindle`",
                checkout.display()
            ),
            MakeError::Io(path, error) => write!(f, "{} was not written: {error}", path.display()),
        }
    }
}

impl std::error::Error for MakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MakeError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}
