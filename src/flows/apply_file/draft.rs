//! The plan of one organisation while it grows: the names that the file may use, and the changes by phase.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Found, KnownGroup};
use crate::domain::access::{Role, Scope, Subject};
use crate::domain::apply_file::{FileFault, GroupTable, OrganisationTable, RoleWord};
use crate::domain::change::Change;
use crate::domain::people::identifier;
use crate::domain::people::user::OrgState;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{GroupId, MembershipId, OrgId, ProjectId, RoleId};
use crate::kernel::time::SECOND;
use crate::store::groups::Group;
use crate::store::orgs::predefined_groups;

/// The changes, by phase.
///
/// Bindings go before what they hang on, and what goes goes before what comes, so that names, keys and addresses are
/// free again. The owner of before goes last, for another one must be in place; people are invited when everything is
/// there that they may be invited to. What speaks of applications comes after those of the file.
#[derive(Default)]
pub(super) struct Steps {
    pub make: Vec<Change>,
    pub unbind: Vec<Change>,
    pub remove: Vec<Change>,
    pub people: Vec<Change>,
    pub groups: Vec<Change>,
    pub bind: Vec<Change>,
    pub last: Vec<Change>,
    pub invite: Vec<Change>,
    pub after_applications: Vec<Change>,
}

impl Steps {
    /// The changes that come before those of applications, and those that come after.
    pub fn in_order(self) -> (Vec<Change>, Vec<Change>) {
        let Self { make, unbind, remove, people, groups, bind, last, invite, after_applications } = self;
        let before = [make, unbind, remove, people, groups, bind, last, invite].into_iter().flatten().collect();
        (before, after_applications)
    }
}

/// What the file may name: its own things and, unless they are pruned, those that are there besides.
#[derive(Default)]
pub(super) struct Names {
    pub projects: BTreeMap<String, ProjectId>,
    pub roles: BTreeSet<String>,
    pub people: BTreeMap<String, MembershipId>,
    pub groups: BTreeMap<String, GroupId>,
    /// By `project/name`.
    pub service_accounts: BTreeMap<String, MembershipId>,
}

impl Names {
    /// The member with this user name.
    pub fn person(&self, user_name: &str) -> Result<MembershipId, String> {
        let found = self.people.get(&identifier::key(user_name));
        found.cloned().ok_or_else(|| format!("there is no person \"{user_name}\""))
    }

    /// The group with this name.
    pub fn group(&self, name: &str) -> Result<GroupId, String> {
        self.groups.get(&fold::key(name)).cloned().ok_or_else(|| format!("there is no group \"{name}\""))
    }

    /// The service account that a word names: `project/name`.
    pub fn service_account(&self, word: &str) -> Result<MembershipId, String> {
        self.service_accounts.get(word).cloned().ok_or_else(|| format!("there is no service account \"{word}\""))
    }

    /// A role and its scope.
    pub fn role(&self, word: &str) -> Result<(Role, Scope), String> {
        let word: RoleWord = word.parse()?;
        if let Role::Own(key) = &word.role
            && !self.roles.contains(key)
        {
            return Err(format!("there is no role \"{key}\""));
        }
        let scope = word.scope(&self.projects)?;
        Ok((word.role, scope))
    }
}

/// The plan of one organisation.
pub(super) struct Draft<'a> {
    pub table: &'a OrganisationTable,
    pub found: &'a Found,
    pub org: OrgId,
    pub names: Names,
    pub steps: Steps,
    /// Whose bindings go with them.
    pub gone: BTreeSet<Subject>,
}

