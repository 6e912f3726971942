//! Who is asking: a person's browser, or an application.

pub mod bearer;
pub mod browser;
pub mod caller;
