//! How other SCIM servers were taken over, tried here: accounts found by what a client sends, groups with privileged
//! names, addresses that nobody proved, inner attributes, requests of many parts.

use muster::domain::connection::ScimProfile;
use muster::domain::people::user::{Kind, UserState};
use muster::domain::source::Source;
use muster::kernel::id::UserId;
use muster::store::users;
use serde_json::{Value, json};

use super::attacks_scene::{BULK, PUSHED_PASSWORD, account, bulk, facts, group, own, roles_of, with};
use super::client::{Push, patch_of, user};
use super::visitor::{comes_in, may_sign_in};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::server::on_both;

// What a client may not take over by a name, it may not take over by renaming either (GitLab CVE-2022-1680).
#[tokio::test(flavor = "multi_thread")]
async fn no_rename_and_no_new_address_makes_somebody_elses_account_ones_own() {
    on_both(async |site| {
        let (acme, olga) = owned(site, "acme").await;
        let bo = acme.person("bo", PASSWORD).await;
        own(site, &acme, "example.test").await;
        let (push, other) =
            (Push::open(site, &acme, ScimProfile::Auto).await, Push::open(site, &acme, ScimProfile::Auto).await);
        let ana = push.create_user("ana").await;
        let zoe = other.create_user("zoe").await;
        let mut kept = Vec::new();
        for id in [olga.as_str(), bo.as_str(), zoe.as_str(), ana.as_str()] {
            kept.push((id.to_owned(), facts(site, id).await));
        }
        let path = format!("/Users/{ana}");
        for (name, email) in [("bo", "bo@example.test"), ("olga", "olga@example.test"), ("zoe", "zoe@pushed.test")] {
            let emails = json!([{ "value": email, "type": "work", "primary": true }]);
            let replace = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
            let by_name = [
                push.put(&path, with(user("ana"), "userName", json!(name.to_uppercase()))).await,
                push.put(&path, with(user("ana"), "userName", json!(email))).await,
                push.operate(&path, replace("userName", json!(name))).await,
                push.operate(&path, json!([{ "op": "replace", "value": { "userName": name } }])).await,
            ];
            let by_address = [
                push.put(&path, with(user("ana"), "emails", emails.clone())).await,
                push.operate(&path, replace("emails", emails.clone())).await,
                push.operate(&path, replace("emails[type eq \"work\"].value", json!(email.to_uppercase()))).await,
            ];
            for answer in by_name.iter().chain(&by_address) {
                assert_eq!(answer.error(), (409, "uniqueness"), "{name}: {}", answer.json);
            }
            let operation = json!({ "method": "PATCH", "path": path,
                                    "data": patch_of(&replace("userName", json!(name))) });
            assert_eq!(bulk(&push, vec![operation]).await[0]["status"], "409", "{name}");
        }
        // Who owns, and whom another connection keeps, is in the way of a new one, too.
        for (name, email) in [("olga", "olga@example.test"), ("zoe", "zoe@pushed.test"), ("x", "zoe@pushed.test")] {
            let emails = json!([{ "value": email, "type": "work", "primary": true }]);
            let answer = push.post("/Users", with(user(name), "emails", emails)).await;
            assert_eq!(answer.error(), (409, "uniqueness"), "{name} {email}");
        }
        for (id, before) in kept {
            assert_eq!(facts(site, &id).await, before, "{id}");
        }
        // Whatever id is sent, the server's own is given.
        for (number, id) in [ana.as_str(), bo.as_str(), "1", "../1", ""].into_iter().enumerate() {
            let name = format!("new{number}");
            let made = push.post("/Users", with(user(&name), "id", json!(id))).await.good();
            assert!(made.id() != id && made.id().parse::<UserId>().is_ok(), "{id:?}");
        }
    })
    .await;
}

