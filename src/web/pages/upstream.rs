//! Sign-in through a customer's own provider, as browsers see it: the way there, the way back, and
//! what people read where nobody came through.
//!
//! # Why
//! Browsers hold `form-action` against redirects, and a provider's address is no business of that policy: what answers a
//! form is a page that goes on by itself ([`sent`]); what answers a visit is a redirect.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::sealed::{self, Sealed};
use super::view::upstream::{GoPage, UpstreamErrorPage};
use super::{error, page, sign_in, upstream_trial as trial_pages};
use crate::app::App;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::flows::authorize::wants_fresh;
use crate::flows::federation::finish::{self, Finished, Returned};
use crate::flows::federation::start::{self, Begin};
use crate::flows::federation::{NotThrough, Purpose};
use crate::flows::sign_in::{Context, OPERATOR_SLUG, context};
use crate::flows::{Fault, find_application};
use crate::kernel::id::{ConnectionId, OrgId};
use crate::store::federation::upstreams;
use crate::store::{connections, memberships, orgs};
use crate::web::extract::browser::Browser;
use crate::web::layers::FormAction;
use crate::web::oidc::reply;

/// What a provider is called whose name isn't known any more.
const SOME_PROVIDER: &str = "Your organisation's provider";
/// Where links between accounts and providers are kept.
pub const IDENTITIES: &str = "/me/identities";

/// What somebody was about.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    /// To sign in; where that leads.
    SignIn(&'a Sealed),
    /// To say who they are upstream.
    Link,
    /// To try a set-up out.
    Trial,
    /// Nobody knows.
    Nothing,
}

/// Sends somebody who is signing in to a provider; `hint` is whom it may expect.
pub async fn go(
    app: &App,
    browser: &Browser,
    content: &Sealed,
    connection: &ConnectionId,
    hint: Option<&str>,
) -> Response {
    if let Some(seconds) = start::pause(app, &browser.address) {
        return error::too_many(seconds);
    }
    let org = match org_of(app, content).await {
        Ok(org) => org,
        Err(fault) => return error::of_fault(fault),
    };
    let (started, fresh) = (content.made(), is_fresh_wanted(browser, content, connection));
    let purpose = Purpose::SignIn { content: sealed::to_text(content), started, fresh, org };
    match start::begin(app, Begin { connection, binding: browser.binding(), purpose, login_hint: hint }).await {
        Ok(to) => match is_strange(app, browser, connection).await {
            Ok(true) => going(app, browser, connection, (&to, true), Some(content)).await,
            Ok(false) => sent(app, browser, connection, &to, Some(content)).await,
            Err(fault) => error::of_fault(fault),
        },
        Err(why) => refused(app, browser, Some(connection), why, About::SignIn(content)).await,
    }
}

/// Whether a visit would put another session in the place of the one that is here, through an organisation that the
/// person is no member of: whoever runs that provider could have made the link. Then nobody is sent on by itself.
async fn is_strange(app: &App, browser: &Browser, connection: &ConnectionId) -> Result<bool, Fault> {
    let Some(facts) = browser.facts.as_ref().filter(|_| !browser.is_posting()) else {
        return Ok(false);
    };
    let mut conn = app.db.read().await?;
    let Some(found) = connections::by_id(&mut conn, connection).await? else {
        return Ok(false);
    };
    Ok(memberships::entrance(&mut conn, &facts.user, &found.org).await?.is_none())
}

/// Whether the person must prove themselves anew: the request says so, what they are about needs it, or they came back just
/// now, without a question, and that was not enough. So nobody goes round in a circle between us and a provider that lets
/// them pass; whoever came earlier may have been asked meanwhile, and a provider that never says when is not asked for it
/// without need.
fn is_fresh_wanted(browser: &Browser, content: &Sealed, connection: &ConnectionId) -> bool {
    let again = browser.has_just_come_through(connection);
    match content {
        Sealed::Authorize(pending) => again || wants_fresh(&pending.request),
        Sealed::Plain { next, anew, .. } => *anew || again && next.is_some(),
    }
}

