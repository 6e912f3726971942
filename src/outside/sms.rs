//! Text messages: one HTTP request to the operator's gateway, or, without one, a file.
//!
//! # Why
//! The gateway is the operator's own choice and stands in the settings, so it isn't held to public addresses like what
//! strangers register; https, no redirect and no proxy hold here too, for one-time links travel in the request.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method};

use super::mail::{MailError, SetUpError, kept, values};
use crate::config::sms::{Method as How, Sms as Config};
use crate::domain::people::identifier::check_phone;
use crate::kernel::fold;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;

/// What templates may name.
const NAMES: [&str; 3] = ["to", "text", "token"];
/// The steps that a template may take.
const FUEL: u64 = 10_000;

/// Sends text messages; clones share its connections.
#[derive(Clone, Debug)]
pub struct Sms(Arc<Way>);

#[derive(Debug)]
enum Way {
    Gateway(Box<Gateway>),
    Folder(PathBuf),
}

struct Gateway {
    url: String,
    method: Method,
    /// Names and templates.
    headers: Vec<(HeaderName, String)>,
    body: String,
    content_type: String,
    token: Option<Secret>,
    timeout: Duration,
    extra: Vec<Certificate>,
    // Made at first use: reading the system's certificates takes longer than all the rest of a start.
    client: OnceLock<Option<Client>>,
}

/// The address may hold a key, and headers a token, so neither is printed.
impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("method", &self.method)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

impl Sms {
    /// A gateway as the settings say. Nothing is connected yet.
    ///
    /// # Errors
    /// A template that is broken or names what isn't there, a header that is none, or certificates that are none.
    pub fn new(config: &Config, data_dir: &Path, extra_ca_pem: Option<&[u8]>) -> Result<Self, SetUpError> {
        let Some(url) = &config.url else {
            return Ok(Self(Arc::new(Way::Folder(data_dir.join("sms")))));
        };
        let extra = extra_ca_pem.map(Certificate::from_pem_bundle).transpose();
        let mut headers = Vec::new();
        for (name, template) in &config.headers {
            let parsed = name.parse().map_err(|_| SetUpError::new("sms.headers", format!("{name} is no header")))?;
            headers.push((parsed, template.clone()));
        }
        let gateway = Gateway {
            url: url.clone(),
            method: match config.method {
                How::Post => Method::POST,
                How::Put => Method::PUT,
            },
            headers,
            body: config.body.clone(),
            content_type: config.content_type.clone(),
            token: config.token.clone(),
            timeout: Duration::from_secs(config.timeout_secs),
            extra: extra
                .map_err(|_| SetUpError::new("outbound.extra_ca", "holds no certificates"))?
                .unwrap_or_default(),
            client: OnceLock::new(),
        };
        gateway.check()?;
        Ok(Self(Arc::new(Way::Gateway(Box::new(gateway)))))
    }

    /// Where messages go, for people; never with the gateway's whole address.
    #[must_use]
    pub fn place(&self) -> String {
        match &*self.0 {
            Way::Gateway(gateway) => {
                let url = url::Url::parse(&gateway.url).ok();
                let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("of sms.url");
                format!("to the gateway {host}")
            }
            Way::Folder(folder) => format!("into the folder {}", folder.display()),
        }
    }

    /// Sends a text to one phone number; what the gateway answered.
    ///
    /// # Errors
    /// [`MailError::Rejected`] where the number is none, otherwise that it may go through later. A gateway's words about
    /// a number are its own, so no status of it counts as a refusal for good.
    pub async fn send(&self, to: &str, text: &str, id: &str, at: UnixMillis) -> Result<String, MailError> {
        let no_number = || MailError::Rejected("this is not a complete phone number".to_owned());
        check_phone(to).map_err(|_| no_number())?;
        let to = fold::phone_key(to);
        match &*self.0 {
            Way::Gateway(gateway) => gateway.ask(&to, text).await,
            Way::Folder(folder) => {
                let name = format!("{}-{id}.txt", values::stamp(at));
                let content = format!("To: {to}\n\n{text}\n").into_bytes();
                kept::write(folder.clone(), name.clone(), content)
                    .await
                    .map_err(|error| MailError::Later(format!("the file can't be written: {error}")))?;
                Ok(format!("written to {name}"))
            }
        }
    }
}

impl Gateway {
    fn check(&self) -> Result<(), SetUpError> {
        let all = self.headers.iter().map(|(_, template)| ("sms.headers", template)).chain([("sms.body", &self.body)]);
        for (key, template) in all {
            let engine = engine();
            let parsed = engine.template_from_str(template).map_err(|error| SetUpError::new(key, error))?;
            let strange = parsed.undeclared_variables(false).into_iter().find(|name| !NAMES.contains(&name.as_str()));
            if let Some(name) = strange {
                return Err(SetUpError::new(key, format!("there is no value {name}; there are to, text, token")));
            }
            // What breaks only when it is used breaks here. The text itself may hold the token.
            self.filled(template, "+15550100", "text", Escape::None).map_err(|why| SetUpError::new(key, why))?;
        }
        Ok(())
    }

