//! The console's pages about people, groups and identity providers, as administrators walk through them without scripts.

mod groups;
mod identity_providers;
mod keys;
mod people;
