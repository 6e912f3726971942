//! The rules by which a connection's people come into groups: conditions on claims, and the provider's groups by their
//! immutable id.
//!
//! # Why
//! Everything is asked of sets that are made once for each claim, so that 2,000 groups here against 50,000 there take
//! one look each. A condition on a claim that is held back holds for nobody, whatever it asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::claims::{Groups, groups, is_hidden, is_withheld, values};
use super::settings::{ClaimNames, Unfit, check_claim_name};
use super::{Claims, UnknownWord, words};
use crate::kernel::fold;
use crate::kernel::id::GroupId;
use crate::kernel::time::HOUR;

/// So many rules a mapping has at most.
pub const MOST_RULES: usize = 200;
/// So many groups of the provider it names at most.
pub const MOST_GROUP_RULES: usize = 2_000;
/// So many conditions a rule has at most.
pub const MOST_CONDITIONS: usize = 10;
/// So many texts `in` takes.
pub const MOST_VALUES: usize = 100;
/// So many groups a rule gives.
pub const MOST_GROUPS_OF_RULE: usize = 20;
/// So many conditions of a mapping may look inside texts: each reads every value of its claim.
pub const MOST_CONTAINS: usize = 100;

const LONGEST_RULE_NAME: usize = 100;
const LONGEST_LABEL: usize = 200;
const LONGEST_VALUE: usize = 500;

words! {
    /// How a condition compares.
    Op {
        /// The claim, or one of its values, is the text.
        Equals = "equals",
        /// It is not, or it isn't there.
        NotEquals = "not_equals",
        /// As `equals`, without regard to case.
        EqualsIgnoreCase = "equals_ignore_case",
        /// As `not_equals`, without regard to case.
        NotEqualsIgnoreCase = "not_equals_ignore_case",
        /// The claim, or one of its values, is one of the texts.
        In = "in",
        /// The claim, or one of its values, has the text in it.
        Contains = "contains",
    }
}

/// One condition on a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The claim's name, as in [`super::settings::ClaimNames`].
    pub claim: String,
    /// How it is compared.
    pub op: Op,
    /// With what: one text, but for `in`, which takes up to 100.
    pub values: Vec<String>,
}

/// A rule: where all conditions hold, the person is in the groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it: 1 to 100 characters, unique in the mapping.
    pub name: String,
    /// All of them must hold: 1 to 10.
    pub conditions: Vec<Condition>,
    /// The groups here: 1 to 20.
    pub groups: BTreeSet<GroupId>,
}

/// A group of the provider, and the group here that its people are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// The group's immutable id, as it stands in the groups claim.
    pub external_id: String,
    /// What people call it upstream; for reading alone.
    #[serde(default)]
    pub label: String,
    /// The group here.
    pub group: GroupId,
}

/// The whole mapping of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Whether it is on. Off, people keep the groups that an administrator gives them, and mapped places are taken away.
    pub on: bool,
    /// For how many hours a place in a group lasts after a sign-in: 1 to 720.
    pub life_hours: u32,
    /// Whether somebody whom nothing puts anywhere is refused.
    pub require_match: bool,
    /// Rules: at most 200.
    pub rules: Vec<Rule>,
    /// Groups: at most 2,000.
    pub groups: Vec<GroupRule>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self { on: false, life_hours: 12, require_match: false, rules: Vec::new(), groups: Vec::new() }
    }
}

/// Where a mapping puts somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The groups here.
    pub groups: BTreeSet<GroupId>,
    /// Of each, why: the names of rules, and the labels of the provider's groups, in the mapping's order.
    pub why: BTreeMap<GroupId, Vec<String>>,
}

impl Placed {
    fn put(&mut self, group: &GroupId, why: &str) {
        self.groups.insert(group.clone());
        self.why.entry(group.clone()).or_default().push(why.to_owned());
    }
}

