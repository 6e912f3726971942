//! A person's browser: a cookie that binds pages to it from the first visit, and the session once they signed in.
//!
//! A form that changes something carries the sealed request and a CSRF token, both bound to the first cookie; foreign
//! origins are refused before that.

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_sessions::Session;
use tower_sessions::cookie::{Cookie, SameSite};

use crate::app::App;
use crate::domain::oauth::params::Params;
pub use crate::domain::people::browser::device;
use crate::flows::guard::{self, Caller};
use crate::kernel::id::{ConnectionId, SessionId};
use crate::kernel::secret::{Secret, same};
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::cookies::{FACTS, Facts};
use crate::web::layers::{ClientIp, RequestId};

/// The key of a session's data under which lies when somebody came through a connection last.
const CAME_AT: &str = "came_at";
/// So long a browser keeps the cookie by which accounts know it.
const DEVICE_LIFE: time::Duration = time::Duration::days(365);

/// The browser that sent a request.
pub struct Browser {
    app: App,
    binding: String,
    is_new: bool,
    posts: bool,
    came_at: Option<UnixMillis>,
    device: Option<Secret>,
    is_device_new: bool,
    session: Session,
    /// The session, when the person is signed in.
    pub facts: Option<Facts>,
    /// The browser, as it names itself.
    pub user_agent: String,
    /// The address.
    pub address: String,
    /// The request's id.
    pub request_id: RequestId,
}

/// The cookies' names: with the prefix that keeps sibling hosts out, except on a loopback issuer without TLS.
pub struct CookieNames {
    /// The session's.
    pub session: &'static str,
    /// The browser's.
    pub browser: &'static str,
    /// The one by which accounts know the browser.
    pub device: &'static str,
    /// Whether all are `Secure`.
    pub secure: bool,
}

impl CookieNames {
    /// The names under this configuration.
    #[must_use]
    pub fn of(app: &App) -> Self {
        if app.config.is_https() {
            Self {
                session: "__Host-muster",
                browser: "__Host-muster_browser",
                device: "__Host-muster_device",
                secure: true,
            }
        } else {
            Self { session: "muster", browser: "muster_browser", device: "muster_device", secure: false }
        }
    }
}

impl<S> FromRequestParts<S> for Browser
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let app = App::from_ref(state);
        let session = Session::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let ClientIp(ip) = ClientIp::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let names = CookieNames::of(&app);
        let known = cookie(&parts.headers, names.browser).filter(|value| is_binding(value));
        let device = cookie(&parts.headers, names.device).filter(|value| is_binding(value)).map(Secret::presented);
        let is_new = known.is_none();
        let binding = known.unwrap_or_else(|| Secret::mint(&*app.chance, "").expose().to_owned());
        let facts: Option<Facts> = session.get(FACTS).await.map_err(|_| crate::web::pages::error::unavailable())?;
        let user_agent = header_text(&parts.headers, header::USER_AGENT);
        let request_id = RequestId::from_request_parts(parts, state).await.unwrap_or_default();
        let (posts, address) = (parts.method == Method::POST, ip.to_string());
        let came_at = session.get(CAME_AT).await.unwrap_or_default();
        let browser = Self {
            app,
            binding,
            is_new,
            posts,
            came_at,
            device,
            is_device_new: false,
            session,
            facts,
            user_agent,
            address,
            request_id,
        };
        browser.note_use();
        Ok(browser)
    }
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn is_binding(value: &str) -> bool {
    value.len() == 43 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found =
        headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(Cookie::split_parse);
    found.find_map(|cookie| cookie.ok().filter(|c| c.name() == name).map(|c| c.value().to_owned()))
}

impl Browser {
    /// What stands for the browser from its first visit on: whoever is sent away comes back in the same one.
    #[must_use]
    pub fn binding(&self) -> &str {
        &self.binding
    }

    /// The value of its cookie for accounts that know it.
    #[must_use]
    pub const fn device_cookie(&self) -> Option<&Secret> {
        self.device.as_ref()
    }

