//! The first sign-in of somebody: who gets an account, who is known already, who is taken over, and who stays out.

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::connection::ScimProfile;
use muster::domain::mail::Purpose;
use muster::domain::people::user::{Kind, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::UserId;
use muster::kernel::time::DAY;
use muster::store::memberships;
use serde_json::{Value, json};

use super::rules_scene::{
    DEVELOPERS, Scene, account, has_password, identity, members, moved, newest, says, subject, words,
};
use crate::scim::client::Push;
use crate::scim::visitor::{Visitor, comes_in};
use crate::support::PASSWORD;
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::mailbox::count_to;
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both};

/// The client of a connection that pushes people besides.
async fn pusher(site: &Site, okta: &Federated) -> Push {
    let mut push = Push::open(site, &okta.org, ScimProfile::Auto).await;
    push.connection = okta.connection.clone();
    push.with_new_token(site, DAY).await
}

/// Has the provider's client say whether somebody is active.
async fn set_active(push: &Push, user: &str, active: bool) {
    let operations = json!([{ "op": "replace", "path": "active", "value": active }]);
    push.operate(&format!("/Users/{user}"), operations).await.good();
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_of_somebody_who_is_mapped_makes_account_and_roles_without_an_invitation() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        verify_domain(site, &scene.acme, "acme.test").await;
        let more = json!({ "groups": ["another", DEVELOPERS], "employee": "yes", "department": "Sales" });
        let mut ana = scene.enters(says("ana", more)).await;
        assert_eq!(ana.roles(), (words(&["org.reader"]), words(&["project.member"])), "in the very first token");
        ana.is_in(&scene.shop).await;

        let id = scene.okta.known_as(site, &subject("ana")).await.expect("she is known");
        assert_eq!(ana.tokens.id_claims()["sub"], json!(id));
        let made = account(site, &id).await;
        assert_eq!((&made.kind, made.state), (&Kind::Managed(scene.acme.id.clone()), UserState::Active));
        assert_eq!(made.source, Source::Oidc(scene.okta.connection.to_string()));
        assert_eq!((made.name.as_str(), made.profile.email.as_deref()), ("ana Kim", Some("ana@acme.test")));
        assert!(!has_password(site, &id).await);

        let receipt = newest(site, &scene.acme).await;
        assert_eq!(receipt.actor, format!("connection:{}", scene.okta.connection));
        assert!(receipt.acts.len() == 1 && receipt.acts[0].starts_with("make user"), "{:?}", receipt.acts);
        let [(name, lost, mut gained)]: [_; 1] = moved(&receipt).try_into().expect("she alone");
        gained.sort_unstable();
        assert_eq!((name, lost.len(), gained), ("ana", 0, vec!["org.reader", "project.member"]));
        let shown = scene.olga.get(&format!("/users/{id}")).await;
        let mut groups: Vec<&str> =
            shown["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
        groups.sort_unstable();
        assert_eq!((groups, &shown["roles"]), (vec!["devs", "everybody"], &json!([])), "{shown}");

        assert_eq!(scene.olga.get("/invitations").await["items"], json!([]));
        for purpose in [Purpose::Invitation, Purpose::SetPassword] {
            assert_eq!(count_to(site, "ana@acme.test", purpose).await, 0, "{purpose:?}");
        }
    })
    .await;
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_makes_no_accounts_refuses_whoever_is_unknown_until_it_does() {
    on_both(async |site| {
        let (acme, provider) = (site.org("acme").await, Provider::open().await);
        let okta = Federated::with(site, &acme, &provider, |settings| settings.provision = false).await;
        provider.says(says("ana", json!({})));
        let mut browser = site.browser();
        let page = okta.tries(site, &mut browser).await;
        assert_eq!(refusal(&page), (403, "account_unknown"), "{page:?}");
        assert!(is_nobody(site, &mut browser).await);
        assert_eq!((members(site, &acme).await, okta.known_as(site, &subject("ana")).await), (0, None));
        let line = okta.log(site).await.remove(0);
        assert_eq!((line.outcome.as_str(), line.user), ("account_unknown", None));
        okta.set_up(site, |settings| settings.provision = true).await;
        okta.comes(site, &mut browser).await;
        assert_eq!(members(site, &acme).await, 1);
        // Whoever is known comes in whatever the connection makes.
        okta.set_up(site, |settings| settings.provision = false).await;
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(members(site, &acme).await, 1);
    })
    .await;
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_the_connections_to_assert_is_left_out_and_the_person_comes_in() {
    on_both(async |site| {
        let (acme, provider) = (site.org("acme").await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        let other = Federated::open(site, &acme, &Provider::open().await).await;
        verify_domain(site, &acme, "acme.test").await;
        let domain = verify_domain(site, &acme, "bound.test").await;
        let (org, connection) = (acme.id.clone(), Some(other.connection.clone()));
        site.act(vec![Change::SetDomainConnection { org, domain, connection }]).await;
        let ours = |name: &str| Some(format!("{name}@acme.test"));
        let cases: [(&str, Value, Option<String>, String); 7] = [
            ("ana", json!({ "email": "ana@globex.test" }), None, "ana".into()),
            ("bo", json!({ "email_verified": false }), None, "bo".into()),
            ("cy", json!({ "email_verified": "false" }), None, "cy".into()),
            ("dee", json!({ "email": "dee@bound.test" }), None, "dee".into()),
            ("eve", json!({}), ours("eve"), "eve".into()),
            ("flo", json!({ "preferred_username": "flo@globex.test" }), ours("flo"), "flo@acme.test".into()),
            (
                "gil",
                json!({ "preferred_username": "boss@acme.test.evil.test", "email": "boss@evil.test" }),
                None,
                subject("gil"),
            ),
        ];
        for (name, more, email, user_name) in &cases {
            provider.says(says(name, more.clone()));
            okta.comes(site, &mut site.browser()).await;
            let id = okta.known_as(site, &subject(name)).await.unwrap();
            let made = account(site, &id).await;
            let seen = (made.profile.email.clone(), made.profile.email_verified, made.user_name);
            assert_eq!(seen, (email.clone(), email.is_some(), user_name.clone()), "{name} {more}");
        }
        assert_eq!(members(site, &acme).await, cases.len());
        // What becomes the organisation's own is the person's at the next sign-in.
        verify_domain(site, &acme, "globex.test").await;
        provider.says(says("ana", json!({ "email": "ana@globex.test" })));
        okta.comes(site, &mut site.browser()).await;
        let id = okta.known_as(site, &subject("ana")).await.unwrap();
        assert_eq!(account(site, &id).await.profile.email.as_deref(), Some("ana@globex.test"));
        assert_eq!(members(site, &acme).await, cases.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_taken_over_under_a_verified_domain_of_its_own_address_and_its_password_and_sessions_go() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (acme, shop) = (&scene.acme, &scene.shop);
        let ana = acme.person("ana", PASSWORD).await;
        acme.put_in("devs", &["ana"]).await;
        let of_ana = || says("ana", json!({ "email": "Ana@Example.test" }));
        let page = scene.tries(site, of_ana()).await;
        assert_eq!(refusal(&page), (409, "account_exists"), "nobody has proven whose the domain is: {page:?}");
        verify_domain(site, acme, "example.test").await;
        let before = Visitor::of(shop, "ana").await;

        let after = scene.enters(of_ana()).await;
        assert_eq!(after.tokens.id_claims()["sub"], json!(ana), "she is the same");
        assert_eq!(after.roles(), (Vec::new(), words(&["project.member"])), "and what was given here stays");
        before.is_out(shop).await;
        assert!(!comes_in(shop, "ana").await && !has_password(site, &ana).await);
        assert_eq!(account(site, &ana).await.source, Source::Oidc(scene.okta.connection.to_string()));
        assert_eq!(members(site, acme).await, 2, "Olga and she");
        // From now on she is known by who she is, not by an address.
        let again = says("ana", json!({ "email": "another@example.test", "preferred_username": "renamed" }));
        assert_eq!(scene.enters(again).await.tokens.id_claims()["sub"], json!(ana));
        let page = scene
            .tries(site, says("eve", json!({ "email": "renamed@evil.test", "preferred_username": "renamed" })))
            .await;
        assert_eq!(refusal(&page), (409, "account_exists"), "{page:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_taken_over_by_a_name_or_another_address_nor_whoever_owns_administers_or_is_barred() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let acme = &scene.acme;
        verify_domain(site, acme, "example.test").await;
        for name in ["ada", "bo", "ivo", "sue"] {
            acme.person(name, PASSWORD).await;
        }
        acme.group("admins", &["ada"]).await;
        acme.give_group("admins", "org.admin", None).await;
        acme.give("ivo", "iam.admin", None).await;
        let (org, member) = (acme.id.clone(), acme.member_id("sue").await);
        site.act(vec![Change::SetMemberState { org, member, state: MembershipState::Suspended }]).await;
        let at = |email: &str| json!({ "email": email });
        for (who, name, more) in [
            ("bo by the name alone", "bo", at("bo@elsewhere.test")),
            ("bo by another address", "bo", at("b.o@example.test")),
            ("bo and somebody else", "bo", at("ada@example.test")),
            ("the owner", "olga", at("olga@example.test")),
            ("an administrator", "ada", at("ada@example.test")),
            ("somebody who administers people", "ivo", at("ivo@example.test")),
            ("somebody suspended", "sue", at("sue@example.test")),
            (
                "bo, whose address nobody has verified",
                "bo",
                json!({ "email": "bo@example.test", "email_verified": false }),
            ),
        ] {
            let page = scene.tries(site, says(name, more)).await;
            assert_eq!(refusal(&page), (409, "account_exists"), "{who}: {page:?}");
            let id = acme.user_id(name).await;
            assert!(account(site, &id).await.source == Source::Local && has_password(site, &id).await, "{who}");
            assert!(identity(site, &scene.okta, &subject(name)).await.is_none(), "{who}");
        }
        // Accounts that are their persons' own have names of another realm.
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        let came = scene.enters(says("cara", at("cara@example.test"))).await;
        assert_ne!(came.tokens.id_claims()["sub"], json!(cara));
        assert!(account(site, &cara).await.source == Source::Local && has_password(site, &cara).await);
    })
    .await;
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn a_later_push_takes_over_whom_the_same_connection_signed_in_and_the_sign_in_still_works() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        scene.okta.set_up(site, |settings| settings.scim_claim = Some("oid".to_owned())).await;
        let of_ana = || says("ana", json!({ "groups": [DEVELOPERS], "oid": "ext-ana" }));
        let before = scene.enters(of_ana()).await;
        let id = scene.okta.known_as(site, &subject("ana")).await.unwrap();
        let stranger = Push::open(site, &scene.acme, ScimProfile::Auto).await;
        let taken = stranger.post("/Users", crate::scim::client::user("ana")).await;
        assert_eq!(taken.error(), (409, "uniqueness"), "another connection doesn't have her");

        let push = pusher(site, &scene.okta).await;
        assert_eq!(push.create_user("ana").await, id.to_string(), "the same account");
        before.is_out(shop).await;
        let source = Source::Scim(scene.okta.connection.to_string());
        assert_eq!(account(site, &id).await.source, source);

        let mut ana = scene
            .enters(says("renamed", json!({ "sub": subject("ana"), "groups": [DEVELOPERS], "oid": "ext-ana" })))
            .await;
        assert_eq!(ana.tokens.id_claims()["sub"], json!(id));
        assert_eq!(ana.roles(), (Vec::new(), words(&["project.member"])));
        ana.is_in(shop).await;
        let found = account(site, &id).await;
        assert_eq!((found.user_name.as_str(), found.name.as_str()), ("ana", "ana Pushed"), "what was pushed holds");
        assert_eq!(members(site, &scene.acme).await, 2, "Olga and she");

        set_active(&push, id.as_str(), false).await;
        ana.is_out(shop).await;
        assert_eq!(refusal(&scene.tries(site, of_ana()).await), (403, "account_disabled"));
        assert_eq!(account(site, &id).await.state, UserState::Deactivated, "coming again revives nobody");
        set_active(&push, id.as_str(), true).await;
        assert_eq!(scene.enters(of_ana()).await.tokens.id_claims()["sub"], json!(id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_calls_themselves_like_somebody_who_is_pushed_later_is_not_taken_for_them() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        scene.okta.set_up(site, |settings| settings.scim_claim = Some("oid".to_owned())).await;
        // The provider lets people choose their user name.
        let mallory = says("mallory", json!({ "preferred_username": "boss", "oid": "ext-mallory" }));
        let mut inside = scene.enters(mallory.clone()).await;
        let id = scene.okta.known_as(site, &subject("mallory")).await.unwrap();
        assert_eq!(account(site, &id).await.user_name, "boss");
        let push = pusher(site, &scene.okta).await;
        let pushed = push.post("/Users", crate::scim::client::user("boss")).await;
        assert_eq!(pushed.error(), (409, "uniqueness"), "an administrator decides");
        assert_eq!(account(site, &id).await.source, Source::Oidc(scene.okta.connection.to_string()));
        inside.is_in(&scene.shop).await;
        let waiting = scene.olga.get("/adoptions").await;
        assert_eq!(waiting["items"][0]["user"]["user_id"], id.as_str(), "{waiting}");
    })
    .await;
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_same_connection_has_pushed_is_known_by_the_immutable_id_and_by_no_other_connections() {
    on_both(async |site| {
        let (acme, provider, theirs) = (site.org("acme").await, Provider::open().await, Provider::open().await);
        let okta = Federated::with(site, &acme, &provider, |settings| {
            (settings.scim_claim, settings.provision) = (Some("oid".to_owned()), false);
        })
        .await;
        let other =
            Federated::with(site, &acme, &theirs, |settings| settings.scim_claim = Some("oid".to_owned())).await;
        let push = pusher(site, &okta).await;
        let ana: UserId = push.create_user("ana").await.parse().unwrap();
        let named = |name: &str, oid: Value| says(name, json!({ "oid": oid, "preferred_username": name }));
        for (provider, okta, claims) in [
            (&provider, &okta, named("eve", json!("ext-zoe"))),
            (&provider, &okta, named("eve", json!("EXT-ANA"))),
            (&provider, &okta, named("eve", json!(["ext-ana", "ext-zoe"]))),
            (&provider, &okta, named("ext-ana", Value::Null)),
        ] {
            provider.says(claims.clone());
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page), (403, "account_unknown"), "{claims}");
        }
        theirs.says(named("eve", json!("ext-ana")));
        other.comes(site, &mut site.browser()).await;
        assert_ne!(other.known_as(site, &subject("eve")).await, Some(ana.clone()), "she is nobody's but her own's");

        provider.says(named("somebody", json!("ext-ana")));
        for _ in 0..2 {
            okta.comes(site, &mut site.browser()).await;
            assert_eq!(okta.known_as(site, &subject("somebody")).await, Some(ana.clone()));
        }
        let found = account(site, &ana).await;
        assert_eq!((found.user_name.as_str(), found.name.as_str()), ("ana", "ana Pushed"), "what was pushed holds");
        assert_eq!(found.source, Source::Scim(okta.connection.to_string()));
        // Whom she is upstream is said once: another subject with her id is not she.
        provider.says(named("second", json!("ext-ana")));
        assert_eq!(refusal(&okta.tries(site, &mut site.browser()).await), (409, "link_taken"));
        assert_eq!(okta.known_as(site, &subject("second")).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_here_or_disabled_upstream_stays_out_and_is_revived_by_no_sign_in() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        let of_ana = || says("ana", json!({ "groups": [DEVELOPERS] }));
        scene.enters(of_ana()).await;
        let (org, connection) = (scene.acme.id.clone(), scene.okta.connection.clone());
        let (user, member) = (scene.acme.user_id("ana").await, scene.acme.member_id("ana").await);
        let of_user = |state| Change::SetUserState { user: user.clone(), state };
        let of_member = |state| Change::SetMemberState { org: org.clone(), member: member.clone(), state };
        let now = site.now();
        let upstream = |active, later| Change::SetUpstreamAccount {
            org: org.clone(),
            connection: connection.clone(),
            user: user.clone(),
            active,
            at: now.plus(later),
        };
        let its_own = Actor::Connection { org: org.clone(), connection: connection.clone() };
        let states = async || {
            let found = memberships::find(&mut site.conn().await, &org, &member).await.unwrap().unwrap();
            (account(site, &user).await.state, found.state)
        };
        for (actor, bar, lift) in [
            (Actor::CommandLine, of_user(UserState::Suspended), of_user(UserState::Active)),
            (Actor::CommandLine, of_member(MembershipState::Suspended), of_member(MembershipState::Active)),
            (its_own, upstream(false, 0), upstream(true, 1)),
        ] {
            let ana = scene.enters(of_ana()).await;
            change_access(site, &actor, vec![bar.clone()], Mode::Act).await.unwrap();
            ana.is_out(shop).await;
            let barred = states().await;
            for _ in 0..2 {
                let page = scene.tries(site, of_ana()).await;
                assert_eq!(refusal(&page), (403, "account_disabled"), "{bar:?}: {page:?}");
            }
            assert_eq!(states().await, barred, "{bar:?}");
            let line = scene.okta.log(site).await.remove(0);
            assert_eq!((line.outcome.as_str(), line.user), ("account_disabled", Some(user.clone())));
            change_access(site, &actor, vec![lift], Mode::Act).await.unwrap();
            ana.is_out(shop).await;
            assert!(shop.is_active(scene.enters(of_ana()).await.tokens.access()).await, "after {bar:?}");
        }
        // What is disabled upstream is not enabled here.
        let its_own = Actor::Connection { org: org.clone(), connection: connection.clone() };
        change_access(site, &its_own, vec![upstream(false, 2)], Mode::Act).await.unwrap();
        match site.change(vec![of_user(UserState::Active)]).await {
            Err(Refusal::ManagedByIdp { connection }) => assert_eq!(connection, scene.okta.name),
            other => panic!("{other:?}"),
        }
    })
    .await;
}
