//! The ground floor: typed ids, time, secrets and folded keys.
//!
//! Nothing here does input or output, and nothing here knows what an identity provider is.

pub mod bucket;
pub mod fold;
pub mod id;
pub mod last_hour;
pub mod pile;
pub mod secret;
pub mod tally;
pub mod time;
