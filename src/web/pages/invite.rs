//! `/invite/{secret}`: what somebody is invited to, accepting it, saying no, and asking for a new link.
//!
//! Looking changes nothing: GET and HEAD consume no link, whoever looks into the mail. What is offered, and to whom,
//! stands in the invitation alone; of the form nothing counts but the password and the button.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::me::{self, Posted};
use super::password_change::private;
use super::sealed::Sealed;
use super::view::account::DonePage;
use super::view::invitations::{InviteDeadPage, InviteDeclinePage, InvitePage, Offer, Visitor};
use super::{error, page, sign_in};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::oauth::params::Params;
use crate::domain::people::user::Kind;
use crate::flows::accept_invitation::{self, Expired, NotAccepted, OfferedRole, Open, Seen};
use crate::flows::change_access::Refusal;
use crate::flows::federation::speaks_for_the_person;
use crate::flows::links::masked;
use crate::flows::{Fault, new_password, sign_out};
use crate::kernel::secret::Secret;
use crate::store::users::{self, User};
use crate::store::{invitations, orgs};
use crate::web::extract::browser::Browser;

/// What the person reads whom the inviter may not let in any more.
const NOT_ANY_MORE: &str = "The person who invited you may not give this access any more, so the invitation has ended. \
                            Ask the organisation to invite you again.";

/// What an invitation says, in words.
pub(super) fn offer(open: &Open) -> Offer {
    let invitation = &open.invitation;
    Offer {
        organisation: open.org_name.clone(),
        inviter: open.inviter.clone(),
        email: invitation.email.clone(),
        name: invitation.name.clone(),
        given_name: invitation.given_name.clone(),
        family_name: invitation.family_name.clone(),
        roles: open.roles.iter().map(role).collect(),
        groups: open.groups.clone(),
        until: me::date(invitation.expires_at),
    }
}

fn role(offered: &OfferedRole) -> String {
    let until = offered.until.map(|at| format!(", until {}", me::date(at))).unwrap_or_default();
    format!("{} on {}{until}", offered.role, offered.on)
}

/// `GET /invite/{secret}`.
pub async fn get(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    look(&app, &browser, &link, (StatusCode::OK, Vec::new())).await
}

/// `POST /invite/{secret}`.
pub async fn post(State(app): State<App>, Path(link): Path<String>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    match form.get("act") {
        Some("accept") => accept(&app, &browser, &link, &form, &origin).await,
        Some("sign_in") => to_sign_in(&app, &browser, &link).await,
        Some("switch") => switch(&app, browser, &link).await,
        Some("decline") => ask_to_decline(&app, &browser, &link).await,
        Some("decline_for_good") => decline(&app, &browser, &link, &origin).await,
        Some("renew") => renew(&app, &browser, &link, &origin).await,
        Some(_) | None => look(&app, &browser, &link, (StatusCode::BAD_REQUEST, Vec::new())).await,
    }
}

