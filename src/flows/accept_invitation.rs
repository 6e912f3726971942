//! Accepting an invitation, or saying no to it: by the mailed link, or signed in with the account that has its address.
//!
//! Looking changes nothing. Whether somebody may is decided by the door, at the moment of the acceptance; here it is
//! found out beforehand what there is to say.

use super::change_access::{Refusal, change_access, change_access_from};
use super::links::{self, Dead};
use super::new_password::{self, Unfit};
use super::{Fault, invite};
use crate::app::App;
use crate::domain::access::Scope;
use crate::domain::change::{Actor, Change, Mode, NewUser, Origin, Presented, Receipt};
use crate::domain::mail::Purpose;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::invitation::{Act, Offered, State};
use crate::domain::people::password::{self, About, Shortfall};
use crate::domain::people::user::{Kind, OrgState, UserState};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::invitations::{self, Invitation};
use crate::store::orgs::{self, Org};
use crate::store::users::{self, User};
use crate::store::{bindings, groups};

/// Whoever holds an invitation's link and is not signed in.
const HOLDER: Actor = Actor::Link("invitation");

/// A role that an invitation offers, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedRole {
    /// What people call the role.
    pub role: String,
    /// On what.
    pub on: String,
    /// Until when, if it ends.
    pub until: Option<UnixMillis>,
}

/// An invitation that waits for an answer, with what a person wants to know of it.
#[derive(Clone, Debug)]
pub struct Open {
    /// The invitation.
    pub invitation: Invitation,
    /// The organisation's name.
    pub org_name: String,
    /// The organisation's place in addresses.
    pub org_slug: String,
    /// Who invites.
    pub inviter: String,
    /// The roles that it brings.
    pub roles: Vec<OfferedRole>,
    /// The groups that it leads into, by name.
    pub groups: Vec<String>,
    /// Whether the address has an account that belongs to its person: then that one accepts, and no new one is made.
    pub has_account: bool,
}

/// A link that leads nowhere any more, though its invitation may live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Since when; for a link that was replaced, how long the new one is good.
    pub at: UnixMillis,
    /// The address that it was sent to.
    pub to: String,
    /// Whether a newer link was sent in its place.
    pub replaced: bool,
    /// Whether a new link can be sent.
    pub can_renew: bool,
}

/// What is behind a link.
#[derive(Clone, Debug)]
pub enum Seen {
    /// An invitation that can be answered.
    Open(Box<Open>),
    /// It is over, or the link is.
    Expired(Expired),
    /// The organisation took it back.
    Withdrawn,
    /// It was accepted.
    Used,
    /// It was declined.
    Declined,
    /// Nothing that may be told.
    Unknown,
}

/// Why nobody became a member.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// The link leads to no invitation that can be answered; [`seen`] says more.
    #[error("the invitation can't be accepted any more")]
    Dead,
    /// It was sent to this address, which is not the account's.
    #[error("the invitation is for {0}")]
    OtherAddress(String),
    /// The address has an account, which is to accept.
    #[error("the address has an account; sign in with it")]
    HasAccount,
    /// The password falls short.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// The door's refusal.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The hash pool is full, or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sqlx::Error> for NotAccepted {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Unfit> for NotAccepted {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Short(shortfalls) => Self::Short(shortfalls),
            Unfit::Busy(busy) => Self::Fault(busy.into()),
            Unfit::Store(error) => error.into(),
        }
    }
}

/// What is behind a link. It changes nothing, so that the programs that look into mail may look.
///
/// # Errors
/// The database's.
pub async fn seen(app: &App, link: &Secret) -> Result<Seen, Fault> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let found = links::find(&mut conn, link, Purpose::Invitation, now).await?;
    if matches!(found, Err(Dead::Unknown)) {
        return Ok(Seen::Unknown);
    }
    let Some(invitation) = invitations::by_link(&mut conn, link.digest()).await? else {
        return Ok(Seen::Unknown);
    };
    let Some(org) = active_org(&mut conn, &invitation.org).await? else {
        return Ok(Seen::Unknown);
    };
    let state = invitation.state_at(now);
    let over = |at: UnixMillis, replaced: bool, can_renew: bool| {
        Seen::Expired(Expired { at, to: invitation.email.clone(), replaced, can_renew })
    };
    Ok(match state {
        State::Accepted => Seen::Used,
        State::Declined => Seen::Declined,
        State::Cancelled => Seen::Withdrawn,
        State::Failed => Seen::Unknown,
        State::Expired => over(invitation.expires_at, false, false),
        State::Processing | State::Pending => match found {
            Ok(_) => Seen::Open(Box::new(open(&mut conn, invitation, org).await?)),
            Err(Dead::Expired { at, .. }) => over(at, false, state.allows(Act::Resend)),
            Err(Dead::Replaced) => over(invitation.link_expires_at, true, state.allows(Act::Resend)),
            Err(Dead::Used | Dead::Withdrawn | Dead::Unknown) => Seen::Unknown,
        },
    })
}

