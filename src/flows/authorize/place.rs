//! In which organisation somebody acts, whether their session opens it, and where they sign in where it doesn't.
//!
//! # Why
//! What came through a connection speaks for the person in that connection's organisation and nowhere else: one
//! organisation's provider must open nothing of another's (not even an application without one). And where a connection is
//! enforced, nothing else opens the organisation, but for break-glass owners.

use std::net::IpAddr;

use super::{Choice, Pending, Step, refuse, roles_in};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::error::ErrorCode;
use crate::flows::Fault;
use crate::flows::federation::home_realm::{self, Wish};
use crate::flows::federation::{Opens, opens};
use crate::kernel::id::{ConnectionId, OrgId};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::orgs;

/// Where somebody acts.
pub(super) enum Chosen {
    /// In an organisation.
    Org(Box<Entrance>),
    /// In none.
    None,
    /// Nowhere yet.
    Step(Step),
}

/// Who comes for what, and from where.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    /// The request.
    pub pending: &'a Pending,
    /// Whose it is.
    pub application: &'a Application,
    /// Who is signed in.
    pub facts: &'a Facts,
    /// From where.
    pub address: Option<IpAddr>,
}

/// The way to a sign-in: at the provider that the request leads to, else on the sign-in page. Who may be shown nothing is
/// sent nowhere.
pub(super) async fn sign_in_again(
    conn: &mut Conn,
    pending: &Pending,
    application: &Application,
) -> Result<Step, Fault> {
    let request = &pending.request;
    if request.is_silent() {
        return Ok(refuse(ErrorCode::LoginRequired, "the person must sign in"));
    }
    let org = match named(conn, pending, application).await? {
        Named::Org(org) => Some(org),
        Named::No => None,
        Named::Unknown => return Ok(Step::SignIn), // nothing leads there
    };
    let (idp_hint, login_hint) = (request.idp_hint.as_deref(), request.login_hint.as_deref());
    let found = home_realm::of_wish(conn, &Wish { org: org.as_ref(), idp_hint, login_hint }).await?;
    Ok(found.map_or(Step::SignIn, Step::Upstream))
}

/// As [`sign_in_again`], through this connection and no other.
fn come_through(request: &AuthorizationRequest, connection: ConnectionId) -> Step {
    if request.is_silent() {
        refuse(ErrorCode::LoginRequired, "the person must sign in through their organisation's provider")
    } else {
        Step::Upstream(connection)
    }
}

/// The organisation that a request is for.
enum Named {
    /// This one.
    Org(OrgId),
    /// One that isn't there.
    Unknown,
    /// None is named.
    No,
}

/// The application's, else the one that the request names, else the one that the person chose.
async fn named(conn: &mut Conn, pending: &Pending, application: &Application) -> Result<Named, sqlx::Error> {
    if let Some(org) = &application.org {
        return Ok(Named::Org(org.clone()));
    }
    Ok(match (&pending.request.organization, &pending.org) {
        (Some(text), _) => find_org(conn, text).await?.map_or(Named::Unknown, Named::Org),
        (None, Some(org)) => Named::Org(org.clone()),
        (None, None) => Named::No,
    })
}

async fn find_org(conn: &mut Conn, text: &str) -> Result<Option<OrgId>, sqlx::Error> {
    if let Ok(id) = text.parse::<OrgId>() {
        return Ok(Some(id));
    }
    Ok(orgs::by_slug(conn, text).await?.map(|org| org.id))
}

/// The organisation that the person acts for: one of which they are an active member, which their session opens, and
/// which lets them use this application from this address.
pub(super) async fn choose_org(app: &App, conn: &mut Conn, visit: Visit<'_>) -> Result<Chosen, Fault> {
    let Visit { pending, application, facts, .. } = visit;
    match named(conn, pending, application).await? {
        Named::No => {}
        Named::Unknown => return Ok(stranger()),
        Named::Org(org) if facts.through.as_ref().is_some_and(|came| came.org != org) => {
            return Ok(Chosen::Step(sign_in_again(conn, pending, application).await?));
        }
        Named::Org(org) => {
            return match memberships::entrance(conn, &facts.user, &org).await? {
                Some(entrance) => enter(conn, entrance, visit).await,
                None => Ok(stranger()),
            };
        }
    }
    let mut all = memberships::entrances(conn, &facts.user).await?;
    if let Some(came) = &facts.through {
        all.retain(|entrance| entrance.org == came.org);
        if all.is_empty() {
            return Ok(Chosen::Step(sign_in_again(conn, pending, application).await?));
        }
    }
    if all.is_empty() {
        return Ok(if application.allow_no_org { Chosen::None } else { denied("not a member of any organisation") });
    }
    among(app, conn, all, visit).await
}

/// Not a member, and no such organisation: one answer.
fn stranger() -> Chosen {
    denied("not a member of the organisation")
}

fn denied(reason: &str) -> Chosen {
    Chosen::Step(refuse(ErrorCode::AccessDenied, reason))
}

/// Lets the person into an organisation whose member they are, if their session opens it and the organisation lets them
/// use this application from this address.
async fn enter(conn: &mut Conn, entrance: Entrance, visit: Visit<'_>) -> Result<Chosen, Fault> {
    let Visit { pending, application, facts, address } = visit;
    match opens(facts.through.as_ref(), &entrance) {
        Opens::Yes => {}
        Opens::NotHere => return Ok(Chosen::Step(sign_in_again(conn, pending, application).await?)),
        Opens::Through(connection) => return Ok(Chosen::Step(come_through(&pending.request, connection))),
    }
    Ok(match entrance.admit(&application.id, address) {
        Ok(()) => Chosen::Org(Box::new(entrance)),
        Err(reason) => denied(reason),
    })
}

/// The only one of some organisations that admits the person, or the question which it is to be.
async fn among(app: &App, conn: &mut Conn, all: Vec<Entrance>, visit: Visit<'_>) -> Result<Chosen, Fault> {
    let Visit { pending, application, facts, address } = visit;
    let mut reason = "";
    let mut all: Vec<Entrance> = all
        .into_iter()
        .filter(|entrance| entrance.admit(&application.id, address).inspect_err(|why| reason = *why).is_ok())
        .collect();
    match all.len() {
        0 => Ok(denied(reason)),
        1 => match all.pop() {
            Some(one) => enter(conn, one, visit).await,
            None => Ok(Chosen::None),
        },
        _ if pending.request.is_silent() => {
            Ok(Chosen::Step(refuse(ErrorCode::InteractionRequired, "the person must choose an organisation")))
        }
        _ => {
            let mut choices = Vec::new();
            for entrance in all {
                let roles = roles_in(app, conn, &entrance, &facts.user).await?.join(", ");
                let Entrance { org: id, name, slug, .. } = entrance;
                choices.push(Choice { id, name, slug, roles });
            }
            Ok(Chosen::Step(Step::SelectOrg(choices)))
        }
    }
}
