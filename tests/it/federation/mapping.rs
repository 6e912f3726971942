//! Mapping: at each sign-in people are exactly where the rules put them, for so long and no longer; what that takes from
//! somebody ends what is theirs and nobody else's, and what changes nothing leaves no trace.

use muster::domain::access::{Policy, Verdict};
use muster::domain::change::Change;
use muster::domain::federation::Mapping;
use muster::domain::federation::claims::MOST_GROUPS;
use muster::kernel::time::{HOUR, MINUTE};
use muster::store::audit;
use serde_json::{Value, json};

use super::rules_scene::{DEVELOPERS, Scene, members, moved, newest, says, subject, words};
use crate::scim::visitor::Visitor;
use crate::support::client::Tokens;
use crate::support::federated::{is_nobody, refusal};
use crate::support::server::{Site, on_both};

/// Staff who develops.
fn developer(name: &str) -> Value {
    says(name, json!({ "groups": [DEVELOPERS], "employee": "yes" }))
}

/// How long a visitor's access token lives, in seconds, and when it ends.
fn life(visitor: &Visitor) -> (i64, i64) {
    let claims = visitor.tokens.claims();
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    (exp - iat, exp)
}

/// Renews a visitor's tokens.
async fn renew(scene: &Scene, visitor: &mut Visitor) {
    visitor.tokens = Tokens::read(&scene.shop.refresh(visitor.tokens.refresh()).await);
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn rules_and_groups_add_and_remove_at_the_next_sign_in_and_end_what_is_of_those_who_lost() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        let operator = json!({ "groups": ["x", DEVELOPERS], "employee": "yes", "department": "OPERATIONS" });
        let mut bo = scene.enters(says("bo", operator)).await;
        let all = (words(&["org.reader", "trail.viewer"]), words(&["project.member"]));
        assert_eq!(bo.roles(), all);

        let mut ana = scene.enters(says("ana", json!({ "groups": [DEVELOPERS], "employee": "yes" }))).await;
        assert_eq!(ana.roles(), (words(&["org.reader"]), words(&["project.member"])));
        // What the provider says the next time, the roles that follow, and what was lost.
        let steps: [(Value, &[&str], &[&str], &[&str]); 7] = [
            (
                json!({ "groups": [DEVELOPERS], "employee": "yes", "department": "operations" }),
                &["org.reader", "trail.viewer"],
                &["project.member"],
                &[],
            ),
            (
                json!({
                    "groups": [DEVELOPERS], "employee": "yes", "department": "operations", "contract": "external",
                }),
                &["org.reader"],
                &["project.member"],
                &["trail.viewer"],
            ),
            (json!({ "groups": ["Developers"], "employee": "yes" }), &["org.reader"], &[], &["project.member"]),
            (json!({ "groups": DEVELOPERS, "employee": "YES" }), &[], &["project.member"], &["org.reader"]),
            (json!({}), &[], &[], &["project.member"]),
            (json!({ "groups": [DEVELOPERS], "employee": ["no", "yes"] }), &["org.reader"], &["project.member"], &[]),
            (
                json!({ "groups": [DEVELOPERS], "employee": "yes", "department": ["Operations", "Sales"] }),
                &["org.reader", "trail.viewer"],
                &["project.member"],
                &[],
            ),
        ];
        for (more, of_org, of_web, lost) in steps {
            let next = scene.enters(says("ana", more.clone())).await;
            assert_eq!(next.roles(), (words(of_org), words(of_web)), "{more}");
            let receipt = newest(site, &scene.acme).await;
            let [(name, told, _)]: [_; 1] = moved(&receipt).try_into().expect("it concerns her alone");
            assert_eq!((name, told.as_slice()), ("ana", lost), "{more}");
            if lost.is_empty() {
                assert_eq!((receipt.members[0].verdict, receipt.ended.sessions), (Verdict::Keep, 0), "{more}");
                ana.is_in(shop).await;
                assert_eq!(ana.roles(), next.roles(), "what was gained is in the next token of every session");
            } else {
                assert_eq!((receipt.members[0].verdict, receipt.ended.sessions > 0), (Verdict::End, true), "{more}");
                ana.is_out(shop).await;
            }
            bo.is_in(shop).await;
            assert_eq!(bo.roles(), all, "{more}");
            ana = next;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_somebody_else_gave_is_neither_taken_nor_ended_by_a_mapping() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let off = Mapping { on: false, ..scene.mapping() };
        scene.okta.map(site, off).await;
        let ana = scene.enters(developer("ana")).await;
        assert_eq!(ana.roles(), (Vec::new(), Vec::new()), "off, a mapping gives nothing");
        scene.acme.put_in("devs", &["ana"]).await;
        scene.okta.map(site, scene.mapping()).await;
        for claims in [developer("ana"), says("ana", json!({ "employee": "yes" })), says("ana", json!({}))] {
            let came = scene.enters(claims.clone()).await;
            assert_eq!(came.roles().1, ["project.member"], "{claims}");
        }
        assert!(scene.places(site, "ana").await.is_empty());
        site.advance(13 * HOUR);
        assert_eq!(scene.enters(says("ana", json!({}))).await.roles().1, ["project.member"], "it has no end");
    })
    .await;
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn a_place_lapses_after_its_life_and_gives_nothing_from_then_on_though_nobody_has_swept() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        scene.okta.map(site, Mapping { life_hours: 1, ..scene.mapping() }).await;
        site.stop_jobs().await;
        let (people, mut desk) = (site.at.url("/o/acme/admin/people"), site.browser());
        scene.provider.says(developer("ana"));
        scene.okta.comes(site, &mut desk).await;
        let came = site.now();
        let mut ana = scene.enters(developer("ana")).await;
        let places = scene.places(site, "ana").await;
        let end = places[0].expires_at;
        assert!(places.len() == 2 && places[1].expires_at == end && end.since(came) >= HOUR, "{places:?}");
        assert!(end.since(site.now()) <= HOUR, "{places:?}");
        site.advance(30 * MINUTE);
        let mut bo = scene.enters(developer("bo")).await;
        assert_eq!(desk.open(&people).await.page().status, 200);

        // Five minutes before, no token is made that would outlive the place.
        site.advance(25 * MINUTE);
        for visitor in [&mut ana, &mut bo] {
            renew(&scene, visitor).await;
            assert_eq!(visitor.roles(), (words(&["org.reader"]), words(&["project.member"])));
        }
        let (lives, exp) = life(&ana);
        assert!(lives < 600 && exp <= end.seconds(), "{lives} until {exp}, and the place until {end:?}");
        assert_eq!(life(&bo).0, 600, "his lasts for longer");
        assert_eq!(desk.open(&people).await.page().status, 200);

        site.advance(end.since(site.now()).max(0) + 1);
        assert!(!shop.is_active(ana.tokens.access()).await);
        assert_eq!(desk.open(&people).await.page().status, 403, "what the place gave is refused at the next request");
        renew(&scene, &mut ana).await;
        assert_eq!(ana.roles(), (Vec::new(), Vec::new()));
        assert_eq!(life(&ana).0, 600);
        renew(&scene, &mut bo).await;
        assert_eq!(bo.roles(), (words(&["org.reader"]), words(&["project.member"])));
        assert_eq!(scene.places(site, "ana").await, places, "nobody has swept");

        // The sweep ends what is of whoever lost something, and tells it.
        let receipt = site.act(vec![Change::EndWindows { org: scene.acme.id.clone() }]).await;
        let [(name, mut lost, gained)]: [_; 1] = moved(&receipt).try_into().expect("it concerns her alone");
        lost.sort_unstable();
        assert_eq!((name, lost, gained), ("ana", vec!["org.reader", "project.member"], Vec::new()));
        assert_eq!(receipt.members[0].verdict, Verdict::End);
        ana.is_out(shop).await;
        bo.is_in(shop).await;
        assert!(scene.places(site, "ana").await.is_empty() && scene.places(site, "bo").await.len() == 2);
        assert!(desk.open(&people).await.page().has("login-form"));

        let again = scene.enters(developer("ana")).await;
        assert_eq!(again.roles(), (words(&["org.reader"]), words(&["project.member"])), "who comes again has it again");
    })
    .await;
}