/// The open invitations that were sent to the verified address of a person's own account, the oldest first.
///
/// # Errors
/// The database's.
pub async fn inbox(app: &App, conn: &mut Conn, user: &UserId) -> Result<Vec<Open>, sqlx::Error> {
    let Some(email) = own_address(conn, user).await? else {
        return Ok(Vec::new());
    };
    let now = app.now();
    let mut found = Vec::new();
    for invitation in invitations::open_of_email(conn, &fold::key(&email)).await? {
        if !invitation.state_at(now).is_open() {
            continue;
        }
        if let Some(org) = active_org(conn, &invitation.org).await? {
            found.push(open(conn, invitation, org).await?);
        }
    }
    Ok(found)
}

/// Makes an own account for whoever holds the link, and it a member. Its name and its address are the invitation's.
///
/// # Errors
/// See [`NotAccepted`]; the link stays good unless somebody else used it.
pub async fn as_new(app: &App, link: &Secret, password: Secret, origin: &Origin) -> Result<UserId, NotAccepted> {
    let Seen::Open(open) = seen(app, link).await? else {
        return Err(NotAccepted::Dead);
    };
    if open.has_account {
        return Err(NotAccepted::HasAccount);
    }
    let hash = fit(app, &open, password).await?;
    let invitation = open.invitation;
    let user = new_user(&invitation, hash, app.now());
    let id = user.id.clone();
    let accept = acceptance(&invitation, &id, Presented::Link(link.digest()));
    carry(app, &HOLDER, (origin, Mode::Act), &invitation, vec![Change::CreateUser(Box::new(user)), accept]).await?;
    Ok(id)
}

/// Makes the account of somebody who is signed in and holds the link a member; it must have the invitation's address.
///
/// # Errors
/// See [`NotAccepted`].
pub async fn by_link(app: &App, link: &Secret, user: &UserId, origin: &Origin) -> Result<Receipt, NotAccepted> {
    let Seen::Open(open) = seen(app, link).await? else {
        return Err(NotAccepted::Dead);
    };
    let invitation = open.invitation;
    let found = users::find(&mut app.db.read().await?, user).await?;
    if !found.is_some_and(|found| found.state == UserState::Active && is_of(&found, &invitation.email)) {
        return Err(NotAccepted::OtherAddress(invitation.email));
    }
    let accept = acceptance(&invitation, user, Presented::Link(link.digest()));
    Ok(carry(app, &Actor::User(user.clone()), (origin, Mode::Act), &invitation, vec![accept]).await?)
}

/// Makes the account of somebody who is signed in a member of the organisation that invited its address (I22).
///
/// # Errors
/// `NotFound` where no open invitation of that organisation is for that person; else the door's refusal.
pub async fn by_account(
    app: &App,
    user: &UserId,
    org: &OrgId,
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let invitation = of_account(app, user, org).await?;
    let accept = acceptance(&invitation, user, Presented::Account);
    carry(app, &Actor::User(user.clone()), (origin, mode), &invitation, vec![accept]).await
}

/// Says no for whoever holds the link.
///
/// # Errors
/// See [`NotAccepted`].
pub async fn decline_by_link(app: &App, link: &Secret, origin: &Origin) -> Result<Receipt, NotAccepted> {
    let Seen::Open(open) = seen(app, link).await? else {
        return Err(NotAccepted::Dead);
    };
    let decline = refusal_of(&open.invitation, Presented::Link(link.digest()));
    Ok(change_access_from(app, &HOLDER, origin, vec![decline], Mode::Act).await?)
}

