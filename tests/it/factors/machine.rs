//! The sign-in as a machine (F4): whatever forms are sent, empty, twice, out of order, withdrawn, begun anew or with what
//! another page carries, nobody gets a session who has not typed the right password and then shown, or made, the factor.
//!
//! # Why
//! What a browser can do next depends on what it has in hand, and that is little: a sign-in's form, half a sign-in, a key
//! that was begun. So each of these states is reached, every deed is done in each of them, and what comes of it is the
//! machine. That machine then answers for every word of deeds of any length; words of eight are counted, and walks that
//! chance picks show that the server does what the machine says, whatever came before. `MUSTER_WALKS` has more of them, and
//! `MUSTER_SEED` picks the same again.

use std::collections::{BTreeMap, VecDeque};

use muster::config::Config;
use muster::domain::people::second_factor::Require;
use muster::kernel::secret::Chance as _;
use muster::outside::chance::SystemChance;
use reqwest::Method;

use super::{Guarded, rule, with_app};
use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::codes::{Phone, STEP};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both_with};

/// So many deeds make a walk.
const LENGTH: usize = 8;
/// So many walks are made if nothing else is said.
const WALKS: usize = 60;

/// Everything that can be done on the way in. The first word says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    BeginAgain,
    SeeAccount,
    SeeFactor,
    SeeSetup,
    SeeProofAgain,
    LoginEmpty,
    LoginWrong,
    LoginRight,
    LoginRightTwice,
    LoginRightWithHalf,
    LoginCancel,
    FactorBare,
    FactorEmpty,
    FactorNoCode,
    FactorWrong,
    FactorRight,
    FactorRightTwice,
    FactorRightWithLogin,
    FactorRightNoKind,
    FactorRecoveryWrong,
    FactorMailCode,
    FactorMailSend,
    FactorPasskeyAsk,
    FactorPasskeyWrong,
    FactorPassword,
    FactorBack,
    FactorCancel,
    SetupEmpty,
    SetupBegin,
    SetupWrong,
    SetupRight,
    SetupRightTwice,
    SetupRightWithLogin,
    SetupRightUnbegun,
    SetupPasskeyWrong,
    SetupMail,
    SetupBack,
    SetupCancel,
    DoneWithHalf,
    DoneWithLogin,
    PasskeyWithHalf,
    PasskeyWithLogin,
    ChangeWithHalf,
    ConsentWithHalf,
    AccountWithHalf,
}

impl Deed {
    const ALL: [Self; 45] = [
        Self::BeginAgain,
        Self::SeeAccount,
        Self::SeeFactor,
        Self::SeeSetup,
        Self::SeeProofAgain,
        Self::LoginEmpty,
        Self::LoginWrong,
        Self::LoginRight,
        Self::LoginRightTwice,
        Self::LoginRightWithHalf,
        Self::LoginCancel,
        Self::FactorBare,
        Self::FactorEmpty,
        Self::FactorNoCode,
        Self::FactorWrong,
        Self::FactorRight,
        Self::FactorRightTwice,
        Self::FactorRightWithLogin,
        Self::FactorRightNoKind,
        Self::FactorRecoveryWrong,
        Self::FactorMailCode,
        Self::FactorMailSend,
        Self::FactorPasskeyAsk,
        Self::FactorPasskeyWrong,
        Self::FactorPassword,
        Self::FactorBack,
        Self::FactorCancel,
        Self::SetupEmpty,
        Self::SetupBegin,
        Self::SetupWrong,
        Self::SetupRight,
        Self::SetupRightTwice,
        Self::SetupRightWithLogin,
        Self::SetupRightUnbegun,
        Self::SetupPasskeyWrong,
        Self::SetupMail,
        Self::SetupBack,
        Self::SetupCancel,
        Self::DoneWithHalf,
        Self::DoneWithLogin,
        Self::PasskeyWithHalf,
        Self::PasskeyWithLogin,
        Self::ChangeWithHalf,
        Self::ConsentWithHalf,
        Self::AccountWithHalf,
    ];
}

/// What a browser has in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Half a sign-in.
    half: bool,
    /// A key that was begun.
    begun: bool,
    /// A session: then the walk is over.
    session: bool,
}

/// Who walks.
enum Story<'a> {
    /// Somebody who has an app, and must show its code.
    Shows(&'a Guarded),
    /// People of an organisation that demands a factor, who have none: each walk is somebody's own.
    Makes(&'a Org),
}

/// What a deed leads to: the state, and what is seen.
type Machine = BTreeMap<(State, Deed), (State, String)>;

struct Walker<'a> {
    site: &'a Site,
    browser: Browser,
    name: String,
    csrf: String,
    login: String,
    half: String,
    begun: String,
    /// The app: that of the account, or the one that was begun.
    phone: Phone,
}