/// What a change would leave behind: the newest change's id, how many rows the record has, and a member's version.
async fn traces(site: &Site, scene: &Scene, name: &str) -> (String, usize, i64) {
    let (id, member) = (newest(site, &scene.acme).await.id, scene.acme.member_id(name).await);
    let mut conn = site.conn().await;
    let rows = audit::page(&mut conn, &scene.acme.id, &audit::Filter::default(), None, 1_000).await.unwrap();
    let (acv,): (i64,) =
        conn.query("SELECT acv FROM memberships WHERE id = $1").bind(member.as_str().to_owned()).one().await.unwrap();
    (id.to_string(), rows.len(), acv)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_renews_places_and_changes_nothing_leaves_no_trace_and_ends_nothing() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let mut ana = scene.enters(developer("ana")).await;
        let (before, places) = (traces(site, &scene, "ana").await, scene.places(site, "ana").await);
        site.advance(5 * MINUTE);
        let mut again = scene.enters(developer("ana")).await;
        assert_eq!(traces(site, &scene, "ana").await, before);
        let renewed = scene.places(site, "ana").await;
        assert_eq!(renewed.len(), places.len());
        for (one, other) in places.iter().zip(&renewed) {
            assert_eq!((&one.group, &one.connection), (&other.group, &other.connection));
            assert!(other.expires_at.since(one.expires_at) >= 5 * MINUTE, "{one:?} {other:?}");
        }
        for visitor in [&mut ana, &mut again] {
            visitor.is_in(&scene.shop).await;
            assert_eq!(visitor.roles(), (words(&["org.reader"]), words(&["project.member"])));
        }
        // Without that sign-in it would be over by now.
        site.advance(12 * HOUR - 3 * MINUTE);
        let lasting = scene.places(site, "ana").await;
        assert_eq!(lasting, renewed);
        assert!(lasting.iter().all(|place| place.expires_at > site.now()), "{lasting:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_rules_puts_everybody_who_is_signed_in_where_they_belong_at_once() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        let before = Mapping { life_hours: 1, ..scene.mapping() };
        scene.okta.map(site, before.clone()).await;
        scene.enters(developer("carl")).await;
        site.advance(HOUR + MINUTE);
        let mut ana = scene.enters(developer("ana")).await;
        let operator = json!({ "employee": "yes", "department": "Operations" });
        let mut bo = scene.enters(says("bo", operator)).await;
        let end = scene.places(site, "ana").await[0].expires_at;
        site.advance(2 * MINUTE);

        // Developers are nobody any more, and all staff operates. Bo is where he was, by another rule.
        let mut rules = before.rules[..1].to_vec();
        rules.push(scene.staff_operates());
        let after = Mapping { rules, groups: Vec::new(), ..before.clone() };
        let receipt = scene.set_mapping(site, after.clone()).await;
        assert_eq!(moved(&receipt), [("ana", vec!["project.member"], vec!["trail.viewer"])]);
        assert_eq!((receipt.members[0].verdict, receipt.ended.sessions), (Verdict::End, 1));
        ana.is_out(shop).await;
        bo.is_in(shop).await;
        assert_eq!(bo.roles(), (words(&["org.reader", "trail.viewer"]), Vec::new()));
        let places = scene.places(site, "ana").await;
        assert!(places.len() == 2 && places.iter().all(|place| place.expires_at == end), "nobody has come again");
        assert!(scene.places(site, "carl").await.is_empty(), "what he was is over");
        ana = scene.enters(developer("ana")).await;
        assert_eq!(ana.roles(), (words(&["org.reader", "trail.viewer"]), Vec::new()));

        // What is only gained ends nothing, and stands in the next token.
        let more = Mapping { groups: before.groups.clone(), ..after.clone() };
        let receipt = scene.set_mapping(site, more.clone()).await;
        assert_eq!(moved(&receipt), [("ana", Vec::new(), vec!["project.member"])]);
        assert_eq!((receipt.members[0].verdict, receipt.ended.sessions), (Verdict::Keep, 0));
        for visitor in [&mut ana, &mut bo] {
            visitor.is_in(shop).await;
        }
        assert_eq!(ana.roles(), (words(&["org.reader", "trail.viewer"]), words(&["project.member"])));
        assert!(scene.set_mapping(site, more.clone()).await.is_empty(), "the same once more is nothing");

        // Off, it takes what it gave from everybody.
        let receipt = scene.set_mapping(site, Mapping { on: false, ..more }).await;
        let mut names: Vec<&str> = receipt.members.iter().map(|line| line.user_name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["ana", "bo"]);
        for (name, visitor) in [("ana", &ana), ("bo", &bo)] {
            visitor.is_out(shop).await;
            assert!(scene.places(site, name).await.is_empty(), "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_groups_are_read_and_groups_that_are_left_out_or_too_many_are_refused_where_they_count() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let many = |count: usize| -> Vec<String> { (1..count).map(|number| format!("g-{number:05}")).collect() };
        let with_last = |count: usize| {
            let mut groups = many(count);
            groups.push(DEVELOPERS.to_owned());
            json!({ "groups": groups, "employee": "yes" })
        };
        let mut ana = scene.enters(says("ana", with_last(MOST_GROUPS))).await;
        assert_eq!(ana.roles(), (words(&["org.reader"]), words(&["project.member"])), "the last of all counts");
        let (before, places) = (traces(site, &scene, "ana").await, scene.places(site, "ana").await);

        let elsewhere = json!({
            "employee": "yes", "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://graph.example/me/getMemberObjects" } },
        });
        let overages =
            [elsewhere, json!({ "hasgroups": true }), json!({ "hasgroups": "true" }), with_last(MOST_GROUPS + 1)];
        for more in &overages {
            let mut browser = site.browser();
            scene.provider.says(says("ana", more.clone()));
            let page = scene.okta.tries(site, &mut browser).await;
            assert_eq!(refusal(&page), (403, "groups_overage"), "{page:?}");
            assert!(is_nobody(site, &mut browser).await);
            let line = scene.okta.log(site).await.remove(0);
            assert_eq!(line.outcome, "groups_overage");
        }
        assert_eq!((traces(site, &scene, "ana").await, scene.places(site, "ana").await), (before, places));
        ana.is_in(&scene.shop).await;
        let page = scene.tries(site, says("eve", overages[0].clone())).await;
        assert_eq!((refusal(&page), members(site, &scene.acme).await), ((403, "groups_overage"), 2), "nobody is made");

        // Where no rule needs the groups, nobody misses them.
        scene.okta.map(site, Mapping { groups: Vec::new(), ..scene.mapping() }).await;
        for more in &overages {
            let came = scene.enters(says("bo", more.clone())).await;
            let staff = if more.get("employee").is_some() { words(&["org.reader"]) } else { Vec::new() };
            assert_eq!(came.roles(), (staff, Vec::new()));
        }
        scene.okta.map(site, Mapping { on: false, ..scene.mapping() }).await;
        scene.enters(says("cy", overages[0].clone())).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nothing_puts_anywhere_is_refused_where_a_match_is_required_and_loses_what_the_mapping_gave() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        scene.okta.map(site, Mapping { require_match: true, ..scene.mapping() }).await;
        let nothing = |name: &str| says(name, json!({ "groups": ["another"], "employee": "no" }));
        let page = scene.tries(site, nothing("eve")).await;
        assert_eq!(refusal(&page), (403, "no_group"), "{page:?}");
        assert_eq!((scene.okta.known_as(site, &subject("eve")).await, members(site, &scene.acme).await), (None, 1));

        let (ana, mut bo) = (scene.enters(developer("ana")).await, scene.enters(developer("bo")).await);
        let page = scene.tries(site, nothing("ana")).await;
        assert_eq!(refusal(&page), (403, "no_group"), "{page:?}");
        ana.is_out(shop).await;
        bo.is_in(shop).await;
        assert!(scene.places(site, "ana").await.is_empty() && scene.places(site, "bo").await.len() == 2);
        assert_eq!(refusal(&scene.tries(site, nothing("ana")).await), (403, "no_group"));
        assert_eq!(scene.enters(developer("ana")).await.roles().1, ["project.member"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_narrow_and_standing_a_narrowed_mapping_refuses_the_access_token_and_ends_only_where_nothing_is_left() {
    for policy in [Policy::Narrow, Policy::Standing] {
        on_both(async |site| {
            let scene = Scene::set(site).await;
            let shop = &scene.shop;
            scene.acme.set_policy(policy).await;
            let (mut ana, mut bo) = (scene.enters(developer("ana")).await, scene.enters(developer("bo")).await);
            let mut next = scene.enters(says("ana", json!({ "employee": "yes" }))).await;
            assert_eq!(newest(site, &scene.acme).await.members[0].verdict, Verdict::Narrow);
            ana.is_narrowed(shop).await;
            for visitor in [&ana, &next] {
                assert_eq!(visitor.roles(), (words(&["org.reader"]), Vec::new()));
            }
            next.is_in(shop).await;
            let last = scene.enters(says("ana", json!({}))).await;
            assert_eq!(newest(site, &scene.acme).await.members[0].verdict, Verdict::End);
            for visitor in [&ana, &next] {
                visitor.is_out(shop).await;
            }
            assert_eq!(last.roles(), (Vec::new(), Vec::new()));
            bo.is_in(shop).await;
        })
        .await;
    }
}