// Roles hang on a group's id, never on its name (Keycloak CVE-2026-9099 and its kin).
#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_no_role_by_its_name_whenever_and_however_it_takes_it() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.group("Bosses", &[]).await;
        acme.give_group("Bosses", "org.admin", None).await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let eve = push.create_user("eve").await;
        let mine = push.create_group("Mine", &[&eve]).await;
        let path = format!("/Groups/{mine}");
        for name in ["Organization Admins", "organization admins", " Organization Readers ", "Bosses", "BOSSES"] {
            let set = json!([{ "op": "replace", "path": "displayName", "value": name }]);
            for answer in [
                push.post("/Groups", group(name, &[&eve])).await,
                push.put(&path, group(name, &[&eve])).await,
                push.operate(&path, &set).await,
                push.operate(&path, json!([{ "op": "replace", "value": { "id": mine, "displayName": name } }])).await,
            ] {
                assert_eq!(answer.error(), (409, "uniqueness"), "{name}: {}", answer.json);
            }
            let operations = vec![
                json!({ "method": "POST", "path": "/Groups", "bulkId": "g", "data": group(name, &[&eve]) }),
                json!({ "method": "PATCH", "path": path, "data": patch_of(&set) }),
            ];
            for answer in bulk(&push, operations).await {
                assert_eq!(answer["status"], "409", "{name}: {answer}");
            }
        }
        // Names that only look alike are other names, and give nothing.
        for name in ["Bosses\u{200b}", "B\u{43e}sses", "org.admin", "instance.admin"] {
            let answer = push.post("/Groups", group(name, &[&eve])).await;
            assert!([201, 400, 409].contains(&answer.status), "{name}: {}", answer.json);
        }
        assert_eq!(roles_of(site, &acme, "eve").await, Vec::<String>::new());
        // A name that is free again has nothing of who had it before.
        acme.delete_group("Bosses").await;
        push.operate(&path, json!([{ "op": "replace", "path": "displayName", "value": "Bosses" }])).await.good();
        assert_eq!(roles_of(site, &acme, "eve").await, Vec::<String>::new());
        // What was given to the group stays with it through its names, and goes to none that takes the old one.
        acme.give_group("Bosses", "org.reader", None).await;
        push.operate(&path, json!([{ "op": "replace", "path": "displayName", "value": "Moved" }])).await.good();
        let dan = push.create_user("dan").await;
        push.create_group("Bosses", &[&dan]).await;
        assert_eq!(roles_of(site, &acme, "eve").await, ["org.reader"]);
        assert_eq!(roles_of(site, &acme, "dan").await, Vec::<String>::new());
        push.delete(&path).await.good();
        push.create_group("Moved", &[&eve]).await;
        assert_eq!(roles_of(site, &acme, "eve").await, Vec::<String>::new());
    })
    .await;
}

// GitLab #11643: whoever pushes says of no address that it was proven.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_as_proven_only_under_a_domain_that_the_organisation_has_shown_to_be_its_own() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        own(site, &globex, "globex.example").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let emails = |address: &str| json!([{ "value": address, "type": "work", "primary": true, "verified": true }]);
        let mut made = Vec::new();
        for (number, address) in [
            "a@acme.example",
            "a@globex.example",
            "a@sub.acme.example",
            "a@evilacme.example",
            "a@acme.example.evil.test",
        ]
        .into_iter()
        .enumerate()
        {
            let body = with(user(&format!("u{number}")), "emails", emails(address));
            let body = with(with(body, "email_verified", json!(true)), "emailVerified", json!(true));
            let id = push.post("/Users", body).await.good().id();
            let found = account(site, &id).await;
            assert_eq!((found.profile.email.as_deref(), found.profile.email_verified), (Some(address), false));
            made.push((id, address));
        }
        own(site, &acme, "acme.example").await;
        for (id, address) in made {
            let path = format!("/Users/{id}");
            push.operate(&path, json!([{ "op": "replace", "path": "nickName", "value": "n" }])).await.good();
            let expected = address == "a@acme.example";
            assert_eq!(account(site, &id).await.profile.email_verified, expected, "{address}");
        }
        // An address of one's own domain that becomes another's is proven no more.
        let id = push.post("/Users", with(user("bo"), "emails", emails("BO@Acme.Example"))).await.good().id();
        assert!(account(site, &id).await.profile.email_verified);
        let path = format!("/Users/{id}");
        let moved =
            json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ceo@globex.example" }]);
        push.operate(&path, moved).await.good();
        assert!(!account(site, &id).await.profile.email_verified);
    })
    .await;
}

