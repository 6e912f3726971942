//! An organisation's policies: what a loss ends, how long sessions live, and everything else that it may set.

use axum::extract::State;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::named;
use super::patch::Given;
use super::problem::Problem;
use super::sign_in_rules::{LockBody, LockPatch, SecondFactorBody, SecondFactorPatch};
use super::tag;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::people::invitation;
use crate::domain::people::password::PasswordPolicy;
use crate::domain::settings::OrgSettings;
use crate::kernel::id::OrgId;
use crate::kernel::time::SECOND;
use crate::store::db::Conn;
use crate::store::orgs::{self, Org};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("org.read"), routes!(get)).route(Needs::Org("org.write").sensitive(), routes!(change))
}

/// The policies of an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PoliciesBody {
    /// What a loss of access ends: `strict` ends the session at any loss, `standing` when a group is left or nothing is
    /// held any more, `narrow` when nothing is held any more or an administrator's role was lost.
    pub policy: &'static str,
    /// After how many seconds without use a session is over; null is the instance's own limit.
    pub session_idle_seconds: Option<i64>,
    /// How many seconds a session lives at most; null is the instance's own limit.
    pub session_absolute_seconds: Option<i64>,
    /// Who sees the people: `admins` or `everyone` (names and e-mail addresses only).
    pub user_visibility: String,
    /// Whether only administrators make access keys.
    pub keys_by_admins_only: bool,
    /// Whether `org.reader` sees the organisation's access keys (never a secret).
    pub readers_see_keys: bool,
    /// How many sessions a member may have at once; null is any number.
    pub max_sessions: Option<u32>,
    /// After how many days without a sign-in a member is suspended; null is never.
    pub disable_unused_days: Option<u32>,
    /// From which blocks of addresses members may come; empty is from anywhere.
    pub allowed_networks: Vec<String>,
    /// What people may change of their own accounts: `profile`, `password`, `email`, `phone`.
    pub own_data: Vec<String>,
    /// Whether people are shown when and from where their account was used last.
    pub show_last_sign_in: bool,
    /// Shown to members after the sign-in; empty is nothing.
    pub welcome_text: String,
    /// The id of the project that members begin with.
    pub default_project: Option<String>,
    /// What passwords of its people must be like.
    pub passwords: PasswordRulesBody,
    /// Who must have a second factor, and of which kinds.
    pub second_factor: SecondFactorBody,
    /// When guessing at its accounts is stopped.
    pub lock: LockBody,
    /// Who may be invited, and how long invitations live.
    pub invitations: InvitationRulesBody,
    /// The language of mails to people whose own isn't known: `en` or `ko`; null is the instance's.
    pub language: Option<String>,
    /// The colour of buttons in mails and on pages, as `#rrggbb`; empty is Muster's own.
    pub colour: String,
    /// Whom people write to for help; empty is nobody.
    pub support_email: String,
}

/// What passwords must be like: a preset, and what is set otherwise. Null is what the preset says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasswordRulesBody {
    /// `cloud-iam` (6 to 32 characters of two kinds), `kakaocloud`, `konnect` or `nist` (15 characters of any kind).
    pub preset: &'static str,
    /// The fewest characters.
    pub min_length: Option<u32>,
    /// The most characters.
    pub max_length: Option<u32>,
    /// How many are needed of: capital letters, small letters, digits, symbols or spaces.
    pub kinds: Option<u32>,
    /// How many passwords of before can't be used again.
    pub history: Option<u32>,
    /// After how many days a password must be changed; 0 is never.
    pub expiry_days: Option<u32>,
    /// For how many minutes a new password is kept before its holder changes it; 0 is not at all.
    pub min_age_minutes: Option<u32>,
    /// How often the same character may stand in a row; 0 is any number.
    pub max_identical_run: Option<u32>,
    /// Whether three keys side by side, such as qwe or 321, are refused.
    pub no_sequences: Option<bool>,
}

/// Who may be invited, and how long invitations live.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InvitationRulesBody {
    /// Patterns of addresses or domains that may be invited; empty is any.
    pub domains: Vec<String>,
    /// How many days an invitation lives.
    pub days: u32,
    /// How many days a mailed link lives.
    pub link_days: u32,
}

