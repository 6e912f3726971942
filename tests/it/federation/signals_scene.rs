//! An organisation whose provider speaks up when a session or an account is over, people who came through it, and an
//! application behind that must be told.

use std::time::Duration;

use muster::domain::federation::SignInSettings;
use muster::domain::oauth::application::Application;
use muster::domain::oidc::logout_token::EVENT;
use muster::kernel::id::ApplicationId;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::scim::visitor::Visitor;
use crate::support::browser::Browser;
use crate::support::client::{Ask, Client, random};
use crate::support::federated::Federated;
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::provider::Provider;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::Site;
use crate::support::verifier::Verifier;

const SOON: Duration = Duration::from_secs(10);
/// The type of an event.
pub const SECEVENT: &str = "secevent+jwt";
/// Sessions are over.
pub const REVOKED: &str = "caep/event-type/session-revoked";
/// What somebody proves themselves with has changed.
pub const CREDENTIAL: &str = "caep/event-type/credential-change";
/// An account is disabled.
pub const DISABLED: &str = "risc/event-type/account-disabled";
/// An account is enabled again.
pub const ENABLED: &str = "risc/event-type/account-enabled";
/// The transmitter tries the stream.
pub const VERIFICATION: &str = "ssf/event-type/verification";

/// An organisation with a provider, a connection to it, and an application that is told.
pub struct Scene {
    /// The organisation.
    pub org: Org,
    /// Its provider.
    pub provider: Provider,
    /// The connection.
    pub okta: Federated,
    /// The application.
    pub shop: Client,
    application: ApplicationId,
    receiver: Receiver,
}

impl Scene {
    /// Acme, with a provider of its own.
    pub async fn acme(site: &Site, change: impl FnOnce(&mut SignInSettings)) -> Self {
        Self::set(site, "acme", &Provider::open().await, change).await
    }

    /// An organisation with this slug, whose provider this is; something about the set-up is changed.
    pub async fn set(site: &Site, slug: &str, provider: &Provider, change: impl FnOnce(&mut SignInSettings)) -> Self {
        let org = site.org(slug).await;
        let okta = Federated::with(site, &org, provider, change).await;
        let receiver = Receiver::open(Manner::Take).await;
        let url = receiver.url.clone();
        let told = |application: &mut Application| application.backchannel_logout_uri = Some(url);
        let shop = org.application_with(&format!("shop-{slug}"), told).await;
        let application = shop.application.id.clone();
        Self { org, provider: provider.clone(), okta, shop: site.client(&shop), application, receiver }
    }

    /// The provider names somebody from now on, in a session of theirs there.
    pub fn says(&self, subject: &str, sid: &str) {
        self.provider.says(json!({
            "sub": subject, "sid": sid, "preferred_username": subject, "name": subject,
            "email": format!("{subject}@{}.test", self.org.slug), "email_verified": true,
        }));
    }

    /// Somebody comes through for the application, in a browser of their own; `sid` is the provider's session.
    pub async fn comes(&self, subject: &str, sid: &str) -> Visitor {
        self.comes_with(subject, sid, Ask::of(&self.shop)).await
    }

    /// As [`Scene::comes`], with a request of the application's own.
    pub async fn comes_with(&self, subject: &str, sid: &str, ask: Ask) -> Visitor {
        self.says(subject, sid);
        let mut browser = Browser::new(self.shop.at.clone());
        let arrival = self.okta.comes_for(&mut browser, &ask).await.arrival();
        let tokens = self.shop.tokens_of(&arrival, &ask).await;
        Visitor::over(subject, browser, tokens)
    }

    /// Somebody tries to come through, and sees a page.
    pub async fn tries(&self, site: &Site, subject: &str) -> Page {
        self.says(subject, "s-new");
        self.okta.tries(site, &mut site.browser()).await
    }

    /// The address of one of the connection's endpoints.
    pub fn url(&self, site: &Site, endpoint: &str) -> String {
        site.at.url(&format!("/upstream/{}/{endpoint}", self.okta.connection))
    }

    /// The claims of a logout token for this connection, made now, with these over them; null takes one away. It names
    /// nobody by itself.
    pub fn farewell(&self, site: &Site, more: Value) -> Value {
        let (now, provider) = (site.now().seconds(), &self.provider);
        let claims = json!({
            "iss": provider.issuer, "aud": provider.client_id, "iat": now, "exp": now + 120, "jti": random(),
            "events": { EVENT: {} },
        });
        with(claims, more)
    }

