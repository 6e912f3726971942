//! PATCH (RFC 7644 §3.5.2) of any JSON on any resource, by the steps of the flows: normalise, read, apply, derive. What
//! comes out is canonical, however often the same is applied, and a refusal is one of SCIM's.
//!
//! The input: one byte that chooses the profile and the type, then the JSON of a resource, then that of a PATCH. Where
//! the resource is none, a sample is patched.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::domain::connection::ScimProfile;
use muster_fuzz::domain::scim::error::{ScimError, ScimType};
use muster_fuzz::domain::scim::evaluate;
use muster_fuzz::domain::scim::normalize::incoming;
use muster_fuzz::domain::scim::patch::{apply_group, apply_user, parse, MemberEdit, PatchOp};
use muster_fuzz::domain::scim::resource::{Group, User};
use muster_fuzz::domain::scim::schema::ResourceType;
use muster_fuzz::domain::scim::{derive, Object};
use muster_fuzz::{canonical, is_canonical, is_refusal, PROFILES};
use serde_json::{json, Deserializer, Value};

/// So often the same PATCH is applied to what it made.
const TIMES: usize = 3;
/// So often a PATCH may choose members by a filter.
const MOST_FILTERS: usize = 16;
/// What a body may be refused for.
const REFUSALS: [ScimType; 6] = [
    ScimType::InvalidFilter,
    ScimType::InvalidPath,
    ScimType::InvalidSyntax,
    ScimType::InvalidValue,
    ScimType::Mutability,
    ScimType::NoTarget,
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, json)) = data.split_first() else { return };
    let profile = PROFILES[usize::from(choice & 3)];
    let kind = if choice & 4 == 0 { ResourceType::User } else { ResourceType::Group };
    let mut values = Deserializer::from_slice(json).into_iter::<Value>();
    let (Some(Ok(resource)), Some(Ok(patch))) = (values.next(), values.next()) else { return };
    let object = match incoming(kind, &resource, profile) {
        Ok(incoming) => incoming.object,
        Err(error) => {
            is_refusal(&error, &REFUSALS);
            canonical(kind, profile)
        }
    };
    is_canonical(kind, &object, profile);
    match parse(&patch, profile) {
        Ok(operations) => patched(kind, object, &operations, profile),
        Err(error) => is_refusal(&error, &REFUSALS),
    }
});

fn patched(kind: ResourceType, mut object: Object, operations: &[PatchOp], profile: ScimProfile) {
    for _ in 0..TIMES {
        let before = object.clone();
        match apply(kind, before, operations, profile) {
            Ok(after) => {
                is_canonical(kind, &after, profile);
                derived(kind, &after, profile);
                object = after;
            }
            Err(error) => return is_refusal(&error, &REFUSALS),
        }
    }
}

fn apply(
    kind: ResourceType,
    object: Object,
    operations: &[PatchOp],
    profile: ScimProfile,
) -> Result<Object, ScimError> {
    match kind {
        ResourceType::User => apply_user(object, operations, profile),
        ResourceType::Group => {
            let (after, edits) = apply_group(object, operations, profile)?;
            chosen(&edits);
            Ok(after)
        }
    }
}

/// Asks the filters of removals of a member, as the flows do.
fn chosen(edits: &[MemberEdit]) {
    let members = ResourceType::Group.attribute("members").expect("groups have members");
    let member = json!({ "value": "usr_1", "type": "User", "display": "Ana Kim" });
    let mut filters = 0;
    for edit in edits {
        if let MemberEdit::RemoveWhere(filter) = edit {
            filters += 1;
            let _ = evaluate::element_matches(members, filter, &member);
        }
    }
    assert!(filters <= MOST_FILTERS);
}

/// What follows from a resource: its row, its claims, and the same as types.
fn derived(kind: ResourceType, object: &Object, profile: ScimProfile) {
    let value = Value::Object(object.clone());
    let typed = match kind {
        ResourceType::User => {
            if let Err(error) = derive::provisioned(object, profile, |domain| domain == "acme.com") {
                is_refusal(&error, &REFUSALS);
            }
            serde_json::from_value::<User>(value.clone()).and_then(serde_json::to_value)
        }
        ResourceType::Group => {
            if let Err(error) = derive::group(object) {
                is_refusal(&error, &REFUSALS);
            }
            serde_json::from_value::<Group>(value.clone()).and_then(serde_json::to_value)
        }
    };
    assert_eq!(typed.expect("a canonical resource reads into the types"), value);
}
