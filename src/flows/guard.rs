//! What stands around every guess at an account, whatever is guessed and by whatever way: the tries of its address, the one
//! counter of the account, and the browsers that the account knows.
//!
//! A try of the address is taken before anything is verified and given back when the guess was right, so that of five
//! hundred at once no more are verified than may be. A lock holds up neither a passkey nor a browser that the account knows
//! ([`KnownDevice`]): whoever guesses can't keep the person out. Such a browser has few wrong guesses, and its right ones leave
//! the lock where it is for everybody else.

use super::{Fault, device, sign_in};
use crate::app::App;
use crate::domain::people::lockout::{Rule, Stop};
use crate::kernel::id::UserId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{HOUR, MINUTE, SECOND, UnixMillis};
use crate::outside::hasher::Verified;
use crate::store::address_limits::{self, Limit, Taken};
use crate::store::audit::{Event, note};
use crate::store::db::{Conn, Tx};
use crate::store::failures::{self, Counted};
pub use crate::store::known_devices::KnownDevice;
use crate::store::users::Candidate;
use crate::store::{known_devices, users};

/// Where a guess comes from.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The browser, as it names itself.
    pub agent: &'a str,
    /// The address.
    pub address: &'a str,
    /// The value of the browser's cookie for accounts that know it.
    pub device: Option<&'a Secret>,
}

/// A try of an address, taken before anything was verified.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Ticket(Vec<Taken>);

/// When guessing at an account is stopped: as its organisation says, else as the instance does.
#[must_use]
pub fn rule_of(app: &App, candidate: &Candidate) -> Rule {
    instance_rule(app).with(&candidate.lock)
}

/// When guessing is stopped at accounts of nobody's organisation, and at nobody's account.
#[must_use]
pub fn instance_rule(app: &App) -> Rule {
    let (passwords, sign_in) = (&app.config.passwords, &app.config.sign_in);
    Rule {
        failures: passwords.lock_failures,
        window: passwords.lock_window_secs * SECOND,
        lock: passwords.lock_secs * SECOND,
        mode: passwords.lock_mode,
        free: sign_in.free_failures,
        most: sign_in.most_failures,
    }
}

/// Takes a try of an address, before anything is verified.
///
/// # Errors
/// [`Fault::Paused`] when there is none left; the database's.
pub async fn admit(app: &App, address: &str) -> Result<Ticket, Fault> {
    let (network, settings) = (device::network(address), &app.config.sign_in);
    let both = [(settings.address_failures_minute, MINUTE), (settings.address_failures_hour, HOUR)];
    let limit = |(most, window): (i64, i64)| Limit { key: format!("guess {window} {network}"), most, window };
    let limits: Vec<Limit> = both.into_iter().filter(|(most, _)| *most > 0).map(limit).collect();
    if limits.is_empty() {
        return Ok(Ticket::default());
    }
    take(app, limits).await?.map_err(|seconds| Fault::Paused { seconds })
}

/// As [`admit`], for a browser that may be one which the account knows: that is looked up before it is told to wait, so that
/// nobody in the same network keeps the person out. The seconds to wait are for [`past_pause`].
///
/// # Errors
/// [`Fault::Paused`] when there is no try left and the browser has no cookie; the database's.
pub async fn admit_browser(app: &App, address: &str, cookie: Option<&Secret>) -> Result<Result<Ticket, i64>, Fault> {
    match admit(app, address).await {
        Ok(ticket) => Ok(Ok(ticket)),
        Err(Fault::Paused { seconds }) if cookie.is_some() => Ok(Err(seconds)),
        Err(fault) => Err(fault),
    }
}

/// The try of an address; none is needed on a browser that the account knows, which has few wrong guesses of its own.
///
/// # Errors
/// [`Fault::Paused`] for every other browser, when there was no try left.
pub fn past_pause(admitted: Result<Ticket, i64>, device: Option<&KnownDevice>) -> Result<Ticket, Fault> {
    match (admitted, device) {
        (Ok(ticket), _) => Ok(ticket),
        (Err(_), Some(_)) => Ok(Ticket::default()),
        (Err(seconds), None) => Err(Fault::Paused { seconds }),
    }
}

/// Compares a password with a stored hash. Where the hash pool is full nothing was tried, and the try is given back.
///
/// # Errors
/// The hash pool is full; the database's.
pub async fn compare(
    app: &App,
    ticket: Ticket,
    (stored, typed): (Option<String>, Secret),
) -> Result<(Verified, Ticket), Fault> {
    match app.hasher.verify(stored, typed).await {
        Ok(verified) => Ok((verified, ticket)),
        Err(busy) => {
            return_ticket(app, ticket).await?;
            Err(busy.into())
        }
    }
}

