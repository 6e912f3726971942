//! Acme and providers that are no fakes: oidc-provider in a process of its own (`tests/clients/node/oidc_provider.mjs`),
//! and whoever stands between the two with one browser.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::connection::{ConnectionSettings, NewConnection, ScimProfile};
use muster::domain::federation::mapping::GroupRule;
use muster::domain::federation::settings::Core;
use muster::domain::federation::{ClientAuth, Mapping, NewSignIn, Preset, SignInSettings, Stage};
use muster::flows::change_access::change_access;
use muster::flows::federation::{KEY, SECRET};
use muster::kernel::id::ConnectionId;
use muster::outside::upstream::make_key;
use muster::store::federation::upstreams;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::scim::visitor::Visitor;
use crate::support::browser::{Arrival, Browser, Landing};
use crate::support::client::{Ask, Client};
use crate::support::http::{Address, Answer};
use crate::support::org::Org;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::Site;
use crate::support::skip;

const SOON: Duration = Duration::from_secs(60);
/// How Muster is called there.
pub const CLIENT_ID: &str = "muster-at-acme";
/// What it shows where it shows a secret.
pub const CLIENT_SECRET: &str = "Qz6Vn1-not-a-secret-of-anybody-8Kd3wLr0";

/// A provider that nobody here wrote; it ends with this.
pub struct Oidc {
    /// Its issuer: `http://127.0.0.1:PORT`.
    pub issuer: String,
    _child: Child,
    _input: ChildStdin,
}

impl Oidc {
    /// A provider with Ana and Bo and this client, or `None` where there is no Node.js and none is required. Whether their
    /// claims stand in the ID token or at userinfo is its own.
    pub async fn start(client: Value, claims_in: &str) -> Option<Self> {
        let folder = std::env::var_os("MUSTER_TEST_CLIENTS").map(PathBuf::from).filter(|folder| folder.is_dir());
        let Some(folder) = folder else {
            skip("node", "MUSTER_TEST_CLIENTS names no folder");
            return None;
        };
        let account = |name: &str| {
            json!({ "name": name, "email": format!("{name}@acme.test"), "email_verified": true, "preferred_username": name,
                    "groups": ["g-developers", "g-staff", "g-elsewhere"] })
        };
        let settings = json!({
            "port": 0, "accounts": { "ana": account("ana"), "bo": account("bo") }, "clients": [client], "claims_in": claims_in,
        });
        let mut command = Command::new("node");
        command.arg(folder.join("node/oidc_provider.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("it starts");
        let mut input = child.stdin.take().expect("its input is a pipe");
        input.write_all(format!("{settings}\n").as_bytes()).await.expect("it reads");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let first = timeout(SOON, lines.next_line()).await.expect("it says something").unwrap();
        let first: Value = serde_json::from_str(&first.expect("a line")).expect("a fact");
        let issuer = first["issuer"].as_str().expect("it says where it is").to_owned();
        Some(Self { issuer, _child: child, _input: input })
    }

    /// Its administrators do something; what came of it.
    async fn control(&self, act: &str, body: Value) -> Value {
        let at = Address::of(&self.issuer);
        let answer = Answer::to(at.request(Method::POST, &at.url(&format!("/control/{act}"))).json(&body)).await;
        assert_eq!(answer.status, 200, "{act}: {}", answer.body);
        answer.json()
    }

    /// Somebody's groups are these from now on.
    pub async fn set_groups(&self, account: &str, groups: &[&str]) {
        self.control("account", json!({ "account": account, "claims": { "groups": groups } })).await;
    }

    /// Ends everything that somebody has open there, and tells us so: how many sessions.
    pub async fn end(&self, account: &str) -> u64 {
        self.control("end", json!({ "account": account })).await["ended"].as_u64().expect("a number")
    }
}

/// Acme, whose project `web` developers administer and whose staff may look, with an application that is told when a
/// session is over. Its connection is set up by [`Acme::joins`].
pub struct Acme {
    /// The organisation.
    pub org: Org,
    /// The connection, before and after it is there.
    pub connection: ConnectionId,
    /// The application.
    pub shop: Client,
    /// Where the application is told.
    pub receiver: Receiver,
}

impl Acme {
    /// Sets it.
    pub async fn set(site: &Site) -> Self {
        let org = site.org("acme").await;
        org.project("web").await;
        for (group, role, project) in [("devs", "project.admin", Some("web")), ("staff", "org.reader", None)] {
            org.group(group, &[]).await;
            org.give_group(group, role, project).await;
        }
        let receiver = Receiver::open(Manner::Take).await;
        let url = receiver.url.clone();
        let shop = org.application_with("shop", |application| application.backchannel_logout_uri = Some(url)).await;
        Self { org, connection: ConnectionId::fresh(), shop: site.client(&shop), receiver }
    }

    /// An address of the connection here.
    pub fn url(&self, site: &Site, endpoint: &str) -> String {
        site.at.url(&format!("/upstream/{}/{endpoint}", self.connection))
    }

    /// Sets the connection up to a provider and opens it, with the provider's groups mapped to `devs` and `staff`.
    pub async fn joins(&self, site: &Site, core: Core, secret: &str, theirs: [&str; 2]) {
        let (org, connection) = (self.org.id.clone(), self.connection.clone());
        let new = NewConnection {
            id: connection.clone(),
            org: org.clone(),
            name: "Acme's own".to_owned(),
            profile: ScimProfile::Auto,
            local_grants: false,
            settings: ConnectionSettings::default(),
        };
        let sealed = |purpose: &str, bytes: &[u8]| Some(site.sealer.seal(purpose, connection.as_str(), bytes));
        let key = (core.client_auth == ClientAuth::PrivateKeyJwt).then(make_key);
        let mut settings = SignInSettings::begun_from(Preset::Generic, core);
        settings.scopes.insert("groups".to_owned());
        let sign_in = NewSignIn {
            connection: connection.clone(),
            org: org.clone(),
            settings,
            sealed_secret: if key.is_none() { sealed(SECRET, secret.as_bytes()) } else { None },
            sealed_key: key.as_ref().and_then(|key| sealed(KEY, &key.private_pkcs8)),
            public_key: key.map(|key| key.public_jwk),
            sealed_poll_token: None,
        };
        site.act(vec![Change::PutConnection(Box::new(new)), Change::PutSignIn(Box::new(sign_in))]).await;
        let revision = upstreams::by_id(&mut site.conn().await, &connection).await.unwrap().unwrap().revision;
        let passed = Change::PassSignInTest { org: org.clone(), connection: connection.clone(), revision };
        let tested = Actor::System("sign_in_tested");
        change_access(site, &tested, vec![passed], Mode::Act).await.expect("the trial is noted");
        let mut groups = Vec::new();
        for (theirs, ours) in theirs.into_iter().zip(["devs", "staff"]) {
            let group = self.org.group_id(ours).await;
            groups.push(GroupRule { external_id: theirs.to_owned(), label: String::new(), group });
        }
        let mapping = Box::new(Mapping { on: true, groups, ..Mapping::default() });
        let open = Change::SetSignInStage { org: org.clone(), connection: connection.clone(), stage: Stage::Optional };
        site.act(vec![open, Change::SetMapping { org, connection, mapping }]).await;
    }
}

/// The address that a browser was sent to.
pub fn address_of(arrival: &Arrival) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&arrival.params).finish();
    format!("{}?{query}", arrival.address)
}

