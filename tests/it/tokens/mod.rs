//! Tokens after they were issued: refreshed, refused, and signed with keys that change.

mod budget;
mod gains_and_losses;
mod keys;
mod nodes;
mod other_org;
mod own_tokens;
mod refresh;
