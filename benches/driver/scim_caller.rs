//! The directory as its client knows it, and the callers that act for that client. Each answer is checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::flows::{Flow, Step};
use crate::http::{self, Answer, Connection};
use crate::scim::{Deed, IN_BULK, Start};
use crate::world;

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";
const BULK: &str = "/scim/v2/Bulk";
/// How many resources a page has.
const PAGE: u64 = 100;
/// How many people are known by their ids: as many as one answer may tell of.
const KNOWN: u64 = 1_000;
/// A step from one person to the next one that is asked for: a prime, so that all are met before one is met again.
const STRIDE: u64 = 999_983;

/// What a directory's client knows of the server.
pub struct Directory {
    address: SocketAddr,
    host: String,
    bearer: String,
    /// How many people there were at the beginning.
    users: u64,
    /// The ids of the first people.
    people: Vec<String>,
    /// The groups by name and id.
    groups: Vec<(String, String)>,
    /// How many were asked for.
    asked: AtomicU64,
    /// How many were made.
    made: AtomicU64,
}

impl Directory {
    /// Reads the first people and the groups.
    ///
    /// # Errors
    /// The server refuses, or the directory is empty.
    pub async fn meet(address: SocketAddr, users: u64) -> Result<Self> {
        let mut directory = Self {
            address,
            host: address.to_string(),
            bearer: format!("Bearer {}", world::directory_token()),
            users,
            people: Vec::new(),
            groups: Vec::new(),
            asked: AtomicU64::new(0),
            made: AtomicU64::new(0),
        };
        let people = directory.list(&format!("{USERS}?count={KNOWN}&attributes=userName")).await?;
        directory.people = people.iter().filter_map(|one| text(one, "id")).collect();
        let groups = directory.list(&format!("{GROUPS}?count={KNOWN}&excludedAttributes=members")).await?;
        directory.groups =
            groups.iter().filter_map(|one| Some((text(one, "displayName")?, text(one, "id")?))).collect();
        Ok(directory)
    }

    async fn list(&self, target: &str) -> Result<Vec<Value>> {
        let answer = self.get(&mut Connection::to(self.address), target).await?;
        is(&answer, 200, "")?;
        answer.json()?["Resources"].as_array().cloned().context("an answer without Resources")
    }

    async fn get(&self, connection: &mut Connection, target: &str) -> Result<Answer> {
        let request = http::get(&self.host, target, &[("Authorization", self.bearer.as_str())]);
        Ok(connection.send(&request).await?)
    }

    async fn send(&self, connection: &mut Connection, (method, target): (&str, &str), body: &Value) -> Result<Answer> {
        let request = http::scim(method, &self.host, target, &[("Authorization", self.bearer.as_str())], body);
        Ok(connection.send(&request).await?)
    }

    /// The number of somebody who was there at the beginning, each time another one.
    fn somebody(&self) -> u64 {
        1 + self.asked.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE) % self.users.max(1)
    }

    /// A user that nobody has made before.
    fn newcomer(&self) -> Value {
        let name = format!("new-{}", self.made.fetch_add(1, Ordering::Relaxed));
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "externalId": format!("ext-{name}"),
            "userName": name,
            "name": { "givenName": "New", "familyName": name },
            "displayName": format!("New {name}"),
            "active": true,
            "emails": [{ "value": format!("{name}@bench.example"), "type": "work", "primary": true }],
        })
    }

    fn person(&self, place: usize) -> Result<String> {
        self.people.get(place % self.people.len().max(1)).cloned().context("the directory has nobody")
    }

    fn group(&self, members: u64) -> Result<String> {
        let name = world::group_name(members);
        let found = self.groups.iter().find(|(known, _)| *known == name);
        found.map(|(_, id)| id.clone()).with_context(|| format!("there is no {name}"))
    }

    /// So many callers of a deed, each with people of its own where it changes them.
    ///
    /// # Errors
    /// The directory lacks what they need.
    pub fn callers(self: &Arc<Self>, deed: Deed, count: usize) -> Result<Vec<Flow>> {
        (0..count).map(|place| Ok(Flow::Scim(Box::new(self.caller(deed, place)?)))).collect()
    }

    fn caller(self: &Arc<Self>, deed: Deed, place: usize) -> Result<Caller> {
        let task = match deed {
            Deed::Filter => Task::Filter,
            Deed::Get => Task::Get,
            Deed::Page(Start::First) => Task::Page(1),
            Deed::Page(Start::Middle) => Task::Page((self.users / 2).max(1)),
            Deed::Page(Start::Cursor) => Task::Walk(String::new()),
            Deed::Create => Task::Create,
            Deed::Bulk => Task::Bulk,
            Deed::Active => Task::Active { user: self.person(place)?, active: true },
            Deed::Member(size) => {
                // The groups have the first people, in the order in which they are known.
                let inside = (place as u64) < size.members();
                Task::Member { group: self.group(size.members())?, user: self.person(place)?, inside }
            }
        };
        Ok(Caller { connection: Connection::to(self.address), directory: Arc::clone(self), task })
    }
}

/// One caller of a directory's client.
pub struct Caller {
    connection: Connection,
    directory: Arc<Directory>,
    task: Task,
}

