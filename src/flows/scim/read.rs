//! One resource, or a list: filtered, sorted, by index or by cursor.
//!
//! Lists are in the order of ids, users before groups. A filter's most selective part becomes an indexed lookup, and
//! what that finds is judged by the whole filter; where no index helps, all of the connection's resources are read in
//! batches. Without a filter nothing is counted: the connection's row says how many there are.

use std::collections::BTreeMap;

use super::Asking;
use super::candidates::{BATCH, Candidates};
use super::cursor::{self, Place};
use super::refused::unavailable;
use super::shown::{Row, View, relation};
use super::wanted_members::WantedMembers;
use crate::app::App;
use crate::domain::scim::Object;
use crate::domain::scim::error::{ScimError, ScimType};
use crate::domain::scim::evaluate;
use crate::domain::scim::list::{DEFAULT_COUNT, ListQuery, Listed, MOST};
use crate::domain::scim::project::Projection;
use crate::domain::scim::schema::ResourceType;
use crate::domain::scim::sort::{Sort, order};
use crate::store::db::{Conn, Result as StoreResult};

/// So many matches are put into an order of the client's own.
const MOST_SORTED: usize = 10_000;

/// A resource as it is answered, and the version that it stands at.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The resource.
    pub object: Object,
    /// Its version.
    pub version: i64,
}

/// A resource by its id.
///
/// # Errors
/// 404 for what is not there or another connection's; 503.
pub async fn get(
    app: &App,
    asking: &Asking,
    kind: ResourceType,
    id: &str,
    projection: &Projection,
) -> Result<Shown, ScimError> {
    let view = View::new(app, asking);
    let mut conn = view.conn().await?;
    let related = projection.wants(kind, relation(kind));
    one(&view, &mut conn, (kind, id), projection, related).await
}

/// A resource as it is stored now; with its groups or members only if they are wanted.
pub(super) async fn one(
    view: &View<'_>,
    conn: &mut Conn,
    (kind, id): (ResourceType, &str),
    projection: &Projection,
    related: bool,
) -> Result<Shown, ScimError> {
    let found = view.find(conn, kind, id).await.map_err(unavailable)?;
    let mut rows = [found.ok_or_else(|| missing(kind))?];
    if related {
        view.put_relations(conn, &mut rows, &[kind]).await.map_err(unavailable)?;
    }
    let [row] = rows;
    Ok(Shown { object: projection.apply(kind, row.object), version: row.version })
}

/// 404 for a resource.
pub(super) fn missing(kind: ResourceType) -> ScimError {
    ScimError::not_found(match kind {
        ResourceType::User => "The user",
        ResourceType::Group => "The group",
    })
}

/// The resources of some kinds that match a query, or a page of them.
///
/// # Errors
/// `invalidFilter`; `invalidCursor`, `expiredCursor`, `invalidCount`; `tooMany` where very many are to be sorted; 503.
pub async fn list(app: &App, asking: &Asking, kinds: &[ResourceType], query: &ListQuery) -> Result<Listed, ScimError> {
    if let Some(filter) = &query.filter {
        evaluate::check(kinds, filter, asking.profile().is_strict())?;
    }
    let wanted = usize::try_from(query.count.unwrap_or(DEFAULT_COUNT).clamp(0, MOST)).unwrap_or(0);
    let start = query.start_index.max(1);
    let members = WantedMembers::of(query.filter.as_ref());
    let mut list = List { view: View::new(app, asking), kinds, query, wanted, members };
    if query.cursor.is_some() {
        return list.by_cursor().await;
    }
    let skip = usize::try_from(start - 1).unwrap_or(usize::MAX);
    let (total, rows) = match (&query.sort, &query.filter) {
        (Some(sort), _) => list.sorted(sort, skip).await?,
        (None, None) => (list.owned(), list.at_offset(skip).await?),
        (None, Some(_)) => list.matching(skip).await?,
    };
    let (resources, _) = list.shown(rows).await?;
    Ok(Listed { total, start_index: Some(start), next_cursor: None, resources })
}

/// A list that is asked for.
struct List<'a> {
    view: View<'a>,
    kinds: &'a [ResourceType],
    query: &'a ListQuery,
    /// How many are to be shown at most.
    wanted: usize,
    members: WantedMembers,
}

