//! What stands beside connections' users and groups: credentials, the log of requests, what is held, accounts in the
//! way, domains, and when a connection was heard of.

use muster::domain::connection::{ConnectionState, CredentialKind, ScimProfile};
use muster::kernel::id::{
    AdoptionId, ChangeId, ConnectionId, DomainId, HeldId, OrgId, ScimCredentialId, ScimRequestId,
};
use muster::kernel::secret::Digest;
use muster::kernel::time::{DAY, UnixMillis};
use muster::store::db::Tx;
use muster::store::scim::adoptions::{self, Asked};
use muster::store::scim::credentials;
use muster::store::scim::held::{self, Held};
use muster::store::scim::requests::{self, Logged};
use muster::store::{connections, domains, prune};

use super::store_scene::{GROUPS, Owner, USERS, two, write};
use crate::support::world::{World, on_both};

async fn bound(tx: &mut Tx, sql: &'static str, values: Vec<String>) -> Result<u64, sqlx::Error> {
    let mut query = tx.query(sql);
    for value in values {
        query = query.bind(value);
    }
    query.execute().await
}

/// Writes one row by a statement whose parameters are texts.
async fn put(world: &World, sql: &'static str, values: Vec<String>) {
    let written = write(world, move |tx| Box::pin(bound(tx, sql, values))).await;
    assert_eq!(written, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_found_in_its_organisation_and_notes_when_it_was_heard_of() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let id = own.connection.clone();
        for (at, error) in [(50, None), (40, None), (60, Some("No\0t\nso.")), (55, Some("Older."))] {
            let id = id.clone();
            write(&world, move |tx| {
                Box::pin(async move { connections::note_sync(tx, &id, UnixMillis(at), error).await })
            })
            .await;
        }
        let conn = &mut world.conn().await;
        let found = connections::find(conn, &own.org, &id).await.unwrap().unwrap();
        assert_eq!((found.id, found.org, found.name.as_str()), (id.clone(), own.org.clone(), "Directory"));
        assert_eq!((found.state, found.profile), (ConnectionState::Active, ScimProfile::RfcStrict));
        assert_eq!((found.local_grants, found.settings.patch_answers_body), (true, Some(true)));
        assert_eq!((found.users, found.groups), (i64::from(USERS), i64::from(GROUPS)));
        assert_eq!((found.last_sync_at, found.last_error_at), (Some(UnixMillis(50)), Some(UnixMillis(60))));
        assert_eq!(found.last_error.as_deref(), Some("Notso."));
        assert!(connections::find(conn, &foreign.org, &id).await.unwrap().is_none());
        assert_eq!(connections::by_id(conn, &id).await.unwrap().unwrap().created_at, UnixMillis(5));
        assert_eq!(connections::of_org(conn, &own.org).await.unwrap().len(), 1);
        assert_eq!(connections::name_of(conn, id.as_str()).await.unwrap().as_deref(), Some("Directory"));
        for none in ["okta", "con_\0", ConnectionId::from_u128(99).as_str()] {
            assert_eq!(connections::name_of(conn, none).await.unwrap(), None);
        }
    })
    .await;
}