/// What a caller does, and where it is with it.
enum Task {
    Filter,
    Get,
    /// The page from this place on.
    Page(u64),
    /// The page behind this cursor.
    Walk(String),
    Create,
    Active {
        user: String,
        active: bool,
    },
    Member {
        group: String,
        user: String,
        inside: bool,
    },
    Bulk,
}

impl Caller {
    /// Does one operation, which is one request.
    ///
    /// # Errors
    /// The connection broke, or the answer is not what it must be.
    pub async fn step(&mut self) -> Result<Step> {
        match &self.task {
            Task::Filter | Task::Get | Task::Page(_) | Task::Walk(_) => self.read().await?,
            Task::Create | Task::Active { .. } | Task::Member { .. } | Task::Bulk => self.write().await?,
        }
        Ok(Step::Did(1))
    }

    async fn read(&mut self) -> Result<()> {
        let Self { connection, directory, task } = self;
        match task {
            Task::Filter => {
                let name = format!("person-{}", directory.somebody());
                let filter = format!("userName eq \"{name}\"");
                let query = http::form(&[("filter", filter.as_str())]);
                let answer = directory.get(connection, &format!("{USERS}?{query}")).await?;
                is(&answer, 200, &format!("\"userName\":\"{name}\""))
            }
            Task::Get => {
                let id = directory.person(usize::try_from(directory.somebody()).unwrap_or(0))?;
                let answer = directory.get(connection, &format!("{USERS}/{id}")).await?;
                is(&answer, 200, &format!("\"id\":\"{id}\""))
            }
            Task::Page(start) => {
                let target = format!("{USERS}?startIndex={start}&count={PAGE}");
                let expected = (directory.users + 1).saturating_sub(*start).min(PAGE);
                is(&directory.get(connection, &target).await?, 200, &format!("\"itemsPerPage\":{expected}"))
            }
            Task::Walk(cursor) => {
                let query = http::form(&[("cursor", cursor.as_str())]);
                let answer = directory.get(connection, &format!("{USERS}?count={PAGE}&{query}")).await?;
                is(&answer, 200, "\"itemsPerPage\"")?;
                *cursor = next_cursor(&answer.text()).unwrap_or_default().to_owned();
                Ok(())
            }
            Task::Create | Task::Active { .. } | Task::Member { .. } | Task::Bulk => Ok(()),
        }
    }

    async fn write(&mut self) -> Result<()> {
        let Self { connection, directory, task } = self;
        match task {
            Task::Create => {
                let answer = directory.send(connection, ("POST", USERS), &directory.newcomer()).await?;
                is(&answer, 201, "\"userName\"")
            }
            Task::Active { user, active } => {
                *active = !*active;
                let body = patch(&json!({ "op": "replace", "path": "active", "value": *active }));
                let target = format!("{USERS}/{user}");
                let answer = directory.send(connection, ("PATCH", target.as_str()), &body).await?;
                is(&answer, 200, &format!("\"active\":{active}"))
            }
            Task::Member { group, user, inside } => {
                let operation = if *inside {
                    json!({ "op": "remove", "path": format!("members[value eq \"{user}\"]") })
                } else {
                    json!({ "op": "add", "path": "members", "value": [{ "value": user }] })
                };
                let target = format!("{GROUPS}/{group}");
                let answer = directory.send(connection, ("PATCH", target.as_str()), &patch(&operation)).await?;
                is(&answer, 204, "")?;
                *inside = !*inside;
                Ok(())
            }
            Task::Bulk => {
                let answer = directory.send(connection, ("POST", BULK), &bulk(directory)).await?;
                is(&answer, 200, "")?;
                let made = answer.text().matches("\"status\":\"201\"").count();
                ensure!(made == IN_BULK, "{made} of {IN_BULK} were made: {}", answer.summary());
                Ok(())
            }
            Task::Filter | Task::Get | Task::Page(_) | Task::Walk(_) => Ok(()),
        }
    }
}

fn patch(operation: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] })
}

fn bulk(directory: &Directory) -> Value {
    let make = |place: usize| {
        let (id, data) = (place.to_string(), directory.newcomer());
        json!({ "method": "POST", "path": "/Users", "bulkId": id, "data": data })
    };
    let operations: Vec<Value> = (0..IN_BULK).map(make).collect();
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations })
}

fn text(resource: &Value, name: &str) -> Option<String> {
    resource[name].as_str().map(str::to_owned)
}

/// Where the next page begins; nothing behind the last one.
fn next_cursor(list: &str) -> Option<&str> {
    let (_, rest) = list.split_once("\"nextCursor\":\"")?;
    rest.split_once('"').map(|(cursor, _)| cursor)
}

/// Fails unless an answer has this status, and this text somewhere in it.
fn is(answer: &Answer, status: u16, text: &str) -> Result<()> {
    ensure!(answer.status == status, "expected {status}: {}", answer.summary());
    ensure!(text.is_empty() || answer.text().contains(text), "expected {text}: {}", answer.summary());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_found_and_the_last_page_has_none() {
        assert_eq!(next_cursor(r#"{"itemsPerPage":1,"nextCursor":"abc-_1","Resources":[]}"#), Some("abc-_1"));
        assert_eq!(next_cursor(r#"{"itemsPerPage":1,"Resources":[]}"#), None);
    }
}
