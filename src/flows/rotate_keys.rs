//! Signing keys: made at first start, rotated so that nothing ever fails to verify.
//!
//! A new key is published at once, signs after every node has seen it and the time for which others may cache the JWKS, and the one before it
//! holds until the longest token that it signed has run out. The first keys sign at once: nobody has cached anything.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::Fault;
use crate::app::App;
use crate::domain::keys::Alg;
use crate::kernel::id::KeyId;
use crate::kernel::time::{DAY, MINUTE, SECOND, UnixMillis};
use crate::outside::keyring::{KeyError, KeyMaterial, RsaBits, generate};
use crate::store::applications;
use crate::store::signing_keys::{self, SigningKey};

const PURPOSE: &str = "signing_key";

/// Reads the keys of the database into the keyring.
///
/// # Errors
/// The database's; a key that the instance key doesn't open, or that is damaged.
pub async fn load(app: &App) -> Result<(), Fault> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let rows = signing_keys::live(&mut conn, now).await?;
    drop(conn);
    let keys: Result<Vec<KeyMaterial>, KeyError> = rows.into_iter().map(|row| open(app, row)).collect();
    app.keyring.replace(keys?)?;
    Ok(())
}

/// Reads the keys again when the database has others, or other times for them, than were read last.
///
/// # Errors
/// As [`load`].
pub async fn reload_if_changed(app: &App) -> Result<(), Fault> {
    let mark = signing_keys::mark(&mut app.db.read().await?).await?;
    if app.keys_mark.load(Ordering::Relaxed) == mark {
        return Ok(());
    }
    load(app).await?;
    app.keys_mark.store(mark, Ordering::Relaxed);
    Ok(())
}

fn open(app: &App, row: SigningKey) -> Result<KeyMaterial, KeyError> {
    let der =
        app.sealer.open(PURPOSE, row.kid.as_str(), &row.sealed).map_err(|_| KeyError::Damaged(row.kid.clone()))?;
    Ok(KeyMaterial {
        kid: row.kid,
        alg: row.alg,
        private_der: Zeroizing::new(der),
        public_jwk: row.public_jwk,
        publish_from: row.publish_from,
        sign_from: row.sign_from,
        sign_until: row.sign_until,
        verify_until: row.verify_until,
    })
}

/// The algorithms that keys are kept for: ES256 and RS256 always, `EdDSA` once an application asks for it.
///
/// # Errors
/// The database's.
pub async fn wanted(app: &App) -> Result<BTreeSet<Alg>, Fault> {
    let mut conn = app.db.read().await?;
    let mut wanted = BTreeSet::from([Alg::Es256, Alg::Rs256]);
    for application in applications::all(&mut conn).await? {
        wanted.extend([application.id_token_alg, application.access_token_alg]);
    }
    Ok(wanted)
}

/// Makes the first key of every algorithm that has none, and loads the keyring. Two nodes that start at once make one.
///
/// # Errors
/// The database's, or a key can't be made.
pub async fn ensure(app: &App, algs: &BTreeSet<Alg>) -> Result<(), Fault> {
    for alg in algs {
        let (alg, now) = (*alg, app.now());
        if has_key(app, alg).await? {
            continue;
        }
        let key = make(app, alg, now, now).await?;
        let made: Result<(), sqlx::Error> = app
            .db
            .write(move |tx| {
                Box::pin(async move {
                    signing_keys::lock(tx).await?;
                    let live = signing_keys::live(tx, now).await?;
                    if live.iter().any(|key| key.alg == alg && key.sign_until > now) {
                        return Ok(());
                    }
                    signing_keys::insert(tx, &key).await
                })
            })
            .await;
        made?;
    }
    load(app).await
}

async fn has_key(app: &App, alg: Alg) -> Result<bool, Fault> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    Ok(signing_keys::live(&mut conn, now).await?.iter().any(|key| key.alg == alg && key.sign_until > now))
}

/// How long other processes may take to see a new key: they look every second.
const SEEN_WITHIN: i64 = 3 * SECOND;

/// Rotates the keys of every algorithm in use; the new keys' ids.
///
/// # Errors
/// The database's, or a key can't be made.
pub async fn rotate(app: &App) -> Result<Vec<KeyId>, Fault> {
    let mut rotated = Vec::new();
    for alg in wanted(app).await? {
        rotated.extend(rotate_one(app, alg, UnixMillis::MAX).await?);
    }
    Ok(rotated)
}

/// Rotates the keys that have been signing for longer than the configured days; whether there were any.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_if_due(app: &App) -> Result<bool, Fault> {
    let (now, mut rotated) = (app.now(), false);
    let oldest = now.minus(app.config.keys.rotation_days * DAY);
    for alg in wanted(app).await? {
        let live = signing_keys::live(&mut app.db.read().await?, now).await?;
        let newest = live.iter().filter(|key| key.alg == alg).map(|key| key.created_at).max();
        if newest.is_some_and(|at| at < oldest) {
            rotated |= rotate_one(app, alg, oldest).await?.is_some();
        }
    }
    Ok(rotated)
}

/// Makes a new key of one algorithm, unless another node has made one since `newest_before`.
///
/// All times count from the moment of writing, not from before the key was made.
async fn rotate_one(app: &App, alg: Alg, newest_before: UnixMillis) -> Result<Option<KeyId>, Fault> {
    let mut key = make(app, alg, app.now(), app.now()).await?;
    let kid = key.kid.clone();
    let wait = app.config.keys.jwks_max_age_secs * SECOND + SEEN_WITHIN;
    let tokens = &app.config.tokens;
    let longest = tokens.access_secs.max(tokens.id_secs).max(tokens.api_secs) * SECOND + MINUTE;
    let clock = app.clock.clone();
    let made: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                signing_keys::lock(tx).await?;
                let now = clock.now();
                let live = signing_keys::live(tx, now).await?;
                let others = live.iter().filter(|other| other.alg == alg);
                let newest = others.map(|other| other.created_at).max();
                if newest.is_some_and(|at| at >= newest_before) {
                    return Ok(false);
                }
                (key.created_at, key.publish_from) = (now, now);
                key.sign_from = if newest.is_some() { now.plus(wait) } else { now };
                signing_keys::insert(tx, &key).await?;
                signing_keys::retire(tx, alg, &key.kid, key.sign_from, key.sign_from.plus(longest)).await?;
                Ok(true)
            })
        })
        .await;
    let made = made?;
    load(app).await?;
    Ok(made.then_some(kid))
}

/// Makes a key off the runtime's threads (RSA takes a tenth of a second) and seals it.
async fn make(app: &App, alg: Alg, publish_from: UnixMillis, sign_from: UnixMillis) -> Result<SigningKey, Fault> {
    let kid = KeyId::fresh();
    let bits = RsaBits::from_number(app.config.keys.rsa_bits).unwrap_or_default();
    let (id, not_made) = (kid.clone(), KeyError::NotMade(alg));
    let new = tokio::task::spawn_blocking(move || generate(alg, &id, bits)).await.map_err(|_| not_made)??;
    Ok(SigningKey {
        sealed: app.sealer.seal(PURPOSE, kid.as_str(), &new.private_der),
        kid,
        alg,
        public_jwk: new.public_jwk,
        created_at: publish_from,
        publish_from,
        sign_from,
        sign_until: UnixMillis::MAX,
        verify_until: UnixMillis::MAX,
    })
}
