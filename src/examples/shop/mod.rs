//! The demo shop: a relying party as a customer would write it, mounted by `muster dev` on an origin of its own.
//!
//! It signs people in with the code flow and PKCE (`oidc`), keeps its own sessions (`sessions`), ends them when
//! Muster sends a logout token (`backchannel`, OpenID Connect Back-Channel Logout 1.0), and shows what it knows
//! (`routes`, `pages`). One page (`board`) lets an administrator of the demo take a role away and give it back, so
//! that two people at two screens see what a change of access does.
//!
//! # Why
//! The shop talks to Muster over HTTP alone, as any application does: what it shows is what the wire carries. Only
//! the roles board needs more, and gets it through [`Admin`], which the one who mounts the shop implements. The shop
//! is allowed libraries that the product keeps in `outside`, because it plays the part of somebody else's program.

mod backchannel;
mod board;
mod id_token;
mod mailbox;
mod oidc;
mod pages;
mod person;
mod routes;
mod sessions;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::map_response;
use axum::routing::{get, post};

use crate::kernel::secret::Chance;
use crate::kernel::time::Clock;
use crate::outside::chance::SystemChance;
use crate::outside::clock::SystemClock;

use self::backchannel::Listener;
use self::oidc::Oidc;
use self::sessions::Sessions;

/// The name of the shop's cookie.
const COOKIE: &str = "shop_session";
/// The largest body the shop reads; a logout token is far smaller.
const BODY_LIMIT: usize = 32 * 1024;
/// The most fields the shop reads from one query or form.
const FIELD_LIMIT: usize = 32;

/// What the shop must know to be an application of Muster.
///
/// Muster must know the shop with the redirect URI `<own_url>/callback`, the post-logout redirect URI
/// `<own_url>/signed-out`, the back-channel logout URI `<own_url>/backchannel-logout`, the grant types
/// `authorization_code` and `refresh_token`, and the scopes `openid profile email roles`.
pub struct Shop {
    /// Muster's issuer, exactly as it stands in tokens.
    pub issuer: String,
    /// The shop's own origin, such as `http://127.0.0.1:8081`.
    pub own_url: String,
    /// The shop's `client_id` at Muster.
    pub client_id: String,
    /// The secret that goes with it (sent by `client_secret_basic`).
    pub client_secret: String,
    /// Who lists, takes and gives roles for the roles board.
    pub admin: Arc<dyn Admin>,
}

/// What the roles board asks of Muster's own side. Implemented over the one door of access changes.
#[async_trait]
pub trait Admin: Send + Sync {
    /// The bindings of the demo, those taken away included, and the people one can sign in as.
    ///
    /// # Errors
    /// Words for people, when the board can't be read.
    async fn roles_board(&self) -> Result<Board, String>;

    /// Takes away the binding `binding_id` in the name of the user `acting_user_id`.
    ///
    /// # Errors
    /// Words for people, when the user may not or the binding is gone.
    async fn take(&self, acting_user_id: &str, binding_id: &str) -> Result<ReceiptText, String>;

    /// Gives back what the row `key` names, in the name of the user `acting_user_id`.
    ///
    /// # Errors
    /// Words for people, when the user may not or the row is unknown.
    async fn give(&self, acting_user_id: &str, key: &str) -> Result<ReceiptText, String>;

    /// What was written to people, the newest first.
    async fn mails(&self) -> Vec<DemoMail> {
        Vec::new()
    }
}

/// A message to a person that did not leave the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoMail {
    /// What names it in an address.
    pub name: String,
    /// Who gets it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was written.
    pub date: String,
    /// Its text.
    pub lines: Vec<MailLine>,
    /// Its HTML, if it has any.
    pub html: Option<String>,
}

/// A line of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailLine {
    /// What it says.
    pub text: String,
    /// Whether it is an address of Muster's, and nothing else.
    pub link: bool,
}

/// What the roles board shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// Bindings, held or taken away, in the order in which they are shown.
    pub rows: Vec<Row>,
    /// Whom a visitor may sign in as; shown on the first page.
    pub people: Vec<DemoPerson>,
}

/// One binding of the demo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The live binding; `None` when it was taken away, or can't be.
    pub binding_id: Option<String>,
    /// What names the row for good: `group:role:scope`.
    pub key: String,
    /// The group or person that holds it.
    pub group_or_person: String,
    /// The role's key.
    pub role: String,
    /// The organisation or the project.
    pub scope: String,
    /// The names of the people whom it reaches.
    pub members: Vec<String>,
    /// Whether it is held now.
    pub held: bool,
}

/// Somebody whom a visitor may sign in as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoPerson {
    /// The name to type on the sign-in page.
    pub user_name: String,
    /// The name to show.
    pub name: String,
    /// Who that is, in a few words.
    pub note: String,
    /// The demo's password, if it may be shown.
    pub password: Option<String>,
}

/// What an act on the board did, in lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptText {
    /// What was done, in one line.
    pub title: String,
    /// Who lost what.
    pub lost: Vec<String>,
    /// Who gained what.
    pub gained: Vec<String>,
    /// Which sessions and tokens ended.
    pub ended: Vec<String>,
    /// Which applications were told.
    pub told: Vec<String>,
}

/// What every handler of the shop has at hand.
struct Desk {
    oidc: Oidc,
    sessions: Sessions,
    logouts: Listener,
    admin: Arc<dyn Admin>,
    clock: Arc<dyn Clock>,
    secure: bool,
}

