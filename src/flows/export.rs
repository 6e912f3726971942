//! Writes the state of an organisation, or of the whole instance, as an apply file: a plan of it is empty here, and
//! applying it to an empty instance makes the same state.
//!
//! Passwords, hashes, secrets and access keys are in no file. What a connection owns is told as far as a file can say
//! it: applied elsewhere it becomes local.

use std::collections::{BTreeMap, BTreeSet};

use super::apply_file::found::{Found, Known};
use super::bootstrap::COMMAND_LINE;
use crate::app::App;
use crate::domain::access::{Binding, Subject, Window};
use crate::domain::apply_file::{
    AlertTable, ApplicationTable, ApplyFile, BindingTable, BundleTable, GroupTable, InvitationTable, Moment,
    OrganisationTable, PersonAccess, PersonState, PersonTable, ProjectTable, RoleTable, RoleWord, ServiceAccountTable,
    SettingsTable,
};
use crate::domain::oauth::application::Application;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::invitation::Offered;
use crate::domain::people::user::{AccessType, Kind, MembershipState, OrgState, UserState};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{ApplicationId, GroupId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::bundles::Bundle;
use crate::store::db::{Conn, Result};
use crate::store::invitations::Invitation;
use crate::store::orgs::{self, Org};
use crate::store::{application_list, applications, org_list};

/// So often an organisation is read anew when somebody edits it meanwhile.
const TRIES: usize = 5;

/// One organisation with its applications; `None` when there is none, or a deleted one.
///
/// # Errors
/// The database's.
pub async fn organisation(app: &App, org: &OrgId) -> Result<Option<ApplyFile>> {
    let mut conn = app.db.read().await?;
    let now = app.now();
    let mut file = ApplyFile::default();
    for _ in 0..TRIES {
        let version = orgs::access_version(&mut conn, org).await?;
        let Some(found) = orgs::find(&mut conn, org).await?.filter(|found| found.state != OrgState::Deleted) else {
            return Ok(None);
        };
        let (table, applications) = read(&mut conn, found, now).await?;
        file = ApplyFile { organisations: vec![table], applications };
        if orgs::access_version(&mut conn, org).await? == version {
            break;
        }
    }
    Ok(Some(file))
}

/// Every organisation that is not deleted, and every application but Muster's own command line.
///
/// # Errors
/// The database's.
pub async fn instance(app: &App) -> Result<ApplyFile> {
    let mut conn = app.db.read().await?;
    let mut all: Vec<Org> = org_list::page(&mut conn, "", usize::MAX).await?.into_iter().map(|row| row.org).collect();
    all.sort_by_cached_key(|org| org.slug.clone());
    drop(conn);
    let mut whole = ApplyFile::default();
    for org in all {
        if let Some(file) = organisation(app, &org.id).await? {
            whole.organisations.extend(file.organisations);
            whole.applications.extend(file.applications);
        }
    }
    let mut conn = app.db.read().await?;
    for application in applications::all(&mut conn).await? {
        if application.org.is_none() && application.client_id != COMMAND_LINE {
            whole.applications.push(ApplicationTable::of(application, None, None));
        }
    }
    Ok(whole)
}

async fn read(conn: &mut Conn, org: Org, now: UnixMillis) -> Result<(OrganisationTable, Vec<ApplicationTable>)> {
    let found = Found::of(conn, org.clone()).await?;
    let listed = application_list::page(conn, Some(&org.id), "", usize::MAX).await?;
    let mut client_ids: BTreeMap<ApplicationId, String> = BTreeMap::new();
    for application in applications::all(conn).await? {
        client_ids.insert(application.id, application.client_id);
    }
    let writer = Writer::new(&found, client_ids, now);
    let table = writer.organisation(&org);
    let mut tables: Vec<ApplicationTable> = listed
        .into_iter()
        .map(|listed| {
            let owner = listed.owner.as_ref().and_then(|owner| writer.user_names.get(owner).cloned());
            let application: Application = listed.application;
            ApplicationTable::of(application, Some(org.slug.clone()), owner)
        })
        .collect();
    tables.sort_by_cached_key(|table| table.client_id.clone());
    Ok((table, tables))
}

/// What is found, with what ids mean.
struct Writer<'f> {
    found: &'f Found,
    now: UnixMillis,
    keys: BTreeMap<ProjectId, String>,
    /// Of the people whom a file can name.
    user_names: BTreeMap<MembershipId, String>,
    /// Of the service accounts, as tables name them.
    tools: BTreeMap<MembershipId, String>,
    client_ids: BTreeMap<ApplicationId, String>,
}

