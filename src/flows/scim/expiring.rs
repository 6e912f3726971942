//! Tokens of connections that end soon: whoever manages the organisation's identities hears of each once.
//!
//! # Why
//! Nothing breaks loudly when such a token ends. People who leave simply keep their access, until somebody wonders.

use crate::app::App;
use crate::domain::connection::ConnectionState;
use crate::domain::language::Language;
use crate::domain::mail::Template;
use crate::domain::people::user::OrgState;
use crate::flows::links;
use crate::flows::notices::{Notice, Said, put};
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::db::Tx;
use crate::store::scim::credentials::{self, Credential};
use crate::store::{alerts, connections, orgs, users};

/// So long before a token ends people are told, in milliseconds.
pub const AHEAD: i64 = 20 * DAY;
/// Of what is younger, whoever made it knows.
const YOUNG: i64 = DAY;
/// So many tokens are told of in one round …
const TOGETHER: i64 = 100;
/// … so many people of each.
const MOST_READERS: i64 = 100;

/// Tells of what ends soon. Several nodes may do it at once; each token is told of by one.
///
/// # Errors
/// The database's.
pub async fn warn(app: &App) -> Result<(), sqlx::Error> {
    let now = app.now();
    let due = {
        let mut conn = app.db.read().await?;
        credentials::ending(&mut conn, (now, now.plus(AHEAD)), now.minus(YOUNG), TOGETHER).await?
    };
    if due.is_empty() {
        return Ok(());
    }
    let fallback = links::fallback(app);
    for credential in due {
        let told: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { tell(tx, &credential, fallback, now).await })).await;
        told?;
    }
    app.outbox_bell.notify_one();
    Ok(())
}

/// Notes that a token is told of, and writes the messages. Nobody needs to hear of one that is over; nor, as long as
/// they don't work, of a connection's or an organisation's.
async fn tell(tx: &mut Tx, credential: &Credential, fallback: Language, now: UnixMillis) -> Result<(), sqlx::Error> {
    let (org, live) = (&credential.org, credential.is_live(now));
    let connection = connections::find(tx, org, &credential.connection).await?;
    let Some(connection) = connection.filter(|found| !live || found.state == ConnectionState::Active) else {
        return Ok(());
    };
    if orgs::find(tx, org).await?.is_none_or(|found| live && found.state != OrgState::Active) {
        return Ok(());
    }
    if !credentials::note_warned(tx, &credential.id, now).await? || !live {
        return Ok(());
    }
    for (user, to) in alerts::managers(tx, org, now, MOST_READERS).await? {
        let Some(reader) = users::find(tx, &user).await? else { continue };
        let values = vec![
            ("connection", Said::Text(connection.name.clone())),
            ("key", Said::Text(credential.name.clone())),
            ("until", Said::Moment(credential.expires_at)),
        ];
        let notice = Notice { template: Template::ScimTokenExpiring, reader: &reader, to: &to, org: Some(org), values };
        put(tx, notice, None, fallback, now).await?;
    }
    Ok(())
}
