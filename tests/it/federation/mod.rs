//! Sign-in through a customer's own OpenID provider: what is believed of it, and what follows.

mod applications;
mod enforced;
mod failing;
mod first_time;
mod flow;
mod home;
mod linking;
mod mapping;
mod odd_claims;
mod okta_mode;
mod own_accounts;
mod real_provider;
mod real_scene;
mod rules_scene;
mod signals;
mod signals_events;
mod signals_poll;
mod signals_scene;
mod verified;
