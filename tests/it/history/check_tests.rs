//! The checker finds every fault that is planted, and none in what may have been.

use super::check::{Rule, check};
use super::record::{Deed, Event, Micros, Outcome, SETTLED, Text};

/// A history that is written down: each line is asked at its first time and answered at its second.
#[derive(Default)]
struct Told(Vec<Event>);

impl Told {
    fn event(mut self, (began, ended): (Micros, Micros), deed: Deed, outcome: Outcome) -> Self {
        self.0.push(Event { person: 0, deed, began, ended, outcome });
        self
    }

    /// Somebody signs in: the code `c`, the tokens `a` and `r`.
    fn signed_in(self) -> Self {
        self.event((10, 11), Deed::Authorize, Outcome::Given(text("c"))).redeemed((12, 13), "c", ("a", "r"), false)
    }

    fn redeemed(self, when: (Micros, Micros), code: &str, tokens: (&str, &str), role: bool) -> Self {
        self.event(when, Deed::Redeem(text(code)), issued(tokens, role))
    }

    fn refreshed(self, when: (Micros, Micros), presented: &str, tokens: (&str, &str)) -> Self {
        self.event(when, Deed::Refresh(text(presented)), issued(tokens, false))
    }

    fn looked(self, when: (Micros, Micros), token: &str, outcome: Outcome) -> Self {
        self.event(when, Deed::Look(text(token)), outcome)
    }

    fn revoked(self, when: (Micros, Micros)) -> Self {
        self.event(when, Deed::Revoke, Outcome::Done)
    }

    /// The rules that are broken.
    fn broken(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = check(&self.0).into_iter().map(|fault| fault.rule).collect();
        rules.dedup();
        rules
    }
}

fn text(text: &str) -> Text {
    text.into()
}

fn issued((access, refresh): (&str, &str), role: bool) -> Outcome {
    Outcome::Issued { access: text(access), refresh: text(refresh), role }
}

#[test]
fn a_history_in_which_every_promise_was_kept_has_no_fault() {
    let told = Told::default()
        .event((1, 2), Deed::Grant, Outcome::Done)
        .event((3, 4), Deed::Read, Outcome::Saw(true))
        .event((10, 11), Deed::Authorize, Outcome::Given(text("c")))
        .redeemed((12, 13), "c", ("a", "r"), true)
        .looked((14, 15), "a", Outcome::Done)
        .event((20, 21), Deed::Refresh(text("r")), issued(("a2", "r2"), true))
        .looked((22, 23), "a", Outcome::Done)
        .revoked((30, 35))
        .looked((31, 36), "a2", Outcome::Done) // at the same time as the revocation
        .looked((37, 38), "a2", Outcome::Refused)
        .event((37, 39), Deed::Refresh(text("r2")), Outcome::Refused)
        .event((40, 41), Deed::Read, Outcome::Saw(false))
        .event((50, 51), Deed::Mint, Outcome::Given(text("l")))
        .event((52, 54), Deed::UseLink(text("l")), Outcome::Done)
        .event((53, 55), Deed::UseLink(text("l")), Outcome::Refused);
    assert_eq!(check(&told.0), []);
}

#[test]
fn what_is_honoured_after_the_answer_to_its_revocation_is_found() {
    let told = Told::default().signed_in().revoked((20, 21));
    assert_eq!(told.looked((22, 23), "a", Outcome::Done).broken(), [Rule::Stale]);
    let told = Told::default().signed_in().revoked((20, 21));
    assert_eq!(told.refreshed((22, 23), "r", ("a2", "r2")).broken(), [Rule::Stale]);
    let told = Told::default().event((10, 11), Deed::Authorize, Outcome::Given(text("c"))).revoked((20, 21));
    assert_eq!(told.redeemed((22, 23), "c", ("a", "r"), false).broken(), [Rule::Stale]);
    let later = Told::default().revoked((1, 2)).signed_in().looked((22, 23), "a", Outcome::Done);
    assert_eq!(later.broken(), [], "what began after the revocation is not its business");
}

#[test]
fn a_revocation_whose_answer_was_lost_may_or_may_not_have_been() {
    let lost = || Told::default().signed_in().event((20, 21), Deed::Revoke, Outcome::Unknown(21 + SETTLED));
    assert_eq!(lost().looked((30, 31), "a", Outcome::Done).broken(), []);
    assert_eq!(lost().looked((30, 31), "a", Outcome::Refused).broken(), []);
    let both = lost().looked((30, 31), "a", Outcome::Refused).looked((32, 33), "a", Outcome::Done);
    assert_eq!(both.broken(), [Rule::Revived], "but not first the one and then the other");
    let both = lost().looked((30, 31), "a", Outcome::Refused).refreshed((32, 33), "r", ("a2", "r2"));
    assert_eq!(both.broken(), [Rule::Revived], "nor one for the access token and the other for the refresh token");
}

