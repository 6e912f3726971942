//! One-time links: how they are minted and sealed into their mail, and what one is worth that somebody presents.
//!
//! The secret is in the clear in two places only: in the mail that is delivered, and in the browser that opens it. The
//! database keeps its digest, and the outbox a text that is sealed and bound to the address it goes to.

use std::collections::BTreeMap;

use crate::app::App;
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, NewLink, Purpose, Template};
use crate::kernel::id::OrgId;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::links::{self, Link};
use crate::store::orgs;
use crate::store::users::User;

/// What every link's secret begins with, so that scanners of logs and repositories know one.
pub const PREFIX: &str = "mln_";
/// What the path with the secret is sealed for.
const SEAL: &str = "mail.link";

/// A link that is to be made, and the message that is to carry it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What the link is for.
    pub purpose: Purpose,
    /// The message.
    pub template: Template,
    /// To whom.
    pub to: Address,
    /// In which language.
    pub language: Language,
    /// The organisation that it is about.
    pub org: Option<OrgId>,
    /// How long the link lives, in milliseconds.
    pub life: i64,
    /// What the message is filled with; `expires_at` (milliseconds since 1970) is put in here.
    pub values: BTreeMap<String, String>,
}

/// Makes a link of 256 random bits. Only the message that is returned can tell it.
#[must_use]
pub fn mint(app: &App, wanted: Wanted) -> NewLink {
    let Wanted { purpose, template, to, language, org, life, mut values } = wanted;
    let secret = Secret::mint(&*app.chance, PREFIX);
    let expires_at = app.now().plus(life);
    values.insert("expires_at".to_owned(), expires_at.to_string());
    let path = Secret::presented(format!("{}{}", purpose.path(), secret.expose()));
    let sealed = Some(app.sealer.seal_text(SEAL, to.as_str(), path.expose().as_bytes()));
    NewLink { digest: secret.digest(), purpose, expires_at, mail: Mail { template, to, language, org, values, sealed } }
}

/// The address that a message's link leads to, for the one who delivers it; `None` when it has none. The host is the
/// issuer's, whatever the request said that asked for the message (E5).
#[must_use]
pub fn url(app: &App, mail: &Mail) -> Option<String> {
    let path = app.sealer.open_text(SEAL, mail.to.as_str(), mail.sealed.as_deref()?).ok()?;
    Some(app.url(&String::from_utf8(path).ok()?))
}

/// The language of messages to somebody: their own, else the organisation's, else the instance's.
///
/// # Errors
/// The database's.
pub async fn language_for(
    app: &App,
    conn: &mut Conn,
    user: Option<&User>,
    org: Option<&OrgId>,
) -> Result<Language, sqlx::Error> {
    if let Some(own) = user.and_then(|user| user.profile.locale.as_deref()).and_then(Language::of_tag) {
        return Ok(own);
    }
    if let Some(org) = org.or_else(|| user.and_then(|user| user.kind.org()))
        && let Some(language) = orgs::settings(conn, org).await?.language
    {
        return Ok(language);
    }
    Ok(fallback(app))
}

/// The language of messages to people whose own isn't known, nor their organisation's.
#[must_use]
pub fn fallback(app: &App) -> Language {
    Language::of_tag(&app.config.mail.language).unwrap_or_default()
}

/// Why a link is good for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dead {
    /// There is no such link, or it is for something else: nothing is said about it.
    Unknown,
    /// It was used.
    Used,
    /// A newer one was sent.
    Replaced,
    /// It was taken back, or the account that it is for may not use it.
    Withdrawn,
    /// Its time is over.
    Expired {
        /// Since when.
        at: UnixMillis,
        /// Where it had been sent.
        address: String,
    },
}

/// The link that somebody presents, if it is good for this purpose. Nothing is written.
///
/// # Errors
/// The database's.
pub async fn find(
    conn: &mut Conn,
    secret: &Secret,
    purpose: Purpose,
    now: UnixMillis,
) -> Result<Result<Link, Dead>, sqlx::Error> {
    // What is no secret of ours can't be a row either: nothing short, blank or `null` is even looked for (E10).
    if !secret.expose().starts_with(PREFIX) || secret.expose().len() != PREFIX.len() + 43 {
        return Ok(Err(Dead::Unknown));
    }
    Ok(match links::find(conn, secret.digest()).await? {
        Some(link) if link.purpose == purpose => judge(link, now),
        Some(_) | None => Err(Dead::Unknown),
    })
}

fn judge(link: Link, now: UnixMillis) -> Result<Link, Dead> {
    match link.end_reason.as_deref() {
        Some("used") => Err(Dead::Used),
        Some("replaced") => Err(Dead::Replaced),
        Some(_) => Err(Dead::Withdrawn),
        None if link.ended_at.is_some() => Err(Dead::Withdrawn),
        None if now >= link.expires_at => Err(Dead::Expired { at: link.expires_at, address: link.address }),
        None => Ok(link),
    }
}

/// An address as somebody may see it who holds no more than a link: `a…@acme.com`, or the last two digits of a number.
#[must_use]
pub fn masked(address: &str) -> String {
    if let Some((local, domain)) = address.rsplit_once('@') {
        return format!("{}…@{domain}", local.chars().take(1).collect::<String>());
    }
    let digits: Vec<char> = address.chars().filter(char::is_ascii_digit).collect();
    format!("…{}", digits[digits.len().saturating_sub(2)..].iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(end_reason: Option<&str>) -> Link {
        Link {
            purpose: Purpose::ResetPassword,
            user: None,
            invitation: None,
            address: "ana@acme.test".to_owned(),
            created_at: UnixMillis(0),
            expires_at: UnixMillis(1_000),
            ended_at: end_reason.map(|_| UnixMillis(500)),
            end_reason: end_reason.map(str::to_owned),
        }
    }

    #[test]
    fn a_link_is_good_to_its_last_millisecond_and_an_ended_one_says_why() {
        assert!(judge(link(None), UnixMillis(999)).is_ok());
        let over = Dead::Expired { at: UnixMillis(1_000), address: "ana@acme.test".to_owned() };
        assert_eq!(judge(link(None), UnixMillis(1_000)).err(), Some(over));
        for (reason, dead) in
            [("used", Dead::Used), ("replaced", Dead::Replaced), ("withdrawn", Dead::Withdrawn), ("?", Dead::Withdrawn)]
        {
            // Whatever ended it first is what is told, in time or not.
            assert_eq!(judge(link(Some(reason)), UnixMillis(2_000)).err(), Some(dead));
        }
    }

    #[test]
    fn an_address_is_shown_by_its_first_letter_or_its_last_digits() {
        assert_eq!(masked("ana@acme.com"), "a…@acme.com");
        assert_eq!(masked("+82 10 1234 5678"), "…78");
        assert_eq!(masked(""), "…");
    }
}
