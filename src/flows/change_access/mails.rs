//! Messages that a change sends to those whom it concerns: what they had before is noted, and compared with what they
//! have when all is done.
//!
//! # Why
//! What is compared are accounts, memberships and owners, not what was asked for: so a change that changes nothing
//! tells nobody, and many changes of one person tell once. Mails that carry links are the links' own matter.

use std::collections::{BTreeMap, BTreeSet};

use super::describe;
use crate::domain::change::{Change, Receipt};
use crate::domain::language::Language;
use crate::domain::mail::Template;
use crate::domain::people::factor::{FactorKind, NewFactor, why_no_codes};
use crate::domain::people::identifier;
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::flows::factors::ENROLLING;
use crate::flows::links::masked;
use crate::flows::notices::{Notice, Said, put as tell};
use crate::kernel::fold;
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Tx};
use crate::store::users::User;
use crate::store::{access_keys, factors, memberships, orgs, service_accounts, users};

/// What stood there before the changes, as far as somebody is told of it.
#[derive(Default)]
pub struct Before {
    fallback: Language,
    /// Accounts that the changes make: nobody is told of their making twice.
    made: BTreeSet<UserId>,
    accounts: BTreeMap<UserId, Account>,
    members: BTreeMap<MembershipId, Member>,
    owners: BTreeMap<OrgId, Option<User>>,
}

/// An account and its password's hash, which is compared with the one after. It has no `Debug`.
struct Account {
    user: User,
    password: Option<String>,
    /// Codes by mail and to the phone that are switched on.
    codes: BTreeSet<FactorKind>,
}

struct Member {
    org: OrgId,
    state: MembershipState,
    user: User,
}

impl Before {
    /// Nothing noted yet. `fallback` is the language of those whose own, and whose organisation's, isn't known.
    #[must_use]
    pub fn new(fallback: Language) -> Self {
        Self { fallback, ..Self::default() }
    }

    /// Notes what a change is about to write to; the first change of a thing counts.
    ///
    /// # Errors
    /// The database's.
    pub async fn note(&mut self, conn: &mut Conn, change: &Change) -> Result<(), sqlx::Error> {
        match change {
            Change::CreateUser(user) | Change::SelfRegister { user, .. } => {
                self.made.insert(user.id.clone());
                Ok(())
            }
            Change::SetProfile { user, .. }
            | Change::SetUserState { user, .. }
            | Change::ResetPassword { user, .. }
            | Change::SetPasswordByLink { user, .. }
            | Change::ChangePassword { user, .. }
            | Change::ConfirmEmail { user, .. }
            | Change::PutFactor { user, .. }
            | Change::ReplaceFactor { user, .. }
            | Change::RemoveFactor { user, .. }
            | Change::ResetFactors { user }
            | Change::SetRecoveryCodes { user, .. } => self.note_account(conn, user).await,
            Change::SetMemberState { org, member, .. } | Change::RemoveMember { org, member } => {
                self.note_member(conn, org, member).await
            }
            Change::TransferOwnership { org, .. } => self.note_owner(conn, org).await,
            // Of the others nobody is told, or there is nothing before them to compare with.
            _ => Ok(()),
        }
    }

    async fn note_account(&mut self, conn: &mut Conn, id: &UserId) -> Result<(), sqlx::Error> {
        if self.made.contains(id) || self.accounts.contains_key(id) {
            return Ok(());
        }
        if let Some(user) = users::find(conn, id).await?.filter(is_person) {
            let password = users::password_facts(conn, id).await?.and_then(|facts| facts.password);
            let codes = codes_of(conn, &user).await?;
            self.accounts.insert(id.clone(), Account { user, password, codes });
        }
        Ok(())
    }

    async fn note_member(&mut self, conn: &mut Conn, org: &OrgId, id: &MembershipId) -> Result<(), sqlx::Error> {
        if self.members.contains_key(id) {
            return Ok(());
        }
        let Some(found) = memberships::find(conn, org, id).await? else {
            return Ok(());
        };
        if self.made.contains(&found.user) {
            return Ok(());
        }
        if let Some(user) = users::find(conn, &found.user).await?.filter(is_person) {
            self.members.insert(id.clone(), Member { org: org.clone(), state: found.state, user });
        }
        Ok(())
    }

