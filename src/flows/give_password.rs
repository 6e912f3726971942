//! Giving somebody a password who belongs to the organisation: by a mailed link, made by Muster, or set by an
//! administrator; the first one and every later one.

use std::collections::BTreeMap;

use super::change_access::{Refusal, change_access_from, not_managed};
use super::links::{self, Wanted};
use super::new_password::{self, Unfit};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::mail::{Address, NewLink, Purpose, Template};
use crate::domain::people::password::{self, About, Rules, Shortfall};
use crate::domain::people::user::{AccessType, Kind, UserState};
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::MINUTE;
use crate::outside::hasher::Busy;
use crate::store::users::{self, User};
use crate::store::{memberships, orgs};

/// What stands for a hash in a trial: the password was checked, and is kept by nobody.
const NOT_HASHED: &str = "$none";

/// The first password of an account, or its next.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The person sets it, by a one-time link that is mailed.
    Link,
    /// Muster makes one, to be shown once.
    Generated,
    /// The administrator's choice.
    Set(Secret),
    /// None yet, and nobody is told: the account waits.
    Nothing,
}

/// Why somebody was not registered, or got no password.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// A field that can't be meant so.
    #[error("{field}: {reason}")]
    Invalid {
        /// Its name.
        field: String,
        /// What to do.
        reason: String,
    },
    /// The password falls short, in all of these ways.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// The door refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl From<sqlx::Error> for NotRegistered {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(Refusal::Store(error))
    }
}

impl From<Unfit> for NotRegistered {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Short(found) => Self::Short(found),
            Unfit::Busy(busy) => Self::Busy(busy),
            Unfit::Store(error) => error.into(),
        }
    }
}

/// A credential, made ready for the changes that give it.
#[derive(Clone, Debug)]
pub enum Ready {
    /// The link, with its mail.
    Link(Box<NewLink>),
    /// The hash of a password.
    Password(String),
    /// None.
    Nothing,
}

impl Ready {
    /// The changes that give it to somebody who is there. A password that is set opens an account that waited for one.
    #[must_use]
    pub fn changes(&self, user: &UserId, state: UserState, must_change: bool) -> Vec<Change> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Link(link) => vec![Change::SendLink { user: user.clone(), link: link.clone() }],
            Self::Password(hash) => {
                let (user, password) = (user.clone(), hash.clone());
                let opens = (state == UserState::Pending)
                    .then(|| Change::SetUserState { user: user.clone(), state: UserState::Active });
                let mut changes = vec![Change::ResetPassword { user, password, must_change }];
                changes.extend(opens);
                changes
            }
        }
    }
}

/// Makes a credential ready for an account that isn't there yet: mints the link, or checks and hashes the password. In
/// a trial nothing is hashed. A password that was made comes with it, to be shown once.
///
/// # Errors
/// There is no address for a link, the password falls short, or too many wait to be hashed.
pub async fn prepare_new(
    app: &App,
    user: &User,
    credential: &Credential,
    mode: Mode,
) -> Result<(Ready, Option<Secret>), NotRegistered> {
    let (password, shown) = match credential {
        Credential::Nothing => return Ok((Ready::Nothing, None)),
        Credential::Link => return Ok((Ready::Link(Box::new(link(app, user).await?)), None)),
        Credential::Set(password) => (password.clone(), None),
        Credential::Generated => shown(made(app, user).await?),
    };
    let (rules, about) = bounds(app, user).await?;
    if mode == Mode::DryRun {
        let found = password::check(&rules, password.expose(), &about);
        if !found.is_empty() {
            return Err(NotRegistered::Short(found));
        }
        return Ok((Ready::Password(NOT_HASHED.to_owned()), shown));
    }
    let hash = new_password::hash(app, password, &rules, &about).await?;
    Ok((Ready::Password(hash), shown))
}

