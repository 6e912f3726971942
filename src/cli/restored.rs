//! `muster restored`: run on a database that was brought back from a backup, before it serves.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::open::{self, Schema};
use super::words::table;
use super::{reason, say};
use crate::config::Config;
use crate::flows::restored::{self, Keys};
use crate::store::db::Database;
use crate::store::restored::{Ended, others};

/// So long is looked for somebody who listens.
const LOOK: Duration = Duration::from_millis(500);

/// Ends everything that is open in the database. With `anyway` nobody looks whether a node serves.
pub async fn run(config: Config, keys: Keys, anyway: bool) -> anyhow::Result<ExitCode> {
    let listen = config.http.listen;
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    if !anyway {
        nobody_serves(&app.db, listen).await?;
    }
    let ended = restored::end_everything(&app, keys).await?;
    app.db.close().await;
    say(shown(&ended, keys));
    if keys == Keys::Stay {
        reason("Access keys and SCIM tokens that were taken away after the backup are good again: go through them.");
    }
    reason("People, roles, passwords and applications are those of the backup: bring them up to date.");
    Ok(ExitCode::SUCCESS)
}

/// A database in use is no restored one, and everybody would be signed out.
async fn nobody_serves(db: &Database, listen: SocketAddr) -> anyhow::Result<()> {
    let answered = timeout(LOOK, TcpStream::connect(listen)).await;
    if listen.port() != 0 && matches!(answered, Ok(Ok(_))) {
        bail!("something listens on {listen}: stop every node first, or say --anyway");
    }
    let others = others(db).await?;
    if others > 0 {
        bail!("other processes hold {others} connections to the database: stop every node first, or say --anyway");
    }
    Ok(())
}

fn shown(ended: &Ended, keys: Keys) -> String {
    let mut rows = vec![
        ("sessions ended", ended.sessions),
        ("token families ended", ended.families),
        ("members whose tokens are refused", ended.members),
        ("sign-ins that were under way", ended.under_way),
        ("mailed links withdrawn", ended.links),
        ("invitations cancelled", ended.invitations),
        ("messages that are not sent", ended.messages),
    ];
    if keys == Keys::End {
        rows.extend([("access keys ended", ended.keys), ("SCIM tokens and clients removed", ended.credentials)]);
    }
    let row = |(what, count): (&str, u64)| vec![what.to_owned(), count.to_string()];
    table(&rows.into_iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_not_shown() {
        let ended = Ended { sessions: 3, ..Ended::default() };
        let told = shown(&ended, Keys::Stay);
        assert!(told.starts_with("sessions ended                    3\n") && !told.contains("access keys"), "{told}");
        assert!(shown(&ended, Keys::End).contains("access keys ended                 0"));
    }

    #[tokio::test]
    async fn a_database_whose_address_answers_is_left_alone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let flags = crate::config::Overrides {
            data_dir: Some(folder.path().to_owned()),
            issuer: Some("https://id.acme.test".to_owned()),
            ..crate::config::Overrides::default()
        };
        let config = Config::load(None, std::iter::empty(), flags).unwrap();
        let db = Database::open(&config).await.unwrap();
        let told = nobody_serves(&db, address).await.unwrap_err().to_string();
        assert!(told.contains("stop every node"), "{told}");
        drop(listener);
        nobody_serves(&db, address).await.unwrap();
        db.close().await;
    }
}
