//! The access of one person: every role with where it comes from, why and why not, windows, and claims that are
//! foretold as tokens then have them.

use muster::domain::change::Change;
use muster::domain::people::user::MembershipState;
use muster::kernel::id::GroupId;
use muster::kernel::time::MINUTE;
use reqwest::Method;
use serde_json::{Value, json};

use super::keys::moment;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::list;
use crate::support::server::on_both;

/// The ways by which a role comes, on a scope of this kind.
fn ways<'a>(access: &'a Value, role: &str, kind: &str) -> &'a Vec<Value> {
    let grants = access["grants"].as_array().unwrap();
    let found = grants.iter().find(|grant| grant["role"] == role && grant["scope"]["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {role} in {access}"))["ways"].as_array().unwrap()
}

// K13
#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_told_with_its_scope_and_whether_it_is_direct_or_by_which_group() {
    on_both(async |site| {
        let (acme, owner) = owned(site, "acme").await;
        let web = acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let devs = olga.post("/groups", json!({ "name": "Devs" })).await["object"]["id"].clone();
        let on_web = json!({ "kind": "project", "project_id": web });
        let direct = olga.post("/bindings", json!({ "user": ana, "role": "org.reader" })).await["object"]["id"].clone();
        for (role, scope) in [("project.admin", &on_web), ("billing.admin", &json!({ "kind": "org" }))] {
            olga.post("/bindings", json!({ "group": devs, "role": role, "scope": scope })).await;
        }
        let devs = devs.as_str().unwrap();
        olga.post(&format!("/groups/{devs}/members/add"), json!({ "users": [ana] })).await;
        let at = format!("/users/{ana}/access");
        let access = olga.get(&at).await;
        assert_eq!((&access["active"], access["grants"].as_array().unwrap().len()), (&json!(true), 5), "{access}");
        let way = &ways(&access, "org.reader", "org")[0];
        assert_eq!((&way["binding_id"], &way["group_id"], &way["implied_by"]), (&direct, &Value::Null, &Value::Null));
        assert_eq!(way["given_by"], format!("user:{owner}"));
        assert!(way["since"].is_string() && way["until"].is_null(), "{way}");
        let way = &ways(&access, "project.admin", "project")[0];
        assert_eq!((&way["group_id"], &way["group_name"]), (&json!(devs), &json!("Devs")));
        assert_eq!(way["joined_by"], format!("user:{owner}"));
        let implied = &ways(&access, "billing.viewer", "org")[0];
        assert_eq!((&implied["implied_by"], &implied["group_name"]), (&json!("billing.admin"), &json!("Devs")));
        assert_eq!(Admin::of(site, &acme, "rita").await.get(&at).await, access, "a reader sees it too");
        assert_eq!(Admin::of(site, &acme, "ana").await.get(&at).await, access, "and whose it is");
        let bo = Admin::of(site, &acme, "bo").await;
        assert_eq!(bo.refused(Method::GET, &at, json!({})).await, (403, "denied".into()));

        // Why, and the call that ends it.
        let why = format!("{at}/explain?role=project.admin&project=web");
        let told = olga.get(&why).await;
        assert_eq!((&told["held"], told["ways"].as_array().unwrap().len()), (&json!(true), 1), "{told}");
        assert_eq!(told["cuts"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!((&told["cuts"][0]["act"], &told["cuts"][0]["id"]), (&json!("leave_group"), &json!(devs)));
        let call = told["cuts"][0]["call"].as_str().unwrap();
        olga.post(call.strip_prefix("POST ").unwrap(), json!({ "users": [ana] })).await;
        let told = olga.get(&why).await;
        assert_eq!((&told["held"], &told["cuts"]), (&json!(false), &json!([])));
        assert!(told["why_not"][0].as_str().unwrap().contains("No binding"), "{told}");
        let told = olga.get(&format!("{at}/explain?role=org.reader")).await;
        assert_eq!((&told["cuts"][0]["act"], &told["cuts"][0]["id"]), (&json!("remove_binding"), &direct));
        let told = olga.get(&format!("/users/{owner}/access/explain?role=org.owner")).await;
        assert_eq!(told["cuts"][0]["act"], "transfer_ownership");
        for (query, status) in [("role=project.*", 400), ("", 400), ("role=project.admin&project=nothing", 404)] {
            assert_eq!(olga.call(Method::GET, &format!("{at}/explain?{query}"), None).await.status, status, "{query}");
        }
        olga.post(&format!("/users/{ana}/suspend"), json!({})).await;
        let told = olga.get(&format!("{at}/explain?role=org.reader")).await;
        assert_eq!((&told["held"], &told["why_not"]), (&json!(false), &json!(["The account is suspended."])));
        assert_eq!(olga.get(&at).await["grants"], json!([]));
    })
    .await;
}

// I33
#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_a_window_is_held_inside_of_it_and_the_sign_in_works_before_and_after() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let web = acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let (from, to) = (site.now().plus(10 * MINUTE), site.now().plus(30 * MINUTE));
        let on_web = json!({ "kind": "project", "project_id": web });
        let window = |from: String, to: String| {
            json!({ "user": ana, "role": "project.reader", "scope": on_web, "not_before": from, "not_after": to })
        };
        for (from, to) in [(to, from), (site.now().minus(2 * MINUTE), site.now().minus(MINUTE))] {
            let refused = olga.refused(Method::POST, "/bindings", window(moment(from), moment(to))).await;
            assert_eq!(refused, (400, "invalid".into()));
        }
        let made = olga.post("/bindings", window(moment(from), moment(to))).await;
        assert_eq!(made["object"]["not_before"], moment(from));
        assert_eq!(made["object"]["not_after"], moment(to));
        let why = format!("/users/{ana}/access/explain?role=project.reader&project=web");
        for (minutes, held) in [(0, false), (11, true), (20, false)] {
            site.advance(minutes * MINUTE);
            // As the sweep does, which must not come in the middle of the sign-in.
            site.act(vec![Change::EndWindows { org: acme.id.clone() }]).await;
            let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
            let roles = list(&tokens.claims()["project_roles"]["web"]);
            assert_eq!(roles, if held { vec!["project.reader"] } else { Vec::new() }, "after {minutes} more");
            let olga = Admin::of(site, &acme, "olga").await;
            assert_eq!(olga.get(&why).await["held"], held, "after {minutes} more");
            assert_eq!(olga.get(&format!("/users/{ana}")).await["state"], "active", "the account is always there");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_foretold_as_tokens_have_them_now_and_after_the_acts() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for key in ["web", "data"] {
            acme.project(key).await;
        }
        let ana = acme.person("ana", PASSWORD).await;
        let (devs, ops) = (acme.group("devs", &["ana"]).await, acme.group("ops", &[]).await);
        acme.give_group("devs", "project.member", Some("web")).await;
        acme.give_group("ops", "project.admin", Some("data")).await;
        let direct = acme.give("ana", "billing.manager", None).await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let at = format!("/users/{ana}/access/simulate");
        let give = json!({ "role": "trail.viewer" });
        let acts = json!([{ "take": direct }, { "leave": devs }, { "join": ops }, { "give": give }]);
        let body = json!({ "application": "shop", "scopes": ["roles"], "changes": acts });
        let before = olga.get(&format!("/users/{ana}/access")).await;
        let told = olga.post(&at, body).await;
        assert_eq!(olga.get(&format!("/users/{ana}/access")).await, before, "nothing was done");
        let same = async |told: &Value| {
            let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
            for name in ["org_id", "org_slug", "org_roles", "project_roles", "groups"] {
                assert_eq!(told["claims"][name], claims[name], "{name}");
            }
        };
        same(&told["now"]).await;
        let change = json!({ "add": [{ "role": "trail.viewer" }], "remove": [direct] });
        olga.post(&format!("/users/{ana}/roles"), change).await;
        olga.put(&format!("/users/{ana}/groups"), json!({ "groups": [ops] })).await;
        same(&told["then"]).await;
        assert_eq!(list(&told["then"]["claims"]["org_roles"]), ["trail.viewer"]);

        for (acts, status) in [
            (json!([{ "give": { "role": "org.owner" } }]), 400),
            (json!([{ "give": { "role": "project.reader" } }]), 400),
            (json!([{ "fly": "away" }]), 400),
            (json!([{ "join": "nowhere" }]), 400),
            (json!([{ "join": GroupId::fresh() }]), 404),
        ] {
            let answer = olga.call(Method::POST, &at, Some(&json!({ "changes": acts }))).await;
            assert_eq!(answer.status, status, "{}", answer.body);
        }
        for wish in [json!({ "application": "nothing" }), json!({ "project": "nothing" })] {
            assert_eq!(olga.refused(Method::POST, &at, wish).await, (404, "not_found".into()));
        }
        let by_ana = Admin::of(site, &acme, "ana").await;
        assert_eq!(by_ana.refused(Method::POST, &at, json!({})).await, (403, "denied".into()));
        let one = olga.post(&at, json!({ "project": "data" })).await;
        assert_eq!(one["now"]["claims"]["project"], "data");
        assert_eq!(list(&one["now"]["claims"]["roles"]), ["project.admin"], "{one}");

        let member = acme.member_id("ana").await;
        let state = MembershipState::Suspended;
        site.act(vec![Change::SetMemberState { org: acme.id.clone(), member, state }]).await;
        let told = olga.post(&at, json!({ "application": "shop" })).await;
        assert_eq!((&told["now"]["claims"], told["now"]["refused"].is_string()), (&Value::Null, true), "{told}");
    })
    .await;
}