impl Desk {
    /// The header that gives the browser its cookie.
    fn cookie(&self, value: &str) -> [(HeaderName, String); 1] {
        [(header::SET_COOKIE, format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{}", self.secure_word()))]
    }

    /// The header that takes the browser's cookie away.
    fn no_cookie(&self) -> [(HeaderName, String); 1] {
        [(header::SET_COOKIE, format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", self.secure_word()))]
    }

    const fn secure_word(&self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }
}

/// The shop, ready to be served at its own origin.
pub fn router(shop: Shop) -> Router {
    router_with(shop, Arc::new(SystemClock), Arc::new(SystemChance))
}

/// The shop with a clock and a chance of the caller's: what tests mount.
pub fn router_with(shop: Shop, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Router {
    let desk = Arc::new(Desk {
        oidc: Oidc::new(&shop),
        sessions: Sessions::new(chance),
        logouts: Listener::default(),
        secure: shop.own_url.starts_with("https://"),
        admin: shop.admin,
        clock,
    });
    Router::new()
        .route("/", get(routes::home))
        .route("/sign-in", get(routes::sign_in))
        .route("/callback", get(routes::callback))
        .route("/refresh", post(routes::refresh))
        .route("/sign-out", get(routes::sign_out))
        .route("/signed-out", get(routes::signed_out))
        .route("/backchannel-logout", post(backchannel::receive))
        .route("/admin/roles", get(board::show).post(board::act))
        .route("/mail", get(mailbox::list))
        .route("/mail/{name}", get(mailbox::html))
        .route("/shop.css", get(pages::style))
        .fallback(routes::nothing_here)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(map_response(pages::headers))
        .with_state(desk)
}

/// The names and values of a query or a form, each name at most once.
type Fields = HashMap<String, String>;

/// Reads a query or a form. `None` when a name comes twice (which of them would count?) or there are too many.
fn fields(text: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(text) {
        let twice = fields.insert(name.into_owned(), value.into_owned()).is_some();
        if twice || fields.len() > FIELD_LIMIT {
            return None;
        }
    }
    Some(fields)
}

/// The shop's cookie among those that the browser sent (Muster's own may lie beside it: cookies know no ports).
fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::response::Response;
    use tower::ServiceExt;

    use super::*;

    struct Demo;
    #[async_trait]
    impl Admin for Demo {
        async fn roles_board(&self) -> Result<Board, String> {
            let ana = DemoPerson { user_name: "ana".to_owned(), name: "Ana <Kim>".to_owned(), ..DemoPerson::default() };
            Ok(Board { rows: Vec::new(), people: vec![ana] })
        }
        async fn take(&self, _: &str, _: &str) -> Result<ReceiptText, String> {
            Err("not in this test".to_owned())
        }
        async fn give(&self, _: &str, _: &str) -> Result<ReceiptText, String> {
            Err("not in this test".to_owned())
        }
    }

    fn shop() -> Router {
        router(Shop {
            issuer: "http://127.0.0.1:1".to_owned(),
            own_url: "http://127.0.0.1:8081/".to_owned(),
            client_id: "shop".to_owned(),
            client_secret: "secret".to_owned(),
            admin: Arc::new(Demo),
        })
    }

    async fn ask(request: Request<Body>) -> Response {
        shop().oneshot(request).await.expect("the router cannot fail")
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a whole body");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[tokio::test]
    async fn a_stranger_sees_the_button_and_the_demo_people() {
        let answer = ask(Request::get("/").body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII").to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!answer.headers().contains_key(header::SET_COOKIE), "who only looks gets no cookie");
        let page = text(answer).await;
        assert!(page.contains("Sign in with Muster") && page.contains("Ana &#60;Kim&#62;"), "{page}");
        assert!(!page.contains("http-equiv"), "only a signed-in page reloads itself");
    }

    #[tokio::test]
    async fn the_board_and_the_forms_lead_a_stranger_to_the_first_page() {
        for request in [
            Request::get("/admin/roles"),
            Request::post("/admin/roles"),
            Request::post("/refresh"),
            Request::get("/sign-out"),
        ] {
            let answer = ask(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            assert_eq!(answer.headers()[header::LOCATION], "/");
        }
    }

    #[tokio::test]
    async fn an_answer_that_no_sign_in_here_asked_for_is_refused() {
        for query in ["", "?state=x&code=y&iss=http://127.0.0.1:1", "?state=x&state=x", "?error=access_denied&state=x"]
        {
            let answer = ask(Request::get(format!("/callback{query}")).body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        }
    }

    #[tokio::test]
    async fn a_muster_that_does_not_answer_is_a_page_and_not_a_crash() {
        let answer = ask(Request::get("/sign-in").body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert!(text(answer).await.contains("Muster did not answer"));
    }

    #[test]
    fn a_field_given_twice_is_no_form_and_the_cookie_is_found_among_others() {
        assert!(fields(b"a=1&a=2").is_none());
        assert_eq!(fields(b"a=%20b&c=").expect("two fields")["a"], " b");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "muster=1; shop_session=abc; x".parse().expect("a header"));
        assert_eq!(cookie_of(&headers), Some("abc"));
        assert_eq!(cookie_of(&HeaderMap::new()), None);
    }
}
