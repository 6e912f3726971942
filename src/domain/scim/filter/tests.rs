//! Filters as clients write them, as nobody should, and at random.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::Number;

use super::{Filter, Literal, MOST_BYTES, MOST_DEPTH, MOST_TERMS, Op, parse_filter};
use crate::domain::scim::error::ScimType;
use crate::domain::scim::path::{AttrPath, parse_attr, parse_path};
use crate::domain::scim::schema::{ENTERPRISE_URN, USER_URN};

/// Fixed unless `PROPTEST_RNG_SEED` says otherwise, so that a failure is met again by whoever runs the test next.
pub fn config() -> ProptestConfig {
    let given = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    match given.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(20_265), ..given },
        RngSeed::Fixed(_) => given,
    }
}

/// Texts that the random resources have, too, in one case or another.
pub const TEXTS: [&str; 20] = [
    "usr_1",
    "usr_2",
    "ana",
    "Ana",
    "ANA ",
    "bob",
    "e1",
    "E1",
    "a@x",
    "A@X",
    "b@x",
    "work",
    "Work",
    "home",
    "eng",
    "Eng ",
    "True",
    "",
    "2026-01-01T00:00:01Z",
    "2026-01-01T02:00:01.5000001+02:00",
];

fn attr(name: &str) -> AttrPath {
    parse_attr(name).unwrap()
}

fn names() -> impl Strategy<Value = AttrPath> {
    let of_user = format!("{USER_URN}:USERNAME");
    let names = [
        "id",
        "userName",
        &of_user,
        "externalId",
        "displayName",
        "title",
        "active",
        "emails",
        "emails.value",
        "emails.type",
        "emails.primary",
        "members",
        "MEMBERS.VALUE",
        "groups",
        "meta.lastModified",
        "name",
        "manager",
        "nope",
        "password",
        ENTERPRISE_URN,
        "urn:example:1.0:Thing:size.unit",
    ];
    select(names.map(attr).to_vec())
}

fn parts() -> impl Strategy<Value = AttrPath> {
    select(["value", "VALUE", "type", "primary", "display", "$ref"].map(attr).to_vec())
}

fn literals() -> impl Strategy<Value = Literal> {
    let strange =
        proptest::collection::vec(any::<char>(), 0..6).prop_map(|all| Literal::Text(all.into_iter().collect()));
    prop_oneof![
        12 => select(TEXTS.to_vec()).prop_map(|text| Literal::Text(text.to_owned())),
        1 => strange,
        1 => any::<i64>().prop_map(|number| Literal::Number(number.into())),
        1 => any::<i32>().prop_map(|n| Literal::Number(Number::from_f64(f64::from(n) / 2.0).unwrap())),
        1 => any::<bool>().prop_map(Literal::Bool),
        1 => Just(Literal::Null),
    ]
}

/// Mostly `eq`, so that something is found; `null` is compared with by `eq` and `ne` alone.
fn endings() -> impl Strategy<Value = (Op, Literal)> {
    let op = prop_oneof![3 => Just(Op::Eq), 2 => select(Op::ALL.to_vec())];
    (op, literals()).prop_map(|(op, literal)| match (op, &literal) {
        (Op::Eq | Op::Ne, _) => (op, literal),
        (_, Literal::Null) => (Op::Eq, literal),
        _ => (op, literal),
    })
}

fn terms(names: impl Strategy<Value = AttrPath> + Clone + 'static) -> impl Strategy<Value = Filter> {
    prop_oneof![
        6 => (names.clone(), endings()).prop_map(|(name, (op, literal))| Filter::Compare(name, op, literal)),
        1 => names.prop_map(Filter::Present),
    ]
}

fn joined(leaf: impl Strategy<Value = Filter> + 'static, depth: u32, most: usize) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(depth, 8, 3, move |inner| {
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 2..=most).prop_map(Filter::And),
            2 => proptest::collection::vec(inner.clone(), 2..=most).prop_map(Filter::Or),
            1 => inner.prop_map(|one| Filter::Not(Box::new(one))),
        ]
    })
}

fn elements() -> impl Strategy<Value = Filter> {
    let attrs = select(["emails", "Members", "groups", "phoneNumbers", "name", "schemas", "nope"].map(attr).to_vec());
    let rest = (select(vec!["value", "type", "primary", "nope"]), proptest::option::weighted(0.8, endings()))
        .prop_map(|(sub, ending)| (sub.to_owned(), ending));
    (attrs, joined(terms(select(["value", "type"].map(attr).to_vec())), 1, 2), proptest::option::of(rest))
        .prop_map(|(attr, filter, rest)| Filter::Element { attr, filter: Box::new(filter), rest })
}

/// Filters that the grammar can write, of attributes that there are and of some that there aren't.
pub fn filters() -> impl Strategy<Value = Filter> {
    let odd = joined(terms(parts().boxed()), 1, 2);
    joined(prop_oneof![8 => terms(names().boxed()), 4 => elements(), 1 => odd], 2, 3)
}