impl Mapping {
    /// How long a place lasts after a sign-in, in milliseconds.
    #[must_use]
    pub fn life(&self) -> i64 {
        i64::from(self.life_hours) * HOUR
    }

    /// The groups here that it names.
    #[must_use]
    pub fn group_ids(&self) -> BTreeSet<GroupId> {
        let of_rules = self.rules.iter().flat_map(|rule| &rule.groups);
        of_rules.chain(self.groups.iter().map(|rule| &rule.group)).cloned().collect()
    }

    /// The claims that its rules ask for; that of the groups only if a rule names it.
    #[must_use]
    pub fn claim_names(&self) -> BTreeSet<&str> {
        self.rules.iter().flat_map(|rule| &rule.conditions).map(|condition| condition.claim.as_str()).collect()
    }

    /// Whether it can't do without the provider's groups.
    #[must_use]
    pub fn needs_groups(&self, names: &ClaimNames) -> bool {
        self.on && (!self.groups.is_empty() || self.claim_names().contains(names.groups.as_str()))
    }

    /// Where it puts somebody of whom this is said: nowhere while it is off.
    #[must_use]
    pub fn evaluate(&self, claims: &Claims, names: &ClaimNames) -> Placed {
        let mut placed = Placed::default();
        if !self.on {
            return placed;
        }
        let mut asked = Asked { claims, names, seen: HashMap::new() };
        for rule in &self.rules {
            // A rule without conditions can't be saved; it would hold for everybody.
            if !rule.conditions.is_empty() && rule.conditions.iter().all(|condition| asked.holds(condition)) {
                for group in &rule.groups {
                    placed.put(group, &rule.name);
                }
            }
        }
        let listed: HashSet<&str> = match groups(claims, names) {
            Groups::Listed(listed) => listed.into_iter().collect(),
            Groups::Overage => HashSet::new(),
        };
        for rule in self.groups.iter().filter(|rule| listed.contains(rule.external_id.as_str())) {
            placed.put(&rule.group, if rule.label.is_empty() { &rule.external_id } else { &rule.label });
        }
        placed
    }

