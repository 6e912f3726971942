//! What whoever runs Muster asks it: whether it lives, whether it can work, and what it counts.

use crate::support::http::Answer;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_by_address_and_readiness_needs_the_database() {
    on_both(async |site| {
        for path in ["/healthz", "/readyz"] {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.get(format!("{}{path}", site.at.node)).header("host", "10.0.0.7");
            assert_eq!(Answer::to(request).await.status, 200, "{path}");
        }
        site.db.close().await;
        assert_eq!(site.at.get("/healthz").await.status, 200, "the process lives");
        assert_eq!(site.at.get("/readyz").await.status, 503);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_nothing_is_honoured_and_nothing_is_said_of_why() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", crate::support::PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let tokens = shop.sign_in(&mut site.browser(), crate::support::browser::Person::named("ana")).await;
        site.db.close().await;
        let answers = [
            shop.userinfo(tokens.access()).await,
            shop.refresh(tokens.refresh()).await,
            shop.revoke(tokens.refresh()).await,
            shop.post("/introspect", &[("token", tokens.access())]).await,
            site.at.get("/login").await,
        ];
        for (number, answer) in answers.iter().take(4).enumerate() {
            assert!(answer.status >= 500, "answer {number} is {}: {}", answer.status, answer.body);
            assert!(!answer.body.to_lowercase().contains("sql") && !answer.body.contains("pool"), "{}", answer.body);
        }
    })
    .await;
}
