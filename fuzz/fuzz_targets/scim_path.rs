//! Paths of PATCH and names of attributes (RFC 7644 §3.10, §3.5.2) of any text: read or refused, written down so that
//! they are read as the same, and resolved in a user and a group.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::domain::scim::error::ScimType;
use muster_fuzz::domain::scim::evaluate;
use muster_fuzz::domain::scim::filter::MOST_BYTES;
use muster_fuzz::domain::scim::path::{parse_attr, parse_path, AttrPath, Path};
use muster_fuzz::domain::scim::schema::ResourceType;
use muster_fuzz::domain::scim::target::{get, resolve};
use muster_fuzz::{is_refusal, is_sound, served};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_path(text) {
        Ok(path) => {
            assert!(text.len() <= MOST_BYTES);
            is_sound_path(&path);
            for kind in ResourceType::ALL {
                follow(kind, &path);
            }
        }
        Err(error) => is_refusal(&error, &[ScimType::InvalidPath, ScimType::InvalidFilter]),
    }
    match parse_attr(text) {
        Ok(attr) => is_sound_name(&attr, text),
        Err(error) => is_refusal(&error, &[ScimType::InvalidPath]),
    }
});

fn is_sound_path(path: &Path) {
    let written = path.to_string();
    if written.len() <= MOST_BYTES {
        assert_eq!(parse_path(&written).as_ref(), Ok(path), "{written}");
    }
    if let Some(filter) = &path.filter {
        is_sound(filter);
    }
}

fn is_sound_name(attr: &AttrPath, text: &str) {
    // What stands behind brackets is no name by itself, and brackets are read over.
    if !text.contains('[') {
        assert_eq!(parse_attr(&attr.to_string()).as_ref(), Ok(attr), "{attr}");
    }
    for kind in ResourceType::ALL {
        let _ = resolve(kind, attr);
    }
}

/// Goes where a path leads.
fn follow(kind: ResourceType, path: &Path) {
    let Some(target) = resolve(kind, &path.attr) else { return };
    let _ = target.compared();
    let resource = served(kind);
    let values = get(&target, &resource);
    let (Some(filter), Some(attribute)) = (&path.filter, target.leaf()) else { return };
    for strict in [true, false] {
        if let Err(error) = evaluate::check_element(attribute, filter, strict) {
            is_refusal(&error, &[ScimType::InvalidFilter]);
        }
    }
    for value in values {
        let _ = evaluate::element_matches(attribute, filter, value);
    }
}
