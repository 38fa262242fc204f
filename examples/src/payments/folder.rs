//! A place for the database that does not outlive the story.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// A new folder among the temporary files. It goes, with all that is in it, when the value does:
/// also when a story breaks off or a test panics.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one that nobody else has.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub fn fresh() -> std::io::Result<Folder> {
        for number in 0..1_000 {
            let name = format!("rekindle-payments-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Folder(path)),
                // Another test's, or left by a process that was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::from(ErrorKind::AlreadyExists))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
