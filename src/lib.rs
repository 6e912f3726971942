//! Muster: an identity provider whose access is exactly what the bindings say, now.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod examples;
pub mod flows;
pub mod jobs;
pub mod kernel;
pub mod outside;
pub mod router;
pub mod store;
pub mod web;
