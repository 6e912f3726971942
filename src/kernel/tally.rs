//! A tally of things that happen often: counted in memory, taken away and written together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is counted: a kind and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The kind: `token.issued` …
    pub kind: &'static str,
    /// The organisation, if one is concerned.
    pub org: Option<String>,
    /// The account, if one is concerned.
    pub user: Option<String>,
    /// The application.
    pub application: String,
}

/// At most so many different marks are held; further ones count under the application alone.
const MOST: usize = 10_000;

/// The tally.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Mark, u64>>);

impl Tally {
    /// Counts one.
    pub fn add(&self, mark: Mark) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = marks.get_mut(&mark) {
            *count += 1;
        } else if marks.len() < MOST {
            marks.insert(mark, 1);
        } else {
            *marks.entry(Mark { org: None, user: None, ..mark }).or_insert(0) += 1;
        }
    }

    /// Takes everything away that was counted.
    #[must_use]
    pub fn take(&self) -> Vec<(Mark, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_counted_once() {
        let tally = Tally::default();
        let mark = Mark { kind: "token.issued", org: None, user: None, application: "shop".to_owned() };
        tally.add(mark.clone());
        tally.add(mark.clone());
        assert_eq!(tally.take(), [(mark, 2)]);
        assert!(tally.take().is_empty());
    }
}
