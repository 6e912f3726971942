//! A password that is set with a mailed link: the first one of a registered account, and what every such link has in
//! common.
//!
//! Looking at a link changes nothing, so that programs which look into mail may. Its secret is presented anew with the
//! password: no step remembers that another was taken, so none can be left out (E2).

use super::Fault;
use super::change_access::{Refusal, change_access_from};
use super::device;
use super::forgotten::{self, Asked};
use super::links::{self, Dead, Wanted};
use super::new_password::{self, Unfit};
use super::sign_in::OPERATOR_SLUG;
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::mail::{Address, NewLink, Purpose, Template};
use crate::domain::people::password::{Rules, Shortfall};
use crate::domain::people::user::{AccessType, Kind, OrgState, UserState};
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::kernel::time::HOUR;
use crate::outside::hasher::Busy;
use crate::store::db::Conn;
use crate::store::links::{self as sent, Link};
use crate::store::orgs::{self, Org};
use crate::store::users::{self, User};

/// So often an hour a password is tried with one link.
const MOST_TRIES: u32 = 100;
/// Whoever holds the link for a first password.
pub(super) const HOLDER: Actor = Actor::Link("set_password");

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum NotSet {
    /// The link is good for nothing.
    #[error("the link is dead")]
    Dead(Dead),
    /// The password falls short of the rules, in all of these ways.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// The hash pool is full, or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sqlx::Error> for NotSet {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Busy> for NotSet {
    fn from(busy: Busy) -> Self {
        Self::Fault(busy.into())
    }
}

impl From<Unfit> for NotSet {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Short(found) => Self::Short(found),
            Unfit::Busy(busy) => busy.into(),
            Unfit::Store(error) => error.into(),
        }
    }
}

/// Whose link it is, and what they may do with it.
pub(super) struct Holder {
    user: User,
    org: Option<Org>,
    address: String,
    /// What the password must be like.
    pub(super) rules: Rules,
}

/// Whoever holds a good link of a purpose.
pub(super) async fn holder(app: &App, secret: &Secret, purpose: Purpose) -> Result<Result<Holder, Dead>, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let link = match links::find(&mut conn, secret, purpose, app.now()).await? {
        Ok(link) => link,
        Err(dead) => return Ok(Err(dead)),
    };
    let Some((user, org)) = account(&mut conn, &link, purpose).await? else {
        return Ok(Err(Dead::Withdrawn));
    };
    let rules = new_password::rules_of(app, &mut conn, &user.kind).await?;
    Ok(Ok(Holder { user, org, address: link.address, rules }))
}

/// The account of a link, if the link can do anything for it now.
async fn account(conn: &mut Conn, link: &Link, purpose: Purpose) -> Result<Option<(User, Option<Org>)>, sqlx::Error> {
    let Some(id) = &link.user else { return Ok(None) };
    let wanted = if purpose == Purpose::SetPassword { UserState::Pending } else { UserState::Active };
    let found = users::find(conn, id).await?;
    let its_own = |user: &User| user.source.connection().is_none() && user.is_at(&link.address);
    let Some(user) = found.filter(|user| user.state == wanted && its_own(user)) else {
        return Ok(None);
    };
    if users::access_type(conn, id).await? != Some(AccessType::Password) {
        return Ok(None);
    }
    let org = match user.kind.org() {
        None => None,
        Some(org) => match orgs::find(conn, org).await?.filter(|org| org.state == OrgState::Active) {
            Some(org) => Some(org),
            None => return Ok(None),
        },
    };
    Ok(Some((user, org)))
}

/// Sets a password with a link of a purpose; the slug under which its holder signs in, if there is one.
pub(super) async fn by_link(
    app: &App,
    link: (&Secret, Purpose),
    new: Secret,
    actor: &Actor,
    origin: &Origin,
) -> Result<Option<String>, NotSet> {
    let (secret, purpose) = link;
    let holder = holder(app, secret, purpose).await?.map_err(NotSet::Dead)?;
    // Each try may be compared with every password that the account had before.
    if device::count(app, &format!("link {}", secret.digest().base64url()), MOST_TRIES, HOUR).is_some() {
        return Err(Busy { retry_after_secs: 3600 }.into());
    }
    let user = holder.user.id;
    let password = new_password::for_account(app, &user, new, false).await?;
    let change = Change::SetPasswordByLink { user, link: secret.digest(), password };
    match change_access_from(app, actor, origin, vec![change], Mode::Act).await {
        Ok(_) if holder.user.kind == Kind::Operator => Ok(Some(OPERATOR_SLUG.to_owned())),
        Ok(_) => Ok(holder.org.map(|org| org.slug)),
        Err(Refusal::Store(error)) => Err(error.into()),
        // Somebody was quicker, or it was taken back meanwhile: what the link is now says which.
        Err(_) => {
            let now = links::find(&mut app.db.read().await?, secret, purpose, app.now()).await?;
            Err(NotSet::Dead(now.err().unwrap_or(Dead::Withdrawn)))
        }
    }
}

