//! Shared Signals: streams of security events as the applications that receive them keep them, and what is told in
//! them.

mod cascade;
mod delivery;
mod events;
mod management;
mod scene;
