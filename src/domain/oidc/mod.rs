//! OpenID Connect in pure values: the claims of each token, the `prompt` decision, the discovery document.
//!
//! Nothing here signs or stores: [`id_token`], [`access_token`] and [`logout_token`] give claims, `outside::keyring` signs them.

pub mod access_token;
pub mod claims;
pub mod discovery;
pub mod frontchannel_logout;
pub mod id_token;
pub mod logout_token;
pub mod prompt;
