//! Whoever asks: the account, the organisation of the token, what is held there, and what kind of token it is.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::problem::Problem;
use super::words::HeldBody;
use crate::app::App;
use crate::domain::access::Scope;
use crate::domain::access::reach::{self as permissions, Reach};
use crate::domain::change::Actor;
use crate::domain::people::user::Kind;
use crate::flows::reach;
use crate::kernel::id::{MembershipId, OrgId, ProjectId};
use crate::store::db::Conn;
use crate::store::{orgs, users};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Caller, routes!(get))
}

/// Whoever asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeBody {
    /// The account.
    pub user_id: String,
    /// Its user name.
    pub user_name: String,
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// `managed`, `own`, `operator` or `service_account`.
    pub kind: &'static str,
    /// The organisation of the token; null for the operator.
    pub org: Option<OrgOfMe>,
    /// What the token reaches: the roles that are held, each on its scope.
    pub roles: Vec<HeldBody>,
    /// The permissions on the organisation.
    pub permissions: Vec<String>,
    /// The permissions on projects, for each on which there are any.
    pub projects: Vec<ProjectOfMe>,
    /// The token.
    pub token: TokenOfMe,
}

/// The organisation of a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrgOfMe {
    /// Its id.
    pub id: String,
    /// Its place in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// The caller's membership.
    pub membership_id: Option<String>,
}

/// What may be done on a project.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectOfMe {
    /// The project.
    pub project_id: String,
    /// The permissions.
    pub permissions: Vec<String>,
}

/// What kind of token it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenOfMe {
    /// `person` or `tool`.
    pub kind: &'static str,
    /// The access key that a tool's token was made from.
    pub access_key_id: Option<String>,
    /// The one project that the token of a person's key reaches into.
    pub project_id: Option<String>,
}

const fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Managed(_) => "managed",
        Kind::Service(..) => "service_account",
        Kind::Own => "own",
        Kind::Operator => "operator",
    }
}

fn token(actor: &Actor) -> TokenOfMe {
    match actor {
        Actor::Tool(tool) => TokenOfMe {
            kind: "tool",
            access_key_id: Some(tool.key.to_string()),
            project_id: tool.within.as_ref().map(ToString::to_string),
        },
        Actor::System(_)
        | Actor::CommandLine
        | Actor::Operator(_)
        | Actor::User(_)
        | Actor::Connection { .. }
        | Actor::Link(_) => TokenOfMe { kind: "person", access_key_id: None, project_id: None },
    }
}

/// What a reach is made of: roles, the permissions on the organisation, and those on projects.
#[derive(Default)]
struct Holdings {
    roles: Vec<HeldBody>,
    on_org: BTreeSet<String>,
    on_projects: BTreeMap<ProjectId, BTreeSet<String>>,
}

impl Holdings {
    fn of(reach: &Reach) -> Self {
        let mut holdings = Self::default();
        let Reach::Member { grants, own } = reach else {
            return holdings;
        };
        for ((role, scope), _) in grants.iter() {
            holdings.roles.push(HeldBody { role: role.to_string(), scope: scope.into() });
            let words = permissions::words(role, own).into_iter().map(str::to_owned);
            match scope {
                Scope::Org => holdings.on_org.extend(words),
                Scope::Project(project) => holdings.on_projects.entry(project.clone()).or_default().extend(words),
                // It stands for the projects that there are, and each of them is named besides.
                Scope::AllProjects => {}
            }
        }
        holdings
    }
}

async fn room(app: &App, conn: &mut Conn, asked: &Asked, id: &OrgId) -> Result<Option<(OrgOfMe, Holdings)>, Problem> {
    let Some(stands) = reach::of_actor(app, conn, &asked.actor, id).await? else {
        return Ok(None);
    };
    let Some(org) = orgs::find(conn, id).await? else {
        return Ok(None);
    };
    let membership_id = stands.member.map(MembershipId::into_string);
    let shown = OrgOfMe { id: org.id.into_string(), slug: org.slug, name: org.name, membership_id };
    Ok(Some((shown, Holdings::of(&stands.reach))))
}

/// Whoever asks: the account, what it holds in the organisation of the token, and what the token reaches.
#[utoipa::path(get, path = "/api/v1/me", tag = "me",
    responses((status = 200, description = "Whoever asks.", body = MeBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<axum::Json<MeBody>, Problem> {
    let mut conn = app.db.read().await?;
    let user = users::find(&mut conn, &asked.user).await?.ok_or_else(|| Problem::not_found("The user"))?;
    let room = match &asked.token_org {
        Some(id) => room(&app, &mut conn, &asked, id).await?,
        None => None,
    };
    let (org, holdings) = room.unzip();
    let Holdings { roles, on_org, on_projects } = holdings.unwrap_or_default();
    let project = |(id, words): (ProjectId, BTreeSet<String>)| ProjectOfMe {
        project_id: id.into_string(),
        permissions: words.into_iter().collect(),
    };
    Ok(axum::Json(MeBody {
        user_id: user.id.into_string(),
        kind: word(&user.kind),
        user_name: user.user_name,
        name: user.name,
        email: user.profile.email,
        org,
        roles,
        permissions: on_org.into_iter().collect(),
        projects: on_projects.into_iter().map(project).collect(),
        token: token(&asked.actor),
    }))
}
