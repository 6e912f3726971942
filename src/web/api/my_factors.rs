//! The factors of one's own account: which there are, and keeping them. A passkey is added at `/me/security`: only a page of
//! ours can ask the browser for one.
//!
//! Every change needs a token whose sign-in is at most ten minutes old, and a session in which the strongest factor that
//! one has was shown as lately (RFC 9470), or a recovery code, which stands in for what was lost. Nothing of it can be tried out: what is asked is secret, or made once.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Json, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::Body;
use super::my_account;
use super::problem::Problem;
use super::tag;
use super::words::{ReceiptBody, moment};
use super::write::Written;
use crate::app::App;
use crate::domain::change::Mode;
use crate::domain::people::assurance::{FRESH, Level};
use crate::domain::people::factor::FactorKind;
use crate::flows::factors::{self, Enrolled, NotDone, Standing, Which, Who, codes, passkey, recovery, totp};
use crate::kernel::id::UserId;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::factors::Stored;
use crate::store::my_sessions;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Caller.people_only(), routes!(list))
        .route(Needs::Caller.fresh_or_recovered(), routes!(switch_on))
        .route(Needs::Caller.fresh_or_recovered(), routes!(begin_totp))
        .route(Needs::Caller.fresh_or_recovered(), routes!(confirm_totp))
        .route(Needs::Caller.fresh_or_recovered(), routes!(rename))
        .route(Needs::Caller.fresh_or_recovered(), routes!(remove))
        .route(Needs::Caller.fresh_or_recovered(), routes!(renew_codes))
}

/// A factor other than a passkey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyFactor {
    /// `totp`, `email` or `sms`, by which it is removed.
    pub kind: String,
    /// Since when (RFC 3339); null while it is off.
    pub created_at: Option<String>,
    /// When it was used last (RFC 3339).
    pub last_used_at: Option<String>,
    /// Why it can't be switched on, if it can't.
    pub unavailable: Option<String>,
}

/// A passkey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyPasskey {
    /// Its id, by which it is renamed and removed.
    pub id: String,
    /// What one calls it.
    pub name: String,
    /// When it was added (RFC 3339).
    pub created_at: String,
    /// When it was used last (RFC 3339).
    pub last_used_at: Option<String>,
}

/// The factors of one's own account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyFactors {
    /// The app, codes by mail, codes to the phone.
    pub factors: Vec<MyFactor>,
    /// The passkeys, the oldest first.
    pub passkeys: Vec<MyPasskey>,
    /// How many recovery codes are left.
    pub recovery_codes_left: i64,
    /// When they were made (RFC 3339).
    pub recovery_codes_made_at: Option<String>,
    /// Why nothing can be added here at all, if nothing can.
    pub locked: Option<String>,
}

/// What is switched on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchOn {
    /// `email` or `sms`.
    kind: String,
}

/// A key for an app that shows codes, which is not bound yet. It is shown this once.
#[derive(Serialize, ToSchema)]
pub struct TotpBegun {
    /// What is sent back to bind it, within ten minutes.
    pub begun: String,
    /// The key, in groups of four; null when the answer is repeated.
    pub secret: Option<String>,
    /// The same for programs: an `otpauth:` address; null when the answer is repeated.
    pub otpauth_uri: Option<String>,
}

/// What binds an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirm {
    /// What was answered when it was begun.
    begun: String,
    /// Two codes of the app, one after the other.
    codes: Vec<String>,
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyName {
    /// 1 to 64 characters.
    name: String,
}

/// A factor that was added.
#[derive(Serialize, ToSchema)]
pub struct FactorAdded {
    /// Ten recovery codes with the first app or passkey, shown this once; else empty. Null when the answer is repeated.
    pub recovery_codes: Option<Vec<String>>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// Recovery codes, shown this once; those from before don't work any more.
#[derive(Serialize, ToSchema)]
pub struct CodesMade {
    /// The codes; null when the answer is repeated.
    pub recovery_codes: Option<Vec<String>>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

impl From<NotDone> for Problem {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Proof(level) => Self::step_up(level),
            NotDone::Wrong => Self::invalid("codes", "These are not two codes of this app, one after the other."),
            NotDone::Gone => Self::invalid("begun", "This is over, or was begun with another token. Begin again."),
            NotDone::NotHere(reason) => Self::new(StatusCode::CONFLICT, "not_here", reason),
            NotDone::Limit { seconds } => Self::paused(seconds),
            NotDone::Refused(refusal) => refusal.into(),
            NotDone::Fault(fault) => my_account::of_fault(fault),
        }
    }
}

fn factor(kind: FactorKind, stored: Option<Stored>, unavailable: Option<String>) -> MyFactor {
    let last_used_at = stored.as_ref().and_then(|stored| stored.last_used_at).map(moment);
    let created_at = stored.map(|stored| moment(stored.created_at));
    MyFactor { kind: kind.to_string(), created_at, last_used_at, unavailable }
}

