//! The audit record: what was done to whom, found again by whoever looks; and whoever tampers with it is found out.

use muster::domain::audit::chain;
use muster::domain::change::{Actor, Change, Mode, Origin};
use muster::domain::people::user::MembershipState;
use muster::flows::audit::{Format, export};
use muster::flows::change_access::{change_access, change_access_from};
use muster::kernel::id::{AuditId, GroupId, OrgId};
use muster::kernel::time::HOUR;
use muster::store::audit::{Chain, Event, Fault, Filter, Row, events_of_user, first_broken, note, page, verify};

use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::process::Installation;
use crate::support::world::{Kind, World, on_both};

const FILE: &str = r#"
[[organisation]]
slug = "acme"
name = "Acme"
owner = "olivia"

  [[organisation.person]]
  user_name = "olivia"
"#;

/// Writes past Muster, as somebody could who has the database: `$1` is the organisation.
async fn tamper(world: &World, sql: &'static str, org: &OrgId) {
    let org = org.as_str().to_owned();
    let written: Result<u64, sqlx::Error> =
        world.db.write(move |tx| Box::pin(async move { tx.query(sql).bind(org).execute().await })).await;
    assert!(written.unwrap() > 0, "{sql} changes something");
}

async fn chain_of(world: &World, org: &OrgId) -> Chain {
    verify(&mut world.conn().await, org).await.unwrap()
}

fn rename(org: &Org, group: &GroupId, name: &str) -> Change {
    Change::RenameGroup { org: org.id.clone(), group: group.clone(), name: name.to_owned(), description: String::new() }
}

/// An organisation whose chain has four rows.
async fn four_rows(world: &World, slug: &str) -> Org {
    let org = world.org(slug).await;
    org.project("web").await;
    let group = org.group("devs", &[]).await;
    world.act(vec![rename(&org, &group, "ops")]).await;
    org
}

async fn rows(world: &World, org: &Org, filter: Filter) -> Vec<Row> {
    page(&mut world.conn().await, &org.id, &filter, None, 100).await.unwrap()
}

fn kinds(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.kinds.join(" ")).collect()
}

