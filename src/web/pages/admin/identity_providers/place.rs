//! One connection as its pages share it: that it is there, how it stands, what stands above its tabs, and the way to
//! the door from the state that a page has shown.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::domain::change::{Change, Mode, Receipt};
use crate::domain::connection::ConnectionState;
use crate::domain::federation::Stage;
use crate::flows::change_access::Refusal;
use crate::flows::federation::callback;
use crate::flows::scim;
use crate::kernel::id::ConnectionId;
use crate::kernel::secret::Digest;
use crate::store::connections::{self, Connection};
use crate::store::db::{Conn, Result};
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::orgs;
use crate::store::scim::credentials;
use crate::web::pages::admin::groups::place::ask;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::wording::{self, Said};
use crate::web::pages::error;
use crate::web::pages::view::admin::{Badge, Choice, Errors, Here, Shell};
use crate::web::pages::view::identity_providers::{Address, ProviderHead};
use crate::web::pages::view::web_address;

/// How often it is tried anew where others keep editing the organisation.
const TRIES: usize = 20;

/// The tabs of a connection: their page under its own, and their word.
const TABS: [(&str, &str); 4] =
    [("", "Overview"), ("sign-in", "Sign-in"), ("mapping", "Mapping"), ("sign-ins", "Sign-ins")];

/// What of a connection a page shows and writes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its name and what goes with it.
    Name,
    /// How its sign-in is set up.
    SignIn,
    /// How far the sign-in is open.
    Stage,
    /// Its mapping.
    Mapping,
}

/// A connection with its sign-in.
pub struct Place {
    /// The connection.
    pub connection: Connection,
    /// Its sign-in, if it has one and was not deleted.
    pub sign_in: Option<SignIn>,
    speaks_scim: bool,
}

