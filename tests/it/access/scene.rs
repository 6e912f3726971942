//! Two organisations that share some people, three applications, and the model of it all.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::{Binding, Policy, Role, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode, NewUser, Receipt};
use muster::domain::oauth::application::Application;
use muster::domain::oidc::claims::Profile;
use muster::domain::people::user::{Kind, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{ApplicationId, BindingId, OrgId, UserId};
use muster::store::bindings;
use muster::store::orgs::predefined_groups;

use super::batch::Batch;
use super::model::{Account, Group, Model, Org};
use crate::support::application::sample;
use crate::support::world::World;

/// The applications: two that are told of sign-outs, and one that is not.
pub struct Applications {
    /// People sign in to it, and it is told.
    pub loud: Application,
    /// People have offline access to it from an earlier sign-in, and it is told.
    pub late: Application,
    /// People sign in to it, and it has no address to be told at.
    pub quiet: Application,
}

/// What a story begins with.
pub struct Scene {
    pub world: World,
    pub model: Model,
    pub orgs: [OrgId; 2],
    pub users: Vec<UserId>,
    pub applications: Applications,
}

impl Applications {
    fn new(number: usize) -> Self {
        let named = |name: &str, told: bool| {
            let uri = told.then(|| format!("https://{name}.example/backchannel-logout"));
            Application { backchannel_logout_uri: uri, ..sample(&format!("{name}-{number}")) }
        };
        Self { loud: named("loud", true), late: named("late", true), quiet: named("quiet", false) }
    }

    /// All three.
    pub const fn all(&self) -> [&Application; 3] {
        [&self.loud, &self.late, &self.quiet]
    }

    /// The client id of an application that is told of sign-outs.
    pub fn told(&self, id: &ApplicationId) -> Option<&str> {
        let found = self
            .all()
            .into_iter()
            .find(|application| application.id == *id && application.backchannel_logout_uri.is_some());
        found.map(|application| application.client_id.as_str())
    }
}

impl Scene {
    /// Sets the scene; `number` keeps the names of several scenes in one database apart.
    pub async fn set(world: &World, number: usize, policies: [Policy; 2]) -> Self {
        let (mut changes, mut model) = (Vec::new(), Model::default());
        let orgs = ["acme", "beta"].map(|name| (OrgId::fresh(), name));
        for ((org, name), policy) in orgs.iter().zip(policies) {
            let (slug, name) = (format!("{name}{number}"), (*name).to_owned());
            changes.push(Change::CreateOrg { org: org.clone(), slug, name, policy });
            model.orgs.insert(org.clone(), Org::new(policy));
        }
        let users = ["ana", "bo", "cem", "dia", "eli", "fay"].map(|name| (UserId::fresh(), format!("{name}-{number}")));
        for (id, name) in &users {
            changes.push(Change::CreateUser(Box::new(own_account(id, name))));
            model.users.insert(id.clone(), Account { name: name.clone(), state: UserState::Active });
        }
        let applications = Applications::new(number);
        changes.extend(applications.all().map(|application| Change::PutApplication(Box::new(application.clone()))));
        change_access(world, &Actor::CommandLine, changes, Mode::Act).await.expect("the scene can be set");
        let (orgs, users) = (orgs.map(|(id, _)| id), users.map(|(id, _)| id).to_vec());
        let mut conn = world.conn().await;
        for org in &orgs {
            let of = model.orgs.get_mut(org).unwrap();
            for group in predefined_groups(org) {
                let known = Group { name: group.name.to_owned(), system: true, members: BTreeSet::new() };
                of.groups.insert(group.id, known);
            }
            let given = bindings::of_org(&mut conn, org).await.unwrap();
            assert_eq!(given.len(), 2, "each predefined group has its role");
            of.bindings.extend(given.into_iter().map(|binding| (binding.id.clone(), binding)));
        }
        drop(conn);
        let mut scene = Self { world: world.clone(), model, orgs, users, applications };
        let people = scene.people();
        scene.carry(people).await;
        scene
    }

    /// A batch to be filled.
    pub fn batch(&self) -> Batch {
        Batch::new(&self.model, self.world.now())
    }

    /// Ana owns acme and eli beta; ana and bo are in both. Each has two groups with roles, and two projects.
    fn people(&self) -> Batch {
        let mut batch = self.batch();
        for (org, members) in self.orgs.iter().zip([[0, 1, 2, 3], [4, 0, 1, 5]]) {
            let members = members.map(|number| batch.add_member(org, &self.users[number], MembershipState::Active));
            batch.transfer_ownership(org, &members[0]);
            let web = batch.create_project(org, "web");
            batch.create_project(org, "data");
            let (devs, ops) = (batch.create_group(org, "devs"), batch.create_group(org, "ops"));
            batch.add_to_group(org, &devs, &members[1..]);
            batch.add_to_group(org, &ops, &members[2..]);
            let given = [
                (Role::ProjectReader, Scope::Project(web), &devs),
                (Role::OrgReader, Scope::Org, &devs),
                (Role::OrgReader, Scope::Org, &ops),
                (Role::ProjectAdmin, Scope::AllProjects, &ops),
            ];
            for (role, scope, group) in given {
                batch.bind(org, always(role, scope, Subject::Group(group.clone())));
            }
        }
        batch
    }

    /// Asks the door for a batch, from the command line.
    pub async fn ask(&self, batch: &Batch, mode: Mode) -> Result<Receipt, Refusal> {
        change_access(&self.world, &Actor::CommandLine, batch.changes.clone(), mode).await
    }

    /// Carries out a batch that must be accepted, and takes over its model.
    pub async fn carry(&mut self, batch: Batch) -> Receipt {
        let receipt = self.ask(&batch, Mode::Act).await.expect("the change is accepted");
        assert_eq!(receipt.members, batch.outcomes());
        self.model = batch.model;
        receipt
    }

    /// The texts of some ids, as statements take them.
    pub fn user_ids(&self) -> Vec<String> {
        self.users.iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// As [`Scene::user_ids`], of the organisations.
    pub fn org_ids(&self) -> Vec<String> {
        self.orgs.iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// Where a logout token for an application would go, by the application's id.
    pub fn receivers(&self) -> BTreeMap<ApplicationId, String> {
        let told = self.applications.all().into_iter().filter_map(|application| {
            self.applications.told(&application.id).map(|client_id| (application.id.clone(), client_id.to_owned()))
        });
        told.collect()
    }
}

/// A binding that is always live.
pub fn always(role: Role, scope: Scope, subject: Subject) -> Binding {
    Binding { id: BindingId::fresh(), role, scope, subject, window: Window::ALWAYS }
}

fn own_account(id: &UserId, name: &str) -> NewUser {
    NewUser {
        id: id.clone(),
        kind: Kind::Own,
        user_name: name.to_owned(),
        profile: Profile::default(),
        state: UserState::Active,
        source: Source::Local,
        password: None,
        must_change: false,
    }
}
