//! An authorization request on its way: what it still needs, and the code at its end.
//!
//! Each page posts back here with the sealed request; nothing is kept in the database before the code.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::Fault;
use crate::app::App;
use crate::domain::access::Holder;
use crate::domain::access::claims::role_claims;
use crate::domain::granted::{Authentication, CodeContent, Granted, Holding};
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::scope;
use crate::domain::oidc::id_token;
use crate::domain::oidc::prompt::{Need, Prompt, decide};
use crate::kernel::id::{EntryId, FamilyId, OrgId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::sessions::{self, NewEntry};
use crate::store::{codes, consents, orgs, picture, users};

/// A request in progress: what travels, sealed, from page to page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// The request, checked.
    pub request: AuthorizationRequest,
    /// When it first arrived; a sign-in after that satisfies `prompt=login` and `max_age`.
    pub started: UnixMillis,
    /// The organisation that the person chose.
    pub org: Option<OrgId>,
    /// Whether the person has allowed it on the consent page.
    pub consented: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The sign-in page.
    SignIn,
    /// The page that asks for the organisation.
    SelectOrg(Vec<Choice>),
    /// The consent page.
    Consent(Box<Asked>),
    /// The code, for the redirect.
    Done(Secret),
    /// An error, for the redirect.
    Refuse(OAuthError),
}

/// An organisation to choose.
#[derive(Debug)]
pub struct Choice {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// The roles held there, for people.
    pub roles: String,
}

/// What the consent page shows.
#[derive(Debug)]
pub struct Asked {
    /// Who is asked.
    pub user_name: String,
    /// In which organisation.
    pub org: Option<String>,
    /// Which roles the application would learn of.
    pub roles: Vec<String>,
}

fn refuse(code: ErrorCode, description: &str) -> Step {
    Step::Refuse(OAuthError::new(code, description))
}

/// What the request needs next, given the browser's session.
///
/// # Errors
/// The database's.
pub async fn step(
    app: &App,
    pending: &Pending,
    application: &Application,
    session: Option<&Facts>,
) -> Result<Step, Fault> {
    let (request, now) = (&pending.request, app.now());
    let session = session.filter(|facts| is_the_one_asked_for(app, request, facts, now));
    let need = decide(&request.prompt, request.max_age, pending.started, session.map(|facts| facts.auth_time), now);
    match (need, session) {
        (Need::Refuse(code), _) => Ok(refuse(code, "the person must sign in")),
        (Need::SignIn, _) => Ok(Step::SignIn),
        (Need::Nothing, None) if request.is_silent() => Ok(refuse(ErrorCode::LoginRequired, "the person must sign in")),
        (Need::Nothing, None) => Ok(Step::SignIn),
        (Need::Nothing, Some(facts)) => with_session(app, pending, application, facts).await,
    }
}

/// Whether the session is that of the person whom `id_token_hint` or the `claims` parameter names, if one does.
fn is_the_one_asked_for(app: &App, request: &AuthorizationRequest, facts: &Facts, now: UnixMillis) -> bool {
    let wanted = request.claims.wanted_sub().is_none_or(|sub| sub == facts.user.as_str());
    let hinted = match &request.id_token_hint {
        None => true,
        Some(hint) => match app.keyring.verify(hint, &[id_token::TYP], now) {
            Ok(claims) => super::accept_token::text(&claims, "sub") == Some(facts.user.as_str()),
            Err(_) => false,
        },
    };
    wanted && hinted
}

async fn with_session(app: &App, pending: &Pending, application: &Application, facts: &Facts) -> Result<Step, Fault> {
    let request = &pending.request;
    if request.claims.essential_acr().is_some_and(|levels| !levels.is_empty() && !levels.contains(&facts.acr)) {
        return Ok(refuse(ErrorCode::AccessDenied, "the requested authentication level can not be reached"));
    }
    let mut conn = app.db.read().await?;
    let entrance = match choose_org(app, &mut conn, pending, application, facts).await? {
        Chosen::Org(entrance) => Some(entrance),
        Chosen::None => None,
        Chosen::Step(step) => return Ok(step),
    };
    if entrance.as_ref().is_some_and(|entrance| stale_here(entrance, facts, pending, app.now())) {
        return Ok(if request.is_silent() {
            refuse(ErrorCode::LoginRequired, "the person must sign in")
        } else {
            Step::SignIn
        });
    }
    let known = consents::find(&mut conn, &facts.user, &application.id).await?;
    if must_ask(pending, application, known.as_ref()) {
        if request.is_silent() {
            return Ok(refuse(ErrorCode::ConsentRequired, "the person must be asked"));
        }
        return Ok(Step::Consent(Box::new(asked(app, &mut conn, request, entrance.as_deref(), &facts.user).await?)));
    }
    issue_code(app, &mut conn, pending, application, (facts, entrance)).await
}

