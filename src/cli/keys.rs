//! `muster keys list` and `muster keys rotate`: the keys that sign tokens, and when each does.

use std::process::ExitCode;

use super::open::{self, Schema};
use super::words::{moment, table};
use super::{reason, say};
use crate::app::App;
use crate::config::Config;
use crate::flows::rotate_keys;
use crate::kernel::time::UnixMillis;
use crate::store::signing_keys::{self, SigningKey};

/// Shows the keys whose signatures hold.
pub async fn list(config: Config) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    show(&app).await?;
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes new keys.
pub async fn rotate(config: Config) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let made = rotate_keys::rotate(&app).await?;
    for kid in made {
        say(format_args!("made {kid}"));
    }
    show(&app).await?;
    reason("Running nodes take the new keys up by themselves.");
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn show(app: &App) -> anyhow::Result<()> {
    let now = app.now();
    let keys = signing_keys::live(&mut app.db.read().await?, now).await?;
    if keys.is_empty() {
        say("There are no keys yet; `muster serve` makes them at its first start.");
        return Ok(());
    }
    let head = ["key", "algorithm", "state", "made", "signs from", "signs until", "holds until"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| row(key, now)));
    say(table(&rows));
    Ok(())
}

fn row(key: &SigningKey, now: UnixMillis) -> Vec<String> {
    let state = if now < key.sign_from {
        "waiting"
    } else if now < key.sign_until {
        "signing"
    } else {
        "verifying"
    };
    vec![
        key.kid.to_string(),
        key.alg.to_string(),
        state.to_owned(),
        moment(key.created_at),
        moment(key.sign_from),
        moment(key.sign_until),
        moment(key.verify_until),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keys::Alg;
    use crate::kernel::id::KeyId;

    #[test]
    fn a_key_waits_then_signs_then_only_verifies() {
        let key = SigningKey {
            kid: KeyId::from_u128(1),
            alg: Alg::Es256,
            sealed: Vec::new(),
            public_jwk: String::new(),
            created_at: UnixMillis(1),
            publish_from: UnixMillis(1),
            sign_from: UnixMillis(10),
            sign_until: UnixMillis(20),
            verify_until: UnixMillis(30),
        };
        let state = |now| row(&key, UnixMillis(now)).swap_remove(2);
        assert_eq!([9, 10, 19, 20].map(state), ["waiting", "signing", "signing", "verifying"]);
    }
}
