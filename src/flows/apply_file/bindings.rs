//! Bindings: the exact roles of each person and group that the file names, and those with a window.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use crate::domain::access::{Binding, Role, Scope, Subject, Window};
use crate::domain::apply_file::{BindingTable, FileFault};
use crate::domain::change::Change;
use crate::kernel::id::BindingId;
use crate::kernel::time::UnixMillis;
use crate::store::orgs::predefined_groups;

type Held = BTreeSet<(Role, Scope)>;

/// Plans all bindings; projects, roles, people and groups must be known by now.
pub(super) fn plan(draft: &mut Draft<'_>, now: UnixMillis) -> Result<(), FileFault> {
    let mut standing: BTreeMap<&Subject, Vec<&Binding>> = BTreeMap::new();
    for binding in draft.found.bindings.iter().filter(|binding| binding.window == Window::ALWAYS) {
        standing.entry(&binding.subject).or_default().push(binding);
    }
    let predefined = predefined_groups(&draft.org).map(|group| Subject::Group(group.id));
    for (subject, mut missing) in wanted(draft)? {
        for binding in standing.get(&subject).into_iter().flatten() {
            let named = missing.remove(&(binding.role.clone(), binding.scope.clone()));
            // The role of a predefined group is there whether the file names it or not.
            if !named && !predefined.contains(&subject) {
                unbind(draft, binding);
            }
        }
        for (role, scope) in missing {
            bind(draft, role, scope, subject.clone(), Window::ALWAYS);
        }
    }
    windowed(draft, now)
}

/// What each person and group that the file names is to hold, always.
fn wanted(draft: &Draft<'_>) -> Result<BTreeMap<Subject, Held>, FileFault> {
    let mut wanted = BTreeMap::new();
    for person in &draft.table.people {
        let here = draft.table.label_of("person", &person.user_name);
        let member = draft.names.person(&person.user_name).map_err(|reason| fault(&here, "user_name", &reason))?;
        wanted.insert(Subject::Member(member), held(draft, &here, &person.roles)?);
    }
    for group in &draft.table.groups {
        let here = draft.table.label_of("group", &group.name);
        let id = draft.names.group(&group.name).map_err(|reason| fault(&here, "name", &reason))?;
        wanted.insert(Subject::Group(id), held(draft, &here, &group.roles)?);
    }
    for account in &draft.table.service_accounts {
        let word = account.word();
        let here = draft.table.label_of("service_account", &word);
        let member = draft.names.service_account(&word).map_err(|reason| fault(&here, "name", &reason))?;
        wanted.insert(Subject::Member(member), held(draft, &here, &account.roles)?);
    }
    Ok(wanted)
}

fn held(draft: &Draft<'_>, here: &str, words: &[String]) -> Result<Held, FileFault> {
    words.iter().map(|word| draft.names.role(word).map_err(|reason| fault(here, "roles", &reason))).collect()
}

/// A window that is over gives nothing, and is left to the sweep: it alone ends what the window opened.
fn windowed(draft: &mut Draft<'_>, now: UnixMillis) -> Result<(), FileFault> {
    let (table, found) = (draft.table, draft.found);
    let mut missing = BTreeSet::new();
    for binding in table.bindings.iter().filter(|binding| binding.window().not_after > now) {
        missing.insert(named(draft, binding)?);
    }
    for binding in found.bindings.iter().filter(|binding| binding.window != Window::ALWAYS) {
        let Binding { role, scope, subject, window, .. } = binding.clone();
        let goes = draft.gone.contains(&subject);
        let is_named = missing.remove(&(subject, role, scope, window));
        if table.prune && !is_named && !goes && window.not_after > now {
            unbind(draft, binding);
        }
    }
    for (subject, role, scope, window) in missing {
        bind(draft, role, scope, subject, window);
    }
    Ok(())
}

fn named(draft: &Draft<'_>, table: &BindingTable) -> Result<(Subject, Role, Scope, Window), FileFault> {
    let here = draft.table.label_of("binding", &table.role);
    let (role, scope) = draft.names.role(&table.role).map_err(|reason| fault(&here, "role", &reason))?;
    let subject = match (&table.group, &table.person, &table.service_account) {
        (Some(name), None, None) => {
            draft.names.group(name).map(Subject::Group).map_err(|reason| fault(&here, "group", &reason))?
        }
        (None, Some(name), None) => {
            draft.names.person(name).map(Subject::Member).map_err(|reason| fault(&here, "person", &reason))?
        }
        (None, None, Some(word)) => {
            let found = draft.names.service_account(word).map(Subject::Member);
            found.map_err(|reason| fault(&here, "service_account", &reason))?
        }
        _ => return Err(fault(&here, "group", "give either a group or a person or a service_account")),
    };
    Ok((subject, role, scope, table.window()))
}

fn fault(table: &str, key: &str, reason: &str) -> FileFault {
    FileFault { table: table.to_owned(), reason: format!("{key}: {reason}") }
}

fn bind(draft: &mut Draft<'_>, role: Role, scope: Scope, subject: Subject, window: Window) {
    let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
    draft.steps.bind.push(Change::Bind { org: draft.org.clone(), binding });
}

fn unbind(draft: &mut Draft<'_>, binding: &Binding) {
    draft.steps.unbind.push(Change::Unbind { org: draft.org.clone(), binding: binding.id.clone() });
}
