//! The demo's mail: the files that Muster writes where it has no mail server, the newest first.

use std::fs;
use std::path::Path;

use crate::examples::shop::{DemoMail, MailLine};
use crate::outside::mail::eml;

/// So many messages are shown.
const MOST: usize = 50;

/// The messages in a data folder, mail and texts to phones. A file that can't be read is left out.
pub fn all(data_dir: &Path, issuer: &str) -> Vec<DemoMail> {
    let mut found = Vec::new();
    for (folder, ending) in [("mail", ".eml"), ("sms", ".txt")] {
        for entry in fs::read_dir(data_dir.join(folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(ending) && !name.starts_with('.') {
                found.push((name, entry.path()));
            }
        }
    }
    // A name begins with the moment.
    found.sort_by(|one, other| other.0.cmp(&one.0));
    found.truncate(MOST);
    let read = |(name, path): (String, std::path::PathBuf)| {
        let bytes = fs::read(&path).ok()?;
        Some(if path.extension().is_some_and(|end| end == "eml") {
            mail(name, &bytes, issuer)
        } else {
            text(name, &bytes, issuer)
        })
    };
    found.into_iter().filter_map(read).collect()
}

fn mail(name: String, bytes: &[u8], issuer: &str) -> DemoMail {
    let seen = eml::read(bytes);
    DemoMail {
        name,
        to: seen.to,
        subject: seen.subject,
        date: seen.date,
        lines: lines(&seen.text, issuer),
        html: Some(seen.html).filter(|html| !html.is_empty()),
    }
}

fn text(name: String, bytes: &[u8], issuer: &str) -> DemoMail {
    let whole = String::from_utf8_lossy(bytes);
    let (to, text) = whole.split_once("\n\n").unwrap_or(("", &whole));
    let to = to.trim_start_matches("To: ").to_owned();
    let date = name.split('-').next().unwrap_or_default().to_owned();
    // A link stands within the line here.
    let words = text.split_whitespace().collect::<Vec<_>>();
    let at = words.iter().position(|word| is_ours(word, issuer));
    let lines = match at {
        None => lines(text, issuer),
        Some(at) => [words[..at].join(" "), words[at].to_owned(), words[at + 1..].join(" ")]
            .iter()
            .flat_map(|line| lines(line, issuer))
            .collect(),
    };
    DemoMail { name, to, subject: "Text message".to_owned(), date, lines, html: None }
}

/// The lines that have something on them; one that is an address of Muster's is a link.
fn lines(text: &str, issuer: &str) -> Vec<MailLine> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| MailLine { text: line.to_owned(), link: is_ours(line, issuer) }).collect()
}

fn is_ours(text: &str, issuer: &str) -> bool {
    text.strip_prefix(issuer).is_some_and(|rest| rest.starts_with('/')) && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_message_stands_first_and_links_lead_to_muster_only() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "mail/20250101T000000000Z-out_1.eml",
            "To: ana@acme.test\r\nSubject: One\r\n\r\nhttp://127.0.0.1:8080.evil/x\r\n",
        );
        put(
            "mail/20250102T000000000Z-out_2.eml",
            "To: bo@acme.test\r\nSubject: Two\r\n\r\nGo on:\r\nhttp://127.0.0.1:8080/reset/x\r\n",
        );
        put("sms/20250103T000000000Z-out_3.txt", "To: +8210\n\nMuster: go to http://127.0.0.1:8080/reset/y (soon)\n");
        put("mail/.20250104T000000000Z-out_4.eml.part", "half");
        let all = all(folder.path(), "http://127.0.0.1:8080");
        let subjects: Vec<&str> = all.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(subjects, ["Text message", "Two", "One"]);
        let links: Vec<&str> =
            all.iter().flat_map(|mail| &mail.lines).filter(|line| line.link).map(|line| line.text.as_str()).collect();
        assert_eq!(links, ["http://127.0.0.1:8080/reset/y", "http://127.0.0.1:8080/reset/x"]);
    }
}
