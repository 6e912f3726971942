//! `/o/{slug}/admin/identity-providers/{connection}/mapping`: the rules by which a connection's people come into
//! groups.
//!
//! What takes anything from anybody is asked about first, and each change is made to the mapping that the page showed.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;

use super::mapping_form::{self, Names, called, field, in_words};
use super::place::{self, Part, Place};
use super::review::{self, Deed, Done};
use super::tester;
use crate::domain::access::Binding;
use crate::domain::change::Change;
use crate::domain::federation::Mapping;
use crate::domain::federation::mapping::Rule;
use crate::domain::source::Source;
use crate::flows::change_access::Refusal;
use crate::kernel::id::GroupId;
use crate::store::db::{Conn, Result};
use crate::store::{bindings, groups};
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::groups::place::{go, shown};
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::{Posted, Seeing, sets_up};
use crate::web::pages::error;
use crate::web::pages::view::admin::{Choice, Errors};
use crate::web::pages::view::identity_providers::{MappedRow, MappingPage, RuleRow, TesterForm, TriedView};

/// So many of the provider's groups a page.
const PAGE: usize = 100;
/// So many groups here are offered.
const MOST_LISTED: usize = 1_000;

/// What the page says besides.
#[derive(Default)]
pub(super) struct Words {
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// What went wrong; empty for nothing.
    pub alert: String,
    /// What was posted, so that it stays typed.
    pub form: Form,
    /// Whether one condition more is asked for.
    pub add_row: bool,
    /// What the tester came to.
    pub tried: Option<TriedView>,
}

/// A mapping that is wanted.
struct Wanted {
    mapping: Mapping,
    /// The page of the form, under the mapping's.
    page: &'static str,
    title: String,
    lines: Vec<String>,
    button: &'static str,
    taken: Vec<Binding>,
    /// What the address says when it is done.
    done: &'static str,
}

/// The tab "Mapping".
pub async fn get(Seeing(desk): Seeing) -> Response {
    show(&desk, StatusCode::OK, Words::default()).await
}

/// Says how the mapping is applied, and whether it is on.
pub async fn apply(Posted { desk, form }: Posted) -> Response {
    let (place, before) = match before(&desk).await {
        Ok(found) => found,
        Err(page) => return page,
    };
    match mapping_form::applied(&form, &before) {
        Ok(mapping) => save(&desk, &place, form, plain(mapping, "settings", "Change how it is applied")).await,
        Err(errors) => wrong(&desk, errors, form).await,
    }
}

/// Adds a group of the provider.
pub async fn add_group(Posted { desk, form }: Posted) -> Response {
    let (place, before) = match before(&desk).await {
        Ok(found) => found,
        Err(page) => return page,
    };
    match mapping_form::with_group(&form, &before) {
        Ok(mapping) => save(&desk, &place, form, plain(mapping, "groups", "Add the group")).await,
        Err(errors) => wrong(&desk, errors, form).await,
    }
}

/// Adds a rule, or asks for one condition more.
pub async fn add_rule(Posted { desk, form }: Posted) -> Response {
    let (place, before) = match before(&desk).await {
        Ok(found) => found,
        Err(page) => return page,
    };
    if form.sent("act") == "more" {
        return show(&desk, StatusCode::OK, Words { form, add_row: true, ..Words::default() }).await;
    }
    match mapping_form::with_rule(&form, &before) {
        Ok(mapping) => save(&desk, &place, form, plain(mapping, "rules", "Add the rule")).await,
        Err(errors) => wrong(&desk, errors, form).await,
    }
}

/// Removes what is ticked, after a review.
pub async fn remove(Posted { desk, form }: Posted) -> Response {
    let (place, before) = match before(&desk).await {
        Ok(found) => found,
        Err(page) => return page,
    };
    let wanted = match without(&desk, &form, &before).await {
        Ok(wanted) => wanted,
        Err(fault) => return desk.failed(fault),
    };
    if wanted.lines.is_empty() {
        let alert = "Tick what is to be removed first.".to_owned();
        return show(&desk, StatusCode::BAD_REQUEST, Words { alert, ..Words::default() }).await;
    }
    save(&desk, &place, form, wanted).await
}

