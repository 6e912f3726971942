//! Status lists: a token's place in one, and the lists as they are sent.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::app::App;
use crate::app::feed::StatusList;
use crate::domain::feed::ALG;
use crate::domain::feed::status_list::{self, Bits, INDEXES, TYP};
use crate::domain::oauth::application::Application;
use crate::flows::Fault;
use crate::kernel::secret::Digest;
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::access_keys::Standing;
use crate::store::db::Conn;
use crate::store::families::Family;
use crate::store::status_list::{self as rows, Place};

/// Lists are made one after the other: whoever waited finds the one that was made meanwhile.
static MAKING: Mutex<()> = Mutex::const_new(());

/// The `status` claim of a family's access tokens, where the application asks for one.
///
/// # Errors
/// The database's.
pub async fn of_family(
    app: &App,
    conn: &mut Conn,
    family: &Family,
    application: &Application,
) -> Result<Option<Value>, sqlx::Error> {
    if !application.status_list {
        return Ok(None);
    }
    let least_acv = family.standing.member.as_ref().map_or(0, |member| member.acv_least);
    let place = Place { holder: family.id.as_str().to_owned(), least_acv, since: 0 };
    let until = family.standing.expires_at.plus(app.config.tokens.access_secs * SECOND);
    reference(app, conn, place, until).await.map(Some)
}

/// The `status` claim of a tool's token, where it is for a resource whose application asks for one.
///
/// # Errors
/// The database's.
pub async fn of_key(app: &App, conn: &mut Conn, key: &Standing, wanted: bool) -> Result<Option<Value>, sqlx::Error> {
    let Some(member) = key.member.as_ref().filter(|_| wanted) else {
        return Ok(None);
    };
    let place = Place { holder: key.id.as_str().to_owned(), least_acv: member.acv_least, since: key.tokens_from.0 };
    reference(app, conn, place, key.expires_at).await.map(Some)
}

/// The reference to a place; given out at its first token.
async fn reference(app: &App, conn: &mut Conn, place: Place, until: UnixMillis) -> Result<Value, sqlx::Error> {
    if let Some(index) = rows::find(conn, &place).await? {
        return Ok(status_list::reference(app.issuer(), index));
    }
    let given: Result<i64, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { rows::give(tx, &place, until).await })).await;
    Ok(status_list::reference(app.issuer(), given?))
}

/// The list with this number as it is sent; `None` when none of its indexes was given out.
///
/// # Errors
/// The database's; no key signs.
pub async fn list(app: &App, number: i64) -> Result<Option<Arc<StatusList>>, Fault> {
    if let Some(made) = app.status_lists.get(&number) {
        return Ok(Some(made));
    }
    let _one_after_the_other = MAKING.lock().await;
    if let Some(made) = app.status_lists.get(&number) {
        return Ok(Some(made));
    }
    let mut conn = app.db.read().await?;
    if number < 0 || number.saturating_mul(INDEXES) >= rows::given(&mut conn).await? {
        return Ok(None);
    }
    let now = app.now();
    let valid = rows::valid(&mut conn, number, now).await?;
    drop(conn);
    let bits = Bits::of(number, &valid);
    let claims = status_list::claims(app.issuer(), number, &bits, now);
    let body = app.keyring.sign(ALG, TYP, &claims, now)?;
    // A weak one: it changes with what the list says, and often enough that nobody keeps one that has run out.
    let said = format!("{} {} {}", number, now.seconds() / status_list::TTL_SECS, claims["status_list"]);
    let etag = format!("W/\"{}\"", &Digest::of(said.as_bytes()).base64url()[..22]);
    let made = Arc::new(StatusList { body, etag });
    app.status_lists.insert(number, Arc::clone(&made));
    Ok(Some(made))
}
