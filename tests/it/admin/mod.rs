//! Administering organisations through the REST API.

mod access;
mod applications;
mod calls;
mod causes;
mod fresh;
mod grants;
mod groups;
mod invitations;
mod keys;
mod matrix;
mod organisations;
mod people;
mod projects;
mod reach;
mod registration;
mod requests;
mod secrets;
mod sessions;
mod stage;
