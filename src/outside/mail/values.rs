//! What templates are filled with: the names there are, and what becomes of a typed text before it stands in a message.
//!
//! # Why
//! Whoever invites chooses a name, and a stranger reads it in a mail that comes from us. So a value never has a line of
//! its own, turns no text around, isn't endless, and mail programs find no link in it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::Look;
use crate::domain::language::Language;
use crate::domain::mail::Mail;
use crate::kernel::time::UnixMillis;

/// Every name that a template may use; the table stands in the module above.
pub const NAMES: [&str; 30] = [
    "product",
    "issuer",
    "org",
    "support",
    "link",
    "name",
    "user_name",
    "expires",
    "inviter",
    "roles",
    "groups",
    "at",
    "by",
    "address",
    "browser",
    "until",
    "key",
    "project",
    "connection",
    "reason",
    "error",
    "since",
    "rule",
    "event",
    "actor",
    "action",
    "outcome",
    "factor",
    "code",
    "left",
];
/// Those that are moments, in milliseconds since 1970.
const MOMENTS: [&str; 4] = ["expires", "at", "until", "since"];
/// Those that nobody types.
const OURS: [&str; 4] = ["product", "issuer", "support", "link"];
/// Those in which no mail program may find an address at all: people typed them.
const TYPED: [&str; 13] = [
    "org",
    "name",
    "user_name",
    "inviter",
    "groups",
    "by",
    "browser",
    "key",
    "connection",
    "reason",
    "error",
    "rule",
    "action",
];
/// The longest value, in characters.
const LONGEST: usize = 300;

/// The values of one message, by name.
pub type Values = BTreeMap<String, String>;

/// The values for the subject, where nothing is made a link of, and those for the rest.
#[must_use]
pub fn of(mail: &Mail, look: &Look) -> (Values, Values) {
    let mut plain: Values = NAMES.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    for (name, value) in &mail.values {
        let name = if name == "expires_at" { "expires" } else { name.as_str() };
        match plain.get_mut(name) {
            Some(cell) if MOMENTS.contains(&name) => *cell = moment(mail.language, value),
            Some(cell) => *cell = line(value),
            None => tracing::warn!(template = mail.template.as_str(), name, "no template knows a value of this name"),
        }
    }
    let own = [
        ("product", look.product.as_str()),
        ("issuer", look.issuer.as_str()),
        ("support", look.support.as_str()),
        ("link", look.link.as_deref().unwrap_or_default()),
    ];
    for (name, value) in own {
        plain.insert(name.to_owned(), value.to_owned());
    }
    if !look.org_name.is_empty() {
        plain.insert("org".to_owned(), line(&look.org_name));
    }
    let mut rest = plain.clone();
    for (name, value) in rest.iter_mut().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        *value = if TYPED.contains(&name.as_str()) { no_link(value) } else { value.replace("://", ":\u{2060}//") };
    }
    (plain, rest)
}

/// A typed text as one line: no control characters, none that turn the writing around or can't be seen, not too long.
#[must_use]
pub fn line(text: &str) -> String {
    let unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let seen = text.chars().filter(|c| !unseen(*c)).map(|c| if breaks(c) { ' ' } else { c });
    let mut line = String::with_capacity(text.len().min(4 * LONGEST));
    for c in seen {
        if c != ' ' || !(line.is_empty() || line.ends_with(' ')) {
            line.push(c);
        }
    }
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line.trim_end().to_owned(),
    }
}

/// A word joiner, which nobody sees, in each place where a mail program would see an address: `a.example`, `x://`, `a@b`.
fn no_link(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 8);
    for (at, sign) in signs.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| signs.get(at)).is_some_and(|c| c.is_alphanumeric());
        let after = signs.get(at + 1).is_some_and(|c| c.is_alphanumeric() || *c == '/');
        out.push(*sign);
        if before && after && matches!(sign, '.' | ':' | '@') {
            out.push('\u{2060}');
        }
    }
    out
}

/// Milliseconds since 1970 as people of a language write a moment, in UTC. Anything else stays as it is.
fn moment(language: Language, value: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let at = value.parse::<i64>().ok().and_then(|at| utc(UnixMillis(at)));
    let Some(at) = at else { return line(value) };
    let month = u8::from(at.month());
    match language {
        Language::En => {
            let name = MONTHS[usize::from(month - 1)];
            format!("{} {name} {}, {:02}:{:02} UTC", at.day(), at.year(), at.hour(), at.minute())
        }
        Language::Ko => {
            format!("{}년 {month}월 {}일 {:02}:{:02}(UTC)", at.year(), at.day(), at.hour(), at.minute())
        }
    }
}

/// A moment as the beginning of a file's name: names in order are messages in order.
#[must_use]
pub fn stamp(at: UnixMillis) -> String {
    let Some(time) = utc(at) else { return at.to_string() };
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        at.0.rem_euclid(1000)
    )
}

fn utc(at: UnixMillis) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.seconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_text_is_one_line_that_reads_from_its_beginning_to_its_end() {
        assert_eq!(line(" Ana\r\nBcc: x@y.test\t\u{7}Kim  "), "Ana Bcc: x@y.test Kim");
        assert_eq!(line("a\u{202e}b\u{2066}c\u{200b}d\u{2028}e"), "abcd e");
        assert_eq!(line("민준 박 <b>&"), "민준 박 <b>&");
        assert_eq!(line(&"x".repeat(400)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn no_mail_program_sees_an_address_in_a_typed_text() {
        for text in ["Visit http://evil.test/x now", "evil.example", "https://1.2.3.4", "a@evil.test", "mailto:x"] {
            let shown = no_link(text);
            for mark in ["://", "evil.t", "evil.e", "1.2", "a@evil", "mailto:x"] {
                assert!(!shown.contains(mark), "{shown:?} {mark}");
            }
            assert_eq!(shown.replace('\u{2060}', ""), text);
        }
        assert_eq!(no_link("Dr. Min Park, 3rd floor: left"), "Dr. Min Park, 3rd floor: left");
    }

    #[test]
    fn a_moment_is_written_as_the_language_writes_it_and_a_text_stays() {
        assert_eq!(moment(Language::En, "1746280800000"), "3 May 2025, 14:00 UTC");
        assert_eq!(moment(Language::Ko, "1746280800000"), "2025년 5월 3일 14:00(UTC)");
        assert_eq!(moment(Language::En, "tomorrow"), "tomorrow");
        assert_eq!(stamp(UnixMillis(1_746_280_800_042)), "20250503T140000042Z");
    }
}
