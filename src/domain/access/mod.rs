//! Access: roles, bindings and time, and nothing else. No database, no HTTP, no clock of its own.
//!
//! [`effective`](effective::effective) says what a member holds and through what; [`difference`](difference::diff) what
//! was lost and gained between two such pictures; [`verdict`](verdict::verdict) what a loss ends;
//! [`explain`](explain::explain) every path to a role; [`claims`] what a token says of it; [`reach`] who may give what.

pub mod account_roles;
pub mod binding;
pub mod claims;
pub mod difference;
pub mod effective;
pub mod explain;
pub mod permission;
pub mod reach;
pub mod role;
pub mod verdict;

#[cfg(test)]
mod oracle;

pub use binding::{Binding, Holder, Scope, Subject, Window};
pub use difference::{Difference, diff};
pub use effective::{Bindings, Grants, Via, effective};
pub use role::Role;
pub use verdict::{Cause, Policy, Verdict, verdict};
