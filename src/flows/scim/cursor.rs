//! Cursors of lists (RFC 9865): opaque, sealed with the instance key, and good for one connection, one kind of list and
//! one query, for an hour.

use serde::{Deserialize, Serialize};

use super::Asking;
use crate::app::App;
use crate::domain::scim::error::{ScimError, ScimType};
use crate::domain::scim::list::ListQuery;
use crate::domain::scim::schema::ResourceType;
use crate::kernel::secret::Digest;
use crate::kernel::time::{HOUR, UnixMillis};

/// What cursors are sealed for.
const PURPOSE: &str = "scim.cursor";
/// How long a cursor is good, in milliseconds.
const LIFE: i64 = HOUR;
/// The longest cursor that is opened, in bytes; ours stay far below.
const LONGEST: usize = 1_024;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// Behind an id, in the list of the kind that stands at this place among those that were asked for.
    After {
        /// Which kind.
        kind: usize,
        /// The id; empty at the beginning.
        id: String,
    },
    /// So far into an order of the client's own.
    Offset(usize),
}

/// A page's end, and what the list was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Where the page ended.
    pub place: Place,
    /// How many matched when the list began.
    pub total: i64,
    count: Option<i64>,
    query: String,
    made: UnixMillis,
}

/// Seals where a page of a list ended.
pub(super) fn seal(
    app: &App,
    asking: &Asking,
    kinds: &[ResourceType],
    query: &ListQuery,
    (place, total): (Place, i64),
) -> String {
    let cursor = Cursor { place, total, count: query.count, query: digest(query), made: app.now() };
    let text = serde_json::to_vec(&cursor).unwrap_or_default();
    app.sealer.seal_text(PURPOSE, &bound_to(asking, kinds), &text)
}

/// Opens the cursor of a query; `None` for the empty one, which begins a list.
///
/// # Errors
/// `invalidCursor`, `expiredCursor` or `invalidCount`.
pub(super) fn open(
    app: &App,
    asking: &Asking,
    kinds: &[ResourceType],
    query: &ListQuery,
) -> Result<Option<Cursor>, ScimError> {
    let Some(text) = query.cursor.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > LONGEST {
        return Err(invalid());
    }
    let plain = app.sealer.open_text(PURPOSE, &bound_to(asking, kinds), text).map_err(|_| invalid())?;
    let cursor: Cursor = serde_json::from_slice(&plain).map_err(|_| invalid())?;
    judge(cursor, query.count, &digest(query), app.now()).map(Some)
}

fn judge(cursor: Cursor, count: Option<i64>, query: &str, now: UnixMillis) -> Result<Cursor, ScimError> {
    if now.since(cursor.made) >= LIFE {
        let detail = "The cursor is older than an hour; begin the list again.";
        return Err(ScimError::bad(ScimType::ExpiredCursor, detail));
    }
    if cursor.count != count {
        let detail = "count is not what the cursor was made with; begin the list again.";
        return Err(ScimError::bad(ScimType::InvalidCount, detail));
    }
    if cursor.query == query { Ok(cursor) } else { Err(invalid()) }
}

fn invalid() -> ScimError {
    let detail = "The cursor goes with another list or none; send the parameters that it was made with.";
    ScimError::bad(ScimType::InvalidCursor, detail)
}

fn digest(query: &ListQuery) -> String {
    Digest::of(query.fingerprint().as_bytes()).base64url()
}

/// Nobody else's connection, and no list of other kinds.
fn bound_to(asking: &Asking, kinds: &[ResourceType]) -> String {
    kinds.iter().fold(asking.connection.id.to_string(), |place, kind| format!("{place} {}", kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        let place = Place::After { kind: 1, id: "grp_1".to_owned() };
        Cursor { place, total: 7, count: Some(2), query: "q".to_owned(), made: UnixMillis(1_000) }
    }

    fn word(count: Option<i64>, query: &str, now: i64) -> Option<&'static str> {
        judge(cursor(), count, query, UnixMillis(now)).err().and_then(|error| error.kind).map(ScimType::as_str)
    }

    #[test]
    fn a_cursor_is_good_for_its_query_and_an_hour() {
        assert_eq!(word(Some(2), "q", 1_000 + HOUR - 1), None);
        assert_eq!(word(Some(2), "q", 1_000 + HOUR), Some("expiredCursor"));
        assert_eq!(word(Some(3), "q", 1_000), Some("invalidCount"));
        assert_eq!(word(None, "q", 1_000), Some("invalidCount"));
        assert_eq!(word(Some(2), "p", 1_000), Some("invalidCursor"));
    }

    #[test]
    fn a_cursor_reads_back() {
        for place in [cursor().place, Place::Offset(40)] {
            let cursor = Cursor { place, ..cursor() };
            let text = serde_json::to_vec(&cursor).unwrap();
            assert!(text.len() < LONGEST / 2);
            assert_eq!(serde_json::from_slice::<Cursor>(&text).unwrap(), cursor);
        }
    }
}
