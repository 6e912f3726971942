//! A raw HTTP/1.1 client with keep-alive: RFC 9112's framing by Content-Length, by chunks or by the end of the stream.
//!
//! It is small so that it costs little beside the server on a machine of two cores, and it shares no code with the
//! server, so that a fault of one can't hide in the other. TLS and HTTP/2 are left out: the loopback has neither.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const LARGEST: usize = 8 << 20;
/// How much room each read gets.
const READ: usize = 8 << 10;

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        fields(&self.head, name).next()
    }

    /// Every header of this name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        fields(&self.head, name)
    }

    /// The body as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.summary()))
    }

    /// The status and the beginning of the body, for a message.
    pub fn summary(&self) -> String {
        let text = self.text();
        let start: String = text.chars().take(300).collect();
        format!("{} {}", self.status, start.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

fn fields<'h, 'n>(head: &'h str, name: &'n str) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
    head.split("\r\n").skip(1).filter_map(move |line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// One connection, opened when it is first needed and kept alive.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// A connection to be opened to this address.
    pub const fn to(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::new() }
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke, the answer is no HTTP, or it took longer than ten seconds. Nothing is sent twice.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<Answer> {
        let answer = match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
        };
        if answer.as_ref().map_or(true, closes) {
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.buffer.clear();
            self.stream = Some(stream);
        }
        if let Some(stream) = &mut self.stream {
            stream.write_all(request).await?;
        }
        loop {
            let head = self.take_through(b"\r\n\r\n").await?;
            let head = String::from_utf8(head).map_err(|_| broken("the head is no text"))?;
            let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| broken("no status line"))?;
            if !(100..200).contains(&status) {
                let body = self.body(status, &head).await?;
                return Ok(Answer { status, head, body });
            }
        }
    }

    async fn body(&mut self, status: u16, head: &str) -> io::Result<Vec<u8>> {
        if matches!(status, 204 | 304) {
            return Ok(Vec::new());
        }
        if fields(head, "transfer-encoding").any(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.chunks().await;
        }
        match fields(head, "content-length").next() {
            Some(length) => self.take(length.parse().map_err(|_| broken("Content-Length is no number"))?).await,
            None => self.rest().await,
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through(b"\r\n").await?;
            let line = std::str::from_utf8(&line).map_err(|_| broken("a chunk's size is no text"))?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| broken("a chunk's size is no number"))?;
            if size == 0 {
                while self.take_through(b"\r\n").await?.len() > 2 {}
                return Ok(body);
            }
            body.append(&mut self.take(size).await?);
            self.take(2).await?;
        }
    }

    async fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.more().await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn take_through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return self.take(at + mark.len()).await;
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.buffer.len() > LARGEST {
            return Err(broken("the answer is too large"));
        }
        self.buffer.reserve(READ);
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Whether the connection can't carry another request after this answer.
fn closes(answer: &Answer) -> bool {
    let framed = matches!(answer.status, 204 | 304)
        || answer.header("content-length").is_some()
        || answer.header("transfer-encoding").is_some();
    !framed || answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// A GET request.
pub fn get(host: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", (host, target), headers, None)
}

/// A POST request with a form.
pub fn post(host: &str, target: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Vec<u8> {
    request("POST", (host, target), headers, Some(("application/x-www-form-urlencoded", &form(fields))))
}

/// A request with JSON of SCIM's.
pub fn scim(method: &str, host: &str, target: &str, headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
    request(method, (host, target), headers, Some(("application/scim+json", &body.to_string())))
}

/// A request with JSON, or without a body.
pub fn json(method: &str, host: &str, target: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Vec<u8> {
    let text = body.map(Value::to_string);
    request(method, (host, target), headers, text.as_deref().map(|text| ("application/json", text)))
}

/// A request; the body comes with its type.
fn request(
    method: &str,
    (host, target): (&str, &str),
    headers: &[(&str, &str)],
    body: Option<(&str, &str)>,
) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers.iter().copied() {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if let Some((kind, body)) = body {
        let length = body.len().to_string();
        text.extend(["Content-Type: ", kind, "\r\nContent-Length: ", length.as_str(), "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(body.map_or("", |(_, body)| body));
    text.into_bytes()
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The value of an `Authorization` header for HTTP Basic (RFC 6749 §2.3.1: both halves form-encoded first).
pub fn basic(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(wire: &'static [u8]) -> io::Result<Answer> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = async move {
            let (mut stream, _) = listener.accept().await?;
            // Closing with the request unread would reset the connection under the answer.
            stream.read_buf(&mut Vec::with_capacity(1024)).await?;
            stream.write_all(wire).await
        };
        let mut connection = Connection::to(address);
        let request = get("localhost", "/", &[]);
        let (served, answer) = tokio::join!(server, connection.send(&request));
        served?;
        answer
    }

    #[tokio::test]
    async fn each_framing_of_a_body_is_understood() {
        let long = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
        assert_eq!(answered(long).await.unwrap().body, b"hello");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n";
        assert_eq!(answered(chunked).await.unwrap().body, b"hello");
        let unframed = b"HTTP/1.1 200 OK\r\n\r\nhello";
        assert_eq!(answered(unframed).await.unwrap().body, b"hello");
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n";
        let answer = answered(interim).await.unwrap();
        assert_eq!((answer.status, answer.header("etag")), (304, Some("\"a\"")));
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_an_error() {
        assert!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await.is_err());
    }
}
