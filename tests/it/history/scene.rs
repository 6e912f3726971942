//! The scene of a history: processes of the real program over one database, people, an application that they sign in to,
//! and an administrator who gives and takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster::domain::change::Change;
use muster::kernel::id::{OrgId, UserId};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::record::{Log, Text};
use super::visit::{Broken, Visit, send};
use crate::support::PASSWORD;
use crate::support::application::{self, Credentials};
use crate::support::browser::Person;
use crate::support::client::{Ask, Client, claims, list};
use crate::support::http::{Address, Answer};
use crate::support::process::Installation;
use crate::support::world::{Kind, World};

/// The role that is given and taken.
pub const ROLE: &str = "org.reader";
/// How long the administrator's token is used.
const TOKEN_AGE: Duration = Duration::from_secs(240);

/// Somebody who gets the role and loses it.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// The account.
    pub id: UserId,
    /// What they type.
    pub name: String,
}

/// What everybody in the history shares.
pub struct Scene {
    /// The record.
    pub log: Log,
    /// The nodes: one, or two over one PostgreSQL.
    pub nodes: Vec<Installation>,
    /// Muster's handles over the same database, for what happens outside the history.
    pub world: World,
    /// The organisation.
    pub org: OrgId,
    /// The people, by their number.
    pub people: Vec<Somebody>,
    /// Access tokens that somebody may show still, the newest last, with their person.
    pub shown: std::sync::Mutex<Vec<(usize, Text)>>,
    /// Whether it is over.
    pub over: AtomicBool,
    client: Client,
    authorization: String,
    admin: Mutex<Option<(String, Instant)>>,
}

/// A signed-in person's tokens.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The access token.
    pub access: Text,
    /// The refresh token.
    pub refresh: Text,
    /// Whether the role is in the access token.
    pub role: bool,
}

impl Scene {
    /// The scene with so many people, or `None` where there is no PostgreSQL and none is required. Nobody listens yet.
    pub async fn set(kind: Kind, people: usize) -> Option<Arc<Self>> {
        let mut one = Installation::fresh(kind).await?;
        // The key of `World`: what is written beside the processes is read by them.
        one.set("MUSTER_KEYS__INSTANCE_KEY", &format!("{}Bwc", "BwcH".repeat(10)));
        one.set("MUSTER_HTTP__MAX_CONNECTIONS_PER_IP", "4096");
        let nodes = match kind {
            Kind::Sqlite => vec![one],
            Kind::Postgres => {
                let other = one.second_node();
                vec![one, other]
            }
        };
        std::fs::create_dir_all(nodes[0].log().with_file_name("data")).expect("the folder can be made");
        let world = nodes[0].world().await;
        let acme = world.org("acme").await;
        acme.person("olga", PASSWORD).await;
        let to = acme.member_id("olga").await;
        world.act(vec![Change::TransferOwnership { org: acme.id.clone(), to }]).await;
        let mut all = Vec::new();
        for number in 0..people {
            let name = format!("p{number}");
            all.push(Somebody { id: acme.person(&name, PASSWORD).await, name });
        }
        let registered =
            application::register(&world, "shop", |application| application.scopes.push("muster.admin".to_owned()))
                .await;
        let Credentials::Basic(secret) = &registered.credentials else { panic!("the application has a secret") };
        let authorization = format!("Basic {}", STANDARD.encode(format!("shop:{secret}")));
        let client = Client::new(nodes[0].at.clone(), &registered);
        Some(Arc::new(Self {
            log: Log::new(),
            nodes,
            world,
            org: acme.id,
            people: all,
            shown: std::sync::Mutex::default(),
            over: AtomicBool::new(false),
            client,
            authorization,
            admin: Mutex::new(None),
        }))
    }

