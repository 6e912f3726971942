//! What the stories are told with: databases, worlds, servers, and the people and programs that act in them.

pub mod admin;
pub mod application;
pub mod authenticator;
pub mod browser;
pub mod client;
pub mod codes;
pub mod federated;
pub mod http;
pub mod mailbox;
pub mod org;
pub mod page;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod receiver;
pub mod server;
pub mod verifier;
pub mod world;

/// A password that is long enough for every preset, and on no list.
pub const PASSWORD: &str = "Tide7-Kq2mVx9dT";

/// Whether `MUSTER_TEST_REQUIRE`, a list with commas, says that something must be there.
pub fn required(what: &str) -> bool {
    std::env::var("MUSTER_TEST_REQUIRE").is_ok_and(|list| list.split(',').any(|word| word.trim() == what))
}

/// Says that a part of a test is left out because something isn't there; fails where it must be.
pub fn skip(what: &str, why: &str) {
    assert!(!required(what), "{what} is required by MUSTER_TEST_REQUIRE: {why}");
    eprintln!("skipped the part with {what}: {why}");
}
