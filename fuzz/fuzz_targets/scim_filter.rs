//! Filters (RFC 7644 §3.4.2.2) of any text: read or refused, within the limits, written down so that they are read as
//! the same, and asked of a user and a group. Whatever one matches, its look-up finds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::domain::scim::error::ScimType;
use muster_fuzz::domain::scim::evaluate;
use muster_fuzz::domain::scim::filter::{parse_filter, Filter, MOST_BYTES};
use muster_fuzz::domain::scim::plan::{lookup, Lookup};
use muster_fuzz::domain::scim::schema::ResourceType;
use muster_fuzz::domain::scim::{username, Object};
use muster_fuzz::kernel::fold;
use muster_fuzz::{is_refusal, is_sound, served};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_filter(text) {
        Ok(filter) => {
            assert!(text.len() <= MOST_BYTES);
            is_sound(&filter);
            for kind in ResourceType::ALL {
                ask(kind, &filter);
            }
            let _ = evaluate::check(&ResourceType::ALL, &filter, false);
            let _ = evaluate::names(&filter, "members");
        }
        Err(error) => is_refusal(&error, &[ScimType::InvalidFilter]),
    }
});

/// Asks a filter as the flows do: what can't be asked is refused, and the index finds whatever it holds of.
fn ask(kind: ResourceType, filter: &Filter) {
    let resource = served(kind);
    let holds = evaluate::matches(kind, filter, &resource);
    for strict in [true, false] {
        match evaluate::check(&[kind], filter, strict) {
            Ok(()) => {
                let lookup = lookup(kind, filter);
                assert!(!holds || finds(&lookup, &resource), "{filter} is looked up by {lookup:?}");
            }
            Err(error) => is_refusal(&error, &[ScimType::InvalidFilter]),
        }
    }
}

fn text<'o>(object: &'o Object, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn elements<'o>(object: &'o Object, name: &str) -> impl Iterator<Item = &'o Object> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Whether an index finds the resource; the columns are what the store writes.
fn finds(lookup: &Lookup, object: &Object) -> bool {
    match lookup {
        Lookup::Scan => true,
        Lookup::Id(id) => text(object, "id") == id,
        Lookup::UserName(key) => username::key(text(object, "userName")) == *key,
        Lookup::ExternalId(id) => text(object, "externalId") == id,
        Lookup::DisplayName(key) => fold::key(text(object, "displayName")) == *key,
        Lookup::Email { kind, value } => elements(object, "emails").any(|email| {
            let of_kind = |kind: &String| fold::key(text(email, "type")) == *kind;
            fold::key(text(email, "value")) == *value && kind.as_ref().is_none_or(of_kind)
        }),
        Lookup::Member(id) => {
            elements(object, "members").chain(elements(object, "groups")).any(|one| text(one, "value") == id)
        }
        // The sample was changed at this millisecond.
        Lookup::ModifiedSince(since) => 1_767_225_600_500 >= *since,
    }
}
