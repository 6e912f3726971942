//! Sign-in by user name, e-mail address or phone number, and password.
//!
//! Exactly one candidate is chosen before exactly one hash and exactly one write: unknown, wrong, ambiguous, pending,
//! disabled and locked all get the same answer in the same time. Only the right password tells that it must be changed
//! first; until it was, there is no session ([`super::change_password`]).

use serde::{Deserialize, Serialize};

use super::{Fault, links, new_password, notices};
use crate::app::App;
use crate::domain::people::lockout::Rule;
use crate::domain::people::user::{Kind, UserState};
use crate::domain::people::{identifier, password};
use crate::kernel::id::{OrgId, SessionId, UserId};
use crate::kernel::secret::{Digest, Secret, same};
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::users::{self, Candidate};
use crate::store::{memberships, orgs};

/// The level that a password reaches.
pub const ACR_PASSWORD: &str = "urn:muster:acr:pwd";
/// The slug under which the instance's operators sign in.
pub const OPERATOR_SLUG: &str = "instance";

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
}

impl ChangeFirst {
    fn new(user: UserId, reason: Reason, stored: &str, at: UnixMillis) -> Self {
        Self { user, reason, proof: proof(stored), at }
    }

    /// Whether the account's hash is still the one that the password was compared with.
    #[must_use]
    pub fn is_of(&self, stored: &str) -> bool {
        same(self.proof.as_bytes(), proof(stored).as_bytes())
    }
}

fn proof(stored: &str) -> String {
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
/// The queue before the hash pool is full, or the database's.
pub async fn with_password(app: &App, attempt: Attempt) -> Result<Answer, Fault> {
    let now = app.now();
    let chosen = {
        let mut conn = app.db.read().await?;
        the_one_meant(&mut conn, &attempt.identifier, &attempt.context).await?
    };
    // Whose organisation has its people sign in elsewhere is as good as unknown here.
    let chosen = chosen.filter(|user| !user.barred);
    let usable = chosen.clone().filter(|user| user.state == UserState::Active && !user.counter.locked(now));
    let stored = usable.as_ref().and_then(|user| user.password.clone());
    let password = as_hashed(&attempt.password);
    let verified = app.hasher.verify(stored.clone(), password.clone()).await?;
    let known = usable.zip(stored).filter(|_| verified.matches && !password.expose().is_empty());
    let first = match &known {
        Some((user, stored)) => change_first(app, user, stored, now).await?,
        None => None,
    };
    let found = match (&known, &first) {
        (None, _) => Found::Wrong,
        (Some(_), Some(_)) => Found::Outworn,
        (Some(_), None) => Found::Right,
    };
    let accepted = settle(app, chosen, found, &attempt, now).await?;
    let Some((user, stored)) = known.filter(|_| accepted) else {
        return Ok(Answer::Refused);
    };
    if let Some(first) = first {
        return Ok(Answer::ChangeFirst(first));
    }
    if verified.outdated {
        rehash(app, user.id.clone(), stored, password);
    }
    let with = (attempt.user_agent.as_str(), attempt.address.as_str());
    Ok(Answer::SignedIn(session(app, user.id, with, now, user.password_at)))
}

/// Whether a password that was right must be changed before anything else.
async fn change_first(
    app: &App,
    user: &Candidate,
    stored: &str,
    now: UnixMillis,
) -> Result<Option<ChangeFirst>, sqlx::Error> {
    let reason = if user.must_change {
        Reason::Given
    } else if new_password::expired(app, &mut app.db.read().await?, &user.id).await? {
        Reason::Expired
    } else {
        return Ok(None);
    };
    Ok(Some(ChangeFirst::new(user.id.clone(), reason, stored, now)))
}

/// The session of somebody who proved at `now` that they know the password that was set at `set_at`; `with` is what their
/// browser calls itself, and its address.
pub(super) fn session(app: &App, user: UserId, with: (&str, &str), now: UnixMillis, set_at: UnixMillis) -> Facts {
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    Facts {
        id: SessionId::fresh(),
        user,
        auth_time: now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec!["pwd".to_owned()],
        user_agent: cut(with.0),
        address: cut(with.1),
        created_at: now,
        expires_at: now.plus(app.session_absolute()),
        last_used_at: None,
        password_at: Some(set_at),
        through: None,
    }
}

/// The one account that an identifier means somewhere, if it means exactly one.
pub(super) async fn the_one_meant(
    conn: &mut Conn,
    identifier: &str,
    context: &Context,
) -> Result<Option<Candidate>, sqlx::Error> {
    Ok(choose(candidates(conn, identifier, context).await?, context))
}

async fn candidates(conn: &mut Conn, identifier: &str, context: &Context) -> Result<Vec<Candidate>, sqlx::Error> {
    let key = identifier::key(identifier);
    if key.is_empty() || key.len() > 320 {
        return Ok(Vec::new());
    }
    match context {
        Context::None | Context::Operator => users::candidates(conn, &key).await,
        Context::Org(org) => users::candidates_in_org(conn, org, &key).await,
        Context::Unknown => Ok(Vec::new()),
    }
}

/// Without context: the own account, else the one managed account. In an organisation: its managed user, else the own
/// account of a member. Operators sign in as such, or where nobody else has the name.
fn choose(candidates: Vec<Candidate>, context: &Context) -> Option<Candidate> {
    let (mut own, mut managed, mut operators) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate.kind {
            Kind::Own => own.push(candidate),
            Kind::Managed(_) => managed.push(candidate),
            Kind::Operator => operators.push(candidate),
            Kind::Service(..) => {} // it has no identifier, and no way in here
        }
    }
    let order = match context {
        Context::None => [own, managed, operators],
        Context::Org(_) => [managed, own, Vec::new()],
        Context::Operator => [operators, Vec::new(), Vec::new()],
        Context::Unknown => return None,
    };
    let first = order.into_iter().find(|some| !some.is_empty())?;
    // Ambiguous counts as unknown.
    <[Candidate; 1]>::try_from(first).ok().map(|[one]| one)
}

