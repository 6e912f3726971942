//! An application's back-channel logout endpoint: it records the tokens it gets, and takes, refuses or hangs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

/// What it does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Take,
    /// Answers 500.
    Refuse,
    /// Answers nothing.
    Hang,
}

#[derive(Debug)]
struct Seen {
    manner: Manner,
    tokens: Vec<(Instant, String)>,
}

/// A receiver; it is gone with the runtime.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Where tokens go.
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Receiver {
    /// A receiver on a free port.
    pub async fn open(manner: Manner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/backchannel-logout", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen { manner, tokens: Vec::new() }));
        let router = Router::new().route("/backchannel-logout", post(take)).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Changes what it does.
    pub fn behave(&self, manner: Manner) {
        self.seen.lock().unwrap().manner = manner;
    }

    /// The tokens so far, with the moments at which they came.
    pub fn tokens(&self) -> Vec<(Instant, String)> {
        self.seen.lock().unwrap().tokens.clone()
    }

    /// Waits until so many tokens have come.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Vec<(Instant, String)> {
        let begun = Instant::now();
        loop {
            let tokens = self.tokens();
            if tokens.len() >= count {
                return tokens;
            }
            assert!(begun.elapsed() < patience, "{} of {count} logout tokens came within {patience:?}", tokens.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn take(State(seen): State<Arc<Mutex<Seen>>>, body: String) -> StatusCode {
    let manner = {
        let mut seen = seen.lock().unwrap();
        let token = form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "logout_token");
        seen.tokens.push((Instant::now(), token.map(|(_, token)| token.into_owned()).unwrap_or_default()));
        seen.manner
    };
    match manner {
        Manner::Take => StatusCode::OK,
        Manner::Refuse => StatusCode::INTERNAL_SERVER_ERROR,
        Manner::Hang => std::future::pending().await,
    }
}
