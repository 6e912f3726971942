//! What an organisation still asks of somebody before it opens: a second factor, or that one is made.
//!
//! # Why
//! A person can be in several organisations, and each has its own rule. So it is judged where one is entered (an
//! application, the console, the API), by what was really done in the session, and not once at the sign-in. Whatever fails
//! on the way lets nobody in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reach;
use crate::app::App;
use crate::domain::access::reach::{self as permissions, Reach};
use crate::domain::access::{Role, Scope, permission};
use crate::domain::change::Actor;
use crate::domain::granted::Authentication;
use crate::domain::people::assurance::{Level, Method};
use crate::domain::people::factor::FactorKind;
use crate::domain::people::second_factor::{self, Asked, Demand, Require, SecondFactor, judge};
use crate::kernel::id::UserId;
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::factors;
use crate::store::memberships::Entrance;

/// What a page asks for, before somebody goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// A factor of one of these kinds.
    #[serde(default)]
    pub prove: BTreeSet<FactorKind>,
    /// Whether a recovery code does, too. Where it would not, none is offered: each counts once.
    #[serde(default)]
    pub recovery: bool,
    /// That a factor of one of these kinds is made.
    #[serde(default)]
    pub enrol: BTreeSet<FactorKind>,
    /// The password once more.
    #[serde(default)]
    pub password: bool,
    /// For how many days the device may be remembered; 0 offers it not.
    #[serde(default)]
    pub remember_days: u32,
}

impl Ask {
    /// What a demand asks for under a rule; `None` for nothing.
    #[must_use]
    pub fn of(demand: Demand, rule: &SecondFactor) -> Option<Self> {
        let remember_days = rule.remember_days;
        match demand {
            Demand::Nothing => None,
            Demand::Prove(prove) => Some(Self { prove, recovery: true, remember_days, ..Self::default() }),
            Demand::Enrol(enrol) => Some(Self { enrol, ..Self::default() }),
        }
    }
}

/// Somebody who enters, and what they did before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comer<'a> {
    /// Who.
    pub user: &'a UserId,
    /// What they did in this session.
    pub methods: &'a BTreeSet<Method>,
    /// Whether they came through a connection.
    pub federated: bool,
    /// When a factor was shown on this device with the wish not to be asked there again.
    pub remembered_at: Option<UnixMillis>,
}

impl<'a> Comer<'a> {
    /// Somebody with a session.
    pub(super) fn of(facts: &'a Facts) -> Self {
        Self {
            user: &facts.user,
            methods: &facts.methods,
            federated: facts.through.is_some(),
            remembered_at: facts.remembered_at,
        }
    }

    /// Whether what was done is enough for a rule, whatever the account has besides. For a recovery code that depends on what
    /// it stands in for.
    fn has_done_enough(&self, rule: &SecondFactor) -> bool {
        let did = |method: Method| self.methods.contains(&method);
        did(Method::Passkey)
            || did(Method::FederatedFactor)
            || rule.kinds.iter().any(|kind| did(kind.method()))
            || self.federated && rule.exempt_federated
    }

    fn is_remembered(&self, rule: &SecondFactor, now: UnixMillis) -> bool {
        let life = i64::from(rule.remember_days) * DAY;
        self.remembered_at.is_some_and(|at| now.since(at) < life)
    }
}

/// The rule of the organisation that is entered, or of none.
pub(super) fn rule_of(entrance: Option<&Entrance>) -> SecondFactor {
    entrance.map_or_else(second_factor::instance, |entrance| entrance.settings.second_factor.clone())
}

/// What is asked of somebody who enters an organisation, or none.
pub(super) async fn demand(
    app: &App,
    conn: &mut Conn,
    comer: Comer<'_>,
    entrance: Option<&Entrance>,
) -> Result<Demand, sqlx::Error> {
    let rule = rule_of(entrance);
    if comer.has_done_enough(&rule) {
        return Ok(Demand::Nothing);
    }
    let administers = match entrance {
        Some(entrance) if rule.require == Require::Admins => administers(app, conn, comer.user, entrance).await?,
        Some(_) | None => false,
    };
    let held = factors::usable(conn, comer.user).await?;
    let remembered = comer.is_remembered(&rule, app.now());
    let Comer { methods, federated, .. } = comer;
    Ok(judge(&rule, &Asked { methods, held: &held, administers, federated, remembered }))
}

