//! What is known of usual providers: where a set-up begins, and what its administrator is told.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{UnknownWord, words};

/// Google's one issuer, for every customer of theirs.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";

words! {
    /// A kind of provider.
    Preset {
        /// Okta.
        Okta = "okta",
        /// Microsoft Entra ID.
        Entra = "entra",
        /// Google.
        Google = "google",
        /// Keycloak.
        Keycloak = "keycloak",
        /// Any OpenID provider.
        Generic = "generic",
    }
}

impl Preset {
    /// What people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Okta => "Okta",
            Self::Entra => "Microsoft Entra ID",
            Self::Google => "Google",
            Self::Keycloak => "Keycloak",
            Self::Generic => "OpenID Connect",
        }
    }

    /// What its issuer looks like; of Google it is the issuer itself.
    #[must_use]
    pub const fn issuer_hint(self) -> &'static str {
        match self {
            Self::Okta => "https://acme.okta.com",
            Self::Entra => "https://login.microsoftonline.com/YOUR-TENANT-ID/v2.0",
            Self::Google => GOOGLE_ISSUER,
            Self::Keycloak => "https://keycloak.acme.test/realms/acme",
            Self::Generic => "https://id.acme.test",
        }
    }

    /// Where its administrators set an application up, if that is one place for all.
    #[must_use]
    pub const fn console(self) -> Option<&'static str> {
        match self {
            Self::Entra => Some("https://entra.microsoft.com"),
            Self::Google => Some("https://console.cloud.google.com/auth/clients"),
            Self::Okta | Self::Keycloak | Self::Generic => None,
        }
    }

    /// What its administrator does there, in a few sentences.
    #[must_use]
    pub const fn guide(self) -> &'static str {
        match self {
            Self::Okta => {
                "In the Admin Console, open Applications, create an app integration of the kind OIDC, Web Application, \
                 and give it the redirect address shown here. Assign the people who may come. To send groups, open the \
                 application's Sign On tab and set a groups claim named \"groups\" with a filter that matches the groups \
                 that Muster needs. The issuer is your Okta domain, or your custom authorization server's address. The \
                 accounts that Okta pushes by SCIM are recognised by the same user id."
            }
            Self::Entra => {
                "In the Entra admin center, open App registrations, register an application for this organizational \
                 directory only, and give it the redirect address shown here, of the platform Web. The issuer holds your \
                 own tenant's id; \"common\" would let in everybody's tenants. Add a client secret, and the optional claim \
                 \"email\" to the ID token. For groups, add the groups claim and choose \"Groups assigned to the \
                 application\": with more than 200 groups Entra sends none. Groups come by their object id. To recognise \
                 accounts that Entra pushes by SCIM, map externalId to objectId there."
            }
            Self::Google => {
                "In the Google Cloud console, open the OAuth consent screen and choose Internal, then create an OAuth \
                 client of the type Web application with the redirect address shown here. Google sends no groups: people \
                 are put into groups by rules on other claims, such as \"hd\", the Workspace domain."
            }
            Self::Keycloak => {
                "In your realm, create a client of the type OpenID Connect with client authentication on, the standard \
                 flow alone, and the redirect address shown here. For groups, add a mapper of the type Group Membership \
                 with the claim name \"groups\" to the client's dedicated scope, and add it to the ID token. For \
                 back-channel logout, set the logout address shown here and switch \"Backchannel logout session required\" \
                 on. An address that Keycloak calls unverified is left out here: mark your people's addresses as verified."
            }
            Self::Generic => {
                "Register a web application for the authorization code flow with the redirect address shown here. Muster \
                 always sends PKCE (S256), state and nonce, reads the provider's discovery document, and accepts ID \
                 tokens signed with RS256, PS256, ES256 or EdDSA and their longer kin. Groups are read from the ID token \
                 or from userinfo, as a list of texts."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_every_kind_has_its_guide() {
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(*preset));
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
            assert!(preset.guide().contains("redirect address") && !preset.label().is_empty());
            assert!(preset.issuer_hint().starts_with("https://"));
            assert!(preset.console().is_none_or(|console| console.starts_with("https://")));
        }
        assert_eq!("gone".parse::<Preset>(), Err(UnknownWord));
    }
}
