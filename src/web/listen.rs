//! The accept loop: connections counted, watched, spoken to in TLS, HTTP/1.1 and HTTP/2, and ended in good order.
//!
//! # Why
//! `axum::serve` gives hyper no timer, so its header timeout never fires and one slow client holds a connection for
//! ever. hyper's own timeout, with a timer, is one number for two things: it also runs while a kept
//! connection waits for its next request, it allocates a timer a request, and it starts only after the first bytes have
//! told the protocol. So it is switched off, and [`watch`] keeps one clock a connection that knows the difference.

mod slots;
mod tls;
mod watch;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use self::slots::{Slot, Slots};
pub use self::tls::{TlsFault, tls_from_pem};
use self::watch::{Counted, Patience, Watch, Watched};
use crate::config::http::Http;
use crate::config::network::Network;

/// What a connection may cost, and how long the loop waits for the last of them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the head of a request may take, the first one's counted from the accept.
    pub header_timeout: Duration,
    /// How long a connection may lie without a request.
    pub idle_timeout: Duration,
    /// How long a request and the sending of its answer may take together.
    pub answer_timeout: Duration,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long requests in progress may go on after the stop.
    pub grace: Duration,
    /// How long a request's head may be.
    pub max_header_bytes: usize,
    /// How many connections may be open.
    pub max_connections: usize,
    /// How many of them may come from one address.
    pub max_connections_per_ip: usize,
    /// Proxies, which stand for many clients and are not held to the number per address.
    pub trusted_proxies: Vec<Network>,
}

impl From<&Http> for Limits {
    fn from(http: &Http) -> Self {
        let idle_timeout = Duration::from_millis(http.idle_timeout_ms);
        Self {
            header_timeout: Duration::from_millis(http.header_timeout_ms),
            idle_timeout,
            answer_timeout: Duration::from_millis(http.body_timeout_ms + http.request_timeout_ms) + idle_timeout,
            handshake_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(15),
            max_header_bytes: http.max_header_bytes,
            max_connections: http.max_connections,
            max_connections_per_ip: http.max_connections_per_ip,
            trusted_proxies: http.trusted_proxies.clone(),
        }
    }
}

/// Serves `app` on `listener` until `stop`; then accepts nothing more and lets requests in progress finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    app: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let slots = Slots::new(&limits);
    let door = Arc::new(Door {
        builder: builder(&limits),
        tls: tls.map(TlsAcceptor::from),
        // Makes every route ready once, instead of at each request.
        app: app.with_state(()),
        stop: stop.clone(),
        limits,
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(slot) = slots.take(peer.ip()) {
                        connections.spawn(Arc::clone(&door).attend(stream, peer, slot));
                    }
                }
                Err(error) => recover(&error).await,
            },
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(door.limits.grace, all_ended).await.is_err() {
        tracing::warn!("connections were cut that did not end in time");
    }
}

