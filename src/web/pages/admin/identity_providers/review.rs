//! What is done to a connection after a look at what it takes: the door's own dry run says who loses what and how much
//! ends.

use axum::http::StatusCode;
use axum::response::Response;

use super::place::{self, Part};
use crate::domain::access::Binding;
use crate::domain::change::{Change, Mode, Receipt};
use crate::flows::change_access::Refusal;
use crate::kernel::id::MembershipId;
use crate::store::db::{Conn, Result};
use crate::store::{federation, people_read};
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::groups::impact;
use crate::web::pages::admin::groups::place::ask;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::view::admin::Here;
use crate::web::pages::view::identity_providers::ProviderReviewPage;

/// Something that may take access from people.
pub struct Deed {
    /// The connection's name.
    pub name: String,
    /// The question, without its question mark.
    pub title: String,
    /// What is done, a line each.
    pub lines: Vec<String>,
    /// What the button says.
    pub button: &'static str,
    /// Whether it is asked about even where nobody loses anything.
    pub always_ask: bool,
    /// Whether it matters who comes in past the connection.
    pub shows_break_glass: bool,
    /// The page of the console where the form goes, and the one that it came from.
    pub pages: (String, String),
    /// What the form sends once more.
    pub fields: Vec<(String, String)>,
    /// What the groups concerned give, so that what is kept through others can be said.
    pub taken: Vec<Binding>,
    /// What was seen when it was decided, and its tag; `None` for what must not wait.
    pub seen: Option<(Part, String)>,
    /// The changes, which are one.
    pub changes: Vec<Change>,
}

/// What became of a deed.
pub enum Done {
    /// It is done.
    Acted,
    /// It is asked about.
    Asked(Box<Response>),
    /// It was refused.
    Refused(Refusal),
}

/// What a form sends once more when a review is answered.
#[must_use]
pub fn fields(form: &Form) -> Vec<(String, String)> {
    let again = form.pairs().filter(|(name, _)| !["csrf", "act"].contains(name));
    again.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether a form answers a review.
#[must_use]
pub fn is_answer(form: &Form) -> bool {
    form.sent("act") == "go"
}

/// Does it, or asks whether to: what takes nothing away is done at once.
pub async fn go(desk: &Desk, deed: &Deed, is_answer: bool) -> Done {
    if !is_answer {
        match rehearse(desk, deed).await {
            Ok(receipt) if deed.always_ask || takes(&receipt) => {
                return Done::Asked(Box::new(match page(desk, deed, &receipt).await {
                    Ok(view) => desk.show(StatusCode::OK, &view),
                    Err(fault) => desk.failed(fault),
                }));
            }
            Ok(_) => {}
            Err(why) => {
                desk.note_denial(&why).await;
                return Done::Refused(why);
            }
        }
    }
    match send(desk, deed, Mode::Act).await {
        Ok(_) => Done::Acted,
        Err(why) => Done::Refused(why),
    }
}

/// What it would do.
///
/// # Errors
/// The door's refusal.
pub async fn rehearse(desk: &Desk, deed: &Deed) -> std::result::Result<Receipt, Refusal> {
    send(desk, deed, Mode::DryRun).await
}

async fn send(desk: &Desk, deed: &Deed, mode: Mode) -> std::result::Result<Receipt, Refusal> {
    match &deed.seen {
        Some((part, seen)) => place::send(desk, (*part, seen.as_str()), &deed.changes, mode).await,
        None => ask(desk, deed.changes.clone(), mode).await,
    }
}

/// Whether anybody loses anything by it.
fn takes(receipt: &Receipt) -> bool {
    let ended = &receipt.ended;
    ended.sessions + ended.token_families + ended.access_keys > 0
        || receipt.members.iter().any(|member| !member.lost.is_empty())
}

async fn page(desk: &Desk, deed: &Deed, receipt: &Receipt) -> Result<ProviderReviewPage> {
    let mut conn = desk.app.db.read().await?;
    let break_glass = if deed.shows_break_glass { Some(break_glass(&mut conn, desk).await?) } else { None };
    let (action, back) = &deed.pages;
    let trail = [("Identity providers", "identity-providers"), (deed.name.as_str(), back.as_str())];
    Ok(ProviderReviewPage {
        shell: desk.shell(Here::IdentityProviders, &trail),
        title: deed.title.clone(),
        lines: deed.lines.clone(),
        break_glass,
        impact: impact::work_out(&mut conn, desk, receipt, &deed.taken, Vec::new()).await?,
        action: desk.path(action),
        back: desk.path(back),
        fields: deed.fields.clone(),
        button: deed.button,
    })
}

/// Who may sign in with a password though a connection is enforced: names are told to whoever may see people, and ids to
/// the others.
///
/// # Errors
/// The database's.
pub async fn break_glass(conn: &mut Conn, desk: &Desk) -> Result<Vec<String>> {
    let members = federation::break_glass_of(conn, &desk.org).await?;
    if !desk.may("users.read") {
        return Ok(members.into_iter().map(MembershipId::into_string).collect());
    }
    let named = people_read::names_of(conn, &members).await?;
    Ok(named.into_iter().map(|one| called(&one.name, &one.user_name)).collect())
}

/// What people see of somebody, with the user name.
#[must_use]
pub fn called(name: &str, user_name: &str) -> String {
    if name.is_empty() { user_name.to_owned() } else { format!("{name} ({user_name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_carries_what_was_posted_but_for_its_token_and_its_button() {
        let form = Form::parse(b"csrf=x&seen=t&rule=1&rule=2&act=review").unwrap();
        let sent: Vec<String> = fields(&form).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(sent, ["seen=t", "rule=1", "rule=2"]);
        assert!(!is_answer(&form) && is_answer(&Form::parse(b"act=go").unwrap()));
        assert_eq!((called("", "ana"), called("Ana Lee", "ana")), ("ana".to_owned(), "Ana Lee (ana)".to_owned()));
    }
}
