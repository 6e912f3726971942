//! Muster, an identity provider.
pub mod config;
pub mod domain;
pub mod kernel;
pub mod outside;
pub mod store;
