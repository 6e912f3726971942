//! What the name of an attribute means for a type of resource, and the values that are found there.

use std::slice;

use serde_json::Value;

use super::Object;
use super::path::AttrPath;
use super::schema::{Attribute, ResourceType, Schema};

/// An attribute, a part of one, or the whole of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The extension it belongs to; the core schema if none.
    pub extension: Option<&'static Schema>,
    /// The attribute; the whole extension if none.
    pub attribute: Option<&'static Attribute>,
    /// The part of the attribute; all of it if none.
    pub sub: Option<&'static Attribute>,
}

impl Target {
    /// What is named in the end: the part, else the attribute.
    #[must_use]
    pub fn leaf(&self) -> Option<&'static Attribute> {
        self.sub.or(self.attribute)
    }

    /// Where the values lie that stand for this target when it is compared, and what they are: of a complex attribute
    /// its `value` (RFC 7643 §2.4), so that `emails co "x"` and `manager eq "y"` mean something. None if it has none.
    #[must_use]
    pub fn compared(&self) -> Option<(Self, &'static Attribute)> {
        let leaf = self.leaf()?;
        if !leaf.is_complex() {
            return Some((*self, leaf));
        }
        let value = leaf.sub("value")?;
        Some((Self { sub: Some(value), ..*self }, value))
    }
}

/// What a name means; none if the type of resource has nothing of that name. An attribute of an extension may be named
/// without its URN: Entra asks for `manager`.
#[must_use]
pub fn resolve(kind: ResourceType, path: &AttrPath) -> Option<Target> {
    let (extension, attribute) = match &path.urn {
        None => plain(kind, &path.name)?,
        Some(urn) if kind.schema().urn.eq_ignore_ascii_case(urn) => (None, kind.attribute(&path.name)?),
        Some(urn) => {
            let extension = kind.extension(urn)?;
            if path.name.is_empty() {
                return Some(Target { extension: Some(extension), attribute: None, sub: None });
            }
            (Some(extension), extension.attribute(&path.name)?)
        }
    };
    let sub = match &path.sub {
        None => None,
        Some(sub) => Some(attribute.sub(sub)?),
    };
    Some(Target { extension, attribute: Some(attribute), sub })
}

fn plain(kind: ResourceType, name: &str) -> Option<(Option<&'static Schema>, &'static Attribute)> {
    let core = kind.attribute(name).map(|attribute| (None, attribute));
    let extended = || kind.extensions().iter().find_map(|schema| Some((Some(*schema), schema.attribute(name)?)));
    core.or_else(extended)
}

/// All values at a target; those of an attribute with many, one by one.
#[must_use]
pub fn get<'o>(target: &Target, object: &'o Object) -> Vec<&'o Value> {
    let holder = match target.extension {
        None => Some(object),
        Some(extension) => {
            let whole = object.get(extension.urn);
            if target.attribute.is_none() {
                return whole.into_iter().collect();
            }
            whole.and_then(Value::as_object)
        }
    };
    let (Some(holder), Some(attribute)) = (holder, target.attribute) else {
        return Vec::new();
    };
    let values = holder.get(attribute.name).into_iter().flat_map(each);
    match target.sub {
        None => values.collect(),
        Some(sub) => values.flat_map(|value| part(value, sub.name)).collect(),
    }
}

/// The values of a part of a value. Of a value without parts, `value` is the value itself.
pub fn part<'o>(value: &'o Value, name: &str) -> impl Iterator<Item = &'o Value> + use<'o> {
    let found = match value {
        Value::Object(parts) => parts.get(name),
        plain if name == "value" => Some(plain),
        _ => None,
    };
    found.into_iter().flat_map(each)
}

