//! Password hashes: Argon2id (RFC 9106) on threads of its own, with a queue that has an end.
//!
//! Hashes are kept as PHC text. Parameters that come with a stored or imported hash are capped. An account without a
//! password costs the same work as one with a password, so that time doesn't tell them apart. Hashes that other systems
//! made (`imported`) are tried too, and called outdated: the sign-in makes one of ours of what matched.
//!
//! # Why
//! Each thread keeps one block of memory for all its hashes: fresh memory for each costs 4 to 7 % of the speed and,
//! with some allocators, is never given back. Past `queue` waiting passwords or `wait_ms` the answer is [`Busy`]: a
//! storm of sign-ins then delays no token request, and nobody waits for an answer that comes too late.

mod imported;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use metrics::{counter, histogram};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::domain::people::password::imported::{Imported, Unreadable};
use crate::kernel::secret::{Chance, Secret, same};
use crate::outside::chance::SystemChance;

/// The most memory, passes and lanes that a stored hash may ask for, unless our own setting is higher.
const MOST_MEMORY_KIB: u32 = 128 * 1024;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 16;
const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// How passwords are hashed, and how many may wait.
#[derive(Clone, Debug)]
pub struct HasherConfig {
    /// Threads, each with `m` KiB of its own.
    pub threads: usize,
    /// How many may wait.
    pub queue: usize,
    /// How long one may wait, its own hash included.
    pub wait_ms: u64,
    /// Memory in KiB.
    pub m: u32,
    /// Passes.
    pub t: u32,
    /// Lanes. They are filled one after another; more of them make nothing faster here.
    pub p: u32,
}

impl Default for HasherConfig {
    /// m=19456 t=2 p=1 on one thread less than there are cores.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads: cores.saturating_sub(1).max(1), queue: 256, wait_ms: 2_000, m: 19_456, t: 2, p: 1 }
    }
}

/// That too many passwords wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait; try again in {retry_after_secs} s")]
pub struct Busy {
    /// When to try again: the `Retry-After` header.
    pub retry_after_secs: u64,
}

/// What a password turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the account's password.
    pub matches: bool,
    /// Whether the stored hash was made with other parameters than today's; hash the password anew.
    pub outdated: bool,
}

/// The pool of threads; clones share it. The threads end with its last clone.
#[derive(Clone)]
pub struct Hasher {
    queue: SyncSender<Job>,
    wait: Duration,
    places: Arc<Semaphore>,
    in_hand: Arc<AtomicU64>,
}

enum Job {
    Hash(Secret, oneshot::Sender<String>),
    Verify(Option<String>, Secret, oneshot::Sender<Verified>),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl Hasher {
    /// Starts the threads. Parameters below Argon2's least are raised to it.
    ///
    /// # Panics
    /// When the system gives no thread, at start.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a configuration is given away")]
    pub fn new(config: HasherConfig) -> Self {
        let HasherConfig { threads, queue, wait_ms, m, t, p } = config;
        let p = p.clamp(1, MOST_LANES);
        let params = Params::new(m.max(8 * p), t.max(1), p, Some(OUTPUT_BYTES))
            .expect("the parameters were raised to Argon2's least");
        let (sender, receiver) = sync_channel(queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        for n in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            let mut worker = Worker::new(params.clone());
            thread::Builder::new()
                .name(format!("hasher-{n}"))
                .spawn(move || worker.run(&receiver))
                .expect("the system gives a thread at start");
        }
        let places = Arc::new(Semaphore::new(queue.max(1) + threads.max(1)));
        Self { queue: sender, wait: Duration::from_millis(wait_ms.max(1)), places, in_hand: Arc::default() }
    }

    /// A place among those who may have a password verified before long, for whoever must do other work first; as many
    /// as the threads and their queue take. It is given back when it is dropped.
    ///
    /// # Errors
    /// [`Busy`] when there is none.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let busy = Busy { retry_after_secs: self.wait.as_secs().max(1) };
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy)
    }

    /// The PHC text of a new hash of `password`.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full or the wait too long.
    pub async fn hash(&self, password: Secret) -> Result<String, Busy> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Hash(password, reply), answer).await
    }

    /// Whether `password` is the one whose hash is `phc`. Without a hash the same work is done and nothing matches.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full or the wait too long.
    pub async fn verify(&self, phc: Option<String>, password: Secret) -> Result<Verified, Busy> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Verify(phc, password, reply), answer).await
    }

    /// Whether a hash that is brought from elsewhere could be tried here: Argon2, or one of [`Imported`], within the caps.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn understands(text: &str) -> Result<(), String> {
        let verdict = match text.parse::<Imported>() {
            Ok(_) => Ok(()),
            Err(Unreadable::Unknown) if text.starts_with("$argon2") => match stored(text) {
                None => Err(Unreadable::Damaged),
                Some((_, stored)) if too_dear(&stored.params, None) => Err(Unreadable::Cost("too much of Argon2")),
                Some(_) => Ok(()),
            },
            Err(error) => Err(error),
        };
        verdict.map_err(|error| error.to_string())
    }

    /// How many passwords wait or are being worked on.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::Relaxed)
    }

    async fn ask<T>(&self, job: Job, answer: oneshot::Receiver<T>) -> Result<T, Busy> {
        let (begun, _counted) = (Instant::now(), InHand::count(&self.in_hand));
        let span = tracing::info_span!(target: "muster::trace", "password");
        let answer = self.wait_for(job, answer).instrument(span).await;
        match &answer {
            Ok(_) => histogram!("muster_password_seconds").record(begun.elapsed().as_secs_f64()),
            Err(_) => counter!("muster_passwords_refused_total").increment(1),
        }
        answer
    }

    async fn wait_for<T>(&self, job: Job, answer: oneshot::Receiver<T>) -> Result<T, Busy> {
        let busy = Busy { retry_after_secs: self.wait.as_secs().max(1) };
        self.queue.try_send(job).map_err(|_| busy)?;
        // Dropping the receiver takes the job out of the queue: the worker passes over what nobody waits for.
        match timeout(self.wait, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(busy),
        }
    }
}

