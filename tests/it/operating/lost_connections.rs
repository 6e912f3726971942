//! A database server that drops its connections: a few requests fail, and then everything works as before.

use futures_util::future::join_all;
use muster::flows::bootstrap::setup_link;

use crate::support::world::{Kind, World};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_drops_are_replaced_and_none_is_handed_out_again_and_again() {
    let Some(world) = World::fresh(Kind::Postgres).await else { return };
    for _ in 0..3 {
        // Several connections lie ready, and the server drops all but the one that asks for it.
        drop(join_all((0..4).map(|_| world.conn())).await);
        let dropped: (i64,) = world
            .conn()
            .await
            .query(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .one()
            .await
            .unwrap();
        assert!(dropped.0 > 0, "there was a connection to drop");
        let mut failed = 0;
        while join_all((0..4).map(|_| world.db.ping())).await.iter().any(Result::is_err) {
            failed += 1;
            assert!(failed < 3, "reading does not recover");
        }
        let mut refused = 0;
        while setup_link(&world).await.is_err() {
            refused += 1;
            assert!(refused < 3, "writing does not recover");
        }
    }
}
