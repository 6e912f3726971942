//! The way back from the provider (OIDC Core §3.1.2.5, RFC 9207): the flow is taken, the answer is checked, and only then
//! is the code sent anywhere.
//!
//! The order is the security. The row is taken first, so that an answer counts once, whatever becomes of it. Browser and
//! connection must be the row's, the set-up must be the one that the flow began with, and the issuer of the answer the
//! set-up's: all of that before a token request (RFC 9700 §4.4.2).

use super::came_through::{self, Coming};
use super::start::{Kept, STATE, bound};
pub use super::trial::Tried;
use super::{NotThrough, Purpose, Reading, health, link, notes, reading, trial};
use crate::app::App;
use crate::domain::federation::{Claims, claims};
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::outside::upstream;
use crate::store::cookies::Facts;
use crate::store::federation::flows::{self, Flow};

/// The length of what [`Secret::mint`] adds to a prefix.
const MINTED: usize = 43;
/// The longest code, in bytes.
const LONGEST_CODE: usize = 4_096;
/// The longest error word that is kept, in bytes.
const LONGEST_ERROR: usize = 64;

/// What a browser brought back, and which.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    /// The connection whose address it came to.
    pub connection: &'a str,
    /// What stands for the browser.
    pub binding: &'a str,
    /// `state`.
    pub state: Option<&'a str>,
    /// `code`.
    pub code: Option<&'a str>,
    /// `iss` (RFC 9207).
    pub iss: Option<&'a str>,
    /// `error`.
    pub error: Option<&'a str>,
    /// What the browser calls itself.
    pub user_agent: &'a str,
    /// Its address.
    pub address: &'a str,
}

/// What a flow came to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one is made for each sign-in, and taken apart at once")]
pub enum Finished {
    /// Somebody may be signed in. Nothing is kept of it yet.
    SignedIn {
        /// The session to be.
        facts: Facts,
        /// Where the sign-in leads, as it was when the flow began.
        content: String,
    },
    /// An identity was linked.
    Linked,
    /// A trial went through. Nobody is signed in.
    Tried(Box<Tried>),
}

/// What is known of somebody for the log, as far as a flow has come.
#[derive(Default)]
struct Story {
    user: Option<UserId>,
    claims: Claims,
}

/// Finishes a flow.
///
/// # Errors
/// Why nobody came through, with what the flow was for where it was this browser's: then the page may lead back there.
pub async fn finish(app: &App, returned: Returned<'_>) -> Result<Finished, (NotThrough, Option<Purpose>)> {
    let (flow, kept) = taken(app, &returned).await.map_err(|why| (why, None))?;
    let mut story = Story::default();
    let concluded = conclude(app, (&flow, &kept), &returned, &mut story).await;
    let told = told(app, (&flow, &kept), &returned, story, &concluded).await;
    match (concluded, told) {
        (Ok(finished), Ok(())) => Ok(finished),
        (Ok(_), Err(error)) => Err((error.into(), Some(kept.purpose))),
        (Err(why), Ok(())) => Err((why, Some(kept.purpose))),
        (Err(why), Err(error)) => {
            tracing::error!(%error, "a sign-in through a connection is not in its log");
            Err((why, Some(kept.purpose)))
        }
    }
}

/// The flow that an answer belongs to. It is gone from here on; whoever brings the same `state` again, or brings it in
/// another browser or to another connection, learns no more than that there is none.
async fn taken(app: &App, returned: &Returned<'_>) -> Result<(Flow, Kept), NotThrough> {
    let state = returned.state.filter(|state| state.len() == STATE.len() + MINTED && state.starts_with(STATE));
    let digest = Secret::presented(state.ok_or(NotThrough::UnknownFlow)?).digest();
    let now = app.now();
    let flow: Result<Option<Flow>, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { flows::take(tx, digest, now).await })).await;
    let flow = flow?.ok_or(NotThrough::UnknownFlow)?;
    let same_place = flow.binding == bound(returned.binding) && flow.connection.as_str() == returned.connection;
    if let Some(kept) = Kept::of(app, &flow).filter(|_| same_place) {
        return Ok((flow, kept));
    }
    let why = NotThrough::UnknownFlow;
    notes::note(app, &flow.connection, why.word(), None, Claims::new()).await?;
    Err(why)
}

