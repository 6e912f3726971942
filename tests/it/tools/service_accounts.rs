//! Service accounts: accounts of a project that only tools use.

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::Change;
use muster::flows::change_access::Refusal;
use muster::kernel::id::{BindingId, MembershipId, UserId};
use muster::kernel::time::DAY;
use muster::store::service_accounts;

use super::{Tool, acme};
use crate::support::browser::Person;
use crate::support::client::{claims, list};
use crate::support::org::Org;
use crate::support::server::on_both;

/// Makes a service account, if the door lets it pass.
async fn robot(org: &Org, project: &str, name: &str) -> Result<(UserId, MembershipId), Refusal> {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let create = Change::CreateServiceAccount {
        org: org.id.clone(),
        project: org.project_id(project).await,
        user: user.clone(),
        member: member.clone(),
        name: name.to_owned(),
        description: "deploys".to_owned(),
        owner: Some(org.member_id("ana").await),
    };
    org.world.change(vec![create]).await.map(|_| (user, member))
}

async fn give(org: &Org, member: &MembershipId, role: Role, scope: Scope) -> BindingId {
    let subject = Subject::Member(member.clone());
    let binding = Binding { id: BindingId::fresh(), role, scope, subject, window: Window::ALWAYS };
    let id = binding.id.clone();
    org.world.act(vec![Change::Bind { org: org.id.clone(), binding }]).await;
    id
}

// N26
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_tokens_with_its_own_roles_and_can_not_sign_in() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (user, member) = robot(&acme, "web", "deployer").await.ok().unwrap();
        let tool = Tool::of(site, &acme, &member, "web").await;
        let bare = claims(&tool.token().await);
        assert_eq!(bare["sub"], user.as_str());
        assert!(bare["roles"].is_null() && bare["org_roles"].is_null(), "{bare}");

        let web = Scope::Project(acme.project_id("web").await);
        let binding = give(&acme, &member, Role::ProjectMember, web).await;
        give(&acme, &member, Role::ProjectReader, Scope::Project(acme.project_id("data").await)).await;
        give(&acme, &member, Role::TrailViewer, Scope::Org).await;
        let token = tool.token().await;
        let told = api.introspect(&token).await;
        assert_eq!(
            (list(&told["roles"]), list(&told["org_roles"])),
            (vec!["project.member".to_owned()], vec!["trail.viewer".to_owned()])
        );
        let page = site.browser().sign_in(Person::named("deployer")).await.page();
        assert!(page.has("login-submit"), "it has no way in: {page:?}");

        // What it loses is refused at once; the key stays, for the account is the project's own.
        let receipt = acme.take(&binding).await;
        assert_eq!((receipt.ended.access_keys, receipt.members.len()), (0, 1));
        assert!(!api.is_active(&token).await);
        assert!(claims(&tool.token().await)["roles"].is_null());
    })
    .await;
}

// K38
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_is_in_no_group_and_has_keys_for_its_own_project_alone() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let (_, member) = robot(&acme, "web", "deployer").await.ok().unwrap();
        let group = acme.group_id("devs").await;
        let join = Change::AddToGroup { org: acme.id.clone(), group, members: vec![member.clone()] };
        let refusal = site.change(vec![join]).await.err().unwrap();
        assert!(matches!(&refusal, Refusal::Invalid { reason, .. } if reason.contains("ervice account")), "{refusal}");
        give(&acme, &member, Role::ProjectReader, Scope::AllProjects).await;
        let refusal = Tool::until(site, &acme, (&member, "data"), site.now().plus(DAY)).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Invalid { field: "project", .. }), "{refusal}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_a_name_of_a_service_account_once_until_it_is_removed() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let (user, _) = robot(&acme, "web", "deployer").await.ok().unwrap();
        let (other, _) = robot(&acme, "web", "tester").await.ok().unwrap();
        assert!(matches!(robot(&acme, "web", "deployer").await, Err(Refusal::Conflict(_))));
        assert!(robot(&acme, "data", "deployer").await.is_ok(), "another project has names of its own");
        assert!(matches!(robot(&acme, "web", " ").await, Err(Refusal::Invalid { field: "name", .. })));
        let rename = |user: &UserId, name: &str| Change::SetServiceAccount {
            org: acme.id.clone(),
            user: user.clone(),
            name: name.to_owned(),
            description: String::new(),
        };
        assert!(matches!(site.change(vec![rename(&other, "deployer")]).await, Err(Refusal::Conflict(_))));
        site.act(vec![rename(&other, "checker")]).await;
        assert!(site.act(vec![rename(&other, "checker")]).await.is_empty());

        let remove = Change::RemoveServiceAccount { org: acme.id.clone(), user: user.clone() };
        site.act(vec![remove.clone()]).await;
        assert!(matches!(site.change(vec![remove]).await, Err(Refusal::NotFound(_))));
        let (again, _) = robot(&acme, "web", "deployer").await.ok().unwrap();
        assert_ne!(again, user);
        let web = acme.project_id("web").await;
        let of_web = service_accounts::of_project(&mut site.conn().await, &acme.id, &web, None, 10).await.unwrap();
        let named: Vec<&str> = of_web.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(named, ["checker", "deployer"]);
        let all = service_accounts::of_org(&mut site.conn().await, &acme.id, None, 10).await.unwrap();
        assert_eq!(all.len(), 3);
        let rest = service_accounts::of_org(&mut site.conn().await, &acme.id, Some(&all[0].user), 10).await.unwrap();
        assert_eq!(rest.len(), 2);
        let ana = acme.member_id("ana").await;
        assert!(all.iter().all(|account| account.owner.as_ref() == Some(&ana)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_that_goes_alone_or_with_its_project_takes_its_tokens_along() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (first, member) = robot(&acme, "web", "first").await.ok().unwrap();
        let (second, other) = robot(&acme, "web", "second").await.ok().unwrap();
        let data = Scope::Project(acme.project_id("data").await);
        give(&acme, &other, Role::ProjectReader, data).await;
        let tools = [Tool::of(site, &acme, &member, "web").await, Tool::of(site, &acme, &other, "web").await];
        let tokens = [tools[0].token().await, tools[1].token().await];
        let (org, project) = (acme.id.clone(), acme.project_id("web").await);
        let acts = [
            Change::RemoveServiceAccount { org: org.clone(), user: first.clone() },
            Change::DeleteProject { org, project },
        ];
        for (number, act) in acts.into_iter().enumerate() {
            assert!(api.is_active(&tokens[number]).await);
            assert_eq!(site.act(vec![act]).await.ended.access_keys, 1);
            assert!(!api.is_active(&tokens[number]).await);
            tools[number].is_refused().await;
        }
        for user in [first, second] {
            assert!(service_accounts::find(&mut site.conn().await, &acme.id, &user).await.unwrap().is_none());
        }
    })
    .await;
}
