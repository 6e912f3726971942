//! Sign-in by user name, e-mail address or phone number, and password.
//!
//! Exactly one candidate is chosen before exactly one hash and exactly one write: unknown, wrong, ambiguous, pending,
//! disabled and locked all get the same answer in the same time. Only the right password tells that a second factor is to be
//! shown ([`super::halfway`]), or that it must be changed first ([`super::change_password`]); until then there is no session.

mod choose;

use serde::{Deserialize, Serialize};

pub(super) use self::choose::the_one_meant;
use super::factors::passkey::SignedIn;
use super::guard::{self, Caller, KnownDevice, Ticket};
use super::halfway::{self, Halfway, Shown};
use super::{Fault, device, links, new_password, notices};
use crate::app::App;
use crate::domain::people::assurance;
use crate::domain::people::second_factor::Demand;
use crate::domain::people::user::UserState;
use crate::domain::people::{identifier, password};
use crate::kernel::id::{OrgId, SessionId, UserId};
use crate::kernel::secret::{Digest, Secret, same};
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::failures::Counted;
use crate::store::users::{self, Candidate};
use crate::store::{memberships, orgs};

/// The slug under which the instance's operators sign in.
pub const OPERATOR_SLUG: &str = "instance";
/// So many sign-ins with passkeys may begin from one network within a minute.
const MOST_CHALLENGES: i64 = 300;

/// Where somebody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// Nowhere in particular.
    None,
    /// In an organisation.
    Org(OrgId),
    /// As the instance's operator.
    Operator,
    /// In an organisation that isn't there.
    Unknown,
}

/// The context that a typed slug (or an id) names.
///
/// # Errors
/// The database's.
pub async fn context(conn: &mut Conn, typed: &str) -> Result<Context, sqlx::Error> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(Context::None);
    }
    if typed == OPERATOR_SLUG {
        return Ok(Context::Operator);
    }
    let found = match typed.parse::<OrgId>() {
        Ok(id) => orgs::find(conn, &id).await?,
        Err(_) => orgs::by_slug(conn, &typed.to_lowercase()).await?,
    };
    Ok(found.map_or(Context::Unknown, |org| Context::Org(org.id)))
}

/// What was typed, and by what browser from where.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// User name, e-mail address or phone number.
    pub identifier: String,
    /// The password.
    pub password: Secret,
    /// Where.
    pub context: Context,
    /// The browser, as it names itself.
    pub user_agent: String,
    /// The address.
    pub address: String,
    /// The value of the browser's cookie for accounts that know it.
    pub device: Option<Secret>,
}

/// What a sign-in comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is made for each sign-in, and taken apart at once")]
pub enum Answer {
    /// The one refusal for every reason.
    Refused,
    /// The session to be.
    SignedIn(Facts),
    /// The password was right, and is good for one thing: to be changed.
    ChangeFirst(ChangeFirst),
    /// The password was right, and more is asked for before there is a session.
    Factor(Halfway),
}

/// Why a password must be changed before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Somebody else knows it: an administrator gave it, or had it made.
    Given,
    /// It is older than the organisation allows.
    Expired,
}

/// That somebody knew the password of an account which must be changed first. It is good for one change: with the
/// stored hash goes what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFirst {
    /// The account.
    pub user: UserId,
    /// Why.
    pub reason: Reason,
    /// The digest of the stored hash that the password was compared with.
    proof: String,
    /// When it was compared.
    pub at: UnixMillis,
    /// What was done so far: the password, and a factor where one was asked for.
    #[serde(default)]
    pub(super) shown: Shown,
    /// The organisation whose rule the sign-in follows, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<OrgId>,
}

impl ChangeFirst {
    pub(super) fn new(user: UserId, reason: Reason, stored: &str, at: UnixMillis) -> Self {
        Self { user, reason, proof: proof(stored), at, shown: Shown::default(), org: None }
    }

    /// The same of somebody who did more, on the way into an organisation.
    pub(super) fn after(self, shown: Shown, org: Option<OrgId>) -> Self {
        Self { shown, org, ..self }
    }

