//! `/o/{slug}/admin/groups/{group}`: who is in a group, and putting people in, whom an administrator names line by line.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;

use super::named::{self, Typed};
use super::place::{self, Place, ask, go, path, shown};
use crate::domain::change::{Change, Mode};
use crate::domain::source::Source;
use crate::flows::change_access::Refusal;
use crate::kernel::id::{GroupId, MembershipId};
use crate::store::connections;
use crate::store::db::{Conn, Result};
use crate::store::groups::{self, Member};
use crate::web::pages::admin::moments::moment;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_groups::{Moving, Seeing};
use crate::web::pages::admin::wording;
use crate::web::pages::view::admin::Errors;
use crate::web::pages::view::groups::{MemberRow, MembersPage};

/// So many members a page.
const PAGE: usize = 50;

/// What a form that puts people into a group came to.
pub enum Added {
    /// All of them are in.
    All,
    /// What was typed stays on the page, with what is wrong with it.
    Wrong(StatusCode, Errors, String, String),
    /// The group is gone.
    Gone,
    /// It is ours to mend.
    Failed(Box<Response>),
}

/// What the page says besides the members.
#[derive(Default)]
pub struct Words {
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The people as typed.
    pub people: String,
    /// What was done just now.
    pub notice: String,
    /// What went wrong just now.
    pub alert: String,
}

/// The members.
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Words::default()).await
}

/// Puts people in.
pub async fn post(Moving { desk, form }: Moving) -> Response {
    let Ok(group) = desk.named("group").parse::<GroupId>() else {
        return shown::<MembersPage>(&desk, StatusCode::NOT_FOUND, Ok(None)).await;
    };
    match add(&desk, &group, form.sent("people")).await {
        Added::All => go(&desk, &format!("{}?done=added", path(&group, ""))),
        Added::Wrong(status, errors, people, notice) => {
            show(&desk, status, Words { errors, people, notice, ..Words::default() }).await
        }
        Added::Gone => shown::<MembersPage>(&desk, StatusCode::NOT_FOUND, Ok(None)).await,
        Added::Failed(page) => desk.answer(*page),
    }
}

/// The page, with what there is to say.
pub async fn show(desk: &Desk, status: StatusCode, words: Words) -> Response {
    shown(desk, status, read(desk, words).await).await
}

/// Puts the people in who are named; the lines that name nobody are left.
pub async fn add(desk: &Desk, group: &GroupId, text: &str) -> Added {
    let wrong = |status: StatusCode, said: &str| {
        Added::Wrong(status, Errors::one("people", said), text.trim().to_owned(), String::new())
    };
    let count = named::lines(text).len();
    if count == 0 {
        return wrong(StatusCode::BAD_REQUEST, "Name at least one person.");
    }
    if count > named::MOST {
        let said = format!("You can add {} people at a time. This list has {count}.", named::MOST);
        return wrong(StatusCode::BAD_REQUEST, &said);
    }
    let (typed, new) = match who(desk, group, text).await {
        Ok(found) => found,
        Err(fault) => return Added::Failed(Box::new(desk.failed(fault))),
    };
    let members: Vec<MembershipId> = typed.ids().into_iter().collect();
    if !members.is_empty() {
        let change = Change::AddToGroup { org: desk.org.clone(), group: group.clone(), members };
        match ask(desk, vec![change], Mode::Act).await {
            Ok(_) => {}
            Err(Refusal::NotFound(_)) => return Added::Gone,
            Err(why) => {
                return match wording::refusal(why, &["people"]) {
                    Ok(said) => Added::Wrong(said.status, said.errors, text.trim().to_owned(), String::new()),
                    Err(page) => Added::Failed(page),
                };
            }
        }
    }
    if typed.wrong.is_empty() {
        return Added::All;
    }
    let (status, notice) = match (typed.members.is_empty(), new) {
        (true, _) => (StatusCode::BAD_REQUEST, String::new()),
        (false, 0) => (StatusCode::OK, "The others were in the group already.".to_owned()),
        (false, 1) => (StatusCode::OK, "1 person was added.".to_owned()),
        (false, new) => (StatusCode::OK, format!("{new} people were added.")),
    };
    Added::Wrong(status, typed.errors(), typed.left(), notice)
}

/// Who is named, and how many of them aren't in the group yet.
async fn who(desk: &Desk, group: &GroupId, text: &str) -> Result<(Typed, usize)> {
    let mut conn = desk.app.db.read().await?;
    let typed = named::read(&mut conn, desk, text).await?;
    let ids: Vec<MembershipId> = typed.ids().into_iter().collect();
    let held = groups::members_among(&mut conn, group, &ids).await?;
    Ok((typed, ids.len() - held.len()))
}

async fn read(desk: &Desk, words: Words) -> Result<Option<MembersPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await? else {
        return Ok(None);
    };
    let after = desk.asked("after").unwrap_or_default();
    let mut found = groups::members_page(&mut conn, &place.group.id, after, PAGE + 1).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let page = path(&place.group.id, "");
    let last = found.last().filter(|_| more).map(|last| desk.path(&format!("{page}?after={}", last.member)));
    let may_change = place.may_change_members(desk);
    let mut head = place.head(desk, "members");
    if !words.notice.is_empty() || !words.alert.is_empty() || words.errors.any() {
        head.notice = words.notice;
    }
    head.alert = words.alert;
    Ok(Some(MembersPage {
        shell: Place::shell(desk),
        head,
        errors: words.errors,
        people: words.people,
        may_change,
        members: rows(&mut conn, found, &place, may_change).await?,
        first: desk.path(&page),
        next: last.unwrap_or_default(),
        later: !after.is_empty(),
    }))
}

async fn rows(conn: &mut Conn, found: Vec<Member>, place: &Place, may_change: bool) -> Result<Vec<MemberRow>> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = Vec::with_capacity(found.len());
    for one in found {
        let keeper = match one.source.connection() {
            Some(id) if !names.contains_key(id) => {
                let name = connections::name_of(conn, id).await?.unwrap_or_else(|| id.to_owned());
                names.insert(id.to_owned(), name.clone());
                Some(name)
            }
            Some(id) => names.get(id).cloned(),
            None => None,
        };
        rows.push(MemberRow {
            source: of_a_place(&one.source, keeper.as_deref()),
            until: one.expires_at.map(moment),
            may_remove: may_change && place.lock.is_none() && one.source.connection().is_none(),
            member: one.member.into_string(),
            name: one.name,
            user_name: one.user_name,
        });
    }
    Ok(rows)
}

/// Where a place in a group comes from, in words.
fn of_a_place(source: &Source, keeper: Option<&str>) -> String {
    match (source, keeper) {
        (Source::Local | Source::System, _) => "Added here".to_owned(),
        (Source::Invitation(_), _) => "Invitation".to_owned(),
        (Source::Scim(_) | Source::Oidc(_), Some(name)) => format!("{} by {name}", place::source(source)),
        (Source::Scim(_) | Source::Oidc(_), None) => place::source(source).to_owned(),
    }
}
