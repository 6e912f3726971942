//! A mapping as forms: how it is applied, one group of the provider more, one rule more, and some of them fewer.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::federation::Mapping;
use crate::domain::federation::mapping::{Condition, GroupRule, MOST_CONDITIONS, Op, Rule};
use crate::domain::federation::settings::Unfit;
use crate::kernel::id::GroupId;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::wording::sentence;
use crate::web::pages::view::admin::{Choice, Errors, GroupChoice};
use crate::web::pages::view::identity_providers::{ConditionRow, RuleForm};

/// So many conditions are offered at least.
const FEWEST_ROWS: usize = 2;

/// What groups are called, by id.
pub type Names = BTreeMap<GroupId, String>;

/// The field that a word of the domain's, or of the door's, is about.
pub fn field(word: &str) -> &'static str {
    match word {
        "life_hours" => "life_hours",
        "require_match" => "require_match",
        "rules" | "rules.name" => "rule_name",
        "rules.conditions" | "rules.conditions.claim" | "rules.conditions.values" => "conditions",
        "rules.groups" => "rule_groups",
        "groups.label" => "label",
        _ => "external_id",
    }
}

fn checked(mapping: Mapping) -> Result<Mapping, Errors> {
    match mapping.check() {
        Ok(()) => Ok(mapping),
        Err(Unfit { field: word, reason }) => Err(Errors::one(field(word), sentence(&reason))),
    }
}

/// The mapping with what was typed of how it is applied.
///
/// # Errors
/// What can't be meant so.
pub fn applied(form: &Form, before: &Mapping) -> Result<Mapping, Errors> {
    let hours = form.text("life_hours").parse::<u32>();
    let life_hours = hours.map_err(|_| Errors::one("life_hours", "Use 1 to 720 hours."))?;
    checked(Mapping {
        on: form.has("on"),
        life_hours,
        require_match: form.has("require_match"),
        rules: before.rules.clone(),
        groups: before.groups.clone(),
    })
}

/// The mapping with a group of the provider more.
///
/// # Errors
/// What can't be meant so.
pub fn with_group(form: &Form, before: &Mapping) -> Result<Mapping, Errors> {
    let group = form.sent("group").parse::<GroupId>();
    let group = group.map_err(|_| Errors::one("group", "Choose the group here."))?;
    let rule =
        GroupRule { external_id: form.text("external_id").to_owned(), label: form.text("label").to_owned(), group };
    let mut wanted = before.clone();
    wanted.groups.push(rule);
    checked(wanted)
}

/// The mapping with a rule more. A condition of which nothing was typed is none.
///
/// # Errors
/// What can't be meant so.
pub fn with_rule(form: &Form, before: &Mapping) -> Result<Mapping, Errors> {
    let mut conditions = Vec::new();
    for (claim, op, values) in typed(form) {
        if claim.is_empty() && values.trim().is_empty() {
            continue;
        }
        let op = op.parse::<Op>().map_err(|_| Errors::one("conditions", "Choose how each claim is compared."))?;
        let values: Vec<String> = match op {
            Op::In => values.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            Op::Equals | Op::NotEquals | Op::EqualsIgnoreCase | Op::NotEqualsIgnoreCase | Op::Contains => {
                vec![values.trim().to_owned()]
            }
        };
        conditions.push(Condition { claim: claim.to_owned(), op, values });
    }
    let groups: Option<BTreeSet<GroupId>> = form.all("rule_group").map(|id| id.parse().ok()).collect();
    let groups = groups.ok_or_else(|| Errors::one("rule_groups", "Tick the groups."))?;
    let mut wanted = before.clone();
    wanted.rules.push(Rule { name: form.text("rule_name").to_owned(), conditions, groups });
    checked(wanted)
}

/// The conditions as they were typed: claim, comparison, texts.
fn typed(form: &Form) -> impl Iterator<Item = (&str, &str, &str)> {
    let compared = form.all("op").zip(form.all("values"));
    form.all("claim").map(str::trim).zip(compared).map(|(claim, (op, values))| (claim, op, values))
}

/// What a form takes out of a mapping.
pub struct Without {
    /// What is left.
    pub mapping: Mapping,
    /// What is taken, a line each.
    pub lines: Vec<String>,
    /// The groups here that it led to.
    pub groups: BTreeSet<GroupId>,
}

/// The mapping without what was ticked, by its place in it.
#[must_use]
pub fn without(form: &Form, before: &Mapping, names: &Names) -> Without {
    let ticked = |name: &str| form.all(name).filter_map(|place| place.parse().ok()).collect::<BTreeSet<usize>>();
    let (rules, groups) = (ticked("rule"), ticked("mapped"));
    let (mut lines, mut led_to) = (Vec::new(), BTreeSet::new());
    let mut mapping = Mapping { rules: Vec::new(), groups: Vec::new(), ..before.clone() };
    for (place, rule) in before.groups.iter().enumerate() {
        if groups.contains(&place) {
            let there = if rule.label.is_empty() { &rule.external_id } else { &rule.label };
            lines.push(format!("{there} no longer leads to {}", called(names, &rule.group)));
            led_to.insert(rule.group.clone());
        } else {
            mapping.groups.push(rule.clone());
        }
    }
    for (place, rule) in before.rules.iter().enumerate() {
        if rules.contains(&place) {
            let here: Vec<String> = rule.groups.iter().map(|group| called(names, group)).collect();
            lines.push(format!("The rule \"{}\" no longer leads to {}", rule.name, here.join(", ")));
            led_to.extend(rule.groups.iter().cloned());
        } else {
            mapping.rules.push(rule.clone());
        }
    }
    Without { mapping, lines, groups: led_to }
}

