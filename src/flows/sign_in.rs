//! Sign-in by user name, e-mail address or phone number, and password.
//!
//! Exactly one candidate is chosen before exactly one hash and exactly one write: unknown, wrong, ambiguous, pending,
//! disabled and locked all get the same answer in the same time.

use super::Fault;
use crate::app::App;
use crate::domain::people::identifier;
use crate::domain::people::lockout::Rule;
use crate::domain::people::user::{Kind, UserState};
use crate::kernel::id::{OrgId, SessionId, UserId};
use crate::kernel::secret::{Digest, Secret};
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

/// The longest password that is hashed, in bytes: more is refused before any work (K9).
const LONGEST: usize = 512;

/// Signs in; `None` is the one refusal for every reason.
///
/// # Errors
/// The queue before the hash pool is full, or the database's.
pub async fn with_password(app: &App, attempt: Attempt) -> Result<Option<Facts>, Fault> {
    let now = app.now();
    let chosen = {
        let mut conn = app.db.read().await?;
        choose(candidates(&mut conn, &attempt).await?, &attempt.context)
    };
    let usable = chosen.as_ref().filter(|user| user.state == UserState::Active && !user.must_change);
    let stored = usable.filter(|user| !user.counter.locked(now)).and_then(|user| user.password.clone());
    let password =
        if attempt.password.expose().len() > LONGEST { Secret::presented("") } else { attempt.password.clone() };
    let verified = app.hasher.verify(stored.clone(), password.clone()).await?;
    let matches = verified.matches && !password.expose().is_empty();
    let user = usable.map(|user| user.id.clone());
    let accepted = settle(app, chosen, matches && stored.is_some(), &attempt, now).await?;
    let Some(user) = user.filter(|_| accepted) else {
        return Ok(None);
    };
    if verified.outdated
        && let Some(old) = stored
    {
        rehash(app, user.clone(), old, password);
    }
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    Ok(Some(Facts {
        id: SessionId::fresh(),
        user,
        auth_time: now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec!["pwd".to_owned()],
        user_agent: cut(&attempt.user_agent),
        address: cut(&attempt.address),
        created_at: now,
        expires_at: now.plus(app.session_absolute()),
        last_used_at: None,
    }))
}

async fn candidates(conn: &mut Conn, attempt: &Attempt) -> Result<Vec<Candidate>, sqlx::Error> {
    let key = identifier::key(&attempt.identifier);
    if key.is_empty() || key.len() > 320 {
        return Ok(Vec::new());
    }
    match &attempt.context {
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

/// One write in every case: the counter of the account, if there is one, and an event.
async fn settle(
    app: &App,
    chosen: Option<Candidate>,
    matches: bool,
    attempt: &Attempt,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let passwords = &app.config.passwords;
    let rule = Rule {
        failures: passwords.lock_failures,
        window: passwords.lock_window_secs * SECOND,
        lock: passwords.lock_secs * SECOND,
    };
    // Not what was typed, which may be a password in the wrong field: only that the same thing was typed again.
    let typed = Digest::of(identifier::key(&attempt.identifier).as_bytes()).base64url();
    let detail = serde_json::json!({ "identifier": &typed[..12], "address": attempt.address }).to_string();
    let user = chosen.map(|candidate| candidate.id);
    let accepted: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let mut accepted = false;
                match &user {
                    // Refused if it was locked or barred between reading and now.
                    Some(id) if matches => accepted = users::count_success(tx, id, now).await?,
                    Some(id) => users::count_failure(tx, id, rule, now).await?,
                    None => users::count_failure(tx, &UserId::from_u128(0), rule, now).await?,
                }
                let kind = if accepted { "sign_in.accepted" } else { "sign_in.refused" };
                let user = user.map(UserId::into_string);
                note(tx, &Event { at: now, kind, org: None, user, application: None, detail }).await?;
                Ok(accepted)
            })
        })
        .await;
    Ok(accepted?)
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

    fn candidate(number: u128, kind: Kind) -> Candidate {
        let id = UserId::from_u128(number);
        Candidate {
            id,
            kind,
            state: UserState::Active,
            password: None,
            must_change: false,
            counter: Counter::default(),
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
