//! The world: clock, chance, cryptography and other people's servers, each behind one plain type.
//!
//! Nothing here knows the database or the web; the pure floors below never reach up to it. The system's time
//! is read in [`clock`] alone, and chance comes from [`chance`] alone.

pub mod api_client;
pub mod chance;
pub mod client_assertion;
pub mod clock;
pub mod dns;
pub mod guard;
pub mod hasher;
pub mod instance_key;
pub mod keyring;
pub mod mail;
pub mod passkeys;
pub mod places;
pub mod relying_party;
pub mod sealer;
pub mod sms;
pub mod totp;
#[cfg(feature = "otel")]
pub mod traces;
pub mod upstream;
pub mod webhook;
