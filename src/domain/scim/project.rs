//! Which attributes an answer has: what was asked for (RFC 7644 §3.9), and each attribute's `returned`.

use serde_json::Value;

use super::Object;
use super::error::ScimError;
use super::path::{AttrPath, parse_attr};
use super::schema::{Attribute, ResourceType, Returned, Schema};
use super::target::resolve;

/// So many names one list may have.
const MOST_NAMES: usize = 256;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// These alone, if it was said.
    only: Option<Vec<AttrPath>>,
    /// All but these.
    except: Vec<AttrPath>,
}

/// What the lists say of one attribute.
#[derive(Default)]
struct Mentioned {
    whole: bool,
    subs: Vec<&'static Attribute>,
}

impl Projection {
    /// What is returned when nobody says otherwise.
    pub const ALL: Self = Self { only: None, except: Vec::new() };

    /// Reads the parameters: names with commas between them. An empty list counts as none.
    ///
    /// # Errors
    /// `invalidValue` when both are given (§3.9: they exclude each other), `invalidPath` when a name can't be read.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, ScimError> {
        let only = attributes.map(names).transpose()?.filter(|names| !names.is_empty());
        let except = excluded.map(names).transpose()?.unwrap_or_default();
        if only.is_some() && !except.is_empty() {
            return Err(ScimError::value("attributes and excludedAttributes exclude each other."));
        }
        Ok(Self { only, except })
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::ALL
    }

    /// Whether an answer has the attribute, or a part of it: what is not wanted need not be read.
    #[must_use]
    pub fn wants(&self, kind: ResourceType, top: &str) -> bool {
        let Some(attribute) = kind.attribute(top) else { return false };
        match returned(attribute) {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Request | Returned::Default => {
                let listed = |paths: &[AttrPath]| mentioned(kind, paths, None, attribute);
                match &self.only {
                    Some(only) => {
                        let said = listed(only);
                        said.whole || !said.subs.is_empty()
                    }
                    None => attribute.returned == Returned::Default && !listed(&self.except).whole,
                }
            }
        }
    }

    /// What of a resource is returned.
    #[must_use]
    pub fn apply(&self, kind: ResourceType, object: Object) -> Object {
        let mut shown = Object::new();
        for (name, value) in object {
            let kept = match (kind.extension(&name), value) {
                (Some(schema), Value::Object(parts)) => {
                    let parts: Object = parts
                        .into_iter()
                        .filter_map(|(name, value)| {
                            let kept = self.show(kind, Some(schema), schema.attribute(&name)?, value)?;
                            Some((name, kept))
                        })
                        .collect();
                    (!parts.is_empty()).then_some(Value::Object(parts))
                }
                (_, value) => kind.attribute(&name).and_then(|attribute| self.show(kind, None, attribute, value)),
            };
            if let Some(value) = kept {
                shown.insert(name, value);
            }
        }
        // RFC 7643 §3: `schemas` names the schemas of what is there.
        let absent: Vec<&str> =
            kind.extensions().iter().map(|schema| schema.urn).filter(|urn| !shown.contains_key(*urn)).collect();
        if let Some(Value::Array(urns)) = shown.get_mut("schemas") {
            urns.retain(|urn| !urn.as_str().is_some_and(|urn| absent.contains(&urn)));
        }
        shown
    }

    fn show(
        &self,
        kind: ResourceType,
        extension: Option<&'static Schema>,
        attribute: &'static Attribute,
        value: Value,
    ) -> Option<Value> {
        match returned(attribute) {
            Returned::Never => return None,
            Returned::Always => return Some(value),
            Returned::Default | Returned::Request => {}
        }
        let Some(only) = &self.only else {
            let said = mentioned(kind, &self.except, extension, attribute);
            if said.whole || attribute.returned == Returned::Request {
                return None;
            }
            return parts(attribute, value, &|sub| match sub.returned {
                Returned::Always => true,
                Returned::Never | Returned::Request => false,
                Returned::Default => !said.subs.contains(&sub),
            });
        };
        let said = mentioned(kind, only, extension, attribute);
        if !said.whole && said.subs.is_empty() {
            return None;
        }
        parts(attribute, value, &|sub| match sub.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Default => said.whole || said.subs.contains(&sub),
            Returned::Request => said.subs.contains(&sub),
        })
    }
}

/// `schemas` is as much needed to read a resource as `id` is.
fn returned(attribute: &Attribute) -> Returned {
    if matches!(attribute.name, "id" | "schemas") { Returned::Always } else { attribute.returned }
}

fn names(list: &str) -> Result<Vec<AttrPath>, ScimError> {
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > MOST_NAMES {
        return Err(ScimError::value(format!("A list of attributes has at most {MOST_NAMES} names.")));
    }
    names.into_iter().map(parse_attr).collect()
}

