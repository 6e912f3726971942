//! What was wrong with the settings: every fault found, each with its key and the reason.
//!
//! Values are printed where they are no secret; what may hold one (the instance key, a database's address) never is.

use std::fmt;
use std::ops::RangeInclusive;

/// One fault of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key as the file names it (`http.listen`), or the name of a file or a variable.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// That the settings can't be used, and everything that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Fault>);

impl ConfigError {
    /// An error of one fault.
    pub(super) fn one(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(vec![Fault { key: key.into(), reason: reason.into() }])
    }

    /// Every fault, in the order in which they were found.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {}", fault.key, fault.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes one fault.
    pub(super) fn add(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Fault { key: key.into(), reason: reason.into() });
    }

    /// Notes a fault unless `value` lies in `range`.
    pub(super) fn within<T: PartialOrd + Copy + fmt::Display>(
        &mut self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        let (least, most) = range.into_inner();
        if value < least || value > most {
            self.add(key, format!("{value} is outside {least}–{most}"));
        }
    }

    /// Nothing when no fault was found, else all of them.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_its_key_its_value_and_the_range() {
        let mut faults = Faults::default();
        faults.within("tokens.access_secs", 5, 60..=3600);
        faults.within("tokens.id_secs", 60, 60..=3600);
        faults.add("issuer", "is not set");
        let error = faults.finish().unwrap_err();
        assert_eq!(error.to_string(), "tokens.access_secs: 5 is outside 60–3600\nissuer: is not set");
        assert_eq!(error.faults().len(), 2);
    }
}
