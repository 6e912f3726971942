//! An authorization request on its way: what it still needs, and the code at its end.
//!
//! Each page posts back here with the sealed request; nothing is kept in the database before the code.

mod place;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use self::place::{Chosen, choose_org, sign_in_again};
use super::entering::{self, Ask, Comer};
use super::step_up::{self, Reached};
use super::tell::By;
use super::{Fault, device, end_sessions};
use crate::app::App;
use crate::domain::access::Holder;
use crate::domain::access::claims::role_claims;
use crate::domain::granted::{Authentication, CodeContent, Granted, Holding};
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::device::Waiting;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::scope;
use crate::domain::oidc::id_token;
use crate::domain::oidc::prompt::{Need, Prompt, decide};
use crate::domain::people::assurance::Level;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::id::{ApplicationId, ConnectionId, EntryId, FamilyId, MembershipId, OrgId, UserId};
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};
use crate::store::cookies::Facts;
use crate::store::db::{Conn, Tx};
use crate::store::memberships::Entrance;
use crate::store::sessions::{self, NewEntry, Stay};
use crate::store::{codes, consents, picture, sign_ins, users};

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
    /// The device that waits for it (RFC 8628); then nothing is sent anywhere at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Waiting>,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The sign-in page.
    SignIn,
    /// A sign-in at the provider of a connection, without a page before.
    Upstream(ConnectionId),
    /// The page that asks for a second factor, or for one to be made: the session is not enough for what is entered.
    Factor(Ask),
    /// The page that asks for the organisation.
    SelectOrg(Vec<Choice>),
    /// The consent page.
    Consent(Box<Asked>),
    /// The code, for the redirect.
    Done(Secret),
    /// The device may come for its tokens.
    Allowed,
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

/// Whether the person must prove themselves anew for a request, so that a provider must say that they did: an earlier
/// proof at the provider would be as old as the session that isn't enough.
#[must_use]
pub fn wants_fresh(request: &AuthorizationRequest) -> bool {
    request.prompt.contains(&Prompt::Login) || request.max_age.is_some()
}

