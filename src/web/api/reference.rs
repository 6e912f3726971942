//! The API's own description: the OpenAPI document, and a page for people that is made from it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use self::page::{Fact, ReferencePage, Route, Tag};
use crate::web::oidc::discovery::Rooms;
use crate::web::pages::assets;
use crate::web::pages::view::Page as _;

/// The methods, in the order of the page.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document and the page, each made when somebody first asks: a server that nobody asks need not carry them.
#[derive(Clone)]
pub struct Description(Arc<Written>);

struct Written {
    make: Box<dyn Fn() -> Value + Send + Sync>,
    document: OnceLock<Bytes>,
    page: OnceLock<Bytes>,
}

impl Description {
    /// The description that `make` makes.
    #[must_use]
    pub fn of(make: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(Written { make: Box::new(make), document: OnceLock::new(), page: OnceLock::new() }))
    }

    fn document(&self) -> Bytes {
        self.0.document.get_or_init(|| Bytes::from((self.0.make)().to_string())).clone()
    }

    fn page(&self) -> Bytes {
        let made = || Bytes::from(ReferencePage { tags: tags(&(self.0.make)()) }.render_page());
        self.0.page.get_or_init(made).clone()
    }
}

/// `GET /api/v1/openapi.json`.
pub async fn openapi(State(rooms): State<Rooms>) -> Response {
    public("application/json", rooms.description.document())
}

/// `GET /api/v1`: the reference for people.
pub async fn reference(State(rooms): State<Rooms>) -> Response {
    public("text/html; charset=utf-8", rooms.description.page())
}

fn public(kind: &'static str, body: Bytes) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let age = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([kind, age], body).into_response()
}

/// What the template shows. The templates name `super::assets`, which this file brings in.
mod page {
    use askama::Template;

    /// `GET /api/v1`.
    #[derive(Template)]
    #[template(path = "reference.html")]
    pub struct ReferencePage {
        /// The resources.
        pub tags: Vec<Tag>,
    }

    /// A resource.
    #[derive(Debug)]
    pub struct Tag {
        /// Its name.
        pub name: String,
        /// Its anchor.
        pub anchor: String,
        /// Its routes.
        pub routes: Vec<Route>,
    }

    /// A route.
    #[derive(Debug)]
    pub struct Route {
        /// Its operation id, which is its anchor too.
        pub id: String,
        /// The method.
        pub method: String,
        /// The path.
        pub path: String,
        /// What it is for, and who may call it, a paragraph each.
        pub text: Vec<String>,
        /// What its path, query and headers take.
        pub parameters: Vec<Fact>,
        /// The fields of its body.
        pub fields: Vec<Fact>,
        /// What it answers.
        pub answers: Vec<Fact>,
    }

    /// A parameter, a field or an answer.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Fact {
        /// Its name, or the status.
        pub name: String,
        /// Its type, or where it stands.
        pub kind: String,
        /// Whether it must be there.
        pub required: bool,
        /// What it means.
        pub text: String,
    }
}

/// The routes by resource.
fn tags(document: &Value) -> Vec<Tag> {
    let mut tags: BTreeMap<String, Vec<Route>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &item[method];
            if operation.is_object() {
                let tag = operation["tags"][0].as_str().unwrap_or("other").to_owned();
                tags.entry(tag).or_default().push(route(document, path, method, operation));
            }
        }
    }
    tags.into_iter().map(|(name, routes)| Tag { anchor: name.replace(' ', "-"), name, routes }).collect()
}

fn route(document: &Value, path: &str, method: &str, operation: &Value) -> Route {
    let summary = words(&operation["summary"]);
    let text = operation["description"].as_str().unwrap_or_default().split("\n\n").map(unmarked);
    let text = std::iter::once(summary).chain(text).filter(|paragraph| !paragraph.is_empty());
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let answers = operation["responses"].as_object().into_iter().flatten();
    Route {
        id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        text: text.collect(),
        parameters: parameters.map(parameter).collect(),
        fields: fields(document, &operation["requestBody"]["content"]["application/json"]["schema"]),
        answers: answers.map(|(status, answer)| an_answer(status, answer)).collect(),
    }
}

fn parameter(parameter: &Value) -> Fact {
    let place = parameter["in"].as_str().unwrap_or_default();
    Fact {
        name: parameter["name"].as_str().unwrap_or_default().to_owned(),
        kind: format!("{place}, {}", kind(&parameter["schema"])),
        required: parameter["required"] == true,
        text: words(&parameter["description"]),
    }
}

fn an_answer(status: &str, answer: &Value) -> Fact {
    let schema = answer["content"].as_object().and_then(|kinds| kinds.values().next()).map(|one| &one["schema"]);
    let kind = schema.map_or_else(String::new, kind);
    Fact { name: status.to_owned(), kind, required: false, text: words(&answer["description"]) }
}

/// The fields of an object's schema, whether it stands there or is named.
fn fields(document: &Value, schema: &Value) -> Vec<Fact> {
    let named = schema["$ref"].as_str().map(|name| &document["components"]["schemas"][last(name)]);
    let schema = named.unwrap_or(schema);
    let none = Map::new();
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let fact = |(name, property): (&String, &Value)| Fact {
        name: name.clone(),
        kind: kind(property),
        required: required(name),
        text: words(&property["description"]),
    };
    properties.iter().map(fact).collect()
}

/// A type in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return last(name).to_owned();
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema[several].as_array() {
            let all: Vec<String> = all.iter().map(kind).filter(|one| !one.is_empty()).collect();
            return all.join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) => one.clone(),
        Value::Array(several) if several.iter().any(|one| one == "array") => {
            format!("list of {} or null", kind(&schema["items"]))
        }
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn words(text: &Value) -> String {
    unmarked(text.as_str().unwrap_or_default())
}

/// A text without its marks for code, on one line.
fn unmarked(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": { "/api/v1/orgs/{org}/groups": { "post": {
                "tags": ["groups"], "operationId": "groups.create", "summary": "Makes a <b>group</b>.",
                "description": "Needs `groups.write`.",
                "parameters": [{ "in": "path", "name": "org", "required": true, "description": "The org.",
                                 "schema": { "type": "string" } }],
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/NewGroup" } } } },
                "responses": { "201": { "description": "The group.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Written" } } } } },
            } } },
            "components": { "schemas": { "NewGroup": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string", "description": "Its name." },
                "note": { "type": ["string", "null"] },
                "roles": { "type": "array", "items": { "$ref": "#/components/schemas/Grant" } },
            } } } },
        })
    }

    #[test]
    fn a_route_is_told_with_its_needs_its_fields_and_its_answers() {
        let tags = tags(&document());
        let route = &tags[0].routes[0];
        assert_eq!((tags[0].name.as_str(), route.method.as_str()), ("groups", "POST"));
        assert_eq!(route.text, ["Makes a <b>group</b>.", "Needs groups.write."]);
        let kinds: Vec<_> =
            route.fields.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.required)).collect();
        assert_eq!(
            kinds,
            [("name", "string", true), ("note", "string or null", false), ("roles", "list of Grant", false)]
        );
        assert_eq!((route.parameters[0].kind.as_str(), route.answers[0].kind.as_str()), ("path, string", "Written"));
    }

    #[test]
    fn the_page_has_an_anchor_for_each_route_and_no_script() {
        let description = Description::of(document);
        let html = String::from_utf8(description.page().to_vec()).unwrap();
        assert!(html.contains("id=\"groups.create\"") && html.contains("href=\"#groups\""), "{html}");
        assert!(!html.contains("<script") && !html.contains("<b>group") && !html.contains(" style="), "{html}");
    }
}
