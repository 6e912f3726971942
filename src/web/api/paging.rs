//! Pages of lists: a limit, a cursor that says where the next page begins, and nothing counted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// So many rows a page, unless something else is asked for …
const USUAL: usize = 50;
/// … which may be so many at most.
pub const MOST: usize = 200;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows at most: 1 to 200; 50 if none is given.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// Which page of a list, and of which rows.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Those whose name or key has this text in it, without regard to case.
    pub search: Option<String>,
    /// How many rows at most: 1 to 200; 50 if none is given.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// How many rows were asked for.
///
/// # Errors
/// Not 1 to 200.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(USUAL),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid("limit", format!("Use 1 to {MOST}."))),
    }
}

/// Where a page begins: the parts of the last row's place in the order.
///
/// # Errors
/// It is no cursor of ours with this many parts.
pub fn after(cursor: Option<&str>, parts: usize) -> Result<Option<Vec<String>>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let found: Option<Vec<String>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match found {
        Some(found) if found.len() == parts && !found.iter().any(|part| part.contains('\0')) => Ok(Some(found)),
        _ => Err(Problem::invalid("cursor", "Use the `next` of a page, unchanged, with the same filters.")),
    }
}

/// The cursor behind a row.
#[must_use]
pub fn cursor(parts: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(parts).unwrap_or_default())
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows that were read with one more than the limit: the extra one tells that there is a next page.
    #[must_use]
    pub fn of<R>(mut rows: Vec<R>, limit: usize, place: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(place);
        Self { items: rows.into_iter().map(show).collect(), next }
    }

    /// A whole list that was read at once, cut into pages in memory: for lists that are short by their nature.
    ///
    /// # Errors
    /// The limit or the cursor can't be read.
    pub fn cut<R>(
        rows: Vec<R>,
        query: &PageQuery,
        key: impl Fn(&R) -> String,
        show: impl Fn(R) -> T,
    ) -> Result<Self, Problem> {
        let limit = limit(query.limit)?;
        let after = after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop());
        // The list is in the order of its keys, or in another that is stable: the row of the cursor is looked for.
        let begin = match &after {
            None => 0,
            Some(last) => rows.iter().position(|row| key(row) == *last).map_or(rows.len(), |place| place + 1),
        };
        let rows: Vec<R> = rows.into_iter().skip(begin).take(limit + 1).collect();
        Ok(Self::of(rows, limit, |row| cursor(&[&key(row)]), show))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_list_make_the_whole_list() {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let query = PageQuery { limit: Some(2), cursor };
            let page = Page::cut(vec!["a", "b", "c", "d", "e"], &query, |row| (*row).to_owned(), |row| row).unwrap();
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_cursor_that_is_not_ours_and_a_limit_out_of_bounds_are_refused() {
        assert!(after(Some("x"), 1).is_err() && after(Some(&cursor(&["a"])), 2).is_err());
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err() && limit(None).is_ok());
    }
}