/// What the request needs next, given the browser's session and the address that it asks from.
///
/// # Errors
/// The database's.
pub async fn step(
    app: &App,
    pending: &Pending,
    application: &Application,
    session: Option<&Facts>,
    address: &str,
) -> Result<Step, Fault> {
    let (request, now) = (&pending.request, app.now());
    let session = session.filter(|facts| is_the_one_asked_for(app, request, facts, now));
    let need = decide(&request.prompt, request.max_age, pending.started, session.map(|facts| facts.auth_time), now);
    match (need, session) {
        (Need::Refuse(code), _) => Ok(refuse(code, "the person must sign in")),
        (Need::SignIn, _) | (Need::Nothing, None) => {
            sign_in_again(&mut app.db.read().await?, pending, application).await
        }
        (Need::Nothing, Some(facts)) => with_session(app, pending, application, facts, address.parse().ok()).await,
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

async fn with_session(
    app: &App,
    pending: &Pending,
    application: &Application,
    facts: &Facts,
    address: Option<IpAddr>,
) -> Result<Step, Fault> {
    let request = &pending.request;
    let mut conn = app.db.read().await?;
    if let Some(step) = for_level(&mut conn, request, facts).await? {
        return Ok(step);
    }
    let entrance = match choose_org(app, &mut conn, place::Visit { pending, application, facts, address }).await? {
        Chosen::Org(entrance) => Some(entrance),
        Chosen::None => None,
        Chosen::Step(step) => return Ok(step),
    };
    if entrance.as_ref().is_some_and(|entrance| stale_here(entrance, facts, pending, app.now())) {
        return sign_in_again(&mut conn, pending, application).await;
    }
    if let Some(step) = for_entering(app, &mut conn, pending, (facts, entrance.as_deref())).await? {
        return match step {
            Step::SignIn => sign_in_again(&mut conn, pending, application).await,
            other => Ok(other),
        };
    }
    let ask = if let Some(waiting) = &pending.device {
        // Whatever was allowed before: no device is let in by somebody who hasn't seen that it asks.
        !waiting.is_confirmed_by(&facts.user)
    } else {
        let known = consents::find(&mut conn, &facts.user, &application.id).await?;
        must_ask(pending, application, known.as_ref())
    };
    if ask {
        if request.is_silent() {
            return Ok(refuse(ErrorCode::ConsentRequired, "the person must be asked"));
        }
        return Ok(Step::Consent(Box::new(asked(app, &mut conn, request, entrance.as_deref(), &facts.user).await?)));
    }
    issue_code(app, &mut conn, pending, application, (facts, entrance)).await
}

/// What a request's level needs (`acr_values`, an essential `acr`); `None` for nothing. One that can't be reached is refused
/// where it is essential; else the person goes on, and the tokens tell the level that they have (OpenID Connect Core
/// §5.5.1.1, RFC 9470 §4).
async fn for_level(
    conn: &mut Conn,
    request: &AuthorizationRequest,
    facts: &Facts,
) -> Result<Option<Step>, sqlx::Error> {
    let essential = request.claims.essential_acr().filter(|levels| !levels.contains(&facts.acr));
    let levels = essential.unwrap_or(&request.acr_values);
    let unmet = || refuse(ErrorCode::UnmetAuthenticationRequirements, "the authentication level can not be reached");
    if essential.is_none() && levels.contains(&facts.acr) {
        return Ok(None);
    }
    let Some(level) = step_up::wanted(levels.iter().map(String::as_str)) else {
        return Ok(essential.map(|_| unmet()));
    };
    Ok(match step_up::to_reach(conn, facts, level).await? {
        Reached::Yes => None,
        Reached::By(_) if request.is_silent() => Some(refuse(ErrorCode::LoginRequired, "a second factor is needed")),
        Reached::By(ask) => Some(Step::Factor(ask)),
        Reached::Never => essential.map(|_| unmet()),
    })
}

/// What the organisation that is entered asks for besides; `None` for nothing. Whoever has to make a factor has just shown
/// who they are, or does so first.
async fn for_entering(
    app: &App,
    conn: &mut Conn,
    pending: &Pending,
    (facts, entrance): (&Facts, Option<&Entrance>),
) -> Result<Option<Step>, sqlx::Error> {
    let demand = entering::demand(app, conn, Comer::of(facts), entrance).await?;
    let Some(ask) = Ask::of(demand, &entering::rule_of(entrance)) else { return Ok(None) };
    Ok(Some(if pending.request.is_silent() {
        refuse(ErrorCode::LoginRequired, "a second factor is needed")
    } else if ask.prove.is_empty() && !facts.is_fresh(facts.level(), app.now()) {
        Step::SignIn
    } else {
        Step::Factor(ask)
    }))
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
    let existing = match sessions::stay(conn, &facts.id, entrance.as_ref().map(|e| &e.org), now).await? {
        Stay::Live(entry) => Some(entry),
        // What was ended here stays so, though the browser's session lives on elsewhere: until the next sign-in.
        Stay::Ended(at) if facts.auth_time <= at => return sign_in_again(conn, pending, application).await,
        Stay::Ended(_) | Stay::None => None,
    };
    let opening = existing.is_none().then(|| Opening::new(app, facts, entrance.as_deref(), now));
    let sid = existing.map(|entry| entry.id).or_else(|| opening.as_ref().map(|opening| opening.entry.id.clone()));
    let sid = sid.unwrap_or_else(EntryId::fresh);
    if let Some(entrance) = entrance.as_deref().filter(|_| opening.is_none()) {
        note_sign_in(app, entrance, now);
    }
    let code = Secret::mint(&*app.chance, crate::domain::oauth::authorization_code::PREFIX);
    let issuing = Issuing {
        content: content(request, application, (facts, entrance.as_deref()), &sid),
        opening,
        sid,
        application: application.id.clone(),
        consent: pending.consented.then(|| (facts.user.clone(), request.scope.clone())),
        digest: code.digest(),
        device: pending.device.as_ref().map(|waiting| device::user_code_digest(app, &waiting.code)),
        expires_at: now.plus(app.config.tokens.code_secs * SECOND),
    };
    let written: Result<Opened, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { issuing.write(tx, now).await })).await;
    let opened = written?;
    if opened == Opened::InsteadOfOthers {
        app.outbox_bell.notify_one();
    }
    Ok(match opened {
        // The browser's session was ended meanwhile.
        Opened::SessionOver => return sign_in_again(conn, pending, application).await,
        Opened::TooLate => refuse(ErrorCode::ExpiredToken, "the code has expired or was used"),
        Opened::Alone | Opened::InsteadOfOthers if pending.device.is_some() => Step::Allowed,
        Opened::Alone | Opened::InsteadOfOthers => Step::Done(code),
    })
}

/// What the tokens tell of the sign-in. The level is the session's, or, where the request can do with certain ones only, the
/// strongest of those that the session reaches.
fn told(request: &AuthorizationRequest, facts: &Facts) -> Authentication {
    let essential = request.claims.essential_acr().filter(|levels| !levels.contains(&facts.acr));
    let reached = essential.into_iter().flatten().filter_map(|level| Level::of_acr(level));
    let strongest = reached.filter(|level| *level <= facts.level()).max();
    let acr = strongest.map_or_else(|| facts.acr.clone(), |level| level.acr().to_owned());
    Authentication { time: facts.auth_time, acr, amr: facts.amr.clone(), methods: facts.methods.clone() }
}