/// The organisation that a sign-in is for, if one is known.
pub(super) async fn org_of(app: &App, content: &Sealed) -> Result<Option<OrgId>, Fault> {
    let mut conn = app.db.read().await?;
    let named = match content {
        Sealed::Plain { organisation, .. } => organisation.clone(),
        Sealed::Authorize(pending) => {
            let application = find_application::active(app, &mut conn, &pending.request.client_id).await?;
            if let Some(org) = application.and_then(|application| application.org.clone()) {
                return Ok(Some(org));
            }
            let chosen = pending.org.as_ref().map(|org| org.as_str().to_owned());
            pending.request.organization.clone().or(chosen)
        }
    };
    Ok(match context(&mut conn, named.as_deref().unwrap_or_default()).await? {
        Context::Org(org) => Some(org),
        Context::None | Context::Operator | Context::Unknown => None,
    })
}

/// The answer that leads to a provider.
pub(super) async fn sent(
    app: &App,
    browser: &Browser,
    connection: &ConnectionId,
    to: &str,
    content: Option<&Sealed>,
) -> Response {
    if !browser.is_posting() {
        return reply::see_other(to);
    }
    going(app, browser, connection, (to, false), content).await
}

/// The page that leads to a provider: by itself, or, where it `waits`, when the person says so.
async fn going(
    app: &App,
    browser: &Browser,
    connection: &ConnectionId,
    (to, waits): (&str, bool),
    content: Option<&Sealed>,
) -> Response {
    let name = match name_of(app, Some(connection)).await {
        Ok(name) => name,
        Err(fault) => return error::of_fault(fault),
    };
    let WithPassword { link, form } = with_password(app, browser, content);
    let to = to.to_owned();
    let view = GoPage { name, to, waits, password_link: link, password_form: form, csrf: browser.csrf() };
    allowing(page(StatusCode::OK, &view), content)
}

/// Lets a page's form end at the application that waits, if one does.
fn allowing(mut response: Response, content: Option<&Sealed>) -> Response {
    if let Some(Sealed::Authorize(pending)) = content {
        response.extensions_mut().insert(FormAction(pending.request.redirect.form_action()));
    }
    response
}

pub(super) async fn name_of(app: &App, connection: Option<&ConnectionId>) -> Result<String, Fault> {
    let name = match connection {
        Some(id) => connections::name_of(&mut app.db.read().await?, id.as_str()).await?,
        None => None,
    };
    Ok(name.unwrap_or_else(|| SOME_PROVIDER.to_owned()))
}

/// How somebody gets to the sign-in page all the same, which leads to the same place.
#[derive(Default)]
struct WithPassword {
    link: Option<String>,
    form: Option<String>,
}

/// A request of an application goes with a form; a sign-in without one has an address.
fn with_password(app: &App, browser: &Browser, content: Option<&Sealed>) -> WithPassword {
    match content {
        None => WithPassword::default(),
        Some(Sealed::Authorize(_)) => {
            WithPassword { form: content.map(|content| sealed::seal(browser, content)), link: None }
        }
        Some(Sealed::Plain { organisation, next, .. }) => {
            let back = next.as_deref().and_then(|next| sealed::seal_back(app, browser, next));
            let back = back.map(|back| format!("&back={back}")).unwrap_or_default();
            WithPassword { link: Some(format!("{}?local=1{back}", place(organisation.as_deref()))), form: None }
        }
    }
}

/// The sign-in page of an organisation, of the operators, or of everybody.
fn place(slug: Option<&str>) -> String {
    let plain = |slug: &&str| slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match slug.filter(|slug| !slug.is_empty()).filter(plain) {
        Some(OPERATOR_SLUG) => "/instance/login".to_owned(),
        Some(slug) => format!("/o/{slug}/login"),
        None => "/login".to_owned(),
    }
}

/// `POST /login` with `act=upstream`: through the connection that was chosen.
pub(super) async fn chosen(app: &App, browser: &Browser, content: &Sealed, form: &Params) -> Response {
    match form.get("connection").map(str::parse::<ConnectionId>) {
        Some(Ok(connection)) => go(app, browser, content, &connection, form.get("hint")).await,
        Some(Err(_)) | None => error::expired(),
    }
}

