//! The way to the provider: a flow is written down, and the browser is sent off with its secret (OIDC Core §3.1.2.1).
//!
//! `state`, `nonce` and the PKCE verifier are 256 random bits each. Of `state` the row has the digest; the other two are
//! sealed in it with what the flow is for, bound to the row's id.

use serde::{Deserialize, Serialize};

use super::{LIFE, NotThrough, Purpose, Reading, health, notes, reading};
use crate::app::App;
use crate::domain::federation::Claims;
use crate::flows::device;
use crate::kernel::id::{ConnectionId, UpstreamFlowId};
use crate::kernel::secret::{Digest, Secret};
use crate::outside::upstream::{Asking, UpstreamError, Upstreams};
use crate::store::federation::flows::{self, Flow, NewFlow};

/// What every `state` begins with.
pub const STATE: &str = "ust_";
/// What a flow's row is sealed for; bound to its id.
const ROW: &str = "upstream.flow";
/// The longest hint that is passed on, in bytes.
const LONGEST_HINT: usize = 256;

/// A flow that is to begin.
#[derive(Clone, Debug)]
pub struct Begin<'a> {
    /// Through which connection.
    pub connection: &'a ConnectionId,
    /// What stands for the browser.
    pub binding: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// Whom the provider may expect.
    pub login_hint: Option<&'a str>,
}

/// What the row keeps of a flow.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the ID token must repeat.
    pub nonce: String,
    /// What the code is bound to (RFC 7636 §4.1).
    pub verifier: String,
    /// What it is for.
    pub purpose: Purpose,
}

impl Kept {
    /// What a row keeps; `None` where it was sealed with another key.
    pub(super) fn of(app: &App, flow: &Flow) -> Option<Self> {
        let bytes = app.sealer.open(ROW, flow.id.as_str(), &flow.sealed).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// The digest that stands for a browser.
pub(super) fn bound(binding: &str) -> Digest {
    Digest::of(binding.as_bytes())
}

/// So many sign-ins begin from one network within [`LIFE`]: a whole company behind one address at nine o'clock.
const MOST_BEGUN: u32 = 3_000;

/// Counts a sign-in that is to begin; the seconds to wait where there were too many from this network.
#[must_use]
pub fn pause(app: &App, address: &str) -> Option<i64> {
    device::count(app, &format!("upstream {}", device::network(address)), MOST_BEGUN, LIFE)
}

/// Begins a flow; the address at the provider where it goes on.
///
/// # Errors
/// [`NotThrough::Closed`] where the connection can't be used for it; the provider can't be reached; the database's.
pub async fn begin(app: &App, begin: Begin<'_>) -> Result<String, NotThrough> {
    let Begin { connection, binding, purpose, login_hint } = begin;
    let party = reading(app, &mut app.db.read().await?, connection, &purpose).await?;
    if matches!(&purpose, Purpose::SignIn { org: Some(org), .. } if *org != party.sign_in.connection.org) {
        return Err(NotThrough::Closed);
    }
    let (state, kept) = minted(app, purpose);
    let address = match address(app, &party, (&state, &kept), login_hint).await {
        Ok(address) => address,
        Err(error) => {
            health::failed(app, connection, &error).await?;
            let why = NotThrough::from(error);
            notes::note(app, connection, why.word(), None, Claims::new()).await?;
            return Err(why);
        }
    };
    keep(app, &party, (&state, &kept), binding).await?;
    Ok(address)
}

fn minted(app: &App, purpose: Purpose) -> (Secret, Kept) {
    let chance = &*app.chance;
    let text = || Secret::mint(chance, "").expose().to_owned();
    (Secret::mint(chance, STATE), Kept { nonce: text(), verifier: text(), purpose })
}

/// Where the browser is sent. The provider is asked for a fresh proof where the person needs one; whether it gave one is
/// judged by what comes back.
async fn address(
    app: &App,
    party: &Reading,
    (state, kept): (&Secret, &Kept),
    login_hint: Option<&str>,
) -> Result<String, UpstreamError> {
    let metadata = app.upstream.discover(&party.core().issuer).await?;
    let fresh = matches!(kept.purpose, Purpose::SignIn { fresh: true, .. });
    let challenge = Digest::of(kept.verifier.as_bytes()).base64url();
    let asking = Asking {
        state,
        nonce: &kept.nonce,
        pkce_challenge: &challenge,
        scopes: &party.sign_in.settings.scopes,
        login_hint: login_hint.filter(|hint| is_sendable(hint)),
        prompt_login: fresh,
        // So that `auth_time` comes back (OIDC Core §2).
        max_age: fresh.then_some(0),
    };
    Upstreams::authorization_url(&metadata, &party.party(), &asking)
}

fn is_sendable(hint: &str) -> bool {
    !hint.is_empty() && hint.len() <= LONGEST_HINT && !hint.chars().any(char::is_control)
}

async fn keep(app: &App, party: &Reading, (state, kept): (&Secret, &Kept), binding: &str) -> Result<(), NotThrough> {
    let (id, now) = (UpstreamFlowId::fresh(), app.now());
    let plain = serde_json::to_vec(kept).map_err(|_| NotThrough::Closed)?;
    let flow = NewFlow {
        state: state.digest(),
        connection: party.connection().clone(),
        revision: party.sign_in.revision,
        binding: bound(binding),
        sealed: app.sealer.seal(ROW, id.as_str(), &plain),
        created_at: now,
        expires_at: now.plus(LIFE),
        id,
    };
    let kept: Result<(), sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { flows::put(tx, &flow).await })).await;
    Ok(kept?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_with_control_characters_or_without_an_end_is_not_passed_on() {
        assert!(is_sendable("ann@acme.test"));
        let long = "a".repeat(LONGEST_HINT + 1);
        for hint in ["", "ann\n", "\u{0}", long.as_str()] {
            assert!(!is_sendable(hint), "{hint:?}");
        }
    }

    #[test]
    fn a_browser_is_known_by_a_digest_and_no_other_has_it() {
        assert_eq!(bound("one"), bound("one"));
        assert_ne!(bound("one"), bound("two"));
    }
}
