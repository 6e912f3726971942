//! Mappings against a slow, obvious oracle, at their full size, and one mistake at a time.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::domain::scim::filter::tests::config;

fn claims(value: Value) -> Claims {
    let Value::Object(claims) = value else { panic!("an object") };
    claims
}

fn group(number: u128) -> GroupId {
    GroupId::from_u128(number)
}

fn set(numbers: &[u128]) -> BTreeSet<GroupId> {
    numbers.iter().copied().map(group).collect()
}

fn condition(claim: &str, op: Op, values: &[&str]) -> Condition {
    Condition { claim: claim.to_owned(), op, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn rule(name: &str, conditions: Vec<Condition>, groups: &[u128]) -> Rule {
    Rule { name: name.to_owned(), conditions, groups: set(groups) }
}

fn group_rule(external_id: &str, label: &str, here: u128) -> GroupRule {
    GroupRule { external_id: external_id.to_owned(), label: label.to_owned(), group: group(here) }
}

fn mapping(rules: Vec<Rule>, groups: Vec<GroupRule>) -> Mapping {
    Mapping { on: true, rules, groups, ..Mapping::default() }
}

fn placed(mapping: &Mapping, said: Value) -> Placed {
    mapping.evaluate(&claims(said), &ClaimNames::default())
}

/// Whether a single condition holds.
fn holds(op: Op, values: &[&str], said: Value) -> bool {
    let mapping = mapping(vec![rule("r", vec![condition("c", op, values)], &[1])], vec![]);
    !placed(&mapping, said).groups.is_empty()
}

#[test]
fn each_comparison_does_what_it_says() {
    /// How, with what, what holds, and what does not.
    type Case = (Op, &'static [&'static str], Vec<Value>, Vec<Value>);
    let cases: [Case; 8] = [
        (Op::Equals, &["Eng"], vec![json!("Eng"), json!(["x", "Eng"])], vec![json!("eng"), json!("Engine"), json!([])]),
        (Op::NotEquals, &["Eng"], vec![json!("eng"), json!([]), json!(null)], vec![json!("Eng"), json!(["x", "Eng"])]),
        (Op::EqualsIgnoreCase, &["ENG"], vec![json!("eNg"), json!(["x", "eng"])], vec![json!("engine"), json!([])]),
        (Op::NotEqualsIgnoreCase, &["ENG"], vec![json!("x"), json!([])], vec![json!("eNg"), json!(["x", "eng"])]),
        (Op::In, &["a", "b"], vec![json!("b"), json!(["x", "a"])], vec![json!("c"), json!("ab"), json!([])]),
        (Op::Contains, &["gin"], vec![json!("engine"), json!(["x", "gin"])], vec![json!("GIN"), json!(["g", "in"])]),
        (Op::Equals, &["true"], vec![json!(true), json!("true")], vec![json!(false), json!({ "true": true })]),
        (Op::Equals, &["7"], vec![json!(7), json!([7])], vec![json!(7.5), json!("07")]),
    ];
    for (op, values, true_of, false_of) in cases {
        for value in true_of {
            assert!(holds(op, values, json!({ "c": value })), "{op} {values:?} of {value}");
        }
        for value in false_of {
            assert!(!holds(op, values, json!({ "c": value })), "{op} {values:?} of {value}");
        }
    }
    assert!(holds(Op::NotEquals, &["x"], json!({})) && !holds(Op::Equals, &["x"], json!({})));
}

// N09 N10
#[test]
fn all_conditions_must_hold_and_every_way_into_a_group_is_told() {
    let both = vec![condition("dept", Op::Equals, &["eng"]), condition("site", Op::In, &["seoul", "busan"])];
    let mapping = mapping(
        vec![rule("Engineers here", both, &[1, 2]), rule("All", vec![condition("sub", Op::NotEquals, &["x"])], &[2])],
        vec![group_rule("0-1", "Platform", 2), group_rule("0-1", "Platform", 3), group_rule("0-2", "", 4)],
    );
    let said = json!({ "sub": "1", "dept": "eng", "site": "seoul", "groups": ["0-1", "0-2", "0-9", "0-1"] });
    let here = placed(&mapping, said);
    assert_eq!(here.groups, set(&[1, 2, 3, 4]));
    assert_eq!(here.why[&group(1)], ["Engineers here"]);
    assert_eq!(here.why[&group(2)], ["Engineers here", "All", "Platform"]);
    assert_eq!(here.why[&group(4)], ["0-2"]);
    let elsewhere = placed(&mapping, json!({ "sub": "1", "dept": "eng", "site": "tokyo", "groups": "0-2" }));
    assert_eq!(elsewhere.groups, set(&[2, 4]));
    assert_eq!(placed(&mapping, json!({ "sub": "x" })), Placed::default());
    assert_eq!(mapping.group_ids(), set(&[1, 2, 3, 4]));
}

#[test]
fn a_group_is_known_by_its_id_and_never_by_its_label() {
    let mapping = mapping(vec![], vec![group_rule("0-1", "Admins", 1)]);
    for said in [json!({ "groups": ["Admins"] }), json!({ "groups": ["0-1 "] }), json!({ "groups": [["0-1"]] })] {
        assert!(placed(&mapping, said).groups.is_empty());
    }
}

#[test]
fn a_mapping_that_is_off_puts_nobody_anywhere() {
    let mut mapping = mapping(vec![], vec![group_rule("0-1", "", 1)]);
    assert!(mapping.needs_groups(&ClaimNames::default()));
    mapping.on = false;
    assert_eq!(placed(&mapping, json!({ "groups": ["0-1"] })), Placed::default());
    assert!(!mapping.needs_groups(&ClaimNames::default()));
    assert_eq!(mapping.life(), 12 * HOUR);
}

#[test]
fn what_is_held_back_makes_no_condition_hold() {
    let not_admin = |claim: &str| mapping(vec![rule("r", vec![condition(claim, Op::NotEquals, &["x"])], &[1])], vec![]);
    let held_back = [
        ("groups", json!({ "_claim_names": { "groups": "src1" } })),
        ("groups", json!({ "hasgroups": true })),
        ("groups", json!({ "groups": ["a"], "hasgroups": true })),
        ("risk", json!({ "_left_out": ["risk"] })),
        ("risk.level", json!({ "_left_out": ["risk"] })),
        ("risk", json!({ "_left_out": true })),
        ("risk", json!({ "_claim_names": { "risk": "src1" } })),
        ("amr", json!({ "amr": ["pwd"] })),
    ];
    for (claim, said) in held_back {
        assert!(placed(&not_admin(claim), said.clone()).groups.is_empty(), "{claim} {said}");
    }
    assert_eq!(placed(&not_admin("risk"), json!({ "_left_out": ["other"] })).groups.len(), 1);
    let many: Vec<String> = (0..50_001).map(|n| n.to_string()).collect();
    let by_group = mapping(vec![], vec![group_rule("7", "", 1)]);
    assert!(placed(&by_group, json!({ "groups": many })).groups.is_empty());
    assert!(placed(&not_admin("groups"), json!({ "groups": many })).groups.is_empty());
    assert!(not_admin("groups").needs_groups(&ClaimNames::default()));
    assert!(!not_admin("risk").needs_groups(&ClaimNames::default()));
}

#[test]
fn fifty_thousand_groups_there_meet_two_thousand_here_and_every_rule() {
    let id = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let all: Vec<String> = (0..50_000).map(id).collect();
    let here = (0..2_000).map(|n| group_rule(&id(n * 50), "", n as u128)).collect();
    let rules = (0..200).map(|n| {
        let names = (0..100).map(|m| id(60_000 + n * 100 + m)).chain([id(n)]).skip(1).collect::<Vec<_>>();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut conditions = vec![condition("groups", Op::In, &names)];
        conditions.extend((0..8).map(|m| condition("groups", Op::NotEqualsIgnoreCase, &[&id(70_000 + m)])));
        rule(&format!("r{n}"), conditions, &[3_000 + n as u128])
    });
    let mapping = mapping(rules.collect(), here);
    assert_eq!(mapping.check(), Ok(()));
    let said = claims(json!({ "groups": all }));
    let placed = mapping.evaluate(&said, &ClaimNames::default());
    // 1,000 of the 2,000 are among the 50,000, and each rule names one that is.
    assert_eq!(placed.groups.len(), 1_000 + 200);
    assert!(placed.groups.contains(&group(999)) && !placed.groups.contains(&group(1_000)));
    // Were each rule to look at each group, this would take minutes.
    for _ in 0..5 {
        assert_eq!(mapping.evaluate(&said, &ClaimNames::default()).groups.len(), 1_200);
    }
}

#[test]
fn a_mapping_is_checked_one_mistake_at_a_time() {
    let good = mapping(
        vec![rule("Eng", vec![condition("realm_access.roles", Op::Equals, &["eng"])], &[1])],
        vec![group_rule("0-1", "Platform", 1), group_rule("0-1", "", 2)],
    );
    assert_eq!(good.check(), Ok(()));
    assert_eq!(Mapping::default().check(), Ok(()));
    let spoilt = |field: &str, spoil: &dyn Fn(&mut Mapping)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        let unfit = bad.check().expect_err(field);
        assert_eq!(unfit.field, field);
        assert!(!unfit.reason.is_empty());
    };
    spoilt("life_hours", &|m| m.life_hours = 0);
    spoilt("life_hours", &|m| m.life_hours = 721);
    spoilt("rules", &|m| m.rules = (0..201).map(|n| Rule { name: n.to_string(), ..m.rules[0].clone() }).collect());
    spoilt("groups", &|m| m.groups = (0..2_001).map(|n| group_rule(&n.to_string(), "", 1)).collect());
    spoilt("groups", &|m| m.groups.push(group_rule("0-1", "again", 1)));
    spoilt("require_match", &|m| *m = Mapping { on: true, require_match: true, ..Mapping::default() });
    spoilt("rules.name", &|m| m.rules[0].name.clear());
    spoilt("rules.name", &|m| m.rules[0].name = "x".repeat(101));
    spoilt("rules.name", &|m| m.rules[0].name = "a\u{202e}b".to_owned());
    spoilt("rules.name", &|m| m.rules.push(Rule { name: " eng".to_owned(), ..m.rules[0].clone() }));
    spoilt("rules.groups", &|m| m.rules[0].groups.clear());
    spoilt("rules.groups", &|m| m.rules[0].groups = (0..21).map(group).collect());
    spoilt("rules.conditions", &|m| m.rules[0].conditions.clear());
    spoilt("rules.conditions", &|m| m.rules[0].conditions = vec![m.rules[0].conditions[0].clone(); 11]);
    spoilt("rules.conditions", &|m| {
        let contains = rule("c", vec![condition("a", Op::Contains, &["x"]); 10], &[1]);
        m.rules = (0..11).map(|n| Rule { name: n.to_string(), ..contains.clone() }).collect();
    });
    for bad in ["", "a..b", ".a", "amr", "acr", "nonce", "picture", "address.country", &"x".repeat(201)] {
        spoilt("rules.conditions.claim", &|m| m.rules[0].conditions[0].claim = bad.to_owned());
    }
    let values = |values: Vec<String>| move |m: &mut Mapping| m.rules[0].conditions[0].values.clone_from(&values);
    let two = vec!["a".to_owned(), "b".to_owned()];
    for bad in [vec![], two.clone(), vec![String::new()], vec!["x".repeat(501)], vec!["a\0".to_owned()]] {
        spoilt("rules.conditions.values", &values(bad));
    }
    spoilt("rules.conditions.values", &|m| {
        m.rules[0].conditions[0].op = Op::In;
        m.rules[0].conditions[0].values = (0..101).map(|n| n.to_string()).collect();
    });
    for bad in ["", " ", "a\nb", &"x".repeat(501)] {
        spoilt("groups.external_id", &|m| m.groups[0].external_id = bad.to_owned());
    }
    spoilt("groups.label", &|m| m.groups[0].label = "x".repeat(201));
    let mut many = good.clone();
    many.rules[0].conditions[0] = Condition { op: Op::In, values: two, ..many.rules[0].conditions[0].clone() };
    assert_eq!(many.check(), Ok(()));
}

