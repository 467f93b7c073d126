//! Command lines in the manner of `ip`: a keyword, then its value.
//!
//! The module owns reading them and saying what is wrong with them.

use std::net::IpAddr;
use std::str::FromStr;

/// The words that are left.
#[derive(Debug)]
pub(super) struct Words<'a>(std::slice::Iter<'a, String>);

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [String]) -> Self {
        Self(words.iter())
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.0.next().map(String::as_str)
    }

    /// The value of a keyword.
    pub(super) fn value<T: FromStr>(&mut self, of: &str) -> Result<T, String> {
        let word = self.next().ok_or_else(|| format!("{of} needs a value"))?;
        word.parse()
            .map_err(|_| format!("{word:?} is no value for {of}"))
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} does not belong here")),
        }
    }
}

pub(super) fn address(word: &str) -> Result<IpAddr, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is no IP address"))
}
