//! Answers of the API for people: tables, and one thing line by line.

use serde_json::Value;

use super::super::words;
use super::verb::Column;

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// A page of a list, or all its pages as one array, as a table.
pub fn page(columns: &[Column], answer: &Value) -> String {
    let rows = answer.as_array().or_else(|| answer["items"].as_array());
    // Some lists are short by their nature, and stand in a member of their own.
    let rows = rows.or_else(|| answer.as_object().and_then(|members| members.values().find_map(Value::as_array)));
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "Nothing.".to_owned();
    }
    // A column of which no row has anything is left out.
    let filled = columns.iter().filter(|column| rows.iter().any(|row| !first(row, column.1).is_null()));
    let filled: Vec<&Column> = filled.collect();
    let mut table: Vec<Vec<String>> = vec![filled.iter().map(|column| column.0.to_owned()).collect()];
    table.extend(rows.iter().map(|row| filled.iter().map(|column| cell(first(row, column.1))).collect()));
    words::table(&table)
}

/// The first of some members that is there; dots lead deeper.
fn first<'a>(row: &'a Value, members: &str) -> &'a Value {
    let mut found = members.split('|').map(|path| path.split('.').fold(row, |value, name| &value[name]));
    found.find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

/// One thing, a line a fact.
pub fn object(value: &Value) -> String {
    let mut rows = Vec::new();
    facts("", value, &mut rows);
    words::table(&rows)
}

fn facts(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let deeper = |member: &str| if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") };
    match value {
        // A secret is shown once, at the end.
        Value::Object(members) if !members.contains_key("kind") || name.is_empty() => {
            for (member, value) in members.iter().filter(|(member, _)| *member != "secret") {
                facts(&deeper(member), value, rows);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() && grant(item).is_none()) => {
            for (row, item) in items.iter().enumerate() {
                facts(&deeper(&row.to_string()), item, rows);
            }
        }
        value => rows.push(vec![name.to_owned(), cell(value)]),
    }
}

/// A value in a cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) => {
            let known = grant(value).or_else(|| scope(value)).or_else(|| way(value));
            known.unwrap_or_else(|| plain(&value.to_string()))
        }
    }
}

/// `project.admin on prj_…`; `None` for what is no grant.
pub fn grant(value: &Value) -> Option<String> {
    let role = plain(value["role"].as_str()?);
    Some(match value["scope"]["kind"].as_str()? {
        "org" => role,
        _ => format!("{role} on {}", scope(&value["scope"])?),
    })
}

fn scope(value: &Value) -> Option<String> {
    match value["kind"].as_str()? {
        "org" => Some("the organisation".to_owned()),
        "all_projects" => Some("all projects".to_owned()),
        "project" => value["project_id"].as_str().map(plain),
        _ => None,
    }
}

/// Where a grant comes from, or a role alone; `None` for what is neither.
fn way(value: &Value) -> Option<String> {
    if let Some(role) = value["role"].as_str() {
        return Some(plain(role));
    }
    let of = |name: &str, words: &str| value[name].as_str().map(|text| format!("{words} {}", plain(text)));
    let from = of("group_name", "group").or_else(|| of("binding_id", "binding"));
    match (from, of("implied_by", "implied by")) {
        (Some(from), Some(implied)) => Some(format!("{from} ({implied})")),
        (from, implied) => from.or(implied),
    }
}

/// A text without anything that a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] =
        &[Column("ID", "user_id|id"), Column("NAME", "name"), Column("ROLES", "roles"), Column("X", "x")];

    #[test]
    fn a_page_is_a_table_of_the_columns_that_have_something() {
        let on = json!({ "role": "project.admin", "scope": { "kind": "project", "project_id": "prj_1" } });
        let own = json!({ "role": "org.reader", "scope": { "kind": "org" } });
        let items = json!([{ "id": "a", "name": "Ana", "roles": [own, on] }, { "id": "b", "name": "", "roles": [] }]);
        let wanted = "ID  NAME  ROLES\na   Ana   org.reader, project.admin on prj_1\nb   –     –";
        assert_eq!(page(COLUMNS, &json!({ "items": items })), wanted);
        assert_eq!(page(COLUMNS, &items), wanted);
        assert_eq!(page(COLUMNS, &json!({ "items": [] })), "Nothing.");
    }

    #[test]
    fn one_thing_is_told_fact_by_fact_and_its_secret_is_not_among_them() {
        let value = json!({ "id": "a", "secret": "s", "on": { "kind": "all_projects" }, "deep": { "yes": true },
            "list": [{ "a": 1 }, { "a": null }] });
        let text = object(&value);
        for line in ["id        a", "on        all projects", "deep.yes  yes", "list.0.a  1", "list.1.a  –"] {
            assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_way_is_told_by_its_group_or_its_binding() {
        let way = json!({ "binding_id": "bnd_1", "group_name": "Web team", "implied_by": "org.admin" });
        assert_eq!(cell(&way), "group Web team (implied by org.admin)");
        assert_eq!(cell(&json!({ "binding_id": "bnd_1", "group_name": null })), "binding bnd_1");
        assert_eq!(cell(&json!({ "role": "project.admin", "ways": [] })), "project.admin");
    }

    #[test]
    fn a_name_can_t_command_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb\n")), "a\u{fffd}[2Jb\u{fffd}");
    }
}
