//! The world that is measured: one organisation with one known person, a group, roles, five applications, and a
//! directory that pushes people.
//!
//! Its secrets are fixed texts: the server that takes them lives for one run and listens on the loopback alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The slug of the organisation.
pub const ORGANISATION: &str = "bench";
/// The person who signs in.
pub const USER_NAME: &str = "harriet";
/// Her password: long enough for every preset, and on no list.
pub const PASSWORD: &str = "Tide7-Kq2mVx9dT";
/// Where authorization answers go. It is never visited; https keeps it out of the rule for loopback redirects,
/// which always ask for consent.
pub const REDIRECT_URI: &str = "https://bench.example/callback";

/// How many people the directory's groups have, in those databases that have as many.
pub const GROUPS: [u64; 3] = [10, 1_000, 100_000];

/// The token of the directory's client, as long as a minted one.
pub fn directory_token() -> String {
    format!("mst_{}", URL_SAFE_NO_PAD.encode(Sha256::digest("muster-bench directory")))
}

/// What the directory calls a group of so many.
pub fn group_name(members: u64) -> String {
    format!("Group of {members}")
}

/// An application of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its `client_id`.
    pub client_id: &'static str,
    /// The algorithm of its tokens.
    alg: &'static str,
    /// Whether people sign in to it; otherwise it acts for itself alone.
    people: bool,
}

/// `client_credentials` with ES256.
pub const CC_ES256: Application = Application { client_id: "cc-es256", alg: "ES256", people: false };
/// `client_credentials` with `EdDSA`.
pub const CC_EDDSA: Application = Application { client_id: "cc-eddsa", alg: "EdDSA", people: false };
/// `client_credentials` with RS256.
pub const CC_RS256: Application = Application { client_id: "cc-rs256", alg: "RS256", people: false };
/// Codes and refresh tokens with ES256.
pub const BENCH_ES256: Application = Application { client_id: "bench-es256", alg: "ES256", people: true };
/// Codes and refresh tokens with `EdDSA`.
pub const BENCH_EDDSA: Application = Application { client_id: "bench-eddsa", alg: "EdDSA", people: true };

const APPLICATIONS: [Application; 5] = [CC_ES256, CC_EDDSA, CC_RS256, BENCH_ES256, BENCH_EDDSA];

impl Application {
    /// Its secret: as long as a minted one, the same in every run, so that a cached database fits.
    pub fn secret(self) -> String {
        let digest = Sha256::digest(format!("muster-bench {}", self.client_id));
        format!("mst_cs_{}", URL_SAFE_NO_PAD.encode(digest))
    }

    /// The variable that the apply file takes the secret from.
    fn secret_variable(self) -> String {
        format!("BENCH_SECRET_{}", self.client_id.replace('-', "_").to_uppercase())
    }

    fn table(self) -> String {
        let Self { client_id, alg, people } = self;
        let secret = self.secret_variable();
        let kind = if people {
            format!(
                r#"redirect_uris = ["{REDIRECT_URI}"]
grant_types = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "roles"]
require_pkce = true
trusted = true"#
            )
        } else {
            r#"grant_types = ["client_credentials"]"#.to_owned()
        };
        format!(
            r#"
[[application]]
client_id = "{client_id}"
name = "Load {client_id}"
organisation = "{ORGANISATION}"
auth_method = "client_secret_basic"
secret_env = "{secret}"
id_token_alg = "{alg}"
access_token_alg = "{alg}"
{kind}
"#
        )
    }
}

/// The apply file.
pub fn apply_file() -> String {
    let organisation = format!(
        r#"[[organisation]]
slug = "{ORGANISATION}"
name = "Load"
policy = "strict"
owner = "{USER_NAME}"
  [[organisation.project]]
  key = "web"
  name = "Web"
  [[organisation.person]]
  user_name = "{USER_NAME}"
  name = "Harriet Load"
  given_name = "Harriet"
  family_name = "Load"
  email = "{USER_NAME}@bench.example"
  password_env = "BENCH_PASSWORD"
  roles = ["org.reader", "project.admin:web"]
  [[organisation.group]]
  name = "Web team"
  description = "Those who work on the web project"
  members = ["{USER_NAME}"]
  roles = ["billing.viewer", "project.member:web"]
"#
    );
    APPLICATIONS.iter().fold(organisation, |file, application| file + &application.table())
}

/// The variables that the apply file names.
pub fn variables() -> Vec<(String, String)> {
    let secrets = APPLICATIONS.iter().map(|application| (application.secret_variable(), application.secret()));
    secrets.chain([("BENCH_PASSWORD".to_owned(), PASSWORD.to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apply_file_is_toml_and_names_every_variable() {
        let file = apply_file();
        let table: toml::Table = file.parse().unwrap();
        assert_eq!(table["application"].as_array().unwrap().len(), APPLICATIONS.len());
        for (name, _) in variables() {
            assert!(file.contains(&name), "{name}");
        }
    }
}
