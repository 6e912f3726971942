//! `POST /o/{slug}/admin/identity-providers/{connection}/mapping/try`: what a mapping gives somebody, before it counts.
//!
//! Nothing is written, and claims that are pasted are kept nowhere. As by the API it is for administrators: what was
//! said of somebody shows in what rules make of it.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;

use super::mapping::{self, Words, show, wrong};
use super::place::{self, Place};
use super::review;
use crate::domain::federation::{Claims, Mapping};
use crate::flows::change_access::Refusal;
use crate::flows::federation::mapping_trial::{NotTried, PlaceIn, Placement, TriedOut, Whom, try_out};
use crate::flows::federation::notes::ACCEPTED;
use crate::kernel::id::{IdentityId, MembershipId, UserId};
use crate::store::db::{Conn, Result};
use crate::store::federation::{identities, log};
use crate::store::orgs::{self, Project};
use crate::store::people_read;
use crate::web::pages::admin::access::role_line;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::{Posted, sets_up};
use crate::web::pages::admin::wording::sentence;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Choice, Errors};
use crate::web::pages::view::identity_providers::{TesterForm, TriedSide, TriedView};

/// So many sign-ins are looked through …
const LOOKED_AT: i64 = 200;
/// … for so many people.
const MOST_PEOPLE: usize = 25;

/// Tries a mapping out.
pub async fn post(Posted { desk, form }: Posted) -> Response {
    let place = match place::here(&desk).await {
        Ok(place) => place,
        Err(page) => return page,
    };
    let Some(saved) = place.sign_in.as_ref().map(|sign_in| &sign_in.mapping) else {
        return desk.answer(error::not_found().await);
    };
    if !sets_up(&desk) {
        let needs = "connections.write and org.admin".to_owned();
        let why = Refusal::Denied { act: "try a mapping out".to_owned(), needs };
        desk.note_denial(&why).await;
        return mapping::refused(&desk, why, form).await;
    }
    let (whom, draft) = match (whom(&form), draft(&form, saved)) {
        (Ok(whom), Ok(draft)) => (whom, draft),
        (Err(errors), _) | (_, Err(errors)) => return wrong(&desk, errors, form).await,
    };
    let tried = match try_out(&desk.app, (&desk.org, &place.connection.id), whom, draft).await {
        Ok(tried) => tried,
        Err(NotTried::Unfit(unfit)) => {
            return wrong(&desk, Errors::one("draft", sentence(&unfit.reason)), form).await;
        }
        Err(NotTried::Missing(what)) => {
            let text = format!("{what} was not found. It may have been removed meanwhile; choose again.");
            return wrong(&desk, Errors::one("identity", text), form).await;
        }
        Err(NotTried::Store(fault)) => return desk.failed(fault),
    };
    match view(&desk, tried).await {
        Ok(tried) => {
            let words = Words { form, tried: Some(tried), ..Words::default() };
            show(&desk, StatusCode::OK, words).await
        }
        Err(fault) => desk.failed(fault),
    }
}

/// Of whom it is tried out: one person at a time.
fn whom(form: &Form) -> std::result::Result<Whom, Errors> {
    match (form.given("identity"), form.given("claims")) {
        (Some(id), None) => {
            let id = id.parse::<IdentityId>();
            id.map(Whom::Identity).map_err(|_| Errors::one("identity", "Choose somebody of the list."))
        }
        (None, Some(text)) => {
            let claims = serde_json::from_str::<Claims>(&text);
            claims.map(Whom::Claims).map_err(|why| Errors::one("claims", format!("This is no JSON object: {why}.")))
        }
        (None, None) => Err(Errors::one("claims", "Choose somebody, or paste claims.")),
        (Some(_), Some(_)) => Err(Errors::one("claims", "Choose somebody or paste claims, not both.")),
    }
}

/// The mapping that is tried instead of the saved one; `None` for the saved one.
fn draft(form: &Form, saved: &Mapping) -> std::result::Result<Option<Mapping>, Errors> {
    let Some(text) = form.given("draft") else {
        return Ok(form.has("switched_on").then(|| Mapping { on: true, ..saved.clone() }));
    };
    let draft = serde_json::from_str::<Mapping>(&text);
    draft.map(Some).map_err(|why| Errors::one("draft", format!("This is no mapping: {why}.")))
}

