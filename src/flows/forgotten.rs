//! A forgotten password: asking for a link, and setting a new one with it.
//!
//! Whoever asks gets one answer in one time, whether there is an account or not: the same reads, the same one write. What
//! an account makes necessary beyond that is done after the answer. The link goes to the address that the account has,
//! and to no other (E4).

use std::collections::BTreeMap;

use super::change_access::change_access_from;
use super::links::{self, Dead, Wanted};
use super::set_password::{self, NotSet};
use super::sign_in::{self, Context};
use super::{Fault, guard};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::mail::{Address, NewLink, Purpose, Template};
use crate::domain::people::password::Rules;
use crate::domain::people::user::UserState;
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::kernel::time::MINUTE;
use crate::store::audit::{Event, note};
use crate::store::users::{self, Candidate, User};

/// Whoever asks for a link for a new password, or holds one.
const HOLDER: Actor = Actor::Link("reset_password");

/// By what way the link is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By mail.
    Mail,
    /// By a text message.
    Sms,
}

/// What whoever asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The one answer, whoever was meant.
    Done,
    /// Too much was asked for from there.
    Paused {
        /// When to come back.
        seconds: i64,
    },
}

/// Counts a request for a message; the pause when there were too many from this network. How many links an account gets is
/// the door's to count.
pub(super) async fn count(app: &App, address: &str) -> Result<Option<Asked>, sqlx::Error> {
    Ok(guard::may_ask(app, address).await?.map(|seconds| Asked::Paused { seconds }))
}

/// Asks for a link to set a new password with. Nothing in the answer, and nothing in its time, tells whether an account
/// is meant.
///
/// # Errors
/// The database's.
pub async fn ask(app: &App, identifier: &str, context: Context, by: By, origin: &Origin) -> Result<Asked, Fault> {
    if let Some(paused) = count(app, &origin.address).await? {
        return Ok(paused);
    }
    let now = app.now();
    let chosen = sign_in::the_one_meant(&mut app.db.read().await?, identifier, &context).await?;
    let detail = sign_in::detail(identifier, &origin.address);
    let user = chosen.as_ref().map(|candidate| candidate.id.as_str().to_owned());
    let noted: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let kind = "password.forgotten";
                note(tx, &Event { at: now, kind, org: None, user, application: None, detail }).await
            })
        })
        .await;
    noted?;
    if let Some(candidate) = chosen {
        let (app, origin) = (app.clone(), origin.clone());
        tokio::spawn(async move { send(&app, &candidate, by, &origin).await });
    }
    Ok(Asked::Done)
}

/// After the answer: the link, if the account may have one.
async fn send(app: &App, candidate: &Candidate, by: By, origin: &Origin) {
    let (user, link) = match link_for(app, candidate, by).await {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(%error, "a link for a forgotten password was not made");
            return;
        }
    };
    let actor = if link.purpose == Purpose::SetPassword { set_password::HOLDER } else { HOLDER };
    let change = Change::SendLink { user, link: Box::new(link) };
    if let Err(refusal) = change_access_from(app, &actor, origin, vec![change], Mode::Act).await {
        tracing::warn!(%refusal, "a link for a forgotten password was not sent");
    }
}

/// The link that an account gets: for a new password, or, while it waits for its first one, for that. Accounts whose
/// password isn't Muster's to set get none.
async fn link_for(app: &App, candidate: &Candidate, by: By) -> Result<Option<(UserId, NewLink)>, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let Some(user) = users::find(&mut conn, &candidate.id).await? else { return Ok(None) };
    if candidate.barred {
        return Ok(None); // the organisation has its people sign in elsewhere
    }
    let link = match candidate.state {
        UserState::Active if user.source.connection().is_none() => {
            let Some(to) = address(&user, by) else { return Ok(None) };
            let org = user.kind.org().cloned();
            let language = links::language_for(app, &mut conn, Some(&user), org.as_ref()).await?;
            let (purpose, template) = (Purpose::ResetPassword, Template::ResetPassword);
            let life = app.config.passwords.reset_minutes * MINUTE;
            Some(links::mint(app, Wanted { purpose, template, to, language, org, life, values: values(&user) }))
        }
        UserState::Pending => set_password::another(app, &mut conn, &user).await?,
        UserState::Active | UserState::Suspended | UserState::Deactivated | UserState::Deleted => None,
    };
    Ok(link.map(|link| (user.id, link)))
}

/// Where the account's messages go: by the way that was asked for, else by the other.
fn address(user: &User, by: By) -> Option<Address> {
    let mail = user.profile.email.clone().map(Address::Email);
    // A number that somebody typed opens nothing before it is proven, whoever typed it.
    let proven = user.profile.phone_number_verified;
    let phone = user.profile.phone_number.clone().filter(|_| proven).map(Address::Phone);
    match by {
        By::Mail => mail.or(phone),
        By::Sms => phone.or(mail),
    }
}

/// What messages to somebody about their account are filled with.
pub(super) fn values(user: &User) -> BTreeMap<String, String> {
    BTreeMap::from([("name".to_owned(), user.name.clone()), ("user_name".to_owned(), user.user_name.clone())])
}

/// Whether a link for a new password is good, and then the rules that the password must keep. Nothing is used up.
///
/// # Errors
/// The database's.
pub async fn seen(app: &App, secret: &Secret) -> Result<Result<Rules, Dead>, Fault> {
    Ok(set_password::holder(app, secret, Purpose::ResetPassword).await?.map(|holder| holder.rules))
}

/// Sets a new password with a link, which is used up; every session of the account ends, and its other links die. Whoever
/// did it signs in after that like everybody: the slug of the organisation where they do, if it is one.
///
/// # Errors
/// See [`NotSet`]; the link stays good unless it was used by somebody else.
pub async fn set(app: &App, secret: &Secret, new: Secret, origin: &Origin) -> Result<Option<String>, NotSet> {
    set_password::by_link(app, (secret, Purpose::ResetPassword), new, &HOLDER, origin).await
}
