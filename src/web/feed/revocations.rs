//! `GET /revocations`: the feed, as a stream for those who accept one, else page by page.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, sleep_until};

use super::stream::{self, Following};
use crate::domain::feed::LONGEST_WAIT_SECS;
use crate::domain::feed::page::{Page, Position};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::flows::Fault;
use crate::flows::feed::{self, Reader};
use crate::web::extract::bearer;
use crate::web::oidc::discovery::Rooms;
use crate::web::oidc::error;

/// The longest `generation` that is read.
const LONGEST_GENERATION: usize = 128;

/// `GET /revocations`.
pub async fn get(State(rooms): State<Rooms>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let token = match bearer::token(&headers, None) {
        Ok(Some(token)) => token,
        Ok(None) => {
            let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"muster\""))];
            return (StatusCode::UNAUTHORIZED, challenge).into_response();
        }
        Err(fault) => return error::bearer(fault.into()),
    };
    let answered = match asked(query.as_deref(), &headers) {
        Ok(asked) => answer(rooms, token, asked, accepts_streams(&headers)).await,
        Err(fault) => Err(fault.into()),
    };
    answered.unwrap_or_else(error::bearer)
}

async fn answer(rooms: Rooms, token: String, asked: Asked, as_stream: bool) -> Result<Response, Fault> {
    let reader = feed::reader(&rooms.app, &token).await?;
    let Some(seat) = rooms.app.feed.sit(&reader.application, reader.org.as_ref()) else {
        return Ok(crowded());
    };
    if as_stream {
        return Ok(stream::begin(rooms, Following { reader, token, position: asked.position, seat }));
    }
    let page = wait(&rooms, &reader, &asked).await?;
    // It may have waited long: what the token stood for may be over.
    let reader = feed::reader(&rooms.app, &token).await?;
    let jws = feed::signed(&rooms.app, &reader, page)?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"))];
    let mut response = (kind, jws).into_response();
    error::no_store(&mut response);
    Ok(response)
}

/// The next page: at once where there is one, else as soon as there is, or an empty one after the wait.
async fn wait(rooms: &Rooms, reader: &Reader, asked: &Asked) -> Result<Page, sqlx::Error> {
    let app = &rooms.app;
    let until = Instant::now() + asked.wait;
    feed::catch_up(app).await;
    // Before the look, so that nothing falls between it and the waiting.
    let mut news = app.feed.listen();
    loop {
        let page = feed::page(app, reader, &asked.position).await?;
        if page.is_news() || !page.at_end || Instant::now() >= until || rooms.stopping.is_cancelled() {
            return Ok(page);
        }
        tokio::select! {
            _ = news.changed() => {}
            () = sleep_until(until) => {}
            () = rooms.stopping.cancelled() => {}
        }
    }
}

/// There is no place for one more reader.
fn crowded() -> Response {
    let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "too many read the feed at this moment");
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, axum::Json(error.body())).into_response();
    error::no_store(&mut response);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    position: Position,
    wait: Duration,
}

fn asked(query: Option<&str>, headers: &HeaderMap) -> Result<Asked, OAuthError> {
    let (mut after, mut generation, mut wait) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let place = match name.as_ref() {
            "after" => &mut after,
            "generation" => &mut generation,
            "wait" => &mut wait,
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(OAuthError::invalid_request(format!("{name} is given twice")));
        }
    }
    // A reader that comes back says where it was in the header, and still has the address that it came to first.
    if let Some(last) = headers.get("last-event-id") {
        after = Some(last.to_str().unwrap_or("?").to_owned());
    }
    if generation.as_ref().is_some_and(|generation| generation.len() > LONGEST_GENERATION) {
        return Err(OAuthError::invalid_request("generation is too long"));
    }
    let after = after.map(|text| number(&text, "after")).transpose()?;
    let wait = wait.map(|text| number(&text, "wait")).transpose()?.unwrap_or(0);
    let wait = u64::try_from(wait).unwrap_or(u64::MAX);
    if wait > LONGEST_WAIT_SECS {
        return Err(OAuthError::invalid_request(format!("wait is {LONGEST_WAIT_SECS} seconds at most")));
    }
    Ok(Asked { position: Position { after, generation }, wait: Duration::from_secs(wait) })
}

fn number(text: &str, name: &str) -> Result<i64, OAuthError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| OAuthError::invalid_request(format!("{name} is no number")))
}

fn accepts_streams(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|text| {
        text.split(',').any(|one| {
            let essence = one.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("text/event-stream")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    fn read(query: &str) -> Result<Asked, OAuthError> {
        asked(Some(query), &HeaderMap::new())
    }

    #[test]
    fn a_request_says_where_its_reader_is_and_how_long_it_waits() {
        let nothing = Asked { position: Position::default(), wait: Duration::ZERO };
        assert_eq!((asked(None, &HeaderMap::new()), read("x=1&after2=3")), (Ok(nothing.clone()), Ok(nothing)));
        let position = Position { after: Some(7), generation: Some("g1".to_owned()) };
        let all = Asked { position, wait: Duration::from_secs(30) };
        assert_eq!(read("after=7&generation=g1&wait=30"), Ok(all));
    }

    #[test]
    fn a_reader_that_comes_back_is_where_it_says_it_was_last() {
        let asked = asked(Some("after=3&generation=g1"), &headers("last-event-id", "9")).expect("well formed");
        assert_eq!(asked.position, Position { after: Some(9), generation: Some("g1".to_owned()) });
    }

    #[test]
    fn what_is_no_number_or_stands_there_twice_is_refused() {
        for query in [
            "after=",
            "after=-1",
            "after=%2B1",
            "after=1.5",
            "after=0x1",
            "after=99999999999999999999",
            "after=1&after=1",
            "wait=31",
            "wait=x",
            "wait=99999999999999999999",
            "generation=a&generation=b",
        ] {
            let refused = read(query).expect_err("it is refused");
            assert_eq!(refused.code, ErrorCode::InvalidRequest, "{query}");
        }
        assert!(read(&format!("generation={}", "g".repeat(LONGEST_GENERATION + 1))).is_err());
        assert!(asked(None, &headers("last-event-id", "x")).is_err());
    }

    #[test]
    fn streams_are_for_those_who_accept_them() {
        for accept in ["text/event-stream", "application/jwt;q=0.5, Text/Event-Stream ; q=1"] {
            assert!(accepts_streams(&headers("accept", accept)), "{accept}");
        }
        for accept in ["*/*", "application/jwt", "text/*", "text/event-streams"] {
            assert!(!accepts_streams(&headers("accept", accept)), "{accept}");
        }
    }
}
