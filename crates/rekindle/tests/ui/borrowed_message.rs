//! A message is moved to another process, and cannot borrow; nor can an answer.
use std::borrow::Cow;
use std::path::Path;

use rekindle::prelude::*;

struct Names {
    all: Vec<String>,
}

#[gen_server]
impl Names {
    #[cast]
    fn add(&mut self, name: &str) {
        self.all.push(name.to_owned());
    }
    #[cast]
    fn add_all(&mut self, names: &[String], _from: Option<&Path>) {
        self.all.extend_from_slice(names);
    }
    #[cast]
    fn add_either(&mut self, name: Cow<'_, str>) {
        self.all.push(name.into_owned());
    }
    #[call]
    fn first(&self) -> Option<&String> {
        self.all.first()
    }
}

fn main() {}