impl<'f> Writer<'f> {
    fn new(found: &'f Found, client_ids: BTreeMap<ApplicationId, String>, now: UnixMillis) -> Self {
        let keys = found.keys();
        let user_names = found.people.values().filter_map(|known| {
            let member = known.member.as_ref()?;
            Some((member.id.clone(), known.user.user_name.clone()))
        });
        let tools = found.service_accounts.iter().filter_map(|account| {
            let word = ServiceAccountTable::word_of(keys.get(&account.project)?, &account.name);
            Some((account.member.clone(), word))
        });
        let (user_names, tools) = (user_names.collect(), tools.collect());
        Self { found, now, keys, user_names, tools, client_ids }
    }

    fn organisation(&self, org: &Org) -> OrganisationTable {
        let found = self.found;
        let default_project = found.settings.default_project.as_ref().and_then(|id| self.keys.get(id).cloned());
        OrganisationTable {
            slug: org.slug.clone(),
            name: org.name.clone(),
            policy: Some(org.policy),
            session_idle_secs: org.session_idle.map(|millis| millis / SECOND),
            session_absolute_secs: org.session_absolute.map(|millis| millis / SECOND),
            owner: org.owner.as_ref().and_then(|owner| self.user_names.get(owner).cloned()),
            prune: false,
            settings: Some(SettingsTable::of(found.settings.clone(), default_project)),
            projects: self.projects(),
            people: found.people.values().map(|known| self.person(known)).collect(),
            groups: self.groups(),
            roles: self.roles(),
            bindings: self.bindings(),
            invitations: self.invitations(),
            service_accounts: self.service_accounts(),
            bundles: self.bundles(),
            alerts: self.alerts(),
        }
    }

    fn projects(&self) -> Vec<ProjectTable> {
        let table = |project: &orgs::Project| ProjectTable { key: project.key.clone(), name: project.name.clone() };
        let mut tables: Vec<ProjectTable> = self.found.projects.iter().map(table).collect();
        tables.sort_by_cached_key(|table| table.key.clone());
        tables
    }

    fn roles(&self) -> Vec<RoleTable> {
        let roles = self.found.roles.iter().map(|role| RoleTable {
            key: role.key.clone(),
            name: role.name.clone(),
            permissions: role.permissions.iter().cloned().collect(),
        });
        let mut tables: Vec<RoleTable> = roles.collect();
        tables.sort_by_cached_key(|table| table.key.clone());
        tables
    }

    fn bundles(&self) -> Vec<BundleTable> {
        let table = |bundle: &Bundle| {
            let grants = self.found.live_grants(bundle).into_iter();
            let roles = grants.filter_map(|(role, scope)| RoleWord::of(role, scope, &self.keys)).collect();
            BundleTable { name: bundle.name.clone(), roles }
        };
        let mut tables: Vec<BundleTable> = self.found.bundles.iter().map(table).collect();
        // A bundle that gives nothing any more can't be written.
        tables.retain(|table| !table.roles.is_empty());
        tables.sort_by_cached_key(|table| fold::key(&table.name));
        tables
    }

    fn groups(&self) -> Vec<GroupTable> {
        let groups = self.found.groups.values().map(|known| {
            let group = &known.group;
            let subject = Subject::Group(group.id.clone());
            let from_connection = group.source.connection().is_some();
            let predefined = group.source == Source::System;
            let mut members: Vec<String> = if from_connection { Vec::new() } else { self.names_of(&known.members) };
            members.sort_by_cached_key(|name| fold::key(name));
            GroupTable {
                name: group.name.clone(),
                description: (!predefined).then(|| group.description.clone()),
                members,
                // A predefined group's own role is fixed, and can't be given to it.
                roles: if predefined { Vec::new() } else { self.standing(&subject) },
            }
        });
        groups.collect()
    }