/// One password that is counted for as long as somebody waits for it.
struct InHand<'a>(&'a AtomicU64);

impl<'a> InHand<'a> {
    fn count(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One thread's share: today's parameters and the memory.
struct Worker {
    params: Params,
    memory: Vec<Block>,
}

/// A stored hash of Argon2, as it was read.
struct Stored {
    argon2: Argon2<'static>,
    params: Params,
    salt: Salt,
    output: Output,
}

/// Reads a PHC text of Argon2, with its algorithm and version.
fn stored(phc: &str) -> Option<((Algorithm, Version), Stored)> {
    let hash = PasswordHash::new(phc).ok()?;
    let algorithm = hash.algorithm.as_str().parse::<Algorithm>().ok()?;
    // A PHC text without a version is of Argon2's first one.
    let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let (salt, output) = (hash.salt?, hash.hash?);
    let argon2 = Argon2::new(algorithm, version, params.clone());
    Some(((algorithm, version), Stored { argon2, params, salt, output }))
}

/// Whether a hash asks for more than the caps, and more than today's own cost.
fn too_dear(params: &Params, today: Option<&Params>) -> bool {
    params.m_cost() > today.map_or(0, Params::m_cost).max(MOST_MEMORY_KIB)
        || params.t_cost() > today.map_or(0, Params::t_cost).max(MOST_PASSES)
        || params.p_cost() > MOST_LANES
}

impl Worker {
    fn new(params: Params) -> Self {
        Self { params, memory: Vec::new() }
    }

    fn run(&mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            // A password that makes the library panic is not worth a thread; its asker sees Busy.
            let _ = catch_unwind(AssertUnwindSafe(|| self.work(job)));
        }
    }

    fn work(&mut self, job: Job) {
        // Whoever gave up waiting doesn't read the answer either.
        match job {
            Job::Hash(password, reply) if !reply.is_closed() => {
                let _ = reply.send(self.hash(&password));
            }
            Job::Verify(phc, password, reply) if !reply.is_closed() => {
                let _ = reply.send(self.verify(phc.as_deref(), &password));
            }
            Job::Hash(..) | Job::Verify(..) => {}
        }
    }

    fn hash(&mut self, password: &Secret) -> String {
        let mut salt = [0; SALT_BYTES];
        SystemChance.fill(&mut salt);
        let params = self.params.clone();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let output = self.derive(&argon2, &params, password, &salt).expect("our own parameters fit Argon2");
        PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect("three numbers fit the PHC text"),
            salt: Some(Salt::new(&salt).expect("16 bytes are a salt")),
            hash: Some(Output::new(&output).expect("32 bytes are an output")),
        }
        .to_string()
    }

    fn verify(&mut self, phc: Option<&str>, password: &Secret) -> Verified {
        if let Some(foreign) = phc.and_then(|phc| phc.parse::<Imported>().ok())
            && foreign.takes(password.expose())
        {
            return Verified { matches: imported::matches(&foreign, password), outdated: true };
        }
        let Some((stored, outdated)) = phc.and_then(|phc| self.read(phc)) else {
            let params = self.params.clone();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            let _ = self.derive(&argon2, &params, password, &[0; SALT_BYTES]);
            return Verified { matches: false, outdated: false };
        };
        let matches = self
            .derive(&stored.argon2, &stored.params, password, stored.salt.as_ref())
            .is_some_and(|output| same(&output, stored.output.as_bytes()));
        Verified { matches, outdated }
    }

    /// A stored hash of Argon2 within the caps, and whether it was made with other parameters than today's.
    fn read(&self, phc: &str) -> Option<(Stored, bool)> {
        let (kind, stored) = stored(phc)?;
        if too_dear(&stored.params, Some(&self.params)) {
            return None;
        }
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let outdated = kind != (Algorithm::Argon2id, Version::V0x13)
            || costs(&stored.params) != costs(&self.params)
            || stored.output.len() != OUTPUT_BYTES;
        Some((stored, outdated))
    }