    /// What can't be meant so, the first of it. Whether its groups are there, and may be named, is for others to say.
    ///
    /// # Errors
    /// [`Unfit`]: the field, and what to do.
    pub fn check(&self) -> Result<(), Unfit> {
        if !(1..=720).contains(&self.life_hours) {
            return unfit("life_hours", "Use 1 to 720 hours.");
        }
        if self.rules.len() > MOST_RULES {
            return unfit("rules", format!("Write at most {MOST_RULES} rules."));
        }
        if self.groups.len() > MOST_GROUP_RULES {
            return unfit("groups", format!("Name at most {MOST_GROUP_RULES} groups."));
        }
        if self.on && self.require_match && self.rules.is_empty() && self.groups.is_empty() {
            return unfit("require_match", "Nothing is mapped, so nobody could come in. Map a group first.");
        }
        let mut named = HashSet::new();
        for rule in &self.rules {
            rule.check()?;
            if !named.insert(fold::key(&rule.name)) {
                return unfit("rules.name", format!("{:?} stands there twice.", rule.name));
            }
        }
        let conditions = self.rules.iter().flat_map(|rule| &rule.conditions);
        if conditions.filter(|condition| condition.op == Op::Contains).count() > MOST_CONTAINS {
            return unfit("rules.conditions", format!("Use \"contains\" at most {MOST_CONTAINS} times."));
        }
        let mut pairs = HashSet::new();
        for rule in &self.groups {
            rule.check()?;
            if !pairs.insert((&rule.external_id, &rule.group)) {
                return unfit("groups", format!("{:?} leads to the same group twice.", rule.external_id));
            }
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self) -> Result<(), Unfit> {
        if !is_line(&self.name, LONGEST_RULE_NAME) {
            return unfit("rules.name", format!("A rule's name has 1 to {LONGEST_RULE_NAME} characters."));
        }
        if !(1..=MOST_CONDITIONS).contains(&self.conditions.len()) {
            return unfit("rules.conditions", format!("A rule has 1 to {MOST_CONDITIONS} conditions."));
        }
        if !(1..=MOST_GROUPS_OF_RULE).contains(&self.groups.len()) {
            return unfit("rules.groups", format!("A rule gives 1 to {MOST_GROUPS_OF_RULE} groups."));
        }
        self.conditions.iter().try_for_each(Condition::check)
    }
}

impl Condition {
    fn check(&self) -> Result<(), Unfit> {
        check_claim_name("rules.conditions.claim", &self.claim)?;
        let most = match self.op {
            Op::In => MOST_VALUES,
            Op::Equals | Op::NotEquals | Op::EqualsIgnoreCase | Op::NotEqualsIgnoreCase | Op::Contains => 1,
        };
        if !(1..=most).contains(&self.values.len()) {
            return unfit("rules.conditions.values", format!("{:?} takes 1 to {most} texts.", self.op.as_str()));
        }
        let fits = |text: &String| (1..=LONGEST_VALUE).contains(&text.chars().count()) && !text.contains('\0');
        if !self.values.iter().all(fits) {
            return unfit("rules.conditions.values", format!("A text has 1 to {LONGEST_VALUE} characters."));
        }
        Ok(())
    }
}

impl GroupRule {
    fn check(&self) -> Result<(), Unfit> {
        if !is_line(&self.external_id, LONGEST_VALUE) {
            return unfit("groups.external_id", format!("A group's id has 1 to {LONGEST_VALUE} characters."));
        }
        if !self.label.is_empty() && !is_line(&self.label, LONGEST_LABEL) {
            return unfit("groups.label", format!("A label has at most {LONGEST_LABEL} characters."));
        }
        Ok(())
    }
}

fn unfit(field: &'static str, reason: impl Into<String>) -> Result<(), Unfit> {
    Err(Unfit { field, reason: reason.into() })
}

/// Whether a text is one visible line of at most so many characters.
fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(is_hidden)
}

/// The values of one claim, made ready to be compared.
struct Seen<'c> {
    values: HashSet<Cow<'c, str>>,
    /// Without regard to case; made when it is first asked for.
    folded: Option<HashSet<String>>,
}

/// The claims that rules have asked for so far; `None` is one that is held back.
struct Asked<'c> {
    claims: &'c Claims,
    names: &'c ClaimNames,
    seen: HashMap<&'c str, Option<Seen<'c>>>,
}

impl<'c> Asked<'c> {
    fn holds(&mut self, condition: &'c Condition) -> bool {
        let (claims, names, name) = (self.claims, self.names, condition.claim.as_str());
        let seen = self.seen.entry(name).or_insert_with(|| {
            let withheld =
                is_withheld(claims, name) || (name == names.groups && groups(claims, names) == Groups::Overage);
            (!withheld).then(|| Seen { values: values(claims, name).into_iter().collect(), folded: None })
        });
        seen.as_mut().is_some_and(|seen| seen.fits(condition))
    }
}

impl Seen<'_> {
    fn fits(&mut self, condition: &Condition) -> bool {
        let mut texts = condition.values.iter();
        match condition.op {
            Op::Equals | Op::In => texts.any(|text| self.values.contains(text.as_str())),
            Op::NotEquals => !texts.any(|text| self.values.contains(text.as_str())),
            Op::EqualsIgnoreCase => texts.any(|text| self.folded().contains(&text.to_lowercase())),
            Op::NotEqualsIgnoreCase => !texts.any(|text| self.folded().contains(&text.to_lowercase())),
            Op::Contains => texts.any(|text| self.values.iter().any(|value| value.contains(text.as_str()))),
        }
    }

    fn folded(&mut self) -> &HashSet<String> {
        self.folded.get_or_insert_with(|| self.values.iter().map(|value| value.to_lowercase()).collect())
    }
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