impl<'a> Draft<'a> {
    /// Begins with the organisation itself.
    pub fn new(table: &'a OrganisationTable, found: &'a Found) -> Result<Self, FileFault> {
        let org = found.org.as_ref().map_or_else(OrgId::fresh, |known| known.id.clone());
        let mut steps = Steps::default();
        match &found.org {
            None => steps.make.push(Change::CreateOrg {
                org: org.clone(),
                slug: table.slug.clone(),
                name: table.name.clone(),
                policy: table.policy.unwrap_or_default(),
            }),
            Some(known) if known.state == OrgState::Deleted => {
                return Err(FileFault { table: table.label(), reason: "it is deleted; undo that first".to_owned() });
            }
            Some(known) => {
                if known.name != table.name {
                    steps.make.push(Change::RenameOrg { org: org.clone(), name: table.name.clone() });
                }
                if let Some(policy) = table.policy
                    && policy != known.policy
                {
                    steps.make.push(Change::SetPolicy { org: org.clone(), policy });
                }
            }
        }
        let known = found.org.as_ref().map_or((None, None), |org| (org.session_idle, org.session_absolute));
        let millis = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(SECOND));
        let idle = millis(table.session_idle_secs).or(known.0);
        let absolute = millis(table.session_absolute_secs).or(known.1);
        if (idle, absolute) != known {
            steps.make.push(Change::SetSessionLimits { org: org.clone(), idle, absolute });
        }
        Ok(Self { table, found, org, names: Names::default(), steps, gone: BTreeSet::new() })
    }

    pub fn projects(&mut self) {
        let known: BTreeMap<&str, _> =
            self.found.projects.iter().map(|project| (project.key.as_str(), project)).collect();
        for table in &self.table.projects {
            let (org, name) = (self.org.clone(), table.name.clone());
            let project = known.get(table.key.as_str()).map_or_else(ProjectId::fresh, |project| project.id.clone());
            self.names.projects.insert(table.key.clone(), project.clone());
            match known.get(table.key.as_str()) {
                None => self.steps.make.push(Change::CreateProject { org, project, key: table.key.clone(), name }),
                Some(known) if known.name != name => {
                    self.steps.make.push(Change::RenameProject { org, project, name });
                }
                Some(_) => {}
            }
        }
        for project in &self.found.projects {
            if self.names.projects.contains_key(&project.key) {
                continue;
            }
            if self.table.prune {
                self.steps.remove.push(Change::DeleteProject { org: self.org.clone(), project: project.id.clone() });
            } else {
                self.names.projects.insert(project.key.clone(), project.id.clone());
            }
        }
    }

    /// The settings; the projects must be known by now.
    pub fn settings(&mut self) -> Result<(), FileFault> {
        let Some(table) = &self.table.settings else {
            return Ok(());
        };
        let default_project = match &table.default_project {
            None => None,
            Some(key) => {
                let missing = || FileFault {
                    table: format!("{}, settings", self.table.label()),
                    reason: format!("default_project: there is no project \"{key}\""),
                };
                Some(self.names.projects.get(key).cloned().ok_or_else(missing)?)
            }
        };
        let settings = table.settings(default_project);
        if settings != self.found.settings {
            let (org, settings) = (self.org.clone(), Box::new(settings));
            self.steps.make.push(Change::SetOrgSettings { org, settings });
        }
        Ok(())
    }

    pub fn roles(&mut self) {
        for table in &self.table.roles {
            let (org, name) = (self.org.clone(), table.name.clone());
            let permissions: BTreeSet<String> = table.permissions.iter().cloned().collect();
            self.names.roles.insert(table.key.clone());
            match self.found.roles.iter().find(|role| role.key == table.key) {
                None => {
                    let (role, key) = (RoleId::fresh(), table.key.clone());
                    self.steps.make.push(Change::CreateRole { org, role, key, name, permissions });
                }
                Some(known) if known.name != name || known.permissions != permissions => {
                    self.steps.make.push(Change::SetRole { org, role: known.id.clone(), name, permissions });
                }
                Some(_) => {}
            }
        }
        for role in &self.found.roles {
            if self.names.roles.contains(&role.key) {
                continue;
            }
            if self.table.prune {
                self.steps.remove.push(Change::DeleteRole { org: self.org.clone(), role: role.id.clone() });
            } else {
                self.names.roles.insert(role.key.clone());
            }
        }
    }

    /// Groups and who is in them; the people must be known by now.
    pub fn groups(&mut self) -> Result<(), FileFault> {
        let (table, found) = (self.table, self.found);
        for group in &table.groups {
            let key = fold::key(&group.name);
            let id = match found.groups.get(&key) {
                None => match self.predefined(&key) {
                    Some(known) => self.same_group(group, &known)?,
                    None => self.new_group(group)?,
                },
                Some(known) => self.same_group(group, known)?,
            };
            self.names.groups.insert(key, id);
        }
        for group in predefined_groups(&self.org).into_iter().filter(|_| found.org.is_none()) {
            self.names.groups.entry(fold::key(group.name)).or_insert(group.id);
        }
        for (key, known) in &found.groups {
            if self.names.groups.contains_key(key) {
                continue;
            }
            // What a connection owns is not ours to prune, and what every organisation has is nobody's.
            if table.prune && known.group.source.connection().is_none() && known.group.source != Source::System {
                let group = known.group.id.clone();
                self.gone.insert(Subject::Group(group.clone()));
                self.steps.remove.push(Change::DeleteGroup { org: self.org.clone(), group });
            } else {
                self.names.groups.insert(key.clone(), known.group.id.clone());
            }
        }
        Ok(())
    }

    /// A group that an organisation which isn't there yet will have from its first day.
    fn predefined(&self, key: &str) -> Option<KnownGroup> {
        let all = predefined_groups(&self.org);
        let group = all.into_iter().find(|group| self.found.org.is_none() && fold::key(group.name) == key)?;
        let (name, description) = (group.name.to_owned(), group.description.to_owned());
        let group = Group { id: group.id, name, description, source: Source::System };
        Some(KnownGroup { group, members: BTreeSet::new(), mapped: BTreeSet::new() })
    }

    fn new_group(&mut self, table: &GroupTable) -> Result<GroupId, FileFault> {
        let members: Vec<MembershipId> = self.members(table)?.into_iter().collect();
        let (org, group) = (self.org.clone(), GroupId::fresh());
        let description = table.description.clone().unwrap_or_default();
        self.steps.groups.push(Change::CreateGroup {
            org: org.clone(),
            group: group.clone(),
            name: table.name.clone(),
            description,
        });
        if !members.is_empty() {
            self.steps.groups.push(Change::AddToGroup { org, group: group.clone(), members });
        }
        Ok(group)
    }

    fn same_group(&mut self, table: &GroupTable, known: &KnownGroup) -> Result<GroupId, FileFault> {
        let (org, group) = (self.org.clone(), known.group.id.clone());
        let description = table.description.clone().unwrap_or_else(|| known.group.description.clone());
        if known.group.name != table.name.trim() || known.group.description != description {
            let name = table.name.clone();
            self.steps.groups.push(Change::RenameGroup { org: org.clone(), group: group.clone(), name, description });
        }
        if known.group.source.connection().is_some() && table.members.is_empty() {
            return Ok(group); // named for its roles; its members come from the connection
        }
        let wanted = self.members(table)?;
        let staying = |member: &&MembershipId| !self.gone.contains(&Subject::Member((*member).clone()));
        let leaving: Vec<MembershipId> = known.members.difference(&wanted).filter(staying).cloned().collect();
        let outside = |member: &&MembershipId| !known.mapped.contains(*member);
        let joining: Vec<MembershipId> = wanted.difference(&known.members).filter(outside).cloned().collect();
        if !leaving.is_empty() {
            let (org, group) = (org.clone(), group.clone());
            self.steps.groups.push(Change::RemoveFromGroup { org, group, members: leaving });
        }
        if !joining.is_empty() {
            self.steps.groups.push(Change::AddToGroup { org, group: group.clone(), members: joining });
        }
        Ok(group)
    }

    fn members(&self, table: &GroupTable) -> Result<BTreeSet<MembershipId>, FileFault> {
        let fault = |reason: String| FileFault {
            table: self.table.label_of("group", &table.name),
            reason: format!("members: {reason}"),
        };
        table.members.iter().map(|user_name| self.names.person(user_name).map_err(fault)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nowhere_is_said_to_be_missing() {
        let names = Names {
            projects: BTreeMap::from([("web".to_owned(), ProjectId::from_u128(1))]),
            roles: BTreeSet::from(["clerk".to_owned()]),
            people: BTreeMap::from([("ana".to_owned(), MembershipId::from_u128(1))]),
            groups: BTreeMap::from([("web team".to_owned(), GroupId::from_u128(1))]),
            service_accounts: BTreeMap::from([("web/build".to_owned(), MembershipId::from_u128(2))]),
        };
        assert_eq!(names.service_account("web/build"), Ok(MembershipId::from_u128(2)));
        assert!(names.service_account("build").is_err());
        assert_eq!(names.person("Ana"), Ok(MembershipId::from_u128(1)));
        assert_eq!(names.person("bo"), Err("there is no person \"bo\"".to_owned()));
        assert_eq!(names.group(" Web Team"), Ok(GroupId::from_u128(1)));
        assert_eq!(names.group("web"), Err("there is no group \"web\"".to_owned()));
        assert_eq!(
            names.role("clerk:web"),
            Ok((Role::Own("clerk".to_owned()), Scope::Project(ProjectId::from_u128(1))))
        );
        assert_eq!(names.role("clark"), Err("there is no role \"clark\"".to_owned()));
        assert!(names.role("project.admin:wbe").is_err_and(|reason| reason.contains("there is no project \"wbe\"")));
    }

    #[test]
    fn what_goes_goes_before_what_comes_and_the_former_owner_last() {
        let org = OrgId::from_u128(1);
        let member = |n| Change::RemoveMember { org: org.clone(), member: MembershipId::from_u128(n) };
        let mut steps = Steps::default();
        steps.last.push(member(5));
        steps.people.push(member(4));
        steps.remove.push(member(3));
        steps.unbind.push(member(2));
        steps.make.push(member(1));
        steps.after_applications.push(member(6));
        let (before, after) = steps.in_order();
        let order = before.into_iter().chain(after).map(|change| match change {
            Change::RemoveMember { member, .. } => member,
            other => panic!("{other:?}"),
        });
        assert!(order.eq((1..=6).map(MembershipId::from_u128)));
    }
}