/// The page, or what has become of the link; `told` is the status and what to mend.
async fn look(app: &App, browser: &Browser, link: &str, told: (StatusCode, Vec<String>)) -> Response {
    let response = match accept_invitation::seen(app, &Secret::presented(link)).await {
        Ok(Seen::Open(open)) => match show(app, browser, link, &open, told).await {
            Ok(response) => response,
            Err(fault) => error::of_fault(fault),
        },
        Ok(gone) => dead(browser, link, gone),
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(private(response))
}

async fn show(
    app: &App,
    browser: &Browser,
    link: &str,
    open: &Open,
    told: (StatusCode, Vec<String>),
) -> Result<Response, Fault> {
    let mut conn = app.db.read().await?;
    let mut rules = new_password::rules_of(app, &mut conn, &Kind::Own).await?.sentences();
    let of_org = Kind::Managed(open.invitation.org.clone());
    for sentence in new_password::rules_of(app, &mut conn, &of_org).await?.sentences() {
        if !rules.contains(&sentence) {
            rules.push(sentence);
        }
    }
    drop(conn);
    let visitor = visitor(app, browser, open).await?;
    let (status, error) = told;
    let link = link.to_owned();
    Ok(page(status, &InvitePage { csrf: browser.csrf(), link, offer: offer(open), visitor, rules, error }))
}

/// Who looks.
async fn visitor(app: &App, browser: &Browser, open: &Open) -> Result<Visitor, Fault> {
    let user = match &browser.facts {
        Some(facts) => users::find(&mut app.db.read().await?, &facts.user).await?,
        None => None,
    };
    let email = &open.invitation.email;
    let speaks = browser.facts.as_ref().is_none_or(speaks_for_the_person);
    Ok(match user {
        Some(user) if !speaks => Visitor::Other(format!("{}, through an organisation's provider", called(&user))),
        Some(user) if accept_invitation::is_of(&user, email) => Visitor::Account(called(&user)),
        Some(user) if user.kind == Kind::Own => Visitor::Other(called(&user)),
        Some(user) => Visitor::Other(format!("{}, an account that isn't your own", called(&user))),
        None if open.has_account => Visitor::SignIn,
        None => Visitor::New,
    })
}

fn called(user: &User) -> String {
    user.profile.email.clone().unwrap_or_else(|| user.user_name.clone())
}

/// A link that leads to nothing that can be answered: what became of it.
fn dead(browser: &Browser, link: &str, seen: Seen) -> Response {
    let (title, message, can_renew) = match seen {
        Seen::Open(_) | Seen::Unknown => return error::dead_link(),
        Seen::Withdrawn => {
            ("Invitation withdrawn", "This invitation was withdrawn by the organisation.".to_owned(), false)
        }
        Seen::Used => {
            let text = "This invitation was accepted already. Sign in to use what it brought.";
            ("Already accepted", text.to_owned(), false)
        }
        Seen::Declined => {
            let text = "You said no to this invitation. If you changed your mind, ask to be invited again.";
            ("Invitation declined", text.to_owned(), false)
        }
        Seen::Expired(expired) => ("This link is over", over(&expired), expired.can_renew),
    };
    gone(browser, link, (title, message), can_renew)
}

fn over(expired: &Expired) -> String {
    let to = masked(&expired.to);
    match (expired.replaced, expired.can_renew) {
        (true, _) => format!("A newer link was sent to {to}. Use that one."),
        (false, true) => format!("This link expired on {}. We can send a new one to {to}.", me::date(expired.at)),
        (false, false) => {
            format!("This invitation expired on {}. Ask the organisation to invite you again.", me::date(expired.at))
        }
    }
}

fn gone(browser: &Browser, link: &str, (title, message): (&str, String), can_renew: bool) -> Response {
    let (link, title) = (link.to_owned(), title.to_owned());
    page(StatusCode::GONE, &InviteDeadPage { csrf: browser.csrf(), link, title, message, can_renew })
}

async fn accept(app: &App, browser: &Browser, link: &str, form: &Params, origin: &Origin) -> Response {
    let secret = Secret::presented(link);
    if browser.facts.as_ref().is_some_and(|facts| !speaks_for_the_person(facts)) {
        return look(app, browser, link, (StatusCode::FORBIDDEN, Vec::new())).await;
    }
    let outcome = if let Some(facts) = &browser.facts {
        accept_invitation::by_link(app, &secret, &facts.user, origin).await.map(|_| ())
    } else {
        let password = form.sent("password").unwrap_or_default();
        if form.sent("password_again").unwrap_or_default() != password {
            let fault = vec!["The two passwords are not the same.".to_owned()];
            return look(app, browser, link, (StatusCode::BAD_REQUEST, fault)).await;
        }
        accept_invitation::as_new(app, &secret, Secret::presented(password), origin).await.map(|_| ())
    };
    match outcome {
        Ok(()) => browser.answer(private(welcome(app, browser, link).await)),
        Err(fault) => refused(app, browser, link, fault).await,
    }
}

/// After the acceptance: to the sign-in, or, for somebody who is signed in, to their account.
async fn welcome(app: &App, browser: &Browser, link: &str) -> Response {
    let (name, slug, email) = match accepted(app, link).await {
        Ok(Some(found)) => found,
        Ok(None) => return error::unavailable(),
        Err(fault) => return error::of_fault(fault.into()),
    };
    let (message, to) = if browser.facts.is_some() {
        (format!("You're a member of {name} now."), ("Go to your account".to_owned(), "/me".to_owned()))
    } else {
        let to = ("Sign in".to_owned(), format!("/o/{slug}/login"));
        (format!("Sign in to {name} as {email}, with the password that you chose."), to)
    };
    page(StatusCode::OK, &DonePage { title: "You're in".to_owned(), message, to: Some(to) })
}

/// Name and slug of the organisation that somebody is in now, and the address that they sign in with.
async fn accepted(app: &App, link: &str) -> Result<Option<(String, String, String)>, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let digest = Secret::presented(link).digest();
    let Some(invitation) = invitations::by_link(&mut conn, digest).await? else {
        return Ok(None);
    };
    let org = orgs::find(&mut conn, &invitation.org).await?;
    Ok(org.map(|org| (org.name, org.slug, invitation.email)))
}