impl List<'_> {
    /// How many the connection owns of these kinds.
    fn owned(&self) -> i64 {
        self.kinds.iter().map(|kind| self.view.total(*kind)).sum()
    }

    /// A page of everything.
    async fn at_offset(&self, skip: usize) -> Result<Vec<Row>, ScimError> {
        let mut rows = Vec::new();
        let mut skip = skip;
        for kind in self.kinds {
            let there = usize::try_from(self.view.total(*kind)).unwrap_or(0);
            let missing = self.wanted - rows.len();
            if missing > 0 && skip < there {
                let mut conn = self.view.conn().await?;
                let page = self.view.at_offset(&mut conn, *kind, (skip, missing)).await.map_err(unavailable)?;
                rows.extend(page);
            }
            skip = skip.saturating_sub(there);
        }
        Ok(rows)
    }

    /// How many match, and a page of them.
    async fn matching(&mut self, skip: usize) -> Result<(i64, Vec<Row>), ScimError> {
        let (mut seen, mut rows) = (0_usize, Vec::new());
        for place in 0..self.kinds.len() {
            let mut from = self.candidates(place, "").await?;
            while let Some(batch) = self.batch(place, &mut from).await? {
                let left = skip.saturating_sub(seen);
                seen += batch.len();
                let missing = self.wanted - rows.len();
                rows.extend(batch.into_iter().skip(left).take(missing));
            }
        }
        Ok((count(seen), rows))
    }

    /// How many match, and a page of them in the client's order.
    async fn sorted(&mut self, sort: &Sort, skip: usize) -> Result<(i64, Vec<Row>), ScimError> {
        if self.query.filter.is_none() && self.owned() > count(MOST_SORTED) {
            return Err(too_many());
        }
        let mut all = Vec::new();
        for place in 0..self.kinds.len() {
            let mut rows = Vec::new();
            let mut from = self.candidates(place, "").await?;
            while let Some(batch) = self.batch(place, &mut from).await? {
                rows.extend(batch);
                if all.len() + rows.len() > MOST_SORTED {
                    return Err(too_many());
                }
            }
            all.extend(put_in_order(self.kinds[place], sort, rows));
        }
        let total = count(all.len());
        Ok((total, all.into_iter().skip(skip).take(self.wanted).collect()))
    }

    /// The page that a cursor leads to, or the first one.
    async fn by_cursor(&mut self) -> Result<Listed, ScimError> {
        let (app, asking) = (self.view.app, self.view.asking);
        let opened = cursor::open(app, asking, self.kinds, self.query)?;
        let (place, known) = opened.map_or((None, None), |cursor| (Some(cursor.place), Some(cursor.total)));
        if let Some(sort) = &self.query.sort {
            let skip = if let Some(Place::Offset(skip)) = place { skip } else { 0 };
            let (total, rows) = self.sorted(sort, skip).await?;
            let (resources, _) = self.shown(rows).await?;
            let next = Place::Offset(skip + resources.len());
            let more = count(skip + resources.len()) < total;
            return Ok(self.page(resources, total, more.then_some(next)));
        }
        let (kind, after) = match place {
            Some(Place::After { kind, id }) => (kind, id),
            None | Some(Place::Offset(_)) => (0, String::new()),
        };
        let (total, mut rows) = self.behind(kind, &after, known).await?;
        let mut more = rows.len() > self.wanted;
        rows.truncate(self.wanted);
        let places: Vec<Place> = rows.iter().map(|row| self.place_of(row)).collect();
        let (resources, left) = self.shown(rows).await?;
        more |= left > 0;
        let last = resources.len().checked_sub(1).and_then(|at| places.into_iter().nth(at));
        let last = last.unwrap_or(Place::After { kind, id: after });
        Ok(self.page(resources, total, more.then_some(last)))
    }

    /// One more than a page behind a place; and how many match in all, which is counted once, at the beginning.
    async fn behind(&mut self, kind: usize, after: &str, known: Option<i64>) -> Result<(i64, Vec<Row>), ScimError> {
        let enough = self.wanted + 1;
        let known = known.or_else(|| self.query.filter.is_none().then(|| self.owned()));
        let (mut seen, mut rows) = (0, Vec::new());
        for place in kind..self.kinds.len() {
            let mut from = self.candidates(place, if place == kind { after } else { "" }).await?;
            while known.is_none() || rows.len() < enough {
                let Some(batch) = self.batch(place, &mut from).await? else { break };
                seen += batch.len();
                let missing = enough - rows.len();
                rows.extend(batch.into_iter().take(missing));
            }
        }
        Ok((known.unwrap_or_else(|| count(seen)), rows))
    }

    async fn candidates(&self, place: usize, after: &str) -> Result<Candidates, ScimError> {
        // Without a filter one more than the page is enough; an order of the client's own wants them all.
        let batch = if self.query.sort.is_some() { BATCH } else { self.wanted + 1 };
        Candidates::behind(&self.view, self.kinds[place], self.query.filter.as_ref(), after, batch).await
    }

    /// The next candidates that match, possibly none of them; `None` at the end.
    async fn batch(&mut self, place: usize, from: &mut Candidates) -> Result<Option<Vec<Row>>, ScimError> {
        let (kind, query) = (self.kinds[place], self.query);
        let mut rows = from.next(&self.view).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let Some(filter) = &query.filter else {
            return Ok(Some(rows));
        };
        if !evaluate::names(filter, relation(kind)) {
            rows.retain(|row| evaluate::matches(kind, filter, &row.object));
            return Ok(Some(rows));
        }
        let mut matching = Vec::new();
        let mut conn = self.view.conn().await?;
        while !rows.is_empty() {
            let mut part = self.related(&mut conn, kind, &mut rows).await.map_err(unavailable)?;
            part.retain(|row| evaluate::matches(kind, filter, &row.object));
            for row in &mut part {
                row.object.remove(relation(kind));
            }
            matching.append(&mut part);
        }
        Ok(Some(matching))
    }

    /// The first of these rows with their groups or members, as far as the filter asks for them: all rows, unless their
    /// members are very many.
    async fn related(&mut self, conn: &mut Conn, kind: ResourceType, rows: &mut Vec<Row>) -> StoreResult<Vec<Row>> {
        if kind == ResourceType::Group && self.members.put(&self.view, conn, rows).await? {
            return Ok(std::mem::take(rows));
        }
        let fitting = self.view.fitting(conn, rows).await?;
        let rest = rows.split_off(fitting);
        let mut part = std::mem::replace(rows, rest);
        self.view.put_relations(conn, &mut part, &[kind]).await?;
        Ok(part)
    }

    /// The rows as they are answered, and how many were left off because their members are too many for one page.
    async fn shown(&self, mut rows: Vec<Row>) -> Result<(Vec<Object>, usize), ScimError> {
        let projection = &self.query.projection;
        let mut related: Vec<ResourceType> = self.kinds.to_vec();
        related.retain(|kind| projection.wants(*kind, relation(*kind)) && rows.iter().any(|row| row.kind == *kind));
        let mut left = 0;
        if !related.is_empty() {
            let mut conn = self.view.conn().await?;
            if related.contains(&ResourceType::Group) {
                let fitting = self.view.fitting(&mut conn, &rows).await.map_err(unavailable)?;
                left = rows.len() - fitting;
                rows.truncate(fitting);
            }
            self.view.put_relations(&mut conn, &mut rows, &related).await.map_err(unavailable)?;
        }
        Ok((rows.into_iter().map(|row| projection.apply(row.kind, row.object)).collect(), left))
    }

    fn place_of(&self, row: &Row) -> Place {
        let kind = self.kinds.iter().position(|kind| *kind == row.kind).unwrap_or(0);
        Place::After { kind, id: row.id.clone() }
    }

    fn page(&self, resources: Vec<Object>, total: i64, next: Option<Place>) -> Listed {
        let (app, asking) = (self.view.app, self.view.asking);
        let next_cursor = next.map(|place| cursor::seal(app, asking, self.kinds, self.query, (place, total)));
        Listed { total, start_index: None, next_cursor, resources }
    }
}

/// Matches of one kind in the client's order.
fn put_in_order(kind: ResourceType, sort: &Sort, rows: Vec<Row>) -> Vec<Row> {
    let (mut objects, mut rest) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for mut row in rows {
        objects.push(std::mem::take(&mut row.object));
        rest.insert(row.id.clone(), row);
    }
    order(kind, sort, &mut objects);
    let whole = |object: Object| {
        let mut row = rest.remove(object.get("id")?.as_str()?)?;
        row.object = object;
        Some(row)
    };
    objects.into_iter().filter_map(whole).collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn too_many() -> ScimError {
    let detail = format!("More than {MOST_SORTED} resources would have to be sorted; narrow the filter.");
    ScimError::bad(ScimType::TooMany, detail)
}
