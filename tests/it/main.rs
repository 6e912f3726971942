//! The one integration test binary: stories over the real routes, on SQLite and on PostgreSQL, and the rules of the house.
//!
//! A folder is a specification or a story, a test a sentence of the product. `support` builds worlds and the people in
//! them; who acts is a type (`Browser`, `Client`, `Receiver`, `Installation`), and each can only do what that one could.

#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    clippy::type_complexity,
    clippy::err_expect,
    reason = "a test says what it expects by failing, and is read once"
)]

mod access;
mod admin;
mod architecture;
mod clients;
mod console;
mod factors;
mod federation;
mod feed;
mod guard;
mod history;
mod mail;
mod oidc;
mod operating;
mod outbox;
mod people;
mod rows;
mod scim;
mod sign_in;
mod source;
mod streams;
mod support;
mod tokens;
mod tools;
