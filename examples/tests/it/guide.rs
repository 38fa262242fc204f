//! The guide: every page is tested, is in the table of contents, and leads nowhere that is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The targets of a page's links, those in angle brackets and to other hosts aside.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let targets = inline.map(|(target, _)| target.trim().to_owned());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

#[test]
fn every_page_is_compiled_and_run() {
    let listed = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide.rs"));
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page != "SUMMARY.md" && !listed.contains(&format!(": \"{page}\"")))
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "not in examples/src/guide.rs"
    );
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = links(&read(&guide().join("SUMMARY.md")));
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page != "SUMMARY.md" && !contents.contains(page))
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "not in docs/guide/SUMMARY.md"
    );
}
