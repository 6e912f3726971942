//! The words that several resources share: moments, roles on scopes, receipts.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::domain::access::difference::Held;
use crate::domain::access::{Role, Scope, Verdict, Window};
use crate::domain::change::{MemberReceipt, Receipt, Told};
use crate::kernel::id::ProjectId;
use crate::kernel::time::UnixMillis;

/// So many members stand in an answer's receipt; the rest is read with `GET …/changes/{change}/members`.
pub const MOST_MEMBERS: usize = 1000;

/// A moment as RFC 3339 has it.
#[must_use]
pub fn moment(at: UnixMillis) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A moment that may be open.
#[must_use]
pub fn until(at: UnixMillis) -> Option<String> {
    (at != UnixMillis::MAX && at != UnixMillis::MIN).then(|| moment(at))
}

/// Reads a moment.
///
/// # Errors
/// It is none.
pub fn read_moment(field: &str, text: &str) -> Result<UnixMillis, Problem> {
    let wrong = || Problem::invalid(field, "Write a moment like 2026-01-01T00:00:00Z.");
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())?;
    if millis < 0 { Err(wrong()) } else { Ok(UnixMillis(millis)) }
}

/// On what a role is held: the organisation, one project, or all projects, later ones included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScopeBody {
    /// The organisation.
    Org,
    /// One project.
    Project {
        /// The project's id.
        project_id: String,
    },
    /// Every project, later ones included.
    AllProjects,
}

impl From<&Scope> for ScopeBody {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Org => Self::Org,
            Scope::Project(id) => Self::Project { project_id: id.to_string() },
            Scope::AllProjects => Self::AllProjects,
        }
    }
}

impl ScopeBody {
    /// The scope that is meant.
    ///
    /// # Errors
    /// The project's id is none.
    pub fn read(&self, field: &str) -> Result<Scope, Problem> {
        match self {
            Self::Org => Ok(Scope::Org),
            Self::AllProjects => Ok(Scope::AllProjects),
            Self::Project { project_id } => match project_id.parse::<ProjectId>() {
                Ok(id) => Ok(Scope::Project(id)),
                Err(_) => Err(Problem::invalid(format!("{field}.project_id"), "Give the id of a project (prj_…).")),
            },
        }
    }
}

/// A role that is given on a scope, with a window if it has one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GivenRole {
    /// The role: a built-in one like `project.admin`, or the key of an own role.
    #[schema(example = "project.reader")]
    pub role: String,
    /// On what.
    pub scope: ScopeBody,
    /// From when (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Until when (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// A role to be given on a scope, with a window if it is to have one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// The role: a built-in one like `project.admin`, or the key of an own role.
    #[schema(example = "project.reader")]
    pub role: String,
    /// On what; the organisation if none is given.
    #[serde(default = "org_scope")]
    pub scope: ScopeBody,
    /// From when (RFC 3339).
    #[serde(default)]
    pub not_before: Option<String>,
    /// Until when (RFC 3339).
    #[serde(default)]
    pub not_after: Option<String>,
}

const fn org_scope() -> ScopeBody {
    ScopeBody::Org
}

impl GrantBody {
    /// The role, scope and window that are meant.
    ///
    /// # Errors
    /// One of them is none.
    pub fn read(&self, field: &str) -> Result<(Role, Scope, Window), Problem> {
        let role: Role = self
            .role
            .parse()
            .map_err(|_| Problem::invalid(format!("{field}.role"), format!("\"{}\" is no role.", self.role)))?;
        let moment = |name: &str, text: &Option<String>, open| match text {
            Some(text) => read_moment(&format!("{field}.{name}"), text),
            None => Ok(open),
        };
        let scope = self.scope.read(&format!("{field}.scope"))?;
        if role == Role::OrgOwner {
            return Err(Problem::invalid(format!("{field}.role"), "org.owner can't be given; transfer the ownership."));
        }
        if !scope.fits(&role) {
            let reason = if role.as_str().starts_with("project.") {
                "A project role needs a project: give its id as {\"kind\": \"project\", \"project_id\": …}."
            } else {
                "This role is held on the organisation: leave the scope out."
            };
            return Err(Problem::invalid(format!("{field}.scope"), reason));
        }
        let not_before = moment("not_before", &self.not_before, UnixMillis::MIN)?;
        let not_after = moment("not_after", &self.not_after, UnixMillis::MAX)?;
        Ok((role, scope, Window { not_before, not_after }))
    }
}

