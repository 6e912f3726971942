//! What ids mean to people: in receipts and plans every id that is known is told by its name.

use std::collections::BTreeMap;

use super::words;
use crate::domain::access::{Binding, Subject};
use crate::domain::change::Change;
use crate::domain::people::invitation::State;
use crate::store::db::Conn;
use crate::store::{bindings, groups, invitations, memberships, orgs};

/// Ids and their names.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The name of an id, or the id itself.
    pub fn of<'a>(&'a self, id: &'a str) -> &'a str {
        self.0.get(id).map_or(id, String::as_str)
    }

    /// A line with the ids in it replaced by names.
    pub fn tell(&self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(|word| self.word(word)).collect();
        words.join(" ")
    }

    /// An id may be followed by a comma or a colon.
    fn word(&self, word: &str) -> String {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
        let (id, rest) = word.split_at(end);
        format!("{}{rest}", self.of(id))
    }

    fn put(&mut self, id: &str, name: impl Into<String>) {
        self.0.insert(id.to_owned(), name.into());
    }

    /// Learns everything of an organisation that a change can name.
    pub async fn learn(&mut self, conn: &mut Conn, slug: &str) -> anyhow::Result<()> {
        let Some(org) = orgs::by_slug(conn, slug).await? else {
            return Ok(());
        };
        self.put(org.id.as_str(), org.slug);
        for project in orgs::projects(conn, &org.id).await? {
            self.put(project.id.as_str(), project.key);
        }
        for (member, user_name) in memberships::of_org(conn, &org.id).await? {
            self.put(member.user.as_str(), user_name.clone());
            self.put(member.id.as_str(), user_name);
        }
        for group in groups::of_org(conn, &org.id).await? {
            self.put(group.id.as_str(), format!("\"{}\"", group.name));
        }
        for role in bindings::own_roles(conn, &org.id).await? {
            self.put(role.id.as_str(), role.key);
        }
        for binding in bindings::of_org(conn, &org.id).await? {
            self.binding(&binding);
        }
        for invitation in invitations::list(conn, &org.id, Some(State::Pending), None, i64::MAX).await? {
            self.put(invitation.id.as_str(), invitation.email);
        }
        Ok(())
    }

    /// Learns what changes are going to make.
    pub fn learn_new(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::CreateOrg { org, slug, .. } => self.put(org.as_str(), slug.clone()),
                Change::CreateProject { project, key, .. } => {
                    self.put(project.as_str(), key.clone());
                }
                Change::CreateUser(user) => self.put(user.id.as_str(), user.user_name.clone()),
                Change::AddMember { member, user, .. } => {
                    let name = self.of(user.as_str()).to_owned();
                    self.put(member.as_str(), name);
                }
                Change::CreateServiceAccount { user, member, name, .. } => {
                    self.put(user.as_str(), format!("\"{name}\""));
                    self.put(member.as_str(), format!("\"{name}\""));
                }
                Change::CreateGroup { group, name, .. } => {
                    self.put(group.as_str(), format!("\"{name}\""));
                }
                Change::CreateRole { role, key, .. } => self.put(role.as_str(), key.clone()),
                Change::Invite(new) => self.put(new.id.as_str(), new.email.clone()),
                Change::Bind { binding, .. } => self.binding(binding),
                Change::PutApplication(application) => {
                    self.put(application.id.as_str(), application.client_id.clone());
                }
                _ => {} // the rest makes nothing that has a name
            }
        }
    }

    fn binding(&mut self, binding: &Binding) {
        let subject = match &binding.subject {
            Subject::Member(id) => self.of(id.as_str()),
            Subject::Group(id) => self.of(id.as_str()),
        };
        let name = format!("of {} to {subject}", words::grant(&binding.role, &binding.scope, self));
        self.put(binding.id.as_str(), name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Role, Scope, Window};
    use crate::kernel::id::{BindingId, GroupId, OrgId, ProjectId};

    #[test]
    fn a_line_of_a_plan_tells_names_instead_of_ids_and_keeps_unknown_ones() {
        let (org, project, group) = (OrgId::from_u128(1), ProjectId::from_u128(2), GroupId::from_u128(3));
        let binding = Binding {
            id: BindingId::from_u128(4),
            role: Role::ProjectAdmin,
            scope: Scope::Project(project.clone()),
            subject: Subject::Group(group.clone()),
            window: Window::ALWAYS,
        };
        let mut names = Names::default();
        names.learn_new(&[
            Change::CreateProject {
                org: org.clone(),
                project: project.clone(),
                key: "web".to_owned(),
                name: "Web".to_owned(),
            },
            Change::CreateGroup {
                org: org.clone(),
                group: group.clone(),
                name: "Web team".to_owned(),
                description: String::new(),
            },
            Change::Bind { org: org.clone(), binding },
        ]);
        assert_eq!(
            names.tell(&format!("give project.admin on {project} to {group}, twice")),
            "give project.admin on web to \"Web team\", twice"
        );
        let taken = names.tell(&format!("take binding {}: no", BindingId::from_u128(4)));
        assert_eq!(taken, "take binding of project.admin on web to \"Web team\": no");
        assert_eq!(names.tell(org.as_str()), org.as_str());
    }
}