impl Place {
    /// The connection that the address names, one that was deleted and keeps something included; `None` when it isn't
    /// there, or another organisation's.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(conn: &mut Conn, desk: &Desk) -> Result<Option<Self>> {
        let Ok(id) = desk.named("connection").parse::<ConnectionId>() else {
            return Ok(None);
        };
        match connections::find(conn, &desk.org, &id).await?.filter(is_there) {
            Some(connection) => Self::of(conn, connection).await.map(Some),
            None => Ok(None),
        }
    }

    /// A connection with what else is known of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(conn: &mut Conn, connection: Connection) -> Result<Self> {
        let has_client = !credentials::of_connection(conn, &connection.id).await?.is_empty();
        let sign_in = upstreams::by_id(conn, &connection.id).await?;
        let speaks_scim = has_client || connection.last_sync_at.is_some();
        let sign_in = sign_in.filter(|_| connection.state != ConnectionState::Deleted);
        Ok(Self { connection, sign_in, speaks_scim })
    }

    /// Whether it was not deleted.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.connection.state != ConnectionState::Deleted
    }

    /// What it is for, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match (self.sign_in.is_some(), self.speaks_scim) {
            (true, true) => "Sign-in and SCIM",
            (true, false) => "Sign-in",
            (false, true) => "SCIM",
            (false, false) => "Not set up yet",
        }
    }

    /// The kind of provider; empty where nobody signs in through it.
    #[must_use]
    pub fn preset(&self) -> &'static str {
        self.sign_in.as_ref().map_or("", |sign_in| sign_in.settings.preset.label())
    }

    /// How it stands, in a word.
    #[must_use]
    pub fn stage(&self) -> Badge {
        match (self.connection.state, &self.sign_in) {
            (ConnectionState::Deleted, _) => Badge { word: "Deleted", class: "off" },
            (ConnectionState::Disabled, _) => Badge { word: "Disabled", class: "off" },
            (ConnectionState::Active, Some(sign_in)) => match sign_in.stage {
                Stage::Draft => Badge { word: "Draft", class: "wait" },
                Stage::Tested => Badge { word: "Tested", class: "wait" },
                Stage::Optional => Badge { word: "Optional", class: "good" },
                Stage::Enforced => Badge { word: "Enforced", class: "good" },
            },
            (ConnectionState::Active, None) if self.speaks_scim => Badge { word: "Active", class: "good" },
            (ConnectionState::Active, None) => Badge { word: "Not set up", class: "wait" },
        }
    }

    /// Its page, or one beneath it.
    #[must_use]
    pub fn path(&self, page: &str) -> String {
        path(&self.connection.id, page)
    }

    /// What stands around its pages.
    #[must_use]
    pub fn shell(desk: &Desk) -> Shell {
        desk.shell(Here::IdentityProviders, &[("Identity providers", "identity-providers")])
    }

    /// What stands above one of its tabs; where something went wrong, nothing was done just now.
    #[must_use]
    pub fn head(&self, desk: &Desk, tab: &str, alert: String) -> ProviderHead {
        let open = TABS.into_iter().filter(|(page, _)| self.stands() || page.is_empty() || *page == "sign-ins");
        let choice =
            |(page, word): (&str, &str)| Choice { value: page.to_owned(), label: word.to_owned(), chosen: page == tab };
        ProviderHead {
            id: self.connection.id.to_string(),
            name: self.connection.name.clone(),
            kind: self.kind(),
            stage: self.stage(),
            preset: self.preset(),
            admin_url: web_address(self.connection.settings.admin_url.as_deref()).unwrap_or_default().to_owned(),
            tabs: open.map(choice).collect(),
            notice: if alert.is_empty() { notice(desk).to_owned() } else { String::new() },
            alert,
        }
    }

    /// The tag of what a page shows of it: another one, when it was changed meanwhile.
    #[must_use]
    pub fn tag(&self, part: Part) -> String {
        let connection = &self.connection;
        let shown = match (part, &self.sign_in) {
            (Part::Name, _) => {
                text(&(&connection.name, connection.profile.as_str(), connection.local_grants, &connection.settings))
            }
            (Part::SignIn, Some(found)) => text(&(found.revision, &found.settings, found.has_secret)),
            (Part::Stage, Some(found)) => text(&(found.revision, found.stage)),
            (Part::Mapping, Some(found)) => text(&found.mapping),
            (Part::SignIn | Part::Stage | Part::Mapping, None) => String::new(),
        };
        Digest::of(shown.as_bytes()).base64url()
    }

    /// What the provider's administrator copies. Nobody copies from one that was deleted.
    #[must_use]
    pub fn addresses(&self, desk: &Desk) -> Vec<Address> {
        if !self.stands() {
            return Vec::new();
        }
        let id = &self.connection.id;
        let of = |id, label, hint, value| Address { id, label, hint, value };
        let at = |end: &str| desk.app.url(&format!("/upstream/{}/{end}", self.connection.id));
        let back = callback(&desk.app, id);
        let mut all = vec![
            of("redirect_uri", "Redirect address", "Where people come back to: the redirect URI, or callback.", back),
            of("initiate_uri", "Initiate login address", "For a tile in the provider's own portal.", at("login")),
            of("logout_uri", "Back-channel logout address", "Where it says that sessions are over.", at("logout")),
            of("events_uri", "Events address", "Where it pushes security events (Shared Signals).", at("events")),
            of("revocation_uri", "Universal Logout address", "Where Okta has all of a person end.", at("revocation")),
        ];
        if self.sign_in.as_ref().is_some_and(|found| found.public_key.is_some()) {
            all.push(of("jwks_uri", "Key address", "Where it reads our public key (private_key_jwt).", at("jwks")));
        }
        let base = desk.app.url(scim::PATH);
        all.push(of("scim_url", "SCIM base URL", "For its SCIM client, with a token of this connection.", base));
        all
    }
}

/// The page of a connection, or one beneath it.
#[must_use]
pub fn path(connection: &ConnectionId, page: &str) -> String {
    if page.is_empty() {
        format!("identity-providers/{connection}")
    } else {
        format!("identity-providers/{connection}/{page}")
    }
}

/// A connection that was deleted is there for as long as it keeps something that can be released.
#[must_use]
pub fn is_there(connection: &Connection) -> bool {
    connection.state != ConnectionState::Deleted || connection.users > 0 || connection.groups > 0
}

fn text<T: Serialize>(shown: &T) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}