async fn put_credential(world: &World, owner: &Owner, kind: &str, number: u128, ends: i64) -> ScimCredentialId {
    let id = ScimCredentialId::from_u128(number);
    let (org, connection) = (owner.org.to_string(), owner.connection.to_string());
    let (row, kind, hash) = (id.to_string(), kind.to_owned(), Digest::of(&number.to_be_bytes()).to_vec());
    write(world, move |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO scim_credentials (id, connection_id, org_id, kind, name, secret_hash, created_at, created_by,
                   expires_at)
                 VALUES ($1, $2, $3, $4, 'Key', $5, 1, 'user:ana', $6)",
            )
            .bind(row)
            .bind(connection)
            .bind(org)
            .bind(kind)
            .bind(hash)
            .bind(ends)
            .execute()
            .await
        })
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_stands_with_its_connection_and_only_a_token_is_a_bearer() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let token = put_credential(&world, &own, "token", 1, 100).await;
        let client = put_credential(&world, &own, "client", 2, 200).await;
        let secret = |number: u128| Digest::of(&number.to_be_bytes());
        let conn = &mut world.conn().await;
        let standing = credentials::standing_by_secret(conn, secret(1)).await.unwrap().unwrap();
        assert_eq!((standing.credential.id, standing.credential.kind), (token.clone(), CredentialKind::Token));
        assert_eq!(
            (standing.credential.connection, standing.connection.id),
            (own.connection.clone(), own.connection.clone())
        );
        assert_eq!((standing.credential.org, standing.connection.org), (own.org.clone(), own.org.clone()));
        assert!(standing.org_active && standing.connection.users == i64::from(USERS));
        assert!(credentials::standing_by_secret(conn, secret(2)).await.unwrap().is_none());
        assert!(credentials::standing_by_secret(conn, secret(3)).await.unwrap().is_none());
        let standing = credentials::standing_by_id(conn, &client).await.unwrap().unwrap();
        assert!(standing.credential.is_live(UnixMillis(199)) && !standing.credential.is_live(UnixMillis(200)));
        assert_eq!(credentials::secret_of_client(conn, &client).await.unwrap(), Some(secret(2)));
        assert_eq!(credentials::secret_of_client(conn, &token).await.unwrap(), None);
        assert!(credentials::find(conn, &own.org, &token).await.unwrap().is_some());
        assert!(credentials::find(conn, &foreign.org, &token).await.unwrap().is_none());
        assert_eq!(credentials::of_connection(conn, &own.connection).await.unwrap().len(), 2);
        for (now, live) in [(99, 1), (100, 0)] {
            let count = credentials::count_live(conn, &own.connection, CredentialKind::Token, UnixMillis(now)).await;
            assert_eq!(count.unwrap(), live);
        }
        put(&world, "UPDATE orgs SET state = 'suspended' WHERE id = $1", vec![own.org.to_string()]).await;
        assert!(!credentials::standing_by_id(conn, &token).await.unwrap().unwrap().org_active);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_once_of_a_credential_that_ends_and_its_last_use_never_goes_back() {
    on_both(async |world| {
        let (own, _) = two(&world).await;
        let token = put_credential(&world, &own, "token", 1, 100).await;
        let later = put_credential(&world, &own, "token", 2, 300).await;
        for at in [20, 10] {
            let id = token.clone();
            write(&world, move |tx| Box::pin(async move { credentials::note_use(tx, &id, UnixMillis(at)).await }))
                .await;
        }
        let conn = &mut world.conn().await;
        let used = credentials::find(conn, &own.org, &token).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, Some(UnixMillis(20)));
        let ending = credentials::ending(conn, (UnixMillis(50), UnixMillis(200)), UnixMillis(1), 10).await.unwrap();
        assert_eq!(ending.into_iter().map(|one| one.id).collect::<Vec<_>>(), std::slice::from_ref(&token));
        let soon = (UnixMillis(50), UnixMillis(301));
        assert_eq!(credentials::ending(conn, soon, UnixMillis(1), 1).await.unwrap().len(), 1);
        assert!(credentials::ending(conn, soon, UnixMillis(0), 9).await.unwrap().is_empty(), "too young");
        let mut noted = Vec::new();
        for _ in 0..2 {
            let id = token.clone();
            let at = UnixMillis(30);
            noted.push(
                write(&world, move |tx| Box::pin(async move { credentials::note_warned(tx, &id, at).await })).await,
            );
        }
        assert_eq!(noted, [true, false]);
        let ending = credentials::ending(conn, soon, UnixMillis(1), 10).await.unwrap();
        assert_eq!(ending.into_iter().map(|one| one.id).collect::<Vec<_>>(), [later]);
        put(&world, "UPDATE connections SET state = 'deleted' WHERE id = $1", vec![own.connection.to_string()]).await;
        assert!(credentials::ending(conn, soon, UnixMillis(1), 10).await.unwrap().is_empty());
    })
    .await;
}