    /// Where a guess comes from that is made with it.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller { agent: &self.user_agent, address: &self.address, device: self.device.as_ref() }
    }

    /// Whether it sent a form: the answer can't lead away from here by itself then, but for a page that does.
    #[must_use]
    pub const fn is_posting(&self) -> bool {
        self.posts
    }

    /// Whether somebody has come back through this connection within the last minute: who is sent there again by then
    /// was let pass without a question, and that was not enough.
    #[must_use]
    pub fn has_just_come_through(&self, through: &ConnectionId) -> bool {
        let now = self.app.now();
        self.facts.as_ref().and_then(connection) == Some(through)
            && self.came_at.is_some_and(|at| now.since(at) < MINUTE)
    }

    /// Seals a text so that only this browser can send it back.
    #[must_use]
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        self.app.sealer.seal_text(purpose, &self.binding, text.as_bytes())
    }

    /// Opens what [`Browser::seal`] made; `None` when it comes from another browser or was changed.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let bytes = self.app.sealer.open_text(purpose, &self.binding, sealed).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// The CSRF token of this browser's forms.
    #[must_use]
    pub fn csrf(&self) -> String {
        crate::flows::issue::hex(&self.app.sealer.mac("csrf", &[self.binding.as_bytes()]))
    }

    /// Whether a POST comes from one of our own pages in this browser.
    #[must_use]
    pub fn posted_here(&self, headers: &HeaderMap, form: &Params) -> bool {
        self.comes_from_here(headers)
            && !self.is_new
            && same(self.csrf().as_bytes(), form.get("csrf").unwrap_or_default().as_bytes())
    }

    fn comes_from_here(&self, headers: &HeaderMap) -> bool {
        let origin = header_text(headers, header::ORIGIN);
        if origin.is_empty() || origin == "null" {
            let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
            return site.is_none_or(|site| site == "same-origin");
        }
        origin == self.app.issuer()
    }

    /// Signs the person in: a new cookie value, for the session that they had if it was theirs and came the same way, else
    /// for a new one. What came through a connection opens less than what didn't: neither becomes the other.
    ///
    /// # Errors
    /// The session table can't be used.
    pub async fn sign_in(&mut self, mut facts: Facts) -> Result<(), tower_sessions::session::Error> {
        if let Some(before) = self.facts.take() {
            if before.user == facts.user && connection(&before) == connection(&facts) {
                // What the sign-in itself changed may have ended it.
                if crate::flows::sign_out::is_live(&self.app, &before).await.unwrap_or(false) {
                    (facts.id, facts.created_at, facts.expires_at) = (before.id, before.created_at, before.expires_at);
                }
            } else if crate::flows::sign_out::sign_out(&self.app, &before.id).await.is_err() {
                return Err(tower_sessions::session_store::Error::Backend(
                    "the session before can't be ended".to_owned(),
                )
                .into());
            }
            self.session.cycle_id().await?;
        }
        self.session.insert(FACTS, &facts).await?;
        if facts.through.is_some() {
            let now = self.app.now();
            self.session.insert(CAME_AT, now).await?;
            self.came_at = Some(now);
        }
        self.session.save().await?;
        // A provider's word gets nobody past the lock of a password: each time it would bring some guesses more.
        if facts.through.is_none() {
            self.become_known(&facts).await;
        }
        self.facts = Some(facts);
        Ok(())
    }

    /// Whoever has signed in with it once gets in with it though the account is locked. Without that the sign-in stands
    /// all the same.
    async fn become_known(&mut self, facts: &Facts) {
        let known = guard::know_device(&self.app, &facts.user, self.device.as_ref()).await;
        match known {
            Ok(value) => (self.device, self.is_device_new) = (Some(value), true),
            Err(error) => tracing::warn!(%error, "a browser was not made known to its account"),
        }
    }

    /// Notes the wish not to be asked for the second factor here again; after [`Browser::sign_in`], which gave the cookie its
    /// value.
    ///
    /// # Errors
    /// The database's.
    pub async fn remember_factor(&self) -> Result<(), sqlx::Error> {
        match (&self.facts, &self.device) {
            (Some(facts), Some(cookie)) => guard::remember_factor(&self.app, &facts.user, cookie).await,
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// Forgets the session here; the caller has ended it. The cookie is cleared by the answer; see [`mend_removals`].
    pub async fn forget(&mut self) -> Option<SessionId> {
        let facts = self.facts.take()?;
        // Emptying it is not enough: the layer would keep a session that has its id still, and set its cookie again.
        if let Err(error) = self.session.flush().await {
            tracing::warn!(%error, "a session that has ended keeps its cookie");
        }
        Some(facts.id)
    }

    /// Puts the browser's cookies on an answer, where they aren't known yet.
    #[must_use]
    pub fn answer(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        let names = CookieNames::of(&self.app);
        if self.is_new {
            put(&mut response, &kept(&names, names.browser, &self.binding));
        }
        if let Some(device) = self.device.as_ref().filter(|_| self.is_device_new) {
            let mut cookie = kept(&names, names.device, device.expose());
            cookie.set_max_age(DEVICE_LIFE);
            put(&mut response, &cookie);
        }
        response
    }

    /// Last use is written at most once a minute, and nobody waits for it.
    fn note_use(&self) {
        let Some(facts) = &self.facts else { return };
        let now = self.app.now();
        if facts.last_used_at.is_some_and(|at| now.since(at) < MINUTE) {
            return;
        }
        let (app, id) = (self.app.clone(), facts.id.clone());
        tokio::spawn(async move { crate::flows::note_use::session(&app, id, now).await });
    }
}

/// A cookie of ours.
fn kept(names: &CookieNames, name: &'static str, value: &str) -> Cookie<'static> {
    Cookie::build((name, value.to_owned()))
        .path("/")
        .http_only(true)
        .secure(names.secure)
        .same_site(SameSite::Lax)
        .build()
}

fn put(response: &mut Response, cookie: &Cookie<'static>) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The connection that a session came through.
fn connection(facts: &Facts) -> Option<&ConnectionId> {
    facts.through.as_ref().map(|through| &through.connection)
}

/// Around the session layer: a cookie is removed with the attributes that it was set with.
///
/// The session layer's own removals lack them, and a browser ignores the removal of a `__Host-` cookie that is not
/// `Secure`.
pub async fn mend_removals(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let names = CookieNames::of(&app);
    let is_removal = |value: &HeaderValue| {
        let removed =
            value.as_bytes().strip_prefix(names.session.as_bytes()).is_some_and(|rest| rest.starts_with(b"=;"));
        removed && !value.as_bytes().windows(8).any(|part| part.eq_ignore_ascii_case(b"httponly"))
    };
    if !response.headers().get_all(header::SET_COOKIE).iter().any(is_removal) {
        return response;
    }
    let kept: Vec<HeaderValue> =
        response.headers().get_all(header::SET_COOKIE).iter().filter(|value| !is_removal(value)).cloned().collect();
    response.headers_mut().remove(header::SET_COOKIE);
    let removal = Cookie::build((names.session, ""))
        .path("/")
        .http_only(true)
        .secure(names.secure)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::ZERO)
        .build();
    let removal = HeaderValue::from_str(&removal.to_string()).ok();
    for value in kept.into_iter().chain(removal) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