/// What was done just now, as the address says it: a word of ours.
fn notice(desk: &Desk) -> &'static str {
    match desk.asked("done") {
        Some("created") => "The connection is there. Set its sign-in up here, or give its SCIM client a token.",
        Some("set-up") => "The sign-in is set up. Test it next: until then it can't be opened.",
        Some("saved") => "The changes are saved.",
        Some("optional") => "People can choose it now.",
        Some("enforced") => "The organisation lets nobody in otherwise from now on, but for those named here.",
        Some("closed") => "Nobody can sign in through it now.",
        Some("disabled") => "It is disabled, and what came through it is over.",
        Some("enabled") => "It is enabled.",
        Some("mapped") => "The mapping is saved. Whoever came lately is where it puts them.",
        Some("unmapped") => "It is removed, with what it gave.",
        _ => "",
    }
}

/// The connection that a form is about; it was not deleted.
///
/// # Errors
/// The page that says that there is none, or that something isn't working.
pub async fn here(desk: &Desk) -> std::result::Result<Place, Response> {
    match standing(desk).await {
        Ok(Some(place)) => Ok(place),
        Ok(None) => Err(desk.answer(error::not_found().await)),
        Err(fault) => Err(desk.failed(fault)),
    }
}

async fn standing(desk: &Desk) -> Result<Option<Place>> {
    let mut conn = desk.app.db.read().await?;
    Ok(Place::find(&mut conn, desk).await?.filter(Place::stands))
}

/// Sends changes through the door, if a part of the connection still is as the page has shown it: the door refuses when
/// anything in the organisation was edited between the reading and its lock, and then it is read anew.
///
/// # Errors
/// [`Refusal::Stale`] when it is another by now; the door's refusal.
pub async fn send(
    desk: &Desk,
    (part, seen): (Part, &str),
    changes: &[Change],
    mode: Mode,
) -> std::result::Result<Receipt, Refusal> {
    for _ in 0..TRIES {
        let mut conn = desk.app.db.read().await?;
        // The version is read first: whatever is read after it and was edited meanwhile is found out under the lock.
        let version = orgs::access_version(&mut conn, &desk.org).await?.unwrap_or_default();
        let Some(place) = Place::find(&mut conn, desk).await?.filter(Place::stands) else {
            return Err(Refusal::NotFound("The connection".to_owned()));
        };
        drop(conn);
        if place.tag(part) != seen {
            return Err(Refusal::Stale);
        }
        let mut all = vec![Change::ExpectVersion { org: desk.org.clone(), version }];
        all.extend_from_slice(changes);
        match ask(desk, all, mode).await {
            Err(Refusal::Stale) => {}
            outcome => return outcome,
        }
    }
    Err(Refusal::Stale)
}

/// A refusal in the words of these pages: at the field that `field` finds for the door's own, else at the first.
///
/// # Errors
/// It is ours to mend: the page that says so.
pub fn refused(
    why: Refusal,
    first: &'static str,
    field: impl Fn(&str) -> &'static str,
) -> std::result::Result<Said, Box<Response>> {
    let said = |status: StatusCode, at: &str, text: String| Ok(Said { status, errors: Errors::one(at, text) });
    match why {
        Refusal::Invalid { field: name, reason } => {
            said(StatusCode::BAD_REQUEST, field(name), wording::sentence(&reason))
        }
        Refusal::Denied { needs, .. } => {
            said(StatusCode::FORBIDDEN, first, format!("You can't do this: it needs {needs}."))
        }
        Refusal::Stale => {
            let text = "This was changed meanwhile. This is how it stands now: decide anew.";
            said(StatusCode::CONFLICT, first, text.to_owned())
        }
        other => wording::refusal(other, &[first]),
    }
}

/// As [`refused`], in one sentence above the tab.
///
/// # Errors
/// As [`refused`].
pub fn alert(why: Refusal) -> std::result::Result<(StatusCode, String), Box<Response>> {
    let said = refused(why, "form", |_| "form")?;
    let text = said.errors.list().first().map(|error| error.text.clone());
    Ok((said.status, text.unwrap_or_default()))
}