#[test]
fn what_was_given_out_and_is_refused_without_a_reason_is_found() {
    let refused = |deed: Deed| Told::default().signed_in().event((20, 21), deed, Outcome::Refused).broken();
    assert_eq!(refused(Deed::Look(text("a"))), [Rule::Lost]);
    assert_eq!(refused(Deed::Refresh(text("r"))), [Rule::Lost]);
    let code = Told::default().event((10, 11), Deed::Authorize, Outcome::Given(text("c")));
    assert_eq!(code.event((12, 13), Deed::Redeem(text("c")), Outcome::Refused).broken(), [Rule::Lost]);
    let link = Told::default().event((1, 2), Deed::Mint, Outcome::Given(text("l")));
    assert_eq!(link.event((3, 4), Deed::UseLink(text("l")), Outcome::Refused).broken(), [Rule::Lost]);
    let old = 13 + 600_000_000;
    let old = Told::default().signed_in().looked((old, old + 1), "a", Outcome::Refused);
    assert_eq!(old.broken(), [], "it may have run out");
}

#[test]
fn an_answer_that_was_lost_may_be_asked_for_again_soon_and_brings_the_same() {
    let lost = || Told::default().signed_in().event((20, 21), Deed::Refresh(text("r")), Outcome::Unknown(21 + SETTLED));
    assert_eq!(lost().refreshed((30, 31), "r", ("a2", "r2")).refreshed((32, 33), "r", ("a3", "r2")).broken(), []);
    let refused = lost().event((30, 31), Deed::Refresh(text("r")), Outcome::Refused);
    assert_eq!(refused.broken(), [Rule::Lost]);
    let late = lost().event((12_000_000, 12_000_001), Deed::Refresh(text("r")), Outcome::Refused);
    assert_eq!(late.broken(), [], "too late counts as reuse");
}

#[test]
fn what_is_good_once_and_was_good_twice_is_found() {
    let code = Told::default().signed_in().redeemed((12, 14), "c", ("a2", "r2"), false);
    assert_eq!(code.broken(), [Rule::Twice]);
    let link = Told::default().event((1, 4), Deed::UseLink(text("l")), Outcome::Done);
    assert_eq!(link.event((2, 3), Deed::UseLink(text("l")), Outcome::Done).broken(), [Rule::Twice]);
}

#[test]
fn the_second_use_of_a_code_ends_what_the_first_one_made() {
    let again = || Told::default().signed_in().event((20, 21), Deed::Redeem(text("c")), Outcome::Refused);
    assert_eq!(again().looked((22, 23), "a", Outcome::Refused).broken(), []);
    assert_eq!(again().looked((22, 23), "a", Outcome::Done).broken(), [Rule::Revived]);
}

#[test]
fn a_refresh_token_with_two_successors_or_used_after_its_successor_is_found() {
    let once = || Told::default().signed_in().refreshed((20, 21), "r", ("a2", "r2"));
    assert_eq!(once().refreshed((20, 22), "r", ("a3", "other")).broken(), [Rule::Forked]);
    assert_eq!(once().refreshed((20, 22), "r", ("a3", "r2")).broken(), []);
    let used = || once().refreshed((30, 31), "r2", ("a3", "r3"));
    assert_eq!(used().refreshed((40, 41), "r", ("a4", "r2")).broken(), [Rule::Reused]);
    let refused = || used().event((40, 41), Deed::Refresh(text("r")), Outcome::Refused);
    assert_eq!(refused().looked((42, 43), "a3", Outcome::Refused).broken(), []);
    assert_eq!(refused().looked((42, 43), "a3", Outcome::Done).broken(), [Rule::Revived], "reuse ends the sign-in");
}

#[test]
fn what_is_read_is_what_was_written_last() {
    let given = || Told::default().event((1, 2), Deed::Grant, Outcome::Done);
    assert_eq!(given().event((3, 4), Deed::Read, Outcome::Saw(false)).broken(), [Rule::Misread], "a write was lost");
    assert_eq!(given().event((1, 4), Deed::Read, Outcome::Saw(false)).broken(), [], "at the same time");
    let taken = || given().revoked((5, 6));
    assert_eq!(taken().event((7, 8), Deed::Read, Outcome::Saw(true)).broken(), [Rule::Misread], "a stale read");
    let maybe = || given().event((5, 6), Deed::Revoke, Outcome::Unknown(6 + SETTLED));
    for seen in [true, false] {
        assert_eq!(maybe().event((7, 8), Deed::Read, Outcome::Saw(seen)).broken(), []);
    }
    let again = maybe().event((7, 8), Deed::Grant, Outcome::Done).event((9, 10), Deed::Read, Outcome::Saw(false));
    assert_eq!(again.broken(), [], "it may have come late");
    let settled = 10 + 2 * SETTLED;
    let again = maybe().event((settled, settled + 1), Deed::Grant, Outcome::Done);
    let again = again.event((settled + 2, settled + 3), Deed::Read, Outcome::Saw(false));
    assert_eq!(again.broken(), [Rule::Misread], "but not so late");
    let claims = taken().event((10, 11), Deed::Authorize, Outcome::Given(text("c")));
    assert_eq!(claims.redeemed((12, 13), "c", ("a", "r"), true).broken(), [Rule::Misread], "a role in a new token");
}

#[test]
fn what_surely_did_not_happen_explains_nothing_and_breaks_nothing() {
    let told = Told::default()
        .signed_in()
        .event((20, 21), Deed::Refresh(text("r")), Outcome::Nothing)
        .event((22, 23), Deed::Revoke, Outcome::Nothing)
        .looked((24, 25), "a", Outcome::Nothing);
    assert_eq!(told.broken(), []);
    let told = Told::default().signed_in().event((22, 23), Deed::Revoke, Outcome::Refused);
    assert_eq!(told.looked((24, 25), "a", Outcome::Refused).broken(), [Rule::Lost]);
}