/// A request whose id says the same moment as its column.
fn request(owner: &Owner, at: UnixMillis, status: i64) -> Logged {
    Logged {
        id: ScimRequestId::from_u128((u128::try_from(at.0).unwrap() << 80) + 1),
        connection: owner.connection.clone(),
        at,
        method: "PATCH".to_owned(),
        path: "/Users/x\0".to_owned(),
        status,
        detail: "a".repeat(600),
        body: "replace active".to_owned(),
        change: (status < 400).then(|| ChangeId::from_u128(1)),
        took_us: 1200,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_from_its_newest_request_and_kept_for_thirty_days() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let now = world.now();
        let mut rows: Vec<Logged> =
            (0..6).map(|days| request(&own, now.minus(10 * days * DAY), if days == 1 { 409 } else { 200 })).collect();
        rows.push(request(&foreign, now.minus(DAY), 200));
        // The same again is the same row.
        rows.push(rows[0].clone());
        let ids: Vec<ScimRequestId> = rows.iter().map(|row| row.id.clone()).collect();
        write(&world, move |tx| Box::pin(async move { requests::put_all(tx, &rows).await })).await;
        let conn = &mut world.conn().await;
        let page = requests::page(conn, &own.connection, None, false, 4).await.unwrap();
        assert_eq!(page.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), ids[..4]);
        assert_eq!((page[0].path.as_str(), page[0].detail.len(), page[0].took_us), ("/Users/x", 500, 1200));
        assert_eq!((page[0].change.clone(), page[1].change.clone()), (Some(ChangeId::from_u128(1)), None));
        let rest = requests::page(conn, &own.connection, Some(&ids[3]), false, 4).await.unwrap();
        assert_eq!(rest.into_iter().map(|row| row.id).collect::<Vec<_>>(), ids[4..6]);
        let errors = requests::page(conn, &own.connection, None, true, 4).await.unwrap();
        assert_eq!(errors.into_iter().map(|row| row.id).collect::<Vec<_>>(), ids[1..2]);
        assert_eq!(prune::run(&world.db, now).await.unwrap(), 2, "those from forty and fifty days ago");
        assert_eq!(requests::page(conn, &own.connection, None, false, 9).await.unwrap().len(), 4);
    })
    .await;
}