// Doyensec's list of 2025: inner attributes, what comes after a deletion, what bulk does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_attribute_of_the_clients_changes_nothing_and_a_deletion_is_for_good() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let meta = json!({ "resourceType": "Group", "version": "W/\"9\"", "location": "https://evil.test/" });
        let mut body = user("eve");
        for (name, value) in [
            ("id", json!("usr_00000000000000000000000001")),
            ("meta", meta),
            ("groups", json!([{ "value": "grp_00000000000000000000000001" }])),
            ("kind", json!("operator")),
            ("org_id", json!("org_x")),
            ("realm", json!("own")),
            ("source", json!("local")),
            ("state", json!("deleted")),
            ("isAdmin", json!(true)),
            ("role", json!("instance.admin")),
            ("roles", json!([{ "value": "org.owner", "primary": true }])),
            ("entitlements", json!([{ "value": "org.admin" }])),
            ("userType", json!("operator")),
            ("password", json!(PUSHED_PASSWORD)),
            ("must_change", json!(false)),
            ("urn:muster:internal", json!({ "owner": true })),
            ("__proto__", json!({ "admin": true })),
        ] {
            body[name] = value;
        }
        let made = push.post("/Users", body).await.good();
        let id = made.id();
        assert_ne!(id, "usr_00000000000000000000000001");
        assert_eq!(made.json["meta"]["location"], json!(site.at.url(&format!("/scim/v2/Users/{id}"))));
        assert_eq!((&made.json["meta"]["resourceType"], made.json.get("groups")), (&json!("User"), None));
        let found = account(site, &id).await;
        assert_eq!((found.kind, found.state), (Kind::Managed(acme.id.clone()), UserState::Active));
        assert_eq!(found.source, Source::Scim(push.connection.to_string()));
        let kept = users::password_facts(&mut site.conn().await, &found.id).await.unwrap();
        assert!(kept.is_none_or(|facts| facts.password.is_none()), "a password that is pushed is dropped");
        assert_eq!(roles_of(site, &acme, "eve").await, Vec::<String>::new(), "roles are words, and give nothing");
        for key in ["kind", "source", "isAdmin", "password", "urn:muster:internal"] {
            assert!(made.json.get(key).is_none(), "{key}: {}", made.json);
        }
        for path in ["id", "meta.location", "meta", "groups", "schemas"] {
            let set = json!([{ "op": "replace", "path": path, "value": "x" }]);
            let answer = push.operate(&format!("/Users/{id}"), set).await;
            assert!([200, 400].contains(&answer.status), "{path}: {}", answer.json);
            assert_eq!(push.get(&format!("/Users/{id}")).await.id(), id, "{path}");
        }

        let shop = site.client(&acme.application("shop").await);
        may_sign_in(site, &id).await;
        assert!(comes_in(&shop, "eve").await);
        let path = format!("/Users/{id}");
        push.operate(&path, json!([{ "op": "replace", "path": "active", "value": false }])).await.good();
        assert!(!comes_in(&shop, "eve").await, "whoever is switched off stays out, whatever they type");
        push.delete(&path).await.good();
        for answer in [push.get(&path).await, push.put(&path, user("eve")).await, push.delete(&path).await] {
            assert_eq!(answer.error(), (404, ""));
        }
        assert!(!comes_in(&shop, "eve").await);
        let again = push.create_user("eve").await;
        assert_ne!(again, id, "an id is never used again");
        assert!(!comes_in(&shop, "eve").await, "and nothing of what was deleted opens the new one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_with_a_circle_an_unknown_name_or_a_forged_place_fails_there_and_nowhere_else() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let post =
            |id: &str, path: &str, data: Value| json!({ "method": "POST", "path": path, "bulkId": id, "data": data });
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Ana" }]);
        let told = bulk(
            &push,
            vec![
                post("g1", "/Groups", group("One", &["bulkId:g2"])),
                post("g2", "/Groups", group("Two", &["bulkId:g1"])),
                post("g3", "/Groups", group("Three", &["bulkId:nobody"])),
                post("g4", "/Groups", group("Four", &["bulkId:u"])),
                post("u", "/Users", user("ana")),
                post("x", "/Users/../Groups", user("x")),
                post("y", "/Bulk", json!({ "Operations": [] })),
                post("z", "https://evil.test/scim/v2/Users", user("z")),
                json!({ "method": "GET", "path": "/Users" }),
                json!({ "method": "PATCH", "path": "/Users/bulkId:u", "data": patch_of(&rename) }),
            ],
        )
        .await;
        let status = |place: usize| told[place]["status"].as_str().unwrap_or_default().parse::<u16>().unwrap();
        let by_id = |id: &str| told.iter().position(|one| one["bulkId"] == id).unwrap_or_else(|| panic!("{told:?}"));
        for id in ["g1", "g2", "g3", "x", "y", "z"] {
            assert!((400..500).contains(&status(by_id(id))), "{id}: {told:?}");
        }
        for id in ["g4", "u"] {
            assert_eq!(status(by_id(id)), 201, "{id}: {told:?}");
        }
        for path in ["/Users", "/Groups"] {
            assert_eq!(push.get(path).await.json["totalResults"], 1, "{path}");
        }
        let twice = [post("a", "/Users", user("a")), post("a", "/Users", user("b"))];
        for bad in [
            json!({ "schemas": [BULK], "Operations": twice }),
            json!({ "schemas": [BULK], "Operations": [{ "method": "POST", "path": "/Users", "data": user("a") }] }),
            json!({ "schemas": [BULK], "Operations": [7] }),
            json!({ "schemas": [BULK], "failOnErrors": -1, "Operations": [] }),
        ] {
            assert_eq!(push.post("/Bulk", bad).await.error(), (400, "invalidSyntax"));
        }
        assert_eq!(push.get("/Users").await.json["totalResults"], 1, "nothing of a request that can't be read is done");
    })
    .await;
}
