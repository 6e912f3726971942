//! What the database holds of one organisation, before anything is planned.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::access::{Binding, Role, Scope};
use crate::domain::apply_file::OrganisationTable;
use crate::domain::people::identifier;
use crate::domain::people::invitation::State;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::settings::OrgSettings;
use crate::kernel::fold;
use crate::kernel::id::{ApplicationId, MembershipId, OrgId, ProjectId};
use crate::store::alerts::{self, Alert};
use crate::store::bindings::{self, OwnRole};
use crate::store::bundles::{self, Bundle};
use crate::store::db::{Conn, Result};
use crate::store::groups::{self, Group};
use crate::store::invitations::{self, Invitation};
use crate::store::orgs::{self, Org, Project};
use crate::store::people_read::{self, Person};
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::users::{self, User};

/// An account and its membership in the organisation.
pub(crate) struct Known {
    pub user: User,
    pub access: AccessType,
    pub member: Option<Standing>,
}

/// A membership, as far as a file can write it.
#[derive(Clone)]
pub(crate) struct Standing {
    pub id: MembershipId,
    pub state: MembershipState,
    pub restricted_to: Option<BTreeSet<ApplicationId>>,
}

impl Known {
    /// Whether the account is the organisation's own, and not a person's or another organisation's.
    pub fn is_managed_by(&self, org: &OrgId) -> bool {
        matches!(&self.user.kind, Kind::Managed(by) if by == org)
    }
}

impl From<Person> for Known {
    fn from(person: Person) -> Self {
        let member = Standing { id: person.member, state: person.member_state, restricted_to: person.restricted_to };
        let user = User {
            id: person.user,
            kind: person.kind,
            user_name: person.user_name,
            name: person.name,
            profile: person.profile,
            state: person.user_state,
            source: person.source,
        };
        Self { user, access: person.access_type, member: Some(member) }
    }
}

/// A group and who is in it.
pub(crate) struct KnownGroup {
    pub group: Group,
    /// Those who are in it to stay.
    pub members: BTreeSet<MembershipId>,
    /// Those whom a connection's mapping put there: no file says who they are, nor takes them out.
    pub mapped: BTreeSet<MembershipId>,
}

/// All of it; empty when the organisation isn't there yet.
#[derive(Default)]
pub(crate) struct Found {
    pub org: Option<Org>,
    pub settings: OrgSettings,
    pub projects: Vec<Project>,
    pub roles: Vec<OwnRole>,
    /// Those whom the file can name, by the keys of their user names.
    pub people: BTreeMap<String, Known>,
    /// Members whom it can't: deleted accounts, and own accounts whose user name a managed one has too.
    pub others: Vec<Known>,
    /// By the keys of their names.
    pub groups: BTreeMap<String, KnownGroup>,
    pub bindings: Vec<Binding>,
    pub service_accounts: Vec<ServiceAccount>,
    pub bundles: Vec<Bundle>,
    pub alerts: Vec<Alert>,
    /// Those that were not answered yet; some may be over.
    pub invitations: Vec<Invitation>,
}

impl Found {
    /// What there is of the organisation that a table names.
    pub async fn load(conn: &mut Conn, table: &OrganisationTable) -> Result<Self> {
        let Some(org) = orgs::by_slug(conn, &table.slug).await? else {
            return Ok(Self::default());
        };
        let id = org.id.clone();
        let mut found = Self::of(conn, org).await?;
        found.load_former_members(conn, &id, table).await?;
        Ok(found)
    }

    /// What there is of an organisation.
    pub async fn of(conn: &mut Conn, org: Org) -> Result<Self> {
        let mut found = Self {
            settings: orgs::settings(conn, &org.id).await?,
            projects: orgs::projects(conn, &org.id).await?,
            roles: bindings::own_roles(conn, &org.id).await?,
            bindings: bindings::of_org(conn, &org.id).await?,
            service_accounts: service_accounts::of_org(conn, &org.id, None, i64::MAX).await?,
            bundles: bundles::page(conn, &org.id, "", usize::MAX).await?,
            alerts: alerts::of_org(conn, &org.id).await?,
            ..Self::default()
        };
        for state in [State::Processing, State::Pending] {
            found.invitations.extend(invitations::list(conn, &org.id, Some(state), None, i64::MAX).await?);
        }
        for group in groups::of_org(conn, &org.id).await? {
            let (members, mapped) = groups::places(conn, &group.id).await?;
            found.groups.insert(fold::key(&group.name), KnownGroup { group, members, mapped });
        }
        for person in people_read::of_org(conn, &org.id).await? {
            found.add(&org.id, person.into());
        }
        found.org = Some(org);
        Ok(found)
    }

    /// The organisation's accounts that the file names and that are no members any more.
    async fn load_former_members(&mut self, conn: &mut Conn, org: &OrgId, table: &OrganisationTable) -> Result<()> {
        for person in &table.people {
            let key = identifier::key(&person.user_name);
            if self.people.contains_key(&key) {
                continue;
            }
            if let Some(user) = users::by_identifier(conn, org.as_str(), &key).await?
                && identifier::key(&user.user_name) == key
            {
                let access = users::access_type(conn, &user.id).await?.unwrap_or(AccessType::Password);
                self.add(org, Known { user, access, member: None });
            }
        }
        Ok(())
    }

    fn add(&mut self, org: &OrgId, known: Known) {
        let key = identifier::key(&known.user.user_name);
        let namable = known.user.state != UserState::Deleted;
        if !namable || self.people.get(&key).is_some_and(|other| other.is_managed_by(org)) {
            self.others.push(known);
        } else if let Some(shadowed) = self.people.insert(key, known) {
            self.others.push(shadowed);
        }
    }

    /// The membership that owns the organisation.
    pub fn owner(&self) -> Option<&MembershipId> {
        self.org.as_ref().and_then(|org| org.owner.as_ref())
    }

    /// What a bundle still gives: nothing of a project or with a role that is gone.
    pub fn live_grants<'b>(&self, bundle: &'b Bundle) -> Vec<&'b (Role, Scope)> {
        let lives = |role: &Role, scope: &Scope| {
            let role_is_there = match role {
                Role::Own(key) => self.roles.iter().any(|own| own.key == *key),
                _ => true,
            };
            let project_is_there = match scope {
                Scope::Project(id) => self.projects.iter().any(|project| project.id == *id),
                Scope::Org | Scope::AllProjects => true,
            };
            role_is_there && project_is_there
        };
        bundle.grants.iter().filter(|(role, scope)| lives(role, scope)).collect()
    }

    /// The keys of the projects.
    pub fn keys(&self) -> BTreeMap<ProjectId, String> {
        self.projects.iter().map(|project| (project.id.clone(), project.key.clone())).collect()
    }
}
