//! Notes which test came to its end on which kind of runtime, for docs/CONFORMANCE.md.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Notes that the running test has passed on this kind of runtime: `pool` or `simulator`. Nothing
/// happens unless `REKINDLE_CONFORMANCE` names a folder.
pub(crate) fn passed_on(kind: &str) {
    let Some(folder) = std::env::var_os("REKINDLE_CONFORMANCE") else {
        return;
    };
    // The harness runs each test on a thread with the test's name.
    let thread = std::thread::current();
    let Some(test) = thread.name() else { return };
    let folder = std::path::PathBuf::from(folder);
    let file = folder.join(std::process::id().to_string());
    let line = format!("{test}\t{kind}\n");
    std::fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(file))
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the folder for the record can be written to");
}
