//! An organisation whose people come from its directory, with what they hold: who is in which group, which roles the groups
//! give, an application, an access key, a mailed link.

use muster::domain::change::{Change, Receipt};
use muster::domain::connection::ScimProfile;
use muster::domain::mail::Purpose;
use muster::flows::access_key::mint;
use muster::kernel::id::UserId;
use muster::kernel::secret::{Digest, Secret};
use muster::kernel::time::{DAY, HOUR};
use muster::store::links::{self, NewRow};
use muster::store::{audit, change_list};
use serde_json::json;

use super::client::Push;
use super::visitor::may_sign_in;
use crate::support::application::{Credentials, Registered};
use crate::support::client::{Client, Tokens};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::Site;

/// What the tools' tokens are for.
const RESOURCE: &str = "https://api.example";

/// Acme, whose directory pushed Ana and Bo: both are in `Devs`, Bo is in `Ops` too, and each of the two groups gives the
/// same role on `web`. `Everybody` gives a role on the organisation.
pub struct Scene {
    /// The organisation.
    pub acme: Org,
    /// Its directory.
    pub push: Push,
    /// The application that they are signed in to.
    pub shop: Registered,
    /// Where the application is told of sign-outs.
    pub receiver: Receiver,
    /// Ana's id.
    pub ana: String,
    /// Bo's id.
    pub bo: String,
    /// The id of `Devs`.
    pub devs: String,
    /// The id of `Everybody`.
    pub everybody: String,
}

impl Scene {
    /// Sets it.
    pub async fn set(site: &Site) -> Self {
        let acme = site.org("acme").await;
        acme.project("web").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let (ana, bo) = (push.create_user("ana").await, push.create_user("bo").await);
        for user in [&ana, &bo] {
            may_sign_in(site, user).await;
        }
        let devs = push.create_group("Devs", &[&ana, &bo]).await;
        push.create_group("Ops", &[&bo]).await;
        let everybody = push.create_group("Everybody", &[&ana, &bo]).await;
        for group in ["Devs", "Ops"] {
            acme.give_group(group, "project.member", Some("web")).await;
        }
        acme.give_group("Everybody", "org.reader", None).await;
        let receiver = Receiver::open(Manner::Take).await;
        let url = receiver.url.clone();
        let shop = acme.application_with("shop", |application| application.backchannel_logout_uri = Some(url)).await;
        Self { acme, push, shop, receiver, ana, bo, devs, everybody }
    }

    /// The path of `Devs`.
    pub fn devs(&self) -> String {
        format!("/Groups/{}", self.devs)
    }

    /// The path of Ana.
    pub fn ana(&self) -> String {
        format!("/Users/{}", self.ana)
    }

    /// Takes both out of `Devs`, as Entra, JumpCloud and authentik say it.
    pub async fn take_both_out(&self) {
        let gone = json!([{ "value": self.ana }, { "value": self.bo }]);
        let answer =
            self.push.operate(&self.devs(), json!([{ "op": "remove", "path": "members", "value": gone }])).await;
        assert_eq!(answer.status, 204, "{}", answer.json);
    }

    /// Says whether Ana is active, as Okta says it.
    pub async fn set_active(&self, active: bool) {
        let answer = self.push.operate(&self.ana(), json!([{ "op": "replace", "value": { "active": active } }])).await;
        assert_eq!((answer.status, &answer.json["active"]), (200, &json!(active)), "{}", answer.json);
    }

    /// The newest change of the organisation, as its receipt tells it.
    pub async fn newest(&self, site: &Site) -> Receipt {
        let mut conn = site.conn().await;
        let newest = change_list::of_org(&mut conn, &self.acme.id, None, 1).await.unwrap().remove(0);
        audit::receipt(&mut conn, &newest.id).await.unwrap().expect("a change leaves its receipt")
    }

    /// The names of the groups that Ana is shown in.
    pub async fn groups_of_ana(&self) -> Vec<String> {
        let shown = self.push.get(&self.ana()).await.good().json;
        let mut names: Vec<String> = shown["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|group| group["display"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

/// Some words.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Somebody's access key, and the API that its tokens are for.
pub struct Key {
    /// The API.
    pub api: Client,
    tool: Client,
}

impl Key {
    /// Makes a key for the project `web`.
    pub async fn of(site: &Site, acme: &Org, name: &str) -> Self {
        let api = acme.application_with("api", |application| application.resource = Some(RESOURCE.to_owned())).await;
        let (member, project) = (acme.member_id(name).await, acme.project_id("web").await);
        let (key, secret) = mint(site, member, project, "of a test".to_owned(), site.now().plus(DAY));
        let id = key.id.to_string();
        site.act(vec![Change::CreateAccessKey { org: acme.id.clone(), key: Box::new(key) }]).await;
        let api_client = site.client(&api);
        // A tool asks as a client does, with the key's id and secret.
        let mut as_client = api;
        as_client.application.client_id = id;
        as_client.credentials = Credentials::Basic(secret.expose().to_owned());
        Self { api: api_client, tool: site.client(&as_client) }
    }

    /// Asks for a token.
    pub async fn ask(&self) -> Answer {
        self.tool.post("/token", &[("grant_type", "client_credentials"), ("resource", RESOURCE)]).await
    }

    /// A token.
    pub async fn token(&self) -> String {
        Tokens::read(&self.ask().await).access().to_owned()
    }
}

/// A link that was mailed to somebody before.
pub async fn mailed_link(site: &Site, user: &str) -> Digest {
    let digest = Secret::mint(&*site.chance, "mln_").digest();
    let (user, now) = (UserId::trusted(user.to_owned()), site.now());
    let put: Result<bool, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let row = NewRow {
                    digest,
                    purpose: Purpose::ResetPassword,
                    user: Some(&user),
                    invitation: None,
                    address: "ana@pushed.test",
                    expires_at: now.plus(HOUR),
                };
                links::put(tx, &row, now).await
            })
        })
        .await;
    assert!(put.unwrap());
    digest
}
