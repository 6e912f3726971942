//! How a file is written: every table in one order, keys that say their default left out, so that the same state always
//! has the same text. Passwords, hashes and secrets are never written, nor the variables that they came from.

use std::fmt::{Display, Write as _};

use super::application::defaults;
use super::{
    AlertTable, ApplicationTable, ApplyFile, BindingTable, GroupTable, InvitationTable, OrganisationTable,
    PersonAccess, PersonState, PersonTable, ServiceAccountTable, SettingsTable,
};
use crate::domain::oauth::application::{ApplicationState, GrantType};
use crate::domain::oidc::claims::Address;
use crate::domain::people::password::PasswordPolicy;
use crate::domain::people::second_factor::SecondFactor;
use crate::domain::people::{invitation, lockout};
use crate::domain::settings::{OwnData, UserVisibility};

/// A list that would be longer in one line has a line for each of its texts.
const LINE: usize = 100;

impl ApplyFile {
    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut page = Page::default();
        for table in &self.organisations {
            organisation(&mut page, table);
        }
        for table in &self.applications {
            application(&mut page, table);
        }
        page.text
    }
}

/// The text so far.
#[derive(Default)]
struct Page {
    text: String,
    indent: &'static str,
}

impl Page {
    /// Begins a table; one within an organisation is indented.
    fn table(&mut self, head: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.indent = if head.contains('.') { "  " } else { "" };
        let _ = writeln!(self.text, "{}{head}", self.indent);
    }

    fn line(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{}{key} = {value}", self.indent);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.line(key, quoted(text));
    }

    fn optional(&mut self, key: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: Option<impl Display>) {
        if let Some(number) = number {
            self.line(key, number);
        }
    }

    /// A flag that is not at its default.
    fn flag(&mut self, key: &str, flag: bool, default: bool) {
        if flag != default {
            self.line(key, flag);
        }
    }

    fn list<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        let quoted: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
        let line = format!("{key} = [{}]", quoted.join(", "));
        if line.chars().count() <= LINE {
            let _ = writeln!(self.text, "{}{line}", self.indent);
            return;
        }
        let _ = writeln!(self.text, "{}{key} = [", self.indent);
        for text in quoted {
            let _ = writeln!(self.text, "{}  {text},", self.indent);
        }
        let _ = writeln!(self.text, "{}]", self.indent);
    }

    /// A list that is not empty, for empty is its default.
    fn filled<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        if !texts.is_empty() {
            self.list(key, texts);
        }
    }
}

/// A basic string (TOML 1.0, "String"): nothing in it ends it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn organisation(page: &mut Page, table: &OrganisationTable) {
    page.table("[[organisation]]");
    page.text("slug", &table.slug);
    page.text("name", &table.name);
    page.optional("policy", table.policy.map(|policy| policy.to_string()).as_ref());
    page.number("session_idle_secs", table.session_idle_secs);
    page.number("session_absolute_secs", table.session_absolute_secs);
    page.optional("owner", table.owner.as_ref());
    page.flag("prune", table.prune, false);
    if let Some(table) = &table.settings {
        settings(page, table);
    }
    for table in &table.projects {
        page.table("[[organisation.project]]");
        page.text("key", &table.key);
        page.text("name", &table.name);
    }
    for table in &table.roles {
        page.table("[[organisation.role]]");
        page.text("key", &table.key);
        page.text("name", &table.name);
        page.filled("permissions", &table.permissions);
    }
    for table in &table.bundles {
        page.table("[[organisation.bundle]]");
        page.text("name", &table.name);
        page.list("roles", &table.roles);
    }
    table.people.iter().for_each(|table| person(page, table));
    table.groups.iter().for_each(|table| group(page, table));
    table.service_accounts.iter().for_each(|table| service_account(page, table));
    table.bindings.iter().for_each(|table| binding(page, table));
    table.invitations.iter().for_each(|table| invited(page, table));
    table.alerts.iter().for_each(|table| alert(page, table));
}

fn settings(page: &mut Page, table: &SettingsTable) {
    page.table("[organisation.settings]");
    let sees = match table.user_visibility {
        UserVisibility::Admins => "admins",
        UserVisibility::Everyone => "everyone",
    };
    page.text("user_visibility", sees);
    page.line("keys_by_admins_only", table.keys_by_admins_only);
    page.line("readers_see_keys", table.readers_see_keys);
    page.number("max_sessions", table.max_sessions);
    page.number("disable_unused_days", table.disable_unused_days);
    page.list("allowed_networks", &table.allowed_networks);
    let own: Vec<&str> = table.own_data.iter().map(|data| own_data(*data)).collect();
    page.list("own_data", &own);
    page.line("show_last_sign_in", table.show_last_sign_in);
    page.text("welcome_text", &table.welcome_text);
    page.optional("default_project", table.default_project.as_ref());
    page.line("passwords", passwords(&table.passwords));
    page.line("second_factor", second_factor(&table.second_factor));
    page.line("lock", lock(&table.lock));
    page.line("invitations", invitations(&table.invitations));
    page.optional("language", table.language.map(|language| language.to_string()).as_ref());
    page.text("colour", &table.colour);
    page.text("support_email", &table.support_email);
}