/// What changes in the policies; what is absent stays, null goes back to the instance's limit, to none or to never.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoliciesPatch {
    /// `strict`, `standing` or `narrow`.
    policy: Option<String>,
    /// 900 to 86,400 seconds.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    session_idle_seconds: Given<i64>,
    /// 3,600 to 2,592,000 seconds.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    session_absolute_seconds: Given<i64>,
    /// `admins` or `everyone`.
    user_visibility: Option<String>,
    /// Whether only administrators make access keys.
    keys_by_admins_only: Option<bool>,
    /// Whether `org.reader` sees the access keys.
    readers_see_keys: Option<bool>,
    /// 1 to 100.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    max_sessions: Given<u32>,
    /// 1 to 240.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    disable_unused_days: Given<u32>,
    /// The whole list: at most 200 addresses and blocks like `203.0.113.0/24`.
    allowed_networks: Option<Vec<String>>,
    /// The whole list: of `profile`, `password`, `email`, `phone`.
    own_data: Option<Vec<String>>,
    /// Whether the last sign-in is shown.
    show_last_sign_in: Option<bool>,
    /// At most 500 characters.
    welcome_text: Option<String>,
    /// A project's id or key.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    default_project: Given<String>,
    /// What is absent in it stays.
    passwords: Option<PasswordRulesPatch>,
    /// What is absent in it stays.
    second_factor: Option<SecondFactorPatch>,
    /// What is absent in it stays.
    lock: Option<LockPatch>,
    /// What is absent in it stays.
    invitations: Option<InvitationRulesPatch>,
    /// `en` or `ko`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Given<String>,
    /// `#rrggbb`, or nothing.
    colour: Option<String>,
    /// An e-mail address, or nothing.
    support_email: Option<String>,
}

/// What changes in the rules for passwords; null goes back to what the preset says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRulesPatch {
    /// `cloud-iam`, `kakaocloud`, `konnect` or `nist`.
    preset: Option<String>,
    /// 6 to 64.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    min_length: Given<u32>,
    /// 16 to 128.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    max_length: Given<u32>,
    /// 1 to 4.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    kinds: Given<u32>,
    /// 0 to 24.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    history: Given<u32>,
    /// 0 to 180.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    expiry_days: Given<u32>,
    /// 0 to 1,440.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    min_age_minutes: Given<u32>,
    /// 0 to 32.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    max_identical_run: Given<u32>,
    /// Whether three keys side by side are refused.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    no_sequences: Given<bool>,
}

impl PasswordRulesPatch {
    fn over(self, before: &PasswordPolicy) -> Result<PasswordPolicy, Problem> {
        Ok(PasswordPolicy {
            preset: match &self.preset {
                Some(word) => value("passwords.preset", word)?,
                None => before.preset,
            },
            min_length: self.min_length.over(before.min_length),
            max_length: self.max_length.over(before.max_length),
            kinds: self.kinds.over(before.kinds),
            history: self.history.over(before.history),
            expiry_days: self.expiry_days.over(before.expiry_days),
            min_age_minutes: self.min_age_minutes.over(before.min_age_minutes),
            max_identical_run: self.max_identical_run.over(before.max_identical_run),
            no_sequences: self.no_sequences.over(before.no_sequences),
        })
    }
}

/// What changes in the rules for invitations.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRulesPatch {
    /// The whole list: at most 200. `acme.com` is a domain; `*` is any run without `.` and `@`, `**` any run, `?` one
    /// character.
    domains: Option<Vec<String>>,
    /// 1 to 30.
    days: Option<u32>,
    /// 1 to 7.
    link_days: Option<u32>,
}

impl InvitationRulesPatch {
    fn over(self, before: invitation::Rules) -> invitation::Rules {
        invitation::Rules {
            domains: self.domains.unwrap_or(before.domains),
            days: self.days.unwrap_or(before.days),
            link_days: self.link_days.unwrap_or(before.link_days),
        }
    }
}

/// A word as the API writes it, from the domain's own.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The domain's value for a word of the API.
///
/// # Errors
/// There is no such word.
pub fn value<T: DeserializeOwned>(field: &str, word: &str) -> Result<T, Problem> {
    serde_json::from_value(word.into()).map_err(|error| Problem::invalid(field, format!("{error}.")))
}

