//! The tables are what RFC 7643 says of a schema, and the documents show all of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const BASE: &str = "https://id.example/scim/v2";

/// Every attribute and sub-attribute there is, with whose it is.
fn all() -> Vec<(Option<&'static Attribute>, &'static Attribute)> {
    let tables = [&COMMON[..], USER.attributes, GROUP.attributes, ENTERPRISE.attributes];
    let tops = tables.into_iter().flatten();
    tops.flat_map(|top| std::iter::once((None, top)).chain(top.sub.iter().map(move |sub| (Some(top), sub)))).collect()
}

/// What is wrong in a document: nulls, empty arrays and objects, names that are no camel case.
fn flaws(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(format!("{at} is null")),
        Value::Array(many) if many.is_empty() => found.push(format!("{at} is empty")),
        Value::Array(many) => {
            for one in many {
                flaws(at, one, found);
            }
        }
        Value::Object(parts) => {
            for (name, part) in parts {
                let camel = name.chars().all(|c| c.is_ascii_alphanumeric());
                if !camel || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.push(format!("{at}.{name} is no camel case"));
                }
                flaws(&format!("{at}.{name}"), part, found);
            }
        }
        _ => {}
    }
}

#[test]
fn names_are_found_in_any_case() {
    let user = ResourceType::User;
    assert_eq!(user.attribute("USERNAME").map(|one| one.name), Some("userName"));
    assert_eq!(user.attribute("Emails").and_then(|one| one.sub("TYPE")).map(|one| one.name), Some("type"));
    assert_eq!(
        user.attribute("X509certificates").and_then(|one| one.sub("VALUE")).map(|one| one.kind),
        Some(Kind::Binary)
    );
    assert_eq!(
        ResourceType::Group.attribute("Members").and_then(|one| one.sub("$REF")).map(|one| one.name),
        Some("$ref")
    );
    assert!(user.attribute("members").is_none() && user.attribute("department").is_none());
    for kind in ResourceType::ALL {
        for common in ["SCHEMAS", "ID", "externalID", "META"] {
            assert!(kind.attribute(common).is_some(), "{common}");
            assert!(kind.schema().attribute(common).is_none(), "{common} is in no schema");
        }
    }
}

#[test]
fn the_extension_is_found_by_its_urn_in_any_case_and_by_what_older_clients_call_it() {
    for urn in [ENTERPRISE_URN, &ENTERPRISE_URN.to_uppercase(), "URN:scim:schemas:extension:Enterprise:1.0"] {
        assert_eq!(ResourceType::User.extension(urn), Some(&ENTERPRISE), "{urn}");
        assert_eq!(ResourceType::Group.extension(urn), None, "{urn}");
    }
    assert_eq!(ResourceType::User.extension(USER_URN), None);
    assert_eq!(ENTERPRISE.attribute("COSTCENTER").map(|one| one.name), Some("costCenter"));
}

#[test]
fn the_name_of_each_attribute_is_unique_in_any_case_also_among_its_siblings() {
    let unique = |attributes: &[&Attribute]| {
        let names: BTreeSet<String> = attributes.iter().map(|one| one.name.to_ascii_lowercase()).collect();
        assert_eq!(names.len(), attributes.len(), "{names:?}");
    };
    for kind in ResourceType::ALL {
        unique(&kind.schema().attributes.iter().chain(&COMMON).collect::<Vec<_>>());
    }
    unique(&ENTERPRISE.attributes.iter().collect::<Vec<_>>());
    for (_, attribute) in all() {
        unique(&attribute.sub.iter().collect::<Vec<_>>());
    }
}

#[test]
fn characteristics_go_together() {
    for (parent, attribute) in all() {
        let name = attribute.name;
        assert_eq!(attribute.is_complex(), !attribute.sub.is_empty(), "{name}: complex is what has sub-attributes");
        assert!(parent.is_none() || !attribute.is_complex(), "{name}: nothing complex is in what is complex (§2.3.8)");
        let reference = attribute.kind == Kind::Reference;
        assert_eq!(reference, !attribute.reference_types.is_empty(), "{name}: a reference leads somewhere");
        assert!(attribute.case_exact || !(reference || attribute.kind == Kind::Binary), "{name} (§2.3.6, §2.3.7)");
        let secret = attribute.mutability == Mutability::WriteOnly;
        assert_eq!(secret, attribute.returned == Returned::Never, "{name}: nobody reads what is only written");
        let given = parent.is_some_and(|parent| parent.mutability == Mutability::ReadOnly);
        assert!(!given || attribute.mutability == Mutability::ReadOnly, "{name}: nor can a part of it be written");
        assert!(attribute.description.ends_with('.'), "{name}: a description is a sentence");
        let word = name.strip_prefix('$').unwrap_or(name);
        assert!(word.starts_with(|c: char| c.is_ascii_alphabetic()), "{name} (§2.1)");
        assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{name} (§2.1)");
    }
}

