//! What a token does when a person holds more than it has room for: it says where the rest is, and forgets nothing.

use muster::domain::change::Change;
use muster::domain::settings::OrgSettings;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::list;
use crate::support::server::on_both;

const MANY: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_no_room_for_every_project_names_the_default_one_and_points_to_userinfo() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        for number in 0..MANY {
            let key = format!("project-with-a-long-key-{number}");
            acme.project(&key).await;
            acme.give("ana", "project.reader", Some(&key)).await;
        }
        let shop = site.client(&acme.application_with("shop", |shop| shop.claims_budget = 512).await);
        let before = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert!(before.get("project_roles").is_none(), "{before}");
        assert_eq!(before["_claim_names"]["project_roles"], "userinfo");

        let default_project = Some(acme.project_id("project-with-a-long-key-7").await);
        let settings = Box::new(OrgSettings { default_project, ..OrgSettings::default() });
        acme.world.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings }]).await;
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let claims = tokens.claims();
        assert_eq!(claims["project_roles"], json!({ "project-with-a-long-key-7": ["project.reader"] }));
        assert_eq!(claims["_claim_names"]["project_roles"], "userinfo");
        assert!(
            claims["_claim_sources"]["userinfo"]["endpoint"].as_str().is_some_and(|url| url.ends_with("/userinfo"))
        );
        let all = shop.userinfo(tokens.access()).await.json();
        assert_eq!(all["project_roles"].as_object().map(serde_json::Map::len), Some(MANY));
        assert_eq!(list(&all["project_roles"]["project-with-a-long-key-39"]), ["project.reader"]);
    })
    .await;
}
