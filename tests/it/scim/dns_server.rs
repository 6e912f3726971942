//! A DNS server on the loopback (RFC 1035, by UDP, by hand): it knows texts under names, counts its questions, and may
//! fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

const TXT: u16 = 16;
/// The server failed.
const FAILED: u8 = 2;
/// There is no such name.
const UNKNOWN: u8 = 3;

/// The server; gone with the runtime.
#[derive(Clone, Debug)]
pub struct DnsServer {
    /// Where it listens.
    pub address: String,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    texts: BTreeMap<String, Vec<String>>,
    broken: bool,
    asked: usize,
}

impl DnsServer {
    /// A server that knows nothing.
    pub async fn open() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
        let address = socket.local_addr().unwrap().to_string();
        let known = Arc::new(Mutex::new(Known::default()));
        let server = Self { address, known: Arc::clone(&known) };
        tokio::spawn(async move {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let answer = known.lock().unwrap().answer(&question[..length]);
                let _ = socket.send_to(&answer, from).await;
            }
        });
        server
    }

    /// Puts texts under a name, instead of those before; none takes the name away.
    pub fn say(&self, name: &str, texts: &[&str]) {
        let mut known = self.known.lock().unwrap();
        known.texts.remove(name);
        if !texts.is_empty() {
            known.texts.insert(name.to_owned(), texts.iter().map(|text| (*text).to_owned()).collect());
        }
    }

    /// Whether it fails from now on.
    pub fn set_broken(&self, broken: bool) {
        self.known.lock().unwrap().broken = broken;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.known.lock().unwrap().asked
    }
}

impl Known {
    fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        self.asked += 1;
        let (name, end) = name_in(message);
        let kind = u16::from_be_bytes([message[end], message[end + 1]]);
        let none = Vec::new();
        let texts = self.texts.get(&name);
        let code = if self.broken { FAILED } else { texts.map_or(UNKNOWN, |_| 0) };
        let texts = texts.filter(|_| code == 0 && kind == TXT).unwrap_or(&none);
        // The same id; an answer to one question, recursion wanted and available.
        let mut answer = vec![message[0], message[1], 0x81, 0x80 | code, 0, 1, 0, texts.len() as u8, 0, 0, 0, 0];
        answer.extend_from_slice(&message[12..end + 4]);
        for text in texts {
            // Pieces of at most 255 bytes; small ones here, so that every text has several.
            let pieces: Vec<u8> =
                text.as_bytes().chunks(20).flat_map(|piece| [&[piece.len() as u8][..], piece].concat()).collect();
            // The question's name, TXT, IN, a minute.
            answer.extend_from_slice(&[0xc0, 12, 0, TXT as u8, 0, 1, 0, 0, 0, 60]);
            answer.extend_from_slice(&(pieces.len() as u16).to_be_bytes());
            answer.extend_from_slice(&pieces);
        }
        answer
    }
}

/// The name that is asked for, in lower case, and where it ends.
fn name_in(message: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while message[at] != 0 {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}
