//! Tools: service accounts and access keys, and the API tokens that are made from them.

mod keys;
mod service_accounts;
mod taken;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster::domain::change::Change;
use muster::flows::access_key::mint;
use muster::flows::change_access::Refusal;
use muster::kernel::id::{AccessKeyId, MembershipId};
use muster::kernel::time::{DAY, UnixMillis};
use muster::store::access_keys::{self, AccessKey};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;

use crate::support::PASSWORD;
use crate::support::client::{Client, Tokens};
use crate::support::http::{Address, Answer};
use crate::support::org::Org;
use crate::support::server::Site;

/// What the tools' tokens are for.
const RESOURCE: &str = "https://api.example";

/// Acme with the projects `web` and `data`, Ana and Bo in `devs`, which gives a role on `web`, and an API that looks into
/// the tokens it is sent.
async fn acme(site: &Site) -> (Org, Client) {
    let acme = site.org("acme").await;
    for key in ["web", "data"] {
        acme.project(key).await;
    }
    for name in ["ana", "bo"] {
        acme.person(name, PASSWORD).await;
    }
    acme.group("devs", &["ana", "bo"]).await;
    acme.give_group("devs", "project.member", Some("web")).await;
    let api = acme.application_with("api", |application| application.resource = Some(RESOURCE.to_owned())).await;
    (acme, site.client(&api))
}

/// A tool: whoever has a key's id and its secret.
struct Tool {
    at: Address,
    key: AccessKeyId,
    secret: String,
}

impl Tool {
    /// A tool of a member, with a key for a project that holds for a day.
    async fn of(site: &Site, org: &Org, member: &MembershipId, project: &str) -> Self {
        let until = site.now().plus(DAY);
        Self::until(site, org, (member, project), until).await.expect("the key is made")
    }

    /// As [`Tool::of`], for a member by user name.
    async fn of_person(site: &Site, org: &Org, user_name: &str, project: &str) -> Self {
        Self::of(site, org, &org.member_id(user_name).await, project).await
    }

    /// As [`Tool::of`], with an end of one's own choice, if the door lets it pass.
    async fn until(
        site: &Site,
        org: &Org,
        (member, project): (&MembershipId, &str),
        until: UnixMillis,
    ) -> Result<Self, Refusal> {
        let project = org.project_id(project).await;
        let (key, secret) = mint(site, member.clone(), project, "of a test".to_owned(), until);
        let id = key.id.clone();
        site.change(vec![Change::CreateAccessKey { org: org.id.clone(), key: Box::new(key) }]).await?;
        Ok(Self { at: site.at.clone(), key: id, secret: secret.expose().to_owned() })
    }

    /// Posts a form, with id and secret in the header.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pair = STANDARD.encode(format!("{}:{}", self.key, self.secret));
        let request = self.at.request(Method::POST, &self.at.url(path)).header(AUTHORIZATION, format!("Basic {pair}"));
        Answer::to(request.form(fields)).await
    }

    /// Asks for a token for the API.
    async fn ask(&self) -> Answer {
        self.post("/token", &[("grant_type", "client_credentials"), ("resource", RESOURCE)]).await
    }

    /// A token for the API.
    async fn token(&self) -> String {
        Tokens::read(&self.ask().await).access().to_owned()
    }

    /// The key must give no tokens: it is answered as one that never was.
    async fn is_refused(&self) {
        assert_eq!(self.ask().await.refusal(), (401, "invalid_client".to_owned()));
    }

    /// The key as lists show it.
    async fn listed(&self, site: &Site, org: &Org) -> Option<AccessKey> {
        access_keys::find(&mut site.conn().await, &org.id, &self.key).await.unwrap()
    }

    /// Enables or disables the key.
    fn set(&self, org: &Org, active: bool) -> Change {
        Change::SetAccessKey { org: org.id.clone(), key: self.key.clone(), name: "of a test".to_owned(), active }
    }
}