    /// How a node is reached.
    pub fn at(&self, node: u64) -> Address {
        let count = self.nodes.len() as u64;
        self.nodes[usize::try_from(node % count).unwrap()].at.clone()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// An authorization request of the application.
    pub fn ask(&self) -> Ask {
        Ask::of(&self.client).with("scope", "openid profile roles muster.admin").with("organization", "acme")
    }

    /// Posts a form as the application.
    pub async fn post(&self, at: &Address, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Broken> {
        let request = at.request(Method::POST, &at.url(path)).header(AUTHORIZATION, &self.authorization);
        send(request.form(fields)).await
    }

    /// Asks the token endpoint. `Ok(None)` is a refusal for good.
    pub async fn tokens(&self, at: &Address, fields: &[(&str, &str)]) -> Result<Option<Pair>, Broken> {
        let answer = self.post(at, "/token", fields).await?;
        if answer.status != 200 {
            assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{}", answer.body);
            return Ok(None);
        }
        let told = answer.json();
        let text = |name: &str| -> Text { told[name].as_str().expect("both tokens are there").into() };
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        let role = list(&claims(&access)["org_roles"]).iter().any(|role| role == ROLE);
        Ok(Some(Pair { access, refresh, role }))
    }

    /// Exchanges a code.
    pub async fn redeem(&self, at: &Address, code: &str, verifier: &str) -> Result<Option<Pair>, Broken> {
        let redirect_uri = self.client.redirect_uri.as_str();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(at, &fields).await
    }

    /// Calls the API as the administrator.
    pub async fn call(&self, at: &Address, method: Method, path: &str, body: Option<Value>) -> Result<Answer, Broken> {
        let token = self.token(at).await?;
        let url = at.url(&format!("/api/v1/orgs/acme{path}"));
        let mut request = at.request(method, &url).header(AUTHORIZATION, format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = send(request).await?;
        assert_ne!(answer.status, 401, "the administrator's token is refused: {}", answer.body);
        Ok(answer)
    }

    /// The administrator's token: a new one in good time. That it can't be had says that nothing was done with it.
    async fn token(&self, at: &Address) -> Result<String, Broken> {
        let mut kept = self.admin.lock().await;
        if let Some((token, since)) = kept.as_ref()
            && since.elapsed() < TOKEN_AGE
        {
            return Ok(token.clone());
        }
        let ask = self.ask();
        let mut visit = Visit::new(at.clone());
        let code = visit.authorize(&ask, Person::named("olga")).await.map_err(|_| Broken::NotSent)?;
        let got = self.redeem(at, &code, &ask.verifier).await.map_err(|_| Broken::NotSent)?.ok_or(Broken::NotSent)?;
        *kept = Some((got.access.to_string(), Instant::now()));
        Ok(got.access.to_string())
    }

    /// The bindings by which somebody has the role.
    pub async fn bindings(&self, at: &Address, person: usize) -> Result<Vec<String>, Broken> {
        let path = format!("/bindings?user={}&role={ROLE}", self.people[person].id);
        let answer = self.call(at, Method::GET, &path, None).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rows = answer.json()["items"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
    }

    /// Gives somebody the role; the binding's id.
    pub async fn give(&self, at: &Address, person: usize) -> Result<String, Broken> {
        let body = json!({ "user": self.people[person].id.as_str(), "role": ROLE });
        let answer = self.call(at, Method::POST, "/bindings", Some(body)).await?;
        assert!([200, 201].contains(&answer.status), "{} {}", answer.status, answer.body);
        Ok(answer.json()["object"]["id"].as_str().expect("a binding has an id").to_owned())
    }

    /// Takes a binding; whether it was there. Where too many edit at once nothing is done.
    pub async fn take(&self, at: &Address, binding: &str) -> Result<bool, Broken> {
        let answer = self.call(at, Method::DELETE, &format!("/bindings/{binding}"), None).await?;
        if answer.status == 412 {
            return Err(Broken::NotSent); // others never stopped editing
        }
        assert!([200, 404].contains(&answer.status), "{} {}", answer.status, answer.body);
        Ok(answer.status == 200)
    }
}
