//! `muster dev`: Muster with a demo organisation, and the demo shop beside it, on this machine only.
//!
//! The same server as `serve`, on a loopback address without TLS, over a data folder that is made for the occasion
//! unless one is given. The shop runs in the same process but talks to Muster over HTTP like any application.

mod demo;
mod demo_admin;
mod demo_mail;

use std::fs::DirBuilder;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use self::demo_admin::DemoAdmin;
use super::open::{self, Schema};
use super::serve::{self, Stops};
use super::telemetry::start_log;
use super::{Globals, unusable, variables};
use crate::config::{Config, Overrides};
use crate::examples::shop::{self, Shop};
use crate::kernel::id::SessionId;
use crate::web::listen;

/// The ports that are tried.
const PORTS: RangeInclusive<u16> = 8080..=8100;

/// Runs the command.
pub async fn run(globals: Globals, port: Option<u16>) -> anyhow::Result<ExitCode> {
    if globals.listen.is_some() || globals.issuer.is_some() {
        bail!("`muster dev` listens on this machine only and names itself; choose its port with --port");
    }
    let (own, shop_listener) = listeners(port).await?;
    let (issuer, shop_url) = (url_of(&own)?, url_of(&shop_listener)?);
    let config = settings(globals, &own, &shop_listener)?;
    start_log(&config.log)?;
    let folder = config.data_dir.clone();
    let app = open::app(config, Schema::Migrate).await?;
    demo::apply(&app, &shop_url).await?;
    let stops = Stops::default();
    let shop = Shop {
        issuer: issuer.clone(),
        own_url: shop_url.clone(),
        client_id: demo::CLIENT_ID.to_owned(),
        client_secret: demo::shop_secret(&app),
        admin: Arc::new(DemoAdmin::new(app.clone())),
    };
    let limits = serve::limits(&app);
    let shop = tokio::spawn(listen::serve(shop_listener, None, shop::router(shop), limits, stops.listeners.clone()));
    serve::answer(&app, own, &stops, Some(&demo::guide(&issuer, &shop_url, &folder))).await?;
    shop.abort();
    Ok(ExitCode::SUCCESS)
}

/// The settings of the demo: the file and the environment have a say in what doesn't make it a demo.
fn settings(globals: Globals, own: &TcpListener, shop: &TcpListener) -> anyhow::Result<Config> {
    let (file, mut flags) = globals.split();
    // A file may name its own folder; without file, flag and variable, a fresh one is made.
    let variable = variables().any(|(name, text)| name == "MUSTER_DATA_DIR" && !text.is_empty());
    if flags.data_dir.is_none() && file.is_none() && !variable {
        flags.data_dir = Some(fresh_folder()?);
    }
    let flags =
        Overrides { listen: Some(own.local_addr()?), issuer: Some(url_of(own)?), allow_loopback_http: true, ..flags };
    let mut config = Config::load(file.as_deref(), variables(), flags).map_err(|error| unusable(&error))?;
    (config.http.tls_cert, config.http.tls_key) = (None, None);
    config.outbound.allow_hosts.push(shop.local_addr()?.to_string());
    Ok(config)
}

/// A folder of its own under the system's place for such things, its owner's alone.
fn fresh_folder() -> anyhow::Result<PathBuf> {
    let name = SessionId::fresh().into_string().replace(SessionId::PREFIX, "muster-dev-");
    let path = std::env::temp_dir().join(name);
    make(&path).with_context(|| format!("{} can't be made", path.display()))?;
    Ok(path)
}

/// Fails where somebody was there before.
fn make(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Muster's listener and the shop's: the port that was asked for or the first free one, and the next free one.
async fn listeners(port: Option<u16>) -> anyhow::Result<(TcpListener, TcpListener)> {
    let own = match port {
        Some(port) => bind(port).await.with_context(|| format!("port {port} can't be listened on"))?,
        None => first_free(PORTS).await.context("no port from 8080 to 8100 is free; choose one with --port")?,
    };
    let after = own.local_addr()?.port().saturating_add(1);
    let shop = first_free(after..=after.saturating_add(100)).await.context("there is no free port for the shop")?;
    Ok((own, shop))
}

async fn first_free(ports: RangeInclusive<u16>) -> std::io::Result<TcpListener> {
    let mut outcome = Err(std::io::ErrorKind::AddrInUse.into());
    for port in ports {
        outcome = bind(port).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

fn url_of(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_shop_takes_the_next_free_port_and_may_be_reached_from_muster() {
        let (own, shop) = listeners(Some(0)).await.unwrap();
        let (port, next) = (own.local_addr().unwrap().port(), shop.local_addr().unwrap().port());
        assert_ne!(port, next);
        assert!(bind(port).await.is_err());
        let folder = tempfile::tempdir().unwrap();
        let globals = Globals { data_dir: Some(folder.path().to_owned()), ..Globals::default() };
        let config = settings(globals, &own, &shop).unwrap();
        assert_eq!(config.issuer, format!("http://127.0.0.1:{port}"));
        assert_eq!(config.outbound.allow_hosts, [format!("127.0.0.1:{next}")]);
        assert_eq!(config.data_dir, folder.path());
    }

    #[tokio::test]
    async fn an_address_that_others_can_reach_is_refused() {
        let globals = Globals { listen: Some(SocketAddr::from(([0, 0, 0, 0], 1))), ..Globals::default() };
        assert!(run(globals, None).await.unwrap_err().to_string().contains("this machine only"));
    }

    #[test]
    fn a_fresh_folder_is_never_one_that_was_there() {
        let folder = fresh_folder().unwrap();
        assert!(make(&folder).is_err());
        std::fs::remove_dir(folder).unwrap();
    }
}
