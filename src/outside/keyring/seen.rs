//! Signatures that were found good before, so that a token costs one verification and not one for each request.
//!
//! # Why
//! What is kept is a digest over the key, the signed text and the signature: whoever wants a false answer from here
//! needs a second preimage of SHA-256. Every other check on a token is made each time. A fixed table of 4 MiB at
//! most, in which a new entry takes the place of an old one, needs no bookkeeping and can't be made to grow.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use crate::kernel::secret::Digest;

const SHARDS: usize = 64;
const SLOTS: usize = 2048;

/// Digests of good signatures.
pub(super) struct Seen(Vec<RwLock<Vec<[u8; 32]>>>);

impl Seen {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| RwLock::new(Vec::new())).collect())
    }

    pub(super) fn contains(&self, signature: &Digest) -> bool {
        let (shard, slot) = place(signature);
        let table = self.0[shard].read().unwrap_or_else(PoisonError::into_inner);
        table.get(slot).is_some_and(|kept| kept == signature.as_bytes())
    }

    pub(super) fn insert(&self, signature: &Digest) {
        let (shard, slot) = place(signature);
        let mut table = self.0[shard].write().unwrap_or_else(PoisonError::into_inner);
        if table.is_empty() {
            *table = vec![[0; 32]; SLOTS];
        }
        table[slot] = *signature.as_bytes();
    }

    pub(super) fn forget(&self) {
        for shard in &self.0 {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = Vec::new();
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen(…)")
    }
}

fn place(signature: &Digest) -> (usize, usize) {
    let [shard, low, high, ..] = *signature.as_bytes();
    (usize::from(shard) % SHARDS, usize::from(u16::from_le_bytes([low, high])) % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_put_in_is_found_and_forgetting_is_complete() {
        let seen = Seen::new();
        let one = Digest::of(b"one");
        assert!(!seen.contains(&one));
        seen.insert(&one);
        assert!(seen.contains(&one) && !seen.contains(&Digest::of(b"two")));
        seen.forget();
        assert!(!seen.contains(&one));
    }

    #[test]
    fn more_than_the_table_holds_does_not_make_it_grow() {
        let seen = Seen::new();
        for n in 0_u32..200_000 {
            seen.insert(&Digest::of(&n.to_le_bytes()));
        }
        assert!(seen.0.iter().all(|shard| shard.read().unwrap().len() <= SLOTS));
        assert!(seen.contains(&Digest::of(&199_999_u32.to_le_bytes())));
    }
}
