//! A connection of an organisation to a [`Provider`], set up, tried out and open to people.

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::connection::{ConnectionSettings, NewConnection, ScimProfile};
use muster::domain::federation::settings::Core;
use muster::domain::federation::{
    ClientAuth, LoggedSignIn, Mapping, NewSignIn, Preset, SignInSettings, Stage, Upstream,
};
use muster::flows::change_access::change_access;
use muster::flows::federation::SECRET;
use muster::kernel::id::{ConnectionId, DomainId, UserId};
use muster::store::connections;
use muster::store::federation::{identities, log, upstreams};
use reqwest::Method;

use super::browser::{Browser, Landing};
use super::client::Ask;
use super::org::Org;
use super::page::Page;
use super::provider::Provider;
use super::server::Site;

/// A connection that people can sign in through.
#[derive(Clone)]
pub struct Federated {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub org: Org,
    /// What people call it: `Acme Okta`, and `Acme Okta 2` for a second one.
    pub name: String,
    /// Whom it leads to.
    pub provider: Provider,
    settings: SignInSettings,
}

impl Federated {
    /// A connection of the organisation to the provider, tried out and open to people (optional). It makes accounts at the
    /// first sign-in. The provider goes by the site's clock from then on.
    pub async fn open(site: &Site, org: &Org, provider: &Provider) -> Self {
        Self::with(site, org, provider, |_| {}).await
    }

    /// As [`Federated::open`], with something about the set-up changed.
    pub async fn with(site: &Site, org: &Org, provider: &Provider, change: impl FnOnce(&mut SignInSettings)) -> Self {
        provider.goes_by(&site.hands);
        let connection = ConnectionId::fresh();
        let there = connections::of_org(&mut site.conn().await, &org.id).await.unwrap().len();
        let name = format!("{}{} Okta", org.slug[..1].to_uppercase(), &org.slug[1..]);
        let name = if there == 0 { name } else { format!("{name} {}", there + 1) };
        let new = NewConnection {
            id: connection.clone(),
            org: org.id.clone(),
            name: name.clone(),
            profile: ScimProfile::Auto,
            local_grants: false,
            settings: ConnectionSettings::default(),
        };
        site.act(vec![Change::PutConnection(Box::new(new))]).await;
        let core = Core {
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            client_auth: ClientAuth::SecretBasic,
        };
        let mut settings = SignInSettings::begun_from(Preset::Generic, core);
        change(&mut settings);
        let federated = Self { connection, org: org.clone(), name, provider: provider.clone(), settings };
        federated.renewed(site).await;
        federated
    }

    /// Sets it up as it was at first, tries it out and opens it to people.
    pub async fn renewed(&self, site: &Site) {
        self.put(site, self.settings.clone()).await;
        self.pass_test(site).await;
        self.stage(site, Stage::Optional).await;
    }

    /// Sets it up anew with something changed. Who the provider is makes it a draft again; nothing else does.
    pub async fn set_up(&self, site: &Site, change: impl FnOnce(&mut SignInSettings)) {
        let found = upstreams::by_id(&mut site.conn().await, &self.connection).await.unwrap();
        let mut settings = found.expect("it is set up").settings;
        change(&mut settings);
        self.put(site, settings).await;
    }

    async fn put(&self, site: &Site, settings: SignInSettings) {
        let secret = self.provider.client_secret.as_bytes();
        let new = NewSignIn {
            connection: self.connection.clone(),
            org: self.org.id.clone(),
            settings,
            sealed_secret: Some(site.sealer.seal(SECRET, self.connection.as_str(), secret)),
            sealed_key: None,
            public_key: None,
            sealed_poll_token: None,
        };
        site.act(vec![Change::PutSignIn(Box::new(new))]).await;
    }

    /// Notes that somebody came through in a trial, as the trial itself does.
    async fn pass_test(&self, site: &Site) {
        let found = upstreams::by_id(&mut site.conn().await, &self.connection).await.unwrap();
        let (org, connection) = (self.org.id.clone(), self.connection.clone());
        let pass = Change::PassSignInTest { org, connection, revision: found.expect("it is set up").revision };
        let tested = Actor::System("sign_in_tested");
        change_access(site, &tested, vec![pass], Mode::Act).await.expect("the trial is noted");
    }

