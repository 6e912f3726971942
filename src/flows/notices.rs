//! Messages that tell somebody what happened, and reminders of what ends soon: to whom, in which language, with what.
//!
//! What a change has to tell is found out in `change_access/mails.rs`; here are the sign-in's messages and what time
//! brings. All go to the outbox in the transaction of what they tell.

use std::collections::BTreeMap;

use super::change_access::of_key;
use super::links::{self, Wanted};
use crate::app::App;
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, NewLink, Purpose, Template};
use crate::domain::people::browser::device;
use crate::domain::people::invitation::State;
use crate::domain::people::lockout::FOREVER;
use crate::domain::people::user::UserState;
use crate::kernel::id::{AccessKeyId, ChangeId, InvitationId, OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Tx};
use crate::store::known_browsers::{self, Seen};
use crate::store::reminders::{self, Due, Holder};
use crate::store::users::User;
use crate::store::{groups, invitations, orgs, outbox, users};

/// So many reminders of a kind are sent in one round.
const TOGETHER: i64 = 100;

/// Something that a message says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A text, as somebody typed it.
    Text(String),
    /// A moment; the message shows it in its own language.
    Moment(UnixMillis),
    /// The name of whoever did it, if it was a person.
    By(Option<String>),
}

/// A message to be written.
pub(super) struct Notice<'n> {
    /// Which.
    pub template: Template,
    /// To whom.
    pub reader: &'n User,
    /// At which address.
    pub to: &'n str,
    /// The organisation that it is about.
    pub org: Option<&'n OrgId>,
    /// What it says, besides the reader's name and the time.
    pub values: Vec<(&'static str, Said)>,
}

/// Puts a message into the outbox. `fallback` is the language where neither the reader's nor the organisation's is
/// known.
///
/// # Errors
/// The database's.
pub(super) async fn put(
    tx: &mut Tx,
    notice: Notice<'_>,
    change: Option<&ChangeId>,
    fallback: Language,
    at: UnixMillis,
) -> Result<(), sqlx::Error> {
    let Notice { template, reader, to, org, values } = notice;
    let language = language_of(tx, reader, org, fallback).await?;
    let mut said = BTreeMap::from([
        ("name".to_owned(), reader.name.clone()),
        ("user_name".to_owned(), reader.user_name.clone()),
        ("at".to_owned(), at.to_string()),
    ]);
    for (name, value) in values {
        let text = match value {
            Said::Text(text) => text,
            Said::Moment(at) => at.to_string(),
            Said::By(Some(name)) => name,
            Said::By(None) => an_administrator(language).to_owned(),
        };
        said.insert(name.to_owned(), text);
    }
    let to = Address::Email(to.to_owned());
    let mail = Mail { template, to, language, org: org.cloned(), values: said, sealed: None };
    outbox::put_mail(tx, mail, change, None, at).await.map(|_| ())
}

/// How somebody is called who is no person of the organisation.
const fn an_administrator(language: Language) -> &'static str {
    match language {
        Language::En => "An administrator",
        Language::Ko => "관리자",
    }
}

async fn language_of(
    conn: &mut Conn,
    reader: &User,
    org: Option<&OrgId>,
    fallback: Language,
) -> Result<Language, sqlx::Error> {
    if let Some(own) = reader.profile.locale.as_deref().and_then(Language::of_tag) {
        return Ok(own);
    }
    match org.or_else(|| reader.kind.org()) {
        Some(org) => Ok(orgs::settings(conn, org).await?.language.unwrap_or(fallback)),
        None => Ok(fallback),
    }
}

/// Somebody with an address, who is not barred.
async fn reachable(conn: &mut Conn, user: &UserId) -> Result<Option<(User, String)>, sqlx::Error> {
    let found = users::find(conn, user).await?.filter(|found| found.state == UserState::Active);
    Ok(found.and_then(|user| {
        let email = user.profile.email.clone().filter(|email| !email.is_empty())?;
        Some((user, email))
    }))
}

