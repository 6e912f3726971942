//! What the database holds of one organisation, before anything is planned.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::access::Binding;
use crate::domain::apply_file::OrganisationTable;
use crate::domain::people::identifier;
use crate::domain::people::user::{Kind, UserState};
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId};
use crate::store::bindings::{self, OwnRole};
use crate::store::db::{Conn, Result};
use crate::store::groups::{self, Group};
use crate::store::memberships::{self, Membership};
use crate::store::orgs::{self, Org, Project};
use crate::store::users::{self, User};

/// An account and its membership in the organisation.
pub(super) struct Known {
    pub user: User,
    pub member: Option<Membership>,
}

impl Known {
    /// Whether the account is the organisation's own, and not a person's or another organisation's.
    pub fn is_managed_by(&self, org: &OrgId) -> bool {
        matches!(&self.user.kind, Kind::Managed(by) if by == org)
    }
}

/// A group and who is in it.
pub(super) struct KnownGroup {
    pub group: Group,
    pub members: BTreeSet<MembershipId>,
}

/// All of it; empty when the organisation isn't there yet.
#[derive(Default)]
pub(super) struct Found {
    pub org: Option<Org>,
    pub projects: Vec<Project>,
    pub roles: Vec<OwnRole>,
    /// Those whom the file can name, by the keys of their user names.
    pub people: BTreeMap<String, Known>,
    /// Members whom it can't: deleted accounts, and own accounts whose user name a managed one has too.
    pub others: Vec<Known>,
    /// By the keys of their names.
    pub groups: BTreeMap<String, KnownGroup>,
    pub bindings: Vec<Binding>,
}

impl Found {
    pub async fn load(conn: &mut Conn, table: &OrganisationTable) -> Result<Self> {
        let Some(org) = orgs::by_slug(conn, &table.slug).await? else {
            return Ok(Self::default());
        };
        let mut found = Self {
            projects: orgs::projects(conn, &org.id).await?,
            roles: bindings::own_roles(conn, &org.id).await?,
            bindings: bindings::of_org(conn, &org.id).await?,
            ..Self::default()
        };
        for group in groups::of_org(conn, &org.id).await? {
            let members = groups::member_ids(conn, &group.id).await?.into_iter().collect();
            found.groups.insert(fold::key(&group.name), KnownGroup { group, members });
        }
        for (member, _) in memberships::of_org(conn, &org.id).await? {
            if let Some(user) = users::find(conn, &member.user).await? {
                found.add(&org.id, Known { user, member: Some(member) });
            }
        }
        found.load_former_members(conn, &org.id, table).await?;
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
                self.add(org, Known { user, member: None });
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
}