/// One try of each limit, in their order; or the seconds to wait for the first that has none left, and then none is taken.
///
/// # Errors
/// The database's.
pub async fn take(app: &App, limits: Vec<Limit>) -> Result<Result<Ticket, i64>, sqlx::Error> {
    Ok(taken(app, limits).await?.map(Ticket))
}

async fn taken(app: &App, limits: Vec<Limit>) -> Result<Result<Vec<Taken>, i64>, sqlx::Error> {
    let now = app.now();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let mut all = Vec::with_capacity(limits.len());
                for limit in &limits {
                    if let Some(one) = address_limits::take(tx, limit, now).await? {
                        all.push(one);
                        continue;
                    }
                    // What was taken of the limits before counts for nothing: nothing is tried.
                    for one in &all {
                        address_limits::give_back(tx, one).await?;
                    }
                    let end = address_limits::ends_at(tx, &limit.key).await?.unwrap_or(now);
                    return Ok(Err((end.since(now) + SECOND - 1).div_euclid(SECOND).max(1)));
                }
                Ok(Ok(all))
            })
        })
        .await
}

/// Gives a try back, in the transaction that settles a guess that was right.
///
/// # Errors
/// The database's.
pub async fn give_back(tx: &mut Tx, ticket: &Ticket) -> Result<(), sqlx::Error> {
    for taken in &ticket.0 {
        address_limits::give_back(tx, taken).await?;
    }
    Ok(())
}

/// Gives a try back where nothing is settled besides.
///
/// # Errors
/// The database's.
pub async fn return_ticket(app: &App, ticket: Ticket) -> Result<(), sqlx::Error> {
    if ticket.0.is_empty() {
        return Ok(());
    }
    app.db.write(move |tx| Box::pin(async move { give_back(tx, &ticket).await })).await
}

/// What a browser is to an account. One statement, whoever is meant and whatever the cookie says.
///
/// # Errors
/// The database's.
pub async fn device_of(
    conn: &mut Conn,
    user: Option<&UserId>,
    cookie: Option<&Secret>,
) -> Result<Option<KnownDevice>, sqlx::Error> {
    let nobody = UserId::from_u128(0);
    let digest = cookie.map_or_else(|| Digest::of(b""), Secret::digest);
    known_devices::find(conn, digest, user.unwrap_or(&nobody)).await
}

/// Whether a guess is looked at: the account is not locked, or knows the browser.
#[must_use]
pub fn may_try(candidate: &Candidate, device: Option<&KnownDevice>, now: UnixMillis) -> bool {
    device.is_some() || !candidate.counter.locked(now)
}

/// Counts a wrong guess of whatever kind, in the transaction that settles it; until when it has locked the account, if this
/// is the one that did. A guess at nobody costs as much.
///
/// # Errors
/// The database's.
pub async fn failed(
    tx: &mut Tx,
    whose: Counted<'_>,
    rule: Rule,
    device: Option<&KnownDevice>,
    now: UnixMillis,
) -> Result<Option<UnixMillis>, sqlx::Error> {
    let nobody = UserId::from_u128(0);
    let user = match whose {
        Counted::Account(user) => user,
        Counted::Nobody(_) => &nobody,
    };
    let digest = device.map_or_else(|| Digest::of(b""), |device| device.digest);
    let stop = failures::count_failure(tx, whose, rule, now).await?;
    known_devices::count_failure(tx, digest, user).await?;
    Ok(match stop {
        Stop::Lock(until) => Some(until),
        Stop::Nothing | Stop::Pause(_) => None,
    })
}

/// Notes that somebody has proven all that was asked of them: the counter begins anew. False when the account was locked or
/// barred meanwhile. On a browser that the account knows a lock stays, for everybody else.
///
/// # Errors
/// The database's.
pub async fn passed(
    tx: &mut Tx,
    user: &UserId,
    device: Option<&KnownDevice>,
    now: UnixMillis,
) -> Result<bool, sqlx::Error> {
    if users::count_success(tx, user, now).await? {
        return Ok(true);
    }
    let Some(device) = device else { return Ok(false) };
    // What matched nothing has locked nothing: the account's row comes before the browser's.
    users::take_turns(tx, user).await?;
    Ok(known_devices::is_known(tx, device.digest, user).await? && users::note_past_lock(tx, user, now).await?)
}

