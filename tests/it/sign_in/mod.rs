//! Signing in: what a guess is worth, what a refusal tells, and who may make a browser do it.

mod cross_site;
mod guessing;
mod one_answer;
mod own_sessions;
mod set_up_link;
mod timing;
