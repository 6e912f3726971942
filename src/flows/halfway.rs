//! A sign-in that stands between the password and the session: a second factor is to be shown, or made.
//!
//! # Why
//! Half signed in is no row and no session: it travels in the page, sealed, bound to the browser and to the stored hash that
//! the password was compared with, and opens nothing but the page that asks for the rest. So there is nothing that another
//! address could take for a sign-in. What is still owed is judged anew at each step, from what the database says then.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::entering::{self, Ask, Comer};
use super::guard::{self, Caller};
use super::sign_in::{self, ChangeFirst, Reason};
use super::{Fault, links, notices};
use crate::app::App;
use crate::domain::people::assurance::Method;
use crate::domain::people::second_factor::Demand;
use crate::domain::people::user::{Kind, UserState};
use crate::kernel::id::{OrgId, UserId};
use crate::kernel::secret::same;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::users::{self, Candidate};

/// So long after the password the rest can be shown, in milliseconds.
pub const LIFE: i64 = 10 * MINUTE;

/// What somebody did who is to be signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// By what means.
    pub methods: BTreeSet<Method>,
    /// When a factor was shown, if one was.
    pub factor_at: Option<UnixMillis>,
    /// When one was shown on this device before, with the wish not to be asked there again.
    pub remembered_at: Option<UnixMillis>,
    /// When a recovery code was shown, if one was.
    #[serde(default)]
    pub recovered_at: Option<UnixMillis>,
}

impl Default for Shown {
    fn default() -> Self {
        let methods = BTreeSet::from([Method::Password]);
        Self { methods, factor_at: None, remembered_at: None, recovered_at: None }
    }
}

impl Shown {
    /// The same, and this besides.
    fn and(&self, method: Method, at: UnixMillis) -> Self {
        let mut shown = self.clone();
        shown.methods.insert(method);
        shown.factor_at = Some(at);
        if method == Method::Recovery {
            // What is remembered of the device may be what was lost.
            (shown.recovered_at, shown.remembered_at) = (Some(at), None);
        }
        shown
    }
}

/// That somebody knew the password of an account, and owes more before they are signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halfway {
    /// The account.
    pub user: UserId,
    /// When the password was compared.
    pub at: UnixMillis,
    /// What was done so far.
    shown: Shown,
    /// The digest of the stored hash that the password was compared with.
    proof: String,
    /// The organisation whose rule the sign-in follows, if one is known.
    org: Option<OrgId>,
    /// Why the password must be changed afterwards, if it must.
    change: Option<Reason>,
}

/// What follows a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is made for each sign-in, and taken apart at once")]
pub enum After {
    /// The session to be.
    SignedIn(Facts),
    /// The password must be changed.
    ChangeFirst(ChangeFirst),
    /// More is asked for.
    Factor(Halfway),
    /// It is over: too old, or the account was changed, locked or barred meanwhile.
    Gone,
}

impl Halfway {
    pub(super) fn new(
        user: UserId,
        (stored, change): (&str, Option<Reason>),
        shown: Shown,
        org: Option<OrgId>,
        at: UnixMillis,
    ) -> Self {
        Self { user, at, shown, proof: sign_in::proof(stored), org, change }
    }

    /// What was done so far.
    #[must_use]
    pub const fn methods(&self) -> &BTreeSet<Method> {
        &self.shown.methods
    }

    fn is_of(&self, stored: &str) -> bool {
        same(self.proof.as_bytes(), sign_in::proof(stored).as_bytes())
    }
}

/// The account, if it still is what the password opened; with its hash.
async fn account(
    conn: &mut Conn,
    halfway: &Halfway,
    now: UnixMillis,
) -> Result<Option<(Candidate, String)>, sqlx::Error> {
    if now.since(halfway.at) >= LIFE {
        return Ok(None);
    }
    let found = users::candidate(conn, &halfway.user).await?;
    let found = found.filter(|user| user.state == UserState::Active && !user.barred);
    Ok(found.and_then(|user| {
        let stored = user.password.clone().filter(|stored| halfway.is_of(stored))?;
        Some((user, stored))
    }))
}

