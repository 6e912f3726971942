//! Reads back the messages that [`super`] writes as files: what `muster dev` shows. No reader for mail of others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A message as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who gets it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was sent, as it says.
    pub date: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Reads a message; what can't be read is empty.
#[must_use]
pub fn read(bytes: &[u8]) -> Seen {
    let whole = String::from_utf8_lossy(bytes);
    let (head, body) = split(&whole);
    let header = |name: &str| header(&head, name);
    let mut seen =
        Seen { to: header("To"), subject: words(&header("Subject")), date: header("Date"), ..Seen::default() };
    let kind = header("Content-Type");
    let Some(boundary) = kind.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
        seen.text = body;
        return seen;
    };
    for part in body.split(&format!("--{boundary}")).skip(1).filter(|part| !part.starts_with("--")) {
        let (head, body) = split(part.trim_start_matches("\r\n"));
        let text = decoded(&body, &self::header(&head, "Content-Transfer-Encoding"));
        let kind = self::header(&head, "Content-Type");
        if kind.starts_with("text/html") {
            seen.html = text;
        } else if kind.starts_with("text/plain") {
            seen.text = text;
        }
    }
    seen
}

/// The headers, unfolded, and the rest.
fn split(text: &str) -> (String, String) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    (head.replace("\r\n ", " ").replace("\r\n\t", " "), body.to_owned())
}

fn header(head: &str, name: &str) -> String {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// Encoded words of RFC 2047, as the library writes them: UTF-8 in base64. Space between two of them is none.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut after_word = false;
    for piece in text.split(' ') {
        let inner = piece.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        let word = inner.and_then(|inner| STANDARD.decode(inner).ok());
        if !(out.is_empty() || after_word && word.is_some()) {
            out.push(' ');
        }
        after_word = word.is_some();
        match word {
            Some(bytes) => out.push_str(&String::from_utf8_lossy(&bytes)),
            None => out.push_str(piece),
        }
    }
    out
}

fn decoded(body: &str, encoding: &str) -> String {
    let bytes = match encoding.to_ascii_lowercase().as_str() {
        "base64" => STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap_or_default(),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned()
}

fn quoted_printable(body: &str) -> Vec<u8> {
    let bytes = body.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"=\r\n") {
            at += 3;
            continue;
        }
        let code = rest.get(1..3).filter(|_| rest[0] == b'=').and_then(|two| std::str::from_utf8(two).ok());
        let byte = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(byte.unwrap_or(rest[0]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_read_however_it_was_encoded() {
        let message = concat!(
            "To: ana@acme.test\r\nSubject: =?utf-8?b?7JWI64WV?= =?utf-8?b?7ZWY7IS47JqU?= Ana\r\n",
            "Content-Type: multipart/alternative;\r\n boundary=\"b1\"\r\n\r\n",
            "--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            "a=C3=BC long=\r\n line\r\nlast=3D\r\n",
            "--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "PHA+7JWI64WV\r\nPC9wPg==\r\n--b1--\r\n",
        );
        let seen = read(message.as_bytes());
        assert_eq!((seen.to.as_str(), seen.subject.as_str()), ("ana@acme.test", "안녕하세요 Ana"));
        assert_eq!(seen.text, "aü long line\nlast=");
        assert_eq!(seen.html, "<p>안녕</p>");
        assert_eq!(read(b""), Seen::default());
    }
}
