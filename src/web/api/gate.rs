//! The gate before every route: whose token it is, what the path names, and whether the declaration lets them in.
//!
//! In this order: the token, its scope, the organisation (a stranger's is 404, like one that isn't there), the address, the
//! project and the member that the path names, the declared permission, and how fresh the sign-in is. A refused write leaves
//! its row in the audit record.

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, How, Place, Room};
use super::declare::{Needs, Rule};
use super::my_factors;
use super::prefer::Preference;
use super::problem::Problem;
use super::repeat;
use super::tag;
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::domain::change::{Actor, Origin, Tool};
use crate::domain::granted::Authentication;
use crate::domain::oauth::scope;
use crate::domain::people::assurance::{self, Level};
use crate::domain::people::second_factor;
use crate::domain::people::user::Kind;
use crate::flows::{accept_token, change_access, entering, factors, reach};
use crate::kernel::id::{OrgId, UserId};
use crate::store::db::Conn;
use crate::store::memberships::{self, Membership};
use crate::store::{orgs, users};
use crate::web::extract::bearer;
use crate::web::layers::{ClientIp, RequestId};

const NO_TOKEN: &str = "Bearer realm=\"muster\"";
const BAD_TOKEN: &str = "Bearer realm=\"muster\", error=\"invalid_token\"";
const NO_SCOPE: &str = "Bearer realm=\"muster\", error=\"insufficient_scope\", scope=\"muster.admin\"";

/// The gate of one route.
#[derive(Clone)]
pub struct Gate {
    /// The handles.
    pub app: App,
    /// What the route declares.
    pub rule: Rule,
}

/// Lets a request pass, or answers it.
pub async fn gate(
    State(gate): State<Gate>,
    path: RawPathParams,
    ClientIp(address): ClientIp,
    id: RequestId,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = Origin { address: address.to_string(), request_id: id.to_string(), repeatable: None };
    let how = match how(&mut request) {
        Ok(how) => how,
        Err(problem) => return problem.into_response(),
    };
    let names: Vec<(String, String)> = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let line = Line {
        headers: request.headers().clone(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
    };
    let asked = match enter(&gate, &names, address, origin, &line).await {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    if *request.method() == Method::GET {
        request.extensions_mut().insert(asked);
        let known = tag::known(request.headers());
        return tag::put(next.run(request).await, known).await;
    }
    let dry_run = how.dry_run;
    request.extensions_mut().insert(how);
    let preference = Preference::of(request.headers());
    let response = repeat::once(&gate.app, asked, request, dry_run, next).await;
    preference.hold_written(&gate.app, response).await
}

/// What of a request the gate looks at.
struct Line {
    headers: HeaderMap,
    method: Method,
    path: String,
}

/// How a write is to be done; `dry_run` is taken out of the query, so that handlers see their own parameters only.
fn how(request: &mut Request) -> Result<How, Problem> {
    let if_match = request.headers().get("if-match").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut how = How { if_match: if_match.filter(|tag| tag != "*"), dry_run: false };
    let Some(query) = request.uri().query().filter(|_| *request.method() != Method::GET) else {
        return Ok(how);
    };
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("dry_run", "true") => how.dry_run = true,
            ("dry_run", "false") => {}
            ("dry_run", _) => return Err(Problem::invalid("dry_run", "Use true or false.")),
            _ => {
                rest.append_pair(&name, &value);
            }
        }
    }
    let target = format!("{}?{}", request.uri().path(), rest.finish());
    *request.uri_mut() = target.parse::<Uri>().map_err(|_| Problem::invalid("query", "The query can't be read."))?;
    Ok(how)
}

async fn enter(
    gate: &Gate,
    names: &[(String, String)],
    address: std::net::IpAddr,
    origin: Origin,
    request: &Line,
) -> Result<Asked, Problem> {
    let app = &gate.app;
    if names.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Problem::not_found("The resource"));
    }
    let mut conn = app.db.read().await?;
    let Caller { mut asked, came_through, speaks } = caller(app, &mut conn, request, origin).await?;
    let named = |wanted: &str| names.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if named("org").is_none() && !speaks {
        let detail =
            "Sign in with your own account, not through an organisation's provider: this is not the organisation's.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "own_sign_in_required", detail));
    }
    if let Some(org) = named("org") {
        let room = room(app, &mut conn, &asked, org).await?;
        if !room.settings.admits(address) && !asked.is_operator() {
            let detail = "The organisation does not admit your address.";
            let problem = Problem::new(StatusCode::FORBIDDEN, "address", detail);
            if request.method != Method::GET {
                drop(conn);
                asked.place.org = Some(room);
                record(app, &asked, request, &problem).await;
            }
            return Err(problem);
        }
        if let Some(authentication) = &asked.authentication {
            is_enough(app, &mut conn, &asked, (authentication, came_through), &room).await?;
        }
        asked.place = place(&mut conn, room, named("project"), named("user")).await?;
    }
    if named("org").is_none()
        && let Some(org) = &asked.token_org
        && !asked.is_operator()
        && !orgs::settings(&mut conn, org).await?.admits(address)
    {
        let detail = "The organisation does not admit your address.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "address", detail));
    }
    // What belongs to no organisation an operator reaches with no less than they show in one.
    if named("org").is_none()
        && asked.is_operator()
        && let Some(authentication) = &asked.authentication
        && entering::operator_token_owes(app, &mut conn, &asked.user, authentication).await?
    {
        return Err(Problem::step_up(Level::TwoFactor));
    }
    drop(conn);
    if let Err(problem) = judge(&gate.rule, &asked) {
        if request.method != Method::GET {
            record(app, &asked, request, &problem).await;
        }
        return Err(problem);
    }
    if gate.rule.fresh && !(gate.rule.recovered && my_factors::has_recovered(app, &asked).await?) {
        must_be_fresh(app, &asked).await?;
    }
    Ok(asked)
}

