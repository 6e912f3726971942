//! People: accounts, their states, what identifies them, how they prove who they are, and when a password is not asked
//! any more.

pub mod activity;
pub mod assurance;
pub mod browser;
pub mod domain_name;
pub mod factor;
pub mod identifier;
pub mod invitation;
pub mod lockout;
pub mod password;
pub mod roster;
pub mod second_factor;
pub mod user;
