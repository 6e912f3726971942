//! Questions for many resources and their answer: RFC 7644 §3.4.2 and §3.4.3, RFC 9865.

use serde_json::{Value, json};

use super::Object;
use super::error::ScimError;
use super::filter::{Filter, parse_filter};
use super::path::parse_attr;
use super::project::Projection;
use super::sort::Sort;

/// The schema of the answer.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// How many resources a page has when nobody says.
pub const DEFAULT_COUNT: i64 = 100;
/// How many it has at most.
pub const MOST: i64 = 1000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order.
    pub sort: Option<Sort>,
    /// The first one's place, from 1.
    pub start_index: i64,
    /// How many, 0 to [`MOST`].
    pub count: Option<i64>,
    /// The page to go on with; empty asks for the first.
    pub cursor: Option<String>,
    /// Which attributes.
    pub projection: Projection,
}

/// The parameters as texts, wherever they stood.
#[derive(Default)]
struct Words {
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    cursor: Option<String>,
    attributes: Option<String>,
    excluded: Option<String>,
}

impl Words {
    fn put(&mut self, name: &str, value: String) {
        let place = match name.to_ascii_lowercase().as_str() {
            "filter" => &mut self.filter,
            "sortby" => &mut self.sort_by,
            "sortorder" => &mut self.sort_order,
            "startindex" => &mut self.start_index,
            "count" => &mut self.count,
            "cursor" => &mut self.cursor,
            "attributes" => &mut self.attributes,
            "excludedattributes" => &mut self.excluded,
            // RFC 7644 §3.4.2: what we don't know is ignored.
            _ => return,
        };
        *place = Some(value);
    }

    fn read(self) -> Result<ListQuery, ScimError> {
        let filter = said(self.filter).map(|text| parse_filter(&text)).transpose()?;
        let sort = match said(self.sort_by) {
            None => None,
            Some(by) => Some(Sort { by: parse_attr(by.trim())?, descending: descending(self.sort_order)? }),
        };
        let start_index = whole("startIndex", said(self.start_index))?.map_or(1, |index| index.max(1));
        let count = whole("count", said(self.count))?.map(|count| count.clamp(0, MOST));
        let projection = Projection::parse(self.attributes.as_deref(), self.excluded.as_deref())?;
        Ok(ListQuery { filter, sort, start_index, count, cursor: self.cursor, projection })
    }
}

impl ListQuery {
    /// Reads a query's parameters, their names in any case; of a name that stands twice the last counts.
    ///
    /// # Errors
    /// 400, with the word for the parameter that can't be read.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let mut words = Words::default();
        for (name, value) in pairs {
            words.put(name, value.clone());
        }
        words.read()
    }

    /// Reads a `SearchRequest`.
    ///
    /// # Errors
    /// 400, with the word for the member that can't be read.
    pub fn from_search(body: &Value) -> Result<Self, ScimError> {
        let members = body.as_object().ok_or_else(|| ScimError::syntax("The body must be a SearchRequest."))?;
        let mut words = Words::default();
        for (name, value) in members {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Array(names) => {
                    let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
                    match names {
                        Some(names) => names.join(","),
                        None => return Err(ScimError::syntax(format!("{name} must be a list of texts."))),
                    }
                }
                Value::Bool(_) | Value::Object(_) => {
                    return Err(ScimError::syntax(format!("{name} must be a text, a number or a list of texts.")));
                }
            };
            words.put(name, text);
        }
        words.read()
    }

    /// How many resources the page has at most.
    #[must_use]
    pub fn page(&self) -> i64 {
        self.count.unwrap_or(DEFAULT_COUNT)
    }

    /// Everything but the cursor, as one text: a cursor goes with the question that it came from (RFC 9865 §2.1).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let Self { filter, sort, start_index, count, cursor: _, projection } = self;
        format!("{filter:?}|{sort:?}|{start_index}|{count:?}|{projection:?}")
    }
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn descending(order: Option<String>) -> Result<bool, ScimError> {
    match said(order).map(|order| order.trim().to_ascii_lowercase()).as_deref() {
        None | Some("ascending") => Ok(false),
        Some("descending") => Ok(true),
        Some(_) => Err(ScimError::value("sortOrder is ascending or descending.")),
    }
}

/// A whole number; one that is too large for us counts as the largest.
fn whole(name: &str, text: Option<String>) -> Result<Option<i64>, ScimError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScimError::value(format!("{name} must be a whole number.")));
    }
    Ok(Some(text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX })))
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Listed {
    /// How many there are in all.
    pub total: i64,
    /// The first one's place, with pages by index.
    pub start_index: Option<i64>,
    /// Where the next page begins, with pages by cursor; absent at the end.
    pub next_cursor: Option<String>,
    /// The page.
    pub resources: Vec<Object>,
}

