//! Somebody who administers through the REST API, with a token of their own.

use std::path::PathBuf;

use muster::domain::change::Change;
use muster::domain::people::user::Kind;
use muster::kernel::id::UserId;
use muster::kernel::time::MINUTE;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use super::PASSWORD;
use super::application;
use super::browser::Person;
use super::client::{Ask, Client, Tokens};
use super::http::{Address, Answer};
use super::org::Org;
use super::server::Site;

/// The client id of the application that administrators use in stories.
pub const CONSOLE: &str = "console";

/// A caller of the API.
#[derive(Clone, Debug)]
pub struct Admin {
    at: Address,
    /// The access token; empty for nobody.
    pub token: String,
    base: String,
}

impl Admin {
    /// Nobody: a caller without a token.
    pub fn nobody(site: &Site, org: &Org) -> Self {
        Self { at: site.at.clone(), token: String::new(), base: format!("/api/v1/orgs/{}", org.slug) }
    }

    /// Whoever holds this token, calling for this organisation.
    pub fn with_token(site: &Site, org: &Org, token: &str) -> Self {
        Self { token: token.to_owned(), ..Self::nobody(site, org) }
    }

    /// A member of an organisation who signs in to the console.
    pub async fn of(site: &Site, org: &Org, user_name: &str) -> Self {
        let console = console(site).await;
        let mut browser = site.browser();
        let ask = Ask::of(&console).with("scope", "openid roles muster.admin").with("organization", &org.slug);
        let tokens = console.sign_in_with(&mut browser, Person::named(user_name), ask).await;
        Self::with_token(site, org, tokens.access())
    }

    /// Somebody who signed in eleven minutes ago: the token is new, the sign-in is not.
    pub async fn stale(site: &Site, org: &Org, user_name: &str) -> Self {
        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid roles muster.admin").with("organization", &org.slug);
        let tokens = console.sign_in_with(&mut site.browser(), Person::named(user_name), ask).await;
        site.advance(11 * MINUTE);
        let renewed = Tokens::read(&console.refresh(tokens.refresh()).await);
        Self::with_token(site, org, renewed.access())
    }

    /// The instance's operator.
    pub async fn operator(site: &Site, org: &Org) -> Self {
        let operator = site.new_user(Kind::Operator, "opal", PASSWORD).await;
        site.change(vec![Change::CreateUser(Box::new(operator))]).await.expect("an operator can be made");
        let console = console(site).await;
        let mut browser = site.browser();
        let ask = Ask::of(&console).with("scope", "openid muster.admin");
        // An operator signs in at a place of its own.
        let page = browser.open(&site.at.url("/instance/login")).await.page();
        browser.press(&page, "login-submit", &[("username", "opal"), ("password", PASSWORD)]).await;
        let tokens = console.sign_in_with(&mut browser, Person::named("opal"), ask).await;
        Self::with_token(site, org, tokens.access())
    }

    /// The same caller, calling for another organisation.
    #[must_use]
    pub fn at_org(&self, org: &str) -> Self {
        Self { base: format!("/api/v1/orgs/{org}"), ..self.clone() }
    }

    /// Calls a path under the organisation, or one that begins with `/api`.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    /// As [`Admin::call`], with headers.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.at.request(method, &self.at.url(&path));
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::to(request).await
    }

    /// Reads; what must be there.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// Writes; what must be accepted.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.good(Method::POST, path, Some(&body)).await
    }

    /// Writes; what must be accepted.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.good(Method::PATCH, path, Some(&body)).await
    }

    /// Writes; what must be accepted.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.good(Method::PUT, path, Some(&body)).await
    }

    /// Deletes; what must be accepted.
    pub async fn delete(&self, path: &str) -> Value {
        self.good(Method::DELETE, path, None).await
    }

    async fn good(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(method.clone(), path, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        answer.json()
    }

    /// What a refused call answers: its status and its code.
    pub async fn refused(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let answer = self.call(method.clone(), path, Some(&body)).await;
        assert!(answer.status >= 400, "{method} {path} was accepted: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// The application of administrators: made once in a site.
pub async fn console(site: &Site) -> Client {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock};
    // By the place: a port is used again.
    static KNOWN: OnceLock<Mutex<HashMap<PathBuf, application::Registered>>> = OnceLock::new();
    let (known, place) = (KNOWN.get_or_init(Mutex::default), site.place.folder().to_owned());
    let found = known.lock().unwrap().get(&place).cloned();
    if let Some(found) = found {
        return site.client(&found);
    }
    let registered = application::register(site, CONSOLE, |application| {
        application.scopes.push("muster.admin".to_owned());
        application.allow_no_org = true;
    })
    .await;
    known.lock().unwrap().insert(place, registered.clone());
    site.client(&registered)
}

/// Acme with its owner, who is there already when a story begins: `olga`.
pub async fn owned(site: &Site, slug: &str) -> (Org, UserId) {
    let org = site.org(slug).await;
    let owner = org.person("olga", PASSWORD).await;
    let to = org.member_id("olga").await;
    site.act(vec![Change::TransferOwnership { org: org.id.clone(), to }]).await;
    (org, owner)
}
