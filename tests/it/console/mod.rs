//! The console's pages about people and groups, as administrators walk through them without scripts.

mod groups;
mod keys;
mod people;