/// A role that was lost or gained.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldBody {
    /// The role.
    pub role: String,
    /// On what.
    pub scope: ScopeBody,
}

impl From<&Held> for HeldBody {
    fn from(held: &Held) -> Self {
        Self { role: held.role.to_string(), scope: (&held.scope).into() }
    }
}

/// What a change did to one member.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemberBody {
    /// The organisation.
    pub org_id: String,
    /// The membership.
    pub membership_id: String,
    /// The account.
    pub user_id: String,
    /// Its user name.
    pub user_name: String,
    /// What was lost.
    pub lost: Vec<HeldBody>,
    /// What was gained.
    pub gained: Vec<HeldBody>,
    /// `keep`, `narrow` or `end`: what becomes of sessions and tokens.
    pub verdict: &'static str,
}

impl From<&MemberReceipt> for MemberBody {
    fn from(member: &MemberReceipt) -> Self {
        Self {
            org_id: member.org.to_string(),
            membership_id: member.member.to_string(),
            user_id: member.user.to_string(),
            user_name: member.user_name.clone(),
            lost: member.lost.iter().map(Into::into).collect(),
            gained: member.gained.iter().map(Into::into).collect(),
            verdict: match member.verdict {
                Verdict::Keep => "keep",
                Verdict::Narrow => "narrow",
                Verdict::End => "end",
            },
        }
    }
}

/// How much a change ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EndedBody {
    /// Session entries.
    pub sessions: u64,
    /// Token families.
    pub token_families: u64,
    /// Access keys.
    pub access_keys: u64,
}

/// An application that is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToldBody {
    /// Its client id.
    pub client_id: String,
    /// How many logout tokens it is sent.
    pub logout_tokens: u64,
    /// How many security events its streams get.
    pub security_events: u64,
}

impl From<&Told> for ToldBody {
    fn from(told: &Told) -> Self {
        let Told { client_id, logout_tokens, security_events } = told;
        Self { client_id: client_id.clone(), logout_tokens: *logout_tokens, security_events: *security_events }
    }
}

/// What a change did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReceiptBody {
    /// The change's id; in a dry run that of no change.
    pub change_id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub actor: String,
    /// Whether it was undone again.
    pub dry_run: bool,
    /// What was done, a line each; what changed nothing is left out.
    pub acts: Vec<String>,
    /// Those for whom something changed: the first thousand.
    pub members: Vec<MemberBody>,
    /// How many they are in all.
    pub members_total: usize,
    /// What ended.
    pub ended: EndedBody,
    /// Which applications are told.
    pub told: Vec<ToldBody>,
}

impl ReceiptBody {
    /// A receipt as answers show it.
    #[must_use]
    pub fn of(receipt: &Receipt) -> Self {
        Self {
            change_id: receipt.id.to_string(),
            at: moment(receipt.at),
            actor: receipt.actor.clone(),
            dry_run: receipt.dry_run,
            acts: receipt.acts.clone(),
            members: receipt.members.iter().take(MOST_MEMBERS).map(Into::into).collect(),
            members_total: receipt.members.len(),
            ended: EndedBody {
                sessions: receipt.ended.sessions,
                token_families: receipt.ended.token_families,
                access_keys: receipt.ended.access_keys,
            },
            told: receipt.told.iter().map(Into::into).collect(),
        }
    }
}

/// A row of a list that was not taken; the others were.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedRow {
    /// Which row, counted from 0.
    pub row: usize,
    /// What it named.
    pub id: String,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub reason: String,
}
