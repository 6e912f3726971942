//! What the unavoidable work costs on this machine in this minute: one signature of each algorithm, one Argon2id.
//!
//! They are the floors of the goals: a grant with n signatures can't cost less than L = y + n·s(alg).

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use serde::Serialize;

use crate::process::thread_cpu;

/// How long each operation is repeated.
const SAMPLE: Duration = Duration::from_millis(300);
/// As long as the signing input of a small access token.
const MESSAGE: [u8; 420] = [b'a'; 420];
/// The server's default: 19 MiB, two passes, one lane.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);

/// A signing algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA-2048 with PKCS#1 1.5.
    Rs256,
}

/// CPU microseconds of one operation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Costs {
    /// A signature with ES256.
    pub es256_us: f64,
    /// A signature with `EdDSA`.
    pub eddsa_us: f64,
    /// A signature with RS256.
    pub rs256_us: f64,
    /// Argon2id at the server's default cost, in memory that is used again.
    pub argon2id_us: f64,
}

impl Costs {
    /// Measures them, in about one and a half seconds.
    ///
    /// # Errors
    /// A key can't be made.
    pub fn measure() -> Result<Self> {
        let chance = SystemRandom::new();
        let failed = |_| anyhow!("aws-lc can't make a key");
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
        let ed = Ed25519KeyPair::generate().map_err(failed)?;
        let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let mut signature = vec![0; rsa.public_modulus_len()];
        Ok(Self {
            es256_us: each(|| {
                black_box(ec.sign(&chance, &MESSAGE).is_ok());
            }),
            eddsa_us: each(|| {
                black_box(ed.sign(&MESSAGE));
            }),
            rs256_us: each(|| {
                black_box(rsa.sign(&RSA_PKCS1_SHA256, &chance, &MESSAGE, &mut signature).is_ok());
            }),
            argon2id_us: argon2id()?,
        })
    }

    /// The cost of a signature.
    pub const fn signature(&self, alg: Alg) -> f64 {
        match alg {
            Alg::Es256 => self.es256_us,
            Alg::EdDsa => self.eddsa_us,
            Alg::Rs256 => self.rs256_us,
        }
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { es256_us, eddsa_us, rs256_us, argon2id_us } = self;
        write!(f, "CPU µs: ES256 {es256_us:.1}, EdDSA {eddsa_us:.1}, RS256 {rs256_us:.1}, Argon2id {argon2id_us:.0}")
    }
}

fn argon2id() -> Result<f64> {
    let (memory, passes, lanes) = ARGON2;
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|error| anyhow!("Argon2id: {error}"))?;
    let mut blocks = vec![Block::new(); params.block_count()];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    Ok(each(|| {
        let done = hasher.hash_password_into_with_memory(b"password", b"0123456789abcdef", &mut hash, &mut blocks);
        black_box(done.is_ok());
    }))
}

/// CPU microseconds of one call, the mean over a sample.
pub fn each(mut call: impl FnMut()) -> f64 {
    call();
    let (begin, cpu) = (Instant::now(), thread_cpu());
    let mut calls = 0_u32;
    while begin.elapsed() < SAMPLE {
        call();
        calls += 1;
    }
    let wall = begin.elapsed();
    let used = thread_cpu().zip(cpu).map(|(now, before)| now.saturating_sub(before));
    // A kernel without scheduler statistics shows zero; then wall time must do.
    let spent = used.filter(|used| !used.is_zero()).unwrap_or(wall);
    spent.as_secs_f64() * 1e6 / f64::from(calls)
}
