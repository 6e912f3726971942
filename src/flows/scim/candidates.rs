//! What can match a list's filter: by an index where the filter allows it, else everything, batch by batch.

use super::refused::unavailable;
use super::shown::{Row, View};
use crate::domain::scim::error::ScimError;
use crate::domain::scim::filter::Filter;
use crate::domain::scim::plan::{self, Lookup};
use crate::domain::scim::schema::ResourceType;

/// So many rows are read at a time.
pub(super) const BATCH: usize = 500;
/// More than this found by an index are read batch by batch instead.
const MOST_FOUND: usize = 10_000;

/// The resources of one kind that can match, in the order of their ids.
pub(super) struct Candidates {
    kind: ResourceType,
    rest: Rest,
}

enum Rest {
    /// What an index found, the last id first.
    Found(Vec<Row>),
    /// All behind this id, so many at a time.
    Behind(String, usize),
}

impl Candidates {
    /// Those behind an id that can match a filter.
    ///
    /// `batch` is how many are wanted at a time, where there is no filter to leave some out.
    pub async fn behind(
        view: &View<'_>,
        kind: ResourceType,
        filter: Option<&Filter>,
        after: &str,
        batch: usize,
    ) -> Result<Self, ScimError> {
        let Some(filter) = filter else {
            return Ok(Self { kind, rest: Rest::Behind(after.to_owned(), batch.clamp(1, BATCH)) });
        };
        let lookup = plan::lookup(kind, filter);
        // Users share display names; there is no index of theirs.
        let no_index = matches!((kind, &lookup), (_, Lookup::Scan) | (ResourceType::User, Lookup::DisplayName(_)));
        if !no_index {
            let mut conn = view.conn().await?;
            let mut found = view.look_up(&mut conn, kind, &lookup, MOST_FOUND + 1).await.map_err(unavailable)?;
            if found.len() <= MOST_FOUND {
                found.retain(|row| row.id.as_str() > after);
                found.sort_unstable_by(|left, right| right.id.cmp(&left.id));
                return Ok(Self { kind, rest: Rest::Found(found) });
            }
        }
        Ok(Self { kind, rest: Rest::Behind(after.to_owned(), BATCH) })
    }

    /// The next batch; an empty one is the end. No connection to the database is kept in between.
    pub async fn next(&mut self, view: &View<'_>) -> Result<Vec<Row>, ScimError> {
        match &mut self.rest {
            Rest::Found(found) => {
                let keep = found.len().saturating_sub(BATCH);
                let mut batch = found.split_off(keep);
                batch.reverse();
                Ok(batch)
            }
            Rest::Behind(after, batch) => {
                let mut conn = view.conn().await?;
                let rows = view.after(&mut conn, self.kind, after, *batch).await.map_err(unavailable)?;
                if let Some(last) = rows.last() {
                    after.clone_from(&last.id);
                }
                Ok(rows)
            }
        }
    }
}