    fn filled(&self, template: &str, to: &str, text: &str, escape: Escape) -> Result<String, String> {
        let token = self.token.as_ref().map_or("", Secret::expose);
        let values: std::collections::BTreeMap<String, String> = [("to", to), ("text", text), ("token", token)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), escape.of(value)))
            .collect();
        engine().render_str(template, &values).map_err(|error| format!("the template is broken: {}", error.kind()))
    }

    async fn ask(&self, to: &str, text: &str) -> Result<String, MailError> {
        let unreachable = |why: &str| MailError::Unreachable(why.to_owned());
        let client = self.client.get_or_init(|| self.build()).as_ref();
        let client = client.ok_or_else(|| unreachable("no certificates to check the gateway's with"))?;
        let body = self.filled(&self.body, to, text, Escape::for_type(&self.content_type)).map_err(MailError::Later)?;
        let mut request =
            client.request(self.method.clone(), &self.url).header(CONTENT_TYPE, self.content_type.as_str());
        for (name, template) in &self.headers {
            let value = self.filled(template, to, text, Escape::None).map_err(MailError::Later)?;
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| MailError::Later(format!("the value of {name} can't stand in a header")))?;
            value.set_sensitive(true);
            request = request.header(name.clone(), value);
        }
        match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => Ok(answer.status().as_u16().to_string()),
            Ok(answer) => Err(MailError::Later(format!("the gateway answered {}", answer.status().as_u16()))),
            // The library's own text holds the address, and that may hold a key.
            Err(failed) if failed.is_timeout() => Err(unreachable("the gateway did not answer in time")),
            Err(_) => Err(unreachable("the gateway could not be reached")),
        }
    }

    fn build(&self) -> Option<Client> {
        let builder = || {
            Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .timeout(self.timeout)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(4)
                .user_agent("muster")
        };
        builder()
            .tls_certs_merge(self.extra.iter().cloned())
            .build()
            .or_else(|_| builder().tls_certs_only(self.extra.iter().cloned()).build())
            .ok()
    }
}

fn engine<'source>() -> Environment<'source> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine
}

/// How a value is written so that it stays one value.
#[derive(Clone, Copy)]
enum Escape {
    None,
    Form,
    Json,
}

impl Escape {
    fn for_type(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            "application/json" => Self::Json,
            kind if kind.ends_with("+json") => Self::Json,
            _ => Self::None,
        }
    }

    fn of(self, value: &str) -> String {
        match self {
            Self::None => value.to_owned(),
            Self::Form => form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn sms(config: &Config) -> Result<Sms, SetUpError> {
        Sms::new(config, Path::new("/nowhere"), None)
    }

    /// A gateway that answers once, and tells what it was sent.
    async fn gateway(status: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let length = text
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.split("\r\n").next().and_then(|digits| digits.parse::<usize>().ok()));
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
                if body.is_some() && body >= length {
                    break;
                }
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8(request).unwrap()
        });
        (url, task)
    }

    #[tokio::test]
    async fn a_gateway_gets_what_its_templates_say_and_every_value_stays_one_value() {
        let (url, task) = gateway("202 Accepted").await;
        let config = Config {
            url: Some(url),
            content_type: "application/json; charset=utf-8".to_owned(),
            body: r#"{"recipient":"{{ to }}","message":"{{ text }}"}"#.to_owned(),
            headers: BTreeMap::from([("X-Api-Key".to_owned(), "key {{ token }}".to_owned())]),
            token: Some(Secret::presented("s3cret")),
            ..Config::default()
        };
        let sms = sms(&config).unwrap();
        assert!(!format!("{sms:?}").contains("s3cret"));
        let sent = sms.send("+82 10-1234-5678", "a\"b\\c\n{{ token }}", "out_1", UnixMillis(0)).await;
        assert_eq!(sent.as_deref(), Ok("202"));
        let request = task.await.unwrap();
        assert!(request.to_lowercase().contains("x-api-key: key s3cret\r\n"), "{request}");
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((&body["recipient"], &body["message"]), (&"+821012345678".into(), &"a\"b\\c\n{{ token }}".into()));
    }

    #[tokio::test]
    async fn a_form_is_what_a_gateway_gets_by_default_and_a_refusal_is_tried_again() {
        let (url, task) = gateway("500 Internal Server Error").await;
        let sms = sms(&Config { url: Some(url), ..Config::default() }).unwrap();
        let sent = sms.send("+821012345678", "a&b=c é", "out_1", UnixMillis(0)).await;
        assert_eq!(sent, Err(MailError::Later("the gateway answered 500".to_owned())));
        let request = task.await.unwrap();
        assert!(request.ends_with("\r\n\r\nto=%2B821012345678&text=a%26b%3Dc+%C3%A9"), "{request}");
        let nobody = self::sms(&Config { url: Some("http://127.0.0.1:1/".to_owned()), ..Config::default() }).unwrap();
        let sent = nobody.send("+821012345678", "x", "out_1", UnixMillis(0)).await;
        assert!(matches!(sent, Err(MailError::Unreachable(_))), "{sent:?}");
    }

    #[tokio::test]
    async fn without_a_gateway_a_message_is_a_file_and_what_is_no_number_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let sms = Sms::new(&Config::default(), folder.path(), None).unwrap();
        sms.send("+82 10 1234 5678", "hello", "out_1", UnixMillis(0)).await.unwrap();
        let file = std::fs::read_dir(folder.path().join("sms")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "To: +821012345678\n\nhello\n");
        let sent = sms.send("12", "hello", "out_2", UnixMillis(0)).await;
        assert!(matches!(sent, Err(MailError::Rejected(_))));
    }

    #[test]
    fn a_template_that_names_what_is_not_there_stops_the_start() {
        let with = |body: &str| {
            let config =
                Config { url: Some("https://sms.acme.test/".to_owned()), body: body.to_owned(), ..Config::default() };
            sms(&config).map(|_| ()).map_err(|error| error.key)
        };
        assert_eq!(with("{{ to }} {{ text }}"), Ok(()));
        for body in ["{{ phone }}", "{% if to %}", "{{ to|nonsense }}"] {
            assert_eq!(with(body), Err("sms.body"), "{body}");
        }
    }
}
