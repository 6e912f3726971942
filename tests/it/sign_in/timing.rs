//! How long a refusal takes tells as little as what it says: of who exists, who is disabled, pending or locked.
//!
//! # Why
//! Two measures, for each misses what the other finds. The clock finds a hash that is left out, but no single statement
//! more or less, which a patient guesser can tell too. The count of statements is exact, but it is kept for the whole
//! process, and other stories run in this one: so that story is told by a process of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use muster::config::Config;
use muster::config::passwords::Passwords;
use muster::domain::change::{Change, NewUser};
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::kernel::secret::Secret;
use muster::store::db::statements;
use reqwest::Method;
use tokio::process::Command;
use url::Url;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::page::Page;
use crate::support::server::{Site, on_both_with};

/// Set for the process that counts.
const ALONE: &str = "MUSTER_TEST_ALONE";
/// How often each is tried for the clock.
const ROUNDS: usize = 60;
/// A machine that does something else may spoil a series; what differs by itself differs in every one.
const SERIES: usize = 3;

/// Who is refused and what they type: the right password wherever there is one.
const CASES: [(&str, Person<'static>); 6] = [
    ("wrong", Person { password: "Tide7-Kq2mVx9dU", ..Person::named("ana") }),
    ("unknown", Person::named("nobody")),
    ("suspended", Person::named("suspended")),
    ("pending", Person::named("pending")),
    ("locked", Person::named("locked")),
    ("ambiguous", Person::named("double")),
];

async fn people(site: &Site) {
    let (acme, globex) = (site.org("acme").await, site.org("globex").await);
    for name in ["ana", "suspended", "locked", "double"] {
        acme.person(name, PASSWORD).await;
    }
    globex.person("double", PASSWORD).await;
    let suspended = acme.user_id("suspended").await;
    let pending = site.new_user(Whose::Managed(acme.id.clone()), "pending", PASSWORD).await;
    let pending = NewUser { state: UserState::Pending, password: None, ..pending };
    site.act(vec![
        Change::SetUserState { user: suspended, state: UserState::Suspended },
        Change::CreateUser(Box::new(pending)),
    ])
    .await;
    let (locked, until) = (acme.user_id("locked").await, site.now().plus(86_400_000));
    let written: Result<u64, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let lock = tx.query("UPDATE users SET locked_until = $2 WHERE id = $1");
                lock.bind(locked.as_str().to_owned()).bind(until.0).execute().await
            })
        })
        .await;
    assert_eq!(written.unwrap(), 1);
}

/// Nobody is locked by guessing, so that every guess meets the account as it was.
fn patient(config: &mut Config) {
    config.passwords.lock_failures = i64::MAX;
    (config.sign_in.free_failures, config.sign_in.most_failures) = (i64::MAX, i64::MAX);
}

/// Besides, a hash costs what it does in earnest: enough to stand out from everything else.
fn costly(config: &mut Config) {
    patient(config);
    let earnest = Passwords::default();
    (config.passwords.memory_kib, config.passwords.iterations) = (earnest.memory_kib, earnest.iterations);
}

/// Somebody before the sign-in page, which they send again and again.
struct Guesser {
    browser: Browser,
    page: Page,
}

impl Guesser {
    async fn before(site: &Site) -> Self {
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/login")).await.page();
        Self { browser, page }
    }

    /// How long the refusal took.
    async fn guesses(&mut self, person: Person<'_>) -> Duration {
        let form = self.page.form_with("login-submit").expect("the page has the form");
        let fields = form.filled("login-submit", &[("username", person.name), ("password", person.password)]);
        let target = Url::parse(&self.page.url).unwrap().join(&form.action).unwrap();
        let began = Instant::now();
        let answer = self.browser.send(Method::POST, target.as_str(), Some(&fields)).await;
        let taken = began.elapsed();
        assert_eq!(answer.status, 400, "{} was not refused", person.name);
        taken
    }
}

fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken[taken.len() / 2]
}

/// The medians of all cases, and the most that they may lie apart: half of what a hash costs while they are taken.
async fn series(site: &Site) -> ([Duration; CASES.len()], Duration) {
    let mut guesser = Guesser::before(site).await;
    let mut taken: [Vec<Duration>; CASES.len()] = Default::default();
    let mut hashes = Vec::new();
    for round in 0..ROUNDS {
        // Everybody comes first as often as last.
        for place in 0..CASES.len() {
            let case = (round + place) % CASES.len();
            taken[case].push(guesser.guesses(CASES[case].1).await);
        }
        let began = Instant::now();
        site.hasher.verify(None, Secret::presented(PASSWORD)).await.expect("the pool has room");
        hashes.push(began.elapsed());
    }
    (taken.map(median), median(hashes) / 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_as_long_whatever_its_reason() {
    on_both_with(costly, async |site| {
        people(site).await;
        let mut told = Vec::new();
        for _ in 0..SERIES {
            let (medians, most) = series(site).await;
            let (least, longest) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
            let names = CASES.map(|(name, _)| name);
            told.push(format!("{:?}, {most:?} apart at most", names.iter().zip(&medians).collect::<Vec<_>>()));
            eprintln!("{}", told[told.len() - 1]);
            if *longest - *least < most {
                return;
            }
        }
        panic!("refusals differ in every series:\n{}", told.join("\n"));
    })
    .await;
}

/// The fewest statements of a case: jobs beside the requests only ever add to it.
async fn fewest(site: &Site, person: Person<'_>) -> u64 {
    let mut guesser = Guesser::before(site).await;
    let mut fewest = u64::MAX;
    for _ in 0..12 {
        let before = statements();
        guesser.guesses(person).await;
        fewest = fewest.min(statements() - before);
    }
    fewest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_asks_the_database_as_often_whatever_its_reason() {
    if std::env::var_os(ALONE).is_none() {
        return in_a_process_of_its_own("a_refusal_asks_the_database_as_often_whatever_its_reason").await;
    }
    on_both_with(patient, async |site| {
        people(site).await;
        let mut counts = Vec::new();
        for (name, person) in CASES {
            counts.push((name, fewest(site, person).await));
        }
        assert!(counts.iter().all(|(_, count)| *count == counts[0].1), "statements differ: {counts:?}");
    })
    .await;
}

/// Has this program tell one story of this file, and nothing beside it.
async fn in_a_process_of_its_own(story: &str) {
    let (_, folder) = module_path!().split_once("::").expect("the crate's name comes first");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{folder}::{story}"), "--nocapture"]).env(ALONE, "1").env("RUST_BACKTRACE", "0");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("it starts");
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}