/// The way into the organisation that a sign-in is for, or else into the one that the account belongs to.
async fn entrance(
    conn: &mut Conn,
    (user, kind): (&UserId, &Kind),
    org: Option<&OrgId>,
) -> Result<Option<Entrance>, sqlx::Error> {
    match org.or_else(|| kind.org()) {
        Some(org) => memberships::entrance(conn, user, org).await,
        None => Ok(None),
    }
}

/// What somebody owes at the sign-in who has shown this.
pub(super) async fn demand(
    app: &App,
    (user, kind): (&UserId, &Kind),
    org: Option<&OrgId>,
    shown: &Shown,
) -> Result<Demand, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let entrance = entrance(&mut conn, (user, kind), org).await?;
    let comer = Comer { user, methods: &shown.methods, federated: false, remembered_at: shown.remembered_at };
    entering::demand(app, &mut conn, comer, entrance.as_ref()).await
}

/// What the page is to ask for; `None` when the sign-in is over.
///
/// # Errors
/// The database's.
pub async fn ask(app: &App, halfway: &Halfway) -> Result<Option<Ask>, Fault> {
    let mut conn = app.db.read().await?;
    let Some((user, _)) = account(&mut conn, halfway, app.now()).await? else { return Ok(None) };
    let entrance = entrance(&mut conn, (&user.id, &user.kind), halfway.org.as_ref()).await?;
    drop(conn);
    let demand = demand(app, (&user.id, &user.kind), halfway.org.as_ref(), &halfway.shown).await?;
    Ok(Some(Ask::of(demand, &entering::rule_of(entrance.as_ref())).unwrap_or_default()))
}

/// Until when the account is locked, if it is: whoever knows its password may be told.
///
/// # Errors
/// The database's.
pub async fn locked_until(app: &App, halfway: &Halfway) -> Result<Option<UnixMillis>, Fault> {
    let now = app.now();
    let found = account(&mut app.db.read().await?, halfway, now).await?;
    Ok(found.map(|(user, _)| user.counter.locked_until).filter(|until| now < *until))
}

/// Goes on with somebody who has shown, or made, a factor just now.
///
/// # Errors
/// The database's.
pub async fn go_on(app: &App, halfway: &Halfway, method: Method, caller: Caller<'_>) -> Result<After, Fault> {
    let now = app.now();
    let found = account(&mut app.db.read().await?, halfway, now).await?;
    let Some((user, stored)) = found else { return Ok(After::Gone) };
    believe(app, (&user.id, &stored), method).await?;
    let (shown, org) = (halfway.shown.and(method, now), halfway.org.clone());
    let demand = demand(app, (&user.id, &user.kind), org.as_ref(), &shown).await?;
    match (demand, halfway.change) {
        (Demand::Prove(_), _) | (Demand::Enrol(_), None) => Ok(After::Factor(Halfway { shown, ..halfway.clone() })),
        (Demand::Enrol(_) | Demand::Nothing, Some(reason)) => {
            Ok(After::ChangeFirst(ChangeFirst::new(user.id, reason, &stored, now).after(shown, org)))
        }
        (Demand::Nothing, None) => finish(app, user.id, (user.password_at, shown), true, caller).await,
    }
}

/// A password that was set through a link is one like any other, once something was shown beside it that comes by another way
/// than the link did.
async fn believe(app: &App, (user, stored): (&UserId, &str), method: Method) -> Result<(), sqlx::Error> {
    let by = users::password_by(&mut app.db.read().await?, user).await?;
    if !method.is_factor() || by.is_none_or(|by| by.method() == method) {
        return Ok(());
    }
    let (user, stored) = (user.clone(), stored.to_owned());
    app.db.write(move |tx| Box::pin(async move { users::forget_password_by(tx, &user, &stored).await })).await
}