fn show(org: &Org, settings: &OrgSettings) -> PoliciesBody {
    PoliciesBody {
        policy: org.policy.as_str(),
        session_idle_seconds: org.session_idle.map(|millis| millis / SECOND),
        session_absolute_seconds: org.session_absolute.map(|millis| millis / SECOND),
        user_visibility: word(&settings.user_visibility),
        keys_by_admins_only: settings.keys_by_admins_only,
        readers_see_keys: settings.readers_see_keys,
        max_sessions: settings.max_sessions,
        disable_unused_days: settings.disable_unused_days,
        allowed_networks: settings.allowed_networks.clone(),
        own_data: settings.own_data.iter().map(word).collect(),
        show_last_sign_in: settings.show_last_sign_in,
        welcome_text: settings.welcome_text.clone(),
        default_project: settings.default_project.as_ref().map(ToString::to_string),
        passwords: shown(&settings.passwords),
        second_factor: SecondFactorBody::of(&settings.second_factor),
        lock: LockBody::of(&settings.lock),
        invitations: InvitationRulesBody {
            domains: settings.invitations.domains.clone(),
            days: settings.invitations.days,
            link_days: settings.invitations.link_days,
        },
        language: settings.language.map(|language| language.to_string()),
        colour: settings.colour.clone(),
        support_email: settings.support_email.clone(),
    }
}

const fn shown(policy: &PasswordPolicy) -> PasswordRulesBody {
    PasswordRulesBody {
        preset: policy.preset.as_str(),
        min_length: policy.min_length,
        max_length: policy.max_length,
        kinds: policy.kinds,
        history: policy.history,
        expiry_days: policy.expiry_days,
        min_age_minutes: policy.min_age_minutes,
        max_identical_run: policy.max_identical_run,
        no_sequences: policy.no_sequences,
    }
}

async fn found(conn: &mut Conn, org: &OrgId) -> Result<(Org, OrgSettings), Problem> {
    let found = orgs::find(conn, org).await?.ok_or_else(|| Problem::not_found("The organisation"))?;
    Ok((found, orgs::settings(conn, org).await?))
}