    fn names_of(&self, members: &BTreeSet<MembershipId>) -> Vec<String> {
        members.iter().filter_map(|member| self.user_names.get(member).cloned()).collect()
    }

    /// What somebody holds always, as words.
    fn standing(&self, subject: &Subject) -> Vec<String> {
        let held = self
            .found
            .bindings
            .iter()
            .filter(|binding| binding.subject == *subject && binding.window == Window::ALWAYS);
        let mut words: Vec<String> =
            held.filter_map(|binding| RoleWord::of(&binding.role, &binding.scope, &self.keys)).collect();
        words.sort();
        words.dedup();
        words
    }

    fn service_accounts(&self) -> Vec<ServiceAccountTable> {
        let accounts = self.found.service_accounts.iter().filter_map(|account| {
            Some(ServiceAccountTable {
                project: self.keys.get(&account.project)?.clone(),
                name: account.name.clone(),
                description: Some(account.description.clone()),
                owner: account.owner.as_ref().and_then(|owner| self.user_names.get(owner).cloned()),
                state: (account.state != MembershipState::Active).then_some(PersonState::Suspended),
                roles: self.standing(&Subject::Member(account.member.clone())),
            })
        });
        let mut tables: Vec<ServiceAccountTable> = accounts.collect();
        tables.sort_by_cached_key(|table| (table.project.clone(), table.name.clone()));
        tables
    }

    /// The bindings with windows that are not over: those of groups, of people, of service accounts.
    fn bindings(&self) -> Vec<BindingTable> {
        let windowed = |binding: &&Binding| binding.window != Window::ALWAYS && binding.window.not_after > self.now;
        let mut tables: Vec<((u8, String, String), BindingTable)> =
            self.found.bindings.iter().filter(windowed).filter_map(|binding| self.binding(binding)).collect();
        tables.sort_by_cached_key(|(place, table)| (place.clone(), table.window()));
        tables.into_iter().map(|(_, table)| table).collect()
    }

    fn binding(&self, binding: &Binding) -> Option<((u8, String, String), BindingTable)> {
        let role = RoleWord::of(&binding.role, &binding.scope, &self.keys)?;
        let open = |at: UnixMillis| (at != UnixMillis::MIN && at != UnixMillis::MAX).then_some(Moment(at));
        let mut table = BindingTable {
            group: None,
            person: None,
            service_account: None,
            role: role.clone(),
            not_before: open(binding.window.not_before),
            not_after: open(binding.window.not_after),
        };
        let (rank, place, name) = match &binding.subject {
            Subject::Group(id) => {
                let group = self.found.groups.values().find(|known| known.group.id == *id)?;
                (0, &mut table.group, group.group.name.clone())
            }
            Subject::Member(id) => match self.user_names.get(id) {
                Some(name) => (1, &mut table.person, name.clone()),
                None => (2, &mut table.service_account, self.tools.get(id)?.clone()),
            },
        };
        *place = Some(name.clone());
        Some(((rank, fold::key(&name), role), table))
    }

    /// The invitations that wait for an answer. A role with a window, and what is gone, can't be written.
    fn invitations(&self) -> Vec<InvitationTable> {
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let name_of = |id: &GroupId| {
            let group = self.found.groups.values().find(|known| known.group.id == *id);
            group.map(|known| known.group.name.clone())
        };
        let role = |offered: &Offered| {
            let always = offered.window == Window::ALWAYS;
            RoleWord::of(&offered.role, &offered.scope, &self.keys).filter(|_| always)
        };
        let open = self.found.invitations.iter().filter(|one| one.state_at(self.now).is_open());
        let table = |one: &Invitation| InvitationTable {
            email: one.email.clone(),
            name: one.name.clone(),
            given_name: filled(&one.given_name),
            family_name: filled(&one.family_name),
            language: Some(one.language),
            groups: one.access.groups.iter().filter_map(name_of).collect(),
            roles: one.access.roles.iter().filter_map(role).collect(),
        };
        let mut tables: Vec<InvitationTable> = open.map(table).collect();
        tables.sort_by_cached_key(|table| fold::key(&table.email));
        tables
    }