fn hold(owner: &Owner, number: u128, path: &str) -> Held {
    let at = i64::try_from(number).unwrap();
    Held {
        id: HeldId::from_u128(number),
        org: owner.org.clone(),
        connection: owner.connection.clone(),
        state: held::State::Held,
        method: "DELETE".to_owned(),
        path: path.to_owned(),
        body: "{}".to_owned(),
        losing: 60,
        of_members: 100,
        created_at: UnixMillis(at),
        decide_at: UnixMillis(100 - at),
        decided_at: None,
        decided_by: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_decided_by_one_of_two_at_once() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        for row in [hold(&own, 1, "/Groups/a"), hold(&own, 2, "/Groups/b"), hold(&foreign, 3, "/Groups/a")] {
            write(&world, move |tx| Box::pin(async move { held::put(tx, &row).await })).await;
        }
        let id = HeldId::from_u128(1);
        let decide = |state: held::State, by: &'static str| {
            let id = id.clone();
            let at = UnixMillis(70);
            write(&world, move |tx| Box::pin(async move { held::decide(tx, &id, state, by, at).await }))
        };
        let (released, rejected) =
            tokio::join!(decide(held::State::Released, "user:ana"), decide(held::State::Rejected, "user:bo"));
        assert!(released ^ rejected, "exactly one decides");
        assert!(!decide(held::State::Rejected, "user:bo").await);
        let conn = &mut world.conn().await;
        let found = held::find(conn, &own.org, &id).await.unwrap().unwrap();
        let wanted = if released { (held::State::Released, "user:ana") } else { (held::State::Rejected, "user:bo") };
        assert_eq!((found.state, found.decided_by.as_deref().unwrap()), wanted);
        assert_eq!((found.decided_at, found.losing, found.of_members), (Some(UnixMillis(70)), 60, 100));
        assert!(held::find(conn, &foreign.org, &id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_listed_by_organisation_path_and_time() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        for row in [hold(&own, 1, "/Groups/a"), hold(&own, 2, "/Groups/b"), hold(&foreign, 3, "/Groups/a")] {
            write(&world, move |tx| Box::pin(async move { held::put(tx, &row).await })).await;
        }
        let (one, two, three) = (HeldId::from_u128(1), HeldId::from_u128(2), HeldId::from_u128(3));
        let ids = |rows: Vec<Held>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        let conn = &mut world.conn().await;
        assert_eq!(ids(held::due(conn, UnixMillis(98), 9).await.unwrap()), [three.clone(), two.clone()]);
        let (decided, at) = (two.clone(), UnixMillis(70));
        let job = write(&world, move |tx| {
            Box::pin(async move { held::decide(tx, &decided, held::State::Rejected, "user:ana", at).await })
        });
        assert!(job.await);
        assert_eq!(ids(held::page(conn, &own.org, None, None, 9).await.unwrap()), [one.clone(), two.clone()]);
        assert_eq!(ids(held::page(conn, &own.org, None, Some(&one), 9).await.unwrap()), std::slice::from_ref(&two));
        let open = held::page(conn, &own.org, Some(held::State::Held), None, 9).await.unwrap();
        assert_eq!(ids(open), std::slice::from_ref(&one));
        let same = ("DELETE", "/Groups/a", "{}");
        assert_eq!(held::open_of(conn, &own.connection, same).await.unwrap(), Some(one.clone()));
        for other in [
            ("DELETE", "/Groups/b", "{}"),
            ("DELETE", "/Groups/a\0", "{}"),
            ("PATCH", "/Groups/a", "{}"),
            ("DELETE", "/Groups/a", "[]"),
        ] {
            assert_eq!(held::open_of(conn, &own.connection, other).await.unwrap(), None, "{other:?}");
        }
        assert_eq!(ids(held::due(conn, UnixMillis(100), 9).await.unwrap()), [three, one]);
    })
    .await;
}

/// Pushes an account that is in the way.
async fn push(world: &World, owner: &Owner, user: u32, resource: &'static str, at: i64) -> bool {
    let (id, owner, at) = (AdoptionId::fresh(), owner.clone(), UnixMillis(at));
    write(world, move |tx| {
        Box::pin(async move {
            let user = owner.user(user);
            let asked = Asked { id: &id, org: &owner.org, connection: &owner.connection, user: &user, resource };
            adoptions::put(tx, &asked, at).await
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_the_way_is_asked_for_again_unless_it_is_kept_apart() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        assert!(push(&world, &own, 1, "{\"a\":1}", 10).await && push(&world, &own, 2, "{}", 10).await);
        let conn = &mut world.conn().await;
        let rows = adoptions::page(conn, &own.org, None, None, 9).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.user.clone()).collect::<Vec<_>>(), own.users(1..3));
        let id = rows[0].id.clone();
        for (state, asks) in [("waiting", true), ("rejected", true), ("adopted", true), ("kept_apart", false)] {
            let sql = "UPDATE scim_adoptions SET state = $2, decided_by = 'user:ana', decided_at = 11, asked_at = 11,
                         resource = '{}' WHERE id = $1";
            put(&world, sql, vec![id.to_string(), state.to_owned()]).await;
            assert_eq!(push(&world, &own, 1, "{\"a\":2}", 20).await, asks, "{state}");
            let found = adoptions::find(conn, &own.org, &id).await.unwrap().unwrap();
            let wanted = if asks { ("waiting", "{\"a\":2}", 20) } else { ("kept_apart", "{}", 11) };
            assert_eq!((found.state.as_str(), found.resource.as_str(), found.asked_at.0), wanted);
            assert_eq!(
                (found.created_at.0, found.decided_by.is_some(), found.decided_at.is_some()),
                (10, !asks, !asks)
            );
        }
        let waiting = adoptions::page(conn, &own.org, Some(adoptions::State::Waiting), None, 9).await.unwrap();
        assert_eq!(waiting.into_iter().map(|row| row.user).collect::<Vec<_>>(), own.users(2..3));
        assert_eq!(adoptions::page(conn, &own.org, None, Some(&id), 9).await.unwrap().len(), 1);
        assert!(adoptions::find(conn, &foreign.org, &id).await.unwrap().is_none());
        assert!(adoptions::page(conn, &foreign.org, None, None, 9).await.unwrap().is_empty());
    })
    .await;
}

