//! Signing in: what a guess is worth, what a refusal tells, and who may make a browser do it.

mod cross_site;
mod first_password;
mod forced_change;
mod forgotten;
mod guessing;
mod half_way;
mod imported_hashes;
mod letters;
mod link_attacks;
mod mailed_links;
mod one_answer;
mod own_sessions;
mod password_rules;
mod set_up_link;
mod storm;
mod timing;
