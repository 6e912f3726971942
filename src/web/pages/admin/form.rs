//! What an administrator's form sends: names that may repeat, longer texts than a protocol's parameters, a file.

use axum::body::to_bytes;
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::http::header;

/// The most bytes of one form; the edge may allow less.
const MOST_BYTES: usize = 1 << 20;
/// The most fields of one form: every box of a long list may be ticked.
const MOST_FIELDS: usize = 4096;

/// A form that was posted.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pairs: Vec<(String, String)>,
    /// Whether a file was chosen that is no text.
    pub unreadable: bool,
}

/// That a body is no form of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAForm;

impl Form {
    /// Reads the body of a request, with or without a file.
    ///
    /// # Errors
    /// It is no form, or no text.
    pub async fn read(request: Request) -> Result<Self, NotAForm> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => {
                let bytes = to_bytes(request.into_body(), MOST_BYTES).await.map_err(|_| NotAForm)?;
                Self::parse(&bytes)
            }
            "multipart/form-data" => Self::parts(request).await,
            _ => Err(NotAForm),
        }
    }

    /// Decodes a body without a file.
    ///
    /// # Errors
    /// Too many fields, or one that is no text.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAForm> {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(bytes) {
            // What is no UTF-8 arrives with replacement characters; nobody types one.
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(NotAForm);
            }
            form.keep(name.into_owned(), value.into_owned())?;
        }
        Ok(form)
    }

    async fn parts(request: Request) -> Result<Self, NotAForm> {
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| NotAForm)?;
        let mut form = Self::default();
        while let Some(field) = parts.next_field().await.map_err(|_| NotAForm)? {
            let name = field.name().unwrap_or_default().to_owned();
            let is_file = field.file_name().is_some();
            let bytes = field.bytes().await.map_err(|_| NotAForm)?;
            match String::from_utf8(bytes.to_vec()) {
                Ok(text) if !text.contains('\0') => form.keep(name, text)?,
                Ok(_) | Err(_) if is_file => form.unreadable = true,
                Ok(_) | Err(_) => return Err(NotAForm),
            }
        }
        Ok(form)
    }

    fn keep(&mut self, name: String, value: String) -> Result<(), NotAForm> {
        if self.pairs.len() == MOST_FIELDS || value.contains('\0') || name.contains('\0') {
            return Err(NotAForm);
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// Every field, in the order of the page.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A field as it was sent; empty when it wasn't.
    #[must_use]
    pub fn sent(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// A field without the space around it.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.sent(name).trim()
    }

    /// A field that may be left empty.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Whether a field was sent at all: a box that was ticked.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Every value of a field, in the order of the page.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pairs.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_name_may_repeat_and_a_box_that_was_not_ticked_is_not_there() {
        let form = Form::parse(b"group=a&group=b&name=+Ana%20Lee+&empty=").unwrap();
        assert_eq!(form.all("group").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((form.text("name"), form.sent("name")), ("Ana Lee", " Ana Lee "));
        assert!(form.has("empty") && !form.has("other") && form.given("empty").is_none());
    }

    #[test]
    fn what_is_no_text_is_no_form() {
        for bad in [&b"a=%00"[..], b"a=%FF", b"a%00=1"] {
            assert!(Form::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Form::parse("a=1&".repeat(MOST_FIELDS + 1).as_bytes()).is_err());
    }

    fn upload(file: &[u8]) -> Request {
        let head = "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; \
                    name=\"file\"; filename=\"people.csv\"\r\nContent-Type: text/csv\r\n\r\n";
        let body = [head.as_bytes(), file, b"\r\n--x--\r\n"].concat();
        let request = Request::builder().method("POST").header("content-type", "multipart/form-data; boundary=x");
        request.body(Body::from(body)).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_read_as_text_or_said_to_be_none() {
        let form = Form::read(upload("name,e-mail\nJürg,j@a.test".as_bytes())).await.unwrap();
        assert_eq!((form.sent("csrf"), form.sent("file")), ("1", "name,e-mail\nJürg,j@a.test"));
        let form = Form::read(upload(b"J\xfcrg")).await.unwrap();
        assert!(form.unreadable && !form.has("file"));
    }

    #[tokio::test]
    async fn another_content_type_is_no_form() {
        let request = Request::builder().header("content-type", "text/plain").body(Body::from("a=1")).unwrap();
        assert_eq!(Form::read(request).await.unwrap_err(), NotAForm);
    }
}
