//! A person's own account: what they may change of it, and their changes of names, e-mail address and phone number.
//!
//! What a connection says, and what the organisation keeps to itself, is locked, with the reason. The e-mail address
//! and the phone number are ways into the account: they ask for the password again. A new address counts when the link
//! that was sent there comes back, and it is the link's own row that says which address that is.

use std::collections::BTreeSet;

use super::change_access::{Refusal, change_access_from, not_managed};
use super::links::{self, Dead, Wanted};
use super::{Fault, change_password, forgotten, guard};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::mail::{Address, Purpose, Template};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::user::{Kind, UserState};
use crate::domain::settings::OwnData;
use crate::kernel::fold;
use crate::kernel::id::UserId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{DAY, HOUR, SECOND};
use crate::store::db::Conn;
use crate::store::users::{self, User};
use crate::store::{connections, links as sent, orgs};

/// How long the link to a new address lives, in milliseconds.
pub const LIFE: i64 = DAY;
/// So many links are sent for one account, and to one address, in an hour.
const MOST_LINKS: i64 = 3;
/// Why something is locked that the organisation keeps to itself.
const KEPT: &str = "Your organisation looks after this. Ask an administrator to change it.";
/// Whoever holds the link to a new address.
const HOLDER: Actor = Actor::Link("confirm_email");

/// What of an account its person can't change, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// Names, language, time zone.
    pub profile: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
}

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It is locked, and why.
    #[error("{0}")]
    Locked(String),
    /// What was typed is not the password, or the account is locked.
    #[error("that isn't your password")]
    WrongPassword,
    /// Too much was asked for.
    #[error("too many links were sent")]
    Paused {
        /// When to come back.
        seconds: i64,
    },
    /// The link is good for nothing.
    #[error("the link is dead")]
    Dead(Dead),
    /// The door's refusal, or what was typed can't be meant so.
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

impl From<Refusal> for NotChanged {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            other => Self::Refused(other),
        }
    }
}

/// The names of a person and how they are spoken to, as typed; empty is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The whole name.
    pub name: String,
    /// First name.
    pub given_name: String,
    /// Surname.
    pub family_name: String,
    /// The language, as a BCP 47 tag.
    pub locale: String,
    /// The time zone, as the tz database names it.
    pub zoneinfo: String,
}

/// What of an account its person can't change.
///
/// # Errors
/// The database's.
pub async fn locks(conn: &mut Conn, user: &User) -> Result<Locks, sqlx::Error> {
    if let Some(connection) = user.source.connection() {
        let name = connections::name_of(conn, connection).await?;
        let reason = Some(format!("Managed by {}. Change it there.", name.as_deref().unwrap_or(connection)));
        return Ok(Locks { profile: reason.clone(), password: reason.clone(), email: reason.clone(), phone: reason });
    }
    let free: BTreeSet<OwnData> = match &user.kind {
        Kind::Own | Kind::Operator => OwnData::ALL.into(),
        Kind::Managed(org) => orgs::settings(conn, org).await?.own_data,
        Kind::Service(..) => BTreeSet::new(),
    };
    let lock = |data: OwnData| (!free.contains(&data)).then(|| KEPT.to_owned());
    Ok(Locks {
        profile: lock(OwnData::Profile),
        password: lock(OwnData::Password),
        email: lock(OwnData::Email),
        phone: lock(OwnData::Phone),
    })
}