/// Notes with which browser somebody signed in, and tells them of one that they never used before. The very first
/// sign-in is no news.
///
/// # Errors
/// The database's.
pub async fn note_browser(
    tx: &mut Tx,
    user: &UserId,
    agent: &str,
    address: &str,
    at: UnixMillis,
    fallback: Language,
) -> Result<(), sqlx::Error> {
    if known_browsers::note(tx, user, agent_digest(agent), at).await? != Seen::New {
        return Ok(());
    }
    let Some((reader, to)) = reachable(tx, user).await? else {
        return Ok(());
    };
    let values = vec![("browser", Said::Text(device(agent))), ("address", Said::Text(address.to_owned()))];
    let org = reader.kind.org().cloned();
    let notice = Notice { template: Template::NewSignIn, reader: &reader, to: &to, org: org.as_ref(), values };
    put(tx, notice, None, fallback, at).await
}

/// What stands for a browser. Our choice: without its version, for an update makes no other browser of it.
fn agent_digest(agent: &str) -> Digest {
    let bare: String = agent.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | '_')).collect();
    Digest::of(bare.as_bytes())
}

/// Tells somebody that their sign-in is paused; until somebody opens it where `until` is [`FOREVER`]. Whoever calls does so
/// once a lock: where the counter says that it began.
///
/// # Errors
/// The database's.
pub async fn locked(
    tx: &mut Tx,
    user: &UserId,
    until: UnixMillis,
    at: UnixMillis,
    fallback: Language,
) -> Result<(), sqlx::Error> {
    let Some((reader, to)) = reachable(tx, user).await? else {
        return Ok(());
    };
    let org = reader.kind.org().cloned();
    let values = if until == FOREVER { Vec::new() } else { vec![("until", Said::Moment(until))] };
    let notice = Notice { template: Template::Locked, reader: &reader, to: &to, org: org.as_ref(), values };
    put(tx, notice, None, fallback, at).await
}

