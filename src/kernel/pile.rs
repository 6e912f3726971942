//! A pile of things that wait to be written together: put on one by one, taken away whole, never higher than it may be.

use std::sync::{Mutex, PoisonError};

/// At most so many wait; what comes then is counted and let go.
const MOST: usize = 20_000;

/// The pile.
#[derive(Debug)]
pub struct Pile<T>(Mutex<(Vec<T>, u64)>);

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self(Mutex::new((Vec::new(), 0)))
    }
}

impl<T> Pile<T> {
    /// Puts one on.
    pub fn put(&self, one: T) {
        let mut pile = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pile.0.len() < MOST {
            pile.0.push(one);
        } else {
            pile.1 += 1;
        }
    }

    /// Takes everything away, in the order in which it came; and how many were let go.
    #[must_use]
    pub fn take(&self) -> (Vec<T>, u64) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pile_is_taken_away_in_order_and_once() {
        let pile = Pile::default();
        pile.put("a");
        pile.put("b");
        assert_eq!(pile.take(), (vec!["a", "b"], 0));
        assert_eq!(pile.take(), (vec![], 0));
    }

    #[test]
    fn a_pile_that_nobody_takes_away_stops_growing() {
        let pile = Pile::default();
        for number in 0..MOST + 3 {
            pile.put(number);
        }
        let (kept, lost) = pile.take();
        assert_eq!((kept.len(), kept.last(), lost), (MOST, Some(&(MOST - 1)), 3));
    }
}
