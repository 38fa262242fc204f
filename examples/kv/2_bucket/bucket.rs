// A bucket: a server that keeps a map of texts.

use std::collections::BTreeMap;

use rekindle::prelude::*;

/// The state.
pub struct Bucket {
    entries: BTreeMap<String, String>,
}

#[gen_server]
impl Bucket {
    fn init() -> Self {
        Bucket {
            entries: BTreeMap::new(),
        }
    }

    /// Is the key new?
    #[call]
    pub fn put(&mut self, key: String, value: String) -> bool {
        self.entries.insert(key, value).is_none()
    }

    #[call]
    pub fn get(&self, key: String) -> Option<String> {
        self.entries.get(&key).cloned()
    }

    /// Adds to a number, and answers with the sum.
    #[call]
    pub fn add(&mut self, key: String, by: i64, from: ReplyTo<i64>) -> Result<(), ExitReason> {
        let number = match self.entries.get(&key) {
            Some(text) => text.parse::<i64>()?,
            None => 0,
        };
        let too_large = || ExitReason::msg("the sum is too large");
        let sum = number.checked_add(by).ok_or_else(too_large)?;
        self.entries.insert(key, sum.to_string());
        from.reply(sum);
        Ok(())
    }

    /// Was it there?
    #[call]
    pub fn remove(&mut self, key: String) -> bool {
        self.entries.remove(&key).is_some()
    }

    #[call]
    pub fn all(&self) -> Vec<(String, String)> {
        self.entries.clone().into_iter().collect()
    }
}