fn content(
    request: &AuthorizationRequest,
    application: &Application,
    who: (&Facts, Option<&Entrance>),
    sid: &EntryId,
) -> CodeContent {
    let (facts, entrance) = who;
    CodeContent {
        holding: Holding {
            application: application.id.clone(),
            user: facts.user.clone(),
            member: entrance.map(|e| (e.org.clone(), e.member.clone())),
            sid: sid.clone(),
            epoch: entrance.map_or(0, |e| e.epoch),
        },
        granted: Granted {
            scopes: request.scope.clone(),
            claims: request.claims.clone(),
            nonce: request.nonce.clone(),
            authentication: told(request, facts),
            project: request.scope.projects().next().map(str::to_owned),
            resource: request.resource.clone(),
        },
        redirect_uri: request.redirect.as_str().to_owned(),
        challenge: request.challenge.clone(),
    }
}

/// A code on its way into the database, with what goes with it.
struct Issuing {
    opening: Option<Opening>,
    sid: EntryId,
    application: ApplicationId,
    consent: Option<(UserId, scope::Scopes)>,
    digest: Digest,
    /// The digest of the user code, when a device waits instead of a redirect.
    device: Option<Digest>,
    content: CodeContent,
    expires_at: UnixMillis,
}

impl Issuing {
    async fn write(self, tx: &mut Tx, now: UnixMillis) -> Result<Opened, sqlx::Error> {
        let opened = match &self.opening {
            Some(opening) => opening.write(tx, now).await?,
            None => Opened::Alone,
        };
        if opened == Opened::SessionOver {
            return Ok(opened);
        }
        sessions::note_application(tx, &self.sid, &self.application, now).await?;
        if let Some((user, scopes)) = &self.consent {
            consents::put(tx, user, &self.application, scopes, now).await?;
        }
        match self.device {
            None => codes::insert(tx, self.digest, &FamilyId::fresh(), &self.content, self.expires_at).await?,
            Some(waiting) => {
                if !device::decide::allow(tx, waiting, &self.content, now).await? {
                    tx.undo();
                    return Ok(Opened::TooLate);
                }
            }
        }
        Ok(opened)
    }
}

/// A session entry that is to be opened, and the limit of the organisation that it counts towards.
pub(super) struct Opening {
    /// The entry.
    pub entry: NewEntry,
    most: Option<u32>,
    idle: i64,
    by: By,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was made.
    Alone,
    /// It was made, and the member's oldest ones ended for it.
    InsteadOfOthers,
    /// The browser's session was ended meanwhile; nothing was written.
    SessionOver,
    /// The device was decided about meanwhile, or its code has expired; nothing was written.
    TooLate,
}

impl Opening {
    /// An entry of this browser's session in an organisation, or in none.
    pub(super) fn new(app: &App, facts: &Facts, entrance: Option<&Entrance>, now: UnixMillis) -> Self {
        let absolute = entrance.and_then(|e| e.session_absolute).unwrap_or_else(|| app.session_absolute());
        Self {
            entry: NewEntry {
                id: EntryId::fresh(),
                session: facts.id.clone(),
                user: facts.user.clone(),
                member: entrance.map(|e| (e.org.clone(), e.member.clone())),
                epoch: entrance.map_or(0, |e| e.epoch),
                expires_at: facts.expires_at.min(now.plus(absolute)),
            },
            most: entrance.and_then(|e| e.settings.max_sessions),
            idle: entrance.and_then(|e| e.session_idle).unwrap_or_else(|| app.session_idle()),
            by: By::new(app, Initiator::Policy, "more sessions than the organisation allows"),
        }
    }

    /// Opens it. Where the organisation has a limit, the member's oldest entries beyond it end in the same transaction,
    /// and their applications are told; the member's row is the lock under which they are counted.
    pub(super) async fn write(&self, tx: &mut Tx, now: UnixMillis) -> Result<Opened, sqlx::Error> {
        let member: Option<&MembershipId> = self.entry.member.as_ref().map(|(_, member)| member);
        if let Some(member) = member {
            sign_ins::note_sign_in(tx, member, now).await?;
        }
        if !sessions::insert_entry(tx, &self.entry, now).await? {
            return Ok(Opened::SessionOver);
        }
        let (Some(member), Some(most)) = (member, self.most) else {
            return Ok(Opened::Alone);
        };
        let surplus = sessions::surplus(tx, member, most, now, now.minus(self.idle)).await?;
        if surplus.is_empty() {
            return Ok(Opened::Alone);
        }
        end_sessions::of_entries(tx, &self.by, &surplus, "session_limit", now).await?;
        Ok(Opened::InsteadOfOthers)
    }
}

/// The last sign-in is written at most once a minute where nothing else is, and nobody waits for it.
pub(super) fn note_sign_in(app: &App, entrance: &Entrance, now: UnixMillis) {
    if entrance.last_sign_in_at.is_some_and(|at| now.since(at) < MINUTE) {
        return;
    }
    let (app, member) = (app.clone(), entrance.member.clone());
    tokio::spawn(async move {
        let noted: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { sign_ins::note_sign_in(tx, &member, now).await })).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "a member's last sign-in was not noted");
        }
    });
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
