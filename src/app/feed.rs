//! What this node knows of the feed of revocations: the newest entries, how far it is, and who follows it here.
//!
//! # Why
//! A thousand readers are told the same: the database is asked once for all of them, by the job, and only while somebody
//! follows. Whoever is further behind than what is kept here asks the database for themselves.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::domain::feed::entry::Numbered;
use crate::domain::feed::page::Extent;
use crate::kernel::id::{ApplicationId, OrgId};

/// So many entries are kept here.
pub const KEPT: usize = 20_000;
/// So many readers of one application follow on this node at a time …
const OF_ONE: usize = 64;
/// … so many of one organisation's applications together, so that none keeps the others out …
const OF_ONE_ORG: usize = 256;
/// … and so many in all.
const IN_ALL: usize = 1000;
/// The feed is looked after for so long after somebody followed last.
const WANTED: Duration = Duration::from_mins(1);
/// What is known here is the end of the feed for so long after it was seen to be.
const FRESH: Duration = Duration::from_secs(2);

/// A status list is made anew when it is older, and somebody asks.
pub const STATUS_LIST_KEPT: Duration = Duration::from_secs(1);

/// A status list, ready to send.
#[derive(Debug)]
pub struct StatusList {
    /// The signed list.
    pub body: String,
    /// Its entity tag, a weak one, with the quotes.
    pub etag: String,
}

/// What this node knows of the feed.
#[derive(Debug)]
pub struct Feed {
    known: Mutex<Known>,
    /// Rises with each entry that is learned of.
    news: watch::Sender<u64>,
    /// Rung when somebody wants to know.
    wanted: Notify,
    /// Rung when the end was seen.
    seen: Notify,
    seats: Mutex<HashMap<ApplicationId, Taken>>,
}

/// The places of one application.
#[derive(Debug)]
struct Taken {
    org: Option<OrgId>,
    count: usize,
}

#[derive(Debug, Default)]
struct Known {
    extent: Option<Extent>,
    /// The entries after this number are kept here.
    from: i64,
    entries: VecDeque<Numbered>,
    /// Everything that was committed by then is known.
    as_of: Option<Instant>,
    wanted_at: Option<Instant>,
}

/// What was learned of the feed.
#[derive(Debug)]
pub struct Learned {
    /// How far it is.
    pub extent: Extent,
    /// The entries since what was known; `None` when they are not asked for: what is kept begins anew, at the end.
    pub entries: Option<Vec<Numbered>>,
    /// When everything that was committed had a number, if that was seen.
    pub as_of: Option<Instant>,
}

impl Default for Feed {
    fn default() -> Self {
        let (known, seats) = (Mutex::default(), Mutex::default());
        Self { known, news: watch::Sender::new(0), wanted: Notify::new(), seen: Notify::new(), seats }
    }
}

impl Feed {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the feed is, as far as is known; `None` before anybody followed.
    #[must_use]
    pub fn extent(&self) -> Option<Extent> {
        self.known().extent.clone()
    }

    /// The entries after a number, at most so many; `None` where they are not kept here. A reader may have been told by
    /// another node how far the feed is: where that is further than is known here, or another generation's, what is kept
    /// here is not all that there is.
    #[must_use]
    pub fn after(&self, extent: &Extent, number: i64, limit: usize) -> Option<Vec<Numbered>> {
        let known = self.known();
        let reaches = |known: &Extent| known.generation == extent.generation && known.head >= extent.head;
        if !known.extent.as_ref().is_some_and(reaches) || number < known.from {
            return None;
        }
        let begin = known.entries.partition_point(|entry| entry.seq <= number);
        Some(known.entries.iter().skip(begin).take(limit).cloned().collect())
    }

