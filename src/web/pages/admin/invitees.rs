//! Whom an administrator invites, as they type it: a name and an address a line, in any of the ways that mail programs
//! write them.

use std::collections::BTreeMap;

use crate::domain::people::identifier::check_email;
use crate::domain::people::invitation::MOST_AT_ONCE;
use crate::flows::invite::Invitee;
use crate::flows::register::TooMany;
use crate::kernel::fold;

/// Reads the people of a text.
///
/// # Errors
/// Every line that can't be meant so, by its number; or that there are too many, or none.
pub fn read(text: &str) -> Result<Vec<Invitee>, Vec<String>> {
    let lines: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return Err(vec!["Give at least one person: a name and an e-mail address.".to_owned()]);
    }
    if lines.len() > MOST_AT_ONCE {
        return Err(vec![TooMany { act: "invite", count: lines.len() }.to_string()]);
    }
    let (mut people, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (number, line) in lines {
        match person(line) {
            Err(fault) => faults.push(format!("Line {number}: {fault}")),
            Ok(person) => match seen.insert(fold::key(&person.email), number) {
                Some(before) => {
                    faults.push(format!("Line {number}: {} stands in line {before} already.", person.email));
                }
                None => people.push(person),
            },
        }
    }
    if faults.is_empty() { Ok(people) } else { Err(faults) }
}

/// The lines that read as these people again.
#[must_use]
pub fn write(people: &[(String, String)]) -> String {
    people.iter().map(|(name, email)| format!("{name} <{email}>\n")).collect::<Vec<_>>().concat()
}

fn person(line: &str) -> Result<Invitee, String> {
    let (name, email) = parts(line);
    if email.is_empty() {
        return Err(format!("add the e-mail address of {name}."));
    }
    check_email(&email).map_err(|_| format!("{email} is not a complete e-mail address."))?;
    if name.is_empty() {
        return Err(format!("add the name of {email}, like Ana Lee <{email}>."));
    }
    // The last word is the surname; a name of one word has none.
    let (given_name, family_name) = name.rsplit_once(' ').unwrap_or((&name, ""));
    let (given_name, family_name) = (given_name.trim().to_owned(), family_name.to_owned());
    Ok(Invitee { email, name, given_name, family_name })
}

/// A line's name and address; either may be missing.
fn parts(line: &str) -> (String, String) {
    let clean = |text: &str| text.trim().trim_matches('"').trim().to_owned();
    if let Some((name, rest)) = line.split_once('<') {
        return (clean(name), clean(rest.trim_end().trim_end_matches([',', ';', ' ']).trim_end_matches('>')));
    }
    let mut parts = line.split([',', ';', '\t']).map(clean).filter(|part| !part.is_empty());
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if first.contains('@') { (second, first) } else { (first, second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, String)> {
        read(text).unwrap().into_iter().map(|one| (one.name, one.email)).collect()
    }

    #[test]
    fn a_person_is_read_however_mail_programs_write_them() {
        let pair = |name: &str, email: &str| (name.to_owned(), email.to_owned());
        let text = "Ana Lee <ana@acme.test>\n\n\"Bo, Jr\" <bo@acme.test>,\ncy@acme.test, Cy Park\nDi\tdi@acme.test";
        assert_eq!(
            told(text),
            [
                pair("Ana Lee", "ana@acme.test"),
                pair("Bo, Jr", "bo@acme.test"),
                pair("Cy Park", "cy@acme.test"),
                pair("Di", "di@acme.test"),
            ]
        );
        assert_eq!(told(&write(&[pair("Ana Lee", "ana@acme.test")])), [pair("Ana Lee", "ana@acme.test")]);
        let ana = read("Ana Maria Lee <ana@acme.test>").unwrap().remove(0);
        assert_eq!((ana.given_name.as_str(), ana.family_name.as_str()), ("Ana Maria", "Lee"));
    }

    // N11
    #[test]
    fn a_name_and_an_address_are_both_needed_and_each_bad_line_is_named() {
        let faults = read("Ana\nbo@acme.test\nCy <cy@acme>\nDi <di@acme.test>\nDi Again <DI@acme.test>").unwrap_err();
        assert_eq!(
            faults,
            [
                "Line 1: add the e-mail address of Ana.",
                "Line 2: add the name of bo@acme.test, like Ana Lee <bo@acme.test>.",
                "Line 3: cy@acme is not a complete e-mail address.",
                "Line 5: DI@acme.test stands in line 4 already.",
            ]
        );
        assert_eq!(read("\n \n").unwrap_err().len(), 1);
    }

    #[test]
    fn more_than_a_hundred_are_refused_with_both_numbers() {
        let many = (0..101).map(|n| format!("P{n} <p{n}@acme.test>\n")).collect::<Vec<_>>().concat();
        assert_eq!(read(&many).unwrap_err(), ["You can invite 100 people at a time. This list has 101."]);
    }
}