    /// Whether the account's hash is still the one that the password was compared with.
    #[must_use]
    pub fn is_of(&self, stored: &str) -> bool {
        same(self.proof.as_bytes(), proof(stored).as_bytes())
    }
}

pub(super) fn proof(stored: &str) -> String {
    Digest::of(stored.as_bytes()).base64url()
}

/// A password as it is hashed: of one Unicode form, and an empty one, which never matches, for one that is too long (K9).
pub(super) fn as_hashed(typed: &Secret) -> Secret {
    if typed.expose().len() > password::MOST_BYTES {
        return Secret::presented("");
    }
    Secret::presented(password::normalise(typed.expose()))
}

/// Signs in, as far as a password goes.
///
/// # Errors
/// The queue before the hash pool is full, too much was tried from the address, or the database's.
pub async fn with_password(app: &App, attempt: Attempt) -> Result<Answer, Fault> {
    let now = app.now();
    let admitted = guard::admit_browser(app, &attempt.address, attempt.device.as_ref()).await?;
    let (chosen, device) = {
        let mut conn = app.db.read().await?;
        let chosen = the_one_meant(&mut conn, &attempt.identifier, &attempt.context).await?;
        // Whose organisation has its people sign in elsewhere is as good as unknown here.
        let chosen = chosen.filter(|user| !user.barred);
        let whose = chosen.as_ref().map(|user| &user.id);
        let device = guard::device_of(&mut conn, whose, attempt.device.as_ref()).await?;
        (chosen, device)
    };
    let ticket = guard::past_pause(admitted, device.as_ref())?;
    let may = |user: &Candidate| user.state == UserState::Active && guard::may_try(user, device.as_ref(), now);
    let usable = chosen.clone().filter(may);
    let stored = usable.as_ref().and_then(|user| user.password.clone());
    let password = as_hashed(&attempt.password);
    let (verified, ticket) = guard::compare(app, ticket, (stored.clone(), password.clone())).await?;
    let known = usable.zip(stored).filter(|_| verified.matches && !password.expose().is_empty());
    let shown = Shown { remembered_at: device.as_ref().and_then(|device| device.factor_at), ..Shown::default() };
    let next = match &known {
        Some((user, _)) => next(app, user, org_of(&attempt.context), &shown).await?,
        None => Next::Refuse,
    };
    let accepted = settle(app, Settling { chosen, next, device, ticket }, &attempt, now).await?;
    let Some((user, stored)) = known.filter(|_| accepted) else {
        return Ok(Answer::Refused);
    };
    let org = org_of(&attempt.context).cloned();
    match next {
        Next::Refuse => Ok(Answer::Refused),
        Next::Change(reason) => {
            Ok(Answer::ChangeFirst(ChangeFirst::new(user.id, reason, &stored, now).after(shown, org)))
        }
        Next::Factor(change) => {
            // What is to come is bound to the hash: it must be the one that stays.
            let stored =
                if verified.outdated { rehashed(app, user.id.clone(), stored, password).await? } else { stored };
            Ok(Answer::Factor(Halfway::new(user.id, (&stored, change), shown, org, now)))
        }
        Next::Session => {
            if verified.outdated {
                rehash(app, user.id.clone(), stored, password);
            }
            let with = (attempt.user_agent.as_str(), attempt.address.as_str());
            Ok(Answer::SignedIn(session(app, user.id, with, now, Some(user.password_at), shown)))
        }
    }
}

/// What a right password leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It was not right.
    Refuse,
    /// A factor is asked for, or to be made; and then the password must be changed, where a reason is given.
    Factor(Option<Reason>),
    /// It must be changed.
    Change(Reason),
    /// The session.
    Session,
}

/// Whoever has a factor shows it before anything else, and whoever must make one has a password of their own by then.
async fn next(app: &App, user: &Candidate, org: Option<&OrgId>, shown: &Shown) -> Result<Next, sqlx::Error> {
    let demand = halfway::demand(app, (&user.id, &user.kind), org, shown).await?;
    let change = change_first(app, user).await?;
    Ok(match (demand, change) {
        (Demand::Prove(_), change) => Next::Factor(change),
        (Demand::Enrol(_) | Demand::Nothing, Some(reason)) => Next::Change(reason),
        (Demand::Enrol(_), None) => Next::Factor(None),
        (Demand::Nothing, None) => Next::Session,
    })
}

