//! An organisation's rule for second factors, and what it demands of somebody who enters.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::assurance::Method;
use super::factor::{FactorKind, Held};
use crate::domain::oauth::words;

/// The longest that a device may be remembered, in days.
pub const MOST_REMEMBER_DAYS: u32 = 30;

words! {
    /// Who must have a second factor.
    pub enum Require {
        /// Nobody; who has one is asked for it all the same.
        None = "none",
        /// Nobody; people are told that they may.
        Optional = "optional",
        /// Whoever holds a role that administers something, and the owner.
        Admins = "admins",
        /// Everybody.
        Everyone = "everyone",
    }
}

/// The rule. An absent key is its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecondFactor {
    /// Who must have one.
    pub require: Require,
    /// Of which kinds.
    pub kinds: BTreeSet<FactorKind>,
    /// For how many days a device is remembered on which one was shown; 0 is not at all.
    pub remember_days: u32,
    /// Whether who came through a connection need not show one here, whatever their provider says of it. Without this they
    /// need none where the provider tells of a factor that the connection trusts.
    pub exempt_federated: bool,
}

impl Default for SecondFactor {
    fn default() -> Self {
        Self {
            require: Require::Optional,
            kinds: BTreeSet::from([FactorKind::Totp, FactorKind::Passkey]),
            remember_days: 0,
            exempt_federated: false,
        }
    }
}

impl SecondFactor {
    /// What can't be meant so: the field, and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.kinds.is_empty() {
            faults.push(("second_factor.kinds", "Allow one kind at least: totp, passkey, email or sms.".to_owned()));
        }
        if self.remember_days > MOST_REMEMBER_DAYS {
            faults.push(("second_factor.remember_days", "Use 0 to 30 days; 0 remembers no device.".to_owned()));
        }
        faults
    }

    /// Whether somebody must have a factor here.
    #[must_use]
    pub fn demands_of(&self, administers: bool) -> bool {
        match self.require {
            Require::None | Require::Optional => false,
            Require::Admins => administers,
            Require::Everyone => true,
        }
    }
}

/// The rule outside of every organisation.
#[must_use]
pub fn instance() -> SecondFactor {
    SecondFactor { kinds: FactorKind::ALL.iter().copied().collect(), ..SecondFactor::default() }
}

/// Who enters, with what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What they did in this session.
    pub methods: &'a BTreeSet<Method>,
    /// What they have.
    pub held: &'a Held,
    /// Whether they administer something here.
    pub administers: bool,
    /// Whether they came through a connection.
    pub federated: bool,
    /// Whether a factor was shown on this device before, so that it is remembered.
    pub remembered: bool,
}

/// What is demanded before somebody is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing more.
    Nothing,
    /// To show a factor of one of these kinds, or a recovery code, which stands in for it.
    Prove(BTreeSet<FactorKind>),
    /// To make a factor of one of these kinds first: there is none that counts here.
    Enrol(BTreeSet<FactorKind>),
}

