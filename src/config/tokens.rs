//! `[tokens]`: how long codes and tokens live, in seconds.

use serde::Deserialize;

use super::error::Faults;
use super::{DAY, HOUR};

/// How long what the token endpoint gives stays good.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// An access token's life: what a verifier that works offline is exposed to.
    pub access_secs: i64,
    /// The life of an API token that is made from an access key.
    pub api_secs: i64,
    /// An ID token's life.
    pub id_secs: i64,
    /// An authorization code's life.
    pub code_secs: i64,
    /// How long a refresh token may lie unused.
    pub refresh_idle_secs: i64,
    /// How long a family of refresh tokens may live.
    pub refresh_absolute_secs: i64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            access_secs: 600,
            api_secs: HOUR,
            id_secs: 600,
            code_secs: 60,
            refresh_idle_secs: 7 * DAY,
            refresh_absolute_secs: 30 * DAY,
        }
    }
}

impl Tokens {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.within("tokens.access_secs", self.access_secs, 60..=HOUR);
        faults.within("tokens.api_secs", self.api_secs, 60..=12 * HOUR);
        faults.within("tokens.id_secs", self.id_secs, 60..=HOUR);
        // FAPI 2.0 Security Profile §5.3.2.1: a code lives 60 seconds at most.
        faults.within("tokens.code_secs", self.code_secs, 10..=60);
        faults.within("tokens.refresh_idle_secs", self.refresh_idle_secs, HOUR..=365 * DAY);
        faults.within("tokens.refresh_absolute_secs", self.refresh_absolute_secs, HOUR..=365 * DAY);
        if self.refresh_idle_secs > self.refresh_absolute_secs {
            faults.add("tokens.refresh_idle_secs", "is longer than tokens.refresh_absolute_secs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_may_not_idle_longer_than_its_family_lives() {
        let mut faults = Faults::default();
        Tokens { refresh_absolute_secs: DAY, ..Tokens::default() }.check(&mut faults);
        assert_eq!(faults.finish().unwrap_err().faults()[0].key, "tokens.refresh_idle_secs");
    }

    #[test]
    fn an_access_token_lives_an_hour_at_most() {
        let mut faults = Faults::default();
        Tokens { access_secs: HOUR + 1, ..Tokens::default() }.check(&mut faults);
        assert_eq!(faults.finish().unwrap_err().to_string(), "tokens.access_secs: 3601 is outside 60–3600");
    }

    #[test]
    fn an_api_token_lives_twelve_hours_at_most() {
        let mut faults = Faults::default();
        Tokens { api_secs: 12 * HOUR + 1, ..Tokens::default() }.check(&mut faults);
        assert_eq!(faults.finish().unwrap_err().to_string(), "tokens.api_secs: 43201 is outside 60–43200");
    }
}