fn hidden(page: &Page, action: &str, name: &str) -> Option<String> {
    let form = page.forms.iter().find(|form| form.action == action)?;
    form.controls.iter().find(|control| control.name == name).map(|control| control.value.clone())
}

impl<'a> Walker<'a> {
    async fn begin(site: &'a Site, story: &Story<'_>, number: &mut usize) -> Self {
        let (name, phone) = match story {
            Story::Shows(guarded) => ("ana".to_owned(), guarded.phone.clone()),
            Story::Makes(org) => {
                *number += 1;
                let name = format!("p{number}");
                org.person(&name, PASSWORD).await;
                (name, Phone::typed("AAAAAAAA"))
            }
        };
        let (csrf, login, half, begun) = Default::default();
        let mut walker = Self { site, browser: site.browser(), name, csrf, login, half, begun, phone };
        walker.does(Deed::BeginAgain).await;
        assert!(!walker.csrf.is_empty() && !walker.login.is_empty());
        walker
    }

    fn state(&self) -> State {
        let session = self.browser.cookie("muster").is_some();
        State { half: !self.half.is_empty(), begun: !self.begun.is_empty(), session }
    }

    /// Where a deed is done, with what in hand, and what else is sent; `None` only looks.
    fn form(&self, deed: Deed) -> (&'static str, Option<Vec<(&'static str, String)>>) {
        let now = self.site.now();
        let (before, code) = (self.phone.code(now.minus(STEP)), self.phone.code(now));
        let wrong = if code == "000000" { "000001" } else { "000000" }.to_owned();
        let (login, half) = (("request", self.login.clone()), ("request", self.half.clone()));
        let word = |name: &'static str, value: &str| (name, value.to_owned());
        let person = || vec![word("username", &self.name), word("password", PASSWORD)];
        let typed = |first: &String| [("code", first.clone()), ("next_code", code.clone())];
        let begun = || ("begun", self.begun.clone());
        let totp = || word("kind", "totp");
        let confirm = || word("act", "totp_confirm");
        let (path, fields) = match deed {
            Deed::BeginAgain => return ("/login", None),
            Deed::SeeAccount => return ("/me", None),
            Deed::SeeFactor => return ("/login/mfa", None),
            Deed::SeeSetup => return ("/login/mfa/setup", None),
            Deed::SeeProofAgain => return ("/login/again", None),
            Deed::LoginEmpty => ("/login", vec![login]),
            Deed::LoginWrong => ("/login", vec![login, word("username", &self.name), word("password", "wrong-1")]),
            Deed::LoginRight => ("/login", [vec![login], person()].concat()),
            Deed::LoginRightTwice => ("/login", [vec![login.clone()], person(), vec![login], person()].concat()),
            Deed::LoginRightWithHalf => ("/login", [vec![half], person()].concat()),
            Deed::LoginCancel => ("/login", [vec![login, word("act", "cancel")], person()].concat()),
            Deed::FactorBare => ("/login/mfa", vec![]),
            Deed::FactorEmpty => ("/login/mfa", vec![half]),
            Deed::FactorNoCode => ("/login/mfa", vec![half, totp(), word("code", "")]),
            Deed::FactorWrong => ("/login/mfa", vec![half, totp(), ("code", wrong)]),
            Deed::FactorRight => ("/login/mfa", vec![half, totp(), ("code", code)]),
            Deed::FactorRightTwice => ("/login/mfa", vec![half, totp(), ("code", code.clone()), ("code", code)]),
            Deed::FactorRightWithLogin => ("/login/mfa", vec![login, totp(), ("code", code)]),
            Deed::FactorRightNoKind => ("/login/mfa", vec![half, ("code", code)]),
            Deed::FactorRecoveryWrong => {
                ("/login/mfa", vec![half, word("kind", "recovery"), word("code", "0000-0000-0000-0000")])
            }
            Deed::FactorMailCode => ("/login/mfa", vec![half, word("kind", "email"), ("code", code)]),
            Deed::FactorMailSend => ("/login/mfa", vec![half, word("act", "send_email")]),
            Deed::FactorPasskeyAsk => ("/login/mfa", vec![half, word("act", "passkey")]),
            Deed::FactorPasskeyWrong => {
                ("/login/mfa", vec![half, word("kind", "passkey"), word("challenge", "x"), word("response", "{}")])
            }
            Deed::FactorPassword => ("/login/mfa", vec![half, word("password", PASSWORD)]),
            Deed::FactorBack => ("/login/mfa", vec![half, word("act", "back")]),
            Deed::FactorCancel => ("/login/mfa", vec![half, word("act", "cancel"), totp(), ("code", code)]),
            Deed::SetupEmpty => ("/login/mfa/setup", vec![half]),
            Deed::SetupBegin => ("/login/mfa/setup", vec![half, word("act", "totp")]),
            Deed::SetupWrong => ("/login/mfa/setup", [&[half, confirm(), begun()][..], &typed(&code)].concat()),
            Deed::SetupRight => ("/login/mfa/setup", [&[half, confirm(), begun()][..], &typed(&before)].concat()),
            Deed::SetupRightTwice => {
                let both = [typed(&before), typed(&before)].concat();
                ("/login/mfa/setup", [&[half, confirm(), begun()][..], &both].concat())
            }
            Deed::SetupRightWithLogin => {
                ("/login/mfa/setup", [&[login, confirm(), begun()][..], &typed(&before)].concat())
            }
            Deed::SetupRightUnbegun => ("/login/mfa/setup", [&[half, confirm()][..], &typed(&before)].concat()),
            Deed::SetupPasskeyWrong => (
                "/login/mfa/setup",
                vec![
                    half,
                    word("act", "passkey_confirm"),
                    word("name", "k"),
                    word("challenge", "x"),
                    word("response", "{}"),
                ],
            ),
            Deed::SetupMail => ("/login/mfa/setup", vec![half, word("act", "email")]),
            Deed::SetupBack => ("/login/mfa/setup", vec![half, word("act", "back")]),
            Deed::SetupCancel => ("/login/mfa/setup", vec![half, word("act", "cancel")]),
            Deed::DoneWithHalf => ("/login/mfa/done", vec![half]),
            Deed::DoneWithLogin => ("/login/mfa/done", vec![login]),
            Deed::PasskeyWithHalf => ("/login/passkey", vec![half, word("challenge", "x"), word("response", "{}")]),
            Deed::PasskeyWithLogin => ("/login/passkey", vec![login, word("challenge", "x"), word("response", "{}")]),
            Deed::ChangeWithHalf => (
                "/login/password-change",
                vec![half, word("password", "Quay4-Zr8wNb3Lf"), word("password_again", "Quay4-Zr8wNb3Lf")],
            ),
            Deed::ConsentWithHalf => ("/consent", vec![half, word("act", "allow")]),
            Deed::AccountWithHalf => ("/me/security", vec![half, word("act", "codes")]),
        };
        (path, Some(fields))
    }

    /// Does it; what is seen.
    async fn does(&mut self, deed: Deed) -> String {
        // A code counts once, so each deed has one of its own.
        self.site.advance(STEP);
        let (path, fields) = self.form(deed);
        let url = self.site.at.url(path);
        let answer = match fields {
            None => self.browser.send(Method::GET, &url, None).await,
            Some(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                let fields: Vec<_> = fields.chain([("csrf".to_owned(), self.csrf.clone())]).collect();
                self.browser.send(Method::POST, &url, Some(&fields)).await
            }
        };
        assert!(answer.status < 500, "{deed:?}: {answer:?}");
        let page = Page::read(url, answer.status, answer.body.clone());
        self.takes(&page);
        seen(&answer, &page)
    }

    /// Takes into hand what a page carries.
    fn takes(&mut self, page: &Page) {
        if let Some(login) = hidden(page, "/login", "request") {
            self.login = login;
            self.csrf = hidden(page, "/login", "csrf").expect("each form has its token");
        }
        for action in ["/login/mfa", "/login/mfa/setup"] {
            if let Some(half) = hidden(page, action, "request") {
                self.half = half;
            }
        }
        if let Some(begun) = hidden(page, "/login/mfa/setup", "begun") {
            self.begun = begun;
            self.phone = Phone::of(page);
        }
    }
}

