//! The tables: every SQL statement of Muster, one file for each family of tables.
//!
//! Reading functions take a [`db::Conn`]; writing ones a [`db::Tx`], which exists only inside
//! [`db::Database::write`]; memberships, groups, bindings and account states only an
//! [`access_edit::AccessEdit`] writes. A store function is one statement or a few, never logs and never decides.

pub mod access_edit;
pub mod access_keys;
pub mod access_read;
pub mod alerts;
pub mod application_list;
pub mod applications;
pub mod audit;
pub mod backup;
pub mod binding_list;
pub mod bindings;
pub mod bundles;
pub mod change_list;
pub mod codes;
pub(crate) mod commit_queue;
pub mod concerned;
pub mod connections;
pub mod consents;
pub mod console_entries;
pub mod cookies;
pub mod db;
pub mod device_grants;
pub mod domains;
pub mod families;
pub mod federation;
pub mod feed;
pub mod groups;
pub mod instance;
pub mod invitations;
pub mod known_browsers;
pub mod leaving;
pub mod links;
pub mod load;
pub mod member_list;
pub mod memberships;
pub mod migrate;
pub mod org_list;
pub mod orgs;
pub mod other_sessions;
pub mod outbox;
pub mod people_read;
pub mod picture;
pub mod prune;
pub mod reminders;
pub mod repeatable;
pub mod restored;
pub mod scim;
#[cfg(feature = "bench")]
pub mod seed;
pub mod service_accounts;
pub mod session_list;
pub mod sessions;
pub mod sessions_through;
pub(crate) mod shelf;
pub mod sign_ins;
pub mod signing_keys;
pub mod status_list;
pub mod streams;
pub mod used_applications;
pub mod users;
