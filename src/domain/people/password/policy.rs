//! An organisation's rules for passwords: a preset, and the numbers that it sets otherwise.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Rules;
pub use crate::config::passwords::Preset;
use crate::kernel::time::{DAY, MINUTE};

impl Preset {
    /// What the preset asks for.
    #[must_use]
    pub const fn rules(self) -> Rules {
        let iam = Rules::CLOUD_IAM;
        match self {
            Self::CloudIam => iam,
            // Our reading of "the same character not three times": in a row.
            Self::KakaoCloud => Rules {
                least: 9,
                least_with_second_factor: 9,
                most: 30,
                kinds: 4,
                history: 3,
                identical_run: 2,
                no_sequences: true,
                ..iam
            },
            Self::Konnect => Rules {
                least: 12,
                least_with_second_factor: 12,
                most: 128,
                kinds: 4,
                history: 13,
                identical_run: 2,
                ..iam
            },
            // NIST SP 800-63B-4 §3.1.1.2: 15 alone, 8 with a second factor, no kinds, no expiry.
            Self::Nist => Rules { least: 15, least_with_second_factor: 8, most: 128, kinds: 1, ..iam },
        }
    }
}

/// An organisation's rules. An absent key is what the preset says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// What holds where nothing else is said.
    pub preset: Preset,
    /// The fewest characters.
    pub min_length: Option<u32>,
    /// The most characters.
    pub max_length: Option<u32>,
    /// How many of the four kinds of characters are needed.
    pub kinds: Option<u32>,
    /// How many passwords of before can't be used again.
    pub history: Option<u32>,
    /// After how many days a password must be changed; 0 is never.
    pub expiry_days: Option<u32>,
    /// For how many minutes a new password is kept; 0 is not at all.
    pub min_age_minutes: Option<u32>,
    /// How often the same character may stand in a row; 0 is any number.
    pub max_identical_run: Option<u32>,
    /// Whether three keys side by side are refused.
    pub no_sequences: Option<bool>,
}

/// A number of the policy: its name, what it is set to, and what it may be.
type Limit = (&'static str, Option<u32>, RangeInclusive<u32>);

impl PasswordPolicy {
    /// The policy that is a preset and nothing else.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { preset, ..Self::default() }
    }

    /// What it asks for.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let preset = self.preset.rules();
        let number = |set: Option<u32>, preset: usize| {
            set.map_or(preset, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let days = self.expiry_days.filter(|days| *days > 0);
        Rules {
            least: number(self.min_length, preset.least),
            least_with_second_factor: number(self.min_length, preset.least_with_second_factor),
            most: number(self.max_length, preset.most),
            kinds: number(self.kinds, preset.kinds),
            history: number(self.history, preset.history),
            expiry: self.expiry_days.map_or(preset.expiry, |_| days.map(|days| i64::from(days) * DAY)),
            least_age: self.min_age_minutes.map_or(preset.least_age, |minutes| i64::from(minutes) * MINUTE),
            identical_run: number(self.max_identical_run, preset.identical_run),
            no_sequences: self.no_sequences.unwrap_or(preset.no_sequences),
        }
    }

    fn limits(&self) -> [Limit; 7] {
        [
            ("passwords.min_length", self.min_length, 6..=64),
            ("passwords.max_length", self.max_length, 16..=128),
            ("passwords.kinds", self.kinds, 1..=4),
            ("passwords.history", self.history, 0..=24),
            ("passwords.expiry_days", self.expiry_days, 0..=180),
            ("passwords.min_age_minutes", self.min_age_minutes, 0..=1440),
            ("passwords.max_identical_run", self.max_identical_run, 0..=32),
        ]
    }

    /// What can't be meant so: the field, and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let outside = |(field, set, range): Limit| {
            let wrong = set.is_some_and(|number| !range.contains(&number));
            wrong.then(|| (field, format!("Use {} to {}, or none for the preset's own.", range.start(), range.end())))
        };
        let mut faults: Vec<_> = self.limits().into_iter().filter_map(outside).collect();
        let rules = self.rules();
        if rules.least > rules.most {
            let field = if self.max_length.is_some() { "passwords.max_length" } else { "passwords.min_length" };
            faults.push((field, format!("At least {} and at most {} don't go together.", rules.least, rules.most)));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_key_is_what_the_preset_says_and_a_given_one_wins() {
        let read = |text: &str| serde_json::from_str::<PasswordPolicy>(text).unwrap();
        assert_eq!(read("{}").rules(), Rules::CLOUD_IAM);
        let policy = read(r#"{"preset":"konnect","min_length":14,"history":0,"expiry_days":90,"min_age_minutes":5}"#);
        let rules = policy.rules();
        assert_eq!((rules.least, rules.most, rules.kinds, rules.history), (14, 128, 4, 0));
        assert_eq!((rules.expiry, rules.least_age, rules.identical_run), (Some(90 * DAY), 5 * MINUTE, 2));
        assert_eq!(read(r#"{"expiry_days":0}"#).rules().expiry, None);
        assert!(serde_json::from_str::<PasswordPolicy>(r#"{"preset":"lax"}"#).is_err());
        assert!(serde_json::from_str::<PasswordPolicy>(r#"{"min_lenght":6}"#).is_err());
        assert_eq!(read(&serde_json::to_string(&policy).unwrap()), policy);
    }

    #[test]
    fn the_presets_are_the_four_systems_own_and_none_is_at_fault() {
        for (preset, numbers) in [
            (Preset::CloudIam, (6, 32, 2, 0, 0, false)),
            (Preset::KakaoCloud, (9, 30, 4, 3, 2, true)),
            (Preset::Konnect, (12, 128, 4, 13, 2, false)),
            (Preset::Nist, (15, 128, 1, 0, 0, false)),
        ] {
            let r = preset.rules();
            assert_eq!((r.least, r.most, r.kinds, r.history, r.identical_run, r.no_sequences), numbers, "{preset:?}");
            assert_eq!((r.expiry, r.least_age), (None, 0), "{preset:?}");
            assert!(PasswordPolicy::of(preset).faults().is_empty(), "{preset:?}");
        }
        assert_eq!(Preset::Nist.rules().with_second_factor().least, 8);
        assert_eq!(Preset::Konnect.rules().with_second_factor().least, 12);
    }

    #[test]
    fn every_number_has_its_range_and_the_two_lengths_go_together() {
        let fields = |text: &str| -> Vec<&str> {
            let policy: PasswordPolicy = serde_json::from_str(text).unwrap();
            policy.faults().into_iter().map(|(field, _)| field).collect()
        };
        for (field, least, most) in [
            ("min_length", 6, 64),
            ("max_length", 16, 128),
            ("kinds", 1, 4),
            ("history", 0, 24),
            ("expiry_days", 0, 180),
            ("min_age_minutes", 0, 1440),
            ("max_identical_run", 0, 32),
        ] {
            let with = |number: i64| fields(&format!(r#"{{"preset":"nist","{field}":{number}}}"#));
            assert!(with(least).is_empty() && with(most).is_empty(), "{field}");
            let name = format!("passwords.{field}");
            assert_eq!(with(most + 1), [name.as_str()]);
            if least > 0 {
                assert_eq!(with(least - 1), [name.as_str()]);
            }
        }
        assert_eq!(fields(r#"{"min_length":33}"#), ["passwords.min_length"]);
        assert_eq!(fields(r#"{"min_length":20,"max_length":16}"#), ["passwords.max_length"]);
        assert!(fields(r#"{"min_length":33,"max_length":64}"#).is_empty());
    }
}
