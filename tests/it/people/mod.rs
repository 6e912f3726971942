//! How people come in and look after themselves: invitations and their pages, own accounts, self-registration.

mod clerk;
mod console;
mod invitation_pages;
pub mod mailbox;
mod own_account;
mod self_registration;
