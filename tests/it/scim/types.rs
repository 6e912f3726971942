//! Our resources and schemas beside those of somebody else, the crate `scim_v2`: what one writes the other reads, and
//! where our schemas differ from the figures of RFC 7643 §8.7.1 is said here.

use muster::domain::scim::Object;
use muster::domain::scim::resource::{Group, Stamp, User, complete, timestamp};
use muster::domain::scim::schema::{
    Attribute, Kind, Mutability, ResourceType, resource_types, schemas, service_provider_config,
};
use muster::kernel::time::UnixMillis;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use scim_v2::models::resource_types::ResourceType as TheirResourceType;
use scim_v2::models::scim_schema::{Schema as TheirSchema, get_schemas};
use scim_v2::models::service_provider_config::ServiceProviderConfig as TheirConfig;
use scim_v2::models::{group::Group as TheirGroup, user::User as TheirUser};
use scim_v2::{Context, Validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const BASE: &str = "https://id.example/scim/v2";

/// Texts as people and their providers have them.
const TEXTS: [&str; 8] =
    ["Dana", "dana@acme.test", "길동", "O\"Malley \\ Sons", "a.b:c,d", "True", "line\nline", "\u{1f600}"];

/// Bytes that say what a resource has, one after the other; when they are used up it has nothing more.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn take(&mut self) -> usize {
        self.0.next().copied().map_or(0, usize::from)
    }

    fn text(&mut self) -> Value {
        let text = TEXTS[self.take() % TEXTS.len()];
        let number = self.take();
        json!(if number < 200 { text.to_owned() } else { format!("{text} {number}") })
    }

    /// One value, unless it would be an object without anything in it.
    fn value(&mut self, attribute: &Attribute) -> Option<Value> {
        Some(match attribute.kind {
            Kind::Boolean => json!(self.take() % 2 == 1),
            Kind::Decimal | Kind::Integer => json!(self.take()),
            Kind::DateTime => json!(timestamp(UnixMillis(i64::try_from(self.take()).unwrap() * 86_399_999))),
            Kind::Complex => {
                let object = self.object(attribute.sub);
                return (!object.is_empty()).then_some(Value::Object(object));
            }
            _ if !attribute.canonical.is_empty() => json!(attribute.canonical[self.take() % attribute.canonical.len()]),
            _ => self.text(),
        })
    }

    /// Many values, of which at most the first is the primary one.
    fn values(&mut self, attribute: &Attribute) -> Option<Value> {
        let mut many: Vec<Value> = Vec::new();
        for _ in 0..=self.take() % 3 {
            many.extend(self.value(attribute));
        }
        for later in many.iter_mut().skip(1).filter(|later| later["primary"] == true) {
            later["primary"] = json!(false);
        }
        (!many.is_empty()).then_some(Value::Array(many))
    }

    /// An object with some of these attributes, and all that are required.
    fn object(&mut self, attributes: &[Attribute]) -> Object {
        let mut object = Object::new();
        for attribute in attributes.iter().filter(|attribute| attribute.mutability != Mutability::WriteOnly) {
            if !attribute.required && self.take().is_multiple_of(3) {
                continue;
            }
            let value = if attribute.multi { self.values(attribute) } else { self.value(attribute) };
            object.extend(value.map(|value| (attribute.name.to_owned(), value)));
        }
        object
    }

    /// A resource as it is served.
    fn resource(&mut self, kind: ResourceType) -> Value {
        let mut object = self.object(kind.schema().attributes);
        for extension in kind.extensions() {
            let parts = self.object(extension.attributes);
            if !parts.is_empty() {
                object.insert(extension.urn.to_owned(), Value::Object(parts));
            }
        }
        if self.take() % 2 == 1 {
            object.insert("externalId".to_owned(), self.text());
        }
        let at = UnixMillis(1_767_225_600_000 + i64::try_from(self.take()).unwrap());
        let id = format!("id{}", self.take());
        let stamp = Stamp { kind, id, created: at, modified: at.plus(1), version: 1 };
        Value::Object(complete(object, &stamp, BASE))
    }
}

fn config() -> ProptestConfig {
    let given = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match given.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(20_265), ..given },
        RngSeed::Fixed(_) => given,
    }
}