/// Somebody with one browser, at Muster and at oidc-provider.
pub struct Traveller {
    /// At Muster.
    pub here: Browser,
    /// At the provider.
    pub there: Browser,
    /// Who they say there that they are.
    pub account: &'static str,
    /// How often they were asked that.
    pub asked: usize,
}

impl Traveller {
    /// Somebody who was at neither.
    pub fn new(site: &Site, oidc: &Oidc, account: &'static str) -> Self {
        Self { here: site.browser(), there: Browser::new(Address::of(&oidc.issuer)), account, asked: 0 }
    }

    /// Goes where Muster has sent them, says who they are if asked, and comes back.
    pub async fn passes(&mut self, landing: Landing) -> Landing {
        let landing = self.there.open(&address_of(&landing.arrival())).await;
        let back = match landing {
            Landing::Away(arrival) => arrival,
            Landing::Page(page) => {
                self.asked += 1;
                self.there.press(&page, "account-submit", &[("account", self.account)]).await.arrival()
            }
        };
        self.here.open(&address_of(&back)).await
    }

    /// Comes as the provider's own portal sends people, and lands at `/me`.
    pub async fn comes(&mut self, site: &Site, acme: &Acme) {
        let issuer = self.there.at.issuer.clone();
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("iss", &issuer).finish();
        let landing = self.here.open(&format!("{}?{query}", acme.url(site, "login"))).await;
        let page = self.passes(landing).await.page();
        assert_eq!((page.status, page.url.as_str()), (200, site.at.url("/me").as_str()), "{page:?}");
    }

    /// Comes for the application, which says through which connection; `ask` is its request.
    pub async fn comes_for(&mut self, acme: &Acme, ask: &Ask) -> Landing {
        let hinted = ask.clone().with("idp_hint", acme.connection.as_str());
        let landing = self.here.open(&hinted.url(&self.here.at)).await;
        match &landing {
            Landing::Away(arrival) if self.there.at.owns(&arrival.address) => self.passes(landing).await,
            _ => landing,
        }
    }

    /// Comes for the application, and is seen from there.
    pub async fn enters(&mut self, acme: &Acme) -> Visitor {
        let ask = Ask::of(&acme.shop);
        let arrival = self.comes_for(acme, &ask).await.arrival();
        let tokens = acme.shop.tokens_of(&arrival, &ask).await;
        Visitor::over(self.account, self.here.clone(), tokens)
    }

    /// Signs out at the provider, on its own pages. It has told everybody when it answers.
    pub async fn signs_out_there(&mut self) {
        let page = self.there.open(&self.there.at.url("/session/end")).await.page();
        let form = page.forms.first().unwrap_or_else(|| panic!("no form on {page:?}"));
        let mut fields: Vec<(String, String)> =
            form.controls.iter().map(|control| (control.name.clone(), control.value.clone())).collect();
        fields.push(("logout".to_owned(), "yes".to_owned()));
        let answer = self.there.send(Method::POST, &form.action, Some(&fields)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(answer.header("location").ends_with("/session/end/success"), "{}", answer.header("location"));
    }
}
