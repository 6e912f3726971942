//! Looking at the audit record as a whole: whether its chains are whole, and all of it as a file.

use futures_util::Stream;
use futures_util::stream::try_unfold;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::domain::audit::csv_cell;
use crate::kernel::id::OrgId;
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, Chain, Filter, Row};

/// So many rows are read together for a file.
const TOGETHER: usize = 500;

/// The columns of a table, in order.
const COLUMNS: &str = "seq,id,at,actor,action,outcome,kinds,targets,change,address,request_id,detail,hash";

/// An organisation and the state of its chain.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The organisation's slug.
    pub slug: String,
    /// What was found.
    pub chain: Chain,
}

/// Looks at the chain of every organisation, or of the one with a slug.
///
/// # Errors
/// The database's.
pub async fn verify(app: &App, slug: Option<&str>) -> Result<Vec<Verified>, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let orgs = audit::organisations(&mut conn, &after).await?;
        let Some((last, _)) = orgs.last() else { return Ok(found) };
        after = last.as_str().to_owned();
        for (org, own) in orgs {
            if slug.is_none_or(|slug| slug == own) {
                let chain = audit::verify(&mut conn, &org).await?;
                found.push(Verified { slug: own, chain });
            }
        }
    }
}

/// How the record is written as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table (RFC 4180), with a head.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    fn head(self) -> String {
        match self {
            Self::Csv => format!("{COLUMNS}\r\n"),
            Self::JsonLines => String::new(),
        }
    }

    fn line(self, row: &Row) -> String {
        match self {
            Self::Csv => table_line(row),
            Self::JsonLines => format!("{}\n", view(row)),
        }
    }
}

/// An organisation's record on its way into a file: the newest row first, a few hundred rows at a time.
#[derive(Clone)]
pub struct Export {
    app: App,
    org: OrgId,
    filter: Filter,
    format: Format,
    before: Option<i64>,
    head_is_due: bool,
    done: bool,
}

/// Begins a file with the rows of an organisation that fit a filter.
#[must_use]
pub fn export(app: &App, org: &OrgId, filter: Filter, format: Format) -> Export {
    Export { app: app.clone(), org: org.clone(), filter, format, before: None, head_is_due: true, done: false }
}

impl Export {
    /// The next piece of the file; `None` when there is no more.
    ///
    /// # Errors
    /// The database's.
    pub async fn piece(&mut self) -> Result<Option<String>, sqlx::Error> {
        if self.done {
            return Ok(None);
        }
        let rows = {
            let mut conn = self.app.db.read().await?;
            audit::page(&mut conn, &self.org, &self.filter, self.before, TOGETHER).await?
        };
        self.done = rows.len() < TOGETHER;
        self.before = rows.last().and_then(|row| row.seq);
        let mut text = if self.head_is_due { self.format.head() } else { String::new() };
        self.head_is_due = false;
        for row in &rows {
            text.push_str(&self.format.line(row));
        }
        Ok(Some(text))
    }

    /// The whole file as a stream of its pieces.
    pub fn into_stream(self) -> impl Stream<Item = Result<String, sqlx::Error>> + Send {
        try_unfold(self, |mut export| async move {
            let piece = export.piece().await?;
            Ok::<_, sqlx::Error>(piece.map(|text| (text, export)))
        })
    }
}

/// A row as JSON.
#[must_use]
pub fn view(row: &Row) -> Value {
    json!({
        "seq": row.seq,
        "id": row.id,
        "at": moment(row.at),
        "actor": row.actor,
        "action": row.action,
        "outcome": row.outcome,
        "kinds": row.kinds,
        "targets": row.targets,
        "change": row.change,
        "address": row.address,
        "request_id": row.request_id,
        "detail": row.detail,
        "hash": row.hash,
    })
}

fn table_line(row: &Row) -> String {
    let cells = [
        row.seq.map(|seq| seq.to_string()).unwrap_or_default(),
        row.id.to_string(),
        moment(row.at),
        row.actor.clone(),
        row.action.clone(),
        row.outcome.clone(),
        row.kinds.join(" "),
        row.targets.join(" "),
        row.change.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.address.clone(),
        row.request_id.clone(),
        row.detail.to_string(),
        row.hash.clone().unwrap_or_default(),
    ];
    let cells = cells.map(|cell| csv_cell(&cell));
    format!("{}\r\n", cells.join(","))
}

/// A moment as RFC 3339 has it.
#[must_use]
pub fn moment(at: UnixMillis) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::{AuditId, ChangeId};

    fn row(action: &str) -> Row {
        Row {
            id: AuditId::from_u128(1),
            org: Some(OrgId::from_u128(1)),
            seq: Some(7),
            at: UnixMillis(1_800_000_000_000),
            actor: "command_line".to_owned(),
            action: action.to_owned(),
            outcome: "accepted".to_owned(),
            change: Some(ChangeId::from_u128(1)),
            detail: json!({ "sessions": 1 }),
            kinds: vec!["group.create".to_owned(), "binding.create".to_owned()],
            address: String::new(),
            request_id: String::new(),
            targets: vec!["grp_1".to_owned()],
            hash: None,
        }
    }

    #[test]
    fn a_line_of_the_table_has_a_cell_for_each_column() {
        let line = Format::Csv.line(&row("plain"));
        let plain = line.replace("\"{\"\"sessions\"\":1}\"", "{}");
        assert_eq!(plain.trim_end().split(',').count(), COLUMNS.split(',').count(), "{line}");
        assert!(line.starts_with("7,aud_") && line.contains(",2027-01-15T08:00:00Z,command_line,plain,accepted,"));
        assert!(line.contains(",group.create binding.create,grp_1,chg_") && line.ends_with("\r\n"));
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        let line = Format::Csv.line(&row("=HYPERLINK(\"http://evil\")"));
        assert!(line.contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","), "{line}");
    }

    #[test]
    fn a_line_of_json_is_one_line() {
        let line = Format::JsonLines.line(&row("a\nb"));
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["action"], &read["seq"]), (&json!("a\nb"), &json!(7)));
    }
}
