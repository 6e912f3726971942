//! The applications that somebody uses or has allowed something, as they see it themselves, and taking it back.

use std::collections::BTreeMap;

use super::end_sessions;
use super::tell::By;
use crate::app::App;
use crate::domain::change::{Ended, Origin};
use crate::domain::oauth::application::Application;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::id::{ApplicationId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{Event, note};
use crate::store::db::Conn;
use crate::store::{my_applications, my_sessions};

/// What an application has of a person.
#[derive(Clone, Debug)]
pub struct Mine {
    /// The application, as it is registered.
    pub application: Application,
    /// What was allowed, and when; `None` where nobody was asked.
    pub allowed: Option<(Vec<String>, UnixMillis)>,
    /// When it was used last, as far as living sessions and tokens tell.
    pub used_at: Option<UnixMillis>,
    /// Whether it is signed in at this moment, or has living tokens.
    pub signed_in: bool,
    /// Whether it may act while the person is away.
    pub offline: bool,
}

/// What of a person's applications was found, before their names are known.
#[derive(Default)]
struct Found {
    allowed: Option<(Vec<String>, UnixMillis)>,
    used_at: Option<UnixMillis>,
    offline: bool,
}

/// The applications of a person, by name; five statements, however many there are.
///
/// # Errors
/// The database's.
pub async fn all(app: &App, conn: &mut Conn, user: &UserId) -> Result<Vec<Mine>, sqlx::Error> {
    let now = app.now();
    let mut found: BTreeMap<ApplicationId, Found> = BTreeMap::new();
    for consent in my_applications::consents(conn, user).await? {
        let scopes = consent.scopes.split_whitespace().map(str::to_owned).collect();
        found.entry(consent.application).or_default().allowed = Some((scopes, consent.at));
    }
    let mut holds = my_applications::by_tokens(conn, user, now).await?;
    holds.extend(my_applications::by_sessions(conn, user, now).await?);
    for hold in holds {
        let line = found.entry(hold.application).or_default();
        line.used_at = line.used_at.max(Some(hold.at));
        line.offline |= hold.offline;
    }
    let mut registered = my_sessions::applications(conn, &found.keys().cloned().collect()).await?;
    let name = |(id, found): (ApplicationId, Found)| {
        let application = registered.remove(&id)?;
        let Found { allowed, used_at, offline } = found;
        Some(Mine { application, allowed, used_at, signed_in: used_at.is_some(), offline })
    };
    let mut all: Vec<Mine> = found.into_iter().filter_map(name).collect();
    all.sort_by(|one, other| one.application.name.cmp(&other.application.name));
    Ok(all)
}

/// Takes back what a person allowed an application: it is asked for again, its tokens die, offline ones too, and it is told
/// to sign the person out. `None` when it has nothing of the person.
///
/// # Errors
/// The database's: then nothing was taken back.
pub async fn withdraw(
    app: &App,
    user: &UserId,
    application: &ApplicationId,
    origin: &Origin,
) -> Result<Option<Ended>, sqlx::Error> {
    let (at, user, application) = (app.now(), user.clone(), application.clone());
    let by = By::new(app, Initiator::User, "the person took back what they allowed");
    let detail = serde_json::json!({ "address": origin.address }).to_string();
    let done: Result<Option<Ended>, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let allowed = my_applications::forget_consent(tx, &user, &application).await?;
                let families = my_applications::end_families(tx, &user, &application, at).await?;
                let tokens = families.len() as u64;
                let mut told = my_applications::leave_sessions(tx, &user, &application).await?;
                if !allowed && families.is_empty() && told.is_empty() {
                    return Ok(None);
                }
                let sessions = told.len() as u64;
                told.extend(families);
                end_sessions::of_families(tx, &by, told, at).await?;
                let (user, application) = (Some(user.into_string()), Some(application.into_string()));
                note(tx, &Event { at, kind: "consent.withdrawn", org: None, user, application, detail }).await?;
                Ok(Some(Ended { sessions, token_families: tokens, access_keys: 0 }))
            })
        })
        .await;
    app.outbox_bell.notify_waiters();
    app.outbox_bell.notify_one();
    done
}
