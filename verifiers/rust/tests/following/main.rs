//! A verifier that follows a feed, over HTTP.

mod fake;

use std::time::{Duration, Instant};

use fake::{Fake, Wrong};
use muster_verifier::{Kind, Verifier};
use serde_json::json;

/// What becomes of a token.
async fn judged(verifier: &Verifier, token: &str) -> Result<(), Kind> {
    verifier.verify(token).await.map(|_| ()).map_err(|refusal| refusal.kind)
}

async fn started(fake: &Fake, silence: u64) -> Verifier {
    let verifier = Verifier::start(fake.options(silence)).expect("settings that make sense");
    tokio::time::timeout(Duration::from_secs(10), verifier.ready()).await.expect("it becomes ready");
    verifier
}

/// How long it takes until a token is judged so.
async fn until(verifier: &Verifier, token: &str, expected: Result<(), Kind>) -> Duration {
    let began = Instant::now();
    while judged(verifier, token).await != expected {
        assert!(began.elapsed() < Duration::from_secs(10), "it is never {expected:?}: {:?}", verifier.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_refused_at_once_by_stream_and_by_poll() {
    for silence in [15, 2] {
        let fake = Fake::start().await;
        fake.tell(json!(["m", "usr_ana", "org_acme", 5]));
        let verifier = started(&fake, silence).await;
        assert_eq!(judged(&verifier, &fake.access_token(4)).await, Err(Kind::Revoked));
        let token = fake.access_token(5);
        let claims = verifier.verify(&token).await.unwrap();
        assert_eq!((claims.subject(), claims.org_roles()), ("usr_ana", vec!["org.reader"]));
        fake.tell(json!(["m", "usr_ana", "org_acme", 6]));
        assert!(until(&verifier, &token, Err(Kind::Revoked)).await < Duration::from_secs(1));
        assert_eq!(judged(&verifier, &fake.access_token(6)).await, Ok(()));
        let status = verifier.status();
        assert_eq!((status.position, status.entries, status.last_error), (Some(2), 1, None));
        let kind = if silence == 15 { "stream" } else { "poll" };
        assert_eq!(fake.world().asked[0], format!("{kind} None None"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_honoured_before_the_feed_was_heard_nor_once_it_is_silent() {
    let fake = Fake::start().await;
    fake.world().silent = true;
    let verifier = Verifier::start(fake.options(2)).unwrap();
    let token = fake.access_token(1);
    assert_eq!(judged(&verifier, &token).await, Err(Kind::StaleFeed));
    assert!(tokio::time::timeout(Duration::from_millis(500), verifier.ready()).await.is_err());
    assert_eq!(judged(&verifier, &token).await, Err(Kind::StaleFeed));
    assert!(verifier.verify(&token).await.unwrap_err().is_retryable());
    fake.world().silent = false;
    tokio::time::timeout(Duration::from_secs(10), verifier.ready()).await.expect("it hears at last");
    assert_eq!(judged(&verifier, &token).await, Ok(()));
    fake.world().silent = true;
    let silence = until(&verifier, &token, Err(Kind::StaleFeed)).await;
    assert!(silence <= Duration::from_millis(2500), "{silence:?}");
    fake.world().silent = false;
    until(&verifier, &token, Ok(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_polls_keep_it_fresh() {
    let fake = Fake::start().await;
    let verifier = started(&fake, 2).await;
    let token = fake.access_token(1);
    for _ in 0..80 {
        assert_eq!(judged(&verifier, &token).await, Ok(()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_to_be_trusted_is_no_page() {
    for (wrong, told) in [
        (Wrong::Signature, "bad_signature"),
        (Wrong::Audience, "another application"),
        (Wrong::Type, "wrong_type"),
        (Wrong::Gap, "does not continue"),
        (Wrong::Entry, "can't be read"),
    ] {
        for silence in [15, 2] {
            let fake = Fake::start().await;
            fake.world().wrong = wrong;
            let verifier = Verifier::start(fake.options(silence)).unwrap();
            let token = fake.access_token(1);
            assert!(tokio::time::timeout(Duration::from_millis(400), verifier.ready()).await.is_err(), "{wrong:?}");
            assert_eq!(judged(&verifier, &token).await, Err(Kind::StaleFeed), "{wrong:?}");
            let error = verifier.status().last_error.unwrap_or_default();
            assert!(error.contains(told), "{wrong:?}: {error}");
            fake.world().wrong = Wrong::Nothing;
            until(&verifier, &token, Ok(())).await;
            assert_eq!(verifier.status().last_error, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_signed_long_ago_is_no_sign_of_life_but_true() {
    let fake = Fake::start().await;
    fake.world().wrong = Wrong::Old;
    fake.tell(json!(["f", "fam_1"]));
    let verifier = Verifier::start(fake.options(2)).unwrap();
    until(&verifier, &fake.access_token(1), Err(Kind::Revoked)).await;
    assert!(!verifier.status().fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_gap_it_goes_on_from_where_it_is_and_then_begins_anew() {
    let fake = Fake::start().await;
    let verifier = started(&fake, 15).await;
    let token = fake.access_token(1);
    fake.world().wrong = Wrong::Gap;
    fake.tell(json!(["f", "fam_1"]));
    until(&verifier, &token, Err(Kind::StaleFeed)).await;
    fake.world().wrong = Wrong::Nothing;
    until(&verifier, &token, Err(Kind::Revoked)).await;
    let asked = fake.world().asked.clone();
    assert_eq!(asked[..3], ["stream None None", r#"stream Some(0) Some("g1")"#, "stream None None"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_generation_begins_anew() {
    for silence in [15, 2] {
        let fake = Fake::start().await;
        fake.tell(json!(["m", "usr_ana", "org_acme", 9]));
        let verifier = started(&fake, silence).await;
        let token = fake.access_token(3);
        assert_eq!(judged(&verifier, &token).await, Err(Kind::Revoked));
        {
            let mut world = fake.world();
            world.generation = "g2".to_owned();
            world.log = vec![json!(["all", fake::now() - 100])];
        }
        // Versions were brought back too: what the old generation said of them would refuse for no reason.
        until(&verifier, &token, Ok(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_stream_does_not_come_through_it_asks_again_and_again() {
    let fake = Fake::start().await;
    fake.world().streams = false;
    let verifier = started(&fake, 15).await;
    assert_eq!(fake.world().asked[..2], ["stream None None", "poll None None"]);
    let token = fake.access_token(1);
    fake.tell(json!(["t", "fam_1.aa"]));
    assert!(until(&verifier, &token, Err(Kind::Revoked)).await < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_the_feed_that_is_refused_is_replaced() {
    let fake = Fake::start().await;
    let verifier = started(&fake, 2).await;
    fake.world().token = "good-2".to_owned();
    // What was asked before is answered still.
    fake.tell(json!(["t", "fam_2.aa"]));
    tokio::time::sleep(Duration::from_millis(500)).await;
    fake.tell(json!(["t", "fam_1.aa"]));
    until(&verifier, &fake.access_token(1), Err(Kind::Revoked)).await;
    assert_eq!(fake.world().tokens_fetched, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_known_is_looked_for_at_most_once_a_minute() {
    let fake = Fake::start().await;
    let verifier = started(&fake, 15).await;
    fake.world().published.push("k2");
    for id in ["k2", "k3", "k4", "k5"] {
        // It was fetched a moment ago, at the start.
        assert_eq!(judged(&verifier, &fake.access_token_by(id)).await, Err(Kind::UnknownKey));
    }
    assert_eq!(fake.world().keys_fetched, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_goes_nowhere_but_to_the_issuer() {
    let (fake, elsewhere) = (Fake::start().await, Fake::start().await);
    fake.world().token_endpoint = format!("{}/token", elsewhere.world().issuer);
    let verifier = Verifier::start(fake.options(15)).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(400), verifier.ready()).await.is_err());
    assert!(verifier.status().last_error.unwrap_or_default().contains("elsewhere"));
    assert_eq!(elsewhere.world().tokens_fetched, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_last_clone_it_ends() {
    let fake = Fake::start().await;
    let verifier = started(&fake, 2).await;
    drop(verifier.clone());
    until(&verifier, &fake.access_token(1), Ok(())).await;
    drop(verifier);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = fake.world().asked.len();
    fake.tell(json!(["t", "x"]));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.world().asked.len(), asked);
}