fn mentioned(
    kind: ResourceType,
    paths: &[AttrPath],
    extension: Option<&'static Schema>,
    attribute: &'static Attribute,
) -> Mentioned {
    let mut said = Mentioned::default();
    for target in paths.iter().filter_map(|path| resolve(kind, path)) {
        if target.extension.map(|schema| schema.urn) != extension.map(|schema| schema.urn) {
            continue;
        }
        match (target.attribute, target.sub) {
            (None, _) => said.whole = true,
            (Some(one), None) if one.name == attribute.name => said.whole = true,
            (Some(one), Some(sub)) if one.name == attribute.name => said.subs.push(sub),
            (Some(_), _) => {}
        }
    }
    said
}

/// The value with the wanted sub-attributes; nothing, if it has none.
fn parts(attribute: &'static Attribute, value: Value, wanted: &dyn Fn(&'static Attribute) -> bool) -> Option<Value> {
    match value {
        Value::Object(object) => {
            let kept: Object = object.into_iter().filter(|(name, _)| attribute.sub(name).is_some_and(wanted)).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let kept: Vec<Value> =
                elements.into_iter().filter_map(|element| parts(attribute, element, wanted)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::scim::schema::{ENTERPRISE_URN, USER_URN};

    fn user() -> Object {
        let user = json!({
            "schemas": [USER_URN, ENTERPRISE_URN], "id": "usr_1", "userName": "ana", "password": "no",
            "name": { "givenName": "Ana", "familyName": "Kim" },
            "emails": [{ "value": "a@b.c", "type": "work", "primary": true }, { "type": "home" }],
            ENTERPRISE_URN: { "department": "R", "manager": { "value": "usr_2", "displayName": "Bo" } },
            "meta": { "resourceType": "User", "version": "W/\"1\"" }
        });
        user.as_object().unwrap().clone()
    }

    fn shown(attributes: Option<&str>, excluded: Option<&str>) -> Value {
        Value::Object(Projection::parse(attributes, excluded).unwrap().apply(ResourceType::User, user()))
    }

    #[test]
    fn named_attributes_come_with_id_and_schemas_and_nothing_else() {
        let core = json!([USER_URN]);
        assert_eq!(shown(Some("USERNAME"), None), json!({ "schemas": core, "id": "usr_1", "userName": "ana" }));
        assert_eq!(
            shown(Some("name.givenName, emails.value"), None),
            json!({ "schemas": core, "id": "usr_1", "name": { "givenName": "Ana" }, "emails": [{ "value": "a@b.c" }] })
        );
        let urn = format!("{ENTERPRISE_URN}:department");
        assert_eq!(shown(Some(&urn), None)[ENTERPRISE_URN], json!({ "department": "R" }));
        assert_eq!(shown(Some(ENTERPRISE_URN), None)[ENTERPRISE_URN], user()[ENTERPRISE_URN]);
        let full = format!("{USER_URN}:userName");
        assert_eq!(shown(Some(&full), None)["userName"], "ana");
        assert_eq!(shown(Some("emails[type eq \"work\"]"), None)["emails"], user()["emails"]);
        assert_eq!(shown(Some("nothing"), None), json!({ "schemas": core, "id": "usr_1" }));
    }

    #[test]
    fn excluded_attributes_are_left_out_but_for_those_that_are_always_there() {
        let shown_value = shown(None, Some("id,schemas,emails.type,meta,name"));
        assert_eq!(shown_value["id"], "usr_1");
        assert_eq!(shown_value["emails"], json!([{ "value": "a@b.c", "primary": true }]));
        assert!(shown_value.get("meta").is_none() && shown_value.get("name").is_none());
        let manager = format!("{ENTERPRISE_URN}:manager.displayName");
        assert_eq!(shown(None, Some(&manager))[ENTERPRISE_URN]["manager"], json!({ "value": "usr_2" }));
        let whole = shown(None, Some(ENTERPRISE_URN));
        assert!(whole.get(ENTERPRISE_URN).is_none());
        assert_eq!(whole["schemas"], json!([USER_URN]));
    }

    #[test]
    fn a_password_is_never_shown() {
        assert!(shown(Some("password"), None).get("password").is_none());
        assert!(shown(None, None).get("password").is_none());
        assert!(shown(None, Some("userName")).get("password").is_none());
    }

    #[test]
    fn what_is_not_wanted_need_not_be_read() {
        let of = |attributes, excluded| Projection::parse(attributes, excluded).unwrap();
        let group = ResourceType::Group;
        assert!(of(None, None).wants(group, "members") && of(None, None).is_default());
        assert!(!of(None, Some("members")).wants(group, "members"));
        assert!(of(None, Some("members.display")).wants(group, "members"));
        assert!(!of(Some("displayName"), None).wants(group, "members"));
        assert!(of(Some("MEMBERS.value"), None).wants(group, "members"));
        assert!(of(Some("displayName"), None).wants(group, "id"));
        assert!(!of(Some("password"), None).wants(ResourceType::User, "password"));
        assert!(of(Some(""), Some("")).is_default() && !of(Some("id"), None).is_default());
        assert!(Projection::parse(Some("id"), Some("members")).is_err());
        assert!(Projection::parse(Some("a b c"), None).is_err());
    }
}
