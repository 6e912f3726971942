//! How guessing, asking and crowding got the better of others (K1 to K9), and that it does not here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use muster::config::Config;
use muster::domain::change::Change;
use muster::domain::people::user::UserState;
use muster::kernel::time::{MINUTE, SECOND};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{ANA, PHONE, WRONG, counter, is_in, is_out, proven, signed_in, with_app};
use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::authenticator::Authenticator;
use crate::support::browser::{Browser, Person};
use crate::support::http::{Address, Answer};
use crate::support::process::Installation;
use crate::support::server::{Site, on_both, on_both_named, on_both_with};
use crate::support::world::Kind;
use crate::support::{PASSWORD, skip};

async fn tries(browser: &mut Browser, path: &str, person: Person<'_>) -> u16 {
    let page = browser.open(&browser.at.url(path)).await.page();
    let typed = [("username", person.name), ("password", person.password)];
    browser.press(&page, "login-submit", &typed).await.page().status
}

/// The lock comes late, so that there is room for many names.
fn late(config: &mut Config) {
    config.passwords.lock_failures = 10;
}

#[tokio::test(flavor = "multi_thread")]
async fn k1_whatever_name_is_typed_and_wherever_one_counter_counts() {
    on_both_with(late, async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let bo = acme.person("bo", PASSWORD).await;
        proven(site, &ana, (true, true)).await;
        let mut inside = signed_in(site, "ana").await;
        site.advance(11 * MINUTE);
        // The pages of somebody who is signed in guess at the same account.
        let again = inside.open(&site.at.url("/me/security/totp")).await.page();
        let own = inside.open(&site.at.url("/me/password")).await.page();
        let wrong = [("old", "wrong-1"), ("password", "Quay4-Zr8wNb3Lf"), ("password_again", "Quay4-Zr8wNb3Lf")];
        assert_eq!(inside.press(&own, "password-submit", &wrong).await.page().status, 400);
        assert_eq!(counter(site, &ana).await.0, 1);
        assert_eq!(inside.press(&again, "again-submit", &[("password", "wrong-1")]).await.page().status, 400);
        assert_eq!(counter(site, &ana).await.0, 2);
        let mut guesses = 2;
        for name in ["ana", "ANA", " ana ", "ana@example.test", "Ana@Example.TEST", PHONE, "+821012345678"] {
            for path in ["/login", "/o/acme/login"] {
                // What comes within a pause is not looked at, and so not counted.
                site.advance(15 * MINUTE);
                let status = tries(&mut site.browser(), path, Person { name, ..WRONG }).await;
                guesses += 1;
                assert_eq!((status, counter(site, &ana).await.0), (400, guesses), "{name:?} at {path}");
            }
        }
        assert_eq!(counter(site, &bo).await, (0, 0), "nobody else's");
        site.advance(15 * MINUTE);
        signed_in(site, "ana").await;
        assert_eq!(counter(site, &ana).await.0, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_of_five_hundred_wrong_passwords_at_once_no_more_count_than_lock() {
    on_both(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let page = browser.open(&url).await.page();
        let form = page.form_with("login-submit").unwrap();
        let fields = form.filled("login-submit", &[("username", "ana"), ("password", WRONG.password)]);
        let crowd: Vec<_> = (0..500)
            .map(|_| {
                let (mut browser, url, fields) = (browser.clone(), url.clone(), fields.clone());
                tokio::spawn(async move {
                    let answer = browser.send(Method::POST, &url, Some(&fields)).await;
                    (answer.status, browser.cookie("muster").is_some())
                })
            })
            .collect();
        for one in crowd {
            assert_eq!(one.await.unwrap(), (400, false));
        }
        let (in_a_row, until) = counter(site, &ana).await;
        assert_eq!(in_a_row, 5, "the rest met the lock");
        assert!(until > site.now().0 && until <= site.now().plus(15 * MINUTE).0, "{until}");
        let right = form.filled("login-submit", &[("username", "ana"), ("password", PASSWORD)]);
        let pressed = (0..50).map(|_| {
            let (mut browser, url, right) = (browser.clone(), url.clone(), right.clone());
            async move { browser.send(Method::POST, &url, Some(&right)).await.status }
        });
        assert!(join_all(pressed).await.iter().all(|status| *status == 400), "nor does the right one come in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k3_whoever_hammers_keeps_out_neither_the_passkey_nor_the_browser_of_the_person() {
    on_both_named(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut home = signed_in(site, "ana").await;
        let page = home.open(&site.at.url("/me/security/passkey")).await.page();
        let (mut device, answer) = Authenticator::make(&site.at.issuer, &page.attribute("data-options").unwrap());
        let done = home.press(&page, "passkey-submit", &[("response", &answer), ("name", "Key")]).await.page();
        assert_eq!(done.status, 200, "{done:?}");
        for _ in 0..30 {
            assert_eq!(tries(&mut site.browser(), "/login", WRONG).await, 400);
        }
        let (in_a_row, until) = counter(site, &ana).await;
        assert_eq!(in_a_row, 5);
        assert!(until <= site.now().plus(15 * MINUTE).0, "the lock is soft, and no hammering lengthens it");
        assert_eq!(tries(&mut site.browser(), "/login", ANA).await, 400, "a stranger's browser");
        // The passkey, from anywhere.
        let mut away = site.browser();
        let page = away.open(&site.at.url("/login")).await.page();
        let page = away.press(&page, "login-passkey", &[]).await.page();
        let answer = device.answer(&page.attribute("data-options").unwrap());
        let landed = away.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &away, landed);
        assert_eq!(
            counter(site, &ana).await,
            (5, until),
            "the lock stays for everybody else, and guesses are in a row from here"
        );
        // The browser that the person was in before: the password, and the factor after it.
        home.lose("muster");
        let page = home.sign_in(ANA).await.page();
        assert!(page.has("use-passkey"), "{page:?}");
        let page = home.press(&page, "use-passkey", &[]).await.page();
        let answer = device.answer(&page.attribute("data-options").unwrap());
        let landed = home.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &home, landed);
        assert_eq!(counter(site, &ana).await, (0, until));
    })
    .await;
}

/// An answer, with what was typed and what is random taken out.
async fn seen(browser: &mut Browser, path: &str, button: &str, typed: &[(&str, &str)]) -> (u16, String) {
    let page = browser.open(&browser.at.url(path)).await.page();
    let page = browser.press(&page, button, typed).await.page();
    let named = typed.iter().find(|(name, _)| *name == "username").map_or("", |(_, value)| *value);
    (page.status, page.without_hidden_values().replace(&format!("value=\"{named}\""), "value=\"\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn k4_nobody_learns_from_an_answer_who_is_there_and_who_has_a_factor() {
    on_both_named(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "locked", "suspended", "guarded"] {
            acme.person(name, PASSWORD).await;
        }
        with_app(site, "guarded").await;
        let user = acme.user_id("suspended").await;
        site.act(vec![Change::SetUserState { user, state: UserState::Suspended }]).await;
        for _ in 0..5 {
            tries(&mut site.browser(), "/login", Person { name: "locked", ..WRONG }).await;
        }
        let mut browser = site.browser();
        let wrong = [("username", "ana"), ("password", WRONG.password)];
        let expected = seen(&mut browser, "/login", "login-submit", &wrong).await;
        assert_eq!(expected.0, 400);
        for (name, password) in [
            ("nobody", PASSWORD),
            ("locked", PASSWORD),
            ("locked", WRONG.password),
            ("suspended", PASSWORD),
            ("guarded", WRONG.password),
            ("guarded", ""),
            ("nobody", ""),
        ] {
            let typed = [("username", name), ("password", password)];
            let answer = seen(&mut browser, "/login", "login-submit", &typed).await;
            assert_eq!(answer, expected, "{name} {password:?}");
        }
        let expected = seen(&mut browser, "/forgot", "forgot-submit", &[("username", "ana")]).await;
        assert_eq!(expected.0, 200);
        for name in ["nobody", "locked", "suspended", "guarded", "stranger@elsewhere.test"] {
            let answer = seen(&mut browser, "/forgot", "forgot-submit", &[("username", name)]).await;
            assert_eq!(answer, expected, "{name}");
        }
        // A passkey is asked for without a name, so the question names nobody's.
        let page = browser.open(&site.at.url("/login")).await.page();
        let page = browser.press(&page, "login-passkey", &[]).await.page();
        let options: serde_json::Value = serde_json::from_str(&page.attribute("data-options").unwrap()).unwrap();
        let allowed = options["publicKey"]["allowCredentials"].as_array().map_or(0, Vec::len);
        assert_eq!(allowed, 0, "{options}");
        is_out(&browser);
    })
    .await;
}

async fn connect(site: &Site) -> TcpStream {
    let address = site.at.node.strip_prefix("http://").expect("the node speaks plain http");
    TcpStream::connect(address).await.expect("the server accepts")
}

/// The status line that comes before the connection ends, or nothing.
async fn status(socket: &mut TcpStream) -> String {
    let (mut head, mut buffer) = (Vec::new(), [0_u8; 1024]);
    let reading = async {
        while !head.contains(&b'\n') {
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => head.extend(&buffer[..count]),
            }
        }
    };
    timeout(Duration::from_secs(20), reading).await.expect("it ends");
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
}

fn hasty(config: &mut Config) {
    config.http.header_timeout_ms = 1_000;
}

#[tokio::test(flavor = "multi_thread")]
async fn k5_heads_that_never_end_are_cut_off_and_slow_nobody_down() {
    on_both_with(hasty, async |site| {
        let begun = Instant::now();
        let slow: Vec<_> = (0..200)
            .map(|_| async move {
                let mut socket = connect(site).await;
                let host = site.at.node.trim_start_matches("http://");
                let _ = socket.write_all(format!("GET /login HTTP/1.1\r\nHost: {host}\r\n").as_bytes()).await;
                // A byte now and then, for as long as it is taken.
                while begun.elapsed() < Duration::from_secs(15) {
                    if socket.write_all(b"X").await.is_err() {
                        break;
                    }
                    let mut buffer = [0_u8; 64];
                    match timeout(Duration::from_millis(200), socket.read(&mut buffer)).await {
                        Err(_) => {} // nothing yet
                        Ok(Ok(0) | Err(_)) => break,
                        Ok(Ok(_)) => {}
                    }
                }
                begun.elapsed()
            })
            .collect();
        let good = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let asked = Instant::now();
                assert_eq!(site.at.get("/login").await.status, 200);
                slowest = slowest.max(asked.elapsed());
                sleep(Duration::from_millis(50)).await;
            }
            slowest
        };
        let (ends, slowest) = tokio::join!(join_all(slow), good);
        let last = ends.into_iter().max().unwrap_or_default();
        assert!(last < Duration::from_secs(12), "the last was cut off after {last:?}");
        assert!(slowest < Duration::from_secs(5), "a page took {slowest:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k6_what_is_too_much_is_refused_before_it_is_read() {
    on_both(async |site| {
        let host = site.at.node.trim_start_matches("http://").to_owned();
        let head =
            format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        let mut socket = connect(site).await;
        socket.write_all(format!("{head}Content-Length: 1073741824\r\n\r\n").as_bytes()).await.unwrap();
        assert!(status(&mut socket).await.contains(" 413 "), "a gigabyte");
        let mut socket = connect(site).await;
        socket.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
        for _ in 0..9 {
            if socket.write_all(chunk.as_bytes()).await.is_err() {
                break; // it was refused already
            }
        }
        assert!(status(&mut socket).await.contains(" 413 "), "a body without end");
        let mut socket = connect(site).await;
        let many: String = (0..10_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
        let asked = format!("GET /login HTTP/1.1\r\nHost: {host}\r\n{many}\r\n");
        let _ = socket.write_all(asked.as_bytes()).await;
        let said = status(&mut socket).await;
        assert!(said.contains(" 431 ") || said.is_empty(), "ten thousand headers: {said}");
        // What is packed is not unpacked: it is no form.
        let packed = site.at.request(Method::POST, &site.at.url("/login")).header("content-encoding", "gzip");
        let packed = packed.header("content-type", "application/x-www-form-urlencoded").body(vec![0x1f; 60_000]);
        assert!((400..500).contains(&Answer::to(packed).await.status));
        assert_eq!(site.at.get("/login").await.status, 200, "and the server lives");
    })
    .await;
}

/// One hash at a time, at its price in earnest, and few who wait.
fn narrow(config: &mut Config) {
    config.passwords.threads = Some(1);
    (config.passwords.queue, config.passwords.queue_wait_ms) = (4, 20_000);
    (config.passwords.memory_kib, config.passwords.iterations) = (19_456, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn k7_more_passwords_than_can_be_hashed_are_told_to_come_back() {
    on_both_with(narrow, async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let page = browser.open(&url).await.page();
        let form = page.form_with("login-submit").unwrap();
        let fields = form.filled("login-submit", &[("username", "ana"), ("password", PASSWORD)]);
        let crowd = (0..100).map(|_| {
            let (mut browser, url, fields) = (browser.clone(), url.clone(), fields.clone());
            async move { browser.send(Method::POST, &url, Some(&fields)).await }
        });
        let answers = join_all(crowd).await;
        let (mut inside, mut later) = (0, 0);
        for answer in &answers {
            match answer.status {
                303 => inside += 1,
                429 => {
                    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
                    later += 1;
                }
                other => panic!("{other}: {}", answer.body),
            }
        }
        assert!(inside > 0 && later > 0, "{inside} inside, {later} later");
        assert_eq!(tries(&mut site.browser(), "/login", ANA).await, 200, "and then there is room again");
    })
    .await;
}

/// What a process has in memory, in KiB.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Requests of which no two have a word in common.
async fn babel(at: &Arc<Address>, from: usize, count: usize) {
    let asking = stream::iter(from..from + count).map(|number| {
        let at = Arc::clone(at);
        async move {
            let query = format!(
                "response_type=code&client_id=c{number}&redirect_uri=https%3A%2F%2Fs{number}.test%2F&scope=s{number}\
                 &state=t{number}&nonce=n{number}&ui_locales=x{number}&acr_values=a{number}&login_hint=h{number}"
            );
            let paths = [format!("/authorize?{query}"), "/login".to_owned(), format!("/o/o{number}/login")];
            for path in paths {
                let request = at.request(Method::GET, &at.url(&path));
                let request = request.header("accept-language", format!("x{number}, y{number};q=0.5"));
                let request = request.header("cookie", format!("muster=c{number}; muster_browser=b{number}"));
                let status = Answer::to(request).await.status;
                assert!(status < 500, "{path}: {status}");
            }
        }
    });
    asking.buffer_unordered(16).for_each(|()| async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k8_words_that_nobody_said_before_cost_no_memory() {
    let mut installation = Installation::fresh(Kind::Sqlite).await.expect("it is embedded");
    installation.set("PERSON_PASSWORD", PASSWORD);
    installation.set("SHOP_SECRET", SHOP_SECRET);
    installation.set("MUSTER_HTTP__MAX_CONNECTIONS_PER_IP", "4096");
    let file = installation.write("world.toml", FILE);
    installation.succeeds(&["apply", file.to_str().unwrap()]).await;
    let serving = installation.serve().await;
    let at = Arc::new(installation.at.clone());
    babel(&at, 0, 200).await; // what is made once is there by now
    let Some(before) = memory(serving.pid()) else {
        return skip("proc", "the kernel does not tell how much memory a process has");
    };
    babel(&at, 1_000, 1_500).await;
    let more = memory(serving.pid()).expect("it told before").saturating_sub(before);
    eprintln!("4,500 requests without a word in common: {more} KiB more than {before}");
    assert!(more < 50 * 1024, "{more} KiB");
    serving.kill().await;
}

const fn typing<'a>(name: &'a str, password: &'a str) -> Person<'a> {
    Person { name, password, org: "" }
}

#[tokio::test(flavor = "multi_thread")]
async fn k9_every_character_of_a_password_counts_and_what_is_too_long_is_not_hashed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let name = "a-user-name-that-is-longer-than-fifty-two-characters-in-all";
        let cases = [
            ("short", "x".repeat(64)),
            ("wide", format!("{}y", "\u{ac00}".repeat(127))),
            (name, format!("{}z", "q".repeat(127))),
            ("mixed", "\u{e9}".repeat(128)),
        ];
        for (name, password) in &cases {
            acme.person(name, password).await;
            let (length, mut other) = (password.chars().count(), password.chars().collect::<Vec<char>>());
            for place in [length - 1, 72, 73, 0].into_iter().filter(|place| *place < length) {
                let kept = std::mem::replace(&mut other[place], 'w');
                let typed: String = other.iter().collect();
                assert_eq!(tries(&mut site.browser(), "/login", typing(name, &typed)).await, 400, "{name} at {place}");
                other[place] = kept;
            }
            let cut: String = password.chars().take(length - 1).collect();
            assert_eq!(tries(&mut site.browser(), "/login", typing(name, &cut)).await, 400, "{name}");
            let locked = counter(site, &acme.user_id(name).await).await.1;
            site.advance((locked - site.now().0).max(0) + SECOND);
            assert_eq!(tries(&mut site.browser(), "/login", typing(name, password)).await, 200, "{name}");
        }
        // One text has one form (NFC).
        let decomposed = "e\u{301}".repeat(128);
        assert_eq!(tries(&mut site.browser(), "/login", typing("mixed", &decomposed)).await, 200);
        // What is longer than 512 bytes is refused, however it begins.
        let long = format!("{}{}", cases[3].1, "w".repeat(257));
        assert_eq!(tries(&mut site.browser(), "/login", typing("mixed", &long)).await, 400);
    })
    .await;
}