/// What a group is called; one that is gone, or that the reader isn't told of, by its id.
#[must_use]
pub fn called(names: &Names, group: &GroupId) -> String {
    names.get(group).cloned().unwrap_or_else(|| group.to_string())
}

/// A condition in words.
#[must_use]
pub fn in_words(condition: &Condition) -> String {
    format!("{} {} {}", condition.claim, word(condition.op), condition.values.join(", "))
}

const fn word(op: Op) -> &'static str {
    match op {
        Op::Equals => "is",
        Op::NotEquals => "is not",
        Op::EqualsIgnoreCase => "is (any case)",
        Op::NotEqualsIgnoreCase => "is not (any case)",
        Op::In => "is one of",
        Op::Contains => "contains",
    }
}

/// The form for a rule, with what was typed; `add_row` for one condition more than it had.
#[must_use]
pub fn rule(form: &Form, groups: &[(GroupId, String)], add_row: bool) -> RuleForm {
    let rows: Vec<(&str, &str, &str)> = typed(form).take(MOST_CONDITIONS).collect();
    let count = (rows.len() + usize::from(add_row)).clamp(FEWEST_ROWS, MOST_CONDITIONS);
    let condition = |number: usize| {
        let (claim, op, values) = rows.get(number - 1).copied().unwrap_or_default();
        let choice = |one: &Op| Choice {
            value: one.as_str().to_owned(),
            label: word(*one).to_owned(),
            chosen: one.as_str() == op,
        };
        let ops = Op::ALL.iter().map(choice).collect();
        ConditionRow { number, claim: claim.to_owned(), ops, values: values.to_owned() }
    };
    let ticked: BTreeSet<&str> = form.all("rule_group").collect();
    let choice = |(id, name): &(GroupId, String)| GroupChoice {
        id: id.to_string(),
        name: name.clone(),
        description: String::new(),
        chosen: ticked.contains(id.as_str()),
    };
    RuleForm {
        name: form.sent("rule_name").to_owned(),
        conditions: (1..=count).map(condition).collect(),
        may_add: count < MOST_CONDITIONS,
        groups: groups.iter().map(choice).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    fn two() -> Mapping {
        let rule = |external_id: &str, number| GroupRule {
            external_id: external_id.to_owned(),
            label: String::new(),
            group: GroupId::from_u128(number),
        };
        Mapping { on: true, groups: vec![rule("a", 1), rule("b", 2)], ..Mapping::default() }
    }

    #[test]
    fn a_rule_is_made_of_the_conditions_that_were_typed() {
        let group = GroupId::from_u128(1);
        let text = format!(
            "rule_name=Staff&claim=department&op=in&values=a%0D%0A+b%0D%0A&claim=&op=equals&values=&claim=contract\
             &op=not_equals&values=external&rule_group={group}"
        );
        let made = with_rule(&form(&text), &Mapping::default()).unwrap();
        let rule = &made.rules[0];
        assert_eq!((rule.name.as_str(), rule.conditions.len(), rule.groups.len()), ("Staff", 2, 1));
        assert_eq!(in_words(&rule.conditions[0]), "department is one of a, b");
        assert_eq!(in_words(&rule.conditions[1]), "contract is not external");
    }

    #[test]
    fn what_cannot_be_meant_so_is_said_at_its_field() {
        let at = |wrong: Result<Mapping, Errors>| wrong.unwrap_err().list()[0].field.clone();
        let empty = Mapping::default();
        assert_eq!(at(with_group(&form("external_id=a"), &empty)), "group");
        let group = GroupId::from_u128(1);
        assert_eq!(at(with_group(&form(&format!("group={group}")), &empty)), "external_id");
        assert_eq!(at(with_rule(&form("rule_name=a"), &empty)), "conditions");
        assert_eq!(at(with_rule(&form("rule_name=a&claim=b&op=equals&values=c"), &empty)), "rule_groups");
        assert_eq!(at(with_rule(&form("rule_name=a&claim=b&op=like&values=c"), &empty)), "conditions");
        assert_eq!(at(applied(&form("life_hours=0"), &empty)), "life_hours");
        assert_eq!(at(applied(&form("life_hours=12&on=1&require_match=1"), &empty)), "require_match");
    }

    #[test]
    fn what_is_taken_out_is_named_by_its_place_and_the_rest_stays() {
        let names = Names::from([(GroupId::from_u128(2), "Devs".to_owned())]);
        let left = without(&form("mapped=1&mapped=9&rule=0"), &two(), &names);
        assert_eq!(left.mapping.groups, two().groups[..1]);
        assert_eq!((left.lines, left.groups.len()), (vec!["b no longer leads to Devs".to_owned()], 1));
        assert!(left.mapping.on);
    }

    #[test]
    fn a_form_keeps_what_was_typed_and_offers_a_row_more() {
        let typed = form("claim=a&op=in&values=x&claim=b&op=equals&values=y");
        let shown = rule(&typed, &[(GroupId::from_u128(1), "Devs".to_owned())], true);
        assert_eq!((shown.conditions.len(), shown.may_add, shown.groups.len()), (3, true, 1));
        assert!(shown.conditions[0].ops.iter().any(|op| op.chosen && op.value == "in"));
        assert_eq!(rule(&Form::default(), &[], false).conditions.len(), FEWEST_ROWS);
    }
}