    async fn note_owner(&mut self, conn: &mut Conn, org: &OrgId) -> Result<(), sqlx::Error> {
        if !self.owners.contains_key(org) {
            let owner = owner_of(conn, org).await?;
            self.owners.insert(org.clone(), owner);
        }
        Ok(())
    }
}

/// The codes by mail and to the phone that are switched on for somebody, and count.
async fn codes_of(conn: &mut Conn, user: &User) -> Result<BTreeSet<FactorKind>, sqlx::Error> {
    if why_no_codes(&user.profile).is_some() {
        return Ok(BTreeSet::new());
    }
    let is_sent = |kind: &FactorKind| matches!(kind, FactorKind::Email | FactorKind::Sms);
    Ok(factors::of_user(conn, &user.id).await?.into_iter().map(|stored| stored.kind).filter(is_sent).collect())
}

/// A service account reads no mail.
fn is_person(user: &User) -> bool {
    user.kind.project().is_none()
}

/// Whoever has not come in yet is not told that they are out; they know nothing of the account.
fn came_in(user: &User) -> bool {
    !matches!(user.state, UserState::Pending | UserState::Deleted)
}

async fn holder_of(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Option<User>, sqlx::Error> {
    match memberships::find(conn, org, member).await? {
        Some(found) => users::find(conn, &found.user).await,
        None => Ok(None),
    }
}

async fn owner_of(conn: &mut Conn, org: &OrgId) -> Result<Option<User>, sqlx::Error> {
    match orgs::find(conn, org).await?.and_then(|found| found.owner) {
        Some(owner) => holder_of(conn, org, &owner).await,
        None => Ok(None),
    }
}

/// Puts the messages of a change into the outbox, in its transaction.
///
/// # Errors
/// The database's.
pub async fn put(
    tx: &mut Tx,
    receipt: &Receipt,
    changes: &[Change],
    before: Before,
    at: UnixMillis,
) -> Result<(), sqlx::Error> {
    if receipt.is_empty() {
        return Ok(());
    }
    let Before { fallback, accounts, members, owners, .. } = before;
    let author = author(tx, &receipt.actor).await?;
    let mut desk = Desk { tx, receipt, fallback, at, author, told: BTreeSet::new() };
    for account in accounts.values() {
        desk.account(account).await?;
    }
    for (id, member) in &members {
        desk.member(id, member).await?;
    }
    for (org, owner) in &owners {
        desk.owner(org, owner.as_ref()).await?;
    }
    for change in changes {
        if let Change::CreateAccessKey { org, key } = change {
            desk.key(org, &key.id).await?;
        }
        for (template, user, values) in of_factors(change, changes) {
            if receipt.acts.contains(&describe::line(change))
                && let Some(account) = accounts.get(user)
            {
                desk.factor(template, &account.user, values).await?;
            }
        }
    }
    Ok(())
}

/// What a change of somebody's factors has to tell, and to whom. New recovery codes that come with a first factor are no news;
/// an app in the place of another is one that went and one that came.
fn of_factors<'c>(change: &'c Change, all: &[Change]) -> Vec<(Template, &'c UserId, Values)> {
    let kind = |kind: FactorKind| ("factor", Said::Text(kind.as_str().to_owned()));
    match change {
        Change::PutFactor { user, factor, .. } => {
            let mut values = vec![kind(factor.kind())];
            if let NewFactor::Passkey { name, .. } = &**factor {
                values.push(("key", Said::Text(name.clone())));
            }
            vec![(Template::FactorAdded, user, values)]
        }
        Change::ReplaceFactor { user, factor } => [Template::FactorRemoved, Template::FactorAdded]
            .map(|template| (template, user, vec![kind(factor.kind())]))
            .into(),
        Change::RemoveFactor { user, factor } => vec![(Template::FactorRemoved, user, vec![kind(factor.kind())])],
        Change::ResetFactors { user } => vec![(Template::FactorsReset, user, Vec::new())],
        Change::SetRecoveryCodes { user, .. } => {
            let first = all.iter().any(|other| matches!(other, Change::PutFactor { user: of, .. } if of == user));
            if first { Vec::new() } else { vec![(Template::RecoveryCodesMade, user, Vec::new())] }
        }
        // Of the others nobody is told here.
        _ => Vec::new(),
    }
}

