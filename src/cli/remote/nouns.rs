//! The tables of nouns, room by room. A route that is new in the API becomes a command by a line here.

mod access;
mod connections;
mod orgs;
mod people;
mod records;
mod sign_in;
mod tools;

use super::verb::Noun;

/// The audit record: its verbs stand beside one that needs no server.
pub fn audit() -> &'static Noun {
    &records::AUDIT
}

/// Every other noun.
pub fn all() -> impl Iterator<Item = &'static Noun> {
    let rooms =
        [orgs::NOUNS, people::NOUNS, access::NOUNS, tools::NOUNS, connections::NOUNS, sign_in::NOUNS, records::NOUNS];
    rooms.into_iter().flatten()
}

/// The noun of a name.
pub fn named(name: &str) -> Option<&'static Noun> {
    all().find(|noun| noun.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;

    use super::super::verb::{Confirm, Shows};
    use super::*;
    use crate::cli::Line;
    use crate::outside::api_client::Act;

    #[test]
    fn every_noun_and_verb_has_one_name_and_a_line_about_it() {
        let mut names = BTreeSet::new();
        for noun in all() {
            assert!(!noun.about.is_empty() && !noun.verbs.is_empty());
            for verb in noun.verbs {
                assert!(names.insert((noun.name, verb.name)), "muster {} {} twice", noun.name, verb.name);
                assert!(!verb.about.is_empty() && !verb.about.ends_with('.'), "{} {}", noun.name, verb.name);
            }
        }
        assert!(names.len() > 80, "{}", names.len());
    }

    #[test]
    fn what_reads_takes_no_body_and_what_deletes_for_good_is_typed_again() {
        for verb in all().flat_map(|noun| noun.verbs) {
            let reads = verb.act == Act::Get;
            assert!(!(reads && (verb.has_body() || verb.writes())), "{}", verb.path);
            assert!(reads || !matches!(verb.shows, Shows::Page(_) | Shows::Stream), "{}", verb.path);
            if verb.name == "delete" && !verb.path.contains("bindings") {
                assert!(!matches!(verb.confirm, Confirm::No), "{}", verb.path);
            }
        }
    }

    #[test]
    fn command_lines_of_the_tables_are_understood() {
        for words in [
            "muster user list --search an --all -o json --server https://id.example",
            "muster user create --user-name ana --role project.admin:web --role org.reader --dry-run",
            "muster group add-members Admins ana bo --org acme",
            "muster key create me --project web --name ci --expires-at 2027-01-01T00:00:00Z",
            "muster user delete ana --confirm text",
            "muster audit export --format csv",
            "muster audit list --from 2027-01-01T00:00:00Z --all",
            "muster audit verify --org acme",
            "muster policy update --set max_sessions=3",
            "muster user import people.csv --credential generated --passwords made.csv --dry-run",
            "muster user reset-password ana --kind generated",
            "muster invitation send a@b.c --groups Ops,Devs --role project.reader:web --dry-run",
            "muster invitation accept acme",
            "muster me set-password --old-stdin --new-stdin",
            "muster connection create --name Okta --profile okta --guard-hold true --dry-run",
            "muster connection disable Okta --org acme",
            "muster connection token add Okta --name first --expires-at 2027-01-01T00:00:00Z",
            "muster connection token list Okta -o json",
            "muster connection client add Okta --name oauth",
            "muster connection log Okta --errors true --limit 5",
            "muster connection held release hld_1",
            "muster connection adoption decide ado_1 keep_apart",
            "muster domain add acme.example",
            "muster domain lead acme.example --connection con_1 --dry-run",
            "muster connection sign-in set Okta --preset okta --issuer https://a.okta.com --client-id m --client-secret-stdin",
            "muster connection sign-in stage Okta enforced --dry-run",
            "muster connection sign-in test Okta",
            "muster connection sign-in log Okta --limit 5",
            "muster connection mapping set Okta --body mapping.json --dry-run",
            "muster connection mapping try Okta --identity idn_1",
            "muster identity list me",
            "muster identity unlink ana idn_1",
            "muster me unlink idn_1",
            "muster user break-glass olga",
        ] {
            let line = Line::try_parse_from(words.split(' '));
            assert!(line.is_ok(), "{words}: {:?}", line.err().map(|error| error.to_string()));
        }
        for words in [
            "muster user",
            "muster user list --dry-run",
            "muster group add-members Admins",
            "muster user show",
            "muster connection token",
            "muster connection token add Okta",
            "muster connection sign-in stage Okta open",
            "muster connection adoption decide ado_1 maybe",
        ] {
            assert!(Line::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
    }
}