    /// Whether what is known here is the end of the feed at this moment.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.known().as_of.is_some_and(|as_of| as_of.elapsed() <= FRESH)
    }

    /// Takes in what was learned, and wakes those who wait for it.
    pub fn learn(&self, learned: Learned) {
        let Learned { extent, entries, as_of } = learned;
        let mut known = self.known();
        let moved = known.extent.as_ref().is_none_or(|before| *before != extent);
        if let Some(entries) = entries {
            known.entries.extend(entries);
        } else {
            known.entries.clear();
            known.from = extent.head;
        }
        while known.entries.len() > KEPT {
            if let Some(oldest) = known.entries.pop_front() {
                known.from = oldest.seq;
            }
        }
        known.extent = Some(extent);
        known.as_of = known.as_of.max(as_of);
        drop(known);
        if moved {
            self.news.send_modify(|count| *count += 1);
        }
        if as_of.is_some() {
            self.seen.notify_waiters();
        }
    }

    /// Hears of each entry that is learned of from now on.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Has the feed be looked after, and looked at now.
    pub fn want(&self) {
        self.known().wanted_at = Some(Instant::now());
        self.wanted.notify_one();
    }

    /// Has the feed be looked after further.
    pub fn want_still(&self) {
        self.known().wanted_at = Some(Instant::now());
    }

    /// Waits until somebody wants to know, or has within the last minute: for whoever looks after the feed.
    pub async fn be_wanted(&self) {
        while self.known().wanted_at.is_none_or(|at| at.elapsed() > WANTED) {
            self.wanted.notified().await;
        }
    }

    /// Waits until somebody wants to know anew.
    pub async fn be_wanted_anew(&self) {
        self.wanted.notified().await;
    }

    /// Waits until everything that was committed by a moment is known here; false when that takes too long.
    pub async fn catch_up(&self, to: Instant, patience: Duration) -> bool {
        let caught_up = async {
            loop {
                // Before the look, so that nothing falls between it and the waiting.
                let seen = self.seen.notified();
                if self.known().as_of.is_some_and(|as_of| as_of >= to) {
                    return;
                }
                seen.await;
            }
        };
        timeout(patience, caught_up).await.is_ok()
    }

    /// A place for a reader of an application, given back when it is dropped; `None` when all are taken.
    #[must_use]
    pub fn sit(self: &Arc<Self>, application: &ApplicationId, org: Option<&OrgId>) -> Option<Seat> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut in_all, mut of_org) = (0, 0);
        for taken in seats.values() {
            in_all += taken.count;
            of_org += if org.is_some() && taken.org.as_ref() == org { taken.count } else { 0 };
        }
        let of_one = seats.get(application).map_or(0, |taken| taken.count);
        if in_all >= IN_ALL || of_org >= OF_ONE_ORG || of_one >= OF_ONE {
            return None;
        }
        seats.entry(application.clone()).or_insert_with(|| Taken { org: org.cloned(), count: 0 }).count += 1;
        drop(seats);
        gauge!("muster_feed_subscribers").increment(1.0);
        Some(Seat { feed: Arc::clone(self), application: application.clone() })
    }
}

