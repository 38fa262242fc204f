//! A page of the tutorial, taken apart.

use std::fs;
use std::path::Path;

/// What stands between two fences.
#[derive(Debug)]
pub struct Block {
    /// The last line of text before it.
    pub introduced_by: String,
    /// What the fence says: `rust`, `text`, ..
    pub kind: String,
    /// The lines between.
    pub text: String,
}

/// The fenced blocks of a page.
#[derive(Debug)]
pub struct Page {
    pub blocks: Vec<Block>,
}

impl Page {
    /// Reads a page of the tutorial.
    pub fn read(name: &str) -> Page {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/tutorial");
        let path = folder.join(name);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page::parse(&text)
    }

    fn parse(text: &str) -> Page {
        let mut blocks = Vec::new();
        let mut introduced_by = String::new();
        let mut open: Option<Block> = None;
        for line in text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(kind)) => {
                    open = Some(Block {
                        introduced_by: introduced_by.clone(),
                        kind: kind.to_owned(),
                        text: String::new(),
                    });
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) if !line.trim().is_empty() => introduced_by = line.to_owned(),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "a fence is not closed");
        Page { blocks }
    }

    /// A source file that is shown as a whole: introduced by its name in `src/`, in code quotes, and
    /// a colon.
    pub fn file(&self, name: &str) -> Option<&Block> {
        self.after(&format!("`src/{name}`:"))
    }

    /// Changes to a file: what is there before, and afterwards. Introduced by a line that begins
    /// with "In `src/NAME`,"; if that goes on with "replace", the next block replaces it.
    pub fn changes(&self, name: &str) -> Vec<(&str, &str)> {
        let begin = format!("In `src/{name}`, ");
        let mut changes = Vec::new();
        let mut blocks = self.blocks.iter();
        while let Some(block) = blocks.next() {
            match block.introduced_by.strip_prefix(&begin) {
                Some(rest) if rest.starts_with("replace") => {
                    let new = blocks.next().expect("what replaces it");
                    changes.push((block.text.as_str(), new.text.as_str()));
                }
                Some(_) => changes.push(("", block.text.as_str())),
                None => {}
            }
        }
        changes
    }

    /// The first block that is introduced by a line with this end.
    pub fn after(&self, end: &str) -> Option<&Block> {
        self.blocks
            .iter()
            .find(|block| block.introduced_by.ends_with(end))
    }
}
