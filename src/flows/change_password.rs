//! A person's own change of their password: because they want to, or because they must before they are let in.
//!
//! Both ask for the password of now. Somebody who is signed in types it again; somebody who must change it has just typed
//! it at the sign-in, and holds a [`ChangeFirst`], which is bound to its hash and so is good for one change.

use super::change_access::{Refusal, change_access_from, not_managed};
use super::new_password::{self, Unfit};
use super::sign_in::{self, ChangeFirst};
use super::{Fault, links, notices};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::password::{Rules, Shortfall};
use crate::domain::people::user::{Kind, UserState};
use crate::domain::settings::OwnData;
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::outside::hasher::Busy;
use crate::store::audit::{Event, note};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::{orgs, users};

/// So long after the sign-in a password that must be changed can be, in milliseconds.
pub const LIFE: i64 = 10 * MINUTE;
/// Who changes a password before they are let in: somebody who has just proved that they know it.
const AT_THE_GATE: Actor = Actor::Link("change_first");

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// What was typed is not the password of now, or the account is locked.
    #[error("the password of now is another")]
    WrongOld,
    /// The new one falls short of the rules, in all of these ways.
    #[error("the new password falls short")]
    Short(Vec<Shortfall>),
    /// The organisation, or where the account comes from, keeps this to itself.
    #[error("this password is not changed here")]
    NotHere,
    /// What was shown belongs to a password that is not there any more, or waited for too long.
    #[error("begin at the sign-in again")]
    Gone,
    /// It was changed, but the account was locked meanwhile: the person signs in later.
    #[error("the password was changed, but sign-in is paused")]
    Paused,
    /// The door's refusal.
    #[error(transparent)]
    Refused(Refusal),
    /// The hash pool is full, or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sqlx::Error> for NotChanged {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Busy> for NotChanged {
    fn from(busy: Busy) -> Self {
        Self::Fault(busy.into())
    }
}

impl From<Unfit> for NotChanged {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Short(found) => Self::Short(found),
            Unfit::Busy(busy) => busy.into(),
            Unfit::Store(error) => error.into(),
        }
    }
}

/// Changes the password of somebody who is signed in and knows it. Their other sessions end, if they wish; the caller gives
/// this one a new cookie. A wrong guess counts like one at the sign-in.
///
/// # Errors
/// See [`NotChanged`].
pub async fn own(
    app: &App,
    facts: &Facts,
    (old, new): (Secret, Secret),
    end_others: bool,
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, NotChanged> {
    let user = facts.user.clone();
    let mut conn = app.db.read().await?;
    if let Some(found) = users::find(&mut conn, &user).await? {
        not_managed(&mut conn, &found.source).await.map_err(NotChanged::Refused)?;
    }
    if !is_changed_here(&mut conn, &user).await? {
        return Err(NotChanged::NotHere);
    }
    drop(conn);
    let Some(stored) = proven(app, &user, &old, origin).await? else {
        return Err(NotChanged::WrongOld);
    };
    let password = new_password::for_account(app, &user, new, true).await?;
    let keep = Some(facts.id.clone());
    let change = Change::ChangePassword { user: user.clone(), old: stored, password, end_others, keep };
    match change_access_from(app, &Actor::User(user), origin, vec![change], mode).await {
        Ok(receipt) => Ok(receipt),
        Err(Refusal::Store(error)) => Err(error.into()),
        // Somebody changed it meanwhile: what was typed is not the password of now any more.
        Err(Refusal::Conflict(_) | Refusal::Stale) => Err(NotChanged::WrongOld),
        Err(other) => Err(NotChanged::Refused(other)),
    }
}

/// The hash of the password of somebody who is signed in and types it again; `None` when that is not it, or the account is
/// locked. A wrong guess counts like one at the sign-in.
///
/// # Errors
/// The hash pool is full, or the database failed.
pub(super) async fn proven(app: &App, user: &UserId, typed: &Secret, origin: &Origin) -> Result<Option<String>, Fault> {
    let now = app.now();
    let candidate = users::candidate(&mut app.db.read().await?, user).await?;
    let usable = candidate.filter(|found| found.state == UserState::Active && !found.counter.locked(now));
    let stored = usable.and_then(|found| found.password);
    let typed = sign_in::as_hashed(typed);
    let verified = app.hasher.verify(stored.clone(), typed.clone()).await?;
    let stored = stored.filter(|_| verified.matches && !typed.expose().is_empty());
    if stored.is_none() {
        count_failure(app, user.clone(), origin.address.clone(), now).await?;
    }
    Ok(stored)
}

/// Whether a person changes the password of this account at Muster, by the account's source and the organisation's
/// settings.
///
/// # Errors
/// The database's.
pub async fn is_changed_here(conn: &mut Conn, user: &UserId) -> Result<bool, sqlx::Error> {
    let Some(found) = users::find(conn, user).await? else { return Ok(false) };
    if found.source.connection().is_some() {
        return Ok(false);
    }
    match &found.kind {
        Kind::Managed(org) => Ok(orgs::settings(conn, org).await?.own_data.contains(&OwnData::Password)),
        Kind::Own | Kind::Operator => Ok(true),
        Kind::Service(..) => Ok(false),
    }
}

/// Counts a wrong guess at the password of somebody who is signed in, like one at the sign-in (K1).
pub(super) async fn count_failure(app: &App, user: UserId, address: String, at: UnixMillis) -> Result<(), Fault> {
    let (rule, whose) = (sign_in::lock_rule(app), user.clone());
    let locked: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let locked = users::count_failure(tx, &user, rule, at).await?;
                let detail = serde_json::json!({ "address": address }).to_string();
                let (kind, user) = ("password.refused", Some(user.into_string()));
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok(locked)
            })
        })
        .await;
    if locked? {
        sign_in::tell_of_lock(app, whose, at.plus(rule.lock), at);
    }
    Ok(())
}