/// Says no to the invitation of an organisation that was sent to the address of somebody who is signed in.
///
/// # Errors
/// As [`by_account`].
pub async fn decline_by_account(
    app: &App,
    user: &UserId,
    org: &OrgId,
    origin: &Origin,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let decline = refusal_of(&of_account(app, user, org).await?, Presented::Account);
    change_access_from(app, &Actor::User(user.clone()), origin, vec![decline], mode).await
}

/// Sends a new link to the same address, while the invitation lives; within the limits of every resend.
///
/// # Errors
/// `Dead` where there is nothing to renew; a refusal when one was sent a moment ago.
pub async fn renew(app: &App, link: &Secret, origin: &Origin) -> Result<(), NotAccepted> {
    let Seen::Expired(Expired { can_renew: true, .. }) = seen(app, link).await? else {
        return Err(NotAccepted::Dead);
    };
    let found = invitations::by_link(&mut app.db.read().await?, link.digest()).await?;
    let invitation = found.ok_or(NotAccepted::Dead)?;
    invite::resend(app, &HOLDER, origin, &invitation.org, &invitation.id, Mode::Act).await?;
    Ok(())
}

fn acceptance(invitation: &Invitation, user: &UserId, by: Presented) -> Change {
    Change::AcceptInvitation {
        org: invitation.org.clone(),
        invitation: invitation.id.clone(),
        user: user.clone(),
        member: MembershipId::fresh(),
        by,
    }
}

fn refusal_of(invitation: &Invitation, by: Presented) -> Change {
    Change::DeclineInvitation { org: invitation.org.clone(), invitation: invitation.id.clone(), by }
}

/// Asks the door. Where whoever invited may not give this access any more, the invitation ends for good; where the
/// organisation admits the address no longer, it waits for its time to be over.
async fn carry(
    app: &App,
    actor: &Actor,
    (origin, mode): (&Origin, Mode),
    invitation: &Invitation,
    changes: Vec<Change>,
) -> Result<Receipt, Refusal> {
    let outcome = change_access_from(app, actor, origin, changes, mode).await;
    if mode == Mode::DryRun || !matches!(outcome, Err(Refusal::Denied { .. })) {
        return outcome;
    }
    let email = &invitation.email;
    if !orgs::settings(&mut app.db.read().await?, &invitation.org).await?.invitations.admits(email) {
        let domain = email.rsplit_once('@').map_or(email.as_str(), |(_, domain)| domain);
        let reason = format!("{domain} isn't on the list of domains that may be invited.");
        return Err(Refusal::Invalid { field: "email", reason });
    }
    let (org, id) = (invitation.org.clone(), invitation.id.clone());
    let cancel = vec![Change::CancelInvitation { org, invitation: id }];
    if let Err(refusal) = change_access(app, &Actor::System("invitation"), cancel, Mode::Act).await {
        tracing::warn!(%refusal, "an invitation whose inviter may not give its access any more was not cancelled");
    }
    outcome
}

/// The hash of a password that keeps the rules of own accounts and of the organisation.
async fn fit(app: &App, open: &Open, password: Secret) -> Result<String, NotAccepted> {
    let email = &open.invitation.email;
    let about = About {
        user_name: email.clone(),
        email: Some(email.clone()),
        phone: None,
        words: vec![open.org_name.clone(), open.org_slug.clone()],
    };
    let (own, theirs) = {
        let mut conn = app.db.read().await?;
        let of_org = Kind::Managed(open.invitation.org.clone());
        let own = new_password::rules_of(app, &mut conn, &Kind::Own).await?;
        (own, new_password::rules_of(app, &mut conn, &of_org).await?)
    };
    let mut short = password::check(&theirs, password.expose(), &about);
    for shortfall in password::check(&own, password.expose(), &about) {
        if !short.contains(&shortfall) {
            short.push(shortfall);
        }
    }
    if !short.is_empty() {
        return Err(NotAccepted::Short(short));
    }
    Ok(new_password::hash(app, password, &own, &about).await?)
}