    /// Opens it to people, or closes it. Enforcing needs a break-glass member first.
    pub async fn stage(&self, site: &Site, stage: Stage) {
        let (org, connection) = (self.org.id.clone(), self.connection.clone());
        site.act(vec![Change::SetSignInStage { org, connection, stage }]).await;
    }

    /// Sets the rules by which its people come into groups.
    pub async fn map(&self, site: &Site, mapping: Mapping) {
        let (org, connection) = (self.org.id.clone(), self.connection.clone());
        site.act(vec![Change::SetMapping { org, connection, mapping: Box::new(mapping) }]).await;
    }

    /// The page that starts it: `…/upstream/{connection}/login`, as the provider's own portal links it.
    pub fn login(&self, site: &Site) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("iss", &self.provider.issuer).finish();
        site.at.url(&format!("/upstream/{}/login?{query}", self.connection))
    }

    /// Whoever the provider names comes through in a browser and lands at `/me`.
    pub async fn comes(&self, site: &Site, browser: &mut Browser) -> Page {
        let page = self.tries(site, browser).await;
        assert_eq!((page.status, page.url.as_str()), (200, site.at.url("/me").as_str()), "{page:?}");
        page
    }

    /// Whoever the provider names goes the whole way in a browser, and sees a page at its end.
    pub async fn tries(&self, site: &Site, browser: &mut Browser) -> Page {
        let landing = browser.open(&self.login(site)).await;
        self.provider.pass(browser, landing).await.page()
    }

    /// Whoever the provider names comes through for an application, which hints at the connection; where that ends.
    pub async fn comes_for(&self, browser: &mut Browser, ask: &Ask) -> Landing {
        let url = self.hinted(ask).url(&browser.at);
        let landing = browser.open(&url).await;
        self.provider.pass(browser, landing).await
    }

    /// An application's request that hints at the connection: it leads to the provider without a page before.
    pub fn hinted(&self, ask: &Ask) -> Ask {
        ask.clone().with("idp_hint", self.connection.as_str())
    }

    /// The account that somebody is here whom the provider calls so.
    pub async fn known_as(&self, site: &Site, subject: &str) -> Option<UserId> {
        let upstream = Upstream { issuer: self.provider.issuer.clone(), subject: subject.to_owned() };
        let found = identities::find(&mut site.conn().await, &self.connection, &upstream).await.unwrap();
        found.map(|identity| identity.user)
    }

    /// The lines of its log, the newest first.
    pub async fn log(&self, site: &Site) -> Vec<LoggedSignIn> {
        let page = log::page(&mut site.conn().await, &self.connection, None, 200).await.unwrap();
        page.into_iter().map(|(_, line)| line).collect()
    }
}

/// The organisation has shown that an e-mail domain is its own.
pub async fn verify_domain(site: &Site, org: &Org, name: &str) -> DomainId {
    let (id, name) = (DomainId::fresh(), name.to_owned());
    let add = Change::AddDomain { org: org.id.clone(), domain: id.clone(), name, token: "t0ken".to_owned() };
    site.act(vec![add, Change::VerifyDomain { org: org.id.clone(), domain: id.clone() }]).await;
    id
}

/// Status and word of the page that says why nobody came through; any other page has no word.
pub fn refusal(page: &Page) -> (u16, &str) {
    let found = page.html.split_once("id=\"error-code\"><code>").and_then(|(_, rest)| rest.split_once('<'));
    (page.status, found.map_or("", |(word, _)| word))
}

/// Whether nobody is signed in in a browser.
pub async fn is_nobody(site: &Site, browser: &mut Browser) -> bool {
    let me = browser.send(Method::GET, &site.at.url("/me"), None).await;
    browser.cookie("muster").is_none() && (me.status, me.header("location")) == (303, "/login")
}
