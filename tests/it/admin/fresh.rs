//! What is sensitive asks for a fresh proof by whatever route it is done, and what is not asks for none.

use muster::kernel::time::DAY;
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sign_in_gives_nobody_a_role_a_group_a_way_in_or_a_secret_by_any_route() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (ana, devs) = (acme.person("ana", PASSWORD).await, acme.group("Devs", &[]).await);
        acme.project("web").await;
        acme.give("ana", "project.member", Some("web")).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let until =
            OffsetDateTime::from_unix_timestamp(site.now().plus(DAY).seconds()).unwrap().format(&Rfc3339).unwrap();
        let key = json!({ "project": "web", "name": "laptop", "expires_at": until });
        let made = olga.post(&format!("/users/{ana}/access-keys"), key.clone()).await;
        let key_id = made["object"]["id"].as_str().unwrap().to_owned();
        olga.patch(&format!("/access-keys/{key_id}"), json!({ "state": "disabled" })).await;
        let late = Admin::stale(site, &acme, "olga").await;
        let role = json!([{ "role": "org.admin" }]);
        let (user, devs) = (format!("/users/{ana}"), json!([devs]));
        let shop = json!({ "client_id": "new-shop", "name": "Shop", "redirect_uris": ["https://shop.example/cb"] });
        let asks: Vec<(Method, String, Value)> = vec![
            (Method::POST, "/groups".to_owned(), json!({ "name": "Ops", "roles": role })),
            (Method::PATCH, user.clone(), json!({ "groups": devs })),
            (Method::PATCH, user.clone(), json!({ "email": "other@example.test" })),
            (Method::PATCH, user.clone(), json!({ "phone": "+82 10 9999 0000" })),
            (Method::PATCH, user.clone(), json!({ "access_type": "key" })),
            (Method::PUT, format!("{user}/groups"), json!({ "groups": devs })),
            (Method::POST, format!("{user}/password"), json!({ "password": "Quay4-Zr8wNb3Lf" })),
            (Method::POST, format!("{user}/access-keys"), key),
            (Method::PATCH, format!("/access-keys/{key_id}"), json!({ "state": "active" })),
            (
                Method::POST,
                "/users".to_owned(),
                json!({ "user_name": "eve", "email": "eve@example.test", "roles": role }),
            ),
            (
                Method::POST,
                "/invitations".to_owned(),
                json!({ "people": [{ "email": "eve@example.test" }], "roles": role }),
            ),
            (Method::POST, "/applications".to_owned(), shop),
            (Method::PATCH, "/policies".to_owned(), json!({ "allowed_networks": [] })),
            (Method::POST, "/domains".to_owned(), json!({ "domain": "evil.example" })),
            (Method::GET, "/state".to_owned(), json!({})),
        ];
        for (method, path, body) in &asks {
            let body = (*method != Method::GET).then_some(body);
            let answer = late.call(method.clone(), path, body).await;
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (401, Some("fresh_sign_in_required")),
                "{path}"
            );
            let answer = olga.call(Method::GET, "/users?search=eve", None).await;
            assert!(answer.status == 401 || answer.json()["items"] == json!([]), "{path} did it: {}", answer.body);
        }
        // What gives nobody anything is done with an old sign-in too.
        late.patch(&user, json!({ "name": "Ana Kim" })).await;
        late.post("/groups", json!({ "name": "Ops" })).await;
        late.post("/users", json!({ "user_name": "eva", "email": "eva@example.test" })).await;
        late.patch(&format!("/access-keys/{key_id}"), json!({ "name": "desk" })).await;
    })
    .await;
}