    fn derive(&mut self, argon2: &Argon2<'_>, params: &Params, password: &Secret, salt: &[u8]) -> Option<Vec<u8>> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::default());
        }
        let mut output = vec![0; params.output_len().unwrap_or(OUTPUT_BYTES)];
        let memory = &mut self.memory[..blocks];
        let done = argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut output, memory);
        let own = self.params.block_count();
        if self.memory.len() > own {
            // An imported hash with more memory doesn't keep it.
            self.memory.truncate(own);
            self.memory.shrink_to_fit();
        }
        done.ok().map(|()| output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> HasherConfig {
        HasherConfig { threads: 1, queue: 4, wait_ms: 20_000, m: 64, t: 1, p: 1 }
    }

    fn secret(text: &str) -> Secret {
        Secret::presented(text)
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = Hasher::new(small());
        let phc = hasher.hash(secret("correct horse")).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        let yes = Verified { matches: true, outdated: false };
        assert_eq!(hasher.verify(Some(phc.clone()), secret("correct horse")).await, Ok(yes));
        assert!(!hasher.verify(Some(phc.clone()), secret("correct horsf")).await.unwrap().matches);
        assert!(!hasher.verify(Some(phc), secret("")).await.unwrap().matches);
        assert_ne!(hasher.hash(secret("x")).await, hasher.hash(secret("x")).await);
    }

    #[tokio::test]
    async fn every_character_of_a_long_password_counts() {
        let hasher = Hasher::new(small());
        let long = "€".repeat(128);
        let phc = hasher.hash(secret(&long)).await.unwrap();
        assert!(hasher.verify(Some(phc.clone()), secret(&long)).await.unwrap().matches);
        assert!(!hasher.verify(Some(phc), secret(&format!("{}$", &long[..long.len() - 3]))).await.unwrap().matches);
    }

    #[tokio::test]
    async fn no_hash_and_a_damaged_hash_never_match() {
        let hasher = Hasher::new(small());
        for phc in [None, Some(""), Some("$argon2id$"), Some("$2y$10$abcdefghijklmnopqrstuv"), Some("plain")] {
            let verified = hasher.verify(phc.map(str::to_owned), secret("")).await.unwrap();
            assert!(!verified.matches, "{phc:?}");
        }
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_matches_and_is_called_outdated() {
        let older = Hasher::new(HasherConfig { m: 128, t: 2, p: 2, ..small() });
        let phc = older.hash(secret("pw")).await.unwrap();
        let hasher = Hasher::new(small());
        let both = Verified { matches: true, outdated: true };
        assert_eq!(hasher.verify(Some(phc), secret("pw")).await, Ok(both));
        let again = hasher.hash(secret("pw")).await.unwrap();
        assert!(hasher.verify(Some(again), secret("pw")).await.unwrap().matches);
    }

    #[tokio::test]
    async fn a_hash_made_by_another_implementation_matches() {
        // From the reference implementation's test.c: argon2id, version 19.
        let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let verified = Hasher::new(small()).verify(Some(phc.to_owned()), secret("password")).await.unwrap();
        assert!(verified.matches);
    }

    #[tokio::test]
    async fn a_hash_that_asks_for_too_much_is_refused_without_the_work() {
        let hasher = Hasher::new(small());
        let rest = "c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for costs in ["m=4194304,t=1,p=1", "m=64,t=4294967295,p=1", "m=65536,t=1,p=17"] {
            let phc = format!("$argon2id$v=19${costs}${rest}");
            assert!(!hasher.verify(Some(phc), secret("password")).await.unwrap().matches);
        }
    }

    #[test]
    fn a_hash_that_could_never_be_tried_is_not_understood() {
        let good = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(Hasher::understands(good), Ok(()));
        assert_eq!(Hasher::understands("$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"), Ok(()));
        let dear = Hasher::understands(&good.replace("m=256", "m=4194304"));
        assert!(dear.is_err_and(|reason| reason.contains("too much of Argon2")));
        for (text, why) in [("$argon2id$v=19$m=256", Unreadable::Damaged), ("Password1", Unreadable::Unknown)] {
            assert_eq!(Hasher::understands(text), Err(why.to_string()));
        }
    }

    #[tokio::test]
    async fn past_the_queue_the_answer_is_busy_and_never_a_wait() {
        let hasher = Hasher::new(HasherConfig { threads: 1, queue: 1, m: 32 * 1024, t: 4, wait_ms: 60_000, p: 1 });
        let all = futures_util::future::join_all((0..16).map(|_| hasher.verify(None, secret("x")))).await;
        let busy = all.iter().filter(|outcome| **outcome == Err(Busy { retry_after_secs: 60 })).count();
        assert!((1..16).contains(&busy), "{busy}");
    }

    #[tokio::test]
    async fn a_wait_that_is_too_long_ends_in_busy() {
        let hasher = Hasher::new(HasherConfig { threads: 1, queue: 8, m: 64 * 1024, t: 8, wait_ms: 1, p: 1 });
        assert_eq!(hasher.verify(None, secret("x")).await, Err(Busy { retry_after_secs: 1 }));
    }
}
