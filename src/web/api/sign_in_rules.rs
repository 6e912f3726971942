//! What an organisation's policies say of the sign-in: second factors, and when guessing is stopped.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::patch::Given;
use super::policies::value;
use super::problem::Problem;
use crate::domain::people::lockout;
use crate::domain::people::second_factor::SecondFactor;

/// Who must have a second factor, and of which kinds. Whoever has one is asked for it in any case.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SecondFactorBody {
    /// `none`, `optional` (people are told that they may), `admins` (the owner, and whoever holds a role that administers
    /// something) or `everyone`. Whoever must have one and has none makes one at the next sign-in.
    pub require: &'static str,
    /// Which kinds are taken: `totp`, `passkey`, `email`, `sms`.
    pub kinds: Vec<&'static str>,
    /// For how many days a browser is remembered on which one was shown; 0 is not at all.
    pub remember_days: u32,
    /// Whether who came through a connection need not show one here.
    pub exempt_federated: bool,
}

/// When guessing at the organisation's accounts is stopped. Null is the instance's own.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LockBody {
    /// How a lock ends: `pause` (by itself) or `reset` (by a link for a new password, or an administrator).
    pub mode: Option<&'static str>,
    /// After how many failures within the window an account is locked.
    pub failures: Option<u32>,
    /// The window that they are counted in, in minutes.
    pub window_minutes: Option<u32>,
    /// How long a lock lasts, in minutes.
    pub minutes: Option<u32>,
}

/// What changes in the rule for second factors; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorPatch {
    /// `none`, `optional`, `admins` or `everyone`.
    require: Option<String>,
    /// The whole list: of `totp`, `passkey`, `email`, `sms`; one at least.
    kinds: Option<Vec<String>>,
    /// 0 to 30.
    remember_days: Option<u32>,
    /// Whether who came through a connection need not show one here.
    exempt_federated: Option<bool>,
}

/// What changes in the lock; what is absent stays, null goes back to the instance's own.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockPatch {
    /// `pause` or `reset`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: Given<String>,
    /// 3 to 10.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    failures: Given<u32>,
    /// 15 to 60.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    window_minutes: Given<u32>,
    /// 15 to 30.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    minutes: Given<u32>,
}

impl SecondFactorBody {
    /// As the API shows it.
    #[must_use]
    pub fn of(rule: &SecondFactor) -> Self {
        Self {
            require: rule.require.as_str(),
            kinds: rule.kinds.iter().map(|kind| kind.as_str()).collect(),
            remember_days: rule.remember_days,
            exempt_federated: rule.exempt_federated,
        }
    }
}

impl LockBody {
    /// As the API shows it.
    #[must_use]
    pub fn of(settings: &lockout::Settings) -> Self {
        Self {
            mode: settings.mode.map(lockout::LockMode::as_str),
            failures: settings.failures,
            window_minutes: settings.window_minutes,
            minutes: settings.minutes,
        }
    }
}

impl SecondFactorPatch {
    /// The rule with the patch's own laid over it.
    ///
    /// # Errors
    /// A word that isn't one.
    pub fn over(self, before: SecondFactor) -> Result<SecondFactor, Problem> {
        let kinds = self.kinds.map(|words| {
            words.iter().map(|word| value("second_factor.kinds", word)).collect::<Result<BTreeSet<_>, _>>()
        });
        Ok(SecondFactor {
            require: match &self.require {
                Some(word) => value("second_factor.require", word)?,
                None => before.require,
            },
            kinds: kinds.transpose()?.unwrap_or(before.kinds),
            remember_days: self.remember_days.unwrap_or(before.remember_days),
            exempt_federated: self.exempt_federated.unwrap_or(before.exempt_federated),
        })
    }
}

impl LockPatch {
    /// The settings with the patch's own laid over them.
    ///
    /// # Errors
    /// A word that isn't one.
    pub fn over(self, before: lockout::Settings) -> Result<lockout::Settings, Problem> {
        Ok(lockout::Settings {
            mode: match self.mode {
                Given::Absent => before.mode,
                Given::Null => None,
                Given::Set(word) => Some(value("lock.mode", &word)?),
            },
            failures: self.failures.over(before.failures),
            window_minutes: self.window_minutes.over(before.window_minutes),
            minutes: self.minutes.over(before.minutes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::factor::FactorKind;
    use crate::domain::people::lockout::LockMode;
    use crate::domain::people::second_factor::Require;

    #[test]
    fn a_patch_changes_what_it_names_and_knows_no_other_words() {
        let second = |text: &str| serde_json::from_str::<SecondFactorPatch>(text).unwrap();
        let before = SecondFactor { remember_days: 7, ..SecondFactor::default() };
        let after = second(r#"{"require":"admins","kinds":["passkey"]}"#).over(before.clone()).unwrap();
        let kinds = BTreeSet::from([FactorKind::Passkey]);
        assert_eq!(after, SecondFactor { require: Require::Admins, kinds, ..before.clone() });
        assert!(second(r#"{"require":"some"}"#).over(before.clone()).is_err());
        assert!(second(r#"{"kinds":["fax"]}"#).over(before).is_err());
        let lock = |text: &str| serde_json::from_str::<LockPatch>(text).unwrap();
        let before = lockout::Settings { minutes: Some(30), failures: Some(3), ..lockout::Settings::default() };
        let after = lock(r#"{"mode":"reset","minutes":null}"#).over(before).unwrap();
        assert_eq!(after, lockout::Settings { mode: Some(LockMode::Reset), minutes: None, ..before });
        assert!(lock(r#"{"mode":"forever"}"#).over(before).is_err());
        assert!(serde_json::from_str::<LockPatch>(r#"{"days":1}"#).is_err());
    }
}