/// Goes on with somebody who has changed a password that had to be.
///
/// # Errors
/// The database's.
pub(super) async fn after_change(app: &App, first: &ChangeFirst, caller: Caller<'_>) -> Result<After, Fault> {
    let found = users::candidate(&mut app.db.read().await?, &first.user).await?;
    let Some(user) = found.filter(|user| user.state == UserState::Active && !user.barred) else {
        return Ok(After::Gone);
    };
    let (shown, org) = (first.shown.clone(), first.org.clone());
    match demand(app, (&user.id, &user.kind), org.as_ref(), &shown).await? {
        Demand::Nothing => finish(app, user.id, (user.password_at, shown), false, caller).await,
        Demand::Prove(_) | Demand::Enrol(_) => Ok(match &user.password {
            Some(stored) => After::Factor(Halfway::new(user.id, (stored, None), shown, org, app.now())),
            None => After::Gone,
        }),
    }
}

/// The end of a sign-in: the counter begins anew, and there may be a session. A lock holds up no passkey, and nobody whose
/// factor was `just` found right, under the account's lock: what others guessed since then is theirs.
async fn finish(
    app: &App,
    user: UserId,
    (password_at, shown): (UnixMillis, Shown),
    just: bool,
    caller: Caller<'_>,
) -> Result<After, Fault> {
    let (at, fallback) = (app.now(), links::fallback(app));
    let device = guard::device_of(&mut app.db.read().await?, Some(&user), caller.device).await?;
    let (agent, address, whose) = (caller.agent.to_owned(), caller.address.to_owned(), user.clone());
    let past_lock = just || shown.methods.contains(&Method::Passkey);
    let accepted: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let accepted = guard::passed(tx, &whose, device.as_ref(), at).await?
                    || past_lock && users::note_past_lock(tx, &whose, at).await?;
                if accepted {
                    notices::note_browser(tx, &whose, &agent, &address, at, fallback).await?;
                }
                let kind = if accepted { "sign_in.accepted" } else { "sign_in.refused" };
                let detail = serde_json::json!({ "address": address }).to_string();
                let user = Some(whose.into_string());
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok(accepted)
            })
        })
        .await;
    if !accepted? {
        return Ok(After::Gone);
    }
    app.outbox_bell.notify_one();
    let with = (caller.agent, caller.address);
    Ok(After::SignedIn(sign_in::session(app, user, with, at, Some(password_at), shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halfway() -> Halfway {
        Halfway::new(UserId::from_u128(1), ("$argon2id$one", None), Shown::default(), None, UnixMillis(5))
    }

    #[test]
    fn half_a_sign_in_is_bound_to_the_hash_that_the_password_was_compared_with() {
        let half = halfway();
        assert!(half.is_of("$argon2id$one") && !half.is_of("$argon2id$two") && !half.is_of(""));
        let text = serde_json::to_string(&half).unwrap();
        assert!(!text.contains("argon2id"), "{text}");
        assert_eq!(serde_json::from_str::<Halfway>(&text).unwrap(), half);
    }

    #[test]
    fn what_is_shown_is_added_and_never_takes_the_place_of_what_was() {
        let shown = Shown::default().and(Method::Totp, UnixMillis(9));
        assert_eq!(shown.methods, BTreeSet::from([Method::Password, Method::Totp]));
        assert_eq!((shown.factor_at, halfway().methods().len()), (Some(UnixMillis(9)), 1));
        let before = Shown { remembered_at: Some(UnixMillis(1)), ..shown };
        assert!(before.and(Method::EmailCode, UnixMillis(9)).recovered_at.is_none());
        let recovered = before.and(Method::Recovery, UnixMillis(9));
        assert_eq!((recovered.recovered_at, recovered.remembered_at), (Some(UnixMillis(9)), None));
    }
}
