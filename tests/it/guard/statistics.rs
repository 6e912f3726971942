//! Two thousand refusals of each kind can't be told apart by the clock: unknown, known, disabled, federated, and an empty
//! password (K4). It takes its time, and so is made on demand: `MUSTER_SAMPLES=2000`.
//!
//! # Why
//! Medians alone would miss a second mode: a hash that is left out once in ten times. The test of Kolmogorov and Smirnov
//! compares whole distributions; it finds what a guesser with two thousand tries could find, and no more. Each kind is tried in
//! each round, in another order, so that what the machine does besides meets all of them.

use std::time::{Duration, Instant};

use muster::config::Config;
use muster::config::passwords::Passwords;
use muster::domain::change::Change;
use muster::domain::people::user::UserState;
use reqwest::Method;
use url::Url;

use crate::support::browser::{Browser, Person};
use crate::support::page::Page;
use crate::support::server::{Site, on_both_with};
use crate::support::{PASSWORD, skip};

/// A machine that does something else may spoil a series; what differs by itself differs in every one.
const SERIES: usize = 3;
/// What medians may lie apart.
const APART: Duration = Duration::from_millis(5);
/// The two-sided test's value at p = 0.01, for samples of one size n: times the root of 2/n.
const CRITICAL: f64 = 1.628;

/// Who is refused, and what they type.
const CASES: [(&str, Person<'static>); 5] = [
    ("known", Person { password: "Tide7-Kq2mVx9dU", ..Person::named("ana") }),
    ("unknown", Person::named("nobody")),
    ("disabled", Person::named("suspended")),
    ("federated", Person::named("federated")),
    ("empty", Person { password: "", ..Person::named("ana") }),
];

/// The largest distance of two empirical distributions.
fn distance(left: &[Duration], right: &[Duration]) -> f64 {
    let sorted = |sample: &[Duration]| {
        let mut sample = sample.to_vec();
        sample.sort_unstable();
        sample
    };
    let (left, right) = (sorted(left), sorted(right));
    let share =
        |sample: &[Duration], at: &Duration| sample.partition_point(|value| value <= at) as f64 / sample.len() as f64;
    left.iter().chain(&right).map(|at| (share(&left, at) - share(&right, at)).abs()).fold(0.0, f64::max)
}

fn median(sample: &[Duration]) -> Duration {
    let mut sample = sample.to_vec();
    sample.sort_unstable();
    sample[sample.len() / 2]
}

/// What tells a kind from the first; empty where nothing does.
fn told_apart(taken: &[Vec<Duration>; CASES.len()]) -> Vec<String> {
    let critical = CRITICAL * (2.0 / taken[0].len() as f64).sqrt();
    let mut told = Vec::new();
    for (case, sample) in CASES.iter().zip(taken).skip(1) {
        let (far, medians) = (distance(&taken[0], sample), (median(&taken[0]), median(sample)));
        if far > critical || medians.0.abs_diff(medians.1) >= APART {
            told.push(format!("{}: distance {far:.4} of {critical:.4} at most, medians {medians:?}", case.0));
        }
    }
    told
}

/// Nobody is stopped by guessing, so that every guess meets the account as it was; and a hash costs what it does in earnest.
fn patient_and_costly(config: &mut Config) {
    config.passwords.lock_failures = i64::MAX;
    (config.sign_in.free_failures, config.sign_in.most_failures) = (i64::MAX, i64::MAX);
    let earnest = Passwords::default();
    (config.passwords.memory_kib, config.passwords.iterations) = (earnest.memory_kib, earnest.iterations);
}

async fn people(site: &Site) {
    let acme = site.org("acme").await;
    for name in ["ana", "suspended", "federated"] {
        acme.person(name, PASSWORD).await;
    }
    let user = acme.user_id("suspended").await;
    site.act(vec![Change::SetUserState { user, state: UserState::Suspended }]).await;
    // An account that a connection looks after has no password here.
    let federated = acme.user_id("federated").await;
    let written: Result<u64, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE users SET password = NULL, source = 'oidc:con_0' WHERE id = $1";
                tx.query(sql).bind(federated.as_str().to_owned()).execute().await
            })
        })
        .await;
    assert_eq!(written.unwrap(), 1);
}

/// How long a refusal took.
async fn guess(browser: &mut Browser, page: &Page, person: Person<'_>) -> Duration {
    let form = page.form_with("login-submit").expect("the page has the form");
    let fields = form.filled("login-submit", &[("username", person.name), ("password", person.password)]);
    let target = Url::parse(&page.url).unwrap().join(&form.action).unwrap();
    let began = Instant::now();
    let answer = browser.send(Method::POST, target.as_str(), Some(&fields)).await;
    let taken = began.elapsed();
    assert_eq!(answer.status, 400, "{} was not refused", person.name);
    taken
}

async fn series(site: &Site, samples: usize) -> [Vec<Duration>; CASES.len()] {
    let mut browser = site.browser();
    let mut page = browser.open(&site.at.url("/login")).await.page();
    let mut taken: [Vec<Duration>; CASES.len()] = Default::default();
    for round in 0..samples {
        if round % 100 == 99 {
            page = browser.open(&site.at.url("/login")).await.page(); // before it expires
        }
        for place in 0..CASES.len() {
            let case = (round + place) % CASES.len();
            taken[case].push(guess(&mut browser, &page, CASES[case].1).await);
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_every_kind_take_times_of_one_distribution() {
    let Some(samples) = std::env::var("MUSTER_SAMPLES").ok().map(|text| text.parse().expect("a number")) else {
        return skip("samples", "MUSTER_SAMPLES=2000 has refusals timed, for a quarter of an hour");
    };
    on_both_with(patient_and_costly, async |site| {
        people(site).await;
        let mut told = Vec::new();
        for _ in 0..SERIES {
            let taken = series(site, samples).await;
            let medians: Vec<_> = CASES.iter().zip(&taken).map(|(case, sample)| (case.0, median(sample))).collect();
            let found = told_apart(&taken);
            eprintln!("{samples} of each: {medians:?}; told apart: {found:?}");
            if found.is_empty() {
                return;
            }
            told.push(found.join("; "));
        }
        panic!("refusals can be told apart in every series:\n{}", told.join("\n"));
    })
    .await;
}

/// Numbers that jump about within a millisecond, the same each time.
fn noise(seed: u64, count: usize) -> Vec<Duration> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..count).map(|_| Duration::from_micros(20_000 + next() % 1_000)).collect()
}

#[test]
fn a_planted_difference_is_found_and_chance_is_not_taken_for_one() {
    let alike: [Vec<Duration>; CASES.len()] = std::array::from_fn(|case| noise(case as u64 + 1, 2_000));
    assert_eq!(told_apart(&alike), Vec::<String>::new());
    // A tenth of a millisecond more, far below what medians may lie apart.
    let mut slower = alike.clone();
    slower[3].iter_mut().for_each(|taken| *taken += Duration::from_micros(100));
    assert!(told_apart(&slower).len() == 1 && told_apart(&slower)[0].starts_with("federated"));
    // A hash that is left out once in ten times.
    let mut hasty = alike.clone();
    hasty[1].iter_mut().step_by(10).for_each(|taken| *taken = Duration::from_millis(2));
    assert!(told_apart(&hasty)[0].starts_with("unknown"));
    let mut late = alike;
    late[4].iter_mut().for_each(|taken| *taken += APART * 2);
    assert!(told_apart(&late)[0].starts_with("empty"));
}