/// A connection that failed before we had it is its client's matter; the lack of descriptors passes, so wait for it.
async fn recover(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        tracing::error!(%error, "no connection can be accepted");
        sleep(Duration::from_millis(100)).await;
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None::<Duration>)
        .max_buf_size(limits.max_header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        // RUSTSEC-2024-0003: a client that opens and resets streams is cut off early.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// What every connection needs.
struct Door {
    builder: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    stop: CancellationToken,
}

impl Door {
    /// One connection from its accept to its end; the slot is given back with it.
    async fn attend(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _slot: Slot) {
        // Without it small answers wait for an acknowledgement; a socket that refuses works all the same.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.tls else {
            return self.talk(stream, peer).await;
        };
        match timeout(self.limits.handshake_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.talk(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        }
    }

    /// Speaks HTTP until the client leaves, loses our patience, or we stop.
    async fn talk<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, io: T, peer: SocketAddr) {
        let watch = Watch::start(Patience::from(&self.limits));
        let io = TokioIo::new(Watched::new(io, Arc::clone(&watch)));
        let (app, seen) = (self.app.clone(), Arc::clone(&watch));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let open = seen.begin(request.version() == Version::HTTP_2);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = app.clone().call(request);
            async move { Ok::<_, Infallible>(answer.await?.map(|body| Counted::new(body, open))) }
        });
        let mut connection = pin!(self.builder.serve_connection(io, service));
        // A token of its own: polling the shared one would make every connection wait for one lock.
        let stop = self.stop.child_token();
        let mut leaving = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "a connection ended early");
                    }
                    return;
                }
                () = stop.cancelled(), if !leaving => {}
                () = watch.lost() => {
                    if leaving {
                        return;
                    }
                }
            }
            // Idle connections end at once, the others with the answer they are at; a client of HTTP/2 is told.
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    const ASK: &[u8] = b"GET /who HTTP/1.1\r\nhost: a\r\n\r\n";

    struct Running {
        address: SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<()>,
        entered: Arc<Notify>,
        release: Arc<Notify>,
    }

    async fn start(change: impl FnOnce(&mut Limits)) -> Running {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, go_on) = (Arc::clone(&entered), Arc::clone(&release));
        let app = Router::new()
            .route("/who", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route(
                "/slow",
                get(|| async move {
                    inside.notify_one();
                    go_on.notified().await;
                    "done"
                }),
            );
        let mut limits = Limits::from(&Http::default());
        change(&mut limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let task = tokio::spawn(serve(listener, None, app, limits, stop.clone()));
        Running { address, stop, task, entered, release }
    }

    /// Everything the server sends until it closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await.expect("the server closes");
        String::from_utf8(bytes).unwrap()
    }

    async fn some(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 4096];
        let count =
            timeout(Duration::from_secs(5), stream.read(&mut bytes)).await.expect("the server answers").unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_kept_connection_is_answered_again_and_closed_when_it_lies_idle() {
        let running = start(|limits| limits.idle_timeout = Duration::from_millis(100)).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        for _ in 0..2 {
            stream.write_all(ASK).await.unwrap();
            let answer = some(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        }
        assert_eq!(rest(&mut stream).await, "");
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_or_half_a_head_is_cut_off() {
        let running = start(|limits| limits.header_timeout = Duration::from_millis(100)).await;
        for half in [&b""[..], b"GET /who HTTP/1.1\r\nhos", b"PRI * HTTP/2.0\r\n"] {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(half).await.unwrap();
            assert!(!rest(&mut stream).await.contains("200"));
        }
    }

    #[tokio::test]
    async fn half_a_second_head_is_cut_off_as_soon_as_half_a_first_one() {
        let running = start(|limits| limits.header_timeout = Duration::from_millis(200)).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(ASK).await.unwrap();
        assert!(some(&mut stream).await.contains("200"));
        stream.write_all(b"GET /who HTTP/1.1\r\nhos").await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
    }

    #[tokio::test]
    async fn a_head_longer_than_the_limit_is_refused() {
        let running = start(|limits| limits.max_header_bytes = 8192).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = format!("GET /who HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(9000));
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
    }

    #[tokio::test]
    async fn one_address_holds_no_more_than_its_share_of_connections() {
        let running = start(|limits| limits.max_connections_per_ip = 1).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        first.write_all(ASK).await.unwrap();
        assert!(some(&mut first).await.contains("200"));
        let mut second = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(rest(&mut second).await, "");
        first.write_all(ASK).await.unwrap();
        assert!(some(&mut first).await.contains("200"));
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections_and_lets_a_request_finish() {
        let running = start(|_| {}).await;
        let mut idle = TcpStream::connect(running.address).await.unwrap();
        idle.write_all(ASK).await.unwrap();
        assert!(some(&mut idle).await.contains("200"));
        let mut busy = TcpStream::connect(running.address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        running.entered.notified().await;
        running.stop.cancel();
        assert_eq!(rest(&mut idle).await, "");
        assert!(!running.task.is_finished());
        running.release.notify_one();
        assert!(rest(&mut busy).await.ends_with("done"));
        running.task.await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn a_request_that_outlasts_the_grace_is_cut_off() {
        let running = start(|limits| limits.grace = Duration::from_millis(50)).await;
        let mut busy = TcpStream::connect(running.address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        running.entered.notified().await;
        running.stop.cancel();
        timeout(Duration::from_secs(5), running.task).await.unwrap().unwrap();
        assert_eq!(rest(&mut busy).await, "");
    }
}
