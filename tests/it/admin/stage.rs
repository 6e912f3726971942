//! An organisation with one of everything, for tests that walk every route: what stands for each name in a path, and
//! what each route is asked with, so that nothing but the caller decides the answer.

use std::collections::BTreeMap;

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode};
use muster::domain::federation::settings::Core;
use muster::domain::federation::{ClientAuth, NewSignIn, Preset, SignInSettings, Stage as SignInStage, Upstream};
use muster::flows::access_key::mint;
use muster::flows::change_access::change_access;
use muster::flows::federation::SECRET;
use muster::flows::invitations::{MailFate, note_mail};
use muster::kernel::id::{AccessKeyId, AlertId, BindingId, ConnectionId, IdentityId, MembershipId, OutboxId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::federation::upstreams;
use muster::store::outbox::{self, Message, NewRow};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::scim::admin_scene;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::client::Tokens;
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::Site;

/// What every route under an organisation begins with.
const IN_ORG: &str = "/api/v1/orgs/{org}";
/// What is typed to delete somebody, as a query carries it.
const PHRASE: &str = "Delete%20user%20from%20organization";
/// The provider of the connection's sign-in, whom nobody ever asks.
const ISSUER: &str = "https://idp.example";

/// Acme with the project `web` and one of everything.
pub struct Stage {
    /// The organisation.
    pub org: Org,
    /// The owner.
    pub olga: Admin,
    /// The instance's operator.
    pub opal: Admin,
    /// An administrator of the project.
    pub pia: Admin,
    /// The secrets that were answered while it was made.
    pub secrets: Vec<String>,
    /// A day from now.
    pub tomorrow: String,
    ids: BTreeMap<&'static str, String>,
}

fn id_of(made: &Value) -> String {
    made["object"]["id"].as_str().unwrap_or_else(|| panic!("nothing was made: {made}")).to_owned()
}

impl Stage {
    /// Makes it.
    pub async fn set(site: &Site) -> Self {
        let (org, _) = owned(site, "acme").await;
        let web = org.project("web").await;
        for name in ["tara", "pat", "pia"] {
            org.person(name, PASSWORD).await;
        }
        let binding = org.give("pat", "project.reader", Some("web")).await;
        org.give("pia", "project.admin", Some("web")).await;
        let newt = site.own_account("newt", PASSWORD).await;
        let ids = BTreeMap::from([
            ("org", org.slug.clone()),
            ("project", "web".to_owned()),
            ("web", web.into_string()),
            ("olga", org.user_id("olga").await.into_string()),
            ("tara", org.user_id("tara").await.into_string()),
            ("pat", org.user_id("pat").await.into_string()),
            ("newt", newt.into_string()),
            ("binding", binding.into_string()),
            ("factor", "totp".to_owned()),
        ]);
        let mut stage = Self {
            olga: Admin::of(site, &org, "olga").await,
            opal: Admin::operator(site, &org).await,
            pia: Admin::of(site, &org, "pia").await,
            tomorrow: tomorrow(site),
            secrets: Vec::new(),
            org,
            ids,
        };
        stage.make_access().await;
        stage.make_delivery(site).await;
        stage.make_people_who_wait(site).await;
        stage.make_tools().await;
        stage.make_connections(site).await;
        stage.make_sign_in(site).await;
        Admin::of(site, &stage.org, "tara").await;
        let sessions = stage.olga.get(&format!("/users/{}/sessions", stage.id("tara"))).await;
        stage.ids.insert("session", sessions["items"][0]["id"].as_str().unwrap().to_owned());
        stage
    }

    /// A group with Tara in it, a role, a bundle, and the change that made the group.
    async fn make_access(&mut self) {
        let devs = json!({ "name": "Devs", "roles": [{ "role": "iam.viewer" }] });
        let made = self.olga.post("/groups", devs).await;
        self.ids.insert("change", made["receipt"]["change_id"].as_str().unwrap().to_owned());
        self.ids.insert("group", id_of(&made));
        self.org.put_in("Devs", &["tara"]).await;
        let clerk = json!({ "key": "clerk", "name": "Clerk", "permissions": ["users.read"] });
        self.ids.insert("role", id_of(&self.olga.post("/roles", clerk).await));
        let starter = json!({ "name": "Starter", "roles": [{ "role": "org.reader" }] });
        self.ids.insert("bundle", id_of(&self.olga.post("/bundles", starter).await));
    }

    /// Something that the change has to tell, to nobody that is there.
    async fn make_delivery(&mut self, site: &Site) {
        let message = Message::Webhook { event: json!({ "org": self.org.id }) };
        let change = Some(self.id("change").parse().unwrap());
        let row = NewRow { id: OutboxId::fresh(), receiver: AlertId::fresh().into_string(), change, message };
        self.ids.insert("delivery", row.id.to_string());
        let now = site.now();
        let written: Result<(), sqlx::Error> =
            site.db.write(move |tx| Box::pin(async move { outbox::put(tx, &row, now).await })).await;
        written.unwrap();
    }

    /// An invitation whose mail has arrived, and somebody who was registered and waits for a first link.
    async fn make_people_who_wait(&mut self, site: &Site) {
        let ines = json!({ "people": [{ "email": "ines@partner.example", "name": "Ines Oh" }] });
        let sent = self.olga.post("/invitations", ines).await;
        let id = sent["people"][0]["invitation_id"].as_str().unwrap().to_owned();
        note_mail(site, &id.parse().unwrap(), MailFate::Sent).await.unwrap();
        self.ids.insert("invitation", id);
        let wanda = self.olga.post("/users", json!({ "user_name": "wanda" })).await["object"]["user_id"].clone();
        let wanda = wanda.as_str().unwrap().to_owned();
        self.olga.patch(&format!("/users/{wanda}"), json!({ "email": "wanda@acme.example" })).await;
        self.ids.insert("wanda", wanda);
        // Mails with links are a minute apart.
        site.advance(MINUTE + SECOND);
    }

    /// Applications, a service account, access keys and an alert, with their secrets.
    async fn make_tools(&mut self) {
        let robot = json!({ "client_id": "robot", "name": "Robot", "redirect_uris": ["https://robot.example/cb"] });
        let made = self.olga.post("/applications", robot).await;
        self.keep(&made);
        let again = self.olga.post("/applications/robot/secrets", json!({})).await;
        self.keep(&again);
        let portal = json!({ "client_id": "portal", "name": "Portal", "redirect_uris": ["https://portal.example/cb"] });
        let made = self.opal.post("/api/v1/applications", portal).await;
        self.keep(&made);
        let deployer = json!({ "name": "deployer", "roles": [{ "role": "project.member", "scope": self.on_web() }] });
        let account = id_of(&self.pia.post("/projects/web/service-accounts", deployer).await);
        let key = json!({ "name": "ci", "expires_at": self.tomorrow });
        let made = self.pia.post(&format!("/projects/web/service-accounts/{account}/keys"), key).await;
        self.keep(&made);
        self.ids.insert("account", account);
        let key = json!({ "project": "web", "name": "laptop", "expires_at": self.tomorrow });
        let made = self.olga.post(&format!("/users/{}/access-keys", self.id("pat")), key).await;
        self.keep(&made);
        self.ids.insert("key", id_of(&made));
        // Nothing that the tests do is told: they delete no group for good.
        let hook = json!({
            "name": "Hook",
            "filter": { "kinds": ["group.delete"] },
            "channel": { "kind": "webhook", "url": "http://127.0.0.1:9/hook" },
        });
        let made = self.olga.post("/alerts", hook).await;
        self.keep(&made);
        self.ids.insert("alert", id_of(&made));
    }

    /// A connection with a token and with what waits because of it, one that is disabled, and a domain.
    async fn make_connections(&mut self, site: &Site) {
        let okta = id_of(&self.olga.post("/connections", json!({ "name": "Okta" })).await);
        let path = format!("/connections/{okta}/credentials");
        let made = self.olga.post(&path, json!({ "kind": "token", "name": "first" })).await;
        self.keep(&made);
        self.ids.insert("credential", id_of(&made));
        let old = id_of(&self.olga.post("/connections", json!({ "name": "Old" })).await);
        self.olga.patch(&format!("/connections/{old}"), json!({ "state": "disabled" })).await;
        let domain = id_of(&self.olga.post("/domains", json!({ "domain": "acme.example" })).await);
        let connection = okta.parse().unwrap();
        let held = admin_scene::hold(site, &self.org, &connection, &self.id("group").parse().unwrap()).await;
        let tara = self.id("tara").parse().unwrap();
        let adoption = admin_scene::in_the_way(site, &self.org, &connection, &tara).await;
        let made = [("connection", okta), ("disabled connection", old), ("domain", domain)];
        self.ids.extend(made);
        self.ids.extend([("held", held.into_string()), ("adoption", adoption.into_string())]);
    }

    /// The connection's sign-in, open to people, and who Tara is at its provider.
    async fn make_sign_in(&mut self, site: &Site) {
        const CLIENT_SECRET: &str = "upstream-Zt5vQm8w";
        let (org, connection) = (self.org.id.clone(), self.id("connection").parse::<ConnectionId>().unwrap());
        let client_auth = ClientAuth::SecretBasic;
        let core = Core { issuer: ISSUER.to_owned(), client_id: "muster".to_owned(), client_auth };
        let sign_in = NewSignIn {
            connection: connection.clone(),
            org: org.clone(),
            settings: SignInSettings::begun_from(Preset::Generic, core),
            sealed_secret: Some(site.sealer.seal(SECRET, connection.as_str(), CLIENT_SECRET.as_bytes())),
            sealed_key: None,
            public_key: None,
            sealed_poll_token: None,
        };
        site.act(vec![Change::PutSignIn(Box::new(sign_in))]).await;
        let made = upstreams::by_id(&mut site.conn().await, &connection).await.unwrap().expect("it is set up");
        let revision = made.revision;
        let passed = Change::PassSignInTest { org: org.clone(), connection: connection.clone(), revision };
        change_access(site, &Actor::System("sign_in_tested"), vec![passed], Mode::Act).await.expect("it is noted");
        let stage = SignInStage::Optional;
        site.act(vec![Change::SetSignInStage { org: org.clone(), connection: connection.clone(), stage }]).await;
        let (tara, identity): (UserId, _) = (self.id("tara").parse().unwrap(), IdentityId::fresh());
        let upstream = Upstream { issuer: ISSUER.to_owned(), subject: "tara".to_owned() };
        let link = Change::LinkIdentity { org, connection, user: tara.clone(), identity: identity.clone(), upstream };
        change_access(site, &Actor::User(tara), vec![link], Mode::Act).await.expect("Tara proves both sides");
        self.ids.insert("identity", identity.into_string());
        self.secrets.push(CLIENT_SECRET.to_owned());
    }

    fn keep(&mut self, made: &Value) {
        let secret = made["secret"].as_str().unwrap_or_else(|| panic!("no secret was answered: {made}"));
        self.secrets.push(secret.to_owned());
    }

    /// The id of one of its things.
    pub fn id(&self, name: &str) -> &str {
        self.ids.get(name).unwrap_or_else(|| panic!("nothing stands for {name}"))
    }

    fn on_web(&self) -> Value {
        json!({ "kind": "project", "project_id": self.id("web") })
    }

    /// How a declared route is asked: its path with the query that it needs, and its body.
    pub fn ask(&self, method: &str, declared: &str) -> (String, Option<Value>) {
        let route = declared.strip_prefix(IN_ORG).unwrap_or(declared);
        let query = self.query(method, route, declared).map(|query| format!("?{query}")).unwrap_or_default();
        let body = match method {
            "GET" | "DELETE" => None,
            _ => Some(self.body(method, route)),
        };
        (format!("{}{query}", self.path(declared)), body)
    }

    /// A path with ids for its names. Who holds something on the project is Pat, anybody else Tara.
    fn path(&self, declared: &str) -> String {
        let of_project = declared.contains("/members/{user}") || declared.contains("/access-keys");
        let waits = declared.ends_with("/users/{user}/resend");
        let user = self.id(if of_project {
            "pat"
        } else if waits {
            "wanda"
        } else if declared.ends_with("/break-glass") {
            // Only somebody who administers the organisation comes in so.
            "olga"
        } else {
            "tara"
        });
        let application = if declared.starts_with(IN_ORG) { "robot" } else { "portal" };
        // Only of one that doesn't work any more is anything released.
        let works = if declared.ends_with("/{connection}/release") { "disabled connection" } else { "connection" };
        let declared = declared.replace("{connection}", self.id(works));
        let declared = declared.replace("{organisation}", &self.org.slug);
        let mut path = declared.replace("{user}", user).replace("{application}", application);
        for (name, id) in &self.ids {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        assert!(!path.contains('{'), "nothing stands for a name in {path}");
        path
    }

    fn query(&self, method: &str, route: &str, declared: &str) -> Option<String> {
        let confirm = |text: &str| Some(format!("confirm={text}"));
        match (method, route) {
            ("GET", "/users/{user}/access/explain") => Some("role=org.reader".to_owned()),
            ("DELETE", "") => confirm(&self.org.slug),
            ("DELETE", "/projects/{project}") => confirm("web"),
            ("DELETE", "/users/{user}") => confirm(PHRASE),
            ("DELETE", "/groups/{group}") => confirm("Devs"),
            ("DELETE", "/connections/{connection}") => confirm("Okta"),
            ("DELETE", "/roles/{role}") => confirm("clerk"),
            ("DELETE", "/memberships") => Some(format!("user_id={}", self.id("tara"))),
            ("DELETE", _) if declared.ends_with("/applications/{application}") => {
                confirm(if declared.starts_with(IN_ORG) { "robot" } else { "portal" })
            }
            _ => None,
        }
    }

    /// A body that can be meant, for each write; what needs none is asked with an empty one.
    fn body(&self, method: &str, route: &str) -> Value {
        match (method, route) {
            ("POST", "/api/v1/orgs") => json!({ "slug": "newco", "name": "Newco", "owner": { "user_name": "nina" } }),
            ("POST", "/transfer") => json!({ "to": self.id("tara") }),
            ("PATCH", "/policies") => json!({ "welcome_text": "Hello" }),
            ("POST", "/projects") => json!({ "key": "new", "name": "New" }),
            ("POST", "/groups") => json!({ "name": "Ops" }),
            ("PATCH", "/groups/{group}") => json!({ "description": "anew" }),
            ("POST", "/groups/{group}/members/add") => json!({ "users": [self.id("pat")] }),
            ("POST", "/groups/{group}/members/remove") => json!({ "users": [self.id("tara")] }),
            ("POST", "/roles") => json!({ "key": "porter", "name": "Porter", "permissions": ["users.read"] }),
            ("POST", "/bundles") => json!({ "name": "Other", "roles": [{ "role": "org.reader" }] }),
            ("POST", "/bindings") => self.new_binding(),
            ("POST", "/bindings/batch") => json!({ "add": [self.new_binding()] }),
            ("POST", "/bindings/apply-bundle") => json!({ "bundle": self.id("bundle"), "user": self.id("pat") }),
            ("POST", "/applications" | "/api/v1/applications") => {
                json!({ "name": "New", "redirect_uris": ["https://new.example/cb"] })
            }
            ("POST", "/projects/{project}/service-accounts") => json!({ "name": "tester" }),
            ("PATCH", "/projects/{project}/service-accounts/{account}") => json!({ "description": "anew" }),
            ("POST", "/projects/{project}/service-accounts/{account}/keys") => {
                json!({ "name": "new", "expires_at": self.tomorrow })
            }
            ("POST", "/invitations") => json!({ "people": [{ "email": "new@partner.example", "name": "New" }] }),
            ("PATCH", "/api/v1/me") => json!({}),
            ("POST", "/api/v1/me/factors") => json!({ "kind": "email" }),
            ("POST", "/api/v1/me/factors/totp/confirm") => json!({ "begun": "", "codes": ["000000", "000001"] }),
            ("POST", "/api/v1/me/password") => json!({ "old": "another one", "new": "Another7-Kq2mVx" }),
            ("POST", "/alerts") => json!({ "name": "New", "channel": { "kind": "mail" } }),
            ("POST", "/connections") => json!({ "name": "New" }),
            ("POST", "/connections/{connection}/credentials") => json!({ "kind": "token", "name": "new" }),
            ("POST", "/adoptions/{adoption}/decide") => json!({ "decision": "reject" }),
            ("PUT", "/connections/{connection}/sign-in") => {
                json!({ "issuer": ISSUER, "client_id": "muster", "client_secret": "another" })
            }
            ("PATCH", "/connections/{connection}/sign-in") => json!({ "stage": "optional" }),
            ("POST", "/connections/{connection}/mapping/try") => json!({ "claims": { "sub": "1" } }),
            ("PATCH", "/domains/{domain}") => json!({ "connection": null }),
            ("POST", "/domains") => json!({ "domain": "new.example" }),
            ("POST", "/state/plan" | "/state/apply") => json!({ "file": "" }),
            (_, of_users) if of_users.starts_with("/users") => self.body_of_users(method, of_users),
            ("PATCH", _) => json!({ "name": "Anew" }),
            _ => json!({}),
        }
    }

    fn body_of_users(&self, method: &str, route: &str) -> Value {
        match (method, route) {
            ("POST", "/users") => json!({ "user_name": "nora" }),
            ("POST", "/users/bulk") => json!({ "text": "Nora, nora@acme.example" }),
            ("POST", "/users/{user}/reset-password") => json!({ "kind": "generated" }),
            ("PATCH", "/users/{user}") => json!({ "name": "Tara Anew" }),
            ("POST", "/users/{user}/password") => json!({ "password": "Another7-Kq2mVx" }),
            ("POST", "/users/{user}/replace-identity") => json!({ "by": self.id("newt") }),
            ("PUT", "/users/{user}/restriction") => json!({ "applications": ["robot"] }),
            ("PUT", "/users/{user}/groups") => json!({ "groups": [] }),
            ("POST", "/users/{user}/roles") => {
                json!({ "add": [{ "role": "project.member", "scope": self.on_web() }] })
            }
            ("POST", "/users/{user}/access/simulate") => json!({ "scopes": ["roles"] }),
            ("POST", "/users/{user}/access-keys") => {
                json!({ "project": "web", "name": "new", "expires_at": self.tomorrow })
            }
            _ => json!({}),
        }
    }

    fn new_binding(&self) -> Value {
        json!({ "user": self.id("pat"), "role": "project.member", "scope": self.on_web() })
    }
}

/// A day from now (RFC 3339).
pub fn tomorrow(site: &Site) -> String {
    let at = OffsetDateTime::from_unix_timestamp(site.now().plus(DAY).seconds()).unwrap();
    at.format(&Rfc3339).unwrap()
}

/// A key of a member for the project `web`, with its secret.
pub async fn key_of(site: &Site, org: &Org, member: &MembershipId) -> (AccessKeyId, Secret) {
    let project = org.project_id("web").await;
    let (key, secret) = mint(site, member.clone(), project, "of a test".to_owned(), site.now().plus(DAY));
    let id = key.id.clone();
    site.act(vec![Change::CreateAccessKey { org: org.id.clone(), key: Box::new(key) }]).await;
    (id, secret)
}

/// Whoever has a key, calling the API.
pub async fn tool(site: &Site, org: &Org, (key, secret): (AccessKeyId, Secret)) -> Admin {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "muster.admin"),
        ("client_id", key.as_str()),
        ("client_secret", secret.expose()),
    ];
    let request = site.at.request(Method::POST, &site.at.url("/token")).form(&form);
    Admin::with_token(site, org, Tokens::read(&Answer::to(request).await).access())
}

/// A service account of the project `web` that holds a role: on that project, or on the organisation.
pub async fn service_account(site: &Site, org: &Org, name: &str, role: &Role) -> (UserId, MembershipId) {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let project = org.project_id("web").await;
    let scope = if Scope::Org.fits(role) { Scope::Org } else { Scope::Project(project.clone()) };
    let create = Change::CreateServiceAccount {
        org: org.id.clone(),
        project,
        user: user.clone(),
        member: member.clone(),
        name: name.to_owned(),
        description: String::new(),
        owner: None,
    };
    let (subject, window) = (Subject::Member(member.clone()), Window::ALWAYS);
    let binding = Binding { id: BindingId::fresh(), role: role.clone(), scope, subject, window };
    site.act(vec![create, Change::Bind { org: org.id.clone(), binding }]).await;
    (user, member)
}
