//! A proof once more, from somebody who is signed in: for what is sensitive, and for what asks for more than the session has.

use std::collections::BTreeSet;

use super::entering::{self, Ask, Comer};
use super::{Fault, change_password, factors};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::people::assurance::{self, Level, Method};
use crate::domain::people::factor::{FactorKind, Held};
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::{factors as held, memberships, orgs, users};

/// The level of which a proof is lacking that is at most ten minutes old, for what is sensitive: the strongest that the
/// person can show. `None` when there is one.
///
/// # Errors
/// The database's.
pub async fn needed(app: &App, facts: &Facts) -> Result<Option<Level>, Fault> {
    let level = factors::needs(&mut app.db.read().await?, &facts.user).await?;
    Ok(Some(level).filter(|level| !facts.is_as_fresh(*level, (app.now(), assurance::FRESH))))
}

/// As [`needed`], for keeping one's own factors: a recovery code that was shown within the last ten minutes does, too.
///
/// # Errors
/// The database's.
pub async fn needed_to_keep_factors(app: &App, facts: &Facts) -> Result<Option<Level>, Fault> {
    let level = factors::needs(&mut app.db.read().await?, &facts.user).await?;
    Ok(Some(level).filter(|level| !facts.may_keep_factors(*level, app.now())))
}

/// The kinds of factors with which somebody reaches a level.
#[must_use]
pub fn kinds_for(held: &Held, level: Level) -> BTreeSet<FactorKind> {
    held.kinds.iter().copied().filter(|kind| kind.level() >= level).collect()
}

/// How somebody freshens their session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is fresh.
    Fresh,
    /// By what the page asks for.
    Ask(Ask),
    /// Through the provider of this organisation, by its slug: it must say that the person signed in there anew.
    Through(String),
    /// By signing in anew: nothing that can be asked for here is as strong as the session.
    SignIn,
}

/// How somebody shows anew what sensitive acts need of them. A proof that is weaker than the session freshens nothing. With
/// `own_factors` it is for keeping those: then a recovery code does, too, and nowhere else.
///
/// # Errors
/// The database's.
pub async fn again(app: &App, facts: &Facts, own_factors: bool) -> Result<Again, Fault> {
    let needed = if own_factors { needed_to_keep_factors(app, facts).await? } else { needed(app, facts).await? };
    let Some(level) = needed else { return Ok(Again::Fresh) };
    let floor = level.max(facts.level());
    let mut conn = app.db.read().await?;
    if floor > Level::Password {
        let prove = kinds_for(&held::usable(&mut conn, &facts.user).await?, floor);
        if !prove.is_empty() {
            return Ok(Again::Ask(Ask { prove, recovery: own_factors, ..Ask::default() }));
        }
    }
    // Only who has nothing here that would do is sent to their provider.
    if let Some(through) = &facts.through {
        let org = orgs::find(&mut conn, &through.org).await?;
        return Ok(org.map_or(Again::SignIn, |org| Again::Through(org.slug)));
    }
    if floor > Level::Password {
        return Ok(Again::SignIn);
    }
    let found = users::password_facts(&mut conn, &facts.user).await?;
    let has_password = found.is_some_and(|found| found.password.is_some());
    Ok(if has_password { Again::Ask(Ask { password: true, ..Ask::default() }) } else { Again::SignIn })
}

/// What an organisation, by its slug, asks of a session; `None` for nothing, or where the person is no member. Without a
/// slug: what is asked of an operator.
///
/// # Errors
/// The database's.
pub async fn asked_by(app: &App, facts: &Facts, slug: Option<&str>) -> Result<Option<Ask>, Fault> {
    let mut conn = app.db.read().await?;
    let org = match slug {
        Some(slug) => orgs::by_slug(&mut conn, slug).await?.map(|org| org.id),
        None => None,
    };
    let entrance = match &org {
        Some(org) => memberships::entrance(&mut conn, &facts.user, org).await?,
        None => None,
    };
    let demand = entering::demand(app, &mut conn, Comer::of(facts), entrance.as_ref()).await?;
    Ok(Ask::of(demand, &entering::rule_of(entrance.as_ref())))
}

/// Whether somebody's password was right that they typed once more; with it comes the value of the browser's cookie for
/// accounts that know it. A wrong one counts like one at the sign-in.
///
/// # Errors
/// The hash pool is full, too much was tried from the address, or the database failed.
pub async fn password(
    app: &App,
    user: &UserId,
    typed: (&Secret, Option<&Secret>),
    origin: &Origin,
) -> Result<bool, Fault> {
    Ok(change_password::proven(app, user, typed, origin).await?.is_some())
}

/// The session after a proof; `None` where it changes nothing, because it is weaker than the session.
#[must_use]
pub fn renewed(app: &App, facts: &Facts, method: Method) -> Option<Facts> {
    let mut facts = Facts { last_used_at: None, ..facts.clone() };
    facts.show(method, app.now()).then_some(facts)
}

/// The levels that a request would have one of, the weakest that is known here; `None` when it asks for none that is.
#[must_use]
pub fn wanted<'a>(levels: impl IntoIterator<Item = &'a str>) -> Option<Level> {
    levels.into_iter().filter_map(Level::of_acr).min()
}

/// How somebody reaches a level that a request asks for.
///
/// # Errors
/// The database's.
pub(super) async fn to_reach(conn: &mut Conn, facts: &Facts, level: Level) -> Result<Reached, sqlx::Error> {
    if facts.level() >= level {
        return Ok(Reached::Yes);
    }
    let prove = kinds_for(&held::usable(conn, &facts.user).await?, level);
    // A recovery code is a second factor, and never a passkey.
    let recovery = level <= Level::TwoFactor;
    Ok(if prove.is_empty() { Reached::Never } else { Reached::By(Ask { prove, recovery, ..Ask::default() }) })
}

/// Whether a session reaches a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It does.
    Yes,
    /// When this was shown.
    By(Ask),
    /// The person has nothing with which it would.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::assurance::{ACR_PASSWORD, ACR_PHISHING_RESISTANT, ACR_TWO_FACTOR};

    #[test]
    fn of_the_levels_that_would_do_the_weakest_is_enough_and_strangers_are_none() {
        assert_eq!(wanted([ACR_PHISHING_RESISTANT, ACR_TWO_FACTOR]), Some(Level::TwoFactor));
        assert_eq!(wanted(["urn:other", ACR_PHISHING_RESISTANT]), Some(Level::PhishingResistant));
        assert_eq!(wanted([ACR_TWO_FACTOR, ACR_PASSWORD]), Some(Level::Password));
        assert_eq!(wanted(["urn:other"]), None);
    }

    #[test]
    fn a_level_is_reached_by_what_is_at_least_as_strong() {
        let all = Held { kinds: FactorKind::ALL.iter().copied().collect(), ..Held::default() };
        assert_eq!(kinds_for(&all, Level::PhishingResistant), BTreeSet::from([FactorKind::Passkey]));
        assert_eq!(kinds_for(&all, Level::TwoFactor).len(), 4);
        assert!(kinds_for(&Held::default(), Level::TwoFactor).is_empty());
    }
}
