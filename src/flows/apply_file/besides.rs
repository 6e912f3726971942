//! Service accounts, bundles of roles and rules of alerts: what an organisation has besides people and groups.

use std::collections::BTreeMap;

use super::Planner;
use super::draft::Draft;
use crate::domain::access::{Role, Scope, Subject};
use crate::domain::alert::Channel;
use crate::domain::apply_file::{AlertTable, FileFault, PersonState, ServiceAccountTable};
use crate::domain::change::{Change, NewAlert};
use crate::domain::people::user::MembershipState;
use crate::flows::webhook;
use crate::kernel::fold;
use crate::kernel::id::{AlertId, BundleId, MembershipId, UserId};
use crate::store::alerts::Alert;
use crate::store::bundles::Bundle;
use crate::store::service_accounts::ServiceAccount;

/// Plans service accounts, and names them for their bindings; projects and people must be known by now.
pub(super) fn service_accounts(draft: &mut Draft<'_>) -> Result<(), FileFault> {
    let (table, found) = (draft.table, draft.found);
    let keys = found.keys();
    let word = |account: &ServiceAccount| {
        keys.get(&account.project).map(|key| ServiceAccountTable::word_of(key, &account.name))
    };
    let known: BTreeMap<String, &ServiceAccount> =
        found.service_accounts.iter().filter_map(|account| Some((word(account)?, account))).collect();
    for account in &table.service_accounts {
        let member = match known.get(&account.word()) {
            None => new_account(draft, account)?,
            Some(known) => same_account(draft, account, known)?,
        };
        draft.names.service_accounts.insert(account.word(), member);
    }
    for (word, account) in known {
        if draft.names.service_accounts.contains_key(&word) {
            continue;
        }
        // With its project it goes anyway.
        let project_stays = draft.names.projects.values().any(|project| *project == account.project);
        if !project_stays || table.prune {
            draft.gone.insert(Subject::Member(account.member.clone()));
        }
        if project_stays && table.prune {
            let (org, user) = (draft.org.clone(), account.user.clone());
            draft.steps.remove.push(Change::RemoveServiceAccount { org, user });
        } else if project_stays {
            draft.names.service_accounts.insert(word, account.member.clone());
        }
    }
    Ok(())
}

fn owner_of(draft: &Draft<'_>, table: &ServiceAccountTable) -> Result<Option<MembershipId>, FileFault> {
    let fault = |reason: String| FileFault {
        table: draft.table.label_of("service_account", &table.word()),
        reason: format!("owner: {reason}"),
    };
    table.owner.as_ref().map(|user_name| draft.names.person(user_name).map_err(fault)).transpose()
}

fn new_account(draft: &mut Draft<'_>, table: &ServiceAccountTable) -> Result<MembershipId, FileFault> {
    let owner = owner_of(draft, table)?;
    let Some(project) = draft.names.projects.get(&table.project).cloned() else {
        return Err(FileFault {
            table: draft.table.label_of("service_account", &table.word()),
            reason: format!("project: there is no project \"{}\"", table.project),
        });
    };
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    draft.steps.groups.push(Change::CreateServiceAccount {
        org: draft.org.clone(),
        project,
        user,
        member: member.clone(),
        name: table.name.clone(),
        description: table.description.clone().unwrap_or_default(),
        owner,
    });
    state_of(draft, table, &member, MembershipState::Active);
    Ok(member)
}

fn same_account(
    draft: &mut Draft<'_>,
    table: &ServiceAccountTable,
    known: &ServiceAccount,
) -> Result<MembershipId, FileFault> {
    let owner = owner_of(draft, table)?;
    if let Some(description) = &table.description
        && *description != known.description
    {
        draft.steps.groups.push(Change::SetServiceAccount {
            org: draft.org.clone(),
            user: known.user.clone(),
            name: known.name.clone(),
            description: description.clone(),
        });
    }
    if let Some(owner) = owner
        && known.owner.as_ref() != Some(&owner)
    {
        let (org, user) = (draft.org.clone(), known.user.clone());
        draft.steps.groups.push(Change::SetServiceAccountOwner { org, user, owner });
    }
    state_of(draft, table, &known.member, known.state);
    Ok(known.member.clone())
}