/// What somebody sees: where they are sent, or which forms there are.
fn seen(answer: &Answer, page: &Page) -> String {
    let ids: Vec<&str> = page.forms.iter().map(|form| form.id.as_str()).collect();
    let to = answer.header("location").split('?').next().unwrap_or_default();
    format!("{} {to}{}", answer.status, ids.join(" "))
}

/// Every deed in every state that any deeds lead to.
async fn explored(site: &Site, story: &Story<'_>, number: &mut usize) -> Machine {
    let (mut machine, start) = (Machine::new(), State::default());
    let mut ways: BTreeMap<State, Vec<Deed>> = BTreeMap::from([(start, Vec::new())]);
    let mut open = VecDeque::from([start]);
    while let Some(state) = open.pop_front() {
        for deed in Deed::ALL {
            let mut walker = Walker::begin(site, story, number).await;
            for before in &ways[&state] {
                walker.does(*before).await;
            }
            assert_eq!(walker.state(), state, "the way there leads there again");
            let seen = walker.does(deed).await;
            let next = walker.state();
            machine.insert((state, deed), (next, seen));
            if !next.session && !ways.contains_key(&next) {
                let way = [ways[&state].as_slice(), &[deed]].concat();
                assert!(way.len() < LENGTH, "{way:?}");
                ways.insert(next, way);
                open.push_back(next);
            }
        }
    }
    machine
}