/// The connection that the address names, with its mapping as it is.
async fn before(desk: &Desk) -> std::result::Result<(Place, Mapping), Response> {
    let place = place::here(desk).await?;
    match place.sign_in.as_ref().map(|sign_in| sign_in.mapping.clone()) {
        Some(mapping) => Ok((place, mapping)),
        None => Err(desk.answer(error::not_found().await)),
    }
}

/// What is added, or set: usually nobody loses anything by it.
fn plain(mapping: Mapping, page: &'static str, title: &str) -> Wanted {
    let (lines, taken) = (Vec::new(), Vec::new());
    Wanted { mapping, page, title: title.to_owned(), lines, button: "Do it", taken, done: "mapped" }
}

async fn without(desk: &Desk, form: &Form, before: &Mapping) -> Result<Wanted> {
    let mut conn = desk.app.db.read().await?;
    let names = names(&mut conn, desk).await?;
    let left = mapping_form::without(form, before, &names);
    let mut taken = Vec::new();
    for group in &left.groups {
        taken.extend(bindings::of_group(&mut conn, &desk.org, group).await?);
    }
    Ok(Wanted {
        mapping: left.mapping,
        page: "remove",
        title: match left.lines.len() {
            1 => "Remove this from the mapping".to_owned(),
            count => format!("Remove these {count} from the mapping"),
        },
        lines: left.lines,
        button: "Remove",
        taken,
        done: "unmapped",
    })
}

async fn save(desk: &Desk, place: &Place, form: Form, wanted: Wanted) -> Response {
    let Wanted { mapping, page, title, lines, button, taken, done } = wanted;
    let (org, connection) = (desk.org.clone(), place.connection.id.clone());
    let deed = Deed {
        name: place.connection.name.clone(),
        title,
        always_ask: !lines.is_empty(),
        lines,
        button,
        shows_break_glass: false,
        pages: (place.path(&format!("mapping/{page}")), place.path("mapping")),
        fields: review::fields(&form),
        taken,
        seen: Some((Part::Mapping, form.sent("seen").to_owned())),
        changes: vec![Change::SetMapping { org, connection, mapping: Box::new(mapping) }],
    };
    match review::go(desk, &deed, review::is_answer(&form)).await {
        Done::Acted => go(desk, &place.path(&format!("mapping?done={done}"))),
        Done::Asked(page) => *page,
        Done::Refused(why) => refused(desk, why, form).await,
    }
}

/// The tab with why something was not done: at the field that it is about, where there is one.
pub(super) async fn refused(desk: &Desk, why: Refusal, form: Form) -> Response {
    if let Refusal::Invalid { .. } = &why {
        return match place::refused(why, "external_id", field) {
            Ok(said) => show(desk, said.status, Words { errors: said.errors, form, ..Words::default() }).await,
            Err(page) => desk.answer(*page),
        };
    }
    match place::alert(why) {
        Ok((status, alert)) => show(desk, status, Words { alert, ..Words::default() }).await,
        Err(page) => desk.answer(*page),
    }
}

/// The tab with what is wrong with what was typed.
pub(super) async fn wrong(desk: &Desk, errors: Errors, form: Form) -> Response {
    show(desk, StatusCode::BAD_REQUEST, Words { errors, form, ..Words::default() }).await
}

/// The tab, with what there is to say.
pub(super) async fn show(desk: &Desk, status: StatusCode, words: Words) -> Response {
    shown(desk, status, read(desk, words).await).await
}

/// What groups are called, for whoever may see groups.
async fn names(conn: &mut Conn, desk: &Desk) -> Result<Names> {
    if !desk.may("groups.read") {
        return Ok(Names::new());
    }
    Ok(groups::of_org(conn, &desk.org).await?.into_iter().map(|group| (group.id, group.name)).collect())
}

