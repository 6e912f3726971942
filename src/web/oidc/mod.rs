//! The protocol's endpoints, one file each.

pub mod authorize;
pub mod cors;
pub mod device;
pub mod discovery;
pub mod end_session;
pub mod error;
pub mod introspect;
pub mod reply;
pub mod revoke;
pub mod token;
pub mod userinfo;