fn state_of(draft: &mut Draft<'_>, table: &ServiceAccountTable, member: &MembershipId, now: MembershipState) {
    let state = match table.state {
        Some(PersonState::Active) => MembershipState::Active,
        Some(PersonState::Suspended) => MembershipState::Suspended,
        Some(PersonState::Pending) | None => return,
    };
    if state != now {
        let (org, member) = (draft.org.clone(), member.clone());
        draft.steps.groups.push(Change::SetMemberState { org, member, state });
    }
}

/// Plans bundles; projects and roles must be known by now.
pub(super) fn bundles(draft: &mut Draft<'_>) -> Result<(), FileFault> {
    let (table, found) = (draft.table, draft.found);
    let known: BTreeMap<String, &Bundle> =
        found.bundles.iter().map(|bundle| (fold::key(&bundle.name), bundle)).collect();
    for bundle in &table.bundles {
        let fault = |reason: String| FileFault {
            table: table.label_of("bundle", &bundle.name),
            reason: format!("roles: {reason}"),
        };
        let grants: Vec<(Role, Scope)> =
            bundle.roles.iter().map(|word| draft.names.role(word).map_err(fault)).collect::<Result<_, _>>()?;
        let before = known.get(&fold::key(&bundle.name));
        let same = before.is_some_and(|before| {
            before.name == bundle.name.trim() && found.live_grants(before).into_iter().eq(grants.iter())
        });
        if !same {
            let id = before.map_or_else(BundleId::fresh, |before| before.id.clone());
            let (org, name) = (draft.org.clone(), bundle.name.clone());
            draft.steps.groups.push(Change::PutBundle { org, bundle: id, name, grants });
        }
    }
    for (key, bundle) in known {
        if table.prune && !table.bundles.iter().any(|named| fold::key(&named.name) == key) {
            let (org, bundle) = (draft.org.clone(), bundle.id.clone());
            draft.steps.remove.push(Change::RemoveBundle { org, bundle });
        }
    }
    Ok(())
}

/// Plans the rules of alerts. Two may have one name: one that says the very same is taken first, then the oldest.
pub(super) fn alerts(planner: &mut Planner<'_>, draft: &mut Draft<'_>) {
    let (table, found) = (draft.table, draft.found);
    let mut left: Vec<&Alert> = found.alerts.iter().collect();
    let mut differing = Vec::new();
    for wanted in &table.alerts {
        match left.iter().position(|alert| says(alert, wanted)) {
            Some(place) => {
                left.remove(place);
            }
            None => differing.push(wanted),
        }
    }
    for wanted in differing {
        let place = left.iter().position(|alert| alert.name == wanted.name.trim());
        let before = place.map(|place| left.remove(place));
        put_alert(planner, draft, wanted, before);
    }
    for alert in left.into_iter().filter(|_| table.prune) {
        let (org, alert) = (draft.org.clone(), alert.id.clone());
        draft.steps.remove.push(Change::RemoveAlert { org, alert });
    }
}

fn says(alert: &Alert, table: &AlertTable) -> bool {
    alert.name == table.name.trim() && alert.active == table.active && alert.rule == table.rule()
}

/// What becomes a webhook, or moves to another address, gets a secret that the receiver before it does not know.
fn put_alert(planner: &mut Planner<'_>, draft: &mut Draft<'_>, table: &AlertTable, before: Option<&Alert>) {
    let id = before.map_or_else(AlertId::fresh, |before| before.id.clone());
    let rule = table.rule();
    let moves = before.is_none_or(|before| before.rule.channel != rule.channel);
    let mut sealed = None;
    if moves && matches!(rule.channel, Channel::Webhook { .. }) {
        let (secret, kept) = webhook::mint(planner.app, &id);
        planner.print(format!("signing secret of alert \"{}\" of {}", table.name, draft.table.slug), secret);
        sealed = Some(kept);
    }
    let alert = NewAlert { id, name: table.name.clone(), active: table.active, rule, sealed };
    draft.steps.groups.push(Change::PutAlert { org: draft.org.clone(), alert: Box::new(alert) });
}
