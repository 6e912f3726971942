//! `[keys]`: the instance key that seals what is kept, and the signing keys' size and rhythm.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::DAY;
use super::error::Faults;
use crate::kernel::secret::Secret;

/// The instance key and the signing keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Keys {
    /// The instance key itself, where no file is wanted.
    #[serde(deserialize_with = "secret")]
    pub instance_key: Option<Secret>,
    /// The file with the instance key; without it `keys/instance.key` under the data directory.
    pub instance_key_file: Option<PathBuf>,
    /// The size of new RSA keys: 2048 or 3072.
    pub rsa_bits: u32,
    /// How long applications may keep the published keys.
    pub jwks_max_age_secs: i64,
    /// After how many days a signing key is replaced.
    pub rotation_days: i64,
}

impl Default for Keys {
    fn default() -> Self {
        Self { instance_key: None, instance_key_file: None, rsa_bits: 2048, jwks_max_age_secs: 300, rotation_days: 90 }
    }
}

impl Keys {
    pub(super) fn check(&self, faults: &mut Faults) {
        if self.instance_key.is_some() && self.instance_key_file.is_some() {
            faults.add("keys.instance_key", "and keys.instance_key_file are both given: keep one");
        }
        if ![2048, 3072].contains(&self.rsa_bits) {
            faults.add("keys.rsa_bits", format!("{} is neither 2048 nor 3072", self.rsa_bits));
        }
        faults.within("keys.jwks_max_age_secs", self.jwks_max_age_secs, 0..=DAY);
        faults.within("keys.rotation_days", self.rotation_days, 1..=730);
    }
}

/// A text that is never printed.
pub(super) fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::presented))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_key_is_never_printed() {
        let keys = Keys { instance_key: Some(Secret::presented("hunter2")), ..Keys::default() };
        assert!(!format!("{keys:?}").contains("hunter2"));
    }

    #[test]
    fn rsa_keys_have_one_of_two_sizes_and_the_instance_key_one_source() {
        let mut faults = Faults::default();
        Keys {
            rsa_bits: 1024,
            instance_key: Some(Secret::presented("a")),
            instance_key_file: Some("b".into()),
            ..Keys::default()
        }
        .check(&mut faults);
        let error = faults.finish().unwrap_err();
        assert_eq!(
            error.faults().iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(),
            ["keys.instance_key", "keys.rsa_bits"]
        );
    }
}