fn each(value: &Value) -> slice::Iter<'_, Value> {
    match value {
        Value::Array(all) => all.iter(),
        one => slice::from_ref(one).iter(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::scim::path::parse_attr;
    use crate::domain::scim::schema::{ENTERPRISE_URN, USER_URN};

    fn of(kind: ResourceType, name: &str) -> Option<Target> {
        resolve(kind, &parse_attr(name).unwrap())
    }

    fn names(name: &str) -> Option<(bool, Option<&'static str>, Option<&'static str>)> {
        let target = of(ResourceType::User, name)?;
        Some((target.extension.is_some(), target.attribute.map(|it| it.name), target.sub.map(|it| it.name)))
    }

    #[test]
    fn names_mean_attributes_in_any_case_with_and_without_their_schema() {
        assert_eq!(names("USERNAME"), Some((false, Some("userName"), None)));
        assert_eq!(names("Name.GivenName"), Some((false, Some("name"), Some("givenName"))));
        assert_eq!(names(&format!("{}:username", USER_URN.to_uppercase())), Some((false, Some("userName"), None)));
        assert_eq!(names("meta.lastmodified"), Some((false, Some("meta"), Some("lastModified"))));
        assert_eq!(names("manager"), Some((true, Some("manager"), None)));
        assert_eq!(names(&format!("{ENTERPRISE_URN}.Manager.$ref")), Some((true, Some("manager"), Some("$ref"))));
        assert_eq!(
            names("urn:scim:schemas:extension:enterprise:1.0.department"),
            Some((true, Some("department"), None))
        );
        assert_eq!(names(ENTERPRISE_URN), Some((true, None, None)));
    }

    #[test]
    fn what_a_type_does_not_have_means_nothing() {
        for name in ["nope", "userName.value", "emails.nope", "members", USER_URN, "urn:example:1:x"] {
            assert_eq!(names(name), None, "{name}");
        }
        let with_urn = format!("{ENTERPRISE_URN}:userName");
        assert_eq!(names(&with_urn), None);
        assert_eq!(of(ResourceType::Group, ENTERPRISE_URN), None);
        assert_eq!(of(ResourceType::Group, "manager"), None);
    }

    #[test]
    fn values_are_found_one_by_one() {
        let user = json!({
            "id": "usr_1", "schemas": ["a", "b"], "name": { "givenName": "Ana" },
            "emails": [{ "value": "a@x", "type": "work" }, { "value": "b@x" }],
            ENTERPRISE_URN: { "department": "R&D", "manager": { "value": "usr_2" } },
        });
        let found = |name: &str| get(&of(ResourceType::User, name).unwrap(), user.as_object().unwrap());
        assert_eq!(found("id"), [&json!("usr_1")]);
        assert_eq!(found("schemas"), [&json!("a"), &json!("b")]);
        assert_eq!(found("name.givenname"), [&json!("Ana")]);
        assert_eq!(found("emails").len(), 2);
        assert_eq!(found("emails.value"), [&json!("a@x"), &json!("b@x")]);
        assert_eq!(found("emails.type"), [&json!("work")]);
        assert_eq!(found("department"), [&json!("R&D")]);
        assert_eq!(found(&format!("{ENTERPRISE_URN}:manager.value")), [&json!("usr_2")]);
        assert_eq!(found(ENTERPRISE_URN), [&user[ENTERPRISE_URN]]);
        assert!(found("title").is_empty() && found("phoneNumbers.value").is_empty());
    }

    #[test]
    fn a_complex_attribute_is_compared_by_its_value() {
        let compared = |name: &str| {
            let (target, attribute) = of(ResourceType::User, name).unwrap().compared()?;
            Some((target.sub.map(|sub| sub.name), attribute.name))
        };
        assert_eq!(compared("emails"), Some((Some("value"), "value")));
        assert_eq!(compared("manager"), Some((Some("value"), "value")));
        assert_eq!(compared("emails.type"), Some((Some("type"), "type")));
        assert_eq!(compared("title"), Some((None, "title")));
        assert_eq!((compared("name"), compared("addresses"), compared(ENTERPRISE_URN)), (None, None, None));
    }
}
