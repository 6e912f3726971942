//! A connection's client: it pushes users and groups over HTTP, with a token of the connection and nothing else.

use std::borrow::Borrow;

use muster::domain::change::Change;
use muster::domain::connection::{ConnectionSettings, CredentialKind, NewConnection, NewScimCredential, ScimProfile};
use muster::kernel::id::{ConnectionId, OrgId, ScimCredentialId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{Clock as _, DAY};
use muster::outside::chance::SystemChance;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use crate::support::http::{self, Address};
use crate::support::org::Org;
use crate::support::server::Site;
use crate::support::world::World;

/// The core schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The schema of a PATCH.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The schema of an error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// What everything is answered as.
pub const SCIM_JSON: &str = "application/scim+json";

/// A connection's client.
#[derive(Clone, Debug)]
pub struct Push {
    at: Address,
    /// The token; empty for nobody.
    pub token: String,
    /// The organisation.
    pub org: OrgId,
    /// The connection.
    pub connection: ConnectionId,
    /// The token's id.
    pub credential: ScimCredentialId,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` when there is none.
    pub json: Value,
}

impl Answer {
    /// A header's text; empty when it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The id of the resource.
    pub fn id(&self) -> String {
        self.json["id"].as_str().unwrap_or_else(|| panic!("no resource: {} {}", self.status, self.json)).to_owned()
    }

    /// The error's status and `scimType`, empty where it has none; whatever is wrong must be said in SCIM.
    pub fn error(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), SCIM_JSON, "{} {}", self.status, self.json);
        assert_eq!(self.json["schemas"], json!([ERROR]), "{}", self.json);
        assert_eq!(self.json["status"], json!(self.status.to_string()));
        assert!(self.json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.json);
        (self.status, self.json["scimType"].as_str().unwrap_or_default())
    }

    /// The answer, which must be a good one.
    pub fn good(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.json);
        self
    }
}

impl From<http::Answer> for Answer {
    fn from(answer: http::Answer) -> Self {
        Self { status: answer.status, json: answer.json(), headers: answer.headers }
    }
}

impl Push {
    /// Makes a connection with a token.
    pub async fn open(site: &Site, org: &Org, profile: ScimProfile) -> Self {
        Self::open_with(site, org, profile, ConnectionSettings::default()).await
    }

    /// As [`Push::open`], with settings.
    pub async fn open_with(site: &Site, org: &Org, profile: ScimProfile, settings: ConnectionSettings) -> Self {
        Self::made(site, &site.at, org, (profile, settings)).await
    }

    /// As [`Push::open`], for a server that is not this process.
    pub async fn open_at(world: &World, at: &Address, org: &Org, profile: ScimProfile) -> Self {
        Self::made(world, at, org, (profile, ConnectionSettings::default())).await
    }

    async fn made(
        world: &World,
        at: &Address,
        org: &Org,
        (profile, settings): (ScimProfile, ConnectionSettings),
    ) -> Self {
        let (id, org) = (ConnectionId::fresh(), org.id.clone());
        let new = NewConnection {
            id: id.clone(),
            org: org.clone(),
            name: format!("Directory {}", &id.as_str()[20..]),
            profile,
            local_grants: false,
            settings,
        };
        world.act(vec![Change::PutConnection(Box::new(new))]).await;
        let nobody =
            Self { at: at.clone(), token: String::new(), org, connection: id, credential: ScimCredentialId::fresh() };
        nobody.with_new_token(world, DAY).await
    }

    /// The same connection's client with one token more, which lives for so many milliseconds.
    pub async fn with_new_token(&self, world: &World, life: i64) -> Self {
        let (secret, id) = (Secret::mint(&SystemChance, "mst_"), ScimCredentialId::fresh());
        let new = NewScimCredential {
            id: id.clone(),
            connection: self.connection.clone(),
            kind: CredentialKind::Token,
            name: "token".to_owned(),
            secret: secret.digest(),
            expires_at: world.hands.now().plus(life),
        };
        world.act(vec![Change::AddScimCredential { org: self.org.clone(), credential: Box::new(new) }]).await;
        Self { token: secret.expose().to_owned(), credential: id, ..self.clone() }
    }

    /// Whoever holds this token, at the same place.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same client at another node.
    #[must_use]
    pub fn at_node(&self, site: &Site) -> Self {
        Self { at: site.at.clone(), ..self.clone() }
    }

    /// A request to a path below `/scim/v2`, or to one that begins with `/scim`.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = if path.starts_with("/scim") { path.to_owned() } else { format!("/scim/v2{path}") };
        let request = self.at.request(method, &self.at.url(&path));
        if self.token.is_empty() { request } else { request.header(AUTHORIZATION, format!("Bearer {}", self.token)) }
    }

    /// Sends a request with some JSON.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.body(body.to_string());
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request = request.header(CONTENT_TYPE, SCIM_JSON);
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        http::Answer::to(request).await.into()
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    /// Creates, or asks by a body.
    pub async fn post(&self, path: &str, body: impl Borrow<Value>) -> Answer {
        self.send(Method::POST, path, Some(body.borrow()), &[]).await
    }

    /// Replaces.
    pub async fn put(&self, path: &str, body: impl Borrow<Value>) -> Answer {
        self.send(Method::PUT, path, Some(body.borrow()), &[]).await
    }

    /// Patches, with the whole message.
    pub async fn patch(&self, path: &str, body: impl Borrow<Value>) -> Answer {
        self.send(Method::PATCH, path, Some(body.borrow()), &[]).await
    }

    /// Patches, with the operations alone.
    pub async fn operate(&self, path: &str, operations: impl Borrow<Value>) -> Answer {
        self.patch(path, patch_of(operations.borrow())).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// Makes a user with an e-mail address; its id.
    pub async fn create_user(&self, name: &str) -> String {
        let answer = self.post("/Users", user(name)).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.json);
        answer.id()
    }

    /// Makes a group of some users; its id.
    pub async fn create_group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "schemas": [GROUP], "displayName": name, "members": members });
        let answer = self.post("/Groups", body).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.json);
        answer.id()
    }
}

/// A user as clients push one.
pub fn user(name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": name,
        "externalId": format!("ext-{name}"),
        "name": { "givenName": name, "familyName": "Pushed" },
        "emails": [{ "type": "work", "value": format!("{name}@pushed.test"), "primary": true }],
        "active": true,
    })
}

/// The message of a PATCH with these operations.
pub fn patch_of(operations: &Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}