fn show(standing: Standing) -> MyFactors {
    let passkeys = standing.passkeys.into_iter().map(|key| MyPasskey {
        id: key.id.into_string(),
        name: key.name,
        created_at: moment(key.created_at),
        last_used_at: key.last_used_at.map(moment),
    });
    MyFactors {
        factors: vec![
            factor(FactorKind::Totp, standing.totp, None),
            factor(FactorKind::Email, standing.email, standing.may_email.err()),
            factor(FactorKind::Sms, standing.sms, standing.may_sms.err()),
        ],
        passkeys: passkeys.collect(),
        recovery_codes_left: standing.recovery_left,
        recovery_codes_made_at: standing.recovery_made.map(moment),
        locked: standing.locked,
    }
}

/// The session that a token came from, if it lives still.
async fn session(app: &App, conn: &mut Conn, asked: &Asked) -> Result<Option<Facts>, Problem> {
    match my_account::session(conn, asked).await? {
        Some(session) => Ok(my_sessions::facts(conn, &asked.user, &session, app.now()).await?),
        None => Ok(None),
    }
}

/// The session that a token came from, which says what was proven in it. A token of no living session proves nothing.
async fn facts(app: &App, asked: &Asked) -> Result<Facts, Problem> {
    let mut conn = app.db.read().await?;
    match session(app, &mut conn, asked).await? {
        Some(facts) => Ok(facts),
        None => Err(Problem::step_up(factors::needs(&mut conn, &asked.user).await?)),
    }
}

/// Whether somebody has shown a recovery code within the last ten minutes, in the session that a token came from whose sign-in
/// is as young.
///
/// # Errors
/// The database's.
pub async fn has_recovered(app: &App, asked: &Asked) -> Result<bool, Problem> {
    let now = app.now();
    if asked.authentication.as_ref().is_none_or(|proven| now.since(proven.time) > FRESH) {
        return Ok(false);
    }
    let found = session(app, &mut app.db.read().await?, asked).await?;
    Ok(found.is_some_and(|facts| facts.has_recovered(now)))
}

/// What stands before something that asks for the password anyway: whoever has more than a password must have shown it
/// lately, too, in the sign-in that the token came from. What was shown in the browser since then says nothing of the token.
///
/// # Errors
/// They haven't, or the database failed.
pub async fn stronger(app: &App, asked: &Asked) -> Result<(), Problem> {
    match factors::needs(&mut app.db.read().await?, &asked.user).await? {
        Level::Password => Ok(()),
        Level::TwoFactor | Level::PhishingResistant => must_be_fresh(app, asked).await,
    }
}

/// What binds what was begun to whoever began it.
fn binding(user: &UserId) -> String {
    format!("api {user}")
}

fn act_only(how: &How) -> Result<(), Problem> {
    tag::check(how.if_match.as_deref(), "")?;
    if how.dry_run { Err(Problem::invalid("dry_run", "This can't be tried out.")) } else { Ok(()) }
}

fn added(enrolled: Enrolled) -> Json<FactorAdded> {
    Json(FactorAdded { receipt: ReceiptBody::of(&enrolled.receipt), recovery_codes: Some(enrolled.codes) })
}

/// The factor that a path names.
fn which(text: &str) -> Result<Which, Problem> {
    match text {
        "totp" => Ok(Which::Totp),
        "email" => Ok(Which::Email),
        "sms" => Ok(Which::Sms),
        other => other.parse().map(Which::Passkey).map_err(|_| Problem::not_found("The factor")),
    }
}

fn has(standing: &Standing, which: &Which) -> bool {
    match which {
        Which::Totp => standing.totp.is_some(),
        Which::Email => standing.email.is_some(),
        Which::Sms => standing.sms.is_some(),
        Which::Passkey(id) => standing.passkeys.iter().any(|key| key.id == *id),
    }
}

async fn standing(app: &App, asked: &Asked) -> Result<Standing, Problem> {
    Ok(factors::standing(app, &mut app.db.read().await?, &asked.user).await?)
}

/// The factors of one's own account.
#[utoipa::path(get, path = "/api/v1/me/factors", tag = "me",
    responses((status = 200, description = "The factors.", body = MyFactors)))]
async fn list(State(app): State<App>, asked: Asked) -> Result<Json<MyFactors>, Problem> {
    Ok(Json(show(standing(&app, &asked).await?)))
}

/// Switches codes by mail, or to the phone, on: for whoever has a verified address and a verified number, both.
#[utoipa::path(post, path = "/api/v1/me/factors", tag = "me", request_body = SwitchOn,
    responses((status = 200, description = "It is on.", body = FactorAdded)))]