/// As [`demand`], where every page of a session asks: an organisation that demands a factor of nobody costs nothing here
/// for whoever has shown one. A session without one may be older than the factor, or was spared it by another
/// organisation's rule for devices.
pub(super) async fn demand_of_visit(
    app: &App,
    conn: &mut Conn,
    facts: &Facts,
    entrance: &Entrance,
) -> Result<Demand, sqlx::Error> {
    if facts.level() > Level::Password && !entrance.settings.second_factor.demands_of(true) {
        return Ok(Demand::Nothing);
    }
    demand(app, conn, Comer::of(facts), Some(entrance)).await
}

/// Whether an operator has a factor, and has not shown it in this session.
///
/// # Errors
/// The database's.
pub async fn operator_owes_a_factor(app: &App, conn: &mut Conn, facts: &Facts) -> Result<bool, sqlx::Error> {
    if !app.config.sign_in.operators_second_factor || facts.level() > Level::Password {
        return Ok(false);
    }
    Ok(demand(app, conn, Comer::of(facts), None).await? != Demand::Nothing)
}

/// The same of a token: whether its operator has a factor, and did not show it.
///
/// # Errors
/// The database's.
pub async fn operator_token_owes(
    app: &App,
    conn: &mut Conn,
    user: &UserId,
    authentication: &Authentication,
) -> Result<bool, sqlx::Error> {
    let shown = Level::of_acr(&authentication.acr) > Some(Level::Password);
    if !app.config.sign_in.operators_second_factor || shown {
        return Ok(false);
    }
    Ok(factors::held(conn, user).await?.any())
}

async fn administers(app: &App, conn: &mut Conn, user: &UserId, entrance: &Entrance) -> Result<bool, sqlx::Error> {
    if entrance.owner {
        return Ok(true);
    }
    let stands = reach::of_actor(app, conn, &Actor::User(user.clone()), &entrance.org).await?;
    // Who can't be judged is judged as one who may do everything.
    Ok(stands.is_none_or(|stands| holds_office(&stands.reach)))
}

/// Whether somebody owns the organisation, or holds a role that administers something.
#[must_use]
pub fn holds_office(reach: &Reach) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, own } => {
            grants.holds(&Role::OrgOwner, &Scope::Org)
                || grants.iter().any(|((role, _), _)| permission::administers(permissions::words(role, own)))
        }
    }
}

/// Whether the sign-in that a token came from is enough for an organisation's rule as it is now.
///
/// Tokens don't say on which device they were asked for: where the organisation remembers devices, that was judged when the
/// token was given, and is not judged again.
///
/// # Errors
/// The database's.
pub async fn token_is_enough(
    conn: &mut Conn,
    (user, authentication, came_through): (&UserId, &Authentication, bool),
    (rule, reach): (&SecondFactor, &Reach),
) -> Result<bool, sqlx::Error> {
    if !rule.demands_of(true) {
        return Ok(true);
    }
    let methods = methods_of(authentication, came_through);
    let comer = Comer { user, methods: &methods, federated: came_through, remembered_at: None };
    let administers = holds_office(reach);
    if comer.has_done_enough(rule) || !rule.demands_of(administers) {
        return Ok(true);
    }
    let held = factors::held(conn, user).await?;
    let asked = Asked { methods: &methods, held: &held, administers, federated: came_through, remembered: true };
    Ok(judge(rule, &asked) == Demand::Nothing)
}