/// Whether somebody whose password was right may go on to their second factor. Nothing is reset before that was right too:
/// else whoever knows the password could guess codes without end.
///
/// # Errors
/// The database's.
pub async fn half_way(
    tx: &mut Tx,
    user: &UserId,
    device: Option<&KnownDevice>,
    now: UnixMillis,
) -> Result<bool, sqlx::Error> {
    // The account's row first, as everywhere: who locks a browser's before it can wait for somebody who waits for them.
    users::take_turns(tx, user).await?;
    let known = match device {
        Some(device) => known_devices::is_known(tx, device.digest, user).await?,
        None => false,
    };
    users::is_open(tx, user, known, now).await
}

/// Counts a wrong guess at the account of somebody who is known, notes it, and tells of the lock if it has brought one.
///
/// # Errors
/// The database's.
pub async fn wrong_guess(
    app: &App,
    candidate: &Candidate,
    kind: &'static str,
    address: &str,
    device: Option<&KnownDevice>,
) -> Result<(), Fault> {
    let (at, rule, whose) = (app.now(), rule_of(app, candidate), candidate.id.clone());
    let (user, address, device) = (candidate.id.clone(), address.to_owned(), device.cloned());
    let locked: Result<Option<UnixMillis>, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let locked = failed(tx, Counted::Account(&user), rule, device.as_ref(), at).await?;
                let detail = serde_json::json!({ "address": address }).to_string();
                let user = Some(user.into_string());
                note(tx, &Event { at, kind, org: None, user, application: None, detail }).await?;
                Ok(locked)
            })
        })
        .await;
    if let Some(until) = locked? {
        sign_in::tell_of_lock(app, whose, until, at);
    }
    Ok(())
}

/// Makes a browser known to an account whose person signed in with it; the value that its cookie gets. The one before is
/// worth nothing any more.
///
/// # Errors
/// The database's.
pub async fn know_device(app: &App, user: &UserId, before: Option<&Secret>) -> Result<Secret, sqlx::Error> {
    let (now, new) = (app.now(), Secret::mint(&*app.chance, ""));
    let (digests, user) = ((before.map(Secret::digest), new.digest()), user.clone());
    app.db
        .write(move |tx| Box::pin(async move { known_devices::make_known(tx, digests, &user, now).await }))
        .await
        .map(|()| new)
}

/// Notes the wish not to be asked for the second factor on this browser again, which was proven just now. `cookie` is the
/// browser's value since the sign-in.
///
/// # Errors
/// The database's.
pub async fn remember_factor(app: &App, user: &UserId, cookie: &Secret) -> Result<(), sqlx::Error> {
    let (now, digest, user) = (app.now(), cookie.digest(), user.clone());
    app.db
        .write(move |tx| {
            Box::pin(async move { known_devices::remember_factor(tx, digest, &user, now).await.map(|_| ()) })
        })
        .await
}

/// Counts a message that somebody causes who has proven nothing, for their network; the seconds to wait when there were too
/// many. How many an account or an address gets is counted where that is known.
///
/// # Errors
/// The database's.
pub async fn may_ask(app: &App, address: &str) -> Result<Option<i64>, sqlx::Error> {
    let key = format!("message {}", device::network(address));
    let limit = Limit { key, most: app.config.sign_in.mails_hour_network, window: HOUR };
    taken(app, vec![limit]).await.map(Result::err)
}

/// The same for a code that somebody asks for who has proven a password: a whole company may sit behind one address, and each
/// account gets few.
///
/// # Errors
/// The database's.
pub async fn may_have_code(app: &App, address: &str) -> Result<Option<i64>, sqlx::Error> {
    let most = app.config.sign_in.address_failures_hour;
    if most == 0 {
        return Ok(None);
    }
    let limit = Limit { key: format!("code {}", device::network(address)), most, window: HOUR };
    taken(app, vec![limit]).await.map(Result::err)
}

/// Counts something under keys of the caller's own; the seconds to wait when there were more than `most` within `window`
/// milliseconds. What is full of one takes nothing of the others.
///
/// # Errors
/// The database's.
pub async fn count(app: &App, keys: &[String], most: i64, window: i64) -> Result<Option<i64>, sqlx::Error> {
    let limits = keys.iter().map(|key| Limit { key: key.clone(), most, window }).collect();
    taken(app, limits).await.map(Result::err)
}
