//! `[sessions]`: how long a browser stays signed in, in seconds; organisations set theirs within these bounds.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::Faults;
use super::{DAY, HOUR, MINUTE};

/// How long a browser's session lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Sessions {
    /// How long a session may lie unused.
    pub idle_secs: i64,
    /// How long a session may live.
    pub absolute_secs: i64,
    /// A file in the MaxMind DB format that says where addresses are; without one, people are shown addresses alone.
    pub places_file: Option<PathBuf>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { idle_secs: HOUR, absolute_secs: 12 * HOUR, places_file: None }
    }
}

impl Sessions {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.within("sessions.idle_secs", self.idle_secs, 15 * MINUTE..=DAY);
        faults.within("sessions.absolute_secs", self.absolute_secs, HOUR..=720 * HOUR);
        if self.idle_secs > self.absolute_secs {
            faults.add("sessions.idle_secs", "is longer than sessions.absolute_secs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_not_idle_longer_than_it_lives() {
        let mut faults = Faults::default();
        Sessions { idle_secs: 2 * HOUR, absolute_secs: HOUR, ..Sessions::default() }.check(&mut faults);
        assert_eq!(
            faults.finish().unwrap_err().to_string(),
            "sessions.idle_secs: is longer than sessions.absolute_secs"
        );
    }
}
