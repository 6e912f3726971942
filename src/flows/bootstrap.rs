//! The first start: the instance key and the database belong together, and a one-time link makes the first operator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Fault;
use super::change_access::{Refusal, change_access};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, NewUser};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::password::{self, Rules, Shortfall};
use crate::domain::people::user::{Kind, UserState};
use crate::domain::source::Source;
use crate::kernel::id::UserId;
use crate::kernel::secret::{Secret, same};
use crate::kernel::time::HOUR;
use crate::store::{instance, users};

/// How long the link lives, in milliseconds.
pub const LINK_LIFE: i64 = HOUR;

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
    let shortfalls = password::check(&Rules::OPERATOR, who.password.expose(), &[&who.user_name, &who.email]);
    if !shortfalls.is_empty() {
        return Err(NotMade::Password(shortfalls));
    }
    let hash = app.hasher.hash(who.password).await.map_err(Fault::from)?;
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
    };
    let changes = vec![Change::UseSetupLink { link: link.digest() }, Change::CreateUser(Box::new(user))];
    change_access(app, &Actor::System("first_start"), changes, Mode::Act).await?;
    Ok(id)
}
