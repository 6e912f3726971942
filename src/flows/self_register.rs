//! Own accounts that people make themselves, where the operator allows it: asking for a link, and making the account
//! with it.
//!
//! Whoever asks gets one answer in one time, whether the address has an account or not; the difference is in the mail.
//! The account gets the address that the link was sent to, whatever else is sent.

use std::collections::BTreeMap;

use super::change_access::{Refusal, change_access_from};
use super::forgotten::{self, Asked};
use super::links::{self, Dead, Wanted};
use super::new_password::{self, Unfit};
use super::sign_in;
use super::{Fault, guard};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, NewUser, Origin};
use crate::domain::mail::{Address, Mail, Purpose, Template};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::password::{About, Rules, Shortfall};
use crate::domain::people::user::{Kind, UserState};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::UserId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{DAY, HOUR};
use crate::store::audit::{Event, note};
use crate::store::users::{self, User};
use crate::store::{links as sent, outbox};

/// How long the link to confirm an address lives, in milliseconds.
pub const LIFE: i64 = DAY;
/// So many mails are sent to one address in an hour; beyond that none, and nobody is told.
const MOST_TO_ADDRESS: i64 = 3;
/// The longest name.
const LONGEST_NAME: usize = 200;
/// Whoever asks for a link to confirm an address, or holds one.
const HOLDER: Actor = Actor::Link("confirm_account");

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The link is good for nothing.
    #[error("the link is dead")]
    Dead(Dead),
    /// The name can't be meant so.
    #[error("{0}")]
    Name(&'static str),
    /// The password falls short of the rules, in all of these ways.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// The hash pool is full, or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sqlx::Error> for NotMade {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Unfit> for NotMade {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Short(found) => Self::Short(found),
            Unfit::Busy(busy) => Self::Fault(busy.into()),
            Unfit::Store(error) => error.into(),
        }
    }
}

/// Whether people may make accounts here.
#[must_use]
pub fn is_open(app: &App) -> bool {
    app.config.registration.self_service
}

/// Asks for a link to the address, which must be one ([`identifier::check_email`]). Nothing in the answer, and nothing
/// in its time, tells whether it has an account.
///
/// # Errors
/// The database's.
pub async fn ask(app: &App, email: &str, origin: &Origin) -> Result<Asked, Fault> {
    if let Some(paused) = forgotten::count(app, &origin.address).await? {
        return Ok(paused);
    }
    let (now, email) = (app.now(), email.trim().to_owned());
    let key = identifier::key(&email);
    let account = users::by_identifier(&mut app.db.read().await?, Kind::Own.realm(), &key).await?;
    let detail = sign_in::detail(&email, &origin.address);
    let noted: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let kind = "account.registration_asked";
                note(tx, &Event { at: now, kind, org: None, user: None, application: None, detail }).await
            })
        })
        .await;
    noted?;
    let (app, origin) = (app.clone(), origin.clone());
    tokio::spawn(async move {
        if let Err(refusal) = send(&app, email, account, &origin).await {
            tracing::warn!(%refusal, "a mail about a registration was not sent");
        }
    });
    Ok(Asked::Done)
}

/// After the answer: the link, or the word that there is an account.
async fn send(app: &App, email: String, account: Option<User>, origin: &Origin) -> Result<(), Refusal> {
    let key = format!("register {}", Digest::of(fold::key(&email).as_bytes()).base64url());
    let paused = guard::count(app, &[key], MOST_TO_ADDRESS, HOUR).await?.is_some();
    let since = app.now().minus(HOUR);
    let many = sent::count_to(&mut app.db.read().await?, &email, since).await?;
    if paused || many >= MOST_TO_ADDRESS {
        return Ok(());
    }
    let language = links::language_for(app, &mut app.db.read().await?, account.as_ref(), None).await?;
    let Some(account) = account else {
        let wanted = Wanted {
            purpose: Purpose::ConfirmAccount,
            template: Template::ConfirmAccount,
            to: Address::Email(email),
            language,
            org: None,
            life: LIFE,
            values: BTreeMap::new(),
        };
        let change = Change::SendRegistrationLink { link: Box::new(links::mint(app, wanted)) };
        return change_access_from(app, &HOLDER, origin, vec![change], Mode::Act).await.map(|_| ());
    };
    // Only to where the account's own mail goes: a user name may look like an address that is somebody else's by now.
    let own = account.profile.email.clone().filter(|own| fold::key(own) == fold::key(&email));
    let Some(own) = own else { return Ok(()) };
    let (values, now) = (forgotten::values(&account), app.now());
    let mail =
        Mail { template: Template::AccountExists, to: Address::Email(own), language, org: None, values, sealed: None };
    let put: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| Box::pin(async move { outbox::put_mail(tx, mail, None, None, now).await.map(|_| ()) }))
        .await;
    put?;
    app.outbox_bell.notify_one();
    Ok(())
}

/// Which address a link confirms, and the rules that a password must keep. Nothing is used up.
///
/// # Errors
/// The database's.
pub async fn seen(app: &App, secret: &Secret) -> Result<Result<(String, Rules), Dead>, Fault> {
    if !is_open(app) {
        return Ok(Err(Dead::Unknown));
    }
    let mut conn = app.db.read().await?;
    let link = match links::find(&mut conn, secret, Purpose::ConfirmAccount, app.now()).await? {
        Ok(link) => link,
        Err(dead) => return Ok(Err(dead)),
    };
    let rules = new_password::rules_of(app, &mut conn, &Kind::Own).await?;
    Ok(Ok((link.address, rules)))
}

/// Makes the account with a link, which is used up. Whoever did it signs in after that like everybody.
///
/// # Errors
/// See [`NotMade`]; the link stays good unless somebody else used it.
pub async fn make(
    app: &App,
    secret: &Secret,
    name: &str,
    password: Secret,
    origin: &Origin,
) -> Result<UserId, NotMade> {
    let (email, rules) = seen(app, secret).await?.map_err(NotMade::Dead)?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(NotMade::Name("Give your name, with at most 200 characters."));
    }
    let about = About { user_name: email.clone(), email: Some(email.clone()), ..About::default() };
    let hash = new_password::hash(app, password, &rules, &about).await?;
    let profile = Profile {
        name: Some(name.to_owned()),
        email: Some(email.clone()),
        // The link was sent there and came back.
        email_verified: true,
        updated_at: app.now().seconds(),
        ..Profile::default()
    };
    let user = NewUser {
        id: UserId::fresh(),
        kind: Kind::Own,
        user_name: email,
        profile,
        state: UserState::Active,
        source: Source::Local,
        password: Some(hash),
        must_change: false,
    };
    let id = user.id.clone();
    let change = Change::SelfRegister { user: Box::new(user), link: secret.digest() };
    match change_access_from(app, &HOLDER, origin, vec![change], Mode::Act).await {
        Ok(_) => Ok(id),
        Err(Refusal::Store(error)) => Err(error.into()),
        // Somebody was quicker: what the link is now says it, or the address has an account by another way.
        Err(refusal) => {
            tracing::debug!(%refusal, "an account was not made");
            Err(NotMade::Dead(seen(app, secret).await?.err().unwrap_or(Dead::Used)))
        }
    }
}