/// Why it was not accepted; where the link is dead by now, the page says so itself.
async fn refused(app: &App, browser: &Browser, link: &str, fault: NotAccepted) -> Response {
    let faults = match fault {
        NotAccepted::Dead | NotAccepted::HasAccount => Vec::new(),
        NotAccepted::OtherAddress(_) => return look(app, browser, link, (StatusCode::FORBIDDEN, Vec::new())).await,
        NotAccepted::Short(found) => found.iter().map(ToString::to_string).collect(),
        NotAccepted::Refused(Refusal::Denied { .. }) => {
            let response = gone(browser, link, ("The invitation has ended", NOT_ANY_MORE.to_owned()), false);
            return browser.answer(private(response));
        }
        NotAccepted::Refused(Refusal::Store(fault)) => return browser.answer(private(error::of_fault(fault.into()))),
        NotAccepted::Refused(other) => vec![sentence(&other)],
        NotAccepted::Fault(fault) => return browser.answer(private(error::of_fault(fault))),
    };
    look(app, browser, link, (StatusCode::BAD_REQUEST, faults)).await
}

/// A refusal in words for people: without the name of the field that it is about.
pub(super) fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid { reason, .. } | Refusal::Blocked { reason, .. } => reason.clone(),
        Refusal::Limit(text) => text.clone(),
        other => {
            let text = other.to_string();
            let mut letters = text.trim_end_matches('.').chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
        }
    }
}

/// The sign-in page, which leads back to the invitation. The way back is sealed into it: nobody else can set one.
async fn to_sign_in(app: &App, browser: &Browser, link: &str) -> Response {
    match accept_invitation::seen(app, &Secret::presented(link)).await {
        Ok(Seen::Open(open)) if open.has_account => {
            let next = Some(format!("/invite/{link}"));
            let content = Sealed::Plain { organisation: None, made: app.now(), next, anew: false };
            browser.answer(private(sign_in::show(app, browser, &content, None, None).await))
        }
        Ok(_) => look(app, browser, link, (StatusCode::OK, Vec::new())).await,
        Err(fault) => browser.answer(private(error::of_fault(fault))),
    }
}

/// Ends the session of the account that it isn't for, and shows the invitation again.
async fn switch(app: &App, mut browser: Browser, link: &str) -> Response {
    if let Some(facts) = &browser.facts
        && let Err(fault) = sign_out::sign_out(app, &facts.id).await
    {
        return browser.answer(private(error::of_fault(fault.into())));
    }
    browser.forget().await;
    look(app, &browser, link, (StatusCode::OK, Vec::new())).await
}

async fn ask_to_decline(app: &App, browser: &Browser, link: &str) -> Response {
    match accept_invitation::seen(app, &Secret::presented(link)).await {
        Ok(Seen::Open(open)) => {
            let form = InviteDeclinePage {
                csrf: browser.csrf(),
                action: format!("/invite/{link}"),
                org: String::new(),
                organisation: open.org_name,
            };
            browser.answer(private(page(StatusCode::OK, &form)))
        }
        Ok(_) => look(app, browser, link, (StatusCode::OK, Vec::new())).await,
        Err(fault) => browser.answer(private(error::of_fault(fault))),
    }
}

async fn decline(app: &App, browser: &Browser, link: &str, origin: &Origin) -> Response {
    match accept_invitation::decline_by_link(app, &Secret::presented(link), origin).await {
        Ok(_) => {
            let message = "You said no, and nothing was changed. You can close this window.".to_owned();
            let done = DonePage { title: "Invitation declined".to_owned(), message, to: None };
            browser.answer(private(page(StatusCode::OK, &done)))
        }
        Err(fault) => refused(app, browser, link, fault).await,
    }
}

async fn renew(app: &App, browser: &Browser, link: &str, origin: &Origin) -> Response {
    let secret = Secret::presented(link);
    let to = match accept_invitation::seen(app, &secret).await {
        Ok(Seen::Expired(expired)) => masked(&expired.to),
        Ok(_) => return look(app, browser, link, (StatusCode::OK, Vec::new())).await,
        Err(fault) => return browser.answer(private(error::of_fault(fault))),
    };
    let response = match accept_invitation::renew(app, &secret, origin).await {
        Ok(()) => {
            let message = format!("We sent a new link to {to}.");
            page(StatusCode::OK, &DonePage { title: "Look into your mail".to_owned(), message, to: None })
        }
        Err(NotAccepted::Refused(Refusal::Store(fault))) => error::of_fault(fault.into()),
        Err(NotAccepted::Refused(refusal)) => gone(browser, link, ("Not yet", sentence(&refusal)), false),
        Err(NotAccepted::Fault(fault)) => error::of_fault(fault),
        Err(_) => return look(app, browser, link, (StatusCode::OK, Vec::new())).await,
    };
    browser.answer(private(response))
}