    fn alerts(&self) -> Vec<AlertTable> {
        let alerts = self.found.alerts.iter();
        let mut tables: Vec<AlertTable> =
            alerts.map(|alert| AlertTable::of(alert.name.clone(), alert.active, alert.rule.clone())).collect();
        // Two may have one name; then what they say puts them in order.
        tables.sort_by_cached_key(|table| (fold::key(&table.name), format!("{table:?}")));
        tables
    }

    fn person(&self, known: &Known) -> PersonTable {
        let user = &known.user;
        let mut table = match &user.kind {
            Kind::Managed(_) | Kind::Service(..) => profile(&user.user_name, &user.profile),
            // The rest of an own account is its person's, and no organisation's to write down.
            Kind::Own | Kind::Operator => {
                let Profile { name, email, .. } = user.profile.clone();
                PersonTable { name, email, ..PersonTable::default() }
            }
        };
        table.user_name.clone_from(&user.user_name);
        table.access_type = (known.access == AccessType::Key).then_some(PersonAccess::Key);
        let Some(member) = &known.member else {
            return table;
        };
        table.state = state(user.state, member.state);
        table.roles = self.standing(&Subject::Member(member.id.clone()));
        table.applications = member.restricted_to.as_ref().map(|list| {
            let mut names: Vec<String> = list.iter().filter_map(|id| self.client_ids.get(id).cloned()).collect();
            names.sort();
            names
        });
        table
    }
}

/// What a file says of two states; active is what it doesn't say.
const fn state(user: UserState, member: MembershipState) -> Option<PersonState> {
    match (user, member) {
        (UserState::Suspended | UserState::Deactivated | UserState::Deleted, _) => Some(PersonState::Suspended),
        (_, MembershipState::Suspended | MembershipState::Deactivated) => Some(PersonState::Suspended),
        (UserState::Pending, _) | (_, MembershipState::Pending) => Some(PersonState::Pending),
        (UserState::Active, MembershipState::Active) => None,
    }
}

/// A table that yields this profile again.
fn profile(user_name: &str, profile: &Profile) -> PersonTable {
    let profile = profile.clone();
    PersonTable {
        preferred_username: profile.preferred_username.filter(|name| name != user_name),
        name: profile.name,
        given_name: profile.given_name,
        middle_name: profile.middle_name,
        family_name: profile.family_name,
        nickname: profile.nickname,
        profile: profile.profile,
        picture: profile.picture,
        website: profile.website,
        gender: profile.gender,
        birthdate: profile.birthdate,
        zoneinfo: profile.zoneinfo,
        locale: profile.locale,
        email: profile.email,
        email_verified: profile.email_verified,
        phone: profile.phone_number,
        phone_verified: profile.phone_number_verified,
        address: profile.address,
        ..PersonTable::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_not_sign_in_is_never_written_as_somebody_who_may() {
        for user in [UserState::Suspended, UserState::Deactivated, UserState::Deleted] {
            assert_eq!(state(user, MembershipState::Active), Some(PersonState::Suspended), "{user}");
        }
        for member in [MembershipState::Suspended, MembershipState::Deactivated] {
            assert_eq!(state(UserState::Active, member), Some(PersonState::Suspended), "{member}");
            assert_eq!(state(UserState::Pending, member), Some(PersonState::Suspended), "{member}");
        }
        assert_eq!(state(UserState::Pending, MembershipState::Active), Some(PersonState::Pending));
        assert_eq!(state(UserState::Active, MembershipState::Active), None);
    }

    #[test]
    fn a_profile_that_is_written_is_the_same_when_it_is_read() {
        let before = Profile {
            name: Some("Ana Kim".to_owned()),
            preferred_username: Some("ana".to_owned()),
            nickname: Some("a".to_owned()),
            email: Some("ana@acme.test".to_owned()),
            phone_number_verified: true,
            updated_at: 7,
            ..Profile::default()
        };
        let table = PersonTable { user_name: "ana".to_owned(), ..profile("ana", &before) };
        assert_eq!((table.preferred_username.as_ref(), table.standard_claims(7)), (None, before));
    }
}
