//! Judges the access tokens that stand on the lines of standard input.
//!
//! Prints `ready` once tokens are judged, then for each line `ok SUB` or `refused KIND`. Settings come from the
//! environment: `MUSTER_ISSUER`, `MUSTER_AUDIENCE`, `MUSTER_CLIENT_ID`, `MUSTER_CLIENT_SECRET`, and `MUSTER_MAX_SILENCE_MS`
//! if it is not to be 15 seconds.

use std::time::Duration;

use muster_verifier::{Credentials, Options, Verifier};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let credentials = Credentials::secret(std::env::var("MUSTER_CLIENT_ID")?, std::env::var("MUSTER_CLIENT_SECRET")?);
    let mut options = Options::new(std::env::var("MUSTER_ISSUER")?, std::env::var("MUSTER_AUDIENCE")?, credentials);
    if let Ok(text) = std::env::var("MUSTER_MAX_SILENCE_MS") {
        options = options.max_silence(Duration::from_millis(text.parse()?));
    }
    let verifier = Verifier::start(options)?;
    while tokio::time::timeout(Duration::from_secs(2), verifier.ready()).await.is_err() {
        eprintln!("not ready: {}", verifier.status().last_error.unwrap_or_default());
    }
    let mut out = stdout();
    out.write_all(b"ready\n").await?;
    out.flush().await?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(token) = lines.next_line().await? {
        let answer = match verifier.verify(token.trim()).await {
            Ok(claims) => format!("ok {}\n", claims.subject()),
            Err(refusal) => format!("refused {}\n", refusal.kind),
        };
        out.write_all(answer.as_bytes()).await?;
        out.flush().await?;
    }
    Ok(())
}
