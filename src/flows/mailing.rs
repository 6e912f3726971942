//! A message of the outbox made ready: its link opened and judged, its organisation's look read, its template filled.

use crate::app::App;
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, Template};
use crate::kernel::id::OrgId;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::mail::{Look, Rendered};
use crate::store::db::Conn;
use crate::store::{links as stored, orgs};

use super::factors::codes::{self, Carried};
use super::links;

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It goes by mail.
    Mail(Box<Rendered>),
    /// It goes to a phone.
    Text {
        /// The number.
        to: String,
        /// The text.
        text: String,
    },
    /// Nobody needs it any more: its link was used, replaced or withdrawn.
    Superseded,
    /// It can't be sent: why.
    Never(String),
}

/// Makes a message ready to be sent now.
///
/// # Errors
/// The database's.
pub async fn ready(app: &App, mail: &Mail) -> Result<Ready, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let mut opened = None;
    let link = if mail.template == Template::FactorCode {
        match codes::carried(app, &mut conn, mail).await? {
            Carried::Code(code) => {
                let mut carrying = mail.clone();
                carrying.values.insert("code".to_owned(), code.expose().to_owned());
                opened = Some(carrying);
                None
            }
            Carried::Superseded => return Ok(Ready::Superseded),
            Carried::Over => return Ok(Ready::Never("it could not be sent before its code ended".to_owned())),
            Carried::Unreadable => {
                return Ok(Ready::Never("its code was sealed with another instance key".to_owned()));
            }
        }
    } else if mail.sealed.is_some() {
        let Some(url) = links::url(app, mail) else {
            return Ok(Ready::Never("its link was sealed with another instance key".to_owned()));
        };
        match standing(&mut conn, &url, app.now()).await? {
            Standing::Live => Some(url),
            Standing::Over => return Ok(Ready::Never("it could not be sent before its link ended".to_owned())),
            Standing::Ended => return Ok(Ready::Superseded),
        }
    } else {
        page_of(mail.template).map(|path| app.url(path))
    };
    let mail = opened.as_ref().unwrap_or(mail);
    let (look, language) = look(app, &mut conn, mail.org.as_ref(), link).await?;
    drop(conn);
    // Rules of alerts name addresses, not people: the organisation's language is the best guess.
    let changed;
    let mail = if mail.template == Template::Alert {
        changed = Mail { language, ..mail.clone() };
        &changed
    } else {
        mail
    };
    Ok(fill(app, mail, &look))
}

fn fill(app: &App, mail: &Mail, look: &Look) -> Ready {
    let filled = match &mail.to {
        Address::Email(_) => app.templates.render(mail, look).map(|rendered| Ready::Mail(Box::new(rendered))),
        Address::Phone(to) => app.templates.text_message(mail, look).map(|text| match text {
            Some(text) => Ready::Text { to: to.clone(), text },
            None => Ready::Never("this message does not go to phones".to_owned()),
        }),
    };
    filled.unwrap_or_else(|why| Ready::Never(format!("its template can't be filled: {why}")))
}

/// Whether a link is still worth sending.
enum Standing {
    Live,
    Over,
    Ended,
}

async fn standing(conn: &mut Conn, url: &str, now: UnixMillis) -> Result<Standing, sqlx::Error> {
    let secret = Secret::presented(url.rsplit('/').next().unwrap_or_default());
    Ok(match stored::find(conn, secret.digest()).await? {
        None => Standing::Ended,
        Some(link) if link.ended_at.is_some() => Standing::Ended,
        Some(link) if now >= link.expires_at => Standing::Over,
        Some(_) => Standing::Live,
    })
}

/// Where the button of a message leads that carries no one-time link.
const fn page_of(template: Template) -> Option<&'static str> {
    match template {
        Template::PasswordChanged | Template::Locked => Some("/forgot"),
        Template::AccountExists => Some("/login"),
        Template::NewSignIn
        | Template::EmailChangedOld
        | Template::EmailChangedNew
        | Template::PhoneChanged
        | Template::KeyCreated
        | Template::KeyExpiring
        | Template::ScimTokenExpiring
        | Template::ConnectionFailing
        | Template::Suspended
        | Template::OwnershipReceived
        | Template::OwnershipGiven
        | Template::FactorAdded
        | Template::FactorRemoved
        | Template::FactorsReset
        | Template::RecoveryCodesMade
        | Template::RecoveryCodeUsed
        | Template::PasskeyCloned => Some("/me"),
        Template::Removed | Template::Alert => None,
        // These carry links of their own, or a code, or are not sent.
        Template::Invitation
        | Template::InvitationAgain
        | Template::InvitationReminder
        | Template::SetPassword
        | Template::SetPasswordAgain
        | Template::SetPasswordReminder
        | Template::ResetPassword
        | Template::ResetByAdmin
        | Template::ConfirmAccount
        | Template::ConfirmEmail
        | Template::FactorCode => None,
    }
}

/// How an organisation's messages look, with a link, and the language of those whose reader's isn't known.
///
/// # Errors
/// The database's.
pub async fn look(
    app: &App,
    conn: &mut Conn,
    org: Option<&OrgId>,
    link: Option<String>,
) -> Result<(Look, Language), sqlx::Error> {
    let config = &app.config.mail;
    let mut look = Look { product: config.product.clone(), issuer: app.issuer().to_owned(), link, ..Look::default() };
    let mut language = links::fallback(app);
    if let Some(org) = org
        && let Some(found) = orgs::find(conn, org).await?
    {
        let settings = orgs::settings(conn, org).await?;
        (look.org_name, look.colour, look.support) = (found.name, settings.colour, settings.support_email);
        language = settings.language.unwrap_or(language);
    }
    Ok((look, language))
}