/// The rules that the new password of somebody must keep who has to change it; `None` when they must sign in again.
///
/// # Errors
/// The database's.
pub async fn rules_for(app: &App, first: &ChangeFirst) -> Result<Option<Rules>, Fault> {
    if app.now().since(first.at) >= LIFE {
        return Ok(None);
    }
    let mut conn = app.db.read().await?;
    match users::find(&mut conn, &first.user).await? {
        Some(user) => Ok(Some(new_password::rules_of(app, &mut conn, &user.kind).await?)),
        None => Ok(None),
    }
}

/// Changes a password that must be, and signs its holder in: before it is done there is no session. `with` is what the
/// browser calls itself, and its address.
///
/// # Errors
/// See [`NotChanged`].
pub async fn forced(
    app: &App,
    first: &ChangeFirst,
    new: Secret,
    with: (&str, &str),
    origin: &Origin,
) -> Result<Facts, NotChanged> {
    let user = first.user.clone();
    let candidate = users::candidate(&mut app.db.read().await?, &user).await?;
    let usable = candidate.filter(|found| found.state == UserState::Active && app.now().since(first.at) < LIFE);
    let stored = usable.and_then(|found| found.password).filter(|stored| first.is_of(stored));
    let Some(stored) = stored else { return Err(NotChanged::Gone) };
    // Whatever the policy remembers: the one that must go is never the one that comes.
    let password = new_password::for_account(app, &user, new, true).await?;
    let change = Change::ChangePassword { user: user.clone(), old: stored, password, end_others: true, keep: None };
    let set_at = match change_access_from(app, &AT_THE_GATE, origin, vec![change], Mode::Act).await {
        Ok(receipt) => receipt.at,
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(_) => return Err(NotChanged::Gone),
    };
    let now = app.now();
    if !let_in(app, user.clone(), with, now).await? {
        return Err(NotChanged::Paused);
    }
    Ok(sign_in::session(app, user, with, now, set_at))
}

/// The sign-in that the change stood in front of; false when the account was locked or barred meanwhile.
async fn let_in(app: &App, user: UserId, with: (&str, &str), at: UnixMillis) -> Result<bool, Fault> {
    let (agent, address, fallback) = (with.0.to_owned(), with.1.to_owned(), links::fallback(app));
    let accepted: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let accepted = users::count_success(tx, &user, at).await?;
                if accepted {
                    notices::note_browser(tx, &user, &agent, &address, at, fallback).await?;
                }
                let kind = if accepted { "sign_in.accepted" } else { "sign_in.refused" };
                let detail = serde_json::json!({ "address": address }).to_string();
                let user = Some(user.into_string());
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok(accepted)
            })
        })
        .await;
    let accepted = accepted?;
    if accepted {
        app.outbox_bell.notify_one();
    }
    Ok(accepted)
}
