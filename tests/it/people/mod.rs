//! How people come in and look after themselves: invitations and their pages, own accounts, self-registration.

pub mod clerk;
mod console;
mod console_sessions;
mod invitation_pages;
mod kept;
mod link_secrecy;
mod own_account;
mod review;
mod rows_of_people;
mod self_registration;
mod self_service;
mod self_service_api;