/// Whether the sign-in that a token came from is enough for the organisation: its rule may have become stricter since.
async fn is_enough(
    app: &App,
    conn: &mut Conn,
    asked: &Asked,
    (authentication, came_through): (&Authentication, bool),
    room: &Room,
) -> Result<(), Problem> {
    let operator = second_factor::instance();
    let rule = if asked.is_operator() { &operator } else { &room.settings.second_factor };
    let by = (&asked.user, authentication, came_through);
    let enough = entering::token_is_enough(conn, by, (rule, &room.reach)).await?;
    let owes = asked.is_operator() && entering::operator_token_owes(app, conn, &asked.user, authentication).await?;
    if enough && !owes { Ok(()) } else { Err(Problem::step_up(Level::TwoFactor)) }
}

/// Whether the person has proven lately who they are, as strongly as they can; a tool has nobody to ask. Routes that are
/// always sensitive declare it; handlers ask for it where only some requests are.
///
/// # Errors
/// The challenge of RFC 9470, or the database's.
pub async fn must_be_fresh(app: &App, asked: &Asked) -> Result<(), Problem> {
    if asked.is_tool() {
        return Ok(());
    }
    let needs = factors::needs(&mut app.db.read().await?, &asked.user).await?;
    let Some(authentication) = &asked.authentication else { return Err(Problem::stale(needs)) };
    let proven = Level::of_acr(&authentication.acr).unwrap_or(Level::Password);
    if assurance::is_fresh(proven, authentication.time, needs, app.now()) {
        Ok(())
    } else if proven < needs {
        Err(Problem::step_up(needs))
    } else {
        Err(Problem::stale(needs))
    }
}

/// Who calls.
struct Caller {
    asked: Asked,
    /// Whether they came through a connection.
    came_through: bool,
    /// Whether the token speaks for the person outside an organisation: not one of an own account whose sign-in an
    /// organisation's provider vouched for.
    speaks: bool,
}

/// Whose token it is.
async fn caller(app: &App, conn: &mut Conn, request: &Line, origin: Origin) -> Result<Caller, Problem> {
    let unauthorized =
        |code, detail, challenge| Problem::new(StatusCode::UNAUTHORIZED, code, detail).challenging(challenge);
    let Ok(token) = bearer::token(&request.headers, None) else {
        return Err(unauthorized("invalid_token", "Send one token, in the Authorization header.", BAD_TOKEN));
    };
    let Some(token) = token else {
        return Err(unauthorized("token_required", "Send an access token in the Authorization header.", NO_TOKEN));
    };
    let Some(accepted) = accept_token::accept(app, conn, &token).await? else {
        return Err(unauthorized("invalid_token", "The token is not honoured (any more).", BAD_TOKEN));
    };
    let scopes = accept_token::text(&accepted.claims, "scope").unwrap_or_default();
    if !scopes.split(' ').any(|word| word == scope::ADMIN) {
        let detail = "The token lacks the scope muster.admin.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail).challenging(NO_SCOPE));
    }
    // A token that was made for somebody else's resource is not one for this API (RFC 9068 §4).
    if accept_token::text(&accepted.claims, "aud") != Some(app.issuer()) {
        return Err(unauthorized("invalid_token", "The token is for another resource.", BAD_TOKEN));
    }
    let authentication = accepted.family.as_ref().map(|family| family.granted.authentication.clone());
    let entry = accepted.family.as_ref().map(|family| family.holding.sid.clone());
    let came_through = accepted.family.as_ref().is_some_and(|family| family.came_through);
    let (actor, user, token_org) = match (accepted.tool, accepted.family) {
        (Some(tool), _) => {
            let within = (!tool.service).then_some(tool.project);
            (Actor::Tool(Tool { user: tool.user.clone(), key: tool.key, within }), tool.user, Some(tool.org))
        }
        (None, Some(family)) => {
            let user = family.holding.user;
            (actor_of(conn, &user).await?, user, family.holding.member.map(|(org, _)| org))
        }
        // An application's own token stands for nobody.
        (None, None) => return Err(Problem::user_required()),
    };
    let speaks = !came_through || users::find(conn, &user).await?.is_some_and(|found| found.kind.org().is_some());
    let asked = Asked { actor, user, token_org, entry, authentication, origin, place: Place::default() };
    Ok(Caller { asked, came_through, speaks })
}