fn compare(name: &str, op: Op, literal: Literal) -> Filter {
    Filter::Compare(attr(name), op, literal)
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn refusal(filter: &str) -> String {
    let error = parse_filter(filter).unwrap_err();
    assert_eq!((error.status, error.kind), (400, Some(ScimType::InvalidFilter)), "{filter}");
    error.detail
}

#[test]
fn filters_are_read_as_clients_write_them() {
    let cases = [
        (r#"userName eq "bjensen""#, compare("userName", Op::Eq, text("bjensen"))),
        (r#"  DisplayName  EQ  "x"  "#, compare("DisplayName", Op::Eq, text("x"))),
        ("userName sw O", compare("userName", Op::Sw, text("O"))),
        ("emails.Value co example.com", compare("emails.Value", Op::Co, text("example.com"))),
        ("meta.resourceType eq User", compare("meta.resourceType", Op::Eq, text("User"))),
        ("externalId eq 42", compare("externalId", Op::Eq, Literal::Number(42.into()))),
        ("employeeNumber eq 007", compare("employeeNumber", Op::Eq, text("007"))),
        ("active eq true", compare("active", Op::Eq, Literal::Bool(true))),
        ("active eq False", compare("active", Op::Eq, text("False"))),
        ("manager eq null", compare("manager", Op::Eq, Literal::Null)),
        (r#"name.familyName eq "O\"Malley""#, compare("name.familyName", Op::Eq, text("O\"Malley"))),
        (r#"userName eq "caf\u00e9 \ud83d\ude10""#, compare("userName", Op::Eq, text("café 😐"))),
        ("title pr", Filter::Present(attr("title"))),
        ("TITLE PR", Filter::Present(attr("TITLE"))),
        ("members.$ref pr", Filter::Present(attr("members.$ref"))),
        ("not eq 1", compare("not", Op::Eq, Literal::Number(1.into()))),
        ("notes pr", Filter::Present(attr("notes"))),
    ];
    for (written, expected) in cases {
        assert_eq!(parse_filter(written), Ok(expected), "{written}");
    }
}

#[test]
fn not_binds_closest_then_and_then_or() {
    let present = |name: &str| Filter::Present(attr(name));
    let not = |one: Filter| Filter::Not(Box::new(one));
    let a_and_b = Filter::And(vec![present("a"), present("b")]);
    assert_eq!(parse_filter("c pr or a pr and b pr"), Ok(Filter::Or(vec![present("c"), a_and_b.clone()])));
    assert_eq!(parse_filter("(c pr) OR (a pr AND b pr)"), Ok(Filter::Or(vec![present("c"), a_and_b.clone()])));
    let c_or_a = Filter::Or(vec![present("c"), present("a")]);
    assert_eq!(parse_filter("(c pr or a pr)and(b pr)"), Ok(Filter::And(vec![c_or_a, present("b")])));
    for written in ["not(a pr) and b pr", "NOT (a pr) and b pr", "not ( ( a pr ) ) and b pr"] {
        assert_eq!(parse_filter(written), Ok(Filter::And(vec![not(present("a")), present("b")])), "{written}");
    }
    assert_eq!(parse_filter("not (not(a pr and b pr))"), Ok(not(not(a_and_b))));
}

#[test]
fn brackets_choose_elements_and_a_comparison_may_follow_them() {
    let work = Filter::And(vec![compare("type", Op::Eq, text("work")), compare("value", Op::Co, text("@x"))]);
    let element = |rest| Filter::Element { attr: attr("emails"), filter: Box::new(work.clone()), rest };
    let written = r#"emails[type eq "work" and value co "@x"]"#;
    assert_eq!(parse_filter(written), Ok(element(None)));
    let value = Some(("value".to_owned(), Some((Op::Eq, text("a@b")))));
    assert_eq!(parse_filter(&format!(r#"{written}.value eq "a@b""#)), Ok(element(value.clone())));
    assert_eq!(parse_filter(&format!("{written}.value pr")), Ok(element(Some(("value".to_owned(), None)))));
    let both = Filter::And(vec![element(value), Filter::Present(attr("title"))]);
    assert_eq!(parse_filter(&format!(r#"{written}.value eq "a@b" and title pr"#)), Ok(both));
}

#[test]
fn what_is_no_filter_is_refused_and_the_place_is_named() {
    let wrong = [
        "",
        " ",
        "userName",
        "userName eq",
        "userName is \"x\"",
        "eq \"x\"",
        "userName eq \"x",
        "userName eq \"\\x\"",
        "userName eq 'x'",
        "userName eq x y",
        "userName eq \"x\"y",
        "userName eq a(b",
        "(title pr",
        "title pr)",
        "title pr and",
        "title pr or",
        "and title pr",
        "title pr title pr",
        "not title pr",
        "not",
        "()",
        "emails[]",
        "emails[type pr",
        "emails[type pr]]",
        "emails[type pr].value",
        "emails[a[b pr] pr]",
        "emails.value[type pr]",
        "title pr xor nickName pr",
        "user name eq \"x\"",
        "1a pr",
        "a.b.c pr",
        "title pr;",
        "userName = \"x\"",
        "*",
        "title gt null",
        "title co null",
    ];
    for filter in wrong {
        assert!(!refusal(filter).is_empty());
    }
    assert_eq!(
        refusal("émile eq 1"),
        "The filter can't be read from character 1 on: expected the name of an attribute."
    );
    assert_eq!(
        refusal("title is 1"),
        "The filter can't be read from character 7 on: expected one of eq, ne, co, sw, ew, gt, ge, lt, le and pr."
    );
    assert_eq!(refusal("title eq é) or"), "The filter can't be read from character 11 on.");
}

#[test]
fn what_is_too_large_is_refused_and_the_largest_is_read() {
    let ors = |count: usize| vec!["a pr"; count].join(" or ");
    assert!(parse_filter(&ors(MOST_TERMS)).is_ok());
    assert_eq!(refusal(&ors(MOST_TERMS + 1)), format!("A filter has at most {MOST_TERMS} comparisons."));
    let of_one_element = format!("a[{}].b eq 1", ors(MOST_TERMS - 1));
    assert!(parse_filter(&of_one_element).is_ok());
    assert!(refusal(&format!("{of_one_element} and c pr")).contains("comparisons"));
    let long = |bytes: usize| format!("a eq \"{}\"", "x".repeat(bytes - 7));
    assert!(parse_filter(&long(MOST_BYTES)).is_ok());
    assert_eq!(refusal(&long(MOST_BYTES + 1)), format!("A filter has at most {MOST_BYTES} bytes."));
    let deep = |open: &str, depth: usize| format!("{}a pr{}", open.repeat(depth), ")".repeat(depth));
    for open in ["(", "not(", " not  ( "] {
        assert!(parse_filter(&deep(open, MOST_DEPTH)).is_ok(), "{open}");
        let refused = refusal(&deep(open, MOST_DEPTH + 1));
        assert_eq!(refused, format!("Brackets stand in one another {MOST_DEPTH} deep at most."));
    }
}

#[test]
fn hostile_filters_are_refused_however_large_they_are() {
    for piece in
        ["(", "not(", "not (", "not ", "a[", "a[(", "((a pr)", "a pr or ", "a pr and (", "\"", "\\", "[", ")", "é"]
    {
        for count in [1_000_000 / piece.len(), 10_000, MOST_BYTES / piece.len(), 1_000] {
            refusal(&piece.repeat(count));
        }
    }
    assert!(parse_path(&format!("a[{}", "(".repeat(4_000))).is_err());
}

fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "(",
        ")",
        "[",
        "]",
        " ",
        " ",
        " ",
        "not",
        "not(",
        " and ",
        " or ",
        "pr",
        " pr",
        " eq ",
        " ne ",
        " co ",
        " gt ",
        "userName",
        "emails",
        "type",
        ".value",
        ".",
        ":",
        "\"",
        "\\",
        "\"x\"",
        "\"\\\"\"",
        "null",
        "true",
        "1",
        "-1.50",
        "é",
        "'",
        "a",
        "$ref",
        "urn:x:1.0:",
    ];
    proptest::collection::vec(select(pieces), 0..16).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_filter_that_is_written_down_is_read_as_the_same(filter in filters()) {
        let written = filter.to_string();
        prop_assert_eq!(parse_filter(&written), Ok(filter), "{}", written);
    }

    #[test]
    fn whatever_is_read_is_written_down_so_that_it_means_the_same(text in soup()) {
        if let Ok(filter) = parse_filter(&text) {
            prop_assert_eq!(parse_filter(&filter.to_string()), Ok(filter), "{}", text);
        }
        if let Ok(path) = parse_path(&text) {
            prop_assert_eq!(parse_path(&path.to_string()), Ok(path), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in proptest::collection::vec(any::<char>(), 0..64)) {
        let text: String = text.into_iter().collect();
        let refused = |kind| [Some(ScimType::InvalidFilter), Some(ScimType::InvalidPath)].contains(&kind);
        prop_assert!(parse_filter(&text).map_or_else(|error| refused(error.kind), |_| true));
        prop_assert!(parse_path(&text).map_or_else(|error| refused(error.kind), |_| true));
    }

    #[test]
    fn nested_brackets_are_read_exactly_as_deep_as_allowed(
        opens in proptest::collection::vec(select(vec!["(", "not(", "not (", "( "]), 0..40), spare in 0..3_usize,
    ) {
        let filter = format!("{}title pr{}", opens.concat(), ")".repeat(opens.len()));
        prop_assert_eq!(parse_filter(&filter).is_ok(), opens.len() <= MOST_DEPTH);
        let unclosed = format!("{}title pr{}", opens.concat(), ")".repeat(opens.len().saturating_sub(spare + 1)));
        prop_assert!(opens.is_empty() || parse_filter(&unclosed).is_err());
    }
}
