//! A message in the form of RFC 5322: its headers, and a text and an HTML part that say the same.

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::{MailError, Rendered};
use crate::domain::people::identifier::check_email;
use crate::kernel::time::UnixMillis;

/// A message and its envelope.
pub struct Letter {
    /// Who sends it.
    pub from: Address,
    /// Who gets it.
    pub to: Address,
    /// The message.
    pub bytes: Vec<u8>,
}

/// Writes a message out. `id` is the Message-ID's parts before and behind the `@`.
///
/// # Errors
/// [`MailError::Rejected`] when it is addressed to anything but one plain address.
pub fn write(
    rendered: &Rendered,
    from: &Mailbox,
    reply_to: Option<&Mailbox>,
    id: (&str, &str),
    at: UnixMillis,
) -> Result<Letter, MailError> {
    let no_address = || MailError::Rejected("this is not an address that mail can go to".to_owned());
    // Our own rule first: a list, a name or a line break is no address, whatever the library makes of it.
    check_email(&rendered.to).map_err(|_| no_address())?;
    let to: Address = rendered.to.parse().map_err(|_| no_address())?;
    let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    let mut builder = Message::builder()
        .date(sent)
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(rendered.subject.clone())
        .message_id(Some(format!("<{}@{}>", id.0, id.1)));
    // An organisation's contact that the library can't read is left out: the mail matters more.
    let own = rendered.reply_to.as_deref().and_then(|text| text.parse::<Address>().ok());
    if let Some(mailbox) = own.map(|address| Mailbox::new(None, address)).or_else(|| reply_to.cloned()) {
        builder = builder.reply_to(mailbox);
    }
    // RFC 3834: nobody's holiday answers. The second is Exchange's word for it.
    for (name, value) in [
        (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"),
        (HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All"),
        (HeaderName::new_from_ascii_str("Content-Language"), rendered.language.as_str()),
    ] {
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let parts = MultiPart::alternative_plain_html(rendered.text.clone(), rendered.html.clone());
    let message = builder.multipart(parts).map_err(|error| MailError::Later(format!("the message: {error}")))?;
    Ok(Letter { from: from.email.clone(), to, bytes: message.formatted() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;

    fn written(reply_to: Option<&str>) -> String {
        let rendered = Rendered {
            to: "ana@acme.test".to_owned(),
            subject: "Hello".to_owned(),
            text: "Hello".to_owned(),
            html: "<p>Hello</p>".to_owned(),
            language: Language::Ko,
            reply_to: reply_to.map(str::to_owned),
        };
        let from: Mailbox = "Muster <id@acme.test>".parse().unwrap();
        let fallback: Mailbox = "ops@acme.test".parse().unwrap();
        let letter =
            write(&rendered, &from, Some(&fallback), ("out_1", "id.test"), UnixMillis(784_887_151_000)).unwrap();
        assert_eq!(letter.to.to_string(), "ana@acme.test");
        String::from_utf8(letter.bytes).unwrap()
    }

    #[test]
    fn the_headers_say_that_a_program_wrote_it_and_where_answers_go() {
        let text = written(Some("help@acme.test"));
        for line in [
            "Date: Tue, 15 Nov 1994 08:12:31 +0000\r\n",
            "From: Muster <id@acme.test>\r\n",
            "To: ana@acme.test\r\n",
            "Subject: Hello\r\n",
            "Message-ID: <out_1@id.test>\r\n",
            "Reply-To: help@acme.test\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Language: ko\r\n",
            "multipart/alternative",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        assert!(!text.contains("List-Unsubscribe"));
        assert!(written(None).contains("Reply-To: ops@acme.test\r\n"));
        assert!(written(Some("not an address")).contains("Reply-To: ops@acme.test\r\n"));
    }
}