async fn switch_on(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<SwitchOn>,
) -> Result<Json<FactorAdded>, Problem> {
    let kind = match body.kind.as_str() {
        "email" => FactorKind::Email,
        "sms" => FactorKind::Sms,
        _ => return Err(Problem::invalid("kind", "Use email or sms.")),
    };
    act_only(&how)?;
    let facts = facts(&app, &asked).await?;
    Ok(added(codes::switch_on(&app, Who::SignedIn(&facts), kind, &asked.origin).await?))
}

/// Begins to set an app up that shows codes (RFC 6238): nothing is kept before two of them come back.
#[utoipa::path(post, path = "/api/v1/me/factors/totp/begin", tag = "me",
    responses((status = 200, description = "The key, this once.", body = TotpBegun)))]
async fn begin_totp(State(app): State<App>, asked: Asked, how: How) -> Result<Json<TotpBegun>, Problem> {
    act_only(&how)?;
    let begun = totp::begin(&app, &asked.user, &binding(&asked.user)).await?;
    Ok(Json(TotpBegun { begun: begun.sealed, secret: Some(begun.secret), otpauth_uri: Some(begun.uri) }))
}

/// Binds the app that was begun, with two of its codes, one after the other. It takes the place of the app that one has, if
/// one has one: set up on a new phone, the codes of the old one don't work any more.
#[utoipa::path(post, path = "/api/v1/me/factors/totp/confirm", tag = "me", request_body = TotpConfirm,
    responses((status = 200, description = "It is bound.", body = FactorAdded)))]
async fn confirm_totp(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<TotpConfirm>,
) -> Result<Json<FactorAdded>, Problem> {
    let [one, next] = body.codes.as_slice() else {
        return Err(Problem::invalid("codes", "Give two codes, one after the other."));
    };
    act_only(&how)?;
    let (facts, binding) = (facts(&app, &asked).await?, binding(&asked.user));
    let who = Who::SignedIn(&facts);
    Ok(added(totp::confirm(&app, who, &body.begun, (one.as_str(), next.as_str()), &binding, &asked.origin).await?))
}

/// Gives a passkey another name.
#[utoipa::path(patch, path = "/api/v1/me/factors/{factor}", tag = "me", request_body = PasskeyName,
    responses((status = 200, description = "It has its new name.", body = Written<MyPasskey>)))]
async fn rename(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(named): Path<String>,
    Body(body): Body<PasskeyName>,
) -> Result<Response, Problem> {
    let wanted = which(&named)?;
    let Which::Passkey(id) = &wanted else { return Err(Problem::not_found("The passkey")) };
    if !has(&standing(&app, &asked).await?, &wanted) {
        return Err(Problem::not_found("The passkey"));
    }
    act_only(&how)?;
    let facts = facts(&app, &asked).await?;
    let receipt = passkey::rename(&app, &facts, id, &body.name, &asked.origin).await?;
    let shown = show(standing(&app, &asked).await?);
    Ok(Written::ok(shown.passkeys.into_iter().find(|key| key.id == named), &receipt))
}

/// Removes a factor: `totp`, `email`, `sms`, or a passkey by its id. The last one that an organisation requires stays.
#[utoipa::path(delete, path = "/api/v1/me/factors/{factor}", tag = "me",
    responses((status = 200, description = "It is gone.", body = Written<MyFactor>)))]
async fn remove(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(named): Path<String>,
) -> Result<Response, Problem> {
    let which = which(&named)?;
    if !has(&standing(&app, &asked).await?, &which) {
        return Err(Problem::not_found("The factor"));
    }
    tag::check(how.if_match.as_deref(), "")?;
    let facts = facts(&app, &asked).await?;
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    let receipt = factors::remove(&app, &facts, &which, &asked.origin, mode).await?;
    Ok(Written::<MyFactor>::ok(None, &receipt))
}

/// Makes ten recovery codes; those from before don't work any more.
#[utoipa::path(post, path = "/api/v1/me/recovery-codes", tag = "me",
    responses((status = 200, description = "The codes, this once.", body = CodesMade)))]
async fn renew_codes(State(app): State<App>, asked: Asked, how: How) -> Result<Json<CodesMade>, Problem> {
    act_only(&how)?;
    let facts = facts(&app, &asked).await?;
    let (receipt, codes) = recovery::renew(&app, &facts, &asked.origin).await?;
    Ok(Json(CodesMade { recovery_codes: Some(codes), receipt: ReceiptBody::of(&receipt) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_kind_or_a_passkey_and_nothing_else() {
        assert_eq!(which("totp").unwrap(), Which::Totp);
        assert!(which("pky_1").is_err() && which("passkey").is_err() && which("password").is_err());
        assert_eq!(act_only(&How { if_match: None, dry_run: true }).unwrap_err().code, "invalid");
    }

    #[test]
    fn a_factor_that_is_off_says_why_it_stays_so() {
        let off = factor(FactorKind::Sms, None, Some("Verify your number first.".to_owned()));
        assert_eq!((off.kind.as_str(), off.created_at, off.unavailable.is_some()), ("sms", None, true));
    }
}