pub(super) fn org_of(context: &Context) -> Option<&OrgId> {
    match context {
        Context::Org(org) => Some(org),
        Context::None | Context::Operator | Context::Unknown => None,
    }
}

/// Whether a password that was right must be changed before anything else.
async fn change_first(app: &App, user: &Candidate) -> Result<Option<Reason>, sqlx::Error> {
    if user.must_change {
        Ok(Some(Reason::Given))
    } else if new_password::expired(app, &mut app.db.read().await?, &user.id).await? {
        Ok(Some(Reason::Expired))
    } else {
        Ok(None)
    }
}

/// The session of somebody who has shown at `now` what they were asked for, while the account's password was the one that
/// was set at `set_at`. `with` is what their browser calls itself, and its address.
pub(super) fn session(
    app: &App,
    user: UserId,
    with: (&str, &str),
    now: UnixMillis,
    set_at: Option<UnixMillis>,
    shown: Shown,
) -> Facts {
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    Facts {
        id: SessionId::fresh(),
        user,
        auth_time: now,
        acr: assurance::of_methods(&shown.methods).acr().to_owned(),
        amr: assurance::amr(&shown.methods),
        user_agent: cut(with.0),
        address: cut(with.1),
        created_at: now,
        expires_at: now.plus(app.session_absolute()),
        last_used_at: None,
        password_at: set_at,
        through: None,
        methods: shown.methods,
        factor_at: shown.factor_at,
        remembered_at: shown.remembered_at,
        recovered_at: shown.recovered_at,
    }
}

/// The session of somebody who signed in with a passkey.
#[must_use]
pub fn of_passkey(app: &App, signed: SignedIn, caller: Caller<'_>) -> Facts {
    let shown = signed.shown();
    let SignedIn { user, at, password_at, .. } = signed;
    session(app, user, (caller.agent, caller.address), at, Some(password_at), shown)
}

/// Counts that a sign-in with a passkey begins; the seconds to wait when too many did from one network.
///
/// # Errors
/// The database's.
pub async fn may_begin_passkey(app: &App, address: &str) -> Result<Option<i64>, Fault> {
    let key = format!("passkey {}", device::network(address));
    Ok(guard::count(app, &[key], MOST_CHALLENGES, MINUTE).await?)
}

/// What an event tells of an identifier that was typed, and of the address. Not what was typed, which may be a password
/// in the wrong field: only that the same thing was typed again.
pub(super) fn detail(identifier: &str, address: &str) -> String {
    let typed = Digest::of(identifier::key(identifier).as_bytes()).base64url();
    serde_json::json!({ "identifier": &typed[..12], "address": address }).to_string()
}

/// What is settled in one write.
struct Settling {
    chosen: Option<Candidate>,
    next: Next,
    device: Option<KnownDevice>,
    ticket: Ticket,
}