/// What was done in the sign-in that a token came from. One that is older than our own words tells it by `amr`; the words of
/// a provider count where the level says that they are trusted.
fn methods_of(authentication: &Authentication, came_through: bool) -> BTreeSet<Method> {
    if !authentication.methods.is_empty() {
        return authentication.methods.clone();
    }
    let mut methods = BTreeSet::from([if came_through { Method::Federated } else { Method::Password }]);
    let level = Level::of_acr(&authentication.acr).unwrap_or(Level::Password);
    if level == Level::Password {
        return methods;
    }
    let words = [("otp", Method::Totp), ("sms", Method::SmsCode), ("hwk", Method::Passkey)];
    let said = |word: &str| authentication.amr.iter().any(|one| one == word);
    methods.extend(words.into_iter().filter(|(word, _)| said(word)).map(|(_, method)| method));
    if came_through {
        methods.insert(Method::FederatedFactor);
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::assurance::{ACR_PASSWORD, ACR_PHISHING_RESISTANT, ACR_TWO_FACTOR};

    fn authentication(acr: &str, amr: &[&str]) -> Authentication {
        Authentication {
            time: UnixMillis(0),
            acr: acr.to_owned(),
            amr: amr.iter().map(|word| (*word).to_owned()).collect(),
            methods: BTreeSet::new(),
        }
    }

    #[test]
    fn what_was_really_done_counts_and_not_the_word_that_it_shares() {
        let told = authentication(ACR_TWO_FACTOR, &["pwd", "otp", "mfa"]);
        for method in [Method::Totp, Method::EmailCode, Method::Recovery] {
            let methods = BTreeSet::from([Method::Password, method]);
            let told = Authentication { methods: methods.clone(), ..told.clone() };
            assert_eq!(methods_of(&told, false), methods);
            let text = serde_json::to_string(&told).unwrap();
            assert_eq!(serde_json::from_str::<Authentication>(&text).unwrap(), told);
        }
        let old = serde_json::json!({ "time": 0, "acr": ACR_TWO_FACTOR, "amr": ["pwd", "otp", "mfa"] });
        let old: Authentication = serde_json::from_value(old).unwrap();
        assert!(methods_of(&old, false).contains(&Method::Totp), "one from before tells it by its words");
    }

    #[test]
    fn the_words_of_a_token_count_as_much_as_its_level() {
        let of = |acr, amr: &[&str], came| methods_of(&authentication(acr, amr), came);
        assert_eq!(of(ACR_PASSWORD, &["pwd"], false), BTreeSet::from([Method::Password]));
        assert_eq!(of(ACR_PASSWORD, &["otp", "hwk"], true), BTreeSet::from([Method::Federated]), "nobody trusts these");
        assert_eq!(of(ACR_TWO_FACTOR, &["pwd", "otp", "mfa"], false), BTreeSet::from([Method::Password, Method::Totp]));
        assert!(of(ACR_PHISHING_RESISTANT, &["hwk", "user", "mfa"], false).contains(&Method::Passkey));
        assert!(of(ACR_TWO_FACTOR, &[], true).contains(&Method::FederatedFactor));
        assert_eq!(of("urn:muster:acr:fed", &["mfa"], true), BTreeSet::from([Method::Federated]));
    }

    #[test]
    fn a_device_is_remembered_for_as_long_as_the_organisation_entered_says() {
        let methods = BTreeSet::from([Method::Password]);
        let user = UserId::from_u128(1);
        let comer = |at| Comer { user: &user, methods: &methods, federated: false, remembered_at: at };
        let rule = |days| SecondFactor { remember_days: days, ..SecondFactor::default() };
        let now = UnixMillis(10 * DAY);
        assert!(comer(Some(UnixMillis(9 * DAY))).is_remembered(&rule(2), now));
        assert!(!comer(Some(UnixMillis(8 * DAY))).is_remembered(&rule(2), now));
        assert!(!comer(Some(now)).is_remembered(&rule(0), now));
        assert!(!comer(None).is_remembered(&rule(30), now));
    }

    #[test]
    fn what_was_done_is_enough_by_the_rule_of_the_organisation_entered() {
        let user = UserId::from_u128(1);
        let enough = |methods: &[Method], federated, rule: &SecondFactor| {
            let methods = methods.iter().copied().collect();
            Comer { user: &user, methods: &methods, federated, remembered_at: None }.has_done_enough(rule)
        };
        let rule = SecondFactor::default();
        assert!(!enough(&[Method::Password], false, &rule));
        assert!(!enough(&[Method::Password, Method::SmsCode], false, &rule), "a kind that is not allowed");
        assert!(!enough(&[Method::Password, Method::Recovery], false, &rule), "it depends on what there is");
        assert!(enough(&[Method::Password, Method::Totp], false, &rule));
        assert!(!enough(&[Method::Federated], true, &rule));
        assert!(enough(&[Method::Federated, Method::FederatedFactor], true, &rule));
        let trusting = SecondFactor { exempt_federated: true, ..rule };
        assert!(enough(&[Method::Federated], true, &trusting));
    }

    #[test]
    fn a_demand_is_asked_for_as_it_is() {
        let totp = BTreeSet::from([FactorKind::Totp]);
        let rule = SecondFactor { remember_days: 7, ..SecondFactor::default() };
        assert_eq!(Ask::of(Demand::Nothing, &rule), None);
        let ask = Ask::of(Demand::Prove(totp.clone()), &rule).unwrap();
        assert_eq!((ask.prove, ask.recovery, ask.remember_days), (totp.clone(), true, 7));
        let ask = Ask::of(Demand::Enrol(totp), &rule).unwrap();
        assert!(ask.prove.is_empty() && !ask.recovery && !ask.password && ask.remember_days == 0);
        assert_eq!(serde_json::from_str::<Ask>(&serde_json::to_string(&ask).unwrap()).unwrap(), ask);
    }
}
