//! The domain: pure values and decisions. No database, no HTTP, no clock, no chance.
//!
//! [`access`] is what Muster exists for; [`change`] the words in which mutations are asked; [`oauth`] and [`oidc`] are
//! the protocols' rules, each file named after the clause; [`people`] accounts; [`standing`] whether something is
//! still honoured.

pub mod access;
pub mod alert;
pub mod apply_file;
pub mod audit;
pub mod change;
pub mod connection;
pub mod federation;
pub mod feed;
pub mod granted;
pub mod keys;
pub mod language;
pub mod mail;
pub mod oauth;
pub mod oidc;
pub mod people;
pub mod scim;
pub mod settings;
pub mod source;
pub mod ssf;
pub mod standing;
