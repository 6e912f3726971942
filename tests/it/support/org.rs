//! An organisation and what stands in it, by the names that a story uses.

use muster::domain::access::{Binding, Policy, Role, Scope, Subject, Window};
use muster::domain::change::{Change, Receipt};
use muster::domain::oauth::application::Application;
use muster::domain::people::user::{Kind as Whose, MembershipState};
use muster::domain::source::Source;
use muster::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId, UserId};
use muster::store::{groups, memberships, orgs};

use super::application::{self, Registered};
use super::world::World;

/// An organisation.
#[derive(Clone)]
pub struct Org {
    /// The world that it is in.
    pub world: World,
    /// Its id.
    pub id: OrgId,
    /// Its slug.
    pub slug: String,
}

impl Org {
    /// Makes a project; its name is its key.
    pub async fn project(&self, key: &str) -> ProjectId {
        let project = ProjectId::fresh();
        let (org, key) = (self.id.clone(), key.to_owned());
        self.world.act(vec![Change::CreateProject { org, project: project.clone(), name: key.clone(), key }]).await;
        project
    }

    /// Makes a managed account with a password, and its membership.
    pub async fn person(&self, user_name: &str, password: &str) -> UserId {
        let user = self.world.new_user(Whose::Managed(self.id.clone()), user_name, password).await;
        let id = user.id.clone();
        self.world.act(vec![Change::CreateUser(Box::new(user)), self.new_member(id.clone())]).await;
        id
    }

    /// Makes an account that is there already a member.
    pub async fn admit(&self, user: &UserId) {
        self.world.act(vec![self.new_member(user.clone())]).await;
    }

    fn new_member(&self, user: UserId) -> Change {
        let (org, member) = (self.id.clone(), MembershipId::fresh());
        Change::AddMember { org, member, user, state: MembershipState::Active, source: Source::Local }
    }

    /// Makes a group with members, by their user names.
    pub async fn group(&self, name: &str, members: &[&str]) -> GroupId {
        let (org, group) = (self.id.clone(), GroupId::fresh());
        let create =
            Change::CreateGroup { org, group: group.clone(), name: name.to_owned(), description: String::new() };
        self.world.act(vec![create]).await;
        if !members.is_empty() {
            self.put_in(name, members).await;
        }
        group
    }

    /// Puts people into a group.
    pub async fn put_in(&self, group: &str, members: &[&str]) -> Receipt {
        let (org, group, members) = (self.id.clone(), self.group_id(group).await, self.member_ids(members).await);
        self.world.act(vec![Change::AddToGroup { org, group, members }]).await
    }

    /// Takes people out of a group.
    pub async fn take_out(&self, group: &str, members: &[&str]) -> Receipt {
        let (org, group, members) = (self.id.clone(), self.group_id(group).await, self.member_ids(members).await);
        self.world.act(vec![Change::RemoveFromGroup { org, group, members }]).await
    }

    /// Deletes a group.
    pub async fn delete_group(&self, name: &str) -> Receipt {
        let (org, group) = (self.id.clone(), self.group_id(name).await);
        self.world.act(vec![Change::DeleteGroup { org, group }]).await
    }

    /// Gives a role to a group: on the organisation, on the project with this key, or on all (`*`).
    pub async fn give_group(&self, group: &str, role: &str, project: Option<&str>) -> BindingId {
        let subject = Subject::Group(self.group_id(group).await);
        self.bind(subject, role, project).await
    }

    /// Gives a role to a person directly.
    pub async fn give(&self, user_name: &str, role: &str, project: Option<&str>) -> BindingId {
        let subject = Subject::Member(self.member_id(user_name).await);
        self.bind(subject, role, project).await
    }

    async fn bind(&self, subject: Subject, role: &str, project: Option<&str>) -> BindingId {
        let scope = match project {
            None => Scope::Org,
            Some("*") => Scope::AllProjects,
            Some(key) => Scope::Project(self.project_id(key).await),
        };
        let role: Role = role.parse().expect("a role");
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window: Window::ALWAYS };
        let id = binding.id.clone();
        self.world.act(vec![Change::Bind { org: self.id.clone(), binding }]).await;
        id
    }

    /// Takes a role away.
    pub async fn take(&self, binding: &BindingId) -> Receipt {
        self.world.act(vec![Change::Unbind { org: self.id.clone(), binding: binding.clone() }]).await
    }

    /// Sets the rule for losses.
    pub async fn set_policy(&self, policy: Policy) {
        self.world.act(vec![Change::SetPolicy { org: self.id.clone(), policy }]).await;
    }

    /// Registers an application of this organisation; see [`application::sample`].
    pub async fn application(&self, client_id: &str) -> Registered {
        self.application_with(client_id, |_| {}).await
    }

    /// Registers an application of this organisation with something about it changed.
    pub async fn application_with(&self, client_id: &str, change: impl FnOnce(&mut Application)) -> Registered {
        let org = Some(self.id.clone());
        application::register(&self.world, client_id, |application| {
            application.org = org;
            change(application);
        })
        .await
    }

    /// The id of the project with this key.
    pub async fn project_id(&self, key: &str) -> ProjectId {
        let all = orgs::projects(&mut self.world.conn().await, &self.id).await.unwrap();
        all.into_iter().find(|project| project.key == key).unwrap_or_else(|| panic!("no project {key}")).id
    }

    /// The id of the group with this name.
    pub async fn group_id(&self, name: &str) -> GroupId {
        let all = groups::of_org(&mut self.world.conn().await, &self.id).await.unwrap();
        all.into_iter().find(|group| group.name == name).unwrap_or_else(|| panic!("no group {name}")).id
    }

    /// The membership of the person with this user name.
    pub async fn member_id(&self, user_name: &str) -> MembershipId {
        self.member(user_name).await.id
    }

    /// The account of the person with this user name.
    pub async fn user_id(&self, user_name: &str) -> UserId {
        self.member(user_name).await.user
    }

    async fn member(&self, user_name: &str) -> memberships::Membership {
        let all = memberships::of_org(&mut self.world.conn().await, &self.id).await.unwrap();
        all.into_iter().find(|(_, name)| name == user_name).unwrap_or_else(|| panic!("no member {user_name}")).0
    }

    async fn member_ids(&self, user_names: &[&str]) -> Vec<MembershipId> {
        let mut ids = Vec::new();
        for user_name in user_names {
            ids.push(self.member_id(user_name).await);
        }
        ids
    }
}