#[test]
fn words_read_back_and_unknown_ones_are_refused() {
    for op in Op::ALL {
        assert_eq!(op.as_str().parse(), Ok(*op));
        assert_eq!(serde_json::to_value(op).unwrap(), op.as_str());
    }
    assert!(serde_json::from_value::<Mapping>(json!({ "on": true, "ruels": [] })).is_err());
    let read: Mapping = serde_json::from_value(json!({ "on": true })).unwrap();
    assert_eq!(read, mapping(vec![], vec![]));
}

/// What the mapping says, read word by word.
fn oracle(mapping: &Mapping, said: &Claims) -> BTreeMap<GroupId, Vec<String>> {
    let mut why: BTreeMap<GroupId, Vec<String>> = BTreeMap::new();
    for rule in &mapping.rules {
        if rule.conditions.iter().all(|condition| oracle_holds(condition, said)) {
            for group in &rule.groups {
                why.entry(group.clone()).or_default().push(rule.name.clone());
            }
        }
    }
    for rule in &mapping.groups {
        let listed = match said.get("groups") {
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
            None => vec![],
        };
        if listed.contains(&json!(rule.external_id)) {
            why.entry(rule.group.clone()).or_default().push(rule.label.clone());
        }
    }
    why
}

fn oracle_holds(condition: &Condition, said: &Claims) -> bool {
    let (held, wanted) = (oracle_values(said, &condition.claim), &condition.values);
    let any = |fits: &dyn Fn(&str, &str) -> bool| held.iter().any(|one| wanted.iter().any(|text| fits(one, text)));
    match condition.op {
        Op::Equals | Op::In => any(&|one, text| one == text),
        Op::NotEquals => !any(&|one, text| one == text),
        Op::EqualsIgnoreCase => any(&|one, text| one.to_lowercase() == text.to_lowercase()),
        Op::NotEqualsIgnoreCase => !any(&|one, text| one.to_lowercase() == text.to_lowercase()),
        Op::Contains => any(&|one, text| one.contains(text)),
    }
}