/// As [`prepare_new`], for an account that is there: the passwords that it had count, too.
///
/// # Errors
/// As [`prepare_new`].
pub async fn prepare(
    app: &App,
    user: &User,
    credential: &Credential,
) -> Result<(Ready, Option<Secret>), NotRegistered> {
    not_managed(&mut app.db.read().await?, &user.source).await.map_err(NotRegistered::Refused)?;
    let (password, shown) = match credential {
        Credential::Nothing => return Ok((Ready::Nothing, None)),
        Credential::Link => return Ok((Ready::Link(Box::new(link(app, user).await?)), None)),
        Credential::Set(password) => (password.clone(), None),
        Credential::Generated => shown(made(app, user).await?),
    };
    let hash = new_password::for_account(app, &user.id, password, false).await?;
    Ok((Ready::Password(hash), shown))
}

fn shown(password: Secret) -> (Secret, Option<Secret>) {
    (password.clone(), Some(password))
}

/// A password that keeps the rules.
async fn made(app: &App, user: &User) -> Result<Secret, sqlx::Error> {
    let (rules, about) = bounds(app, user).await?;
    Ok(password::generate(&*app.chance, &rules, &about))
}

async fn bounds(app: &App, user: &User) -> Result<(Rules, About), sqlx::Error> {
    let mut conn = app.db.read().await?;
    let rules = new_password::rules_of(app, &mut conn, &user.kind).await?;
    Ok((rules, new_password::about(&mut conn, user).await?))
}

/// The link for an account: for its first password while it waits for one, else for a new one.
async fn link(app: &App, user: &User) -> Result<NewLink, Refusal> {
    let first = user.state == UserState::Pending;
    let (purpose, template) = if first {
        (Purpose::SetPassword, Template::SetPassword)
    } else {
        (Purpose::ResetPassword, Template::ResetByAdmin)
    };
    mint(app, user, purpose, template).await
}

async fn mint(app: &App, user: &User, purpose: Purpose, template: Template) -> Result<NewLink, Refusal> {
    let Some(email) = user.profile.email.clone() else {
        let reason = "A link is sent by mail: give an e-mail address.".to_owned();
        return Err(Refusal::Invalid { field: "email", reason });
    };
    let org = user.kind.org().cloned();
    let mut conn = app.db.read().await?;
    let language = links::language_for(app, &mut conn, Some(user), org.as_ref()).await?;
    let life = match (&org, purpose) {
        (Some(org), Purpose::SetPassword) => orgs::settings(&mut conn, org).await?.invitations.link_life(),
        _ => app.config.passwords.reset_minutes * MINUTE,
    };
    let values =
        BTreeMap::from([("name".to_owned(), user.name.clone()), ("user_name".to_owned(), user.user_name.clone())]);
    let to = Address::Email(email);
    Ok(links::mint(app, Wanted { purpose, template, to, language, org, life, values }))
}

/// Sends the link for the first password again, with seven new days; the one before is dead. The door says when that may
/// be: a minute apart, and five mails a day.
///
/// # Errors
/// The account waits for no password, has no address, or too many were sent; or the door's refusal.
pub async fn send_link_again(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    member: &MembershipId,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let mut conn = app.db.read().await?;
    let not_found = || Refusal::NotFound("The user".to_owned());
    let found = memberships::find(&mut conn, org, member).await?.ok_or_else(not_found)?;
    let user = users::find(&mut conn, &found.user).await?.ok_or_else(not_found)?;
    not_managed(&mut conn, &user.source).await?;
    let by_keys = users::access_type(&mut conn, &user.id).await? == Some(AccessType::Key);
    drop(conn);
    if by_keys || user.state != UserState::Pending || user.kind != Kind::Managed(org.clone()) {
        return Err(Refusal::Conflict("The account does not wait for its first password".to_owned()));
    }
    let link = Box::new(mint(app, &user, Purpose::SetPassword, Template::SetPasswordAgain).await?);
    change_access_from(app, actor, origin, vec![Change::SendLink { user: user.id, link }], mode).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_an_account_that_waited_and_revives_nobody() {
        let user = UserId::from_u128(1);
        let ready = Ready::Password("h".to_owned());
        assert_eq!(ready.changes(&user, UserState::Pending, true).len(), 2);
        assert_eq!(ready.changes(&user, UserState::Suspended, true).len(), 1);
        assert!(Ready::Nothing.changes(&user, UserState::Pending, true).is_empty());
    }
}
