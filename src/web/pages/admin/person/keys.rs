//! The tab "Access keys": what is known of somebody's keys, and nothing that is secret.

use super::{Desk, Frame, shell};
use crate::kernel::time::UnixMillis;
use crate::store::access_keys::{self, AccessKey};
use crate::store::db::{Conn, Result};
use crate::store::people_read::Person;
use crate::web::pages::admin::moments::moment;
use crate::web::pages::view::admin::Badge;
use crate::web::pages::view::person::{KeyRow, KeysPage};

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person, frame: Frame) -> Result<KeysPage> {
    let now = desk.app.now();
    let keys = access_keys::of_member(conn, &desk.org, &person.member).await?;
    Ok(KeysPage { shell: shell(desk), frame, rows: keys.into_iter().map(|key| row(key, now)).collect() })
}

fn row(key: AccessKey, now: UnixMillis) -> KeyRow {
    let badge = match key.state.as_str() {
        "ended" => Badge { word: "Ended", class: "off" },
        _ if key.expires_at <= now => Badge { word: "Expired", class: "off" },
        "disabled" => Badge { word: "Disabled", class: "wait" },
        _ => Badge { word: "Active", class: "good" },
    };
    KeyRow {
        id: key.id.into_string(),
        name: key.name,
        project: key.project_key,
        expires: moment(key.expires_at),
        badge,
    }
}