/// The account of somebody who is new: everything about it is what the invitation says, whatever was sent.
fn new_user(invitation: &Invitation, password: String, now: UnixMillis) -> NewUser {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let profile = Profile {
        name: some(&invitation.name),
        given_name: some(&invitation.given_name),
        family_name: some(&invitation.family_name),
        locale: Some(invitation.language.as_str().to_owned()),
        email: Some(invitation.email.clone()),
        // The link was sent there and came back.
        email_verified: true,
        updated_at: now.seconds(),
        ..Profile::default()
    };
    NewUser {
        id: UserId::fresh(),
        kind: Kind::Own,
        user_name: invitation.email.clone(),
        profile,
        state: UserState::Active,
        source: Source::Invitation(invitation.id.as_str().to_owned()),
        password: Some(password),
        must_change: false,
    }
}

async fn active_org(conn: &mut Conn, org: &OrgId) -> Result<Option<Org>, sqlx::Error> {
    Ok(orgs::find(conn, org).await?.filter(|org| org.state == OrgState::Active))
}

/// The verified address of an account that belongs to its person and may be used.
async fn own_address(conn: &mut Conn, user: &UserId) -> Result<Option<String>, sqlx::Error> {
    let found = users::find(conn, user).await?;
    let usable = |user: &User| user.kind == Kind::Own && user.state == UserState::Active && user.profile.email_verified;
    Ok(found.filter(usable).and_then(|user| user.profile.email))
}

/// Whether an account belongs to its person and has this address.
#[must_use]
pub fn is_of(user: &User, email: &str) -> bool {
    user.kind == Kind::Own && user.profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(email))
}

/// The open invitation of an organisation for the verified address of somebody who is signed in.
async fn of_account(app: &App, user: &UserId, org: &OrgId) -> Result<Invitation, Refusal> {
    let mut conn = app.db.read().await?;
    let not_found = || Refusal::NotFound("The invitation".to_owned());
    let email = own_address(&mut conn, user).await?.ok_or_else(not_found)?;
    if active_org(&mut conn, org).await?.is_none() {
        return Err(not_found());
    }
    let now = app.now();
    let found = invitations::open_of_email(&mut conn, &fold::key(&email)).await?;
    found.into_iter().find(|one| one.org == *org && one.state_at(now).is_open()).ok_or_else(not_found)
}

async fn open(conn: &mut Conn, invitation: Invitation, org: Org) -> Result<Open, sqlx::Error> {
    let account = users::by_identifier(conn, Kind::Own.realm(), &identifier::key(&invitation.email)).await?;
    let inviter = match &invitation.inviter {
        Some(id) => users::find(conn, id).await?.map(|user| user.name),
        None => None,
    };
    let mut names = Vec::new();
    for group in &invitation.access.groups {
        names.extend(groups::find(conn, &org.id, group).await?.map(|group| group.name));
    }
    Ok(Open {
        roles: in_words(conn, &org.id, &invitation.access.roles).await?,
        groups: names,
        inviter: inviter.filter(|name| !name.is_empty()).unwrap_or_else(|| "An administrator".to_owned()),
        has_account: account.is_some_and(|account| is_of(&account, &invitation.email)),
        org_name: org.name,
        org_slug: org.slug,
        invitation,
    })
}

/// The roles in words; those on a project that is gone are left out, for they bring nothing.
async fn in_words(conn: &mut Conn, org: &OrgId, offered: &[Offered]) -> Result<Vec<OfferedRole>, sqlx::Error> {
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    let (projects, own) = (orgs::projects(conn, org).await?, bindings::own_roles(conn, org).await?);
    let line = |one: &Offered| {
        let on = match &one.scope {
            Scope::Org => "the organisation".to_owned(),
            Scope::AllProjects => "all projects".to_owned(),
            Scope::Project(id) => format!("the project {}", projects.iter().find(|project| project.id == *id)?.name),
        };
        let key = one.role.as_str();
        let role = own.iter().find(|role| role.key == key).map_or(one.role.title(), |role| role.name.as_str());
        let until = Some(one.window.not_after).filter(|end| *end != UnixMillis::MAX);
        Some(OfferedRole { role: role.to_owned(), on, until })
    };
    Ok(offered.iter().filter_map(line).collect())
}
