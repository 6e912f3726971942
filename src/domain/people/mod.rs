//! People: accounts, their states, what identifies them, and when a password is not asked any more.

pub mod browser;
pub mod domain_name;
pub mod identifier;
pub mod invitation;
pub mod lockout;
pub mod password;
pub mod roster;
pub mod user;
