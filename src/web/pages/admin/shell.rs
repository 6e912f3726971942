//! Who is asking, at which organisation, and what they may do there: read once for every page of an administrator.
//!
//! A stranger hears that there is nothing, like for an organisation that doesn't exist; a member without the permission is
//! told so, and a refused act leaves its row in the audit record. Whose sessions in the organisation were ended, or are too
//! old for it, signs in first ([`console_entry`]). The door judges again whatever is done.

use std::net::IpAddr;

use axum::extract::{FromRef, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::form::Form;
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::change::{Actor, Origin};
use crate::domain::oauth::params::Params;
use crate::domain::people::user::Kind;
use crate::domain::settings::OrgSettings;
use crate::flows::change_access::Refusal;
use crate::flows::console_entry::{self, Way};
use crate::flows::{Fault, change_access, reach};
use crate::kernel::id::{OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::{orgs, users};
use crate::web::extract::browser::Browser;
use crate::web::layers::{ClientIp, RequestId};
use crate::web::oidc::reply;
use crate::web::pages::view::admin::{Here, Shell};
use crate::web::pages::view::{ErrorPage, Page};
use crate::web::pages::{error, factor, page, sealed};

/// Pages that are opened, and forms that are posted, by whoever has a permission on the organisation: which, and what for.
macro_rules! entrances {
    (
        pages { $($(#[$doc:meta])* $page:ident = $seen:expr, $to_see:literal;)* }
        forms { $($(#[$form_doc:meta])* $form:ident = $by:ident $word:expr, $to:literal;)* }
    ) => {
        $(
            $(#[$doc])*
            pub struct $page(pub Desk);

            impl<S> FromRequestParts<S> for $page
            where
                App: FromRef<S>,
                S: Send + Sync,
            {
                type Rejection = Response;

                async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
                    let desk = Desk::from_request_parts(parts, state).await?;
                    desk.needs($seen, $to_see, &Asked::of(parts)).await?;
                    Ok(Self(desk))
                }
            }
        )*
        $(
            $(#[$form_doc])*
            pub struct $form {
                /// The place.
                pub desk: Desk,
                /// What was posted.
                pub form: Form,
            }

            impl<S> FromRequest<S> for $form
            where
                App: FromRef<S>,
                S: Send + Sync,
            {
                type Rejection = Response;

                async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
                    let posted = crate::web::pages::admin::shell::Posted::from_request(request, state).await?;
                    let (desk, form) = posted.$by($word, $to).await?;
                    Ok(Self { desk, form })
                }
            }
        )*
    };
}

pub mod of_groups;
pub mod of_newcomers;
pub mod of_providers;

/// An administrator's place in one organisation.
pub struct Desk {
    /// The handles.
    pub app: App,
    /// The browser.
    pub browser: Browser,
    /// Who asks.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// The organisation.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// How far the person reaches in it.
    pub reach: Reach,
    /// Its settings.
    pub settings: OrgSettings,
    slug: String,
    person: String,
    names: Vec<(String, String)>,
    query: Params,
}

entrances! {
    pages {
        /// Somebody who may see people.
        Viewing = "users.read", "see people";
        /// Somebody who may register and invite people.
        Inviting = "users.invite", "register and invite people";
    }
    forms {
        /// A form that was posted from one of our pages by somebody who may register and invite people.
        Act = by "users.invite", "register and invite people";
    }
}

/// A form that was posted from one of our pages; who may, says what it is for.
pub struct Posted {
    desk: Desk,
    form: Form,
    asked: Asked,
    /// The page that it was posted from, as the browser says; else the console's first.
    from: String,
}

impl Posted {
    /// The place and the form, of somebody who has a permission on the organisation.
    ///
    /// # Errors
    /// The page that says which is missing; the refusal is recorded.
    pub async fn by(self, word: &str, to: &str) -> Result<(Desk, Form), Response> {
        self.desk.needs(word, to, &self.asked).await?;
        Ok((self.desk, self.form))
    }

    /// As [`Self::by`], for what is sensitive: of somebody who has proven lately who they are, too.
    ///
    /// # Errors
    /// As there; or the way to prove it, which leads back to the page that the form stands on.
    pub async fn freshly_by(self, word: &str, to: &str) -> Result<(Desk, Form), Response> {
        let from = self.from.clone();
        let (desk, form) = self.by(word, to).await?;
        match desk.owes(&from).await {
            None => Ok((desk, form)),
            Some(response) => Err(response),
        }
    }
}

/// What a page gave to the browser to bring back: good for one organisation, for a while.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    org: OrgId,
    made: UnixMillis,
    content: T,
}

impl Desk {
    /// Whether the person has a permission on the organisation.
    #[must_use]
    pub fn may(&self, word: &str) -> bool {
        self.reach.allows(word)
    }

    /// Records that somebody asked what an act would do, in order to act, and may not: the door keeps no record of questions.
    pub async fn note_denial(&self, why: &Refusal) {
        if let Refusal::Denied { act, .. } = why {
            let asked = (Some(self.org.clone()), act.clone());
            change_access::record_denial(&self.app, &self.actor, &self.origin, asked, "denied").await;
        }
    }

    /// The path of one of these pages.
    #[must_use]
    pub fn path(&self, page: &str) -> String {
        format!("/o/{}/admin/{page}", self.slug)
    }

    /// What the path names, for example an invitation; empty when it names none.
    #[must_use]
    pub fn named(&self, name: &str) -> &str {
        self.names.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str())
    }

    /// A parameter of the address.
    #[must_use]
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    /// What stands around a page; `trail` leads to it from the list, a text and a page each.
    #[must_use]
    pub fn shell(&self, here: Here, trail: &[(&str, &str)]) -> Shell {
        Shell {
            org: self.name.clone(),
            base: format!("/o/{}/admin", self.slug),
            person: self.person.clone(),
            csrf: self.browser.csrf(),
            here,
            may_see: self.may("users.read"),
            may_see_groups: self.may("groups.read"),
            may_see_keys: of_groups::sees_keys(self),
            may_see_providers: of_providers::sees(self),
            may_invite: self.may("users.invite"),
            trail: trail.iter().map(|(text, page)| ((*text).to_owned(), self.path(page))).collect(),
        }
    }

    /// A page, with the browser's cookie where it has none yet.
    #[must_use]
    pub fn show(&self, status: StatusCode, shown: &impl Page) -> Response {
        self.answer(page(status, shown))
    }

    /// An answer, with the browser's cookie where it has none yet.
    #[must_use]
    pub fn answer(&self, response: impl IntoResponse) -> Response {
        self.browser.answer(response)
    }

    /// Something failed that is ours to mend.
    #[must_use]
    pub fn failed(&self, fault: impl Into<Fault>) -> Response {
        self.answer(error::of_fault(fault.into()))
    }

    /// Seals what this browser is to bring back.
    #[must_use]
    pub fn seal<T: Serialize>(&self, purpose: &str, content: T) -> String {
        let kept = Kept { org: self.org.clone(), made: self.app.now(), content };
        self.browser.seal(purpose, &serde_json::to_string(&kept).unwrap_or_default())
    }

    /// Opens what was brought back; `None` when it is another browser's or organisation's, was changed, or is older than
    /// `life` milliseconds.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, purpose: &str, sealed: &str, life: i64) -> Option<T> {
        let kept: Kept<T> = serde_json::from_str(&self.browser.open(purpose, sealed)?).ok()?;
        (kept.org == self.org && self.app.now().since(kept.made) < life).then_some(kept.content)
    }

    /// Lets nobody pass whose account is for some applications only, or who comes from where the organisation admits nobody.
    async fn admits(&self, address: IpAddr, restricted: bool, asked: &Asked) -> Result<(), Response> {
        let (code, title, text) = if restricted {
            let text = "This account is for the applications that your organisation has chosen, and has no pages here.";
            ("restricted", "Go to your application", text)
        } else if !self.settings.admits(address) && !matches!(self.actor, Actor::Operator(_)) {
            let text = "Your organisation doesn't let you in from this network address. Use its own network.";
            ("address", "Not from here", text)
        } else {
            return Ok(());
        };
        asked.record(self, code).await;
        Err(self.answer(forbidden(title, text)))
    }

    /// The way to prove who one is, which leads to `back`; `None` for whoever has lately.
    async fn owes(&self, back: &str) -> Option<Response> {
        let facts = self.browser.facts.as_ref()?;
        factor::fresh(&self.app, &self.browser, facts, back).await
    }

    /// The page that says which permission is missing; `None` for whoever has it.
    #[must_use]
    pub fn lacking(&self, word: &str, to: &str) -> Option<Response> {
        if self.may(word) {
            return None;
        }
        let text = format!("You need the permission to {to} ({word}). An administrator of {} can give it.", self.name);
        Some(self.answer(forbidden("You can't do this here", &text)))
    }

    /// Lets whoever has the permission pass. Everybody else is told, and an act is recorded.
    async fn needs(&self, word: &str, to: &str, asked: &Asked) -> Result<(), Response> {
        let Some(page) = self.lacking(word, to) else {
            return Ok(());
        };
        asked.record(self, "denied").await;
        Err(page)
    }
}

/// The line of a request, as a refusal records it.
struct Asked {
    method: Method,
    path: String,
}

impl Asked {
    fn of(parts: &Parts) -> Self {
        Self { method: parts.method.clone(), path: parts.uri.path().to_owned() }
    }

    async fn record(&self, desk: &Desk, code: &'static str) {
        if self.method == Method::GET || self.method == Method::HEAD {
            return;
        }
        let act = format!("{} {}", self.method, self.path);
        change_access::record_denial(&desk.app, &desk.actor, &desk.origin, (Some(desk.org.clone()), act), code).await;
    }
}

/// The organisation's sign-in, which leads back to the page that was asked for; from a form, to the console's first page.
fn to_sign_in(app: &App, browser: &Browser, slug: &str, parts: &Parts) -> Response {
    browser.answer(reply::see_other(&match back(app, browser, slug, parts) {
        Some(back) => format!("/o/{slug}/login?back={back}"),
        None => format!("/o/{slug}/login"),
    }))
}

/// The page that asks for a second factor, which leads back likewise; of an operator it is asked by no organisation.
fn to_factor(app: &App, browser: &Browser, (slug, member): (&str, Option<&str>), parts: &Parts) -> Response {
    let back = back(app, browser, slug, parts).map(|back| format!("back={back}"));
    let query: Vec<String> = member.map(|slug| format!("org={slug}")).into_iter().chain(back).collect();
    browser.answer(reply::see_other(&format!("/login/mfa?{}", query.join("&"))))
}

/// The way back to the page that was asked for; from a form, to the console's first page.
fn back(app: &App, browser: &Browser, slug: &str, parts: &Parts) -> Option<String> {
    let first = format!("/o/{slug}/admin");
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let asked = [parts.uri.path_and_query().map_or("", PathAndQuery::as_str), parts.uri.path()];
    let asked = asked.into_iter().filter(|path| reads && path.starts_with(&first));
    asked.chain([first.as_str()]).find_map(|path| sealed::seal_back(app, browser, path))
}

fn forbidden(title: &str, message: &str) -> Response {
    let view = ErrorPage {
        title: title.to_owned(),
        message: message.to_owned(),
        code: None,
        trace: None,
        status: StatusCode::FORBIDDEN.as_u16(),
    };
    page(StatusCode::FORBIDDEN, &view)
}

/// Where a person stands, as far as the database says.
struct Standing {
    actor: Actor,
    person: String,
    org: orgs::Org,
    reach: Reach,
    settings: OrgSettings,
    /// The membership's way in; an operator has none.
    entrance: Option<Entrance>,
}

/// `None` for a stranger, and for an organisation that isn't there.
async fn standing(app: &App, user: &UserId, slug: &str) -> Result<Option<Standing>, sqlx::Error> {
    let mut conn: Conn = app.db.read().await?;
    let (Some(found), Some(org)) = (users::find(&mut conn, user).await?, orgs::by_slug(&mut conn, slug).await?) else {
        return Ok(None);
    };
    let (actor, entrance) = if found.kind == Kind::Operator {
        (Actor::Operator(user.clone()), None)
    } else {
        // Membership, account and organisation are all active, or there is no entrance.
        let Some(entrance) = memberships::entrance(&mut conn, user, &org.id).await? else {
            return Ok(None);
        };
        (Actor::User(user.clone()), Some(entrance))
    };
    let Some(stands) = reach::of_actor(app, &mut conn, &actor, &org.id).await? else {
        return Ok(None);
    };
    let person = if found.name.is_empty() { found.user_name } else { found.name };
    Ok(Some(Standing { actor, person, org, reach: stands.reach, settings: stands.settings, entrance }))
}

impl<S> FromRequestParts<S> for Desk
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let app = App::from_ref(state);
        let browser = Browser::from_request_parts(parts, state).await?;
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let names: Vec<(String, String)> =
            path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let slug = names.iter().find(|(name, _)| name == "slug").map(|(_, value)| value.clone()).unwrap_or_default();
        if slug.is_empty() || !slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(browser.answer(error::not_found().await));
        }
        let Some(facts) = browser.facts.clone() else {
            return Err(to_sign_in(&app, &browser, &slug, parts));
        };
        let stands = match standing(&app, &facts.user, &slug).await {
            Ok(Some(stands)) => stands,
            Ok(None) => return Err(browser.answer(error::not_found().await)),
            Err(fault) => return Err(browser.answer(error::of_fault(fault.into()))),
        };
        let ClientIp(address) =
            ClientIp::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let id = RequestId::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let origin = Origin { address: address.to_string(), request_id: id.to_string(), repeatable: None };
        let Standing { actor, person, org, reach, settings, entrance } = stands;
        let query = Params::from_query(parts.uri.query().unwrap_or_default()).unwrap_or_default();
        let desk = Self {
            app,
            browser,
            actor,
            origin,
            org: org.id,
            name: org.name,
            reach,
            settings,
            slug: org.slug,
            person,
            names,
            query,
        };
        let restricted = entrance.as_ref().is_some_and(|entrance| entrance.restricted_to.is_some());
        desk.admits(address, restricted, &Asked::of(parts)).await?;
        let way = match &entrance {
            Some(entrance) => console_entry::enter(&desk.app, &facts, entrance).await,
            None => console_entry::enter_as_operator(&desk.app, &facts).await,
        };
        match way {
            Ok(Way::In) => Ok(desk),
            Ok(Way::SignIn) => Err(to_sign_in(&desk.app, &desk.browser, &desk.slug, parts)),
            Ok(Way::Factor) => {
                let member = entrance.is_some().then_some(desk.slug.as_str());
                Err(to_factor(&desk.app, &desk.browser, (&desk.slug, member), parts))
            }
            Err(fault) => Err(desk.failed(fault)),
        }
    }
}

impl<S> FromRequest<S> for Posted
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let desk = Desk::from_request_parts(&mut parts, state).await?;
        let (headers, asked) = (parts.headers.clone(), Asked::of(&parts));
        let Ok(form) = Form::read(Request::from_parts(parts, body)).await else {
            return Err(error::forbidden());
        };
        let csrf = form_urlencoded::Serializer::new(String::new()).append_pair("csrf", form.sent("csrf")).finish();
        let csrf = Params::from_query(&csrf).unwrap_or_default();
        if !desk.browser.posted_here(&headers, &csrf) {
            return Err(error::forbidden());
        }
        let from = page_of(&headers, desk.app.issuer(), &desk.path(""));
        Ok(Self { desk, form, asked, from })
    }
}

/// The page of the console that a form was posted from: what the browser says of it, if it is one of ours, else the first.
fn page_of(headers: &HeaderMap, issuer: &str, console: &str) -> String {
    let first = console.trim_end_matches('/');
    let said = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let path = said.and_then(|address| address.strip_prefix(issuer)).filter(|path| path.starts_with(first));
    path.unwrap_or(first).to_owned()
}
