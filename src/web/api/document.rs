//! The OpenAPI document: what utoipa gathers from the handlers, completed by what holds for every route alike.

use serde_json::{Map, Value, json};

use super::declare::{Declared, Needs};

/// The document's bytes.
///
/// # Panics
/// A declared route is missing in the document: a programmer's error that the first test shows.
#[must_use]
pub fn finish(mut document: Value, declared: &[Declared], issuer: &str) -> Value {
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Muster",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Organisations, people, groups, roles and keys. Every write goes through the one door and answers with \
                        a receipt: who lost and gained what, what ended, and which applications are told.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": issuer }]);
    document["security"] = json!([{ "token": [] }]);
    document["components"]["securitySchemes"] = json!({ "token": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "An access token with the scope muster.admin: of a person (device or code flow) or of a tool (access key)."
    }});
    let schemas = document["components"]["schemas"].as_object_mut().into_iter().flatten();
    // What a write answers is null when the object is gone; the generator drops that for generic members.
    for (_, schema) in schemas.filter(|(name, _)| name.starts_with("Written_")) {
        let object = &mut schema["properties"]["object"];
        let there = object.take();
        *object = json!({ "oneOf": [{ "type": "null" }, there] });
    }
    for route in declared {
        let operation = document["paths"][&route.path][route.method.to_ascii_lowercase()].as_object_mut();
        complete(operation.expect("every declared route is in the document"), route);
    }
    document
}

fn complete(operation: &mut Map<String, Value>, route: &Declared) {
    let tag = operation.get("tags").and_then(|tags| tags.get(0)).and_then(Value::as_str).unwrap_or("api").to_owned();
    let name = operation.get("operationId").and_then(Value::as_str).unwrap_or("call").to_owned();
    operation.insert("operationId".to_owned(), format!("{}.{name}", tag.to_lowercase().replace(' ', "_")).into());
    operation.insert("x-needs".to_owned(), route.rule.needs.to_string().into());
    let mut remarks = format!("Needs {}.", route.rule.needs);
    if route.rule.people_only {
        remarks.push_str(" For people only: a tool is answered `user_required`.");
    }
    if route.rule.fresh {
        remarks.push_str(
            " Of people it needs a proof of who they are within the last ten minutes, as strong as they can give.",
        );
    }
    let text = operation.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    operation.insert("description".to_owned(), format!("{text}\n\n{remarks}").trim().into());
    let writes = route.method != "GET";
    if let Some(list) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
        list.extend(path_parameters(&route.path));
        if writes {
            list.extend(write_parameters(route.method));
        } else {
            if route.path.ends_with("/changes/{change}") {
                list.push(prefer());
            }
            list.push(parameter("header", "If-None-Match", "A tag that is known already: 304 if it still holds."));
        }
    }
    if let Some(responses) = operation.entry("responses").or_insert_with(|| json!({})).as_object_mut() {
        for (status, description) in failures(route) {
            responses.entry(status).or_insert_with(|| problem(description));
        }
    }
}

/// The statuses that a route may answer with besides its own.
fn failures(route: &Declared) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("400", "Something in the request can't be meant so."),
        ("401", "No token, one that is not honoured any more, or a sign-in that is too old for this."),
        ("403", "The token or its holder may not do this."),
        ("404", "It isn't there, or not for this caller."),
        ("429", "Too many requests; see Retry-After."),
        ("503", "The database or the time ran out; see Retry-After."),
    ];
    if route.method == "GET" {
        all.push(("304", "Nothing has changed."));
    } else {
        all.push(("409", "Something stands in the way; `code` and `clear` say what to do."));
        all.push(("412", "It was changed since it was read."));
        all.push(("413", "The body is too large."));
        all.push(("415", "The body is no JSON."));
        all.push(("422", "The Idempotency-Key was used for another request."));
    }
    if matches!(route.rule.needs, Needs::Caller) {
        all.retain(|(status, _)| *status != "404" || route.path.contains('{'));
    }
    all
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn parameter(place: &str, name: &str, description: &str) -> Value {
    json!({ "in": place, "name": name, "required": place == "path", "description": description,
            "schema": { "type": "string" } })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let text = |name: &str| match name {
        "org" => "The organisation's id or slug.",
        "project" => "The project's id or key.",
        "user" => "The account's id, or its membership's.",
        "domain" => "The domain, or its id.",
        "organisation" => "The id or slug of the organisation that invites.",
        "identity" => "The id of who somebody is at a provider.",
        _ => "The id.",
    };
    names.map(|name| parameter("path", name, text(name))).collect()
}

fn prefer() -> Value {
    parameter(
        "header",
        "Prefer",
        "`wait=N` (RFC 7240) holds the answer until nothing that the change has to tell waits any more, or N seconds (30 \
        at most) are over; `Preference-Applied` says that it was.",
    )
}

fn write_parameters(method: &str) -> Vec<Value> {
    let dry_run = json!({ "in": "query", "name": "dry_run", "required": false, "schema": { "type": "boolean", "default": false },
        "description": "Answers with the receipt of what would happen, and changes nothing." });
    let key = parameter(
        "header",
        "Idempotency-Key",
        "A text of the caller's own (1 to 255 visible characters): the same request with the \
        same key is carried out once, and answered alike for a day. A secret or a password is never answered twice.",
    );
    let mut all = vec![dry_run, key, prefer()];
    if method != "POST" {
        all.push(parameter(
            "header",
            "If-Match",
            "The ETag that the object was read with: 412 if it was changed since.",
        ));
    }
    all
}
