//! A server in this process: the real routes behind the real edge, with the jobs running beside them.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use muster::config::Config;
use muster::domain::keys::Alg;
use muster::flows::rotate_keys;
use muster::web::listen::{Limits, serve};
use muster::{jobs, router, web};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::application::Registered;
use super::browser::Browser;
use super::client::Client;
use super::http::Address;
use super::world::{Hands, Kind, Place, World, config};

/// A world that answers requests. Its clock runs.
pub struct Site {
    world: World,
    /// How it is reached.
    pub at: Address,
    stop: CancellationToken,
    server: JoinHandle<()>,
    jobs: TaskTracker,
    work: CancellationToken,
}

impl Deref for Site {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl Site {
    /// A server over a database of its own, or `None` where there is no PostgreSQL and none is required.
    pub async fn open(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Option<Self> {
        let place = Arc::new(Place::fresh(kind).await?);
        Some(Self::over(place, Hands::running(), str::to_owned, adjust).await)
    }

    /// The same under a name, `http://localhost:PORT`: browsers bind passkeys to names alone.
    pub async fn open_named(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Option<Self> {
        let place = Arc::new(Place::fresh(kind).await?);
        let name = |node: &str| node.replace("127.0.0.1", "localhost");
        Some(Self::over(place, Hands::running(), name, adjust).await)
    }

    /// One more node over the same database, behind the same issuer.
    pub async fn second_node(&self) -> Self {
        let issuer = self.at.issuer.clone();
        // Nodes of one instance are configured alike.
        let max_age = self.world.config.keys.jwks_max_age_secs;
        let alike = |config: &mut Config| config.keys.jwks_max_age_secs = max_age;
        Self::over(Arc::clone(&self.place), self.hands.clone(), |_| issuer, alike).await
    }

    async fn over(
        place: Arc<Place>,
        hands: Hands,
        issuer: impl FnOnce(&str) -> String,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        // The issuer is known once there is a port.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let node = format!("http://{}", listener.local_addr().unwrap());
        let at = Address { issuer: issuer(&node), node };
        let mut config = config(&at.issuer, place.folder(), place.url());
        adjust(&mut config);
        let world = World::over(place, config, hands).await;
        world.has_jobs.store(true, Ordering::Relaxed);
        rotate_keys::ensure(&world, &BTreeSet::from([Alg::Es256, Alg::Rs256])).await.expect("keys can be made");
        let stop = CancellationToken::new();
        let routes = web::layers::wrap(router::build(&world, stop.clone()), &world.config);
        let limits = Limits { grace: Duration::from_secs(1), ..Limits::from(&world.config.http) };
        let server = tokio::spawn(serve(listener, None, routes, limits, stop.clone()));
        let work = stop.child_token();
        let jobs = jobs::start(&world, work.clone());
        Self { world, at, stop, server, jobs, work }
    }

    /// A browser that was never here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.at.clone())
    }

    /// A registered application, talking to this node.
    pub fn client(&self, registered: &Registered) -> Client {
        Client::new(self.at.clone(), registered)
    }

    /// Has the jobs end: requests are answered still, and what is over is swept by nobody.
    pub async fn stop_jobs(&self) {
        self.work.cancel();
        self.jobs.close();
        self.jobs.wait().await;
        self.world.has_jobs.store(false, Ordering::Relaxed);
    }

    /// Stops the server, its jobs and the database.
    pub async fn close(self) {
        self.stop.cancel();
        self.jobs.close();
        let ended = async {
            let _ = self.server.await;
            self.jobs.wait().await;
        };
        if tokio::time::timeout(Duration::from_secs(8), ended).await.is_err() {
            eprintln!("a server did not stop in time");
        }
        self.world.db.close().await;
    }
}

/// Tells a story with a server on SQLite, and on PostgreSQL if there is one.
pub async fn on_both(story: impl AsyncFn(&Site)) {
    on_both_with(|_| {}, story).await;
}

/// As [`on_both`], with settings adjusted.
pub async fn on_both_with(adjust: impl Fn(&mut Config), story: impl AsyncFn(&Site)) {
    for kind in Kind::BOTH {
        let Some(site) = Site::open(kind, &adjust).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        story(&site).await;
        site.close().await;
    }
}

/// As [`on_both`], under a name: where passkeys are.
pub async fn on_both_named(story: impl AsyncFn(&Site)) {
    for kind in Kind::BOTH {
        let Some(site) = Site::open_named(kind, |_| {}).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        story(&site).await;
        site.close().await;
    }
}
