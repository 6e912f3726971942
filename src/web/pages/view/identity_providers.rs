//! What the console's pages of identity providers show: the list, and one connection under its tabs.

use askama::Template;

use super::admin::{Badge, Choice, Errors, GroupChoice, Moment, Shell};
use super::groups::Impact;
use super::person::Fact;

/// When something went wrong, and what.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// When.
    pub at: Moment,
    /// What.
    pub why: String,
}

/// A connection in the list.
#[derive(Clone, Debug)]
pub struct ProviderRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for, in words.
    pub kind: &'static str,
    /// How it stands.
    pub stage: Badge,
    /// The kind of provider; empty where nobody signs in through it.
    pub preset: &'static str,
    /// When somebody came through last.
    pub last_sign_in: Option<Moment>,
    /// What failed last.
    pub last_error: Option<Trouble>,
    /// When its SCIM client was heard of last.
    pub last_sync: Option<Moment>,
}

/// `GET …/identity-providers`.
#[derive(Template)]
#[template(path = "provider_list.html")]
pub struct ProvidersPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The connections.
    pub rows: Vec<ProviderRow>,
    /// Whether one may be made.
    pub may_change: bool,
    /// The name as typed.
    pub name: String,
    /// The kinds of providers.
    pub presets: Vec<Choice>,
    /// The console's address as typed.
    pub admin_url: String,
}

/// What stands above each tab of a connection.
#[derive(Clone, Debug)]
pub struct ProviderHead {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for, in words.
    pub kind: &'static str,
    /// How it stands.
    pub stage: Badge,
    /// The kind of provider; empty where nobody signs in through it.
    pub preset: &'static str,
    /// Where its administrators change things; empty where nobody said so.
    pub admin_url: String,
    /// The tabs: their page under the connection's (empty for the first), their word, and whether it is this one.
    pub tabs: Vec<Choice>,
    /// What was done just now; empty for nothing.
    pub notice: String,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
}

/// An address that the provider's administrator copies.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its field on the page.
    pub id: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What it is for.
    pub hint: &'static str,
    /// The address.
    pub value: String,
}

/// A stage that the sign-in can be brought to.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The stage's word.
    pub stage: &'static str,
    /// What the button says.
    pub word: &'static str,
    /// What the button looks like besides.
    pub class: &'static str,
}

/// The tab "Overview".
#[derive(Template)]
#[template(path = "provider_overview.html")]
pub struct OverviewPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: ProviderHead,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// How it fares.
    pub facts: Vec<Fact>,
    /// How the sign-in stands, in a sentence.
    pub standing: &'static str,
    /// Whether there is a sign-in.
    pub is_set_up: bool,
    /// Where its sign-in can be brought to.
    pub steps: Vec<Step>,
    /// The tag of the stage that the page shows.
    pub seen_stage: String,
    /// Who may come in past it.
    pub break_glass: Vec<String>,
    /// What the provider's administrator copies.
    pub addresses: Vec<Address>,
    /// Whether the person may change anything.
    pub may_change: bool,
    /// Whether it works.
    pub is_active: bool,
    /// The tag of the name and console that the page shows.
    pub seen_name: String,
    /// The name as typed.
    pub name: String,
    /// The console's address as typed.
    pub admin_url: String,
    /// Whether its people may be put into local groups and be given roles directly.
    pub local_grants: bool,
}

/// A list to choose from.
#[derive(Clone, Debug)]
pub struct SelectField {
    /// Its id and name.
    pub id: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What to know.
    pub hint: &'static str,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
}

/// What kind of field a text is typed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// One line.
    Line,
    /// Several, one entry a line.
    Lines,
    /// What is never shown again.
    Secret,
}

/// A text to type.
#[derive(Clone, Debug)]
pub struct TextField {
    /// Its id and name.
    pub id: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What to know.
    pub hint: &'static str,
    /// What stands in it.
    pub value: String,
    /// How it is typed.
    pub typed: Typed,
}

impl TextField {
    /// Whether it has several lines.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.typed == Typed::Lines
    }

    /// What kind of input it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.typed {
            Typed::Line | Typed::Lines => "text",
            Typed::Secret => "password",
        }
    }

    /// What browsers may put into it.
    #[must_use]
    pub const fn autocomplete(&self) -> &'static str {
        match self.typed {
            Typed::Line | Typed::Lines => "off",
            Typed::Secret => "new-password",
        }
    }
}

/// A box to tick.
#[derive(Clone, Debug)]
pub struct TickField {
    /// Its id and name.
    pub id: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What to know.
    pub hint: &'static str,
    /// Whether it is ticked.
    pub ticked: bool,
}

/// A part of the form.
#[derive(Clone, Debug)]
pub struct FormPart {
    /// Its id.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What to choose.
    pub selects: Vec<SelectField>,
    /// What to type.
    pub texts: Vec<TextField>,
    /// What to tick.
    pub ticks: Vec<TickField>,
}