/// What the page of a first password shows: all of it was said by whoever registered the person.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The whole name.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// The organisation's name.
    pub organisation: String,
    /// The e-mail address.
    pub email: String,
    /// What the password must be like.
    pub rules: Rules,
}

/// Whose first password a link is for. Nothing is used up.
///
/// # Errors
/// The database's.
pub async fn seen(app: &App, secret: &Secret) -> Result<Result<Welcome, Dead>, Fault> {
    Ok(holder(app, secret, Purpose::SetPassword).await?.map(|holder| Welcome {
        name: holder.user.name,
        user_name: holder.user.user_name,
        organisation: holder.org.map(|org| org.name).unwrap_or_default(),
        email: holder.user.profile.email.unwrap_or(holder.address),
        rules: holder.rules,
    }))
}

/// Sets the first password; the account is active from then on. The slug of the organisation where its holder signs in.
///
/// # Errors
/// See [`NotSet`]; the link stays good unless somebody else used it.
pub async fn set(app: &App, secret: &Secret, new: Secret, origin: &Origin) -> Result<Option<String>, NotSet> {
    by_link(app, (secret, Purpose::SetPassword), new, &HOLDER, origin).await
}

/// Sends a new link to where the expired one had gone, if the account still waits for its first password and the limits of
/// every resend allow it. Whoever asks isn't told whether one was sent.
///
/// # Errors
/// The database's.
pub async fn send_again(app: &App, secret: &Secret, origin: &Origin) -> Result<Asked, Fault> {
    if let Some(paused) = forgotten::count(app, &origin.address).await? {
        return Ok(paused);
    }
    let Some((user, link)) = again(app, secret).await? else { return Ok(Asked::Done) };
    let change = Change::SendLink { user, link: Box::new(link) };
    match change_access_from(app, &HOLDER, origin, vec![change], Mode::Act).await {
        Ok(_) => {}
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(refusal) => tracing::warn!(%refusal, "a link for a first password was not sent again"),
    }
    Ok(Asked::Done)
}

async fn again(app: &App, secret: &Secret) -> Result<Option<(UserId, NewLink)>, sqlx::Error> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let Err(Dead::Expired { .. }) = links::find(&mut conn, secret, Purpose::SetPassword, now).await? else {
        return Ok(None);
    };
    let Some(link) = sent::find(&mut conn, secret.digest()).await? else { return Ok(None) };
    let Some((user, _)) = account(&mut conn, &link, Purpose::SetPassword).await? else { return Ok(None) };
    // An address that was changed since is not told to whoever holds the old link.
    if user.profile.email.as_ref() != Some(&link.address) {
        return Ok(None);
    }
    let new = another(app, &mut conn, &user).await?;
    Ok(new.map(|new| (user.id, new)))
}

/// One more link for a first password, if the account waits for one. Whether enough time went by is the door's to judge.
pub(super) async fn another(app: &App, conn: &mut Conn, user: &User) -> Result<Option<NewLink>, sqlx::Error> {
    let (Kind::Managed(org), Some(email)) = (&user.kind, user.profile.email.clone()) else { return Ok(None) };
    if user.state != UserState::Pending || user.source.connection().is_some() {
        return Ok(None);
    }
    // Only who was sent one gets another: an account that waits without a link waits for its administrator.
    if sent::last_of(conn, &user.id, Purpose::SetPassword).await?.is_none() {
        return Ok(None);
    }
    let language = links::language_for(app, conn, Some(user), Some(org)).await?;
    let wanted = Wanted {
        purpose: Purpose::SetPassword,
        template: Template::SetPasswordAgain,
        to: Address::Email(email),
        language,
        org: Some(org.clone()),
        life: orgs::settings(conn, org).await?.invitations.link_life(),
        values: forgotten::values(user),
    };
    Ok(Some(links::mint(app, wanted)))
}
