//! The leases of the outbox: the events of a stream have an order, whatever is put off, held or fetched.

use muster::domain::ssf::event::SecurityEvent;
use muster::kernel::id::{OutboxId, StreamId};
use muster::kernel::time::{MINUTE, SECOND, UnixMillis};
use muster::store::db::Tx;
use muster::store::outbox::{self, Claim, Leased, Message, NewRow, Note, Outcome, Which};

use crate::support::server::{Site, on_both};

async fn put(site: &Site, stream: &StreamId, count: usize) -> Vec<OutboxId> {
    let event = || Message::SecurityEvent(Box::new(SecurityEvent::verification(stream, Some("x"))));
    let receiver = stream.to_string();
    let rows: Vec<NewRow> = (0..count)
        .map(|_| NewRow { id: OutboxId::fresh(), receiver: receiver.clone(), change: None, message: event() })
        .collect();
    let ids = rows.iter().map(|row| row.id.clone()).collect();
    let now = site.now();
    write(site, move |tx| Box::pin(async move { outbox::put_many(tx, &rows, now).await })).await;
    ids
}

async fn write(
    site: &Site,
    job: impl for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<(), sqlx::Error>> + Send + 'static,
) {
    let written: Result<(), sqlx::Error> = site.db.write(job).await;
    written.unwrap();
}

async fn lease(site: &Site, without: &[&StreamId]) -> Vec<Leased> {
    let now = site.now();
    let without = without.iter().map(ToString::to_string).collect();
    let claim = Claim { which: Which::Events, count: 100, without, until: now.plus(MINUTE) };
    outbox::lease(&site.db, claim, now).await.unwrap()
}

fn ids(rows: &[Leased]) -> Vec<OutboxId> {
    rows.iter().map(|row| row.id.clone()).collect()
}

async fn settle(site: &Site, rows: Vec<(Leased, Outcome)>) {
    let now = site.now();
    let note = |(row, outcome): (Leased, Outcome)| {
        let begun = (!matches!(outcome, Outcome::Untried(_))).then_some(now);
        Note { row, outcome, begun, ended: now }
    };
    let notes: Vec<Note> = rows.into_iter().map(note).collect();
    outbox::settle(&site.db, &notes, now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn later_events_of_a_stream_wait_while_an_earlier_one_is_under_way_or_put_off() {
    on_both(async |site| {
        site.stop_jobs().await;
        let (one, two) = (StreamId::fresh(), StreamId::fresh());
        let (first, second) = (put(site, &one, 3).await, put(site, &two, 2).await);
        assert_eq!(ids(&lease(site, &[&two]).await), first, "in their order, and none of whom nothing is wanted");
        let third = put(site, &one, 1).await;
        let rows = lease(site, &[]).await;
        assert_eq!(ids(&rows), second, "of the first stream three are under way");
        settle(site, rows.into_iter().map(|row| (row, Outcome::Sent("202".to_owned()))).collect()).await;
        // The first fails and is put off; the others come back untried.
        site.advance(2 * MINUTE);
        let mut rows = lease(site, &[]).await;
        assert_eq!(ids(&rows), [first.clone(), third.clone()].concat(), "the leases have run out");
        let (now, rest) = (site.now(), rows.split_off(1));
        let at = now.plus(5 * SECOND);
        let mut noted = vec![(rows.remove(0), Outcome::Later(at, "500".to_owned()))];
        noted.extend(rest.into_iter().map(|row| (row, Outcome::Untried(now))));
        settle(site, noted).await;
        assert!(lease(site, &[]).await.is_empty(), "none goes before the one that is put off");
        site.advance(6 * SECOND);
        let rows = lease(site, &[]).await;
        assert_eq!(ids(&rows), [first, third].concat());
        assert_eq!(
            rows.iter().map(|row| row.attempts).collect::<Vec<_>>(),
            [3, 2, 2, 1],
            "what was not tried counts not"
        );
        assert!(rows[0].first_sent_at.is_some() && rows[1].first_sent_at.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_nobodys_until_it_is_fetched_or_released() {
    on_both(async |site| {
        site.stop_jobs().await;
        let (stream, other) = (StreamId::fresh(), StreamId::fresh());
        let held = put(site, &stream, 3).await;
        let name = stream.to_string();
        write(site, move |tx| Box::pin(async move { outbox::hold(tx, &name).await })).await;
        // What is said of a paused stream itself is said at once.
        let about = put(site, &stream, 1).await;
        let rows = lease(site, &[]).await;
        assert_eq!(ids(&rows), about);
        settle(site, rows.into_iter().map(|row| (row, Outcome::Sent("202".to_owned()))).collect()).await;

        let waiting = outbox::waiting_of(&mut site.conn().await, stream.as_str(), 2).await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), held[..2]);
        let (name, now) = (other.to_string(), site.now());
        let said = [(held[0].clone(), Outcome::Sent("acknowledged".to_owned()))];
        let foreign = said.clone();
        write(site, move |tx| {
            Box::pin(async move {
                assert_eq!(outbox::answered(tx, &name, &foreign, now).await?, 0, "these are another stream's");
                Ok(())
            })
        })
        .await;
        let name = stream.to_string();
        write(site, move |tx| {
            Box::pin(async move {
                assert_eq!(outbox::answered(tx, &name, &said, now).await?, 1);
                assert_eq!(outbox::answered(tx, &name, &said, now).await?, 0, "once");
                outbox::release(tx, &name, now).await
            })
        })
        .await;
        assert_eq!(outbox::count_waiting(&mut site.conn().await, stream.as_str()).await.unwrap(), 2);
        let row = outbox::find(&mut site.conn().await, &held[0]).await.unwrap().unwrap();
        assert_eq!((row.state, row.last_answer.as_deref()), (outbox::State::Sent, Some("acknowledged")));
        assert_eq!(ids(&lease(site, &[]).await), held[1..]);

        let name = stream.to_string();
        write(site, move |tx| {
            Box::pin(async move {
                assert_eq!(outbox::give_up_waiting(tx, &name, "the stream is disabled", now).await?, 2);
                Ok(())
            })
        })
        .await;
        let row = outbox::find(&mut site.conn().await, &held[1]).await.unwrap().unwrap();
        assert_eq!((row.state, row.next_at < UnixMillis::MAX), (outbox::State::GivenUp, true));
    })
    .await;
}