/// `GET /upstream/{connection}/login`: the provider begins (OpenID Connect Core §4). Where it would have the person go
/// afterwards counts for nothing. A connection that isn't there, isn't open or has another issuer is answered alike.
pub async fn initiated(
    State(app): State<App>,
    browser: Browser,
    Path(connection): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let response = match begun_by(&app, &connection, params.get("iss").unwrap_or_default()).await {
        Ok(Some((id, slug))) => {
            let content = Sealed::Plain { organisation: Some(slug), made: app.now(), next: None, anew: false };
            go(&app, &browser, &content, &id, params.get("login_hint")).await
        }
        Ok(None) => refused(&app, &browser, None, NotThrough::Closed, About::Nothing).await,
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(response)
}

/// The open connection of this id and issuer, and the slug of its organisation.
async fn begun_by(app: &App, connection: &str, issuer: &str) -> Result<Option<(ConnectionId, String)>, Fault> {
    let Ok(id) = connection.parse::<ConnectionId>() else { return Ok(None) };
    let mut conn = app.db.read().await?;
    let found = upstreams::by_id(&mut conn, &id).await?;
    let Some(found) = found.filter(|found| found.works() && found.settings.core.issuer == issuer) else {
        return Ok(None);
    };
    let org = orgs::find(&mut conn, &found.connection.org).await?;
    Ok(org.map(|org| (id, org.slug)))
}

/// `GET /upstream/{connection}/callback`: the provider's answer (RFC 6749 §4.1.2).
pub async fn callback(
    State(app): State<App>,
    browser: Browser,
    Path(connection): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    // Whatever can't be read has no state that could be known.
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let returned = Returned {
        connection: &connection,
        binding: browser.binding(),
        state: params.get("state"),
        code: params.get("code"),
        iss: params.get("iss"),
        error: params.get("error"),
        user_agent: &browser.user_agent,
        address: &browser.address,
    };
    match Box::pin(finish::finish(&app, returned)).await {
        Ok(Finished::SignedIn { facts, content }) => match sealed::from_text(&content) {
            Some(content) => sign_in::signed_in(&app, browser, content, facts).await,
            None => browser.answer(error::expired()),
        },
        Ok(Finished::Linked) => browser.answer(reply::see_other("/me/identities?done=linked")),
        Ok(Finished::Tried(tried)) => browser.answer(trial_pages::tried_out(*tried)),
        Err((why, purpose)) => {
            let connection = connection.parse::<ConnectionId>().ok();
            let response = not_through(&app, &browser, connection.as_ref(), why, purpose).await;
            browser.answer(response)
        }
    }
}

/// What follows where nobody came through: an application that waits hears of a denial, a person reads of all else.
async fn not_through(
    app: &App,
    browser: &Browser,
    connection: Option<&ConnectionId>,
    why: NotThrough,
    purpose: Option<Purpose>,
) -> Response {
    match purpose {
        Some(Purpose::SignIn { content, .. }) => {
            let Some(content) = sealed::from_text(&content) else { return error::expired() };
            match (&why, &content) {
                (NotThrough::RefusedUpstream(code), Sealed::Authorize(pending)) if code == "access_denied" => {
                    let denied =
                        OAuthError::new(ErrorCode::AccessDenied, "the person's own provider did not let them in");
                    let request = &pending.request;
                    let to = (&request.redirect, request.response_mode);
                    reply::refusal(app, to, &denied, request.state.as_deref())
                }
                _ => refused(app, browser, connection, why, About::SignIn(&content)).await,
            }
        }
        Some(Purpose::Link { .. }) => refused(app, browser, connection, why, About::Link).await,
        Some(Purpose::Trial { .. }) => refused(app, browser, connection, why, About::Trial).await,
        // Nothing more is told of a flow that isn't known here: not even whose it would be.
        None => refused(app, browser, None, why, About::Nothing).await,
    }
}

/// The page that says why nobody came through, and what to do.
pub(super) async fn refused(
    app: &App,
    browser: &Browser,
    connection: Option<&ConnectionId>,
    why: NotThrough,
    about: About<'_>,
) -> Response {
    let why = match why {
        NotThrough::Fault(fault) => return error::of_fault(fault),
        other => other,
    };
    let name = match name_of(app, connection).await {
        Ok(name) => name,
        Err(fault) => return error::of_fault(fault),
    };
    let content = match about {
        About::SignIn(content) => Some(content),
        About::Link | About::Trial | About::Nothing => None,
    };
    let (status, title, text) = told(&why);
    let again = connection.filter(|_| can_be_mended(&why)).zip(content);
    let WithPassword { link, form } = with_password(app, browser, content);
    let view = UpstreamErrorPage {
        title,
        message: text.replace("[name]", &name),
        code: why.word(),
        trace: browser.request_id.to_string(),
        status: status.as_u16(),
        connection: again.map(|(id, _)| id.to_string()).unwrap_or_default(),
        again: again.map(|(_, content)| sealed::seal(browser, content)),
        to: match about {
            About::Link => Some(("Your company sign-ins", IDENTITIES)),
            About::Nothing => Some(("Sign in", "/login")),
            About::SignIn(_) | About::Trial => None,
        },
        password_link: link,
        password_form: form,
        csrf: browser.csrf(),
    };
    allowing(page(status, &view), content)
}

/// Whether it can go well the next time without anybody's help.
const fn can_be_mended(why: &NotThrough) -> bool {
    match why {
        NotThrough::RefusedUpstream(_)
        | NotThrough::NotVerified(_)
        | NotThrough::Unreachable
        | NotThrough::NotFresh => true,
        NotThrough::UnknownFlow
        | NotThrough::AccountUnknown
        | NotThrough::AccountExists
        | NotThrough::AccountDisabled
        | NotThrough::GroupsOverage
        | NotThrough::NoGroup
        | NotThrough::SubjectUnfit
        | NotThrough::Closed
        | NotThrough::LinkTaken
        | NotThrough::LinkOver
        | NotThrough::Fault(_) => false,
    }
}

/// Status, heading, and what happened and what to do, with a place for the provider's name.
const fn told(why: &NotThrough) -> (StatusCode, &'static str, &'static str) {
    let (bad, forbidden, conflict) = (StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::CONFLICT);
    match why {
        NotThrough::UnknownFlow => (bad, "Start again", UNKNOWN_FLOW),
        NotThrough::RefusedUpstream(_) => (forbidden, "You weren't signed in", REFUSED),
        NotThrough::NotVerified(_) => (StatusCode::BAD_GATEWAY, "That answer doesn't count", NOT_VERIFIED),
        NotThrough::Unreachable => (StatusCode::BAD_GATEWAY, "The provider doesn't answer", UNREACHABLE),
        NotThrough::NotFresh => (forbidden, "Sign in there once more", NOT_FRESH),
        NotThrough::AccountUnknown => (forbidden, "You have no account here yet", ACCOUNT_UNKNOWN),
        NotThrough::AccountExists => (conflict, "You have an account here already", ACCOUNT_EXISTS),
        NotThrough::AccountDisabled => (forbidden, "This account can't sign in", ACCOUNT_DISABLED),
        NotThrough::GroupsOverage => (forbidden, "Your groups are missing", GROUPS_OVERAGE),
        NotThrough::NoGroup => (forbidden, "You have no access here yet", NO_GROUP),
        NotThrough::SubjectUnfit => (StatusCode::BAD_GATEWAY, "That answer doesn't count", SUBJECT_UNFIT),
        NotThrough::Closed => (forbidden, "This sign-in is closed", CLOSED),
        NotThrough::LinkTaken => (conflict, "That is linked already", LINK_TAKEN),
        NotThrough::LinkOver => (bad, "Start the link again", LINK_OVER),
        NotThrough::Fault(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", UNREACHABLE),
    }
}

const UNKNOWN_FLOW: &str = "This sign-in took too long, was finished already, or was begun in another browser. Go back \
                            to where you began, and start again.";
const REFUSED: &str = "[name] didn't let you in. Try again, or ask an administrator of your organisation.";
const NOT_VERIFIED: &str = "[name] sent an answer that can't be verified, so nobody was signed in. Try again. If it \
                            happens again, give an administrator of your organisation the reference below.";
const UNREACHABLE: &str = "[name] can't be reached at the moment, so nobody was signed in. Try again in a few minutes, or \
                           ask an administrator of your organisation.";
const NOT_FRESH: &str = "[name] was asked to have you sign in anew, and doesn't say that you did. Sign out there, then \
                         try again. If it happens again, give an administrator the reference below.";
const ACCOUNT_UNKNOWN: &str = "[name] let you in, but no account here is yours yet. Ask an administrator of your \
                               organisation to add you.";
const ACCOUNT_EXISTS: &str = "[name] let you in, but your name or address belongs to an account here that isn't linked to \
                              it. If that account is yours, sign in with its password and link the two under \"Company \
                              sign-ins\". Else ask an administrator.";
const ACCOUNT_DISABLED: &str = "[name] let you in, but your account here is suspended or closed. Ask an administrator of \
                                your organisation.";
const GROUPS_OVERAGE: &str = "[name] left out the groups that you are in, because there are too many. Ask an \
                              administrator to have it send only the groups that are assigned to this application.";
const NO_GROUP: &str = "[name] let you in, but nothing that you are in there gives you access here. Ask an administrator \
                        of your organisation.";
const SUBJECT_UNFIT: &str = "[name] doesn't say who you are in a way that can be kept, so nobody was signed in. Give an \
                             administrator of your organisation the reference below.";
const CLOSED: &str = "It was closed or set up anew, or was never open. Start again where you began. If it stays closed, \
                      ask an administrator of your organisation.";
const LINK_TAKEN: &str = "Whoever you are at [name] is linked to another account here, or your account to somebody else \
                          there. Unlink that first, or ask an administrator.";
const LINK_OVER: &str = "You were signed out meanwhile, or your session may link nothing. Sign in with your password, \
                         then link again.";

#[cfg(test)]
mod tests {
    use super::*;

    fn every_refusal() -> Vec<NotThrough> {
        vec![
            NotThrough::UnknownFlow,
            NotThrough::RefusedUpstream("server_error".to_owned()),
            NotThrough::NotVerified("nonce"),
            NotThrough::Unreachable,
            NotThrough::NotFresh,
            NotThrough::AccountUnknown,
            NotThrough::AccountExists,
            NotThrough::AccountDisabled,
            NotThrough::GroupsOverage,
            NotThrough::NoGroup,
            NotThrough::SubjectUnfit,
            NotThrough::Closed,
            NotThrough::LinkTaken,
            NotThrough::LinkOver,
        ]
    }

    #[test]
    fn every_refusal_says_what_happened_and_what_to_do_and_nothing_of_the_inside() {
        for why in every_refusal() {
            let (status, title, text) = told(&why);
            assert!(status.is_client_error() || status.is_server_error(), "{}", why.word());
            assert!(!title.is_empty() && text.split(". ").count() >= 2, "{}: {text}", why.word());
            for inner in ["nonce", "server_error", "token", "claim", "issuer", "_"] {
                assert!(!text.contains(inner), "{}: {text}", why.word());
            }
        }
    }

    #[test]
    fn what_is_not_known_here_is_told_without_a_name() {
        assert!(!UNKNOWN_FLOW.contains("[name]") && !CLOSED.contains("[name]"));
    }

    #[test]
    fn only_what_time_or_the_person_mends_is_offered_again() {
        let words: Vec<&str> = every_refusal().iter().filter(|why| can_be_mended(why)).map(NotThrough::word).collect();
        assert_eq!(words, ["refused_upstream", "not_verified", "unreachable", "not_fresh"]);
    }

    #[test]
    fn a_password_is_typed_on_the_page_of_the_organisation_and_a_slug_adds_nothing_to_the_address() {
        assert_eq!(place(Some("acme")), "/o/acme/login");
        assert_eq!(place(Some(OPERATOR_SLUG)), "/instance/login");
        for odd in [None, Some(""), Some("a/b"), Some("../x"), Some("a?b"), Some(" acme")] {
            assert_eq!(place(odd), "/login", "{odd:?}");
        }
    }
}
