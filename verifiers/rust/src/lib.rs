//! Verifies Muster's access tokens in the service that receives them: no question to Muster for a token, and yet what was
//! taken away is refused within a second.
//!
//! A [`Verifier`] follows the revocation feed of one Muster (`/.well-known/muster-revocations`) in the background and keeps
//! what it says in memory. [`Verifier::verify`] checks a token's signature and claims, then looks there. Where the feed has
//! not been heard to its end, or has been silent for too long, every token is refused with [`Kind::StaleFeed`]: that is
//! the moment to answer 503, not to let people in.
//!
//! ```no_run
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use muster_verifier::{Credentials, Options, Verifier};
//!
//! let credentials = Credentials::secret("orders", std::env::var("MUSTER_CLIENT_SECRET")?);
//! let verifier = Verifier::start(Options::new("https://id.example.com", "https://orders.example.com", credentials))?;
//! verifier.ready().await;
//!
//! match verifier.verify(token).await {
//!     Ok(claims) => println!("{} may, if {:?} say so", claims.subject(), claims.org_roles()),
//!     Err(refusal) if refusal.is_retryable() => println!("503: {refusal}"),
//!     Err(refusal) => println!("401: {refusal}"),
//! }
//! # Ok(())
//! # }
//! ```

mod claims;
mod connection;
mod follow;
mod keys;
mod message;
mod options;
mod refusal;
mod revocations;
mod sse;
mod verifier;

pub use claims::Claims;
pub use options::{Credentials, Options, OptionsError, ProviderError, ProviderFuture};
pub use refusal::{Kind, Refusal};
pub use verifier::{Status, Verifier};