/// Tells the holder of an account something about it that no change tells.
///
/// # Errors
/// The database's.
pub(super) async fn tell_holder(
    tx: &mut Tx,
    user: &UserId,
    template: Template,
    values: Vec<(&'static str, Said)>,
    at: UnixMillis,
    fallback: Language,
) -> Result<(), sqlx::Error> {
    let Some((reader, to)) = reachable(tx, user).await? else {
        return Ok(());
    };
    let org = reader.kind.org().cloned();
    let notice = Notice { template, reader: &reader, to: &to, org: org.as_ref(), values };
    put(tx, notice, None, fallback, at).await
}

/// Reminds of what ends soon: links for a first password and invitations two days before, access keys seven. Several
/// nodes may do it at once; each reminder is sent by one.
///
/// # Errors
/// The database's.
pub async fn remind(app: &App) -> Result<(), sqlx::Error> {
    let now = app.now();
    let (due, keys) = {
        let mut conn = app.db.read().await?;
        (reminders::due(&mut conn, now, TOGETHER).await?, reminders::keys_due(&mut conn, now, TOGETHER).await?)
    };
    let nothing = due.is_empty() && keys.is_empty();
    for one in due {
        again(app, one, now).await?;
    }
    for (org, key) in keys {
        key_ends(app, org, key, now).await?;
    }
    if !nothing {
        app.outbox_bell.notify_one();
    }
    Ok(())
}

/// Sends a new link with the same end; the old one is dead from then on.
async fn again(app: &App, due: Due, now: UnixMillis) -> Result<(), sqlx::Error> {
    let Some(link) = new_link(app, &due, now).await? else {
        return Ok(());
    };
    app.db
        .write(move |tx| {
            Box::pin(async move {
                if !reminders::replace(tx, &due, &link, now).await? {
                    return Ok(()); // another node was quicker, or it was used just now
                }
                let invitation = match &due.holder {
                    Holder::Invitation(_, id) => Some(id),
                    Holder::Account(_) => None,
                };
                outbox::put_mail(tx, link.mail, None, invitation, now).await.map(|_| ())
            })
        })
        .await
}

async fn new_link(app: &App, due: &Due, now: UnixMillis) -> Result<Option<NewLink>, sqlx::Error> {
    let wanted = {
        let mut conn = app.db.read().await?;
        match &due.holder {
            Holder::Account(id) => wanted_for_account(app, &mut conn, id).await?,
            Holder::Invitation(org, id) => wanted_for_invitation(&mut conn, org, id, now).await?,
        }
    };
    let Some(mut wanted) = wanted else { return Ok(None) };
    wanted.life = due.ends_at.since(now);
    // The end stays what it was, whatever time it is by now.
    let mut link = links::mint(app, wanted);
    link.expires_at = due.ends_at;
    link.mail.values.insert("expires_at".to_owned(), due.ends_at.to_string());
    Ok(Some(link))
}

async fn wanted_for_account(app: &App, conn: &mut Conn, id: &UserId) -> Result<Option<Wanted>, sqlx::Error> {
    let found = users::find(conn, id).await?.filter(|found| found.state == UserState::Pending);
    let Some((user, email)) = found.and_then(|user| user.profile.email.clone().map(|email| (user, email))) else {
        return Ok(None);
    };
    let org = user.kind.org().cloned();
    let language = links::language_for(app, conn, Some(&user), org.as_ref()).await?;
    let values = BTreeMap::from([("name".to_owned(), user.name), ("user_name".to_owned(), user.user_name)]);
    let (purpose, template) = (Purpose::SetPassword, Template::SetPasswordReminder);
    Ok(Some(Wanted { purpose, template, to: Address::Email(email), language, org, life: 0, values }))
}

async fn wanted_for_invitation(
    conn: &mut Conn,
    org: &OrgId,
    id: &InvitationId,
    now: UnixMillis,
) -> Result<Option<Wanted>, sqlx::Error> {
    let found = invitations::find(conn, org, id).await?;
    let Some(invitation) = found.filter(|found| found.state_at(now) == State::Pending) else {
        return Ok(None);
    };
    let inviter = match &invitation.inviter {
        Some(inviter) => users::find(conn, inviter).await?.map(|user| user.name).unwrap_or_default(),
        None => String::new(),
    };
    let mut names = Vec::new();
    for group in &invitation.access.groups {
        names.extend(groups::find(conn, org, group).await?.map(|group| group.name));
    }
    let values = [("name", invitation.name), ("inviter", inviter), ("groups", names.join(", "))];
    Ok(Some(Wanted {
        purpose: Purpose::Invitation,
        template: Template::InvitationReminder,
        to: Address::Email(invitation.email),
        language: invitation.language,
        org: Some(org.clone()),
        life: 0,
        values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }))
}

/// Tells whose key ends soon; of a service account's whoever answers for it.
async fn key_ends(app: &App, org: OrgId, key: AccessKeyId, now: UnixMillis) -> Result<(), sqlx::Error> {
    let fallback = links::fallback(app);
    app.db
        .write(move |tx| {
            Box::pin(async move {
                if !reminders::key_warned(tx, &key, now).await? {
                    return Ok(());
                }
                let Some((reader, values)) = of_key(tx, &org, &key).await? else {
                    return Ok(());
                };
                let Some((reader, to)) = reachable(tx, &reader.id).await? else {
                    return Ok(());
                };
                let notice =
                    Notice { template: Template::KeyExpiring, reader: &reader, to: &to, org: Some(&org), values };
                put(tx, notice, None, fallback, now).await
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_makes_no_other_browser_and_another_browser_does() {
        let firefox =
            |version: &str| format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}) Gecko/20100101 Firefox/{version}");
        assert_eq!(agent_digest(&firefox("140.0")), agent_digest(&firefox("141.0.2")));
        assert_ne!(agent_digest(&firefox("140.0")), agent_digest("Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"));
    }
}