async fn view(desk: &Desk, tried: TriedOut) -> Result<TriedView> {
    let mut conn = desk.app.db.read().await?;
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    let sides = vec![
        side("tried-before", "Now", tried.before, &projects),
        side("tried-after", "With the mapping that was tried", tried.after, &projects),
    ];
    Ok(TriedView { sides, problems: tried.problems })
}

fn side(id: &'static str, title: &'static str, placement: Placement, projects: &[Project]) -> TriedSide {
    let group = |PlaceIn { name, mapped, why, .. }: PlaceIn| {
        let from = if mapped { why.join(", ") } else { "given here, or by SCIM".to_owned() };
        (name, from)
    };
    let roles = placement.roles.iter().filter_map(|held| role_line(&held.role, &held.scope, projects));
    TriedSide { id, title, roles: roles.collect(), groups: placement.groups.into_iter().map(group).collect() }
}

/// What the tester is asked, with the people who came through lately.
///
/// # Errors
/// The database's.
pub(super) async fn form(conn: &mut Conn, desk: &Desk, place: &Place, typed: &Form) -> Result<TesterForm> {
    let chosen = typed.sent("identity");
    let lately = log::page(conn, &place.connection.id, None, LOOKED_AT).await?;
    let mut users: BTreeSet<UserId> = BTreeSet::new();
    let mut found: Vec<(IdentityId, MembershipId)> = Vec::new();
    for user in lately.into_iter().filter(|(_, one)| one.outcome == ACCEPTED).filter_map(|(_, one)| one.user) {
        if found.len() == MOST_PEOPLE || !users.insert(user.clone()) {
            continue;
        }
        let own = identities::of_user_in(conn, &desk.org, &user).await?;
        let own = own.into_iter().find(|identity| identity.connection == place.connection.id);
        found.extend(own.map(|identity| (identity.id, identity.member)));
    }
    let members: Vec<MembershipId> = found.iter().map(|(_, member)| member.clone()).collect();
    let names = people_read::names_of(conn, &members).await?;
    let choice = |(id, member): &(IdentityId, MembershipId)| {
        let named = names.iter().find(|one| one.member == *member);
        let label = named.map_or_else(|| id.to_string(), |one| review::called(&one.name, &one.user_name));
        Choice { value: id.to_string(), label, chosen: id.as_str() == chosen }
    };
    Ok(TesterForm {
        claims: typed.sent("claims").to_owned(),
        identities: found.iter().map(choice).collect(),
        draft: typed.sent("draft").to_owned(),
        switched_on: typed.has("switched_on"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn it_is_tried_out_of_one_person_at_a_time() {
        let id = IdentityId::from_u128(1);
        assert!(matches!(whom(&form(&format!("identity={id}"))), Ok(Whom::Identity(_))));
        assert!(matches!(whom(&form("claims=%7B%7D&identity=")), Ok(Whom::Claims(_))));
        let at = |text: &str| whom(&form(text)).unwrap_err().list()[0].field.clone();
        assert_eq!(
            (at(""), at("claims=x"), at("claims=%5B%5D")),
            ("claims".to_owned(), "claims".to_owned(), "claims".to_owned())
        );
        assert_eq!(
            (at("identity=ana"), at(&format!("identity={id}&claims=%7B%7D"))),
            ("identity".to_owned(), "claims".to_owned())
        );
    }

    #[test]
    fn the_saved_mapping_is_tried_unless_another_is_given() {
        let saved = Mapping { life_hours: 7, ..Mapping::default() };
        assert_eq!(draft(&form(""), &saved).unwrap(), None);
        assert_eq!(draft(&form("switched_on=1"), &saved).unwrap(), Some(Mapping { on: true, ..saved.clone() }));
        let given = draft(&form("draft=%7B%22on%22%3A+true%7D"), &saved).unwrap().unwrap();
        assert_eq!((given.on, given.life_hours), (true, 12));
        assert!(draft(&form("draft=%7B%22of%22%3A+1%7D"), &saved).is_err());
    }
}
