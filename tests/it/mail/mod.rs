//! Messages to people: what queues one, and how it reaches a mail server that nobody here wrote.

mod delivery;
mod files;
mod post_office;
mod secrets;
mod story;
mod triggers;
mod triggers_of_connections;
mod triggers_of_factors;