/// How many words of so many deeds end in each state, by the machine.
fn words(machine: &Machine, length: usize) -> BTreeMap<State, u128> {
    let mut counts = BTreeMap::from([(State::default(), 1_u128)]);
    for _ in 0..length {
        let mut next: BTreeMap<State, u128> = BTreeMap::new();
        for (state, count) in &counts {
            if state.session {
                *next.entry(*state).or_default() += count;
                continue;
            }
            for deed in Deed::ALL {
                *next.entry(machine[&(*state, deed)].0).or_default() += count;
            }
        }
        counts = next;
    }
    counts
}

/// The edges that change what is in hand, and no others.
fn turns(machine: &Machine) -> Vec<(State, Deed, State)> {
    let all = machine.iter().filter(|((state, _), (next, _))| state != next);
    all.map(|((state, deed), (next, _))| (*state, *deed, *next)).collect()
}

fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Walks that chance picks go as the machine says, each step of them.
async fn walks(site: &Site, story: &Story<'_>, machine: &Machine, number: &mut usize) {
    let fresh = u64::from_be_bytes(SystemChance.bytes32()[..8].try_into().unwrap());
    let mut seed = number_of("MUSTER_SEED").unwrap_or(fresh);
    let count = number_of("MUSTER_WALKS").map_or(WALKS, |count| usize::try_from(count).unwrap());
    eprintln!("{count} walks, MUSTER_SEED={seed}");
    let mut pick = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every second deed is one that leads on, else few walks would come far.
        match (seed >> 33) % 6 {
            0 | 1 => Deed::LoginRight,
            2 => Deed::SetupBegin,
            _ => Deed::ALL[usize::try_from((seed >> 40) % Deed::ALL.len() as u64).unwrap()],
        }
    };
    for _ in 0..count {
        let mut walker = Walker::begin(site, story, number).await;
        let (mut state, mut walk) = (State::default(), Vec::new());
        while walk.len() < LENGTH && !state.session {
            let deed = pick();
            walk.push(deed);
            let seen = walker.does(deed).await;
            assert_eq!((walker.state(), &seen), (machine[&(state, deed)].0, &machine[&(state, deed)].1), "{walk:?}");
            state = walker.state();
        }
        if state.session {
            let me = walker.browser.open(&site.at.url("/me")).await.page();
            assert_eq!((me.status, me.url), (200, site.at.url("/me")), "{walk:?}");
        }
    }
}

/// Nobody is stopped by guessing, so that each deed is looked at.
pub(super) fn patient(config: &mut Config) {
    config.passwords.lock_failures = i64::MAX;
    (config.sign_in.free_failures, config.sign_in.most_failures) = (i64::MAX, i64::MAX);
}

const OUT: State = State { half: false, begun: false, session: false };
const HALF: State = State { half: true, ..OUT };
const BEGUN: State = State { half: true, begun: true, ..OUT };

fn told(what: &str, machine: &Machine) {
    let counts = words(machine, LENGTH);
    let (all, inside): (u128, u128) = counts
        .iter()
        .fold((0, 0), |(all, inside), (state, count)| (all + count, inside + if state.session { *count } else { 0 }));
    eprintln!("{what}: {} edges; of {all} words of {LENGTH} deeds or fewer {inside} lead in", machine.len());
    assert!(inside > 0 && all > 1_000_000_000, "every word is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_who_has_an_app_gets_in_by_the_password_and_then_a_code_and_by_no_other_word_of_eight_deeds() {
    on_both_with(patient, async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let (story, mut number) = (Story::Shows(&guarded), 0);
        let machine = explored(site, &story, &mut number).await;
        let inside = State { session: true, ..HALF };
        assert_eq!(turns(&machine), [(OUT, Deed::LoginRight, HALF), (HALF, Deed::FactorRight, inside)]);
        told("who shows a code", &machine);
        walks(site, &story, &machine, &mut number).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_who_must_make_a_factor_gets_in_by_the_password_and_two_codes_and_by_no_other_word_of_eight_deeds() {
    on_both_with(patient, async |site| {
        let acme = site.org("acme").await;
        rule(&acme, |rule| rule.require = Require::Everyone).await;
        let (story, mut number) = (Story::Makes(&acme), 0);
        let machine = explored(site, &story, &mut number).await;
        let inside = State { session: true, ..BEGUN };
        let wanted =
            [(OUT, Deed::LoginRight, HALF), (HALF, Deed::SetupBegin, BEGUN), (BEGUN, Deed::SetupRight, inside)];
        assert_eq!(turns(&machine), wanted);
        told("who makes a factor", &machine);
        walks(site, &story, &machine, &mut number).await;
    })
    .await;
}
