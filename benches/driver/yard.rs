//! The yardstick: one bare axum route in a process of its own, built by the same compiler with the same flags.
//!
//! Its CPU a request is `y`, the least that an HTTP request costs on this machine in this minute.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

/// Where the yardstick's route stands.
pub const PATH: &str = "/hello";

/// Serves the route until the process is ended.
///
/// # Errors
/// The address can't be bound.
pub async fn serve(listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Without it Nagle's algorithm would be measured; a stream that refuses is merely slower.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route(PATH, get(|| async { "Hello, World!" }))).await?;
    Ok(())
}