/// What is served reads into our type and comes out the same; theirs reads it, finds nothing wrong with it as an answer,
/// and ours reads what theirs writes.
fn reads_and_reads_back<Ours, Theirs>(served: &Value)
where
    Ours: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    Theirs: Serialize + DeserializeOwned + Validate,
{
    let ours: Ours = serde_json::from_value(served.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&ours).unwrap(), served);
    let theirs: Theirs = serde_json::from_value(served.clone()).unwrap();
    theirs.validate_as(Context::Response).unwrap();
    let back: Ours = serde_json::from_value(serde_json::to_value(&theirs).unwrap()).unwrap();
    assert_eq!(back, ours);
    assert_eq!(&serde_json::to_value(&back).unwrap(), served);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_we_serve_of_a_user_somebody_else_reads_and_we_read_what_they_write(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        reads_and_reads_back::<User, TheirUser<String>>(&Choices(bytes.iter()).resource(ResourceType::User));
    }

    #[test]
    fn what_we_serve_of_a_group_somebody_else_reads_and_we_read_what_they_write(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        reads_and_reads_back::<Group, TheirGroup<String>>(&Choices(bytes.iter()).resource(ResourceType::Group));
    }
}

#[test]
fn somebody_else_reads_what_the_discovery_endpoints_show() {
    fn reads<Theirs: DeserializeOwned + Serialize + Validate>(shown: &Value) -> Value {
        let theirs: Theirs = serde_json::from_value(shown.clone()).unwrap();
        theirs.validate_as(Context::Response).unwrap();
        serde_json::to_value(&theirs).unwrap()
    }
    for shown in schemas(BASE) {
        assert_eq!(reads::<TheirSchema>(&shown), shown);
    }
    for shown in resource_types(BASE) {
        assert_eq!(reads::<TheirResourceType>(&shown), shown);
    }
    let mut shown = service_provider_config(BASE);
    let theirs = reads::<TheirConfig>(&shown);
    // Theirs is older than RFC 9865.
    assert!(shown.as_object_mut().unwrap().remove("pagination").is_some());
    assert_eq!(theirs, shown);
}

fn named<'a>(attributes: &'a Value, name: &Value) -> Option<&'a Value> {
    attributes.as_array()?.iter().find(|attribute| attribute["name"] == *name)
}

/// Where an attribute of ours is otherwise than theirs.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    for fact in ["type", "multiValued", "required", "mutability", "returned"] {
        if ours[fact] != theirs[fact] {
            found.push(format!("{path}: {fact} is {}", ours[fact]));
        }
    }
    if theirs["caseExact"] == true && ours["caseExact"] == false {
        found.push(format!("{path}: case does not matter"));
    }
    for list in ["canonicalValues", "referenceTypes"] {
        let theirs = theirs[list].as_array().cloned().unwrap_or_default();
        let ours = ours[list].as_array().cloned().unwrap_or_default();
        if ours.len() < theirs.len() || !ours.iter().all(|one| theirs.contains(one)) {
            found.push(format!("{path}: {list} are {}", Value::Array(ours)));
        }
    }
    all_differences(path, &ours["subAttributes"], &theirs["subAttributes"], found);
}

fn all_differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    for wanted in theirs.as_array().into_iter().flatten() {
        let path = format!("{path}.{}", wanted["name"].as_str().unwrap());
        match named(ours, &wanted["name"]) {
            Some(attribute) => differences(&path, attribute, wanted, found),
            None => found.push(format!("{path} is missing")),
        }
    }
    for one in ours.as_array().into_iter().flatten() {
        if named(theirs, &one["name"]).is_none() {
            found.push(format!("{path}.{} is ours", one["name"].as_str().unwrap()));
        }
    }
}

#[test]
fn our_schemas_are_those_of_the_rfc_but_for_what_stands_here() {
    let ours = schemas(BASE);
    let mut found = Vec::new();
    for theirs in get_schemas(vec!["user", "enterprise_user", "group"]).unwrap() {
        let theirs = serde_json::to_value(&theirs).unwrap();
        let ours = ours.iter().find(|schema| schema["id"] == theirs["id"]).unwrap();
        assert_eq!(ours["name"], theirs["name"]);
        all_differences(ours["name"].as_str().unwrap(), &ours["attributes"], &theirs["attributes"], &mut found);
    }
    let wanted = [
        // Everybody is active or not: it can't be taken away. Who sends none gets true.
        "User.active: required is true",
        // §2.4 has it for whatever occurs often.
        "User.addresses.primary is ours",
        // A group leads to groups, and nobody is in one by another one.
        r#"User.groups.$ref: referenceTypes are ["Group"]"#,
        r#"User.groups.type: canonicalValues are ["direct"]"#,
        // §4.2 says so.
        "Group.displayName: required is true",
        // A member is a user, and without an id it is none.
        "Group.members.value: required is true",
        r#"Group.members.$ref: referenceTypes are ["User"]"#,
        r#"Group.members.type: canonicalValues are ["User"]"#,
        // §2.4 has this too; it follows from who the member is.
        "Group.members.display is ours",
    ];
    assert_eq!(found, wanted);
}