/// A reader's place.
#[derive(Debug)]
pub struct Seat {
    feed: Arc<Feed>,
    application: ApplicationId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.feed.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.application) {
            taken.count = taken.count.saturating_sub(1);
            if taken.count == 0 {
                seats.remove(&self.application);
            }
        }
        drop(seats);
        gauge!("muster_feed_subscribers").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::entry::Kind;

    fn extent(head: i64) -> Extent {
        Extent { generation: "g".to_owned(), floor: 0, head }
    }

    fn entries(numbers: impl Iterator<Item = i64>) -> Vec<Numbered> {
        let entry = |seq| {
            let subject = format!("fam_{seq}");
            Numbered { seq, kind: Kind::Family, org: None, home: None, subject, value: 0 }
        };
        numbers.map(entry).collect()
    }

    fn numbers(found: Option<Vec<Numbered>>) -> Option<Vec<i64>> {
        found.map(|entries| entries.iter().map(|entry| entry.seq).collect())
    }

    #[tokio::test]
    async fn what_is_kept_begins_at_the_end_and_goes_on_from_there() {
        let feed = Feed::default();
        assert_eq!((feed.extent(), numbers(feed.after(&extent(0), 0, 10))), (None, None));
        feed.learn(Learned { extent: extent(40), entries: None, as_of: None });
        assert_eq!(
            (numbers(feed.after(&extent(40), 39, 10)), numbers(feed.after(&extent(40), 40, 10))),
            (None, Some(vec![]))
        );
        feed.learn(Learned { extent: extent(43), entries: Some(entries(41..=43)), as_of: None });
        assert_eq!(numbers(feed.after(&extent(43), 40, 2)), Some(vec![41, 42]));
        assert_eq!(numbers(feed.after(&extent(43), 42, 9)), Some(vec![43]));
        assert!(!feed.is_fresh());
        feed.learn(Learned { extent: extent(43), entries: Some(vec![]), as_of: Some(Instant::now()) });
        assert!(feed.is_fresh());
    }

    #[tokio::test]
    async fn who_was_told_more_by_another_node_is_not_told_that_there_is_no_more() {
        let feed = Feed::default();
        feed.learn(Learned { extent: extent(100), entries: None, as_of: None });
        assert_eq!(numbers(feed.after(&extent(100), 100, 10)), Some(vec![]));
        assert_eq!(numbers(feed.after(&extent(110), 105, 10)), None, "105 to 110 are not known here");
        let another = Extent { generation: "h".to_owned(), ..extent(100) };
        assert_eq!(numbers(feed.after(&another, 100, 10)), None);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let feed = Feed::default();
        feed.learn(Learned { extent: extent(0), entries: None, as_of: None });
        let head = i64::try_from(KEPT).unwrap() + 5;
        feed.learn(Learned { extent: extent(head), entries: Some(entries(1..=head)), as_of: None });
        let after = |number| numbers(feed.after(&extent(head), number, 1));
        assert_eq!((after(4), after(5)), (None, Some(vec![6])));
    }

    #[tokio::test]
    async fn who_waits_for_the_end_is_woken_when_it_was_seen_and_not_before() {
        let (feed, short) = (Arc::new(Feed::default()), Duration::from_millis(20));
        let begun = Instant::now();
        assert!(!feed.catch_up(begun, short).await);
        feed.learn(Learned { extent: extent(0), entries: None, as_of: Some(begun) });
        assert!(feed.catch_up(begun, short).await);
        let (waiting, later) = (Arc::clone(&feed), begun + Duration::from_millis(1));
        let task = tokio::spawn(async move { waiting.catch_up(later, Duration::from_mins(1)).await });
        tokio::task::yield_now().await;
        feed.learn(Learned { extent: extent(0), entries: Some(vec![]), as_of: Some(later) });
        assert!(task.await.unwrap());
    }

    #[tokio::test]
    async fn what_was_the_end_once_need_not_be_it_still() {
        let feed = Feed::default();
        let long_ago = Instant::now().checked_sub(FRESH + Duration::from_millis(1));
        feed.learn(Learned { extent: extent(0), entries: None, as_of: long_ago });
        assert!(!feed.is_fresh());
        let now = Some(Instant::now());
        feed.learn(Learned { extent: extent(0), entries: Some(vec![]), as_of: now });
        feed.learn(Learned { extent: extent(0), entries: Some(vec![]), as_of: None });
        assert!(feed.is_fresh(), "a look that saw no end takes back none");
    }

    #[tokio::test]
    async fn the_feed_is_looked_after_while_it_is_wanted() {
        let (feed, short) = (Feed::default(), Duration::from_millis(20));
        assert!(timeout(short, feed.be_wanted()).await.is_err());
        feed.want();
        assert!(timeout(short, feed.be_wanted()).await.is_ok() && timeout(short, feed.be_wanted()).await.is_ok());
        assert!(timeout(short, feed.be_wanted_anew()).await.is_ok(), "the bell was rung once");
        assert!(timeout(short, feed.be_wanted_anew()).await.is_err());
    }

    #[test]
    fn an_application_has_so_many_places_and_gets_them_back() {
        let (feed, application) = (Arc::new(Feed::default()), ApplicationId::from_u128(1));
        let mut taken: Vec<Seat> = (0..OF_ONE).map(|_| feed.sit(&application, None).unwrap()).collect();
        assert!(feed.sit(&application, None).is_none() && feed.sit(&ApplicationId::from_u128(2), None).is_some());
        taken.pop();
        assert!(feed.sit(&application, None).is_some());
        drop(taken);
        let others: Vec<Seat> =
            (0..IN_ALL as u128).filter_map(|number| feed.sit(&ApplicationId::from_u128(number), None)).collect();
        assert_eq!(others.len(), IN_ALL);
        assert!(feed.sit(&application, None).is_none());
    }

    #[test]
    fn the_applications_of_one_organisation_keep_nobody_else_out() {
        let (feed, org) = (Arc::new(Feed::default()), OrgId::from_u128(1));
        let sit = |number: u128, org: Option<&OrgId>| feed.sit(&ApplicationId::from_u128(number), org);
        let taken: Vec<Seat> = (0..IN_ALL as u128).filter_map(|number| sit(number, Some(&org))).collect();
        assert_eq!(taken.len(), OF_ONE_ORG);
        assert!(sit(5_000, Some(&OrgId::from_u128(2))).is_some() && sit(5_001, None).is_some());
    }
}
