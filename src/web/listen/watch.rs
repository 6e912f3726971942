//! One clock a connection: is it sending a head, waiting for an answer, or lying idle, and since when?
//!
//! It sees the bytes that come ([`Watched`]), the requests that begin ([`Watch::begin`]) and the answers that have been
//! handed over ([`Counted`]), and turns them into a moment at which patience ends. Nothing allocates a request.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::Limits;

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    head: Duration,
    idle: Duration,
    answer: Duration,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self { head: limits.header_timeout, idle: limits.idle_timeout, answer: limits.answer_timeout }
    }
}

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Watch {
    patience: Patience,
    born: Instant,
    /// When the present state began, in milliseconds after `born`.
    since: AtomicU64,
    /// How many requests have begun and not been answered to the end.
    open: AtomicUsize,
    /// Whether bytes of a head have come, or the first are awaited.
    heading: AtomicBool,
    /// HTTP/2: bytes between requests are pings and the like, and begin no head.
    multiplexed: AtomicBool,
}

impl Watch {
    /// The clock of a connection that was accepted now and owes its first head.
    pub(super) fn start(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            patience,
            born: Instant::now(),
            since: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            heading: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
        })
    }

    /// When patience with the present state ends.
    fn deadline(&self) -> Instant {
        let limit = if self.open.load(Ordering::Relaxed) > 0 {
            self.patience.answer
        } else if self.heading.load(Ordering::Relaxed) {
            self.patience.head
        } else {
            self.patience.idle
        };
        self.born + Duration::from_millis(self.since.load(Ordering::Relaxed)) + limit
    }

    /// Waits until patience with whatever state the connection is in has ended.
    ///
    /// Polled after the connection, it sees each new state; the timer is moved only when patience got shorter, so that
    /// requests which come and go leave it alone.
    pub(super) async fn lost(&self) {
        let mut alarm = pin!(sleep_until(self.deadline()));
        poll_fn(|context| {
            loop {
                let due = self.deadline();
                if due < alarm.deadline() {
                    alarm.as_mut().reset(due);
                }
                match alarm.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) if self.deadline() <= Instant::now() => return Poll::Ready(()),
                    Poll::Ready(()) => alarm.as_mut().reset(self.deadline()),
                }
            }
        })
        .await;
    }

    /// A request has begun; it lasts until what is given back is dropped.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> Open {
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        self.heading.store(false, Ordering::Relaxed);
        self.mark();
        Open(Arc::clone(self))
    }

    /// Bytes have come. The first after an answer begin the next head, and only they move the clock:
    /// a client that sends one byte at a time gains nothing by it.
    fn bytes_came(&self) {
        let idle = self.open.load(Ordering::Relaxed) == 0 && !self.multiplexed.load(Ordering::Relaxed);
        if idle && !self.heading.swap(true, Ordering::Relaxed) {
            self.mark();
        }
    }

    fn mark(&self) {
        let elapsed = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(elapsed, Ordering::Relaxed);
    }
}

/// A request that has begun and is not answered to the end.
#[derive(Debug)]
pub(super) struct Open(Arc<Watch>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.mark();
    }
}

/// An answer's body that keeps its request open until it is handed over.
#[derive(Debug)]
pub(super) struct Counted {
    body: Body,
    _open: Open,
}

impl Counted {
    pub(super) fn new(body: Body, open: Open) -> Self {
        Self { body, _open: open }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose incoming bytes are seen by a watch.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    watch: Arc<Watch>,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T, watch: Arc<Watch>) -> Self {
        Self { io, watch }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, into);
        if into.filled().len() > before {
            self.watch.bytes_came();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_mins(1), answer: Duration::from_secs(100) };

    /// The patience that a watch shows now, in whole seconds.
    fn patience(watch: &Watch) -> u64 {
        (watch.deadline() - watch.born).as_millis().div_euclid(1000).try_into().unwrap()
    }

    #[tokio::test]
    async fn a_connection_owes_a_head_then_an_answer_is_awaited_then_it_lies_idle() {
        let watch = Watch::start(PATIENCE);
        assert_eq!(patience(&watch), 10);
        let open = watch.begin(false);
        assert_eq!(patience(&watch), 100);
        watch.bytes_came();
        assert_eq!(patience(&watch), 100);
        drop(open);
        assert_eq!(patience(&watch), 60);
        watch.bytes_came();
        assert_eq!(patience(&watch), 10);
    }

    #[tokio::test]
    async fn a_second_byte_of_a_head_does_not_move_its_deadline() {
        let watch = Watch::start(PATIENCE);
        drop(watch.begin(false));
        watch.bytes_came();
        let deadline = watch.deadline();
        watch.bytes_came();
        assert_eq!(watch.deadline(), deadline);
    }

    #[tokio::test]
    async fn a_ping_between_the_requests_of_http2_begins_no_head() {
        let watch = Watch::start(PATIENCE);
        let (first, second) = (watch.begin(true), watch.begin(true));
        drop(first);
        assert_eq!(patience(&watch), 100);
        drop(second);
        watch.bytes_came();
        assert_eq!(patience(&watch), 60);
    }

    #[tokio::test]
    async fn an_answer_keeps_its_request_open_until_its_body_is_gone() {
        let watch = Watch::start(PATIENCE);
        let body = Counted::new(Body::from("x"), watch.begin(false));
        assert_eq!(patience(&watch), 100);
        drop(body);
        assert_eq!(patience(&watch), 60);
    }
}