/// The random claims hold texts, numbers, and lists of them, and objects one level deep.
fn oracle_values(said: &Claims, name: &str) -> Vec<String> {
    let found = match name.split_once('.') {
        Some((outer, inner)) => said.get(outer).and_then(|outer| outer.get(inner)),
        None => said.get(name),
    };
    let one = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        _ => vec![],
    };
    match found {
        Some(Value::Array(list)) => list.iter().flat_map(one).collect(),
        Some(value) => one(value),
        None => vec![],
    }
}

const TEXTS: [&str; 7] = ["a", "A", "ab", "Äb", "äB", "7", "b"];
const NAMES: [&str; 4] = ["groups", "dept", "realm.roles", "none"];

fn some_text() -> impl Strategy<Value = String> {
    select(TEXTS.to_vec()).prop_map(str::to_owned)
}

fn some_claims() -> impl Strategy<Value = Claims> {
    let value = prop_oneof![
        some_text().prop_map(Value::from),
        vec(some_text(), 0..4).prop_map(Value::from),
        Just(json!(7)),
        Just(json!(["a", 7, null])),
    ];
    let named = (select(vec!["groups", "dept", "realm"]), value, any::<bool>());
    vec(named, 0..4).prop_map(|all| {
        let inside = |name: &str, value: Value| if name == "realm" { json!({ "roles": value }) } else { value };
        all.into_iter()
            .filter(|(.., there)| *there)
            .map(|(name, value, _)| (name.to_owned(), inside(name, value)))
            .collect::<Claims>()
    })
}