impl Listed {
    /// The `ListResponse`.
    #[must_use]
    pub fn body(self) -> Value {
        let mut body = json!({ "schemas": [LIST_RESPONSE], "totalResults": self.total });
        body["itemsPerPage"] = self.resources.len().into();
        if let Some(start_index) = self.start_index {
            body["startIndex"] = start_index.into();
        }
        if let Some(cursor) = self.next_cursor {
            body["nextCursor"] = cursor.into();
        }
        body["Resources"] = Value::Array(self.resources.into_iter().map(Value::Object).collect());
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scim::error::ScimType;

    fn query(text: &str) -> Result<ListQuery, ScimError> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        ListQuery::from_pairs(&pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn places_and_counts_are_brought_into_bounds() {
        for (text, start_index, count) in [
            ("", 1, None),
            ("startindex=0&Count=-5", 1, Some(0)),
            ("startIndex=-1&count=0", 1, Some(0)),
            ("startIndex=101&count=1000", 101, Some(1000)),
            ("count=99999999999999999999&startIndex=99999999999999999999", i64::MAX, Some(1000)),
            ("count=&startIndex=", 1, None),
        ] {
            let query = query(text).unwrap();
            assert_eq!((query.start_index, query.count), (start_index, count), "{text}");
        }
        assert_eq!(query("").unwrap().page(), 100);
        for bad in ["count=ten", "startIndex=1.5", "count=+", "sortBy=userName&sortOrder=up"] {
            assert_eq!(query(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    // the queries of Okta, Entra, OneLogin and Keycloak's client, as they arrive after percent-decoding
    #[test]
    fn the_queries_that_clients_send_are_read() {
        for text in [
            "filter=userName eq \"test.user@okta.local\"&startIndex=1&count=100",
            "filter=userName eq \"onelogin-test-user01\"&",
            "filter=userName eq \"AzureAD_Test-2a3c0c1e\"",
            "filter=emails[type eq \"work\"].value eq \"a@b\"",
            "filter=id eq \"U\" and manager eq \"M\"&attributes=id",
            "filter=displayName EQ \"x\"&excludedAttributes=members",
            "attributes=emails[type eq \"work\"]",
            "unknown=1&sortBy=meta.lastModified&sortOrder=Descending",
        ] {
            assert!(query(text).is_ok(), "{text}: {:?}", query(text).err());
        }
        assert_eq!(query("filter=userName regex \"x\"").unwrap_err().kind, Some(ScimType::InvalidFilter));
        assert!(query("attributes=id&excludedAttributes=members").is_err());
    }

    #[test]
    fn a_search_request_asks_what_a_query_asks() {
        let searched = ListQuery::from_search(&json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["displayName", "userName"], "filter": "displayName sw \"smith\"",
            "startIndex": 1, "count": 10
        }))
        .unwrap();
        let asked =
            query("attributes=displayName,userName&filter=displayName sw \"smith\"&startIndex=1&count=10").unwrap();
        assert_eq!(searched.fingerprint(), asked.fingerprint());
        assert!(ListQuery::from_search(&json!([])).is_err());
        assert!(ListQuery::from_search(&json!({ "filter": { "a": 1 } })).is_err());
        assert!(ListQuery::from_search(&json!({ "attributes": [1] })).is_err());
    }

    #[test]
    fn a_cursor_goes_with_its_question() {
        let first = query("cursor=&count=10").unwrap();
        assert_eq!(first.cursor.as_deref(), Some(""));
        assert_eq!(first.fingerprint(), query("cursor=abc&count=10").unwrap().fingerprint());
        for other in ["count=11", "count=10&filter=userName pr", "count=10&attributes=id", "count=10&sortBy=id"] {
            assert_ne!(first.fingerprint(), query(other).unwrap().fingerprint(), "{other}");
        }
    }

    #[test]
    fn an_empty_answer_has_its_list_and_its_numbers() {
        let body = Listed { total: 0, start_index: Some(1), next_cursor: None, resources: Vec::new() }.body();
        let expected = json!({ "schemas": [LIST_RESPONSE], "totalResults": 0, "itemsPerPage": 0, "startIndex": 1,
            "Resources": [] });
        assert_eq!(body, expected);
        let page =
            Listed { total: 5, start_index: None, next_cursor: Some("c".into()), resources: vec![Object::new()] };
        let body = page.body();
        assert_eq!((body["itemsPerPage"].as_i64(), body["nextCursor"].as_str()), (Some(1), Some("c")));
        assert!(body.get("startIndex").is_none());
    }
}
