//! The guide: every page is tested, is in the table of contents, and leads nowhere that is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file of the guide, as a path from its folder.
fn pages() -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    let mut folders = vec![guide()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the guide's folder") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                let page = path.strip_prefix(guide()).expect("a page of the guide");
                pages.insert(page.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    assert!(pages.len() > 30, "the guide was not found: {pages:?}");
    pages
}

/// The text without what stands in fences: programs and output have links and heads of their own.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How a page leads to what lies outside of `docs`, and so is not in the book.
const OUTSIDE: &str = "https://github.com/rekindle-rs/rekindle/blob/main/";

/// The targets of a page's links, those in angle brackets and to other hosts aside.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let targets = inline.map(|(target, _)| target.trim().to_owned());
    targets
        .filter(|target| target.starts_with(OUTSIDE) || !target.contains("://"))
        .filter(|target| !target.starts_with("mailto:"))
        .collect()
}

/// The anchors that a page's headings have, by the rule of GitHub and mdBook.
fn anchors(text: &str) -> BTreeSet<String> {
    let heads = prose(text);
    let heads = heads.lines().filter(|line| line.starts_with('#'));
    heads
        .map(|head| {
            let title = head.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// A path without `..`, for a file that may not exist.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// The links of one file that lead nowhere.
fn broken(file: &Path) -> Vec<String> {
    let text = read(file);
    let docs = plain(&guide().join(".."));
    let mut broken = Vec::new();
    for link in links(&text) {
        let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let outside = path.strip_prefix(OUTSIDE);
        let target = match outside {
            _ if path.is_empty() => file.to_owned(),
            Some(path) => plain(&docs.join("..").join(path)),
            None => plain(&file.parent().expect("a folder").join(path)),
        };
        if outside.is_some() == target.starts_with(&docs) {
            broken.push(format!(
                "{}: {link}: what is in docs is linked by its path, and what is not by {OUTSIDE}",
                file.display()
            ));
        } else if !target.exists() {
            broken.push(format!("{}: {link}: no such file", file.display()));
        } else if !anchor.is_empty()
            && target.extension().is_some_and(|kind| kind == "md")
            && !anchors(&read(&target)).contains(anchor)
        {
            broken.push(format!("{}: {link}: no such heading", file.display()));
        }
    }
    broken
}

#[test]
fn every_page_is_compiled_and_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut listed = read(&root.join("examples/src/guide.rs"));
    // A page may also hang on the crate that it is about.
    for entry in fs::read_dir(root.join("crates")).expect("the crates' folder") {
        let library = entry.expect("an entry of it").path().join("src/lib.rs");
        listed += &fs::read_to_string(library).unwrap_or_default();
    }
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| {
            let here = listed.contains(&format!(": \"{page}\""));
            !here && !listed.contains(&format!("/docs/guide/{page}\""))
        })
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "not in examples/src/guide.rs"
    );
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = links(&read(&guide().join("../SUMMARY.md")));
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| !contents.contains(&format!("guide/{page}")))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "not in docs/SUMMARY.md");
    let unique: BTreeSet<_> = contents.iter().collect();
    assert_eq!(contents.len(), unique.len(), "a page is there twice");
}

#[test]
fn no_link_leads_nowhere() {
    let docs = plain(&guide().join(".."));
    let guide = plain(&guide());
    let mut files: Vec<_> = pages().iter().map(|page| guide.join(page)).collect();
    for folder in [&docs, &docs.join("design")] {
        for entry in fs::read_dir(folder).expect("a folder of docs") {
            let path = entry.expect("an entry of it").path();
            files.extend(
                path.extension()
                    .is_some_and(|kind| kind == "md")
                    .then_some(path),
            );
        }
    }
    let broken: Vec<_> = files.iter().flat_map(|file| broken(file)).collect();
    assert_eq!(broken, Vec::<String>::new());
}
