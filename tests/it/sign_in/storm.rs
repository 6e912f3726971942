//! A storm: ten thousand people sign in at once. Most are told to come back, nobody meets a failure, memory stays
//! bounded, and the server goes on answering everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::browser::{Browser, Person};
use crate::support::process::Installation;
use crate::support::world::Kind;
use crate::support::{PASSWORD, skip};

/// So many sign-ins, …
const SIGN_INS: usize = 10_000;
/// … each on a connection of its own, all of them open at once where the system lets one process have so many files;
/// else in waves, of at least so many.
const LEAST_AT_ONCE: usize = 2_000;
/// Files that this process and the server have open for other ends.
const OTHER_FILES: usize = 1_000;
/// What a storm may cost above the memory of an idle server.
const MOST_KIB: u64 = 200 * 1024;
/// No answer comes later.
const PATIENCE: Duration = Duration::from_secs(50);

/// What came of the sign-ins.
#[derive(Debug, Default)]
struct Tally {
    signed_in: usize,
    refused: usize,
    told_to_wait: usize,
    other: Vec<String>,
}

impl Tally {
    fn count(&mut self, head: &str) {
        let status = head.split(' ').nth(1).unwrap_or_default();
        let waits = head.lines().any(|line| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            name.eq_ignore_ascii_case("retry-after") && value.trim().parse::<u64>().is_ok_and(|seconds| seconds > 0)
        });
        match status {
            "200" | "303" => self.signed_in += 1,
            "400" => self.refused += 1,
            "429" if waits => self.told_to_wait += 1,
            _ => self.other.push(head.lines().next().unwrap_or("nothing").to_owned()),
        }
    }
}

/// How many files this process may have open; the server that it starts may as many.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

/// A number of KiB that the kernel tells of a process: `VmRSS` is what it has in memory, `VmHWM` the most it ever had.
fn memory(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The bytes of a sign-in that a page of this browser would send.
async fn request(browser: &mut Browser, name: &str) -> Vec<u8> {
    let page = browser.open(&browser.at.url("/login")).await.page();
    let form = page.form_with("login-submit").expect("the page has the form");
    let fields = form.filled("login-submit", &[("username", name), ("password", PASSWORD)]);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let host = browser.at.node.strip_prefix("http://").expect("the node speaks plain http");
    let cookie = browser.cookie("muster_browser").expect("the page binds the browser");
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nSec-Fetch-Site: same-origin\r\nUser-Agent: Storm/1.0\r\n\
         Cookie: muster_browser={cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        form.action,
        browser.at.issuer,
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// Sends a request once it is time, and reads the answer's head. What went wrong is an answer too.
async fn ask(mut socket: TcpStream, request: Arc<Vec<u8>>, mut time: watch::Receiver<bool>) -> String {
    let _ = time.wait_for(|come| *come).await;
    let asking = async {
        socket.write_all(&request).await?;
        let mut head = Vec::with_capacity(2048);
        while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            if socket.read_buf(&mut head).await? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&head).into_owned())
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(head)) => head,
        Ok(Err(error)) => format!("an error: {error}"),
        Err(_) => "no answer in time".to_owned(),
    }
}

/// So many sign-ins at once: all connect, then all ask.
async fn wave(node: &str, requests: &[Arc<Vec<u8>>], count: usize, tally: &mut Tally) {
    let address = node.strip_prefix("http://").expect("the node speaks plain http");
    let connecting = stream::iter(0..count).map(|_| TcpStream::connect(address)).buffer_unordered(128);
    let sockets: Vec<TcpStream> = connecting.map(|socket| socket.expect("the server accepts")).collect().await;
    let (go, time) = watch::channel(false);
    let asking: Vec<_> = sockets
        .into_iter()
        .enumerate()
        .map(|(number, socket)| tokio::spawn(ask(socket, Arc::clone(&requests[number % requests.len()]), time.clone())))
        .collect();
    go.send(true).expect("somebody waits");
    for one in asking {
        tally.count(&one.await.unwrap());
    }
}

/// Asks whether the server lives, again and again; how often it said so and how long it took at most.
async fn pulse(at: crate::support::http::Address, over: Arc<AtomicBool>) -> (usize, Duration) {
    let (mut beats, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        assert_eq!(at.get("/healthz").await.status, 200);
        slowest = slowest.max(begun.elapsed());
        beats += 1;
        sleep(Duration::from_millis(100)).await;
    }
    (beats, slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sign_ins_at_once_cost_bounded_memory_and_are_told_when_to_come_back() {
    let at_once = open_files().unwrap_or_default().saturating_sub(OTHER_FILES).min(SIGN_INS);
    if at_once < LEAST_AT_ONCE {
        return skip("files", "a storm needs 3,000 open files for each process (ulimit -n)");
    }
    let mut installation = Installation::fresh(Kind::Sqlite).await.expect("it is embedded");
    installation.set("PERSON_PASSWORD", PASSWORD);
    installation.set("SHOP_SECRET", SHOP_SECRET);
    // All come from one address here, and the program is not optimised.
    for name in ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_IP"] {
        installation.set(&format!("MUSTER_HTTP__{name}"), "20000");
    }
    for name in ["HEADER_TIMEOUT_MS", "REQUEST_TIMEOUT_MS"] {
        installation.set(&format!("MUSTER_HTTP__{name}"), "60000");
    }
    let file = installation.write("world.toml", FILE);
    installation.succeeds(&["apply", file.to_str().unwrap()]).await;
    let serving = installation.serve().await;
    let pid = serving.pid();

    // The first one makes the pool take its memory.
    let mut browser = Browser::new(installation.at.clone());
    assert_eq!(browser.sign_in(Person::named("ana")).await.page().status, 200);
    let mut requests = Vec::new();
    for name in ["ana", "nobody"] {
        requests.push(Arc::new(request(&mut Browser::new(installation.at.clone()), name).await));
    }
    let Some(idle) = memory(pid, "VmRSS") else {
        return skip("proc", "the kernel does not tell how much memory a process has");
    };

    let over = Arc::new(AtomicBool::new(false));
    let pulse = tokio::spawn(pulse(installation.at.clone(), Arc::clone(&over)));
    let (begun, mut tally, mut left) = (Instant::now(), Tally::default(), SIGN_INS);
    while left > 0 {
        let count = left.min(at_once);
        wave(&installation.at.node, &requests, count, &mut tally).await;
        left -= count;
    }
    let took = begun.elapsed();
    over.store(true, Ordering::SeqCst);
    let (beats, slowest) = pulse.await.expect("the server lived all the while");
    let most = memory(pid, "VmHWM").expect("it told before");
    eprintln!(
        "{SIGN_INS} sign-ins, {at_once} at once, in {took:?}: {tally:?}; {} KiB above {idle}; {beats} beats, the slowest \
         {slowest:?}",
        most.saturating_sub(idle)
    );
    assert!(tally.other.is_empty(), "{} strange answers, such as {:?}", tally.other.len(), tally.other[0]);
    assert_eq!(tally.signed_in + tally.refused + tally.told_to_wait, SIGN_INS);
    assert!(tally.signed_in > 0 && tally.refused > 0 && tally.told_to_wait > 0, "{tally:?}");
    assert!(beats > 0 && slowest < Duration::from_secs(20), "{beats} beats, the slowest took {slowest:?}");
    assert!(most <= idle + MOST_KIB, "{most} KiB at most, {idle} KiB when idle");
    // It is over, and everybody can sign in again.
    let mut after = Browser::new(installation.at.clone());
    assert_eq!(after.sign_in(Person::named("ana")).await.page().status, 200);
    serving.kill().await;
}
