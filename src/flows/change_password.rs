//! A person's own change of their password: because they want to, or because they must before they are let in.
//!
//! Both ask for the password of now. Somebody who is signed in types it again; somebody who must change it has just typed
//! it at the sign-in, and holds a [`ChangeFirst`], which is bound to its hash and so is good for one change.

use super::Fault;
use super::change_access::{Refusal, change_access_from, not_managed};
use super::guard::{self, Caller, KnownDevice, Ticket};
use super::halfway::{self, After};
use super::new_password::{self, Unfit};
use super::sign_in::{self, ChangeFirst};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::password::{Rules, Shortfall};
use crate::domain::people::user::{Kind, UserState};
use crate::domain::settings::OwnData;
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::outside::hasher::Busy;
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
/// this one a new cookie. The old password comes with the value of the browser's cookie for accounts that know it. A wrong
/// guess counts like one at the sign-in.
///
/// # Errors
/// See [`NotChanged`].
pub async fn own(
    app: &App,
    facts: &Facts,
    (old, new): ((&Secret, Option<&Secret>), Secret),
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
    let Some(stored) = proven(app, &user, old, origin).await? else {
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
/// locked and doesn't know the browser, which shows `cookie`. A wrong guess counts like one at the sign-in.
///
/// # Errors
/// The hash pool is full, too much was tried from the address, or the database failed.
pub(super) async fn proven(
    app: &App,
    user: &UserId,
    (typed, cookie): (&Secret, Option<&Secret>),
    origin: &Origin,
) -> Result<Option<String>, Fault> {
    let admitted = guard::admit_browser(app, &origin.address, cookie).await?;
    let now = app.now();
    let (candidate, device) = {
        let mut conn = app.db.read().await?;
        let device = guard::device_of(&mut conn, Some(user), cookie).await?;
        (users::candidate(&mut conn, user).await?, device)
    };
    let ticket = guard::past_pause(admitted, device.as_ref())?;
    let usable = candidate.as_ref().filter(|found| found.state == UserState::Active);
    let usable = usable.filter(|found| guard::may_try(found, device.as_ref(), now));
    let stored = usable.and_then(|found| found.password.clone());
    let typed = sign_in::as_hashed(typed);
    let (verified, ticket) = guard::compare(app, ticket, (stored.clone(), typed.clone())).await?;
    let stored = stored.filter(|_| verified.matches && !typed.expose().is_empty());
    if stored.is_some() {
        // Of many guesses at once those count that came before the lock.
        let open = stands(app, user.clone(), (ticket, device), now).await?;
        return Ok(stored.filter(|_| open));
    }
    if let Some(candidate) = &candidate {
        guard::wrong_guess(app, candidate, "password.refused", &origin.address, device.as_ref()).await?;
    }
    Ok(None)
}

/// Whether a guess that was right counts: the account was not locked or barred meanwhile, or knows the browser.
async fn stands(
    app: &App,
    user: UserId,
    (ticket, device): (Ticket, Option<KnownDevice>),
    at: UnixMillis,
) -> Result<bool, sqlx::Error> {
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let open = guard::half_way(tx, &user, device.as_ref(), at).await?;
                if open {
                    guard::give_back(tx, &ticket).await?;
                }
                Ok(open)
            })
        })
        .await
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

/// Changes a password that must be. What follows is the session, or what is owed before it: until all of that is done there
/// is none.
///
/// # Errors
/// See [`NotChanged`].
pub async fn forced(
    app: &App,
    first: &ChangeFirst,
    new: Secret,
    caller: Caller<'_>,
    origin: &Origin,
) -> Result<After, NotChanged> {
    let user = first.user.clone();
    let candidate = users::candidate(&mut app.db.read().await?, &user).await?;
    let usable = candidate.filter(|found| found.state == UserState::Active && app.now().since(first.at) < LIFE);
    let stored = usable.and_then(|found| found.password).filter(|stored| first.is_of(stored));
    let Some(stored) = stored else { return Err(NotChanged::Gone) };
    // Whatever the policy remembers: the one that must go is never the one that comes.
    let password = new_password::for_account(app, &user, new, true).await?;
    let change = Change::ChangePassword { user, old: stored, password, end_others: true, keep: None };
    match change_access_from(app, &AT_THE_GATE, origin, vec![change], Mode::Act).await {
        Ok(_) => {}
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(_) => return Err(NotChanged::Gone),
    }
    match halfway::after_change(app, first, caller).await? {
        After::Gone => Err(NotChanged::Paused),
        after => Ok(after),
    }
}
