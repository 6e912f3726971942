//! Every message has its trigger: what happened queues exactly one, to the right address. What is only tried, changes
//! nothing, or concerns nobody who reads mail, queues none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster::domain::alert::{Channel, Filter, Rule};
use muster::domain::change::{Actor, Change, Mode, NewAlert, Origin};
use muster::domain::language::Language;
use muster::domain::mail::{Mail, Template};
use muster::domain::people::invitation::Access;
use muster::domain::people::user::{MembershipState, UserState};
use muster::flows::change_access::change_access;
use muster::flows::forgotten::{self, By};
use muster::flows::give_password::{self, Credential};
use muster::flows::invite::{self, Invitee, Sent};
use muster::flows::register::{self, Person};
use muster::flows::sign_in::{Attempt, Context, with_password};
use muster::flows::{access_key, links, notices, own_account, self_register};
use muster::kernel::id::{AlertId, InvitationId, MembershipId, OrgId, ProjectId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::access_keys::AccessKey;
use muster::store::{access_keys, invitations, links as kept, users};
use serde_json::Value;

use super::triggers_of_connections as connections;
use super::triggers_of_factors::{WITH_AN_AUTHENTICATOR, second_factors};
use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::world::{Kind, World, on_both};

const OTHER: &str = "Quay4-Zr8wNb3Lf";

/// A world with Acme in it, and which messages were seen already.
pub(super) struct Story {
    pub(super) world: World,
    pub(super) acme: Org,
    read: BTreeSet<String>,
    covered: BTreeSet<Template>,
}

/// A message that waits, by its row.
struct Waiting {
    row: String,
    receiver: String,
    mail: Mail,
}

/// The message in a row's payload, wherever it stands in it.
fn mail_in(payload: &Value) -> Option<Mail> {
    if payload.get("template").is_some() && payload.get("to").is_some() {
        return serde_json::from_value(payload.clone()).ok();
    }
    payload.as_object()?.values().find_map(mail_in)
}

async fn waiting(world: &World) -> Vec<Waiting> {
    let sql = "SELECT id, receiver, payload FROM outbox WHERE kind = 'mail' ORDER BY id";
    let rows: Vec<(String, String, String)> = world.conn().await.query(sql).all().await.unwrap();
    let read = |(row, receiver, payload): (String, String, String)| {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        let mail = mail_in(&payload).unwrap_or_else(|| panic!("no message in {payload}"));
        Waiting { row, receiver, mail }
    };
    rows.into_iter().map(read).collect()
}

impl Story {
    async fn begin(kind: Kind) -> Option<Self> {
        Some(Self::of(World::fresh(kind).await?).await)
    }

    async fn of(world: World) -> Self {
        let acme = world.org("acme").await;
        Self { world, acme, read: BTreeSet::new(), covered: BTreeSet::new() }
    }

    /// The messages that came since the last look; waits a little where there are fewer than so many.
    async fn news(&mut self, at_least: usize) -> Vec<Mail> {
        for _ in 0..500 {
            let new: Vec<Waiting> =
                waiting(&self.world).await.into_iter().filter(|one| !self.read.contains(&one.row)).collect();
            if new.len() < at_least {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            self.read.extend(new.iter().map(|one| one.row.clone()));
            for one in &new {
                assert_eq!(one.receiver, one.mail.to.as_str(), "{:?}", one.mail.template);
            }
            return new.into_iter().map(|one| one.mail).collect();
        }
        panic!("{at_least} messages were awaited");
    }

    /// Exactly these messages came, in whatever order; they count as covered.
    pub(super) async fn told(&mut self, wanted: &[(Template, &str)]) -> Vec<Mail> {
        let news = self.news(wanted.len()).await;
        let mut came: Vec<(Template, String)> =
            news.iter().map(|mail| (mail.template, mail.to.as_str().to_owned())).collect();
        let mut wanted: Vec<(Template, String)> = wanted.iter().map(|(one, to)| (*one, (*to).to_owned())).collect();
        came.sort();
        wanted.sort();
        assert_eq!(came, wanted);
        self.covered.extend(came.into_iter().map(|(template, _)| template));
        news
    }

    pub(super) async fn nobody(&mut self, why: &str) {
        let news = self.news(0).await;
        assert!(news.is_empty(), "{why}: {:?}", news.iter().map(|mail| mail.template).collect::<Vec<_>>());
    }

    async fn remind(&self) {
        notices::remind(&self.world).await.expect("the database works");
    }

    fn org(&self) -> OrgId {
        self.acme.id.clone()
    }

    /// Invites somebody; the mail is delivered at once.
    async fn invite(&self, email: &str) -> InvitationId {
        let person = Invitee { email: email.to_owned(), name: "Ina Vee".to_owned(), ..Invitee::default() };
        let (actor, origin, access) = (Actor::CommandLine, Origin::default(), Access::default());
        let sent =
            invite::many(&self.world, &actor, &origin, &self.acme.id, vec![person], &access, None, Mode::Act).await;
        match sent.unwrap().remove(0).outcome.unwrap() {
            Sent::New(id, _) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn delivered(&self, invitation: &InvitationId) {
        let (invitation, now) = (invitation.clone(), self.world.now());
        let noted: Result<(), sqlx::Error> = self
            .world
            .db
            .write(move |tx| Box::pin(async move { invitations::mail_sent(tx, &invitation, now).await }))
            .await;
        noted.unwrap();
    }

    /// Registers somebody who is to set their password by a link.
    async fn register(&self, user_name: &str) -> (UserId, MembershipId) {
        let person = Person {
            user_name: user_name.to_owned(),
            name: "Rea Gister".to_owned(),
            given_name: String::new(),
            family_name: String::new(),
            email: Some(format!("{user_name}@example.test")),
            phone: None,
            language: None,
            access: Access::default(),
            credential: Credential::Link,
            must_change: false,
        };
        let (actor, origin) = (Actor::CommandLine, Origin::default());
        let made = register::one(&self.world, &actor, &origin, &self.acme.id, &person, Mode::Act).await.unwrap();
        (made.user, made.member)
    }

    async fn sign_in(&self, user_name: &str, password: &str, agent: &str) {
        let attempt = Attempt {
            identifier: user_name.to_owned(),
            password: Secret::presented(password),
            context: Context::None,
            user_agent: agent.to_owned(),
            address: "192.0.2.7".to_owned(),
            device: None,
        };
        with_password(&self.world, attempt).await.expect("the pool has room");
    }

    /// Makes a key for a member of the project.
    async fn key(&self, member: MembershipId, project: &ProjectId, days: i64) -> AccessKey {
        let ends = self.world.now().plus(days * DAY);
        let (key, _) = access_key::mint(&self.world, member, project.clone(), "build".to_owned(), ends);
        let id = key.id.clone();
        self.world.act(vec![Change::CreateAccessKey { org: self.org(), key: Box::new(key) }]).await;
        access_keys::find(&mut self.world.conn().await, &self.acme.id, &id).await.unwrap().unwrap()
    }
}

/// What is mailed with an invitation or a registration, sent again, and announced before it ends.
async fn coming_in(story: &mut Story) {
    let invitation = story.invite("ina@example.test").await;
    story.told(&[(Template::Invitation, "ina@example.test")]).await;
    story.delivered(&invitation).await;
    story.world.advance(2 * MINUTE);
    let (actor, origin, org) = (Actor::CommandLine, Origin::default(), story.org());
    invite::resend(&story.world, &actor, &origin, &org, &invitation, Mode::Act).await.unwrap();
    story.told(&[(Template::InvitationAgain, "ina@example.test")]).await;
    story.delivered(&invitation).await;

    let (_, member) = story.register("rea").await;
    story.told(&[(Template::SetPassword, "rea@example.test")]).await;
    story.world.advance(2 * MINUTE);
    give_password::send_link_again(&story.world, &actor, &origin, &org, &member, Mode::Act).await.unwrap();
    story.told(&[(Template::SetPasswordAgain, "rea@example.test")]).await;

    story.world.advance(5 * DAY - 2 * MINUTE);
    story.remind().await;
    // The invitation's link is two minutes older.
    story.told(&[(Template::InvitationReminder, "ina@example.test")]).await;
    story.world.advance(3 * MINUTE);
    story.remind().await;
    story.told(&[(Template::SetPasswordReminder, "rea@example.test")]).await;
    story.remind().await;
    story.nobody("one reminder each").await;
    // Its links are over long before the invitation is.
    story.world.advance(22 * DAY);
    story.remind().await;
    story.nobody("the invitation has three days left").await;
    story.world.advance(DAY);
    story.remind().await;
    story.told(&[(Template::InvitationReminder, "ina@example.test")]).await;
    story.world.advance(DAY);
    story.remind().await;
    story.nobody("it was announced").await;
}

/// Links that somebody asks for, and an account that is there already.
async fn asked_for(story: &mut Story) {
    let ana = story.acme.person("ana", PASSWORD).await;
    story.world.own_account("cara", PASSWORD).await;
    story.nobody("an account that is made with a password").await;
    let (world, origin) = (story.world.clone(), Origin::default());
    forgotten::ask(&world, "ana", Context::None, By::Mail, &origin).await.unwrap();
    story.told(&[(Template::ResetPassword, "ana@example.test")]).await;
    forgotten::ask(&world, "nobody", Context::None, By::Mail, &origin).await.unwrap();
    let found = users::find(&mut world.conn().await, &ana).await.unwrap().unwrap();
    let (ready, _) = give_password::prepare(&world, &found, &Credential::Link).await.unwrap();
    world.act(ready.changes(&ana, UserState::Active, false)).await;
    story.told(&[(Template::ResetByAdmin, "ana@example.test")]).await;
    self_register::ask(&world, "dora@example.test", &origin).await.unwrap();
    story.told(&[(Template::ConfirmAccount, "dora@example.test")]).await;
    self_register::ask(&world, "cara@example.test", &origin).await.unwrap();
    story.told(&[(Template::AccountExists, "cara@example.test")]).await;
    let password = Secret::presented(PASSWORD);
    own_account::ask_for_email(&world, &ana, "new@example.test", (&password, None), &origin, Mode::Act).await.unwrap();
    story.told(&[(Template::ConfirmEmail, "new@example.test")]).await;
}

/// What happens to an account.
async fn account(story: &mut Story) {
    let (world, bo) = (story.world.clone(), story.acme.person("bo", PASSWORD).await);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    story.sign_in("bo", PASSWORD, firefox).await;
    story.sign_in("bo", PASSWORD, &firefox.replace("140", "141")).await;
    story.nobody("the first browser, and its update").await;
    story.sign_in("bo", PASSWORD, "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36").await;
    let news = story.told(&[(Template::NewSignIn, "bo@example.test")]).await;
    assert_eq!(
        (news[0].values["browser"].as_str(), news[0].values["address"].as_str()),
        ("Chrome on Windows", "192.0.2.7")
    );

    let facts = users::password_facts(&mut world.conn().await, &bo).await.unwrap().unwrap();
    let password = world.hasher.hash(Secret::presented(OTHER)).await.unwrap();
    let old = facts.password.unwrap();
    let change = Change::ChangePassword { user: bo.clone(), old, password, end_others: true, keep: None };
    change_access(&world, &Actor::User(bo.clone()), vec![change], Mode::Act).await.unwrap();
    let news = story.told(&[(Template::PasswordChanged, "bo@example.test")]).await;
    assert_eq!(news[0].values["by"], "Bo Example");
    let password = world.hasher.hash(Secret::presented(PASSWORD)).await.unwrap();
    world.act(vec![Change::ResetPassword { user: bo.clone(), password, must_change: true }]).await;
    let news = story.told(&[(Template::PasswordChanged, "bo@example.test")]).await;
    assert_eq!(news[0].values["by"], "An administrator");

    let found = users::find(&mut world.conn().await, &bo).await.unwrap().unwrap();
    let mut profile = found.profile.clone();
    (profile.email, profile.locale) = (Some("bo.new@example.test".to_owned()), Some("ko-KR".to_owned()));
    world
        .act(vec![Change::SetProfile { user: bo.clone(), user_name: "bo".to_owned(), profile: Box::new(profile) }])
        .await;
    let both = [(Template::EmailChangedOld, "bo@example.test"), (Template::EmailChangedNew, "bo.new@example.test")];
    let news = story.told(&both).await;
    let said: BTreeMap<Template, (Language, &str)> =
        news.iter().map(|mail| (mail.template, (mail.language, mail.values["address"].as_str()))).collect();
    assert_eq!(said[&Template::EmailChangedOld], (Language::En, "b…@example.test"), "whoever reads there now");
    assert_eq!(said[&Template::EmailChangedNew], (Language::Ko, "bo.new@example.test"));

    for _ in 0..7 {
        story.sign_in("bo", "wrong-1", firefox).await;
    }
    let news = story.told(&[(Template::Locked, "bo.new@example.test")]).await;
    assert_eq!(news[0].values["until"], world.now().plus(15 * MINUTE).to_string());
    assert_eq!(news[0].values["at"], world.now().to_string());
}

/// What happens to a member, to keys, and to an organisation.
async fn membership(story: &mut Story) {
    let (world, acme) = (story.world.clone(), story.acme.clone());
    for name in ["olga", "ada", "eva", "kim"] {
        acme.person(name, PASSWORD).await;
    }
    let transfer = |to: MembershipId| vec![Change::TransferOwnership { org: acme.id.clone(), to }];
    world.act(transfer(acme.member_id("olga").await)).await;
    story.told(&[(Template::OwnershipReceived, "olga@example.test")]).await;
    world.act(transfer(acme.member_id("ada").await)).await;
    let both = [(Template::OwnershipGiven, "olga@example.test"), (Template::OwnershipReceived, "ada@example.test")];
    let news = story.told(&both).await;
    assert!(news.iter().all(|mail| mail.org.as_ref() == Some(&acme.id)));

    let project = acme.project("web").await;
    acme.give("kim", "project.reader", Some("web")).await;
    let kim = acme.member_id("kim").await;
    let key = story.key(kim, &project, 30).await;
    let news = story.told(&[(Template::KeyCreated, "kim@example.test")]).await;
    let wanted = [("key", "build"), ("project", "web")];
    assert!(wanted.iter().all(|(name, value)| news[0].values[*name] == *value), "{news:?}");
    assert_eq!(news[0].values["until"], key.expires_at.to_string());
    world.advance(23 * DAY - SECOND);
    story.remind().await;
    story.nobody("it has seven days and a second left").await;
    world.advance(SECOND);
    story.remind().await;
    story.told(&[(Template::KeyExpiring, "kim@example.test")]).await;
    story.remind().await;
    story.nobody("one warning").await;

    let suspend = |member| Change::SetMemberState { org: acme.id.clone(), member, state: MembershipState::Suspended };
    world.act(vec![suspend(acme.member_id("eva").await)]).await;
    story.told(&[(Template::Suspended, "eva@example.test")]).await;
    let remove = |member| Change::RemoveMember { org: acme.id.clone(), member };
    world.act(vec![suspend(acme.member_id("kim").await), remove(acme.member_id("kim").await)]).await;
    story.told(&[(Template::Removed, "kim@example.test")]).await;
    let eva = acme.user_id("eva").await;
    world.act(vec![Change::SetUserState { user: eva, state: UserState::Deleted }]).await;
    story.told(&[(Template::Removed, "eva@example.test")]).await;

    let rule = Rule {
        filter: Filter { kinds: vec!["group.*".to_owned()], ..Filter::default() },
        channel: Channel::Mail { to: vec!["sec@example.test".to_owned()] },
    };
    let alert = NewAlert { id: AlertId::fresh(), name: "groups".to_owned(), active: true, rule, sealed: None };
    world.act(vec![Change::PutAlert { org: acme.id.clone(), alert: Box::new(alert) }]).await;
    story.nobody("the rule itself").await;
    acme.group("devs", &[]).await;
    story.told(&[(Template::Alert, "sec@example.test")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_has_a_trigger_that_queues_exactly_one_to_the_right_address() {
    for kind in Kind::BOTH {
        let mut covered = BTreeSet::new();
        for part in 0..7 {
            let Some(mut story) = Story::begin(kind).await else {
                continue;
            };
            match part {
                0 => coming_in(&mut story).await,
                1 => asked_for(&mut story).await,
                2 => account(&mut story).await,
                3 => connections::token_ends(&mut story).await,
                4 => connections::provider_fails(&mut story).await,
                5 => second_factors(&mut story).await,
                _ => membership(&mut story).await,
            }
            covered.extend(std::mem::take(&mut story.covered));
            story.world.db.close().await;
        }
        if covered.is_empty() {
            continue; // no such database here
        }
        let all: BTreeSet<Template> =
            Template::ALL.iter().copied().filter(|template| *template != WITH_AN_AUTHENTICATOR).collect();
        let without: Vec<&Template> = all.difference(&covered).collect();
        assert!(without.is_empty(), "nothing here triggers {without:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_tried_or_changes_nothing_tells_nobody_and_many_changes_of_one_person_tell_once() {
    on_both(async |world| {
        let mut story = Story::of(world.clone()).await;
        let acme = story.acme.clone();
        let ana = acme.person("ana", PASSWORD).await;
        let member = acme.member_id("ana").await;
        let suspend = || Change::SetMemberState {
            org: acme.id.clone(),
            member: member.clone(),
            state: MembershipState::Suspended,
        };
        world.preview(vec![suspend()]).await;
        story.nobody("a dry run").await;
        let everywhere = Change::SetUserState { user: ana.clone(), state: UserState::Suspended };
        world.act(vec![suspend(), everywhere.clone()]).await;
        story.told(&[(Template::Suspended, "ana@example.test")]).await;
        world.act(vec![suspend(), everywhere]).await;
        story.nobody("it was so already").await;
        let remove = vec![Change::RemoveMember { org: acme.id.clone(), member: member.clone() }];
        change_access(&world, &Actor::User(ana.clone()), remove, Mode::Act).await.unwrap_err();
        story.nobody("a refusal").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_an_address_is_told_and_a_service_accounts_owner_is_told_for_it() {
    on_both(async |world| {
        let mut story = Story::of(world.clone()).await;
        let acme = story.acme.clone();
        let ana = acme.person("ana", PASSWORD).await;
        let project = acme.project("web").await;
        let (user, member) = (UserId::fresh(), MembershipId::fresh());
        let make = Change::CreateServiceAccount {
            org: acme.id.clone(),
            project: project.clone(),
            user: user.clone(),
            member: member.clone(),
            name: "deploy".to_owned(),
            description: String::new(),
            owner: Some(acme.member_id("ana").await),
        };
        world.act(vec![make]).await;
        story.nobody("a service account reads no mail").await;
        story.key(member.clone(), &project, 3).await;
        story.told(&[(Template::KeyCreated, "ana@example.test")]).await;
        let found = users::find(&mut world.conn().await, &ana).await.unwrap().unwrap();
        let mut profile = found.profile.clone();
        profile.email = None;
        world
            .act(vec![Change::SetProfile { user: ana, user_name: "ana".to_owned(), profile: Box::new(profile) }])
            .await;
        story.told(&[(Template::EmailChangedOld, "ana@example.test")]).await;
        story.key(member.clone(), &project, 3).await;
        world.act(vec![Change::RemoveMember { org: acme.id.clone(), member: acme.member_id("ana").await }]).await;
        world.act(vec![Change::RemoveServiceAccount { org: acme.id.clone(), user }]).await;
        story.nobody("without an address, or a service account").await;
        world.advance(2 * DAY);
        story.remind().await;
        story.nobody("the keys went with their account").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_brings_a_new_link_with_the_same_end_and_two_nodes_send_one() {
    on_both(async |world| {
        let mut story = Story::of(world.clone()).await;
        story.register("rea").await;
        let first = story.told(&[(Template::SetPassword, "rea@example.test")]).await.remove(0);
        story.acme.person("ana", PASSWORD).await;
        world.advance(5 * DAY);
        let (one, other) = tokio::join!(notices::remind(&world), notices::remind(&world));
        one.unwrap();
        other.unwrap();
        let second = story.told(&[(Template::SetPasswordReminder, "rea@example.test")]).await.remove(0);
        let mut found = Vec::new();
        for mail in [&first, &second] {
            let url = links::url(&world, mail).expect("it carries a link");
            let secret = Secret::presented(url.rsplit('/').next().unwrap_or_default());
            found.push(kept::find(&mut world.conn().await, secret.digest()).await.unwrap().unwrap());
        }
        assert_eq!(found[0].end_reason.as_deref(), Some("replaced"));
        assert!(found[1].ended_at.is_none() && found[1].expires_at == found[0].expires_at);
        assert_eq!(first.values["expires_at"], second.values["expires_at"]);
        let payloads: Vec<(String,)> =
            world.conn().await.query("SELECT payload FROM outbox WHERE kind = 'mail'").all().await.unwrap();
        assert!(payloads.iter().all(|(text,)| !text.contains(links::PREFIX)), "a secret stands there in the clear");
        world.advance(2 * DAY);
        story.remind().await;
        story.nobody("it is over").await;
    })
    .await;
}
