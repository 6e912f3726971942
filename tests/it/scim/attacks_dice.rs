//! What a client that has lost its wits would send: bodies, values, paths and operations of any shape, alike in every
//! run.

use muster::domain::connection::ScimProfile;
use muster::domain::scim::schema::{Attribute, Kind, ResourceType};
use serde_json::{Map, Value, json};

use super::client::{Answer, PATCH_OP, Push, SCIM_JSON, patch_of};
use crate::support::server::Site;

/// So many requests go out before the clock is put forward: the lane of a connection is narrower than this test.
pub const BREATH: usize = 150;

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    fn text(&mut self) -> String {
        let texts = [
            "",
            " ",
            "ana",
            "ANA",
            "a@pushed.test",
            "true",
            "False",
            "null",
            "0",
            "-1",
            "1e9",
            "🦀",
            "é",
            "e\u{301}",
            "ß",
            "İ",
            "\u{202e}evil",
            "\u{feff}",
            "\t",
            "a\nb",
            "\u{1}",
            "\"",
            "\\",
            "'; DROP TABLE users; --",
            "%00",
            "../..",
            "bulkId:x",
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "members[value eq \"x\"]",
            "2024-01-01T00:00:00Z",
            "9999-99-99T99:99:99Z",
            "QUJD",
            "=",
            "usr_00000000000000000000000000",
            "{{7*7}}",
            "<b>",
        ];
        let text = (*self.pick(&texts)).to_owned();
        match self.roll(12) {
            0 => text.repeat(300),
            1 => format!("{text}{}", self.roll(1_000_000)),
            _ => text,
        }
    }

    /// Any JSON at all, so many levels deep at most.
    pub(super) fn value(&mut self, depth: usize) -> Value {
        match self.roll(if depth == 0 { 9 } else { 13 }) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(false),
            3 => json!(self.roll(100)),
            4 => json!(-(self.roll(100) as i64)),
            5 => json!(u64::MAX - self.roll(9) as u64),
            6 => json!(1.5e300),
            7 | 8 => json!(self.text()),
            9 | 10 => (0..self.roll(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let mut object = Map::new();
                for _ in 0..self.roll(4) {
                    let names =
                        ["value", "type", "primary", "display", "$ref", "Value", "members", "op", "path", "schemas"];
                    let name = if self.roll(3) == 0 { self.text() } else { (*self.pick(&names)).to_owned() };
                    object.insert(name, self.value(depth - 1));
                }
                Value::Object(object)
            }
        }
    }

    /// A value of an attribute: of its own type, or of any.
    fn value_of(&mut self, attribute: &Attribute) -> Value {
        if self.roll(3) == 0 {
            return self.value(2);
        }
        if attribute.multi && self.roll(4) > 0 {
            return (0..self.roll(4)).map(|_| self.one_of(attribute)).collect::<Vec<_>>().into();
        }
        self.one_of(attribute)
    }

    fn one_of(&mut self, attribute: &Attribute) -> Value {
        match attribute.kind {
            Kind::Boolean => (*self.pick(&[json!(true), json!(false), json!("True"), json!("no")])).clone(),
            Kind::Integer | Kind::Decimal => json!(self.roll(1000)),
            Kind::Complex => {
                let mut object = Map::new();
                for sub in attribute.sub {
                    if self.roll(2) == 0 {
                        object.insert(self.spelled(sub.name), self.value_of(sub));
                    }
                }
                Value::Object(object)
            }
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference => json!(self.text()),
        }
    }

    fn spelled(&mut self, name: &str) -> String {
        match self.roll(6) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    /// A resource with something, right or wrong, in any of its attributes.
    pub fn resource(&mut self, kind: ResourceType, ids: &[String]) -> Value {
        let mut object = Map::new();
        object.insert("schemas".to_owned(), if self.roll(4) == 0 { self.value(1) } else { json!([kind.schema().urn]) });
        for attribute in kind.schema().attributes {
            if self.roll(3) == 0 {
                object.insert(self.spelled(attribute.name), self.value_of(attribute));
            }
        }
        for extension in kind.extensions() {
            let mut parts = Map::new();
            for attribute in extension.attributes {
                if self.roll(3) == 0 {
                    parts.insert(self.spelled(attribute.name), self.value_of(attribute));
                }
            }
            object.insert(extension.urn.to_owned(), if self.roll(5) == 0 { self.value(2) } else { parts.into() });
        }
        // Often enough it has what it needs, so that the rest is looked at.
        if self.roll(4) > 0 {
            let name = if kind == ResourceType::User { "userName" } else { "displayName" };
            object.retain(|key, _| !key.eq_ignore_ascii_case(name));
            object.insert(name.to_owned(), json!(format!("f{}", self.roll(40))));
        }
        if kind == ResourceType::Group && self.roll(2) == 0 {
            object.retain(|key, _| !key.eq_ignore_ascii_case("members"));
            object.insert("members".to_owned(), json!([{ "value": self.pick(ids) }]));
        }
        Value::Object(object)
    }

    /// A path of a PATCH, or something like one.
    fn path(&mut self, kind: ResourceType, ids: &[String]) -> String {
        let attribute = self.pick(kind.schema().attributes);
        let sub = attribute.sub.first().map_or("value", |sub| sub.name);
        let (name, text, id) = (self.spelled(attribute.name), self.text(), self.pick(ids).clone());
        let literal = serde_json::to_string(&text).unwrap();
        match self.roll(12) {
            0 => name,
            1 => format!("{name}.{sub}"),
            2 => format!("{name}[{sub} eq {literal}]"),
            3 => format!("{name}[{sub} eq {literal}].{sub}"),
            4 => format!("{}:{name}", kind.schema().urn),
            5 => format!("members[value eq \"{id}\"]"),
            6 => format!("members[not (value eq \"{id}\")]"),
            7 => "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager".to_owned(),
            8 => "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User".to_owned(),
            9 => (*self.pick(&["id", "meta", "schemas", "groups", "password", "externalId", "active"])).to_owned(),
            _ => text,
        }
    }

    /// The message of a PATCH, mostly well formed.
    pub fn patch(&mut self, kind: ResourceType, ids: &[String]) -> Value {
        if self.roll(12) == 0 {
            return json!({ "schemas": [PATCH_OP], "Operations": self.value(3) });
        }
        let mut operations = Vec::new();
        for _ in 0..=self.roll(3) {
            let op = *self.pick(&["add", "replace", "remove", "Add", "REPLACE", "Remove", "move", ""]);
            let mut operation = Map::from_iter([("op".to_owned(), json!(op))]);
            if self.roll(5) > 0 {
                let path = if self.roll(12) == 0 { self.value(1) } else { json!(self.path(kind, ids)) };
                operation.insert("path".to_owned(), path);
            }
            if self.roll(6) > 0 {
                let value = match self.roll(5) {
                    0 => self.resource(kind, ids),
                    1 => json!([{ "value": self.pick(ids) }]),
                    2 => {
                        let attribute = self.pick(kind.schema().attributes);
                        self.value_of(attribute)
                    }
                    _ => self.value(3),
                };
                operation.insert("value".to_owned(), value);
            }
            operations.push(Value::Object(operation));
        }
        patch_of(&operations.into())
    }
}

/// Whatever was sent, the answer is SCIM: a resource, a list, nothing, or an error that is the client's.
pub fn is_scim(what: &str, answer: &Answer) {
    assert!(answer.status < 500 && answer.status != 429, "{what}: {} {}", answer.status, answer.json);
    match answer.status {
        202 | 204 | 304 => assert_eq!(answer.json, Value::Null, "{what}"),
        400.. => {
            let (status, _) = answer.error();
            assert!([400, 404, 409, 412, 413, 414, 415].contains(&status), "{what}: {status} {}", answer.json);
            let detail = answer.json["detail"].as_str().unwrap_or_default().to_lowercase();
            let ours = ["sqlx", "select ", "insert ", "constraint", "panicked", "serde", ".rs:"];
            assert!(!ours.iter().any(|word| detail.contains(word)), "{what} tells of our insides: {detail}");
        }
        _ => {
            assert_eq!(answer.header("content-type"), SCIM_JSON, "{what}");
            assert!(answer.json["schemas"].is_array(), "{what}: {}", answer.json);
        }
    }
}

/// A connection of Acme.
pub async fn acme(site: &Site) -> Push {
    let org = site.org("acme").await;
    Push::open(site, &org, ScimProfile::Auto).await
}
