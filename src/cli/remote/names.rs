//! What people type instead of ids: user names, names of groups, keys of projects, looked up before the call.

use serde_json::Value;

use super::connection::Connection;
use super::failed::Failed;
use crate::outside::api_client::Ask;

/// A list in which something is looked for.
struct List {
    what: &'static str,
    path: &'static str,
    /// The members that may be what was typed.
    names: &'static [&'static str],
    /// The member that holds the id; the first that is there.
    ids: &'static [&'static str],
}

const USERS: List = List { what: "user", path: "users", names: &["user_name", "email"], ids: &["user_id", "id"] };
const GROUPS: List = List { what: "group", path: "groups", names: &["name"], ids: &["id"] };
const CONNECTIONS: List = List { what: "connection", path: "connections", names: &["name"], ids: &["id"] };

/// What stands in a path for a name.
pub async fn in_path(connection: &mut Connection, place: &str, typed: String) -> Result<String, Failed> {
    match place {
        "user" => user(connection, typed).await,
        "group" => group(connection, typed).await,
        "connection" if !typed.starts_with("con_") => found(connection, &CONNECTIONS, &typed).await,
        // The API itself takes keys of projects and roles, client ids and domains; the rest has ids only.
        _ => Ok(typed),
    }
}

/// A person's id.
pub async fn user(connection: &mut Connection, typed: String) -> Result<String, Failed> {
    if typed.starts_with("usr_") || typed.starts_with("mem_") {
        return Ok(typed);
    }
    if typed == "me" {
        return connection.user().ok_or_else(|| Failed::Usage("the token does not say who you are".to_owned()));
    }
    found(connection, &USERS, &typed).await
}

/// A group's id.
pub async fn group(connection: &mut Connection, typed: String) -> Result<String, Failed> {
    if typed.starts_with("grp_") { Ok(typed) } else { found(connection, &GROUPS, &typed).await }
}

/// A project's id.
pub async fn project(connection: &mut Connection, typed: String) -> Result<String, Failed> {
    if typed.starts_with("prj_") {
        return Ok(typed);
    }
    let org = connection.org()?;
    let answer = connection.call(&Ask::get(&["orgs", &org, "projects", &typed])).await?;
    let id = answer["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Failed::NotFound(format!("there is no project \"{typed}\"")))
}

/// The one row of a list that has this name, whichever page it is on.
async fn found(connection: &mut Connection, list: &List, typed: &str) -> Result<String, Failed> {
    let org = connection.org()?;
    let ask = Ask::get(&["orgs", &org, list.path]).with("search", typed).with("limit", "200");
    let (mut ids, mut next) = (Vec::new(), ask.clone());
    loop {
        let page = connection.call(&next).await?;
        ids.extend(page["items"].as_array().into_iter().flatten().filter_map(|row| list.id_if(row, typed)));
        match page["next"].as_str() {
            Some(cursor) => next = ask.clone().with("cursor", cursor),
            None => break,
        }
    }
    match (ids.len(), ids.pop()) {
        (1, Some(id)) => Ok(id),
        (0, _) | (_, None) => Err(Failed::NotFound(format!("there is no {} \"{typed}\"", list.what))),
        (many, _) => Err(Failed::Invalid(format!("{many} of them are called \"{typed}\": use the id"))),
    }
}

impl List {
    fn id_if(&self, row: &Value, typed: &str) -> Option<String> {
        let wanted = typed.to_lowercase();
        let called =
            self.names.iter().any(|name| row[*name].as_str().is_some_and(|text| text.to_lowercase() == wanted));
        let id = self.ids.iter().find_map(|name| row[*name].as_str());
        id.filter(|_| called).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_the_whole_name_without_regard_to_case() {
        let row = json!({ "user_id": "usr_1", "id": "mem_1", "user_name": "Ana", "email": null });
        assert_eq!(USERS.id_if(&row, "ana").as_deref(), Some("usr_1"));
        assert_eq!(USERS.id_if(&row, "an"), None);
        assert_eq!(GROUPS.id_if(&json!({ "id": "grp_1", "name": "Web team" }), "web TEAM").as_deref(), Some("grp_1"));
    }
}