/// One write in every case: the counter of the account, if there is one, and an event. Whether the password counts: the
/// account may have been locked or barred meanwhile.
async fn settle(app: &App, settling: Settling, attempt: &Attempt, now: UnixMillis) -> Result<bool, Fault> {
    let Settling { chosen, next, device, ticket } = settling;
    let rule = chosen.as_ref().map_or_else(|| guard::instance_rule(app), |user| guard::rule_of(app, user));
    let (detail, fallback) = (detail(&attempt.identifier, &attempt.address), links::fallback(app));
    let (agent, address) = (attempt.user_agent.clone(), attempt.address.clone());
    let typed = Digest::of(identifier::key(&attempt.identifier).as_bytes());
    let user = chosen.map(|candidate| candidate.id);
    let whose = user.clone();
    let settled: Result<(bool, Option<UnixMillis>), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (mut accepted, mut locked) = (false, None);
                match (&user, next) {
                    (Some(id), Next::Session | Next::Change(_)) => {
                        accepted = guard::passed(tx, id, device.as_ref(), now).await?;
                    }
                    // Nothing is reset before the factor was right, too.
                    (Some(id), Next::Factor(_)) => {
                        accepted = guard::half_way(tx, id, device.as_ref(), now).await?;
                    }
                    (whose, _) => {
                        let whose = whose.as_ref().map_or(Counted::Nobody(typed), Counted::Account);
                        locked = guard::failed(tx, whose, rule, device.as_ref(), now).await?;
                    }
                }
                let kind = match (accepted, next) {
                    (false, _) | (true, Next::Refuse) => "sign_in.refused",
                    (true, Next::Change(_)) => "sign_in.change_first",
                    (true, Next::Factor(_)) => "sign_in.half_way",
                    (true, Next::Session) => "sign_in.accepted",
                };
                if accepted {
                    guard::give_back(tx, &ticket).await?;
                }
                if let Some(id) = user.as_ref().filter(|_| accepted && next == Next::Session) {
                    notices::note_browser(tx, id, &agent, &address, now, fallback).await?;
                }
                let user = user.map(UserId::into_string);
                note(tx, &Event { at: now, kind, org: None, user, application: None, detail }).await?;
                Ok((accepted, locked))
            })
        })
        .await;
    let (accepted, locked) = settled?;
    if accepted {
        app.outbox_bell.notify_one();
    }
    if let Some((user, until)) = whose.zip(locked) {
        tell_of_lock(app, user, until, now);
    }
    Ok(accepted)
}

/// Tells somebody that their account was locked just now, after the answer: what a refusal costs must not tell whether
/// there is anybody to be told.
pub(super) fn tell_of_lock(app: &App, user: UserId, until: UnixMillis, at: UnixMillis) {
    let (app, fallback) = (app.clone(), links::fallback(app));
    tokio::spawn(async move {
        let told: Result<(), sqlx::Error> = app
            .db
            .write(move |tx| Box::pin(async move { notices::locked(tx, &user, until, at, fallback).await }))
            .await;
        match told {
            Ok(()) => app.outbox_bell.notify_one(),
            Err(error) => tracing::warn!(%error, "nobody was told of a lock"),
        }
    });
}

/// Renews a hash whose cost is no longer today's, after the answer.
fn rehash(app: &App, user: UserId, old: String, password: Secret) {
    let app = app.clone();
    tokio::spawn(async move {
        let Ok(new) = app.hasher.hash(password).await else {
            return;
        };
        let renewed: Result<bool, sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { users::rehash(tx, &user, &old, &new).await })).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "a password's hash was not renewed");
        }
    });
}

/// As [`rehash`], before the answer; the hash that stands after it.
async fn rehashed(app: &App, user: UserId, old: String, password: Secret) -> Result<String, Fault> {
    let new = app.hasher.hash(password).await?;
    let (kept, was) = (new.clone(), old.clone());
    let renewed: Result<bool, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { users::rehash(tx, &user, &was, &kept).await })).await;
    Ok(if renewed? { new } else { old })
}

/// Whether somebody may enter an organisation's administration pages; for `/me`.
///
/// # Errors
/// The database's.
pub async fn organisations(conn: &mut Conn, facts: &Facts) -> Result<Vec<memberships::Entrance>, sqlx::Error> {
    memberships::entrances(conn, &facts.user).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_password_that_must_be_changed_is_bound_to_the_hash_it_was_compared_with() {
        let first = ChangeFirst::new(UserId::from_u128(1), Reason::Given, "$argon2id$one", UnixMillis(5));
        assert!(first.is_of("$argon2id$one") && !first.is_of("$argon2id$two") && !first.is_of(""));
        let text = serde_json::to_string(&first).unwrap();
        assert!(!text.contains("argon2id"), "{text}");
        assert_eq!(serde_json::from_str::<ChangeFirst>(&text).unwrap(), first);
    }

    #[test]
    fn what_is_too_long_is_hashed_as_nothing_and_one_text_has_one_form() {
        assert_eq!(as_hashed(&Secret::presented("x".repeat(password::MOST_BYTES + 1))).expose(), "");
        assert_eq!(as_hashed(&Secret::presented("e\u{301}")).expose(), "\u{e9}");
    }
}