async fn actor_of(conn: &mut Conn, user: &UserId) -> Result<Actor, Problem> {
    let operator = users::find(conn, user).await?.is_some_and(|found| found.kind == Kind::Operator);
    Ok(if operator { Actor::Operator(user.clone()) } else { Actor::User(user.clone()) })
}

/// The organisation by its id or slug, if the token is for it and the caller is in it.
async fn room(app: &App, conn: &mut Conn, asked: &Asked, named: &str) -> Result<Room, Problem> {
    let missing = || Problem::not_found("The organisation");
    let id = match named.parse::<OrgId>() {
        Ok(id) => Some(id),
        Err(_) if named.contains('\0') => None,
        Err(_) => orgs::by_slug(conn, named).await?.map(|found| found.id),
    };
    let id = id.ok_or_else(missing)?;
    if !asked.is_operator() && asked.token_org.as_ref() != Some(&id) {
        return Err(missing());
    }
    let stands = reach::of_actor(app, conn, &asked.actor, &id).await?.ok_or_else(missing)?;
    Ok(Room { id, reach: stands.reach, own: stands.member, settings: stands.settings })
}

async fn place(conn: &mut Conn, room: Room, project: Option<&str>, user: Option<&str>) -> Result<Place, Problem> {
    let mut place = Place::default();
    if let Some(named) = project {
        let all = orgs::projects(conn, &room.id).await?;
        let found = all.into_iter().find(|found| found.id.as_str() == named || found.key == named);
        let found = found.filter(|found| sees_project(&room.reach, &found.id));
        place.project = Some(found.ok_or_else(|| Problem::not_found("The project"))?.id);
    }
    if let Some(named) = user {
        place.member = Some(member(conn, &room.id, named).await?.ok_or_else(|| Problem::not_found("The user"))?);
    }
    place.org = Some(room);
    Ok(place)
}

/// A member by the account's id or the membership's.
async fn member(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Option<Membership>, sqlx::Error> {
    if let Ok(id) = named.parse() {
        return memberships::find(conn, org, &id).await;
    }
    match named.parse() {
        Ok(user) => memberships::of_user(conn, org, &user).await,
        Err(_) => Ok(None),
    }
}

/// Who holds nothing on a project and may not see all of them doesn't know that it is there.
pub fn sees_project(reach: &Reach, project: &crate::kernel::id::ProjectId) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => {
            reach.allows("projects.read")
                || grants.iter().any(|((_, scope), _)| matches!(scope, Scope::Project(id) if id == project))
        }
    }
}

fn judge(rule: &Rule, asked: &Asked) -> Result<(), Problem> {
    if rule.people_only && asked.is_tool() {
        return Err(Problem::user_required());
    }
    match rule.needs {
        Needs::Caller => Ok(()),
        Needs::Operator if asked.is_operator() => Ok(()),
        Needs::Operator => Err(Problem::denied("the instance's operator")),
        Needs::Member => asked.room().map(|_| ()),
        Needs::Org(word) => allowed(asked.room()?.reach.allows(word), word),
        Needs::Project(word, on_org) => {
            let (reach, project) = (&asked.room()?.reach, asked.project()?);
            allowed(reach.allows_on(project, word) || (!on_org.is_empty() && reach.allows(on_org)), word)
        }
        Needs::OwnOr(word) => {
            let own = asked.member()?.user == asked.user && !asked.is_tool();
            allowed(own || asked.room()?.reach.allows(word), word)
        }
        Needs::Owner => {
            let owner = match &asked.room()?.reach {
                Reach::Whole => true,
                Reach::Member { grants, .. } => grants.holds(&Role::OrgOwner, &Scope::Org),
            };
            allowed(owner, "the owner")
        }
    }
}

fn allowed(allowed: bool, needs: &str) -> Result<(), Problem> {
    if allowed { Ok(()) } else { Err(Problem::denied(needs)) }
}

async fn record(app: &App, asked: &Asked, request: &Line, problem: &Problem) {
    let org = asked.place.org.as_ref().map(|room| room.id.clone());
    let act = format!("{} {}", request.method, request.path);
    change_access::record_denial(app, &asked.actor, &asked.origin, (org, act), problem.code).await;
}
