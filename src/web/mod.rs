//! The HTTP edge: who is asking ([`extract`]), the protocol's endpoints ([`oidc`]), pages for people ([`pages`]), and
//! what stands around every answer ([`layers`], [`listen`]). Handlers hold no SQL, no transaction and no rule.

pub mod api;
pub mod extract;
pub mod feed;
pub mod layers;
pub mod listen;
pub mod oidc;
pub mod operating;
pub mod pages;
pub mod scim;
pub mod ssf;
pub mod upstream;
