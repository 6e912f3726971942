//! What can be wrong with an apply file without looking at any database. All of it is found, not only the first.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AlertTable, ApplicationTable, ApplyFile, BindingTable, BundleTable, FileFault, OrganisationTable, PersonAccess,
    PersonTable, RoleWord, ServiceAccountTable, filled,
};
use crate::domain::access::permission::known;
use crate::domain::access::role::is_own_key;
use crate::domain::audit::names_a_kind;
use crate::domain::oauth::application::ApplicationState;
use crate::domain::people::identifier;
use crate::domain::people::password::imported::Imported;
use crate::kernel::fold;
use crate::kernel::id::ApplicationId;

#[derive(Default)]
struct Faults(Vec<FileFault>);

impl Faults {
    fn add(&mut self, table: &str, reason: impl Into<String>) {
        self.0.push(FileFault { table: table.to_owned(), reason: reason.into() });
    }

    /// Names that one key stands for must be there once.
    fn twice<'a>(&mut self, table: &str, field: &str, key: fn(&str) -> String, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(key(name)) {
                self.add(table, format!("{field} \"{name}\" stands twice"));
            }
        }
    }

    fn roles<'a>(&mut self, table: &str, words: impl Iterator<Item = &'a String>) {
        for word in words {
            if let Err(reason) = word.parse::<RoleWord>() {
                self.add(table, format!("roles: {reason}"));
            }
        }
    }
}

/// Every fault of the file, from top to bottom.
pub(super) fn all(file: &ApplyFile) -> Vec<FileFault> {
    let mut faults = Faults::default();
    faults.twice("organisation", "slug", exact, file.organisations.iter().map(|table| table.slug.as_str()));
    faults.twice("application", "client_id", exact, file.applications.iter().map(|table| table.client_id.as_str()));
    for table in &file.organisations {
        organisation(table, &mut faults);
    }
    for table in &file.applications {
        application(table, &mut faults);
    }
    faults.0
}

fn exact(text: &str) -> String {
    text.to_owned()
}

fn organisation(table: &OrganisationTable, faults: &mut Faults) {
    let here = table.label();
    faults.twice(&format!("{here}, project"), "key", exact, table.projects.iter().map(|project| project.key.as_str()));
    faults.twice(&format!("{here}, role"), "key", exact, table.roles.iter().map(|role| role.key.as_str()));
    faults.twice(&format!("{here}, group"), "name", fold::key, table.groups.iter().map(|group| group.name.as_str()));
    let user_names = table.people.iter().map(|person| person.user_name.as_str());
    faults.twice(&format!("{here}, person"), "user_name", identifier::key, user_names);
    faults.twice(
        &format!("{here}, bundle"),
        "name",
        fold::key,
        table.bundles.iter().map(|bundle| bundle.name.as_str()),
    );
    let tools: Vec<String> = table.service_accounts.iter().map(ServiceAccountTable::word).collect();
    faults.twice(&format!("{here}, service_account"), "name", exact, tools.iter().map(String::as_str));
    if let Some(owner) = &table.owner {
        let key = identifier::key(owner);
        if !table.people.iter().any(|person| identifier::key(&person.user_name) == key) {
            faults.add(&here, format!("owner \"{owner}\" is none of its people"));
        }
    }
    for (field, reason) in table.settings.iter().flat_map(|settings| settings.settings(None).faults()) {
        faults.add(&format!("{here}, settings"), format!("{field}: {reason}"));
    }
    for role in &table.roles {
        let here = table.label_of("role", &role.key);
        if !is_own_key(&role.key) {
            faults.add(&here, "a role's key has 1 to 64 of a-z, 0-9, - and _, and begins with a letter");
        }
        for word in role.permissions.iter().filter(|word| known(word).is_none()) {
            faults.add(&here, format!("permissions: \"{word}\" is not in the catalogue of permissions"));
        }
    }
    for person in &table.people {
        check_person(&table.label_of("person", &person.user_name), person, faults);
    }
    shared_identifiers(table, faults);
    invitations(table, faults);
    for group in &table.groups {
        faults.roles(&table.label_of("group", &group.name), group.roles.iter());
    }
    for binding in &table.bindings {
        check_binding(&table.label_of("binding", &binding.role), binding, faults);
    }
    for account in &table.service_accounts {
        faults.roles(&table.label_of("service_account", &account.word()), account.roles.iter());
    }
    for bundle in &table.bundles {
        check_bundle(&table.label_of("bundle", &bundle.name), bundle, faults);
    }
    for alert in &table.alerts {
        check_alert(&table.label_of("alert", &alert.name), alert, faults);
    }
}

