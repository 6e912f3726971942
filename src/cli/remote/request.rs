//! A call of the API, made of what was typed.

use std::io::Read as _;

use clap::ArgMatches;
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::failed::Failed;
use super::line::{switch, text, texts};
use super::names;
use super::verb::{Field, Kind, Place, Verb, placeholder};
use crate::outside::api_client::Ask;

/// The call, with names looked up.
pub async fn of(verb: &Verb, typed: &ArgMatches, connection: &mut Connection) -> Result<Ask, Failed> {
    let mut path = Vec::new();
    for segment in verb.path.split('/') {
        path.push(match placeholder(segment) {
            None => segment.to_owned(),
            Some("org") => connection.org()?,
            Some(name) => {
                let typed = text(typed, name).unwrap_or_default();
                names::in_path(connection, name, typed).await?
            }
        });
    }
    let mut query = Vec::new();
    let mut body = read_body(typed)?;
    for field in verb.fields {
        let values = values(field, typed, connection).await?;
        match field.place {
            Place::Query => query.extend(values.into_iter().map(|value| (field.filled(), plain(&value)))),
            Place::Body if field.many && !values.is_empty() => put(&mut body, &field.filled(), Value::Array(values)),
            Place::Body => values.into_iter().for_each(|value| put(&mut body, &field.filled(), value)),
        }
    }
    for name in ["limit", "cursor"] {
        query.extend(text(typed, name).map(|value| (name.to_owned(), value)));
    }
    for set in texts(typed, "set") {
        let (name, value) =
            set.split_once('=').ok_or_else(|| Failed::Usage(format!("--set {set}: write NAME=VALUE")))?;
        put(&mut body, name, loose(value));
    }
    Ok(Ask { act: verb.act, path, query, body: verb.has_body().then_some(body) })
}

/// The body of `--body`, or an empty one.
fn read_body(typed: &ArgMatches) -> Result<Value, Failed> {
    let Some(path) = text(typed, "body") else {
        return Ok(Value::Object(Map::new()));
    };
    match serde_json::from_str(&read(&path)?) {
        Ok(Value::Object(members)) => Ok(Value::Object(members)),
        Ok(_) => Err(Failed::Invalid(format!("{path}: the body is an object"))),
        Err(error) => Err(Failed::Invalid(format!("{path}: {error}"))),
    }
}

/// The text of a file, or of standard input.
fn read(path: &str) -> Result<String, Failed> {
    if path != "-" {
        return Ok(std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{path}: {error}"))?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(anyhow::Error::from)?;
    Ok(text)
}

/// `Ana Kim <ana@acme.example>`, or an address alone.
fn invitee(typed: &str) -> Value {
    match typed.trim().strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, email)) => json!({ "name": name.trim(), "email": email.trim() }),
        None => json!({ "email": typed.trim() }),
    }
}

/// What was typed for a field; nothing when it wasn't.
async fn values(field: &Field, typed: &ArgMatches, connection: &mut Connection) -> Result<Vec<Value>, Failed> {
    if matches!(field.kind, Kind::Secret) {
        return if switch(typed, field.name) { Ok(vec![secret()?]) } else { Ok(Vec::new()) };
    }
    if let Kind::Fixed(word) = field.kind {
        return Ok(vec![word.into()]);
    }
    let mut values = Vec::new();
    if matches!(field.kind, Kind::Groups) {
        for name in texts(typed, field.name).iter().flat_map(|given| given.split(',')) {
            let name = name.trim();
            if !name.is_empty() {
                values.push(names::group(connection, name.to_owned()).await?.into());
            }
        }
        return Ok(values);
    }
    for given in texts(typed, field.name) {
        values.push(match field.kind {
            Kind::Number => {
                let number: i64 =
                    given.parse().map_err(|_| Failed::Usage(format!("--{}: \"{given}\" is no number", field.name)))?;
                number.into()
            }
            Kind::User => names::user(connection, given).await?.into(),
            Kind::Group => names::group(connection, given).await?.into(),
            Kind::Project => names::project(connection, given).await?.into(),
            Kind::Grant => grant(connection, &given).await?,
            Kind::Json => {
                serde_json::from_str(&given).map_err(|error| Failed::Usage(format!("--{}: {error}", field.name)))?
            }
            Kind::File => read(&given)?.into(),
            Kind::Invitee => invitee(&given),
            Kind::Text | Kind::Word(_) | Kind::Fixed(_) | Kind::Secret | Kind::Groups => given.into(),
        });
    }
    Ok(values)
}

fn secret() -> Result<Value, Failed> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(anyhow::Error::from)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(Failed::Usage("standard input holds no password".to_owned())),
        text => Ok(text.into()),
    }
}

/// `org.reader`, `project.admin:web`, `project.reader:*`.
async fn grant(connection: &mut Connection, typed: &str) -> Result<Value, Failed> {
    let (role, scope) = match typed.split_once(':') {
        None => (typed, json!({ "kind": "org" })),
        Some((role, "*")) => (role, json!({ "kind": "all_projects" })),
        Some((role, project)) => {
            let id = names::project(connection, project.to_owned()).await?;
            (role, json!({ "kind": "project", "project_id": id }))
        }
    };
    Ok(json!({ "role": role, "scope": scope }))
}

/// A value of the query.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// JSON where it is some, else a text.
fn loose(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Puts a value where a member with dots says; `*` spreads an object's members.
fn put(body: &mut Value, member: &str, value: Value) {
    if !body.is_object() {
        *body = json!({});
    }
    let Value::Object(members) = body else { return };
    match (member.split_once('.'), value) {
        (None, Value::Object(spread)) if member == "*" => members.extend(spread),
        (None, value) => {
            members.insert(member.to_owned(), value);
        }
        (Some((first, rest)), value) => put(members.entry(first).or_insert_with(|| json!({})), rest, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_invite_is_written_as_in_a_mail() {
        assert_eq!(invitee(" Ana Kim <ana@a.b> "), json!({ "name": "Ana Kim", "email": "ana@a.b" }));
        assert_eq!(invitee("ana@a.b"), json!({ "email": "ana@a.b" }));
    }

    #[test]
    fn a_body_is_put_together_from_what_was_typed() {
        let mut body = json!({ "name": "a", "text": "t" });
        put(&mut body, "key.name", "k".into());
        put(&mut body, "key.role", json!({ "role": "org.reader" }));
        put(&mut body, "*", json!({ "role": "org.admin" }));
        put(&mut body, "text.deep", loose("12"));
        put(&mut body, "email", loose("null"));
        assert_eq!(
            body,
            json!({ "name": "a", "text": { "deep": 12 }, "key": { "name": "k", "role": { "role": "org.reader" } },
                    "role": "org.admin", "email": null })
        );
        assert_eq!((loose("a b"), loose("true")), (json!("a b"), json!(true)));
    }
}