/// The preset, and what is set otherwise.
fn passwords(policy: &PasswordPolicy) -> String {
    let numbers = [
        ("min_length", policy.min_length),
        ("max_length", policy.max_length),
        ("kinds", policy.kinds),
        ("history", policy.history),
        ("expiry_days", policy.expiry_days),
        ("min_age_minutes", policy.min_age_minutes),
        ("max_identical_run", policy.max_identical_run),
    ];
    let mut parts = vec![format!("preset = {}", quoted(policy.preset.as_str()))];
    parts.extend(numbers.into_iter().filter_map(|(key, number)| Some(format!("{key} = {}", number?))));
    parts.extend(policy.no_sequences.map(|refused| format!("no_sequences = {refused}")));
    format!("{{ {} }}", parts.join(", "))
}

fn second_factor(rule: &SecondFactor) -> String {
    let kinds: Vec<String> = rule.kinds.iter().map(|kind| quoted(kind.as_str())).collect();
    let (require, kinds) = (quoted(rule.require.as_str()), kinds.join(", "));
    let (days, exempt) = (rule.remember_days, rule.exempt_federated);
    format!("{{ require = {require}, kinds = [{kinds}], remember_days = {days}, exempt_federated = {exempt} }}")
}

/// What is set otherwise than the instance's.
fn lock(settings: &lockout::Settings) -> String {
    let numbers =
        [("failures", settings.failures), ("window_minutes", settings.window_minutes), ("minutes", settings.minutes)];
    let mode = settings.mode.map(|mode| format!("mode = {}", quoted(mode.as_str())));
    let mut parts: Vec<String> = mode.into_iter().collect();
    parts.extend(numbers.into_iter().filter_map(|(key, number)| Some(format!("{key} = {}", number?))));
    if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
}

fn invitations(rules: &invitation::Rules) -> String {
    let domains: Vec<String> = rules.domains.iter().map(|pattern| quoted(pattern)).collect();
    let (domains, days, link_days) = (domains.join(", "), rules.days, rules.link_days);
    format!("{{ domains = [{domains}], days = {days}, link_days = {link_days} }}")
}

const fn own_data(data: OwnData) -> &'static str {
    match data {
        OwnData::Profile => "profile",
        OwnData::Password => "password",
        OwnData::Email => "email",
        OwnData::Phone => "phone",
    }
}

const fn state(state: PersonState) -> &'static str {
    match state {
        PersonState::Active => "active",
        PersonState::Suspended => "suspended",
        PersonState::Pending => "pending",
    }
}

fn person(page: &mut Page, table: &PersonTable) {
    page.table("[[organisation.person]]");
    page.text("user_name", &table.user_name);
    page.optional("name", table.name.as_ref());
    page.optional("given_name", table.given_name.as_ref());
    page.optional("middle_name", table.middle_name.as_ref());
    page.optional("family_name", table.family_name.as_ref());
    page.optional("nickname", table.nickname.as_ref());
    page.optional("preferred_username", table.preferred_username.as_ref());
    page.optional("profile", table.profile.as_ref());
    page.optional("picture", table.picture.as_ref());
    page.optional("website", table.website.as_ref());
    page.optional("gender", table.gender.as_ref());
    page.optional("birthdate", table.birthdate.as_ref());
    page.optional("zoneinfo", table.zoneinfo.as_ref());
    page.optional("locale", table.locale.as_ref());
    page.optional("email", table.email.as_ref());
    page.flag("email_verified", table.email_verified, false);
    page.optional("phone", table.phone.as_ref());
    page.flag("phone_verified", table.phone_verified, false);
    if let Some(found) = &table.address {
        page.line("address", address(found));
    }
    if let Some(found) = table.state {
        page.text("state", state(found));
    }
    match table.access_type {
        Some(PersonAccess::Key) => page.text("access_type", "key"),
        Some(PersonAccess::Password) => page.text("access_type", "password"),
        None => {}
    }
    if let Some(applications) = &table.applications {
        page.list("applications", applications);
    }
    page.filled("roles", &table.roles);
}