/// The groups that a mapping may lead to: the organisation's own, by name.
async fn own(conn: &mut Conn, desk: &Desk) -> Result<Vec<(GroupId, String)>> {
    let mut found = groups::of_org(conn, &desk.org).await?;
    found.retain(|group| match group.source {
        Source::Local | Source::System => true,
        Source::Scim(_) | Source::Oidc(_) | Source::Invitation(_) => false,
    });
    Ok(found.into_iter().take(MOST_LISTED).map(|group| (group.id, group.name)).collect())
}

async fn read(desk: &Desk, words: Words) -> Result<Option<MappingPage>> {
    let mut conn = desk.app.db.read().await?;
    let Some(place) = Place::find(&mut conn, desk).await?.filter(Place::stands) else {
        return Ok(None);
    };
    let Words { errors, alert, form, add_row, tried } = words;
    let may_change = sets_up(desk);
    let mut head = place.head(desk, "mapping", alert);
    if errors.any() || add_row || tried.is_some() {
        head.notice = String::new();
    }
    let is_set_up = place.sign_in.is_some();
    let mapping = place.sign_in.as_ref().map(|sign_in| sign_in.mapping.clone()).unwrap_or_default();
    let names = names(&mut conn, desk).await?;
    let own = if may_change { own(&mut conn, desk).await? } else { Vec::new() };
    let tester = if may_change && is_set_up {
        tester::form(&mut conn, desk, &place, &form).await?
    } else {
        TesterForm::default()
    };
    // How it is applied stands as it was typed, if that form was posted.
    let applied = Some(&form).filter(|form| form.has("life_hours"));
    let from = desk.asked("from").and_then(|from| from.parse::<usize>().ok()).unwrap_or_default();
    let page = |from: usize| desk.path(&format!("{}?from={from}", place.path("mapping")));
    Ok(Some(MappingPage {
        shell: Place::shell(desk),
        head,
        errors,
        is_set_up,
        may_change,
        seen: place.tag(Part::Mapping),
        is_on: mapping.on,
        on: applied.map_or(mapping.on, |form| form.has("on")),
        life_hours: applied.map_or_else(|| mapping.life_hours.to_string(), |form| form.text("life_hours").to_owned()),
        require_match: applied.map_or(mapping.require_match, |form| form.has("require_match")),
        rules: rules(&mapping, &names),
        mapped: mapped(&mapping, &names, from),
        count: mapping.groups.len(),
        first: desk.path(&place.path("mapping")),
        next: if mapping.groups.len() > from.saturating_add(PAGE) { page(from + PAGE) } else { String::new() },
        later: from > 0,
        external_id: form.sent("external_id").to_owned(),
        label: form.sent("label").to_owned(),
        groups: own.iter().map(|one| choice(one, form.sent("group"))).collect(),
        rule: mapping_form::rule(&form, &own, add_row),
        tester,
        tried,
    }))
}

fn choice((id, name): &(GroupId, String), chosen: &str) -> Choice {
    Choice { value: id.to_string(), label: name.clone(), chosen: id.as_str() == chosen }
}

fn rules(mapping: &Mapping, names: &Names) -> Vec<RuleRow> {
    let row = |(place, rule): (usize, &Rule)| RuleRow {
        place,
        name: rule.name.clone(),
        conditions: rule.conditions.iter().map(in_words).collect(),
        groups: rule.groups.iter().map(|group| called(names, group)).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    mapping.rules.iter().enumerate().map(row).collect()
}

fn mapped(mapping: &Mapping, names: &Names, from: usize) -> Vec<MappedRow> {
    let all = mapping.groups.iter().enumerate().skip(from).take(PAGE);
    let rows = all.map(|(place, rule)| MappedRow {
        place,
        external_id: rule.external_id.clone(),
        label: rule.label.clone(),
        group: called(names, &rule.group),
    });
    rows.collect()
}
