//! Invitations: whoever is neither a member nor invited is; with `prune` those that the file doesn't name are taken
//! back.

use std::collections::BTreeMap;

use super::Planner;
use super::draft::Draft;
use super::found::{Found, Known};
use crate::domain::access::{Role, Scope, Window};
use crate::domain::apply_file::{FileFault, InvitationTable};
use crate::domain::change::{Change, NewInvitation};
use crate::domain::language::Language;
use crate::domain::mail::{Address, NewLink, Purpose, Template};
use crate::domain::people::identifier;
use crate::domain::people::invitation::{Access, Offered};
use crate::domain::people::user::Kind;
use crate::flows::links::{self, Wanted};
use crate::kernel::fold;
use crate::kernel::id::{GroupId, InvitationId};

/// Plans invitations; projects, roles and groups must be known by now.
pub(super) fn plan(planner: &Planner<'_>, draft: &mut Draft<'_>) -> Result<(), FileFault> {
    let (table, found) = (draft.table, draft.found);
    let open: BTreeMap<String, &InvitationId> = found
        .invitations
        .iter()
        .filter(|one| one.state_at(planner.now).is_open())
        .map(|one| (fold::key(&one.email), &one.id))
        .collect();
    for invitation in &table.invitations {
        let key = fold::key(&invitation.email);
        if !open.contains_key(&key) && !is_member(found, &key) {
            let new = new(planner, draft, invitation)?;
            draft.steps.invite.push(Change::Invite(Box::new(new)));
        }
    }
    for (key, id) in open {
        if table.prune && !table.invitations.iter().any(|named| fold::key(&named.email) == key) {
            let (org, invitation) = (draft.org.clone(), id.clone());
            draft.steps.remove.push(Change::CancelInvitation { org, invitation });
        }
    }
    Ok(())
}

/// Whether an address is a member's: one of a managed account's identifiers, or an own account's that has proven it.
fn is_member(found: &Found, key: &str) -> bool {
    let has = |known: &Known| {
        let user = &known.user;
        let email = user.profile.email.as_deref().is_some_and(|email| fold::key(email) == key);
        match user.kind {
            Kind::Own | Kind::Operator => email && user.profile.email_verified,
            Kind::Managed(_) | Kind::Service(..) => email || identifier::key(&user.user_name) == key,
        }
    };
    found.people.values().chain(&found.others).any(|known| known.member.is_some() && has(known))
}

fn new(planner: &Planner<'_>, draft: &Draft<'_>, table: &InvitationTable) -> Result<NewInvitation, FileFault> {
    let fault = |field: &str, reason: String| FileFault {
        table: draft.table.label_of("invitation", &table.email),
        reason: format!("{field}: {reason}"),
    };
    let mut access = Access::default();
    for name in &table.groups {
        let group: GroupId = draft.names.group(name).map_err(|reason| fault("groups", reason))?;
        access.groups.insert(group);
    }
    for word in &table.roles {
        let (role, scope): (Role, Scope) = draft.names.role(word).map_err(|reason| fault("roles", reason))?;
        access.roles.push(Offered { role, scope, window: Window::ALWAYS });
    }
    let of_file = draft.table.settings.as_ref();
    let language = table
        .language
        .or(of_file.map_or(draft.found.settings.language, |settings| settings.language))
        .or_else(|| Language::of_tag(&planner.app.config.mail.language))
        .unwrap_or_default();
    Ok(NewInvitation {
        id: InvitationId::fresh(),
        org: draft.org.clone(),
        email: table.email.clone(),
        name: table.name.clone(),
        given_name: table.given_name.clone().unwrap_or_default(),
        family_name: table.family_name.clone().unwrap_or_default(),
        access,
        language,
        link: link(planner, draft, table, language),
    })
}

fn link(planner: &Planner<'_>, draft: &Draft<'_>, table: &InvitationTable, language: Language) -> NewLink {
    let rules = draft.table.settings.as_ref().map_or(&draft.found.settings.invitations, |table| &table.invitations);
    let values = [("name", table.name.clone()), ("groups", table.groups.join(", ")), ("roles", table.roles.join(", "))];
    let wanted = Wanted {
        purpose: Purpose::Invitation,
        template: Template::Invitation,
        to: Address::Email(table.email.clone()),
        language,
        org: Some(draft.org.clone()),
        life: rules.link_life().min(rules.life()),
        values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    links::mint(planner.app, wanted)
}