/// The tab "Sign-in".
#[derive(Template)]
#[template(path = "provider_settings.html")]
pub struct ProviderSettingsPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: ProviderHead,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The tag of the set-up that the page shows.
    pub seen: String,
    /// Whether the person may change anything.
    pub may_change: bool,
    /// What the provider's administrator does.
    pub guide: &'static str,
    /// Where, if that is one place for all.
    pub console: Option<&'static str>,
    /// What that administrator copies.
    pub addresses: Vec<Address>,
    /// The form's parts.
    pub parts: Vec<FormPart>,
    /// The set-up, for whoever may only read it; empty where there is none.
    pub facts: Vec<Fact>,
}

/// A rule of the mapping.
#[derive(Clone, Debug)]
pub struct RuleRow {
    /// Its place in the mapping.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// What must hold, a line each.
    pub conditions: Vec<String>,
    /// The groups here.
    pub groups: Vec<String>,
}

/// A group of the provider, and the group here.
#[derive(Clone, Debug)]
pub struct MappedRow {
    /// Its place in the mapping.
    pub place: usize,
    /// As it stands in the groups claim.
    pub external_id: String,
    /// What people call it there; may be empty.
    pub label: String,
    /// The group here.
    pub group: String,
}

/// A condition to type.
#[derive(Clone, Debug)]
pub struct ConditionRow {
    /// The row's number, from 1.
    pub number: usize,
    /// The claim as typed.
    pub claim: String,
    /// The ways to compare.
    pub ops: Vec<Choice>,
    /// The texts as typed.
    pub values: String,
}

/// The rule as typed.
#[derive(Clone, Debug)]
pub struct RuleForm {
    /// Its name.
    pub name: String,
    /// Its conditions.
    pub conditions: Vec<ConditionRow>,
    /// Whether one row more may be asked for.
    pub may_add: bool,
    /// The groups to tick.
    pub groups: Vec<GroupChoice>,
}

/// What of a group and its roles the tester shows.
#[derive(Clone, Debug)]
pub struct TriedSide {
    /// Its id on the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The groups, and what each comes from.
    pub groups: Vec<(String, String)>,
    /// The roles.
    pub roles: Vec<String>,
}

/// What the tester came to.
#[derive(Clone, Debug)]
pub struct TriedView {
    /// Now, and then.
    pub sides: Vec<TriedSide>,
    /// What stands in the way, or may surprise.
    pub problems: Vec<String>,
}

/// What the tester is asked.
#[derive(Clone, Debug, Default)]
pub struct TesterForm {
    /// The claims as typed.
    pub claims: String,
    /// The people who came through lately.
    pub identities: Vec<Choice>,
    /// The mapping as typed, instead of the saved one.
    pub draft: String,
    /// Whether the saved one is tried as if it were on.
    pub switched_on: bool,
}

/// The tab "Mapping".
#[derive(Template)]
#[template(path = "provider_mapping.html")]
pub struct MappingPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: ProviderHead,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// Whether there is a sign-in, so that there can be a mapping.
    pub is_set_up: bool,
    /// Whether the person may change anything.
    pub may_change: bool,
    /// The tag of the mapping that the page shows.
    pub seen: String,
    /// Whether the mapping is on, as it is saved.
    pub is_on: bool,
    /// Whether it is on, as typed.
    pub on: bool,
    /// For how many hours a place lasts, as typed.
    pub life_hours: String,
    /// Whether somebody who is put nowhere is refused, as typed.
    pub require_match: bool,
    /// The rules.
    pub rules: Vec<RuleRow>,
    /// The provider's groups, a page of them.
    pub mapped: Vec<MappedRow>,
    /// How many there are in all.
    pub count: usize,
    /// The address of the first page of them.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
    /// The id of the provider's group as typed.
    pub external_id: String,
    /// What people call it there, as typed.
    pub label: String,
    /// The groups here.
    pub groups: Vec<Choice>,
    /// The rule as typed.
    pub rule: RuleForm,
    /// What the tester is asked.
    pub tester: TesterForm,
    /// What it came to.
    pub tried: Option<TriedView>,
}

/// A sign-in of the log.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Moment,
    /// What it came to.
    pub badge: Badge,
    /// The word of the log.
    pub outcome: String,
    /// Whose account it concerned; empty where that isn't known.
    pub person: String,
    /// That person's page; empty where it isn't to be opened.
    pub href: String,
    /// What the provider said: names, and values as far as they may be shown.
    pub claims: Vec<(String, String)>,
}

/// The tab "Sign-ins".
#[derive(Template)]
#[template(path = "provider_log.html")]
pub struct SignInsPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: ProviderHead,
    /// The sign-ins, the newest first.
    pub rows: Vec<LogRow>,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// What an act would do, before it is done.
#[derive(Template)]
#[template(path = "provider_review.html")]
pub struct ProviderReviewPage {
    /// The frame.
    pub shell: Shell,
    /// The heading, without its question mark.
    pub title: String,
    /// What is done, a line each.
    pub lines: Vec<String>,
    /// Who comes in past the connection from then on; `None` where that doesn't matter.
    pub break_glass: Option<Vec<String>>,
    /// What the act would do.
    pub impact: Impact,
    /// Where the form goes.
    pub action: String,
    /// Where the link back goes.
    pub back: String,
    /// The form's fields.
    pub fields: Vec<(String, String)>,
    /// What the button says.
    pub button: &'static str,
}