/// Whether the session stood idle, or lives, for longer than the organisation allows; a sign-in for this request mends it.
fn stale_here(entrance: &Entrance, facts: &Facts, pending: &Pending, now: UnixMillis) -> bool {
    let idle = entrance.session_idle.is_some_and(|most| facts.last_used_at.is_some_and(|at| now.since(at) > most));
    let old = entrance.session_absolute.is_some_and(|most| now.since(facts.auth_time) > most);
    facts.auth_time < pending.started && (idle || old)
}

/// Consent is remembered per person, application and scopes; an application whose redirect anybody on the device can
/// catch is asked for every time (A14), a trusted one never.
fn must_ask(pending: &Pending, application: &Application, known: Option<&scope::Scopes>) -> bool {
    if pending.consented {
        return false;
    }
    if application.is_public() && application.has_unverifiable_redirect() {
        return true;
    }
    if pending.request.prompt.contains(&Prompt::Consent) {
        return true;
    }
    !application.trusted && !known.is_some_and(|known| pending.request.scope.is_subset(known))
}

enum Chosen {
    Org(Box<Entrance>),
    None,
    Step(Step),
}

async fn choose_org(
    app: &App,
    conn: &mut Conn,
    pending: &Pending,
    application: &Application,
    facts: &Facts,
) -> Result<Chosen, Fault> {
    let named = match (&application.org, &pending.request.organization, &pending.org) {
        (Some(org), _, _) => Some(Some(org.clone())),
        (None, Some(text), _) => Some(find_org(conn, text).await?),
        (None, None, Some(org)) => Some(Some(org.clone())),
        (None, None, None) => None,
    };
    if let Some(named) = named {
        let entrance = match named {
            Some(org) => memberships::entrance(conn, &facts.user, &org).await?,
            None => None,
        };
        return Ok(match entrance {
            Some(entrance) => Chosen::Org(Box::new(entrance)),
            // Not a member, and no such organisation: one answer.
            None => Chosen::Step(refuse(ErrorCode::AccessDenied, "not a member of the organisation")),
        });
    }
    let mut all = memberships::entrances(conn, &facts.user).await?;
    match (all.len(), application.allow_no_org) {
        (0, true) => Ok(Chosen::None),
        (0, false) => Ok(Chosen::Step(refuse(ErrorCode::AccessDenied, "not a member of any organisation"))),
        (1, _) => Ok(all.pop().map_or(Chosen::None, |one| Chosen::Org(Box::new(one)))),
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

async fn find_org(conn: &mut Conn, text: &str) -> Result<Option<OrgId>, sqlx::Error> {
    if let Ok(id) = text.parse::<OrgId>() {
        return Ok(Some(id));
    }
    Ok(orgs::by_slug(conn, text).await?.map(|org| org.id))
}

async fn roles_in(app: &App, conn: &mut Conn, entrance: &Entrance, user: &UserId) -> Result<Vec<String>, sqlx::Error> {
    let mut holder = Holder {
        id: entrance.member.clone(),
        user: user.clone(),
        active: true,
        owner: entrance.owner,
        groups: BTreeSet::new(),
    };
    let held = picture::of_member(conn, &entrance.org, &mut holder, app.now()).await?;
    let claims = role_claims(&held.grants, &held.projects);
    let on_projects =
        claims.project_roles.iter().flat_map(|(key, roles)| roles.iter().map(move |r| format!("{r} on {key}")));
    Ok(claims.org_roles.iter().cloned().chain(on_projects).collect())
}

async fn asked(
    app: &App,
    conn: &mut Conn,
    request: &AuthorizationRequest,
    entrance: Option<&Entrance>,
    user: &UserId,
) -> Result<Asked, Fault> {
    let user_name = users::find(conn, user).await?.map(|user| user.name).unwrap_or_default();
    let roles = match entrance {
        Some(entrance) if request.scope.contains(scope::ROLES) => roles_in(app, conn, entrance, user).await?,
        _ => Vec::new(),
    };
    Ok(Asked { user_name, org: entrance.map(|e| e.name.clone()), roles })
}

async fn issue_code(
    app: &App,
    conn: &mut Conn,
    pending: &Pending,
    application: &Application,
    who: (&Facts, Option<Box<Entrance>>),
) -> Result<Step, Fault> {
    let (facts, entrance) = who;
    let (request, now) = (&pending.request, app.now());
    let org = entrance.as_ref().map(|e| &e.org);
    let existing = sessions::entry(conn, &facts.id, org, now).await?;
    let new = existing.is_none().then(|| new_entry(app, facts, entrance.as_deref(), now));
    let sid = existing.map(|entry| entry.id).or_else(|| new.as_ref().map(|entry| entry.id.clone()));
    let sid = sid.unwrap_or_else(EntryId::fresh);
    let (family, code) =
        (FamilyId::fresh(), Secret::mint(&*app.chance, crate::domain::oauth::authorization_code::PREFIX));
    let content = CodeContent {
        holding: Holding {
            application: application.id.clone(),
            user: facts.user.clone(),
            member: entrance.as_ref().map(|e| (e.org.clone(), e.member.clone())),
            sid: sid.clone(),
            epoch: entrance.as_ref().map_or(0, |e| e.epoch),
        },
        granted: Granted {
            scopes: request.scope.clone(),
            claims: request.claims.clone(),
            nonce: request.nonce.clone(),
            authentication: Authentication { time: facts.auth_time, acr: facts.acr.clone(), amr: facts.amr.clone() },
            project: request.scope.projects().next().map(str::to_owned),
            resource: request.resource.clone(),
        },
        redirect_uri: request.redirect.as_str().to_owned(),
        challenge: request.challenge.clone(),
    };
    let expires_at = now.plus(app.config.tokens.code_secs * SECOND);
    let consent = pending.consented.then(|| (facts.user.clone(), request.scope.clone()));
    let (digest, application) = (code.digest(), application.id.clone());
    let written: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                if let Some(entry) = &new
                    && !sessions::insert_entry(tx, entry, now).await?
                {
                    return Ok(false);
                }
                sessions::note_application(tx, &sid, &application, now).await?;
                if let Some((user, scopes)) = consent {
                    consents::put(tx, &user, &application, &scopes, now).await?;
                }
                codes::insert(tx, digest, &family, &content, expires_at).await?;
                Ok(true)
            })
        })
        .await;
    // The browser's session was ended meanwhile.
    Ok(if written? { Step::Done(code) } else { Step::SignIn })
}

fn new_entry(app: &App, facts: &Facts, entrance: Option<&Entrance>, now: UnixMillis) -> NewEntry {
    let absolute = entrance.and_then(|e| e.session_absolute).unwrap_or_else(|| app.session_absolute());
    NewEntry {
        id: EntryId::fresh(),
        session: facts.id.clone(),
        user: facts.user.clone(),
        member: entrance.map(|e| (e.org.clone(), e.member.clone())),
        epoch: entrance.map_or(0, |e| e.epoch),
        expires_at: facts.expires_at.min(now.plus(absolute)),
    }
}

/// The `project` parameter says the same as the scope `project:<key>`: it is taken as that, where the application may
/// have it, so that the consent page, what is remembered of it, and the token all speak of one thing.
#[must_use]
pub fn with_project_scope(mut request: AuthorizationRequest, application: &Application) -> AuthorizationRequest {
    if let Some(key) = request.project.take()
        && let Ok(asked) = scope::Scopes::parse(&format!("{}{key}", scope::PROJECT_PREFIX))
    {
        request.scope = request.scope.union(&application.permitted_scopes(&asked));
    }
    request
}