/// The policies of an organisation.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/policies", tag = "policies",
    responses((status = 200, description = "The policies.", body = PoliciesBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<axum::Json<PoliciesBody>, Problem> {
    let mut conn = app.db.read().await?;
    let (org, settings) = found(&mut conn, &asked.room()?.id).await?;
    Ok(axum::Json(show(&org, &settings)))
}

/// Changes policies. Shorter session lives count at the next use of a session.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/policies", tag = "policies", request_body = PoliciesPatch,
    responses((status = 200, description = "The policies.", body = Written<PoliciesBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(patch): Body<PoliciesPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, patch) = (org.clone(), patch.clone());
        Box::pin(async move {
            let (before, settings) = found(conn, &org).await?;
            let tag = tag::of(&show(&before, &settings));
            Ok((tag, planned(conn, &before, settings, patch).await?))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let (org, settings) = found(&mut conn, &org).await?;
    Ok(Written::ok(Some(show(&org, &settings)), &receipt))
}

async fn planned(
    conn: &mut Conn,
    before: &Org,
    settings: OrgSettings,
    patch: PoliciesPatch,
) -> Result<Vec<Change>, Problem> {
    let org = &before.id;
    let mut changes = Vec::new();
    if let Some(word) = &patch.policy {
        let policy = word.parse().map_err(|reason: String| Problem::invalid("policy", format!("{reason}.")))?;
        changes.push(Change::SetPolicy { org: org.clone(), policy });
    }
    let idle = millis("session_idle_seconds", &patch.session_idle_seconds)?.over(before.session_idle);
    let absolute = millis("session_absolute_seconds", &patch.session_absolute_seconds)?.over(before.session_absolute);
    if (idle, absolute) != (before.session_idle, before.session_absolute) {
        changes.push(Change::SetSessionLimits { org: org.clone(), idle, absolute });
    }
    let after = merged(conn, org, settings.clone(), patch).await?;
    if after != settings {
        let mut faults = after.faults().into_iter();
        if let Some((field, reason)) = faults.next() {
            let first = Problem::invalid(field, reason);
            return Err(faults.fold(first, |problem, (field, reason)| problem.with(field, reason)));
        }
        changes.push(Change::SetOrgSettings { org: org.clone(), settings: Box::new(after) });
    }
    Ok(changes)
}

fn millis(field: &str, seconds: &Given<i64>) -> Result<Given<i64>, Problem> {
    Ok(match seconds {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Set(seconds) => match seconds.checked_mul(SECOND) {
            Some(millis) => Given::Set(millis),
            None => return Err(Problem::invalid(field, "This is no length of time.")),
        },
    })
}

/// The settings with the patch's own laid over them.
async fn merged(
    conn: &mut Conn,
    org: &OrgId,
    mut settings: OrgSettings,
    patch: PoliciesPatch,
) -> Result<OrgSettings, Problem> {
    if let Some(word) = &patch.user_visibility {
        settings.user_visibility = value("user_visibility", word)?;
    }
    if let Some(words) = &patch.own_data {
        settings.own_data = words.iter().map(|word| value("own_data", word)).collect::<Result<_, _>>()?;
    }
    settings.keys_by_admins_only = patch.keys_by_admins_only.unwrap_or(settings.keys_by_admins_only);
    settings.readers_see_keys = patch.readers_see_keys.unwrap_or(settings.readers_see_keys);
    settings.max_sessions = patch.max_sessions.over(settings.max_sessions);
    settings.disable_unused_days = patch.disable_unused_days.over(settings.disable_unused_days);
    settings.allowed_networks = patch.allowed_networks.unwrap_or(settings.allowed_networks);
    settings.show_last_sign_in = patch.show_last_sign_in.unwrap_or(settings.show_last_sign_in);
    settings.welcome_text = patch.welcome_text.unwrap_or(settings.welcome_text);
    settings.default_project = match patch.default_project {
        Given::Absent => settings.default_project,
        Given::Null => None,
        Given::Set(named) => Some(named::project(conn, org, &named).await?.id),
    };
    if let Some(patch) = patch.passwords {
        settings.passwords = patch.over(&settings.passwords)?;
    }
    if let Some(patch) = patch.second_factor {
        settings.second_factor = patch.over(settings.second_factor)?;
    }
    if let Some(patch) = patch.lock {
        settings.lock = patch.over(settings.lock)?;
    }
    if let Some(patch) = patch.invitations {
        settings.invitations = patch.over(settings.invitations);
    }
    settings.language = match patch.language {
        Given::Absent => settings.language,
        Given::Null => None,
        Given::Set(word) => Some(value("language", &word)?),
    };
    settings.colour = patch.colour.unwrap_or(settings.colour);
    settings.support_email = patch.support_email.unwrap_or(settings.support_email);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::password::Preset;
    use crate::domain::settings::{OwnData, UserVisibility};

    #[test]
    fn words_of_the_settings_read_back_and_others_are_refused() {
        assert_eq!(word(&UserVisibility::Everyone), "everyone");
        assert_eq!(value::<OwnData>("own_data", "email").unwrap(), OwnData::Email);
        assert!(value::<OwnData>("own_data", "shoe_size").is_err());
        assert!(millis("x", &Given::Set(i64::MAX)).is_err());
    }

    #[test]
    fn a_patch_of_the_rules_for_passwords_changes_what_it_names() {
        let patch = |text: &str| serde_json::from_str::<PasswordRulesPatch>(text).unwrap();
        let before = PasswordPolicy { min_length: Some(9), history: Some(3), ..PasswordPolicy::default() };
        let after = patch(r#"{"preset":"nist","min_length":null,"kinds":2}"#).over(&before).unwrap();
        let wanted = PasswordPolicy { history: Some(3), kinds: Some(2), ..PasswordPolicy::of(Preset::Nist) };
        assert_eq!(after, wanted);
        assert!(patch(r#"{"preset":"lax"}"#).over(&PasswordPolicy::default()).is_err());
        assert!(serde_json::from_str::<PasswordRulesPatch>(r#"{"min_lenght":9}"#).is_err());
    }
}
