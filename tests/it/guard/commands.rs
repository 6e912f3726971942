//! `muster account`, on the database of an installation: help for those whom no administrator can help.

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::people::factor::{FactorKind, NewFactor};
use muster::domain::people::user::Kind as Account;
use muster::flows::change_access::change_access;
use muster::kernel::id::FactorId;
use muster::store::factors;

use crate::support::PASSWORD;
use crate::support::process::Installation;
use crate::support::world::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_lost_every_factor_is_helped_on_the_command_line_and_it_is_written_down() {
    for kind in Kind::BOTH {
        let Some(installation) = Installation::fresh(kind).await else {
            continue;
        };
        installation.succeeds(&["migrate"]).await;
        let world = installation.world().await;
        let opal = world.new_user(Account::Operator, "opal", PASSWORD).await;
        let id = opal.id.clone();
        world.act(vec![Change::CreateUser(Box::new(opal))]).await;
        let factor = NewFactor::Totp { id: FactorId::fresh(), sealed: vec![1], last_step: 1 };
        let put = Change::PutFactor { user: id.clone(), factor: Box::new(factor), first_only: true };
        change_access(&world, &Actor::User(id.clone()), vec![put], Mode::Act).await.unwrap();
        let held = async || factors::held(&mut world.conn().await, &id).await.unwrap().kinds;
        assert!(held().await.contains(&FactorKind::Totp));

        for bad in [&["account", "reset-factors", "nobody"][..], &["account", "reset-factors", "opal", "--org", "acme"]]
        {
            assert!(!installation.run(bad).await.status.success(), "{bad:?}");
        }
        assert!(held().await.contains(&FactorKind::Totp));
        let said = installation.succeeds(&["account", "reset-factors", "OPAL"]).await;
        assert!(said.contains(id.as_str()) && said.contains("done"), "{said}");
        assert!(held().await.is_empty());
        let again = installation.succeeds(&["account", "unlock", id.as_str()]).await;
        assert!(again.contains("there was nothing to do"), "{again}");
        let sql =
            "SELECT COUNT(*) FROM audit WHERE org_id IS NULL AND actor = 'command_line' AND action LIKE '%factor%'";
        let (records,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
        assert_eq!(records, 1);
        world.db.close().await;
    }
}
