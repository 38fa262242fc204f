//! Lines of anything: a project's name, the place of a checkout, and a command line, a word a line.
//!
//! No panic; the same words ask for the same; what is wrong is said in a sentence; a name that is
//! taken gives a manifest that reads back as what was asked for.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rekindle_new::{Asked, File, Kind, Name, NameError, Project, UsageError, parse};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let (name, checkout) = (lines.next(), lines.next());
    let words = || lines.clone().map(|word| OsStr::from_bytes(word).to_owned());
    let asked = parse(words());
    assert_eq!(format!("{asked:?}"), format!("{:?}", parse(words())));
    match asked {
        Ok(Asked::Project(project)) => assert!(!project.files().is_empty()),
        Ok(Asked::Help | Asked::Version) => {}
        Err(UsageError::Name(error)) => is_told_better(&error),
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    let text = |line: Option<&[u8]>| line.and_then(|line| String::from_utf8(line.to_vec()).ok());
    let Some(name) = text(name) else { return };
    match name.parse::<Name>() {
        Ok(name) => makes_a_project(&name, text(checkout).filter(|path| !path.is_empty())),
        Err(error) => is_told_better(&error),
    }
});

/// The error quotes the name; one that it advises instead would do.
fn is_told_better(error: &NameError) {
    let said = error.to_string();
    assert!(!said.is_empty());
    if let NameError::Character(name, _) = error {
        let (before, advised) = said.rsplit_once("as in ").expect("an advice");
        assert!(before.contains(&format!("{name:?}")), "{said}");
        let advised = advised.trim_matches('"').parse::<Name>();
        assert!(advised.is_ok(), "{said}: {advised:?}");
    }
}

fn makes_a_project(name: &Name, checkout: Option<String>) {
    for kind in Kind::ALL {
        let mut project = Project::new(name.clone(), kind);
        if let Some(checkout) = &checkout {
            project = project.rekindle_path(checkout);
        }
        for file in project.files() {
            if file.path.ends_with(".toml") {
                reads_back(&file, name, checkout.as_deref());
            }
        }
    }
}

fn reads_back(file: &File, name: &Name, checkout: Option<&str>) {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => panic!("{checkout:?} {}: {error}\n{}", file.path, file.text),
    };
    assert_eq!(
        manifest["package"]["name"].as_str(),
        Some(name.as_package())
    );
    let rekindle = &manifest["dependencies"]["rekindle"];
    let path = rekindle.get("path").and_then(toml::Value::as_str);
    let found = path.is_some_and(|path| Path::new(path).join("Cargo.toml").exists());
    assert!(path == checkout || found, "{path:?} for {checkout:?}");
}
