//! Bundles of roles and rules of alerts: the rules that hold whoever asks, then the rows.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::checks::{check_name, invalid, unknown};
use crate::domain::access::{Role, Scope};
use crate::domain::alert::{Channel, Filter};
use crate::domain::audit::names_a_kind;
use crate::domain::change::{Change, NewAlert};
use crate::domain::people::identifier;
use crate::kernel::id::OrgId;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::{alerts, bindings};

/// So many rules of alerts has an organisation at most …
const MOST_RULES: i64 = 20;
/// … so many addresses a rule, …
const MOST_ADDRESSES: usize = 10;
/// … so many kinds of events, …
const MOST_KINDS: usize = 50;
/// … and so many roles a bundle.
const MOST_GRANTS: usize = 20;

/// Carries a change of a bundle or an alert out.
pub(super) async fn carry_out(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::PutBundle { org, bundle, name, grants } => {
            check_name("name", name, 100)?;
            check_grants(edit, org, grants).await?;
            let written = edit.put_bundle(org, bundle, name, grants).await?;
            (written, if written == Written::Taken { "A bundle with this name" } else { "The bundle" })
        }
        Change::RemoveBundle { org, bundle } => (edit.remove_bundle(org, bundle).await?, "The bundle"),
        Change::PutAlert { org, alert } => {
            check_name("name", &alert.name, 100)?;
            check_filter(&alert.rule.filter)?;
            check_channel(&alert.rule.channel)?;
            check_place(edit, org, alert).await?;
            (edit.put_alert(org, alert).await?, "The alert")
        }
        Change::RemoveAlert { org, alert } => (edit.remove_alert(org, alert).await?, "The alert"),
        _ => return Err(unknown()),
    })
}

/// Each role once on each scope, each where it can be held, and nothing that isn't there.
async fn check_grants(edit: &mut AccessEdit<'_>, org: &OrgId, grants: &[(Role, Scope)]) -> Result<(), Refusal> {
    if grants.is_empty() || grants.len() > MOST_GRANTS {
        return Err(invalid("grants", format!("Name 1 to {MOST_GRANTS} roles.")));
    }
    let own: BTreeSet<String> = if grants.iter().any(|(role, _)| matches!(role, Role::Own(_))) {
        bindings::own_roles(edit.conn(), org).await?.into_iter().map(|role| role.key).collect()
    } else {
        BTreeSet::new()
    };
    let mut seen = BTreeSet::new();
    for (role, scope) in grants {
        if *role == Role::OrgOwner {
            return Err(invalid("grants", "org.owner can't be given; transfer the ownership instead."));
        }
        if !scope.fits(role) {
            return Err(invalid("grants", format!("{role} can't be held there.")));
        }
        if let Role::Own(key) = role
            && !own.contains(key)
        {
            return Err(invalid("grants", format!("There is no role {key}.")));
        }
        if let Scope::Project(project) = scope
            && edit.org(org).is_none_or(|facts| facts.projects.iter().all(|found| found.id != *project))
        {
            return Err(invalid("grants", format!("There is no project {project}.")));
        }
        if !seen.insert((role, scope)) {
            return Err(invalid("grants", format!("{role} stands there twice.")));
        }
    }
    Ok(())
}

fn check_filter(filter: &Filter) -> Result<(), Refusal> {
    if filter.kinds.len() > MOST_KINDS {
        return Err(invalid("filter.kinds", format!("Name at most {MOST_KINDS} kinds; group.* stands for many.")));
    }
    if let Some(bad) = filter.kinds.iter().find(|kind| !names_a_kind(kind)) {
        return Err(invalid("filter.kinds", format!("\"{bad}\" is no kind of event; write group.delete or group.*.")));
    }
    if filter.outcome.as_deref().is_some_and(|outcome| outcome != "accepted" && outcome != "denied") {
        return Err(invalid("filter.outcome", "Use accepted or denied."));
    }
    for (field, text) in [("filter.actor", &filter.actor), ("filter.target", &filter.target)] {
        if let Some(text) = text {
            check_name(field, text, 200)?;
        }
    }
    Ok(())
}

/// Whether a webhook's address may be called is judged before, where the operator's list is known.
fn check_channel(channel: &Channel) -> Result<(), Refusal> {
    match channel {
        Channel::Mail { to } => {
            if to.len() > MOST_ADDRESSES {
                return Err(invalid("channel.to", format!("Name at most {MOST_ADDRESSES} addresses.")));
            }
            let keys: BTreeSet<String> = to.iter().map(|address| identifier::key(address)).collect();
            if keys.len() < to.len() {
                return Err(invalid("channel.to", "An address stands there twice."));
            }
            to.iter().try_for_each(|address| identifier::check_email(address)).map_err(|e| invalid("channel.to", e))
        }
        Channel::Webhook { url } if url.len() <= 2000 => Ok(()),
        Channel::Webhook { .. } => Err(invalid("channel.url", "Use at most 2000 characters.")),
    }
}

/// A new rule needs a place, and a webhook a secret that its receiver knows.
async fn check_place(edit: &mut AccessEdit<'_>, org: &OrgId, alert: &NewAlert) -> Result<(), Refusal> {
    let is_new = alerts::find(edit.conn(), org, &alert.id).await?.is_none();
    if is_new && alerts::count(edit.conn(), org).await? >= MOST_RULES {
        return Err(Refusal::Limit(format!(
            "An organisation has at most {MOST_RULES} rules of alerts; remove one first."
        )));
    }
    let has_secret = alert.sealed.is_some() || (!is_new && alerts::sealed(edit.conn(), &alert.id).await?.is_some());
    match alert.rule.channel {
        Channel::Webhook { .. } if !has_secret => {
            Err(invalid("channel", "A webhook needs a signing secret; ask for a new one."))
        }
        Channel::Webhook { .. } | Channel::Mail { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mails(to: &[&str]) -> Channel {
        Channel::Mail { to: to.iter().map(|address| (*address).to_owned()).collect() }
    }

    #[test]
    fn a_rule_names_kinds_that_there_are_and_addresses_that_mail_can_reach() {
        let kinds =
            |kinds: &[&str]| Filter { kinds: kinds.iter().map(|k| (*k).to_owned()).collect(), ..Filter::default() };
        assert!(check_filter(&kinds(&["group.*", "user.create"])).is_ok() && check_filter(&Filter::default()).is_ok());
        for bad in [kinds(&["groups.*"]), kinds(&["*"]), kinds(&[""]), kinds(&["group.*"; 51])] {
            assert!(check_filter(&bad).is_err(), "{bad:?}");
        }
        assert!(check_filter(&Filter { outcome: Some("refused".to_owned()), ..Filter::default() }).is_err());
        assert!(check_channel(&mails(&["a@acme.test"])).is_ok() && check_channel(&mails(&[])).is_ok());
        for bad in [mails(&["a"]), mails(&["a@acme.test", "A@acme.test"]), mails(&["a@b.c\r\nBcc: x@y.z"])] {
            assert!(check_channel(&bad).is_err(), "{bad:?}");
        }
    }
}
