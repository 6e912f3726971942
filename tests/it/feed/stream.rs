//! The feed as a stream: told at once, never silent for long, and over when the application is.

use std::time::{Duration, Instant};

use muster::domain::change::Change;
use muster::domain::oauth::application::ApplicationState;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response};
use serde_json::json;
use tokio::time::timeout;

use super::scene::{Follower, least, reads};
use crate::support::PASSWORD;
use crate::support::application;
use crate::support::server::{Site, on_both};

/// An open stream.
struct Stream {
    response: Response,
    rest: String,
}

impl Stream {
    async fn open(site: &Site, follower: &Follower, last: Option<i64>) -> Self {
        let request = site.at.request(Method::GET, &site.at.url("/revocations"));
        let request = request
            .header(ACCEPT, "text/event-stream")
            .header(AUTHORIZATION, format!("Bearer {}", follower.token))
            .timeout(Duration::from_mins(2));
        let request = match last {
            Some(last) => request.header("last-event-id", last.to_string()),
            None => request,
        };
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, rest: String::new() }
    }

    /// The id and the data of the next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<(i64, String)> {
        loop {
            if let Some((event, rest)) = self.rest.clone().split_once("\n\n") {
                self.rest = rest.to_owned();
                let mut lines = event.lines();
                let id = lines.next().and_then(|line| line.strip_prefix("id: ")).expect("an id").parse().unwrap();
                let data = lines.next().and_then(|line| line.strip_prefix("data: ")).expect("data").to_owned();
                return Some((id, data));
            }
            let bytes = self.response.chunk().await.ok().flatten()?;
            self.rest.push_str(std::str::from_utf8(&bytes).expect("a text"));
        }
    }

    /// As [`Stream::next`], which must come within so many seconds.
    async fn within(&mut self, seconds: u64) -> Option<(i64, String)> {
        timeout(Duration::from_secs(seconds), self.next()).await.expect("something comes, or the stream ends")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_on_the_stream_within_a_second_and_the_stream_is_never_silent_for_long() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        let mut stream = Stream::open(site, &follower, None).await;
        let (id, data) = stream.within(5).await.unwrap();
        let first = follower.claims(&data).await;
        assert_eq!((&first["reset"], &first["head"], &first["to"]), (&json!(true), &json!(true), &json!(id)));
        follower.go_on(&first);

        let binding = acme.give("ana", "org.reader", None).await;
        acme.take(&binding).await;
        let ended = Instant::now();
        let (id, data) = loop {
            let (id, data) = stream.within(5).await.unwrap();
            let page = follower.claims(&data).await;
            let told = follower.go_on(&page);
            if least(&told, ana.as_str(), acme.id.as_str()).is_some() {
                break (id, data);
            }
        };
        assert!(ended.elapsed() < Duration::from_secs(1), "it was told after {:?}", ended.elapsed());
        assert_eq!(follower.claims(&data).await["head"], true);

        let (beat, data) = stream.within(6).await.unwrap();
        let page = follower.claims(&data).await;
        assert_eq!((beat, &page["entries"], &page["head"]), (id, &json!([]), &json!(true)), "a sign of life");
        follower.go_on(&page);
        drop(stream);

        let mut again = Stream::open(site, &follower, Some(id)).await;
        let (_, data) = again.within(5).await.unwrap();
        let page = follower.claims(&data).await;
        assert_eq!((&page["from"], &page["reset"], &page["entries"]), (&json!(id), &json!(false), &json!([])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_an_application_that_is_disabled_ends() {
    on_both(async |site| {
        let registered = application::register(site, "guard", reads).await;
        let follower = Follower::of(site, &registered).await;
        let mut stream = Stream::open(site, &follower, None).await;
        stream.within(5).await.expect("it has begun");
        let mut disabled = registered.application.clone();
        disabled.state = ApplicationState::Disabled;
        site.act(vec![Change::PutApplication(Box::new(disabled))]).await;
        let begun = Instant::now();
        while stream.within(10).await.is_some() {}
        assert!(begun.elapsed() < Duration::from_secs(10), "it went on for {:?}", begun.elapsed());
    })
    .await;
}
