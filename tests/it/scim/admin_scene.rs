//! What administrators of connections find: rows of a log, what waits for them, and a DNS server that says what it is told.

use std::sync::{Arc, Mutex};

use muster::domain::change::{Actor, Change, Mode, Provisioned};
use muster::domain::connection::ScimProfile;
use muster::domain::scim::derive;
use muster::flows::change_access::change_access;
use muster::kernel::id::{AdoptionId, ConnectionId, GroupId, HeldId, MembershipId, OrgId, ScimRequestId, UserId};
use muster::kernel::time::{DAY, UnixMillis};
use muster::store::scim::held::{Held, State};
use muster::store::scim::requests::Logged;
use muster::store::scim::{adoptions, held, requests};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::UdpSocket;

use crate::support::admin::Admin;
use crate::support::org::Org;
use crate::support::server::Site;

/// A refusal: its status and its word.
pub fn code(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

/// A person whom a connection has pushed.
pub async fn push_user(site: &Site, org: &Org, connection: &ConnectionId, name: &str) -> UserId {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let new = pushed(name, true);
    push(site, org, connection, |org, connection| Change::ProvisionUser {
        org,
        connection,
        user: user.clone(),
        member,
        new: Box::new(new),
    })
    .await;
    user
}

/// What is pushed of somebody.
pub fn pushed(name: &str, active: bool) -> Provisioned {
    let email = format!("{name}@acme.example");
    let object = json!({ "userName": email, "active": active, "displayName": name,
                         "emails": [{ "type": "work", "value": email, "primary": true }] });
    derive::provisioned(object.as_object().unwrap(), ScimProfile::Auto, |_| false).unwrap()
}

/// A change that a connection's client asks for.
pub async fn push(
    site: &Site,
    org: &Org,
    connection: &ConnectionId,
    change: impl FnOnce(OrgId, ConnectionId) -> Change,
) {
    let actor = Actor::Connection { org: org.id.clone(), connection: connection.clone() };
    let change = change(org.id.clone(), connection.clone());
    change_access(site, &actor, vec![change], Mode::Act).await.expect("the connection may");
}

/// A moment as the API has it.
pub fn moment(at: UnixMillis) -> String {
    OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap().format(&Rfc3339).unwrap()
}

/// The id of what was made.
pub fn id_of(made: &Value) -> String {
    made["object"]["id"].as_str().unwrap_or_else(|| panic!("nothing was made: {made}")).to_owned()
}

/// A connection with Okta.
pub async fn okta(by: &Admin) -> ConnectionId {
    let new = json!({ "name": "Okta", "profile": "okta", "admin_url": "https://acme.okta.example" });
    id_of(&by.post("/connections", new).await).parse().unwrap()
}

/// Requests that were answered with these statuses, in this order.
pub async fn log(site: &Site, connection: &ConnectionId, statuses: &[i64]) {
    let rows: Vec<Logged> = statuses
        .iter()
        .map(|status| Logged {
            id: ScimRequestId::fresh(),
            connection: connection.clone(),
            at: site.now(),
            method: "POST".to_owned(),
            path: "/Users".to_owned(),
            status: *status,
            detail: if *status < 400 { String::new() } else { format!("It was {status}.") },
            body: "userName, emails".to_owned(),
            change: None,
            took_us: 1_500,
        })
        .collect();
    let done: Result<(), sqlx::Error> =
        site.db.write(move |tx| Box::pin(async move { requests::put_all(tx, &rows).await })).await;
    done.unwrap();
}

/// A deletion of a group that waits.
pub async fn hold(site: &Site, org: &Org, connection: &ConnectionId, group: &GroupId) -> HeldId {
    let row = Held {
        id: HeldId::fresh(),
        org: org.id.clone(),
        connection: connection.clone(),
        state: State::Held,
        method: "DELETE".to_owned(),
        path: format!("/Groups/{group}"),
        body: "null".to_owned(),
        losing: 12,
        of_members: 20,
        created_at: site.now(),
        decide_at: site.now().plus(DAY),
        decided_at: None,
        decided_by: None,
    };
    let id = row.id.clone();
    let done: Result<(), sqlx::Error> =
        site.db.write(move |tx| Box::pin(async move { held::put(tx, &row).await })).await;
    done.unwrap();
    id
}

/// An account that a push has found in its way.
pub async fn in_the_way(site: &Site, org: &Org, connection: &ConnectionId, user: &UserId) -> AdoptionId {
    let id = AdoptionId::fresh();
    let resource = json!({ "userName": "pushed@acme.example", "externalId": "00u1", "active": true,
                           "emails": [{ "type": "work", "value": "pushed@acme.example" }] });
    let (asked, at) =
        ((id.clone(), org.id.clone(), connection.clone(), user.clone(), resource.to_string()), site.now());
    let done: Result<bool, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (id, org, connection, user, resource) = &asked;
                adoptions::put(tx, &adoptions::Asked { id, org, connection, user, resource }, at).await
            })
        })
        .await;
    assert!(done.unwrap());
    id
}

/// A DNS server that has one text, or none, under every name.
pub struct Dns {
    /// Where it listens.
    pub address: String,
    text: Arc<Mutex<Option<String>>>,
}

impl Dns {
    /// Listens on a port of its own, for as long as the test lasts.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
        let address = socket.local_addr().unwrap().to_string();
        let text: Arc<Mutex<Option<String>>> = Arc::default();
        let told = Arc::clone(&text);
        tokio::spawn(async move {
            let mut bytes = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let text = told.lock().unwrap().clone();
                if let Some(answer) = answer(&bytes[..length], text.as_deref()) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, text }
    }

    /// What it says from now on.
    pub fn says(&self, text: Option<String>) {
        *self.text.lock().unwrap() = text;
    }
}

/// An answer to the one question of a message (RFC 1035 §4.1): a TXT record, or that there is no such name.
fn answer(asked: &[u8], text: Option<&str>) -> Option<Vec<u8>> {
    let mut end = 12;
    while *asked.get(end)? != 0 {
        end += usize::from(asked[end]) + 1;
    }
    let question = asked.get(12..end + 5)?;
    let code = if text.is_some() { 0x80 } else { 0x83 };
    let mut answer = vec![asked[0], asked[1], 0x85, code, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if let Some(text) = text {
        let length = u8::try_from(text.len()).ok()?;
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
        answer.extend_from_slice(text.as_bytes());
    }
    Some(answer)
}
