//! The feed as server-sent events: each page an event, its number the event's id.
//!
//! # Why
//! A task of its own makes the pages and hands them over through a short channel: so a reader that takes nothing is
//! noticed, and its place given to another. A stream ends by itself before the edge would cut it off, so that what is sent is
//! sent whole.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::app::feed::Seat;
use crate::domain::feed::HEARTBEAT_SECS;
use crate::domain::feed::page::{Page, Position};
use crate::flows::Fault;
use crate::flows::feed::{self, Reader};
use crate::web::oidc::discovery::Rooms;
use crate::web::oidc::error;

/// So long after a page the next one is sent, whether or not it says anything.
const BEAT: Duration = Duration::from_secs(HEARTBEAT_SECS - 1);
/// A stream ends after so long; its reader connects again.
const LIFE: Duration = Duration::from_mins(1);
/// A reader that takes nothing for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many pages wait for the reader.
const WAITING: usize = 2;

/// Who follows, and where they are.
pub(super) struct Following {
    /// Who.
    pub reader: Reader,
    /// The token that they came with.
    pub token: String,
    /// Where they are.
    pub position: Position,
    /// Their place.
    pub seat: Seat,
}

/// The answer, which goes on until its reader leaves, its time is over, or we stop.
pub(super) fn begin(rooms: Rooms, following: Following) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let Rooms { app, stopping, .. } = rooms;
        let told = tell(&app, following, sender.clone());
        tokio::select! {
            told = told => match told {
                Ok(()) => {}
                Err(fault) => tracing::debug!(%fault, "a stream of revocations ended"),
            },
            () = stopping.cancelled() => {}
            () = sender.closed() => {}
        }
    });
    let events = stream::unfold(receiver, |mut receiver| async move {
        let event: Bytes = receiver.recv().await?;
        Some((Ok::<Bytes, Infallible>(event), receiver))
    });
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // A proxy before us that gathers answers would gather this one for ever.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let mut response = (about, Body::from_stream(events)).into_response();
    error::no_store(&mut response);
    response
}

/// Sends pages until the stream's time is over, or its reader takes none.
async fn tell(app: &App, following: Following, to: Sender<Bytes>) -> Result<(), Fault> {
    let Following { mut reader, token, mut position, seat: _seat } = following;
    let end = Instant::now() + life(app, &reader);
    feed::catch_up(app).await;
    let mut news = app.feed.listen();
    let mut beat = Instant::now();
    while Instant::now() < end {
        news.mark_unchanged();
        let page = feed::page(app, &reader, &position).await?;
        let (due, more) = (Instant::now() >= beat, !page.at_end);
        // What is for others alone is told with the next beat: a page goes on where the last one that was sent ended.
        if due || more || page.is_news() {
            if due {
                // Is the token good still? And is the feed looked after, so that the next page can be the end?
                reader = feed::reader(app, &token).await?;
                app.feed.want_still();
            }
            position = page.end();
            if to.send_timeout(event(app, &reader, page)?, PATIENCE).await.is_err() {
                return Ok(());
            }
            beat = Instant::now() + BEAT;
        }
        if more {
            continue;
        }
        tokio::select! {
            _ = news.changed() => {}
            () = sleep_until(beat.min(end)) => {}
        }
    }
    Ok(())
}

/// How long a stream goes on: not longer than its token, nor than the edge leaves an answer alone.
fn life(app: &App, reader: &Reader) -> Duration {
    let http = &app.config.http;
    let edge = Duration::from_millis(http.body_timeout_ms + http.request_timeout_ms + http.idle_timeout_ms);
    let token = Duration::from_millis(u64::try_from(reader.until.since(app.now())).unwrap_or(0));
    LIFE.min(edge / 4 * 3).min(token)
}

fn event(app: &App, reader: &Reader, page: Page) -> Result<Bytes, Fault> {
    let id = page.to;
    let jws = feed::signed(app, reader, page)?;
    Ok(Bytes::from(format!("id: {id}\ndata: {jws}\n\n")))
}
