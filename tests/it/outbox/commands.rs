//! `muster outbox`, on the database of an installation: what waits is seen, tried again, given up, and written down.

use muster::kernel::id::{AlertId, OutboxId};
use muster::store::outbox::{self, Message, NewRow, State};
use serde_json::{Value, json};

use crate::support::process::Installation;
use crate::support::world::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_waits_and_tries_it_again_or_gives_it_up() {
    for kind in Kind::BOTH {
        let Some(installation) = Installation::fresh(kind).await else {
            continue;
        };
        installation.succeeds(&["migrate"]).await;
        let list = installation.succeeds(&["outbox", "list", "--output", "json"]).await;
        assert_eq!(serde_json::from_str::<Value>(&list).unwrap(), json!([]));
        let db = database(&installation).await;
        let message = Message::Webhook { event: json!({ "org": "org_1" }) };
        let row = NewRow { id: OutboxId::fresh(), receiver: AlertId::fresh().to_string(), change: None, message };
        let (id, receiver) = (row.id.to_string(), row.receiver.clone());
        let written: Result<(), sqlx::Error> = db
            .write(move |tx| Box::pin(async move { outbox::put(tx, &row, muster::kernel::time::UnixMillis(1)).await }))
            .await;
        written.unwrap();

        let given_up = installation.succeeds(&["outbox", "give-up", &id]).await;
        assert!(given_up.contains("given up"), "{given_up}");
        assert!(!installation.run(&["outbox", "give-up", &id]).await.status.success(), "it does not wait any more");
        let list = installation.succeeds(&["outbox", "list", "--state", "given_up", "--output", "json"]).await;
        let rows: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(
            (&rows[0]["id"], &rows[0]["receiver"], &rows[0]["last_answer"]),
            (&json!(id), &json!(receiver), &json!("given up by hand"))
        );
        assert!(installation.succeeds(&["outbox", "list", "--state", "sent"]).await.is_empty());

        installation.succeeds(&["outbox", "retry", &id]).await;
        let shown = installation.succeeds(&["outbox", "show", &id, "--output", "json"]).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["state"], shown["next_at"].is_string()), (&json!("waiting"), true));
        let again = installation.succeeds(&["outbox", "retry", "--receiver", &receiver]).await;
        assert!(again.contains("1 row due now"), "{again}");
        let nobody: &[&str] = &["outbox", "retry", "--receiver", "nobody"];
        for bad in [nobody, &["outbox", "show", "out_x"], &["outbox", "retry"], &["outbox", "list", "--state", "lost"]]
        {
            assert!(!installation.run(bad).await.status.success(), "{bad:?}");
        }
        let row = outbox::find(&mut db.read().await.unwrap(), &id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(row.state, State::Waiting);
        let sql = "SELECT COUNT(*) FROM audit WHERE org_id IS NULL AND action LIKE '%deliver%'";
        let (records,): (i64,) = db.read().await.unwrap().query(sql).one().await.unwrap();
        assert_eq!(records, 3, "given up, tried again, and all of one receiver");
        db.close().await;
    }
}

async fn database(installation: &Installation) -> muster::store::db::Database {
    installation.world().await.db.clone()
}