fn invitations(table: &OrganisationTable, faults: &mut Faults) {
    let here = format!("{}, invitation", table.label());
    faults.twice(&here, "email", fold::key, table.invitations.iter().map(|one| one.email.as_str()));
    for invitation in &table.invitations {
        let here = table.label_of("invitation", &invitation.email);
        for reason in invitation.faults() {
            faults.add(&here, reason);
        }
        faults.roles(&here, invitation.roles.iter());
    }
}

fn check_bundle(here: &str, bundle: &BundleTable, faults: &mut Faults) {
    if bundle.roles.is_empty() {
        faults.add(here, "roles: name one at least");
    }
    faults.roles(here, bundle.roles.iter());
}

fn check_alert(here: &str, alert: &AlertTable, faults: &mut Faults) {
    if alert.mail.is_some() == alert.webhook.is_some() {
        faults.add(here, "give either mail or webhook");
    }
    for kind in alert.kinds.iter().filter(|kind| !names_a_kind(kind)) {
        faults.add(here, format!("kinds: \"{kind}\" is no kind of event; write group.delete or group.*"));
    }
}

fn check_person(here: &str, person: &PersonTable, faults: &mut Faults) {
    let optional = |text: Option<&String>, check: fn(&str) -> Result<(), &'static str>| {
        filled(text).map_or(Ok(()), |text| check(&text))
    };
    for (field, verdict) in [
        ("user_name", identifier::check_user_name(&person.user_name)),
        ("email", optional(person.email.as_ref(), identifier::check_email)),
        ("phone", optional(person.phone.as_ref(), identifier::check_phone)),
    ] {
        if let Err(reason) = verdict {
            faults.add(here, format!("{field}: {reason}"));
        }
    }
    if person.password_env.is_some() && person.password_hash.is_some() {
        faults.add(here, "password_env and password_hash can't both be given");
    }
    let has_password = person.password_env.is_some() || person.password_hash.is_some();
    if person.access_type == Some(PersonAccess::Key) && has_password {
        faults.add(here, "access_type: an account for tools has no password");
    }
    // What an Argon2 hash asks for is looked at where it can be tried.
    let foreign = person.password_hash.as_ref().filter(|hash| !hash.expose().starts_with("$argon2"));
    if let Some(Err(reason)) = foreign.map(|hash| hash.expose().parse::<Imported>()) {
        faults.add(here, format!("password_hash: {reason}"));
    }
    faults.roles(here, person.roles.iter());
}

/// User names, e-mail addresses and phone numbers share one name space in an organisation.
fn shared_identifiers(table: &OrganisationTable, faults: &mut Faults) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for person in &table.people {
        let texts = [
            ("user_name", Some(&person.user_name)),
            ("email", person.email.as_ref()),
            ("phone", person.phone.as_ref()),
        ];
        for (field, text) in texts {
            let Some(text) = filled(text) else { continue };
            if let Some(other) = taken.insert(identifier::key(&text), &person.user_name)
                && identifier::key(other) != identifier::key(&person.user_name)
            {
                let here = table.label_of("person", &person.user_name);
                faults.add(&here, format!("{field} \"{text}\" identifies person \"{other}\" too"));
            }
        }
    }
}

fn check_binding(here: &str, binding: &BindingTable, faults: &mut Faults) {
    let holders = [&binding.group, &binding.person, &binding.service_account];
    if holders.iter().filter(|holder| holder.is_some()).count() != 1 {
        faults.add(here, "give either a group or a person or a service_account");
    }
    if binding.not_before.is_none() && binding.not_after.is_none() {
        faults.add(here, "without not_before and not_after it belongs into the roles of its group or person");
    }
    let window = binding.window();
    if window.not_before >= window.not_after {
        faults.add(here, "not_after must lie after not_before");
    }
    faults.roles(here, std::iter::once(&binding.role));
}

fn application(table: &ApplicationTable, faults: &mut Faults) {
    let here = table.label();
    if table.owner.is_some() && table.organisation.is_none() {
        faults.add(&here, "owner: without an organisation there is nobody who could answer for it");
    }
    if table.secret_env.is_some() && !table.has_secret() {
        faults.add(&here, format!("secret_env: {} has no secret", table.auth_method));
    }
    let registration = table.registration(ApplicationId::from_u128(0), None, ApplicationState::Active, Vec::new());
    if let Err(found) = registration.validate() {
        for fault in found {
            faults.add(&here, format!("{}: {}", fault.field, fault.reason));
        }
    }
}