fn some_mapping() -> impl Strategy<Value = Mapping> {
    let condition =
        (select(NAMES.to_vec()), select(Op::ALL.to_vec()), vec(some_text(), 1..4)).prop_map(|(claim, op, values)| {
            Condition {
                claim: claim.to_owned(),
                values: if op == Op::In { values } else { values.into_iter().take(1).collect() },
                op,
            }
        });
    let rules = vec((vec(condition, 1..4), vec(0..6_u128, 1..4)), 0..6);
    let groups = vec((some_text(), 0..6_u128), 0..6);
    (rules, groups).prop_map(|(rules, groups)| {
        let rules = rules.into_iter().enumerate();
        let rules = rules.map(|(n, (conditions, groups))| rule(&format!("r{n}"), conditions, &groups)).collect();
        let groups = groups.into_iter().enumerate();
        mapping(rules, groups.map(|(n, (id, here))| group_rule(&id, &format!("g{n}"), here)).collect())
    })
}

proptest! {
    #![proptest_config(config())]

    // N10
    #[test]
    fn people_are_put_where_the_oracle_says(mapping in some_mapping(), said in some_claims()) {
        let placed = mapping.evaluate(&said, &ClaimNames::default());
        prop_assert_eq!(&placed.why, &oracle(&mapping, &said));
        prop_assert!(placed.groups.iter().eq(placed.why.keys()));
        prop_assert!(placed.groups.is_subset(&mapping.group_ids()));
    }

    #[test]
    fn what_is_kept_is_judged_as_what_was_said(mapping in some_mapping(), said in some_claims()) {
        let names = ClaimNames::default();
        let kept = crate::domain::federation::claims::kept(said.clone(), &names, &mapping, None);
        prop_assert_eq!(mapping.evaluate(&kept, &names), mapping.evaluate(&said, &names));
    }
}