fn of_kind(kind: &str) -> Filter {
    Filter { kind: Some(kind.to_owned()), ..Filter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_alters_removes_or_hides_a_row_is_found_out() {
    const UNINDEX_3: &str = "DELETE FROM audit_targets WHERE audit_id IN
        (SELECT id FROM audit WHERE org_id = $1 AND seq = 3)";
    const UNINDEX_4: &str = "DELETE FROM audit_targets WHERE audit_id IN
        (SELECT id FROM audit WHERE org_id = $1 AND seq = 4)";
    const DELETE_4: &str = "DELETE FROM audit WHERE org_id = $1 AND seq = 4";
    let cases: [(&[&'static str], Fault); 14] = [
        (&["UPDATE audit SET actor = 'user:x' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET action = 'nothing' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET outcome = 'denied' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET detail = '{}' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET at = at + 1 WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET kind = '' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET address = '203.0.113.9' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET targets = '[]' WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&["UPDATE audit SET hash = NULL WHERE org_id = $1 AND seq = 2"], Fault::Altered(2)),
        (&[UNINDEX_3], Fault::Hidden(3)),
        (&[UNINDEX_3, "DELETE FROM audit WHERE org_id = $1 AND seq = 3"], Fault::Missing(3)),
        (&[UNINDEX_4, DELETE_4], Fault::Missing(4)),
        (&[UNINDEX_4, DELETE_4, "UPDATE orgs SET audit_seq = 3 WHERE id = $1"], Fault::Head(3)),
        (
            &["UPDATE orgs SET audit_seq = 3, audit_hash = (SELECT hash FROM audit WHERE org_id = $1 AND seq = 3)
               WHERE id = $1"],
            Fault::Beyond(4),
        ),
    ];
    on_both(async |world| {
        for (number, (statements, fault)) in cases.iter().enumerate() {
            let org = four_rows(&world, &format!("acme{number}")).await;
            let whole = chain_of(&world, &org.id).await;
            assert_eq!((whole.rows, whole.fault), (4, None));
            for sql in statements.iter().copied() {
                tamper(&world, sql, &org.id).await;
            }
            assert_eq!(chain_of(&world, &org.id).await.fault, Some(*fault), "{statements:?}");
            assert_eq!(first_broken(&mut world.conn().await, &org.id).await.unwrap(), Some(fault.seq()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_there_were_words_stay_whole_beside_newer_ones() {
    on_both(async |world| {
        let org = four_rows(&world, "acme").await;
        let id = org.id.clone();
        let written: Result<(), sqlx::Error> = world
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let (seq, previous): (i64, Vec<u8>) = tx
                        .query("SELECT audit_seq, audit_hash FROM orgs WHERE id = $1")
                        .bind(id.as_str().to_owned())
                        .one()
                        .await?;
                    let row = AuditId::fresh();
                    let fields = [row.as_str(), id.as_str(), "7", "command_line", "old", "accepted", "{}"];
                    let hash = chain(&previous, &fields).to_vec();
                    tx.query(
                        "INSERT INTO audit (id, org_id, seq, at, actor, action, outcome, detail, hash)
                         VALUES ($1, $2, $3, 7, 'command_line', 'old', 'accepted', '{}', $4)",
                    )
                    .bind(row.as_str().to_owned())
                    .bind(id.as_str().to_owned())
                    .bind(seq + 1)
                    .bind(hash.clone())
                    .execute()
                    .await?;
                    let head = tx.query("UPDATE orgs SET audit_seq = $2, audit_hash = $3 WHERE id = $1");
                    head.bind(id.as_str().to_owned()).bind(seq + 1).bind(hash).execute().await.map(|_| ())
                })
            })
            .await;
        written.unwrap();
        org.project("data").await;
        let found = chain_of(&world, &org.id).await;
        assert_eq!((found.rows, found.fault), (6, None));
        let old = &rows(&world, &org, Filter::default()).await[1];
        assert_eq!((old.action.as_str(), old.kinds.len(), old.targets.len()), ("old", 0, 0));
        tamper(&world, "UPDATE audit SET actor = 'user:x' WHERE org_id = $1 AND kind = ''", &org.id).await;
        assert_eq!(chain_of(&world, &org.id).await.fault, Some(Fault::Altered(5)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_what_was_done_by_whom_to_whom_and_when() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let group = acme.group("devs", &["ana"]).await;
        let member = acme.member_id("ana").await;
        world.advance(HOUR);
        let later = world.now();
        let suspend = |state| Change::SetMemberState { org: acme.id.clone(), member: member.clone(), state };
        let both = vec![rename(&acme, &group, "ops"), suspend(MembershipState::Suspended)];
        let change = world.act(both).await.id;
        let by_ana = Actor::User(ana.clone());
        assert!(change_access(&world, &by_ana, vec![rename(&acme, &group, "x")], Mode::Act).await.is_err());

        // Each of a row's words finds it, and a noun all of its own.
        let both = kinds(&rows(&world, &acme, of_kind("member.set_state")).await);
        assert_eq!(both, ["group.change member.set_state"]);
        assert_eq!(rows(&world, &acme, of_kind("group.*")).await.len(), 4);
        assert!(rows(&world, &acme, of_kind("group.chang")).await.is_empty());
        let denied = rows(&world, &acme, Filter { accepted: Some(false), ..Filter::default() }).await;
        assert_eq!((kinds(&denied), denied[0].actor.clone()), (vec!["group.change".to_owned()], by_ana.label()));
        let hers = Filter { actor: Some(by_ana.label()), ..Filter::default() };
        assert_eq!(rows(&world, &acme, hers).await.len(), 1);
        // A person's log: by the account or by the membership, each row once.
        let of_ana = Filter { targets: vec![ana.to_string(), member.to_string()], ..Filter::default() };
        let found = kinds(&rows(&world, &acme, of_ana).await);
        assert_eq!(found, ["group.change member.set_state", "group.add_members", "user.create member.add"]);
        let since = Filter { from: Some(later), ..Filter::default() };
        assert_eq!(rows(&world, &acme, since).await.len(), 2);
        let before = Filter { to: Some(later), accepted: Some(true), ..Filter::default() };
        assert_eq!(rows(&world, &acme, before).await.len(), 4);
        let of_change = Filter { change: Some(change.clone()), ..Filter::default() };
        assert_eq!(rows(&world, &acme, of_change.clone()).await.len(), 1);
        let of_both = Filter { targets: vec![AuditId::fresh().to_string()], ..of_change };
        assert!(rows(&world, &acme, of_both).await.is_empty());
        // Another organisation finds nothing of it.
        let beta = world.org("beta").await;
        let foreign = Filter { targets: vec![ana.to_string()], ..Filter::default() };
        assert!(rows(&world, &beta, foreign).await.is_empty());

        // Pages follow each other without a gap and without a repeat.
        let (mut conn, mut seen, mut before) = (world.conn().await, Vec::new(), None);
        loop {
            let next = page(&mut conn, &acme.id, &Filter::default(), before, 2).await.unwrap();
            let Some(last) = next.last() else { break };
            before = last.seq;
            seen.extend(next.iter().filter_map(|row| row.seq));
        }
        let all: Vec<i64> = (1..=chain_of(&world, &acme.id).await.rows).rev().collect();
        assert_eq!(seen, all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_what_stood_there_before_and_what_stands_there_now() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let group = acme.group("devs", &[]).await;
        world.act(vec![rename(&acme, &group, "ops")]).await;
        let row = rows(&world, &acme, of_kind("group.change")).await.remove(0);
        let line = &row.detail["changed"][0];
        assert_eq!(line["id"], group.as_str());
        assert_eq!((&line["before"]["name"], &line["after"]["name"]), (&"devs".into(), &"ops".into()));
        assert!(line["before"].get("description").is_none(), "only what differs: {line}");

        acme.delete_group("ops").await;
        let row = rows(&world, &acme, of_kind("group.delete")).await.remove(0);
        let line = &row.detail["changed"][0];
        assert!(line["before"]["name"] == "ops" && line["after"].is_null(), "{line}");

        let hash = world.hasher.hash(muster::kernel::secret::Secret::presented("Another8-Kq2mVx9dT")).await.unwrap();
        world.act(vec![Change::ResetPassword { user: ana.clone(), password: hash.clone(), must_change: false }]).await;
        acme.application("shop").await;
        for row in rows(&world, &acme, Filter::default()).await {
            let text = row.detail.to_string();
            assert!(!text.contains("argon2") && !text.contains("ana@example.test"), "{text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_record_has_every_row_and_runs_nothing_in_a_spreadsheet() {
    on_both(async |world| {
        let acme = four_rows(&world, "acme").await;
        let origin =
            Origin { address: "@SUM(A1)".to_owned(), request_id: "=1+1,\"x\"".to_owned(), ..Origin::default() };
        let create = Change::CreateGroup {
            org: acme.id.clone(),
            group: GroupId::fresh(),
            name: "a, \"b\"".to_owned(),
            description: String::new(),
        };
        change_access_from(&world, &Actor::CommandLine, &origin, vec![create], Mode::Act).await.unwrap();
        let mut file = export(&world, &acme.id, Filter::default(), Format::Csv);
        let mut text = String::new();
        while let Some(piece) = file.piece().await.unwrap() {
            text.push_str(&piece);
        }
        let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
        assert_eq!(lines.len(), 1 + 5, "{text}");
        assert!(lines[0].starts_with("seq,id,at,") && lines[1].starts_with("5,aud_"), "{text}");
        assert!(lines[1].contains(",'@SUM(A1),\"'=1+1,\"\"x\"\"\","), "{}", lines[1]);
        let mut file = export(&world, &acme.id, of_kind("group.*"), Format::JsonLines);
        let text = file.piece().await.unwrap().unwrap();
        assert!(file.piece().await.unwrap().is_none());
        let seqs: Vec<i64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(seqs, [5, 4, 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_sees_what_its_people_did_here_and_not_elsewhere() {
    on_both(async |world| {
        let (acme, beta) = (world.org("acme").await, world.org("beta").await);
        let ana = acme.person("ana", PASSWORD).await;
        let own = world.own_account("olga", PASSWORD).await;
        acme.admit(&own).await;
        beta.admit(&own).await;
        let at = world.now();
        let event = |user: &muster::kernel::id::UserId, org: Option<&OrgId>, kind| Event {
            at,
            kind,
            org: org.map(|org| org.as_str().to_owned()),
            user: Some(user.as_str().to_owned()),
            application: None,
            detail: "{}".to_owned(),
        };
        let events = vec![
            event(&ana, None, "sign_in.accepted"),
            event(&ana, Some(&acme.id), "token.issued"),
            event(&own, None, "sign_in.refused"),
            event(&own, Some(&acme.id), "token.issued"),
            event(&own, Some(&beta.id), "token.issued"),
        ];
        let written: Result<(), sqlx::Error> = world
            .db
            .write(move |tx| {
                Box::pin(async move {
                    for event in &events {
                        note(tx, event).await?;
                    }
                    Ok(())
                })
            })
            .await;
        written.unwrap();
        let mut conn = world.conn().await;
        let of_ana = events_of_user(&mut conn, &acme.id, &ana, None, 10).await.unwrap();
        assert_eq!(of_ana.len(), 2, "a managed account's sign-ins are its organisation's to see");
        let of_own = events_of_user(&mut conn, &acme.id, &own, None, 10).await.unwrap();
        assert_eq!(of_own.len(), 1, "an own account's are not");
        assert!(events_of_user(&mut conn, &beta.id, &ana, None, 10).await.unwrap().is_empty());
        let first = events_of_user(&mut conn, &acme.id, &ana, None, 1).await.unwrap().remove(0);
        let second = events_of_user(&mut conn, &acme.id, &ana, Some((first.at, &first.id)), 10).await.unwrap();
        assert!(second.len() == 1 && second[0].id != first.id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_whether_every_chain_is_whole() {
    for kind in Kind::BOTH {
        let Some(one) = Installation::fresh(kind).await else { continue };
        let file = one.write("world.toml", FILE);
        one.succeeds(&["apply", file.to_str().unwrap()]).await;
        let told = one.succeeds(&["audit", "verify"]).await;
        assert!(told.contains("acme") && told.contains("whole"), "{told}");
        assert!(one.succeeds(&["audit", "verify", "--org", "acme"]).await.contains("whole"));
        assert_eq!(one.run(&["audit", "verify", "--org", "nobody"]).await.status.code(), Some(1));
    }
}