fn address(address: &Address) -> String {
    let parts = [
        ("formatted", &address.formatted),
        ("street_address", &address.street_address),
        ("locality", &address.locality),
        ("region", &address.region),
        ("postal_code", &address.postal_code),
        ("country", &address.country),
    ];
    let parts = parts.into_iter().filter_map(|(key, part)| Some(format!("{key} = {}", quoted(part.as_ref()?))));
    format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
}

fn group(page: &mut Page, table: &GroupTable) {
    page.table("[[organisation.group]]");
    page.text("name", &table.name);
    page.optional("description", table.description.as_ref());
    page.filled("members", &table.members);
    page.filled("roles", &table.roles);
}

fn service_account(page: &mut Page, table: &ServiceAccountTable) {
    page.table("[[organisation.service_account]]");
    page.text("project", &table.project);
    page.text("name", &table.name);
    page.optional("description", table.description.as_ref());
    page.optional("owner", table.owner.as_ref());
    if let Some(found) = table.state {
        page.text("state", state(found));
    }
    page.filled("roles", &table.roles);
}

fn binding(page: &mut Page, table: &BindingTable) {
    page.table("[[organisation.binding]]");
    page.optional("group", table.group.as_ref());
    page.optional("person", table.person.as_ref());
    page.optional("service_account", table.service_account.as_ref());
    page.text("role", &table.role);
    page.optional("not_before", table.not_before.and_then(super::Moment::text).as_ref());
    page.optional("not_after", table.not_after.and_then(super::Moment::text).as_ref());
}

fn invited(page: &mut Page, table: &InvitationTable) {
    page.table("[[organisation.invitation]]");
    page.text("email", &table.email);
    page.text("name", &table.name);
    page.optional("given_name", table.given_name.as_ref());
    page.optional("family_name", table.family_name.as_ref());
    page.optional("language", table.language.map(|language| language.to_string()).as_ref());
    page.filled("groups", &table.groups);
    page.filled("roles", &table.roles);
}

fn alert(page: &mut Page, table: &AlertTable) {
    page.table("[[organisation.alert]]");
    page.text("name", &table.name);
    page.flag("active", table.active, true);
    page.filled("kinds", &table.kinds);
    page.optional("outcome", table.outcome.as_ref());
    page.optional("actor", table.actor.as_ref());
    page.optional("target", table.target.as_ref());
    if let Some(mail) = &table.mail {
        page.list("mail", mail);
    }
    page.optional("webhook", table.webhook.as_ref());
}

fn application(page: &mut Page, table: &ApplicationTable) {
    page.table("[[application]]");
    page.text("client_id", &table.client_id);
    page.text("name", &table.name);
    page.optional("organisation", table.organisation.as_ref());
    page.optional("owner", table.owner.as_ref());
    if table.state == Some(ApplicationState::Disabled) {
        page.text("state", ApplicationState::Disabled.as_str());
    }
    page.text("auth_method", table.auth_method.as_str());
    page.optional("jwks", table.jwks.as_ref());
    page.filled("redirect_uris", &table.redirect_uris);
    page.filled("post_logout_redirect_uris", &table.post_logout_redirect_uris);
    if let Some(grants) = &table.grant_types {
        page.list("grant_types", &grants.iter().map(|grant| GrantType::as_str(*grant)).collect::<Vec<_>>());
    }
    if let Some(scopes) = &table.scopes {
        page.list("scopes", scopes);
    }
    page.flag("require_pkce", table.require_pkce, defaults::yes());
    page.text("profile", table.profile.as_str());
    page.text("id_token_alg", table.id_token_alg.name());
    page.text("access_token_alg", table.access_token_alg.name());
    page.optional("resource", table.resource.as_ref());
    page.flag("roles_in_id_token", table.roles_in_id_token, defaults::yes());
    page.flag("allow_no_org", table.allow_no_org, false);
    page.flag("trusted", table.trusted, false);
    page.optional("logo_uri", table.logo_uri.as_ref());
    page.optional("policy_uri", table.policy_uri.as_ref());
    page.optional("tos_uri", table.tos_uri.as_ref());
    page.optional("initiate_login_uri", table.initiate_login_uri.as_ref());
    page.optional("backchannel_logout_uri", table.backchannel_logout_uri.as_ref());
    page.flag("backchannel_logout_session_required", table.backchannel_logout_session_required, false);
    page.optional("frontchannel_logout_uri", table.frontchannel_logout_uri.as_ref());
    page.flag("frontchannel_logout_session_required", table.frontchannel_logout_session_required, false);
    page.flag("status_list", table.status_list, false);
    if table.claims_budget != defaults::claims_budget() {
        page.line("claims_budget", table.claims_budget);
    }
}
