//! People: accounts, their states, what identifies them, and when a password is not asked any more.

pub mod identifier;
pub mod lockout;
pub mod password;
pub mod user;
