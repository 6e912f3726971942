//! OAuth 2.0 in pure values: what an application is, what it may ask, and what it is answered.
//!
//! Each file bears the name of its clause: [`redirect_uri`] and [`scope`] RFC 6749 §3, [`pkce`] RFC 7636,
//! [`client_auth`] RFC 6749 §2.3 and RFC 7523, [`refresh_token`] RFC 9700 §4.14, [`response`] RFC 9207,
//! [`device`] RFC 8628.
//! What OpenID Connect adds stands in [`crate::domain::oidc`].

/// That a text is none of the words that stand for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of: {0}")]
pub struct UnknownWord(pub &'static str);

/// An enum whose variants have one word each, on the wire as in the database.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::oauth::UnknownWord;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::oauth::UnknownWord(concat!($($word, " "),+))),
                }
            }
        }
    };
}
// For `oidc`; the modules below see the macro because they follow it.
pub(crate) use words;

pub mod application;
pub mod authorization_code;
pub mod authorization_request;
pub mod client_auth;
pub mod device;
pub mod error;
pub mod introspection;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod refresh_token;
pub mod registration;
pub mod response;
pub mod scope;