    /// A logout token for this connection.
    pub fn logout_token(&self, site: &Site, more: Value) -> String {
        self.provider.sign("logout+jwt", &self.farewell(site, more))
    }

    /// The provider posts a logout token.
    pub async fn logs_out(&self, site: &Site, token: &str) -> Answer {
        self.posts_logout(site, &[("logout_token", token)]).await
    }

    /// Somebody posts a form to where logout tokens go.
    pub async fn posts_logout(&self, site: &Site, fields: &[(&str, &str)]) -> Answer {
        Answer::to(site.at.request(Method::POST, &self.url(site, "logout")).form(fields)).await
    }

    /// Somebody at this provider, as events name them.
    pub fn person(&self, subject: &str) -> Value {
        json!({ "format": "iss_sub", "iss": self.provider.issuer, "sub": subject })
    }

    /// The claims of an event for this connection, made now, with these over them; null takes one away.
    pub fn event(&self, site: &Site, kind: &str, subject: Value, more: Value) -> Value {
        let claims = json!({
            "iss": self.provider.issuer, "aud": self.url(site, "events"), "iat": site.now().seconds(), "jti": random(),
            "sub_id": subject,
            "events": { format!("https://schemas.openid.net/secevent/{kind}"): { "reason_admin": { "en": "A test." } } },
        });
        with(claims, more)
    }

    /// The provider pushes an event.
    pub async fn pushes(&self, site: &Site, claims: &Value) -> Answer {
        self.posts_event(site, self.provider.sign(SECEVENT, claims)).await
    }

    /// Somebody posts something as an event.
    pub async fn posts_event(&self, site: &Site, token: String) -> Answer {
        let request = site.at.request(Method::POST, &self.url(site, "events"));
        Answer::to(request.header(CONTENT_TYPE, "application/secevent+jwt").body(token)).await
    }

    /// The token with which the provider asks for a revocation, made now, with these claims over it.
    pub fn bearer(&self, site: &Site, more: Value) -> String {
        let now = site.now().seconds();
        let claims = json!({
            "iss": self.provider.issuer, "sub": self.provider.client_id, "aud": self.url(site, "revocation"),
            "jti": random(), "iat": now, "exp": now + 300,
        });
        self.provider.sign("global-token-revocation+jwt", &with(claims, more))
    }

    /// Somebody asks that everything of a person ends, with a token or without.
    pub async fn revokes(&self, site: &Site, bearer: Option<&str>, body: &Value) -> Answer {
        let mut request = site.at.request(Method::POST, &self.url(site, "revocation")).json(body);
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        Answer::to(request).await
    }

    /// The application was told that these are out, and of nobody else: each once, in a token that verifies. Whoever is
    /// told stands in the outbox before the provider is answered.
    pub async fn has_told_of(&self, site: &Site, gone: &[&Visitor]) {
        let sql = "SELECT COUNT(*) FROM outbox WHERE kind = 'backchannel_logout' AND receiver = $1";
        let mut conn = site.conn().await;
        let (rows,): (i64,) = conn.query(sql).bind(self.application.to_string()).one().await.unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), gone.len(), "logout tokens to {}", self.shop.client_id);
        let (mut verifier, mut told) = (Verifier::new(site.at.clone()), Vec::new());
        for (_, token) in self.receiver.wait_for(gone.len(), SOON).await {
            let said = verifier.verify(&token).await.expect("its signature holds");
            assert_eq!(said["aud"], json!(self.shop.client_id));
            told.push((said["sub"].to_string(), said["sid"].to_string()));
        }
        let of = |visitor: &&Visitor| {
            let id = visitor.tokens.id_claims();
            (id["sub"].to_string(), id["sid"].to_string())
        };
        let mut wanted: Vec<(String, String)> = gone.iter().map(of).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted);
    }
}

/// An object with other members over its own; null takes one away.
pub fn with(mut object: Value, more: Value) -> Value {
    let members = object.as_object_mut().expect("an object");
    for (name, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => drop(members.remove(name)),
            other => drop(members.insert(name.clone(), other.clone())),
        }
    }
    object
}
