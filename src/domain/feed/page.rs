//! A page of the feed: what is signed, and where a reader goes on.

use serde_json::{Map, Value};

use super::MOST_ENTRIES;
use super::entry::Numbered;
use crate::kernel::id::OrgId;
use crate::kernel::time::UnixMillis;

/// The `typ` of a page's JOSE header.
pub const TYP: &str = "muster-revocations+jwt";

/// Where a reader is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The last number that was read; `None` before the first page.
    pub after: Option<i64>,
    /// The generation of the page that it stood in, if the reader says.
    pub generation: Option<String>,
}

/// How far the feed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The generation.
    pub generation: String,
    /// Everything up to this number was pruned.
    pub floor: i64,
    /// The last number that was given.
    pub head: i64,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// After this number.
    pub from: i64,
    /// Whether that is not where the reader was.
    pub reset: bool,
}

impl Extent {
    /// Where the next page of a reader begins: where the reader is, or with the oldest that is kept, when the reader is
    /// nowhere yet, in another generation, behind what was pruned, or before what was ever given.
    #[must_use]
    pub fn beginning(&self, position: &Position) -> Beginning {
        let same = position.generation.as_ref().is_none_or(|known| *known == self.generation);
        match position.after {
            Some(after) if same && (self.floor..=self.head).contains(&after) => Beginning { from: after, reset: false },
            Some(_) | None => Beginning { from: self.floor, reset: true },
        }
    }
}

/// A page, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The generation.
    pub generation: String,
    /// Where it begins.
    pub beginning: Beginning,
    /// It tells everything up to and with this number.
    pub to: i64,
    /// Whether that is the end of what is known.
    pub at_end: bool,
    /// Whether what is known is the feed's own end at this moment.
    pub fresh: bool,
    /// What no longer counts.
    pub entries: Vec<Value>,
}

impl Page {
    /// The page of a reader, of rows that follow each other from `beginning` on. There are at most so many entries as a
    /// page may have, and what is for others is left out. Whether it is fresh, its maker says.
    #[must_use]
    pub fn of(extent: &Extent, beginning: Beginning, rows: &[Numbered], org: Option<&OrgId>) -> Self {
        let mut entries = Vec::new();
        // Where there is no row left, they were pruned: nothing up to the end concerns anybody.
        let mut to = if rows.is_empty() { beginning.from.max(extent.head) } else { beginning.from };
        for row in rows {
            if row.is_for(org) {
                if entries.len() == MOST_ENTRIES {
                    break;
                }
                entries.push(row.on_the_wire());
            }
            to = row.seq;
        }
        let generation = extent.generation.clone();
        Self { generation, beginning, to, at_end: to >= extent.head, fresh: false, entries }
    }

    /// Whether it says anything that an earlier page did not.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.beginning.reset || !self.entries.is_empty()
    }

    /// Where its reader is afterwards.
    #[must_use]
    pub fn end(&self) -> Position {
        Position { after: Some(self.to), generation: Some(self.generation.clone()) }
    }

    /// The claims to sign for a reader.
    #[must_use]
    pub fn claims(self, issuer: &str, client_id: &str, now: UnixMillis) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", issuer.into());
        put("aud", client_id.into());
        put("iat", now.seconds().into());
        put("generation", self.generation.into());
        put("from", self.beginning.from.into());
        put("to", self.to.into());
        put("reset", self.beginning.reset.into());
        put("head", (self.fresh && self.at_end).into());
        put("entries", self.entries.into());
        claims
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::feed::entry::Kind;

    fn extent() -> Extent {
        Extent { generation: "g2".to_owned(), floor: 10, head: 20 }
    }

    fn at(after: Option<i64>, generation: Option<&str>) -> Beginning {
        extent().beginning(&Position { after, generation: generation.map(str::to_owned) })
    }

    fn row(seq: i64, org: u128) -> Numbered {
        let (org, subject) = (Some(OrgId::from_u128(org)), format!("fam_{seq}"));
        Numbered { seq, kind: Kind::Family, org, home: None, subject, value: 0 }
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_begins_anew_where_that_is_nowhere() {
        for after in [10, 15, 20] {
            let on = Beginning { from: after, reset: false };
            assert_eq!((at(Some(after), None), at(Some(after), Some("g2"))), (on, on));
        }
        let anew = Beginning { from: 10, reset: true };
        for (after, generation) in [
            (None, None),
            (None, Some("g2")),
            (Some(9), None),
            (Some(0), Some("g2")),
            (Some(21), None),
            (Some(i64::MAX), None),
            (Some(-1), None),
            (Some(15), Some("g1")),
        ] {
            assert_eq!(at(after, generation), anew, "{after:?} {generation:?}");
        }
    }

    #[test]
    fn a_page_passes_over_what_is_for_others_and_says_how_far_it_reaches() {
        let rows: Vec<Numbered> = (16..=20).map(|seq| row(seq, u128::from(seq % 2 == 0))).collect();
        let beginning = at(Some(15), None);
        let own = Page::of(&extent(), beginning, &rows, Some(&OrgId::from_u128(1)));
        assert_eq!((own.to, own.at_end), (20, true));
        assert_eq!(own.entries, [json!(["f", "fam_16"]), json!(["f", "fam_18"]), json!(["f", "fam_20"])]);
        let others = Page::of(&extent(), beginning, &rows, Some(&OrgId::from_u128(7)));
        assert_eq!((others.to, others.entries.len(), others.is_news()), (20, 0, false));
        let part = Page::of(&extent(), beginning, &rows[..2], None);
        assert_eq!((part.to, part.at_end, part.entries.len()), (17, false, 2));
        let none = Page::of(&extent(), beginning, &[], None);
        assert_eq!((none.to, none.at_end), (20, true), "what stood there was pruned");
    }

    #[test]
    fn a_page_is_never_longer_than_it_may_be_and_the_next_one_begins_there() {
        let most = i64::try_from(MOST_ENTRIES).unwrap();
        let extent = Extent { generation: "g".to_owned(), floor: 0, head: most + 5 };
        let rows: Vec<Numbered> = (1..=most + 5).map(|seq| row(seq, 1)).collect();
        let first = Page::of(&extent, extent.beginning(&Position::default()), &rows, None);
        assert_eq!((first.entries.len(), first.to, first.at_end), (MOST_ENTRIES, most, false));
        let next = extent.beginning(&first.end());
        assert_eq!(next, Beginning { from: most, reset: false });
        let second = Page::of(&extent, next, &rows[MOST_ENTRIES..], None);
        assert_eq!((second.entries.len(), second.to, second.at_end), (5, most + 5, true));
    }

    #[test]
    fn the_end_is_the_feeds_only_where_both_say_so() {
        let page = |at_end, fresh| Page {
            generation: "g".to_owned(),
            beginning: Beginning { from: 3, reset: false },
            to: 8,
            at_end,
            fresh,
            entries: vec![json!(["f", "fam_1"])],
        };
        let now = UnixMillis(1_000_999);
        let claims = page(true, true).claims("https://id.example", "orders", now);
        let expected = json!({
            "iss": "https://id.example", "aud": "orders", "iat": 1000, "generation": "g", "from": 3, "to": 8,
            "reset": false, "head": true, "entries": [["f", "fam_1"]],
        });
        assert_eq!(Value::Object(claims), expected);
        for (at_end, fresh) in [(true, false), (false, true), (false, false)] {
            assert_eq!(page(at_end, fresh).claims("i", "a", now)["head"], false);
        }
    }
}
