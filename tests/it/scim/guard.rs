//! The guard against mass changes: an alert where very many lose access within an hour, and, where the organisation
//! chose so, one request that would do it waits for an administrator or its time.

use muster::domain::change::{Actor, Change, Origin};
use muster::domain::connection::{ConnectionSettings, ConnectionState, Guard, NewConnection, OnTimeout, ScimProfile};
use muster::domain::mail::Template;
use muster::flows::change_access::Refusal;
use muster::flows::scim::held as requests;
use muster::kernel::id::GroupId;
use muster::kernel::time::{HOUR, MINUTE, SECOND};
use muster::store::audit::{self, Filter, Row};
use muster::store::connections::{self, Connection};
use muster::store::groups;
use muster::store::scim::held::{self, Held, State};
use serde_json::{Value, json};

use super::client::{Answer, Push};
use crate::support::PASSWORD;
use crate::support::mailbox::mails_to;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// Acme with an administrator of alerts, and people whom a connection pushed into one group that lets them read.
struct Story<'s> {
    site: &'s Site,
    acme: Org,
    client: Push,
    people: Vec<String>,
}

const GROUP: &str = "everybody";

impl<'s> Story<'s> {
    async fn begin(site: &'s Site, people: usize, guard: Guard) -> Self {
        let acme = site.org("acme").await;
        acme.person("ann", PASSWORD).await;
        acme.give("ann", "alert.admin", None).await;
        let settings = ConnectionSettings { guard, ..ConnectionSettings::default() };
        let client = Push::open_with(site, &acme, ScimProfile::Auto, settings).await;
        let mut ids = Vec::new();
        for number in 0..people {
            ids.push(client.create_user(&format!("p{number}")).await);
        }
        let story = Self { site, acme, client, people: ids };
        story.group(GROUP).await;
        story
    }

    /// One more group of all whom the connection pushed; its path.
    async fn group(&self, name: &str) -> String {
        let members: Vec<&str> = self.people.iter().map(String::as_str).collect();
        let id = self.client.create_group(name, &members).await;
        self.acme.give_group(name, "org.reader", None).await;
        format!("/Groups/{id}")
    }

    async fn path(&self, name: &str) -> String {
        format!("/Groups/{}", self.acme.group_id(name).await)
    }

    async fn size(&self, name: &str) -> i64 {
        let group: GroupId = self.acme.group_id(name).await;
        groups::count_members(&mut self.site.conn().await, &group).await.unwrap()
    }

    async fn is_there(&self, path: &str) -> bool {
        self.client.get(path).await.status == 200
    }

    async fn set_active(&self, person: usize, active: bool) -> Answer {
        let operation = json!([{ "op": "replace", "path": "active", "value": active }]);
        self.client.operate(&format!("/Users/{}", self.people[person]), operation).await
    }

    /// The rows of the record with a kind, the newest first.
    async fn recorded(&self, kind: &str) -> Vec<Row> {
        let filter = Filter { kind: Some(kind.to_owned()), ..Filter::default() };
        audit::page(&mut self.site.conn().await, &self.acme.id, &filter, None, 50).await.unwrap()
    }

    async fn held(&self) -> Vec<Held> {
        held::page(&mut self.site.conn().await, &self.acme.id, None, None, 50).await.unwrap()
    }

    /// How often the administrator of alerts was told something.
    async fn told(&self) -> usize {
        let mails = mails_to(self.site, "ann@example.test").await;
        mails.iter().filter(|mail| mail.template == Template::Alert).count()
    }
}

fn holding(on_timeout: OnTimeout) -> Guard {
    Guard { hold: true, hold_minutes: 5, on_timeout, ..Guard::default() }
}

/// Takes everybody out.
fn all_out() -> Value {
    json!([{ "op": "remove", "path": "members" }])
}

