//! The audit chain: each row's hash covers its content and the hash of the row before.

use crate::kernel::secret::Digest;

/// The hash of a row: SHA-256 over the previous hash and the row's length-prefixed fields.
#[must_use]
pub fn chain(previous: &[u8], fields: &[&str]) -> Digest {
    let mut bytes = previous.to_vec();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_text_between_fields_changes_the_hash() {
        assert_ne!(chain(b"", &["ab", "c"]), chain(b"", &["a", "bc"]));
    }
}