/// Judges somebody who enters. Whoever has a factor is asked for one whether the rule demands it or not: what a person
/// has made to guard their account is never passed over.
#[must_use]
pub fn judge(policy: &SecondFactor, asked: &Asked<'_>) -> Demand {
    let did = |method: Method| asked.methods.contains(&method);
    // A passkey that knows its person is two factors in one.
    if did(Method::Passkey) || did(Method::FederatedFactor) {
        return Demand::Nothing;
    }
    if policy.kinds.iter().any(|kind| did(kind.method())) || asked.federated && policy.exempt_federated {
        return Demand::Nothing;
    }
    let required = policy.demands_of(asked.administers);
    let allowed: BTreeSet<FactorKind> = asked.held.kinds.intersection(&policy.kinds).copied().collect();
    // A recovery code stands in for what was lost, and is no kind of its own: where none that counts was ever made, it proves
    // no more than any other that doesn't.
    if did(Method::Recovery) && (!required || !allowed.is_empty()) {
        return Demand::Nothing;
    }
    let proven = asked.methods.iter().any(|method| method.is_factor());
    let remembered = asked.remembered && policy.remember_days > 0;
    // What was shown on the device is not known any more: it may have been a kind that another organisation allows, and
    // this one doesn't.
    let spared = remembered && (!required || asked.held.kinds.is_subset(&policy.kinds));
    match (allowed.is_empty(), asked.held.any()) {
        (false, _) if spared || proven && !required => Demand::Nothing,
        (false, _) => Demand::Prove(allowed),
        // What does not count here guards the account all the same; then one is made that counts.
        (true, true) if !proven && (required || !remembered) => Demand::Prove(asked.held.kinds.clone()),
        (true, _) if required => Demand::Enrol(policy.kinds.clone()),
        (true, _) => Demand::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(kinds: &[FactorKind]) -> Held {
        Held { kinds: kinds.iter().copied().collect(), ..Held::default() }
    }

    fn judged(policy: &SecondFactor, methods: &[Method], has: &[FactorKind]) -> Demand {
        let (methods, held) = (methods.iter().copied().collect(), held(has));
        let asked = Asked { methods: &methods, held: &held, administers: false, federated: false, remembered: false };
        judge(policy, &asked)
    }

    fn everyone() -> SecondFactor {
        SecondFactor { require: Require::Everyone, ..SecondFactor::default() }
    }

    const TOTP: &[FactorKind] = &[FactorKind::Totp];
    const EMAIL: &[FactorKind] = &[FactorKind::Email];

    fn set(kinds: &[FactorKind]) -> BTreeSet<FactorKind> {
        kinds.iter().copied().collect()
    }

    #[test]
    fn an_absent_rule_is_the_default_and_every_bound_is_checked() {
        assert_eq!(serde_json::from_str::<SecondFactor>("{}").unwrap(), SecondFactor::default());
        assert!(SecondFactor::default().faults().is_empty() && instance().faults().is_empty());
        let bad = SecondFactor { kinds: BTreeSet::new(), remember_days: 31, ..SecondFactor::default() };
        let fields: Vec<&str> = bad.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["second_factor.kinds", "second_factor.remember_days"]);
        assert!(serde_json::from_str::<SecondFactor>(r#"{"requier":"everyone"}"#).is_err());
    }

    // F2
    #[test]
    fn whoever_has_a_factor_is_asked_for_it_whatever_the_rule() {
        for require in [Require::None, Require::Optional, Require::Admins, Require::Everyone] {
            let policy = SecondFactor { require, ..SecondFactor::default() };
            assert_eq!(judged(&policy, &[Method::Password], TOTP), Demand::Prove(set(TOTP)), "{require}");
            assert_eq!(judged(&policy, &[Method::Password, Method::Totp], TOTP), Demand::Nothing, "{require}");
            assert_eq!(judged(&policy, &[Method::Passkey], TOTP), Demand::Nothing, "{require}");
            assert_eq!(judged(&policy, &[Method::Password, Method::Recovery], TOTP), Demand::Nothing, "{require}");
            // One that does not count here is asked for as well.
            assert_eq!(judged(&policy, &[Method::Password], EMAIL), Demand::Prove(set(EMAIL)), "{require}");
        }
    }

    #[test]
    fn who_must_have_one_and_has_none_makes_one() {
        let kinds = SecondFactor::default().kinds;
        assert_eq!(judged(&everyone(), &[Method::Password], &[]), Demand::Enrol(kinds.clone()));
        assert_eq!(judged(&SecondFactor::default(), &[Method::Password], &[]), Demand::Nothing);
        // What doesn't count here was shown; now one that counts is made.
        assert_eq!(judged(&everyone(), &[Method::Password, Method::EmailCode], EMAIL), Demand::Enrol(kinds));
        let optional = SecondFactor::default();
        assert_eq!(judged(&optional, &[Method::Password, Method::EmailCode], EMAIL), Demand::Nothing);
        // Who entered elsewhere with a code by mail shows the app here.
        let both = &[FactorKind::Email, FactorKind::Totp];
        assert_eq!(judged(&everyone(), &[Method::Password, Method::EmailCode], both), Demand::Prove(set(TOTP)));
    }

    #[test]
    fn a_recovery_code_stands_in_for_a_factor_that_counts_and_is_none_itself() {
        let shown = [Method::Password, Method::Recovery];
        let (counts, none): ([&[FactorKind]; 2], [&[FactorKind]; 2]) =
            ([TOTP, &[FactorKind::Email, FactorKind::Passkey]], [EMAIL, &[FactorKind::Email, FactorKind::Sms]]);
        for has in counts {
            assert_eq!(judged(&everyone(), &shown, has), Demand::Nothing, "{has:?}");
        }
        for has in none {
            assert_eq!(judged(&everyone(), &shown, has), Demand::Enrol(SecondFactor::default().kinds), "{has:?}");
            assert_eq!(judged(&SecondFactor::default(), &shown, has), Demand::Nothing, "{has:?}");
        }
        let passkeys = SecondFactor { kinds: set(&[FactorKind::Passkey]), ..everyone() };
        assert_eq!(judged(&passkeys, &shown, TOTP), Demand::Enrol(set(&[FactorKind::Passkey])));
    }

    #[test]
    fn a_rule_for_administrators_is_for_them_alone() {
        let policy = SecondFactor { require: Require::Admins, ..SecondFactor::default() };
        let (methods, held) = (BTreeSet::from([Method::Password]), Held::default());
        for administers in [true, false] {
            let asked = Asked { methods: &methods, held: &held, administers, federated: false, remembered: false };
            assert_eq!(judge(&policy, &asked) == Demand::Nothing, !administers);
        }
    }

    #[test]
    fn a_device_is_remembered_only_where_the_rule_lets_it() {
        let (methods, held) = (BTreeSet::from([Method::Password]), held(TOTP));
        for (days, demand) in [(0, Demand::Prove(set(TOTP))), (7, Demand::Nothing)] {
            let policy = SecondFactor { remember_days: days, ..everyone() };
            let asked =
                Asked { methods: &methods, held: &held, administers: false, federated: false, remembered: true };
            assert_eq!(judge(&policy, &asked), demand);
        }
    }

    #[test]
    fn a_device_is_not_remembered_for_what_may_have_been_shown_elsewhere_where_a_factor_is_required() {
        let (methods, held) = (BTreeSet::from([Method::Password]), held(&[FactorKind::Sms, FactorKind::Totp]));
        for (require, demand) in [(Require::Everyone, Demand::Prove(set(TOTP))), (Require::Optional, Demand::Nothing)] {
            let policy = SecondFactor { require, remember_days: 7, ..SecondFactor::default() };
            let asked =
                Asked { methods: &methods, held: &held, administers: false, federated: false, remembered: true };
            assert_eq!(judge(&policy, &asked), demand, "{require}");
        }
    }

    #[test]
    fn who_comes_through_a_connection_is_exempt_where_the_rule_says_so_or_the_provider_is_trusted() {
        let held = Held::default();
        for (exempt, methods, nothing) in [
            (true, vec![Method::Federated], true),
            (false, vec![Method::Federated], false),
            (false, vec![Method::Federated, Method::FederatedFactor], true),
        ] {
            let policy = SecondFactor { exempt_federated: exempt, ..everyone() };
            let methods = methods.into_iter().collect();
            let asked =
                Asked { methods: &methods, held: &held, administers: false, federated: true, remembered: false };
            assert_eq!(judge(&policy, &asked) == Demand::Nothing, nothing);
        }
    }

    #[test]
    fn a_rule_that_allows_nothing_lets_nobody_in_who_must_have_one() {
        let policy = SecondFactor { kinds: BTreeSet::new(), ..everyone() };
        assert_eq!(judged(&policy, &[Method::Password], &[]), Demand::Enrol(BTreeSet::new()));
    }
}