fn is_held(answer: &Answer) -> bool {
    answer.status == 202 && answer.json == Value::Null
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_emptied_or_deleted_is_told_of_once_an_hour_and_waits_for_nobody() {
    on_both(async |site| {
        let story = Story::begin(site, 12, Guard::default()).await;
        let (first, second) = (story.path(GROUP).await, story.group("more").await);
        assert_eq!(story.client.delete(&first).await.status, 204);
        assert!(story.recorded("connection.mass_loss").await.is_empty(), "the other group gives them the same");
        assert_eq!(story.client.operate(&second, all_out()).await.status, 204);
        let rows = story.recorded("connection.mass_loss").await;
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].detail["losing"], &rows[0].detail["of_members"]), (&json!(12), &json!(13)));
        assert_eq!(rows[0].actor, format!("connection:{}", story.client.connection));
        assert!(rows[0].targets.contains(&story.client.connection.to_string()));
        assert_eq!((story.told().await, story.held().await.len()), (1, 0));

        let third = story.group("again").await;
        story.client.delete(&third).await.good();
        assert_eq!((story.recorded("connection.mass_loss").await.len(), story.told().await), (1, 1));
        let fourth = story.group("later").await;
        site.advance(HOUR + MINUTE);
        story.client.delete(&fourth).await.good();
        assert_eq!((story.recorded("connection.mass_loss").await.len(), story.told().await), (2, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_taken_away_one_by_one_are_out_at_once_and_a_mass_of_them_is_told_of() {
    on_both(async |site| {
        let story = Story::begin(site, 19, holding(OnTimeout::Reject)).await;
        for person in 0..10 {
            story.set_active(person, false).await.good();
        }
        assert!(story.recorded("connection.mass_loss").await.is_empty(), "ten of twenty are not more than half");
        let last = story.client.delete(&format!("/Users/{}", story.people[10])).await;
        assert_eq!(last.status, 204);
        let rows = story.recorded("connection.mass_loss").await;
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].detail["losing"], &rows[0].detail["of_members"]), (&json!(11), &json!(20)));
        story.set_active(11, false).await.good();
        assert_eq!((story.recorded("connection.mass_loss").await.len(), story.held().await.len()), (1, 0));
        // Who comes back is no loss; what happened more than an hour ago is none any more.
        site.advance(2 * HOUR);
        for person in 0..10 {
            story.set_active(person, true).await.good();
        }
        for person in 0..9 {
            story.set_active(person, false).await.good();
        }
        assert_eq!(story.recorded("connection.mass_loss").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_organisation_chose_so_a_mass_change_waits_once_and_an_administrator_decides() {
    on_both(async |site| {
        let story = Story::begin(site, 12, holding(OnTimeout::Release)).await;
        let (acme, path) = (&story.acme, story.path(GROUP).await);
        let admin = Actor::User(acme.person("ada", PASSWORD).await);
        let reader = Actor::User(acme.person("rob", PASSWORD).await);
        acme.give("ada", "org.admin", None).await;
        acme.give("rob", "org.reader", None).await;
        let globex = site.org("globex").await;
        let stranger = Actor::User(globex.person("gil", PASSWORD).await);
        globex.give("gil", "org.admin", None).await;

        for _ in 0..2 {
            assert!(is_held(&story.client.delete(&path).await));
        }
        assert!(is_held(&story.client.operate(&path, all_out()).await));
        let waiting = story.held().await;
        let shape: Vec<(&str, &str)> = waiting.iter().map(|row| (row.method.as_str(), row.path.as_str())).collect();
        assert_eq!(shape, [("DELETE", path.as_str()), ("PATCH", path.as_str())]);
        assert_eq!((waiting[0].losing, waiting[0].of_members), (12, 15));
        assert_eq!((story.size(GROUP).await, story.told().await), (12, 2));
        // What takes one from few goes on.
        let one = format!("members[value eq \"{}\"]", story.people[0]);
        let removal = json!([{ "op": "remove", "path": one }]);
        assert_eq!(story.client.operate(&path, removal).await.status, 204);
        assert_eq!(story.size(GROUP).await, 11);

        let origin = Origin { address: "192.0.2.9".to_owned(), ..Origin::default() };
        for (id, row) in [(&acme.id, &waiting[0]), (&acme.id, &waiting[1])] {
            let refused = requests::release(site, &reader, &origin, id, &row.id).await;
            assert!(matches!(refused, Err(Refusal::Denied { .. })), "{refused:?}");
            assert!(matches!(requests::reject(site, &stranger, &origin, id, &row.id).await, Err(Refusal::NotFound(_))));
            let elsewhere = requests::release(site, &stranger, &origin, &globex.id, &row.id).await;
            assert!(matches!(elsewhere, Err(Refusal::NotFound(_))), "{elsewhere:?}");
        }
        requests::reject(site, &admin, &origin, &acme.id, &waiting[0].id).await.unwrap();
        assert!(story.is_there(&path).await && story.size(GROUP).await == 11);
        let released = requests::release(site, &admin, &origin, &acme.id, &waiting[1].id).await.unwrap();
        assert!((200..300).contains(&released.status) && released.change.is_some(), "{released:?}");
        assert!(story.is_there(&path).await && story.size(GROUP).await == 0);

        let states: Vec<State> = story.held().await.iter().map(|row| row.state).collect();
        assert_eq!(states, [State::Rejected, State::Released]);
        for row in &waiting {
            let late = requests::release(site, &admin, &origin, &acme.id, &row.id).await;
            assert!(matches!(late, Err(Refusal::Conflict(_))), "{late:?}");
            let late = requests::reject(site, &admin, &origin, &acme.id, &row.id).await;
            assert!(matches!(late, Err(Refusal::Conflict(_))), "{late:?}");
        }
        // The change is the connection's, and its row says who let it go on.
        let filter = Filter { change: released.change.clone(), ..Filter::default() };
        let rows = audit::page(&mut site.conn().await, &acme.id, &filter, None, 10).await.unwrap();
        assert_eq!(rows[0].actor, format!("connection:{}", story.client.connection));
        assert_eq!(rows[0].request_id, format!("{} by {}", waiting[1].id, admin.label()));
        let told = story.recorded("connection.mass_change_released").await;
        assert_eq!((told.len(), &told[0].actor, told[0].address.as_str()), (1, &admin.label(), "192.0.2.9"));
        assert_eq!(story.recorded("connection.mass_change_rejected").await.len(), 1);
        assert_eq!(story.recorded("connection.mass_change_held").await.len(), 2);
        assert!(story.recorded("connection.mass_loss").await.is_empty(), "an administrator saw it coming");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_from_many_sides_at_once_waits_once() {
    on_both(async |site| {
        let story = Story::begin(site, 12, holding(OnTimeout::Release)).await;
        let path = story.path(GROUP).await;
        let answers = futures_util::future::join_all((0..8).map(|_| story.client.delete(&path))).await;
        assert!(answers.iter().all(is_held), "{answers:?}");
        assert_eq!((story.held().await.len(), story.recorded("connection.mass_change_held").await.len()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decided_in_time_is_decided_once_as_the_connection_says() {
    on_both(async |site| {
        let story = Story::begin(site, 12, holding(OnTimeout::Release)).await;
        let (acme, path) = (&story.acme, story.path(GROUP).await);
        assert!(is_held(&story.client.delete(&path).await));
        site.advance(4 * MINUTE);
        requests::decide_due(site).await.unwrap();
        assert!(story.is_there(&path).await);
        site.advance(MINUTE + SECOND);
        let (one, other) = tokio::join!(requests::decide_due(site), requests::decide_due(site));
        one.unwrap();
        other.unwrap();
        assert!(!story.is_there(&path).await);
        let told = story.recorded("connection.mass_change_released").await;
        assert_eq!((told.len(), told[0].actor.as_str()), (1, "system:hold_over"));
        assert_eq!(story.held().await[0].state, State::Released);

        let second = story.group("second").await;
        let settings = ConnectionSettings { guard: holding(OnTimeout::Reject), ..ConnectionSettings::default() };
        let found = connections::find(&mut site.conn().await, &acme.id, &story.client.connection).await;
        let Connection { id, org, name, profile, local_grants, .. } = found.unwrap().unwrap();
        let reject = NewConnection { id, org, name, profile, local_grants, settings };
        site.act(vec![Change::PutConnection(Box::new(reject))]).await;
        assert!(is_held(&story.client.delete(&second).await));
        site.advance(5 * MINUTE + SECOND);
        requests::decide_due(site).await.unwrap();
        assert!(story.is_there(&second).await);
        assert_eq!(story.recorded("connection.mass_change_rejected").await.len(), 1);

        // A connection that does not work takes nothing from anybody any more, whatever was said before.
        assert!(is_held(&story.client.delete(&second).await));
        let (org, connection) = (acme.id.clone(), story.client.connection.clone());
        site.act(vec![Change::SetConnectionState { org, connection, state: ConnectionState::Disabled }]).await;
        let row = story.held().await.pop().unwrap();
        let refused = requests::release(site, &Actor::CommandLine, &Origin::default(), &acme.id, &row.id).await;
        assert!(matches!(refused, Err(Refusal::Conflict(_))), "{refused:?}");
        site.advance(5 * MINUTE + SECOND);
        requests::decide_due(site).await.unwrap();
        assert_eq!((story.held().await.pop().unwrap().state, story.size("second").await), (State::Rejected, 12));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_sent_again_is_not_emptied_when_the_time_is_over() {
    on_both(async |site| {
        let story = Story::begin(site, 14, holding(OnTimeout::Release)).await;
        let path = story.path(GROUP).await;
        let all: Vec<Value> = story.people.iter().map(|id| json!({ "value": id })).collect();
        assert!(is_held(&story.client.operate(&path, json!([{ "op": "remove", "path": "members" }])).await));
        // Somebody who comes in says nothing of the others.
        let first = json!([{ "op": "add", "path": "members", "value": [all[0]] }]);
        assert_eq!(story.client.operate(&path, first).await.status, 204);
        assert_eq!(story.held().await[0].state, State::Held);
        let list = json!({ "schemas": [super::client::GROUP], "displayName": GROUP, "members": all });
        assert_eq!(story.client.put(&path, &list).await.status, 200);
        assert_eq!(story.held().await[0].state, State::Rejected);
        site.advance(5 * MINUTE + SECOND);
        requests::decide_due(site).await.unwrap();
        assert_eq!(story.size(GROUP).await, 14);
        assert_eq!(story.recorded("connection.mass_change_rejected").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_overtaken_gives_nobody_back_what_was_taken_meanwhile() {
    on_both(async |site| {
        let story = Story::begin(site, 14, holding(OnTimeout::Release)).await;
        let path = story.path(GROUP).await;
        let two: Vec<Value> = story.people[..2].iter().map(|id| json!({ "value": id })).collect();
        let list = json!({ "schemas": [super::client::GROUP], "displayName": GROUP, "members": two });
        assert!(is_held(&story.client.put(&path, &list).await));
        site.advance(SECOND);
        let first = format!("members[value eq \"{}\"]", story.people[0]);
        let removal = json!([{ "op": "remove", "path": first }]);
        assert_eq!(story.client.operate(&path, removal).await.status, 204);

        let row = story.held().await.pop().unwrap();
        let refused = requests::release(site, &Actor::CommandLine, &Origin::default(), &story.acme.id, &row.id).await;
        assert!(matches!(refused, Err(Refusal::Blocked { .. })), "{refused:?}");
        assert_eq!(story.held().await[0].state, State::Held);
        site.advance(5 * MINUTE);
        requests::decide_due(site).await.unwrap();
        assert_eq!((story.held().await[0].state, story.size(GROUP).await), (State::Rejected, 13));
        // The same list again is a request of its own.
        assert!(is_held(&story.client.put(&path, &list).await));
        assert_eq!(story.held().await.len(), 2);
    })
    .await;
}