#[test]
fn what_only_muster_says_is_read_only_and_the_password_is_never_shown() {
    let user = |name: &str| ResourceType::User.attribute(name).unwrap();
    for name in ["id", "schemas", "meta", "groups"] {
        assert_eq!(user(name).mutability, Mutability::ReadOnly, "{name}");
    }
    assert_eq!((user("id").returned, user("schemas").returned), (Returned::Always, Returned::Always));
    assert_eq!((user("password").mutability, user("password").returned), (Mutability::WriteOnly, Returned::Never));
    assert!(user("userName").required && !user("userName").case_exact && user("externalId").case_exact);
    assert!(user("active").required, "whoever takes it away says nothing that could be done");
    let members = ResourceType::Group.attribute("members").unwrap();
    for (name, mutability) in [
        ("value", Mutability::Immutable),
        ("$ref", Mutability::Immutable),
        ("type", Mutability::Immutable),
        ("display", Mutability::ReadOnly),
    ] {
        assert_eq!(members.sub(name).map(|one| one.mutability), Some(mutability), "{name}");
    }
    assert_eq!(members.sub("display").map(|one| one.returned), Some(Returned::Request));
    let manager = ENTERPRISE.attribute("manager").unwrap();
    assert_eq!(manager.sub("displayName").map(|one| one.mutability), Some(Mutability::ReadOnly));
    assert_eq!(manager.sub("value").map(|one| one.mutability), Some(Mutability::ReadWrite));
}

#[test]
fn a_schema_shows_all_that_rfc_7643_section_7_asks_for_and_no_null() {
    let documents = schemas(BASE);
    let ids: Vec<&str> = documents.iter().filter_map(|document| document["id"].as_str()).collect();
    assert_eq!(ids, [USER_URN, ENTERPRISE_URN, GROUP_URN]);
    let mut found = Vec::new();
    for document in &documents {
        flaws("schema", document, &mut found);
        assert_eq!(document["schemas"][0], "urn:ietf:params:scim:schemas:core:2.0:Schema");
        assert_eq!(document["meta"]["resourceType"], "Schema");
        assert_eq!(document["meta"]["location"], format!("{BASE}/Schemas/{}", document["id"].as_str().unwrap()));
        let tops = document["attributes"].as_array().unwrap();
        let subs = tops.iter().filter_map(|top| top["subAttributes"].as_array()).flatten();
        for shown in tops.iter().chain(subs) {
            for text in ["name", "type", "description", "mutability", "returned", "uniqueness"] {
                assert!(shown[text].is_string(), "{text} of {shown}");
            }
            for flag in ["multiValued", "required", "caseExact"] {
                assert!(shown[flag].is_boolean(), "{flag} of {shown}");
            }
            assert_eq!(shown["type"] == "complex", shown["subAttributes"].is_array(), "{shown}");
            assert_eq!(shown["type"] == "reference", shown["referenceTypes"].is_array(), "{shown}");
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_resource_type_names_its_endpoint_its_schema_and_its_extensions() {
    let documents = resource_types(BASE);
    let [user, group] = documents.as_slice() else { panic!("two types: {documents:?}") };
    assert_eq!((user["endpoint"].as_str(), group["endpoint"].as_str()), (Some("/Users"), Some("/Groups")));
    assert_eq!((user["schema"].as_str(), group["schema"].as_str()), (Some(USER_URN), Some(GROUP_URN)));
    assert_eq!(user["schemaExtensions"][0]["schema"], ENTERPRISE_URN);
    assert_eq!(user["schemaExtensions"][0]["required"], false);
    assert!(group.get("schemaExtensions").is_none());
    assert_eq!(group["meta"]["location"], format!("{BASE}/ResourceTypes/Group"));
    let mut found = Vec::new();
    for document in &documents {
        flaws("type", document, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_configuration_says_what_is_supported_with_true_numbers() {
    let config = service_provider_config(BASE);
    for feature in ["patch", "bulk", "filter", "sort", "etag"] {
        assert_eq!(config[feature]["supported"], true, "{feature}");
    }
    assert_eq!(config["changePassword"]["supported"], false);
    for (of, number, wanted) in [
        ("bulk", "maxOperations", 1000),
        ("bulk", "maxPayloadSize", 16_777_216),
        ("filter", "maxResults", 1000),
        ("pagination", "defaultPageSize", 100),
        ("pagination", "maxPageSize", 1000),
        ("pagination", "cursorTimeout", 3600),
    ] {
        assert_eq!(config[of][number], wanted, "{number}");
    }
    let schemes = config["authenticationSchemes"].as_array().unwrap();
    assert!(schemes.iter().all(|scheme| ["type", "name", "description"].iter().all(|word| scheme[word].is_string())));
    assert_eq!(schemes.iter().filter(|scheme| scheme["primary"] == true).count(), 1);
    let mut found = Vec::new();
    flaws("config", &config, &mut found);
    assert_eq!(found, Vec::<String>::new());
}