async fn put_domain(world: &World, org: &OrgId, number: u128, name: &str, state: &str) -> DomainId {
    let id = DomainId::from_u128(number);
    let sql =
        "INSERT INTO org_domains (id, org_id, domain, state, token, created_at) VALUES ($1, $2, $3, $4, 'token', 1)";
    put(world, sql, vec![id.to_string(), org.to_string(), name.to_owned(), state.to_owned()]).await;
    id
}

async fn check(world: &World, id: &DomainId, found: bool, at: i64) {
    let id = id.clone();
    write(world, move |tx| Box::pin(async move { domains::note_check(tx, &id, found, UnixMillis(at)).await })).await;
}

async fn lapse(world: &World, id: &DomainId, gone_since: i64) -> bool {
    let id = id.clone();
    write(world, move |tx| Box::pin(async move { domains::lapse(tx, &id, UnixMillis(gone_since)).await })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_an_organisations_own_while_its_record_is_found() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let proven = put_domain(&world, &own.org, 1, "acme.test", "verified").await;
        let named = put_domain(&world, &own.org, 2, "other.test", "pending").await;
        put_domain(&world, &foreign.org, 3, "acme.test", "pending").await;
        let conn = &mut world.conn().await;
        assert!(domains::is_verified(conn, &own.org, "acme.test").await.unwrap());
        for (org, domain) in [(&own.org, "other.test"), (&own.org, "acme.test\0"), (&foreign.org, "acme.test")] {
            assert!(!domains::is_verified(conn, org, domain).await.unwrap());
        }
        assert_eq!(domains::verified_of(conn, &own.org).await.unwrap(), ["acme.test"]);
        assert_eq!(domains::of_org(conn, &own.org).await.unwrap().len(), 2);
        assert!(domains::find(conn, &foreign.org, &proven).await.unwrap().is_none());
        assert_eq!(domains::due(conn, UnixMillis(0), 9).await.unwrap().len(), 1, "never looked for, and proven");
        check(&world, &named, false, 20).await;
        for (found, at) in [(true, 20), (false, 30), (false, 40)] {
            check(&world, &proven, found, at).await;
        }
        assert!(domains::due(conn, UnixMillis(39), 9).await.unwrap().is_empty());
        let due = domains::due(conn, UnixMillis(40), 9).await.unwrap();
        assert_eq!((due[0].missing_since, due[0].checked_at), (Some(UnixMillis(30)), Some(UnixMillis(40))));
        let found = domains::find(conn, &own.org, &named).await.unwrap().unwrap();
        assert_eq!((found.checked_at, found.missing_since), (Some(UnixMillis(20)), None));
        assert!(!lapse(&world, &proven, 29).await && lapse(&world, &proven, 30).await);
        assert!(!lapse(&world, &proven, 30).await, "it is pending already");
        let found = domains::find(conn, &own.org, &proven).await.unwrap().unwrap();
        assert_eq!((found.state, found.missing_since), (domains::State::Pending, None));
        assert!(!domains::is_verified(conn, &own.org, "acme.test").await.unwrap());
    })
    .await;
}