async fn conclude(
    app: &App,
    (flow, kept): (&Flow, &Kept),
    returned: &Returned<'_>,
    story: &mut Story,
) -> Result<Finished, NotThrough> {
    let reading = reading(app, &mut app.db.read().await?, &flow.connection, &kept.purpose).await?;
    if reading.sign_in.revision != flow.revision {
        return Err(NotThrough::Closed);
    }
    came_from(app, &reading, returned.iss).await?;
    if let Some(error) = returned.error {
        return Err(NotThrough::RefusedUpstream(error_word(error)));
    }
    let code = returned.code.filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE);
    let code = Secret::presented(code.ok_or(NotThrough::NotVerified("the answer has no code"))?);
    let claims = exchanged(app, &reading, kept, &code).await?;
    story.claims = claims::redacted(&claims, &reading.sign_in.settings.claims);
    match &kept.purpose {
        Purpose::SignIn { content, fresh, .. } => {
            let coming = Coming {
                reading: &reading,
                claims: &claims,
                begun: flow.created_at,
                fresh: *fresh,
                user_agent: returned.user_agent,
                address: returned.address,
            };
            let facts = came_through::let_in(app, coming, &mut story.user).await?;
            Ok(Finished::SignedIn { facts, content: content.clone() })
        }
        Purpose::Link { session, user } => {
            story.user = Some(user.clone());
            link::complete(app, &reading, &claims, (session, user), returned.address).await?;
            Ok(Finished::Linked)
        }
        Purpose::Trial { .. } => {
            let tried = trial::conclude(app, &reading, &claims, &mut story.user).await?;
            Ok(Finished::Tried(Box::new(tried)))
        }
    }
}

/// That the answer came from the connection's own issuer, if it says from whom; a provider that always says it must
/// (RFC 9207 §2.4). An error is an answer, too.
async fn came_from(app: &App, reading: &Reading, iss: Option<&str>) -> Result<(), NotThrough> {
    let issuer = &reading.core().issuer;
    if let Some(iss) = iss {
        let same = iss == issuer;
        return if same { Ok(()) } else { Err(NotThrough::NotVerified("the answer is another issuer's")) };
    }
    match app.upstream.discover(issuer).await {
        Ok(metadata) if metadata.names_itself() => Err(NotThrough::NotVerified("the answer doesn't say whose it is")),
        Ok(_) => Ok(()),
        Err(error) => {
            health::failed(app, reading.connection(), &error).await?;
            Err(error.into())
        }
    }
}

async fn exchanged(app: &App, reading: &Reading, kept: &Kept, code: &Secret) -> Result<Claims, NotThrough> {
    let verifier = Secret::presented(&*kept.verifier);
    let returned = upstream::Returned { code, nonce: &kept.nonce, pkce_verifier: &verifier };
    let userinfo = reading.sign_in.settings.userinfo;
    match app.upstream.exchange(&reading.party(), returned, userinfo, app.now()).await {
        Ok(claims) => {
            health::worked(app, reading.connection()).await?;
            Ok(claims)
        }
        Err(error) => {
            health::failed(app, reading.connection(), &error).await?;
            Err(error.into())
        }
    }
}

/// The line of the log that every flow leaves. Somebody who is let in and can't be written down is not let in.
async fn told(
    app: &App,
    (flow, kept): (&Flow, &Kept),
    returned: &Returned<'_>,
    story: Story,
    concluded: &Result<Finished, NotThrough>,
) -> Result<(), sqlx::Error> {
    let Story { user, claims } = story;
    let (connection, user) = (&flow.connection, user.as_ref());
    match concluded {
        Ok(Finished::SignedIn { facts, .. }) => notes::came(app, connection, facts, claims).await,
        Ok(Finished::Linked) => notes::note(app, connection, notes::LINKED, user, claims).await,
        Ok(Finished::Tried(_)) => notes::note(app, connection, notes::TESTED, user, claims).await,
        Err(why) => {
            tracing::info!(connection.id = %connection, outcome = why.word(), reason = %why, "nobody came through");
            match kept.purpose {
                Purpose::SignIn { .. } => {
                    notes::turned_away(app, connection, (why.word(), user), claims, returned.address).await
                }
                Purpose::Link { .. } | Purpose::Trial { .. } => {
                    notes::note(app, connection, why.word(), user, claims).await
                }
            }
        }
    }
}

/// An error word as it may be written: RFC 6749 §4.1.2.1 allows visible ASCII alone.
fn error_word(error: &str) -> String {
    let is_word = error.len() <= LONGEST_ERROR && error.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { error.to_owned() } else { "unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::secret::Chance;

    #[derive(Debug)]
    struct Ones;
    impl Chance for Ones {
        fn fill(&self, into: &mut [u8]) {
            into.fill(1);
        }
    }

    #[test]
    fn a_state_is_as_long_as_one_that_was_minted() {
        assert_eq!(Secret::mint(&Ones, STATE).expose().len(), STATE.len() + MINTED);
    }

    #[test]
    fn an_error_is_a_word_or_none_that_is_told() {
        assert_eq!(error_word("access_denied"), "access_denied");
        for odd in ["a b", "a\r\nb", "<script>\u{e9}", &*"x".repeat(LONGEST_ERROR + 1)] {
            assert_eq!(error_word(odd), "unknown", "{odd:?}");
        }
    }
}