/// The name of the person who asked, from the receipt's label; `None` for operators, tools of Muster and links.
async fn author(conn: &mut Conn, label: &str) -> Result<Option<String>, sqlx::Error> {
    let id = match label.split_once(':') {
        Some(("user", id)) => id,
        Some(("key", rest)) => rest.rsplit(':').next().unwrap_or_default(),
        _ => return Ok(None),
    };
    let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
    Ok(users::find(conn, &id).await?.map(|user| user.name).filter(|name| !name.is_empty()))
}

/// Where the messages of one change are written.
struct Desk<'t> {
    tx: &'t mut Tx,
    receipt: &'t Receipt,
    fallback: Language,
    at: UnixMillis,
    author: Option<String>,
    /// Who was told of what: once is enough.
    told: BTreeSet<(Template, UserId)>,
}

/// What a message says besides.
type Values = Vec<(&'static str, Said)>;

impl Desk<'_> {
    async fn write(
        &mut self,
        template: Template,
        reader: &User,
        to: Option<&str>,
        org: Option<&OrgId>,
        mut values: Values,
    ) -> Result<(), sqlx::Error> {
        let Some(to) = to.filter(|to| !to.is_empty()) else {
            return Ok(()); // nobody without an address
        };
        if !self.told.insert((template, reader.id.clone())) {
            return Ok(());
        }
        if values.iter().all(|(name, _)| *name != "by") {
            values.push(("by", Said::By(self.author.clone())));
        }
        let notice = Notice { template, reader, to, org, values };
        tell(self.tx, notice, Some(&self.receipt.id), self.fallback, self.at).await
    }

    /// What became of an account: its password, its address and number, its state.
    async fn account(&mut self, was: &Account) -> Result<(), sqlx::Error> {
        let Account { user, password, codes } = was;
        if !came_in(user) {
            return Ok(());
        }
        let Some(is) = users::find(self.tx, &user.id).await? else {
            return Ok(());
        };
        let org = user.kind.org();
        let (old, new) = (user.profile.email.as_deref(), is.profile.email.as_deref());
        let managed = matches!(user.kind, Kind::Managed(_));
        if is.state == UserState::Deleted {
            if managed {
                self.write(Template::Removed, user, old, org, Vec::new()).await?;
            }
            return Ok(()); // nothing else matters any more
        }
        if is.state == UserState::Suspended && user.state != UserState::Suspended {
            self.write(Template::Suspended, user, old.or(new), org, Vec::new()).await?;
        }
        let now = users::password_facts(self.tx, &user.id).await?.and_then(|facts| facts.password);
        if now.is_some() && now != *password {
            self.write(Template::PasswordChanged, user, old.or(new), org, Vec::new()).await?;
        }
        if !codes.is_empty() && why_no_codes(&is.profile).is_some() {
            let word = match codes.iter().next() {
                Some(only) if codes.len() == 1 => only.as_str(),
                Some(_) | None => "codes",
            };
            let values = vec![("factor", Said::Text(word.to_owned()))];
            self.write(Template::FactorRemoved, user, old.or(new), org, values).await?;
        }
        if old.map(identifier::key) != new.map(identifier::key) {
            // Whoever reads at the old address may be somebody else by now.
            let shown = new.map(masked).unwrap_or_default();
            let values = vec![("address", Said::Text(shown))];
            self.write(Template::EmailChangedOld, user, old, org, values).await?;
            let values = vec![("address", Said::Text(new.unwrap_or_default().to_owned()))];
            self.write(Template::EmailChangedNew, &is, new, org, values).await?;
        }
        let number = |user: &User| user.profile.phone_number.as_deref().map(fold::phone_key);
        if number(user) != number(&is) {
            let shown = number(&is).as_deref().map(masked).unwrap_or_default();
            let values = vec![("address", Said::Text(shown))];
            self.write(Template::PhoneChanged, user, old.or(new), org, values).await?;
        }
        Ok(())
    }

    /// What became of a membership.
    async fn member(&mut self, id: &MembershipId, was: &Member) -> Result<(), sqlx::Error> {
        let Member { org, state, user } = was;
        if !came_in(user) || *state == MembershipState::Pending {
            return Ok(());
        }
        let to = user.profile.email.as_deref();
        match memberships::find(self.tx, org, id).await? {
            // Whoever left knows it.
            None if self.receipt.actor == format!("user:{}", user.id) => Ok(()),
            None => self.write(Template::Removed, user, to, Some(org), Vec::new()).await,
            Some(is) if is.state == MembershipState::Suspended && *state != MembershipState::Suspended => {
                self.write(Template::Suspended, user, to, Some(org), Vec::new()).await
            }
            Some(_) => Ok(()),
        }
    }

    /// Who owned an organisation, and who does.
    async fn owner(&mut self, org: &OrgId, was: Option<&User>) -> Result<(), sqlx::Error> {
        let is = owner_of(self.tx, org).await?;
        if was.map(|user| &user.id) == is.as_ref().map(|user| &user.id) {
            return Ok(());
        }
        if let Some(was) = was {
            let to = was.profile.email.as_deref();
            self.write(Template::OwnershipGiven, was, to, Some(org), Vec::new()).await?;
        }
        if let Some(is) = &is {
            let to = is.profile.email.as_deref();
            self.write(Template::OwnershipReceived, is, to, Some(org), Vec::new()).await?;
        }
        Ok(())
    }

    /// What became of somebody's factors.
    async fn factor(&mut self, template: Template, reader: &User, mut values: Values) -> Result<(), sqlx::Error> {
        if !came_in(reader) {
            return Ok(());
        }
        // In the middle of a sign-in it is the person.
        if self.receipt.actor == ENROLLING.label() {
            values.push(("by", Said::Text(reader.name.clone())));
        }
        self.write(template, reader, reader.profile.email.as_deref(), reader.kind.org(), values).await
    }

    /// A new access key: its person is told, and of a service account's whoever answers for it.
    async fn key(&mut self, org: &OrgId, id: &AccessKeyId) -> Result<(), sqlx::Error> {
        let Some((reader, values)) = of_key(self.tx, org, id).await? else {
            return Ok(());
        };
        if !came_in(&reader) {
            return Ok(());
        }
        // Two keys are two facts.
        self.told.retain(|(template, _)| *template != Template::KeyCreated);
        self.write(Template::KeyCreated, &reader, reader.profile.email.as_deref(), Some(org), values).await
    }
}

/// Who is to be told of an access key, and what of it; `None` where nobody answers for it.
///
/// # Errors
/// The database's.
pub(in crate::flows) async fn of_key(
    conn: &mut Conn,
    org: &OrgId,
    id: &AccessKeyId,
) -> Result<Option<(User, Values)>, sqlx::Error> {
    let Some(key) = access_keys::find(conn, org, id).await? else {
        return Ok(None);
    };
    let reader = if key.service {
        let owner = service_accounts::find(conn, org, &key.user).await?.and_then(|account| account.owner);
        match owner {
            Some(owner) => holder_of(conn, org, &owner).await?,
            None => None,
        }
    } else {
        users::find(conn, &key.user).await?
    };
    let values = vec![
        ("key", Said::Text(key.name)),
        ("project", Said::Text(key.project_key)),
        ("until", Said::Moment(key.expires_at)),
    ];
    Ok(reader.map(|reader| (reader, values)))
}