/// Replaces the names of somebody who is signed in.
///
/// # Errors
/// See [`NotChanged`].
pub async fn set_names(
    app: &App,
    user: &UserId,
    names: Names,
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, NotChanged> {
    let mut conn = app.db.read().await?;
    let user = here(&mut conn, user).await?;
    not_managed(&mut conn, &user.source).await?;
    if let Some(reason) = locks(&mut conn, &user).await?.profile {
        return Err(NotChanged::Locked(reason));
    }
    let profile = Profile {
        name: typed(&names.name),
        given_name: typed(&names.given_name),
        family_name: typed(&names.family_name),
        locale: tag("locale", &names.locale)?,
        zoneinfo: tag("zoneinfo", &names.zoneinfo)?,
        ..user.profile.clone()
    };
    drop(conn);
    save(app, &user, profile, origin, mode).await
}

/// Replaces the phone number of somebody who is signed in and types their password again; an empty one is none. With the
/// password comes the value of the browser's cookie for accounts that know it.
///
/// # Errors
/// See [`NotChanged`].
pub async fn set_phone(
    app: &App,
    user: &UserId,
    phone: &str,
    password: (&Secret, Option<&Secret>),
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, NotChanged> {
    let mut conn = app.db.read().await?;
    let user = here(&mut conn, user).await?;
    not_managed(&mut conn, &user.source).await?;
    if let Some(reason) = locks(&mut conn, &user).await?.phone {
        return Err(NotChanged::Locked(reason));
    }
    let phone = typed(phone);
    if let Some(phone) = &phone {
        identifier::check_phone(phone).map_err(|reason| invalid("phone", reason))?;
    }
    drop(conn);
    prove(app, &user, password, origin).await?;
    let verified = user.profile.phone_number_verified && phone == user.profile.phone_number;
    let profile = Profile { phone_number: phone, phone_number_verified: verified, ..user.profile.clone() };
    save(app, &user, profile, origin, mode).await
}

/// Sends a link to the new address of somebody who is signed in and types their password again, as for [`set_phone`].
/// Nothing changes before it comes back.
///
/// # Errors
/// See [`NotChanged`].
pub async fn ask_for_email(
    app: &App,
    user: &UserId,
    email: &str,
    password: (&Secret, Option<&Secret>),
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, NotChanged> {
    let email = email.trim();
    let user = {
        let mut conn = app.db.read().await?;
        let user = here(&mut conn, user).await?;
        not_managed(&mut conn, &user.source).await?;
        if let Some(reason) = locks(&mut conn, &user).await?.email {
            return Err(NotChanged::Locked(reason));
        }
        user
    };
    identifier::check_email(email).map_err(|reason| invalid("email", reason))?;
    let proven = user.profile.email_verified;
    if proven && user.profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(email)) {
        return Err(invalid("email", "This is your address already.").into());
    }
    prove(app, &user, password, origin).await?;
    within_limits(app, &user, email, origin).await?;
    let org = user.kind.org().cloned();
    let language = links::language_for(app, &mut app.db.read().await?, Some(&user), org.as_ref()).await?;
    let wanted = Wanted {
        purpose: Purpose::ConfirmEmail,
        template: Template::ConfirmEmail,
        to: Address::Email(email.to_owned()),
        language,
        org,
        life: LIFE,
        values: forgotten::values(&user),
    };
    let link = Box::new(links::mint(app, wanted));
    let change = Change::SendLink { user: user.id.clone(), link };
    Ok(change_access_from(app, &Actor::User(user.id.clone()), origin, vec![change], mode).await?)
}

/// A new address that waits to be confirmed, and whose it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAddress {
    /// The address that the link was sent to.
    pub email: String,
    /// The account.
    pub user: UserId,
    /// Its user name.
    pub user_name: String,
}

/// What a link to a new address would confirm. Nothing is used up.
///
/// # Errors
/// The database's.
pub async fn seen(app: &App, secret: &Secret) -> Result<Result<NewAddress, Dead>, Fault> {
    let mut conn = app.db.read().await?;
    let link = match links::find(&mut conn, secret, Purpose::ConfirmEmail, app.now()).await? {
        Ok(link) => link,
        Err(dead) => return Ok(Err(dead)),
    };
    let Some(id) = &link.user else { return Ok(Err(Dead::Unknown)) };
    let found = users::find(&mut conn, id).await?.filter(|user| user.state == UserState::Active);
    let Some(user) = found else { return Ok(Err(Dead::Withdrawn)) };
    // The organisation, or a connection, may keep the address to itself by now.
    if locks(&mut conn, &user).await?.email.is_some() {
        return Ok(Err(Dead::Withdrawn));
    }
    Ok(Ok(NewAddress { email: link.address, user: user.id, user_name: user.user_name }))
}

/// Makes the address that the link was sent to the account's; the link is used up, and every session ends.
///
/// # Errors
/// See [`NotChanged`]; the link stays good unless it was used.
pub async fn confirm_email(app: &App, secret: &Secret, origin: &Origin) -> Result<NewAddress, NotChanged> {
    let new = seen(app, secret).await?.map_err(NotChanged::Dead)?;
    let change = Change::ConfirmEmail { user: new.user.clone(), link: secret.digest() };
    match change_access_from(app, &HOLDER, origin, vec![change], Mode::Act).await {
        Ok(_) => Ok(new),
        Err(Refusal::Store(error)) => Err(error.into()),
        // Somebody was quicker: what the link is now says it. Else the address is somebody else's.
        Err(refusal) => match seen(app, secret).await? {
            Err(dead) => Err(NotChanged::Dead(dead)),
            Ok(_) => Err(NotChanged::Refused(refusal)),
        },
    }
}

/// Whether somebody who is signed in knows their password still. A wrong guess counts like one at the sign-in.
async fn prove(
    app: &App,
    user: &User,
    password: (&Secret, Option<&Secret>),
    origin: &Origin,
) -> Result<(), NotChanged> {
    match change_password::proven(app, &user.id, password, origin).await? {
        Some(_) => Ok(()),
        None => Err(NotChanged::WrongPassword),
    }
}

/// Whether one more link may be sent: by this network, for this account, and to this address.
async fn within_limits(app: &App, user: &User, email: &str, origin: &Origin) -> Result<(), NotChanged> {
    if let Some(forgotten::Asked::Paused { seconds }) = forgotten::count(app, &origin.address).await? {
        return Err(NotChanged::Paused { seconds });
    }
    let to = Digest::of(fold::key(email).as_bytes()).base64url();
    let keys = [format!("email of {}", user.id), format!("email to {to}")];
    if let Some(seconds) = guard::count(app, &keys, MOST_LINKS, HOUR).await? {
        return Err(NotChanged::Paused { seconds });
    }
    let since = app.now().minus(HOUR);
    let mut conn = app.db.read().await?;
    let many = [
        sent::count_of(&mut conn, &user.id, Purpose::ConfirmEmail, since).await?,
        sent::count_to(&mut conn, email, since).await?,
    ];
    if many.into_iter().any(|many| many >= MOST_LINKS) {
        return Err(NotChanged::Paused { seconds: HOUR / SECOND });
    }
    Ok(())
}

/// The account of somebody who is signed in.
async fn here(conn: &mut Conn, user: &UserId) -> Result<User, NotChanged> {
    let found = users::find(conn, user).await?.filter(|user| user.state == UserState::Active);
    found.ok_or_else(|| NotChanged::Refused(Refusal::NotFound("Your account".to_owned())))
}

/// Asks the door, which looks once more whether the person may. It refuses an address that isn't the one of now, so that
/// none comes back that was changed meanwhile.
async fn save(app: &App, user: &User, profile: Profile, origin: &Origin, mode: Mode) -> Result<Receipt, NotChanged> {
    let profile = Box::new(Profile { updated_at: app.now().seconds(), ..profile });
    let change = Change::SetProfile { user: user.id.clone(), user_name: user.user_name.clone(), profile };
    Ok(change_access_from(app, &Actor::User(user.id.clone()), origin, vec![change], mode).await?)
}

fn typed(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A language or a time zone: a short word for programs.
fn tag(field: &'static str, text: &str) -> Result<Option<String>, Refusal> {
    let text = typed(text);
    let good = |c: char| c.is_ascii_alphanumeric() || "-_+/".contains(c);
    match &text {
        Some(word) if word.len() > 64 || !word.chars().all(good) => {
            Err(invalid(field, "Use letters, digits and - _ + / only."))
        }
        Some(_) | None => Ok(text),
    }
}

fn invalid(field: &'static str, reason: &str) -> Refusal {
    Refusal::Invalid { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_and_a_time_zone_are_words_for_programs() {
        assert_eq!(tag("zoneinfo", " Asia/Seoul ").ok().flatten().as_deref(), Some("Asia/Seoul"));
        assert_eq!(tag("locale", "ko-KR").ok().flatten().as_deref(), Some("ko-KR"));
        assert!(matches!(tag("locale", ""), Ok(None)));
        for bad in ["<b>", "ko KR", "ko\nKR", &"x".repeat(65)] {
            assert!(tag("locale", bad).is_err(), "{bad:?}");
        }
    }
}
