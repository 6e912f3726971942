//! The first start: the instance key and the database belong together, a one-time link makes the first operator, and
//! our own command line is an application like any other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Fault;
use super::change_access::{Refusal, change_access};
use super::new_password::{self, Unfit};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, NewUser};
use crate::domain::keys::Alg;
use crate::domain::oauth::application::{self, Application, ApplicationState, AuthMethod, GrantType};
use crate::domain::oauth::scope;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::password::{About, Rules, Shortfall};
use crate::domain::people::user::{Kind, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{ApplicationId, UserId};
use crate::kernel::secret::{Secret, same};
use crate::kernel::time::HOUR;
use crate::store::{applications, instance, users};

/// How long the link lives, in milliseconds.
pub const LINK_LIFE: i64 = HOUR;
/// The client id of our own command line, for `muster login`.
pub const COMMAND_LINE: &str = "muster-cli";

/// That the database was made with another instance key.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The keys differ: nothing that the database seals could be opened.
    #[error("this database belongs to another instance key; give Muster the key that it was made with")]
    AnotherKey,
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] sqlx::Error),
}

/// Binds the database to the instance key at first start, and checks it at every other.
///
/// # Errors
/// See [`Mismatch`].
pub async fn check_instance_key(app: &App) -> Result<(), Mismatch> {
    let mark = URL_SAFE_NO_PAD.encode(app.sealer.mac("instance_key.mark", &[b"muster"]));
    let wanted = mark.clone();
    let found: Result<String, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { instance::set_once(tx, "instance_key_mark", &mark).await })).await;
    if same(found?.as_bytes(), wanted.as_bytes()) { Ok(()) } else { Err(Mismatch::AnotherKey) }
}

/// A new set-up link while there is no operator; links given before are dead.
///
/// # Errors
/// The database's.
pub async fn setup_link(app: &App) -> Result<Option<Secret>, sqlx::Error> {
    if users::an_operator_exists(&mut app.db.read().await?).await? {
        return Ok(None);
    }
    let secret = Secret::mint(&*app.chance, "mst_setup_");
    let (digest, until) = (secret.digest(), app.now().plus(LINK_LIFE));
    app.db
        .write(move |tx| Box::pin(async move { instance::put_setup_link(tx, digest, until).await }))
        .await
        .map_err(|error: sqlx::Error| error)?;
    Ok(Some(secret))
}

/// Whether a set-up link is good.
///
/// # Errors
/// The database's.
pub async fn link_is_good(app: &App, link: &Secret) -> Result<bool, sqlx::Error> {
    let mut conn = app.db.read().await?;
    Ok(!users::an_operator_exists(&mut conn).await?
        && instance::setup_link_is_good(&mut conn, link.digest(), app.now()).await?)
}

/// The first operator, as typed.
#[derive(Debug)]
pub struct FirstOperator {
    /// The name that people see.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Secret,
}

/// Why the first operator was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The password falls short.
    #[error("the password falls short")]
    Password(Vec<Shortfall>),
    /// Something else that was typed, or the link is not good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The hash pool is full, or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Makes the first operator and uses the link up, in one transaction.
///
/// # Errors
/// See [`NotMade`]; the link stays good unless it was used by somebody else.
pub async fn first_operator(app: &App, link: &Secret, who: FirstOperator) -> Result<UserId, NotMade> {
    let about = About { user_name: who.user_name.clone(), email: Some(who.email.clone()), ..About::default() };
    let hash = match new_password::hash(app, who.password, &Rules::OPERATOR, &about).await {
        Ok(hash) => hash,
        Err(Unfit::Short(shortfalls)) => return Err(NotMade::Password(shortfalls)),
        Err(Unfit::Busy(busy)) => return Err(Fault::from(busy).into()),
        Err(Unfit::Store(error)) => return Err(Fault::from(error).into()),
    };
    let id = UserId::fresh();
    let profile = Profile {
        name: Some(who.name.trim().to_owned()).filter(|name| !name.is_empty()),
        email: Some(who.email.trim().to_owned()).filter(|email| !email.is_empty()),
        updated_at: app.now().seconds(),
        ..Profile::default()
    };
    let user = NewUser {
        id: id.clone(),
        kind: Kind::Operator,
        user_name: who.user_name.trim().to_owned(),
        profile,
        state: UserState::Active,
        source: Source::Local,
        password: Some(hash),
        must_change: false,
    };
    let changes = vec![Change::UseSetupLink { link: link.digest() }, Change::CreateUser(Box::new(user))];
    change_access(app, &Actor::System("first_start"), changes, Mode::Act).await?;
    Ok(id)
}

/// Registers our own command line, or brings its registration to this build's; one that an operator disabled stays so.
///
/// # Errors
/// Why the door refused it; see [`Refusal`].
pub async fn command_line(app: &App) -> Result<(), Refusal> {
    let before = applications::by_client_id(&mut app.db.read().await?, COMMAND_LINE).await?;
    if let Some(other) = before.as_ref().filter(|before| before.org.is_some()) {
        tracing::warn!(application = %other.id, "an organisation's application has the name of our command line");
        return Ok(());
    }
    let wanted = command_line_application(before.as_ref());
    if before.as_ref() == Some(&wanted) {
        return Ok(());
    }
    let change = Change::PutApplication(Box::new(wanted));
    let Err(refusal) = change_access(app, &Actor::System("start"), vec![change], Mode::Act).await else {
        return Ok(());
    };
    // Another node that starts at the same time may have been quicker.
    let now = applications::by_client_id(&mut app.db.read().await?, COMMAND_LINE).await?;
    if before.is_none() && now.is_some() { Ok(()) } else { Err(refusal) }
}

fn command_line_application(before: Option<&Application>) -> Application {
    let scopes = [scope::OPENID, scope::PROFILE, scope::EMAIL, scope::OFFLINE_ACCESS, scope::ROLES, scope::ADMIN];
    Application {
        id: before.map_or_else(ApplicationId::fresh, |before| before.id.clone()),
        client_id: COMMAND_LINE.to_owned(),
        org: None,
        name: "Muster on the command line".to_owned(),
        state: before.map_or(ApplicationState::Active, |before| before.state),
        auth_method: AuthMethod::None,
        secrets: Vec::new(),
        jwks: None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        grant_types: vec![GrantType::DeviceCode, GrantType::RefreshToken],
        scopes: scopes.map(str::to_owned).to_vec(),
        require_pkce: true,
        profile: application::Profile::Standard,
        // The key that is there from the first answer on.
        id_token_alg: Alg::Es256,
        access_token_alg: Alg::Es256,
        resource: None,
        roles_in_id_token: false,
        // Operators belong to no organisation.
        allow_no_org: true,
        trusted: false,
        logo_uri: None,
        policy_uri: None,
        tos_uri: None,
        initiate_login_uri: None,
        backchannel_logout_uri: None,
        backchannel_logout_session_required: false,
        frontchannel_logout_uri: None,
        frontchannel_logout_session_required: false,
        status_list: false,
        claims_budget: 4096,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_a_sound_registration_that_keeps_its_id_and_its_state() {
        let first = command_line_application(None);
        assert_eq!(first.validate(), Ok(()));
        assert!(first.is_public() && !first.trusted && !first.allows(GrantType::AuthorizationCode));
        let disabled = Application { state: ApplicationState::Disabled, name: "Old".to_owned(), ..first.clone() };
        let next = command_line_application(Some(&disabled));
        assert_eq!((next.id, next.state, next.name), (first.id, ApplicationState::Disabled, first.name));
    }
}