/// What was found out about a password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Wrong,
    Right,
    /// Right, but it must be changed first.
    Outworn,
}

/// When guessing is stopped.
pub(super) fn lock_rule(app: &App) -> Rule {
    let passwords = &app.config.passwords;
    Rule {
        failures: passwords.lock_failures,
        window: passwords.lock_window_secs * SECOND,
        lock: passwords.lock_secs * SECOND,
    }
}

/// What an event tells of an identifier that was typed, and of the address. Not what was typed, which may be a password
/// in the wrong field: only that the same thing was typed again.
pub(super) fn detail(identifier: &str, address: &str) -> String {
    let typed = Digest::of(identifier::key(identifier).as_bytes()).base64url();
    serde_json::json!({ "identifier": &typed[..12], "address": address }).to_string()
}

/// One write in every case: the counter of the account, if there is one, and an event.
async fn settle(
    app: &App,
    chosen: Option<Candidate>,
    found: Found,
    attempt: &Attempt,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let rule = lock_rule(app);
    let (detail, fallback) = (detail(&attempt.identifier, &attempt.address), links::fallback(app));
    let (agent, address) = (attempt.user_agent.clone(), attempt.address.clone());
    let user = chosen.map(|candidate| candidate.id);
    let whose = user.clone();
    let settled: Result<(bool, bool), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (mut accepted, mut locked) = (false, false);
                match &user {
                    // Refused if it was locked or barred between reading and now.
                    Some(id) if found != Found::Wrong => accepted = users::count_success(tx, id, now).await?,
                    Some(id) => locked = users::count_failure(tx, id, rule, now).await?,
                    None => locked = users::count_failure(tx, &UserId::from_u128(0), rule, now).await?,
                }
                let kind = match (accepted, found) {
                    (false, _) => "sign_in.refused",
                    (true, Found::Outworn) => "sign_in.change_first",
                    (true, _) => "sign_in.accepted",
                };
                if let Some(id) = user.as_ref().filter(|_| accepted && found == Found::Right) {
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
    if let Some(user) = whose.filter(|_| locked) {
        tell_of_lock(app, user, now.plus(rule.lock), now);
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
        let renewed: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { users::rehash(tx, &user, &old, &new).await })).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "a password's hash was not renewed");
        }
    });
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
    use crate::domain::people::lockout::Counter;

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

    fn candidate(number: u128, kind: Kind) -> Candidate {
        let id = UserId::from_u128(number);
        Candidate {
            id,
            kind,
            state: UserState::Active,
            password: None,
            must_change: false,
            counter: Counter::default(),
            password_at: UnixMillis(0),
            barred: false,
        }
    }

    #[test]
    fn without_context_the_own_account_comes_first_and_two_managed_ones_are_nobody() {
        let managed = |n: u128| candidate(n, Kind::Managed(OrgId::from_u128(n)));
        let chosen = |all: Vec<Candidate>, context: &Context| choose(all, context).map(|c| c.id);
        let own = || candidate(9, Kind::Own);
        assert_eq!(chosen(vec![managed(1), own()], &Context::None), Some(UserId::from_u128(9)));
        assert_eq!(chosen(vec![managed(1)], &Context::None), Some(UserId::from_u128(1)));
        assert_eq!(chosen(vec![managed(1), managed(2)], &Context::None), None);
        let org = Context::Org(OrgId::from_u128(1));
        assert_eq!(chosen(vec![managed(1), own()], &org), Some(UserId::from_u128(1)));
        assert_eq!(
            chosen(vec![managed(1), candidate(7, Kind::Operator)], &Context::Operator),
            Some(UserId::from_u128(7))
        );
        assert_eq!(chosen(vec![own()], &Context::Unknown), None);
    }
}
