//! What came of attempts, written many at a time: a statement for all that ended alike.

use std::collections::BTreeMap;

use super::{Leased, Message, text_of};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Database, LIST, Result, Tx};

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Sent(String),
    /// It is tried again at this moment.
    Later(UnixMillis, String),
    /// It is not tried again.
    GivenUp(String),
    /// It was not tried, and is anybody's again from this moment on.
    Untried(UnixMillis),
}

/// What a worker has to note of a row.
#[derive(Clone, Debug)]
pub struct Note {
    /// The row, as it was leased.
    pub row: Leased,
    /// What came of it.
    pub outcome: Outcome,
    /// When the attempt began, if there was one.
    pub begun: Option<UnixMillis>,
    /// When it ended.
    pub ended: UnixMillis,
}

/// Notes what came of some deliveries. What a done message said is not kept.
///
/// # Errors
/// The database's.
pub async fn settle(db: &Database, notes: &[Note], now: UnixMillis) -> Result<()> {
    let fates: Result<Vec<Fate>> =
        notes.iter().map(|note| Fate::of(&note.row, &note.outcome, note.begun, note.ended)).collect();
    let fates = fates?;
    db.write(move |tx| Box::pin(async move { write(tx, fates, now).await })).await
}

/// What rows have in common that ended alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    state: &'static str,
    answer: Option<String>,
    /// What is left of the message, where not all of it is kept.
    left: Option<String>,
    /// Attempts that were counted at the lease and did not take place.
    not_tried: i64,
}

/// What becomes of one row.
pub(super) struct Fate {
    end: End,
    /// The row's id, when the attempt began and when it ended (or 0), and when it is due: each as long as the statement
    /// takes it to be.
    text: String,
}

impl Fate {
    /// The fate of a row that was tried at `begun`, if it was, until `ended`.
    pub(super) fn of(row: &Leased, outcome: &Outcome, begun: Option<UnixMillis>, ended: UnixMillis) -> Result<Self> {
        let (state, answer, due, not_tried) = match outcome {
            Outcome::Sent(answer) => ("sent", Some(answer.clone()), ended, 0),
            Outcome::Later(at, answer) => ("waiting", Some(answer.clone()), *at, 0),
            Outcome::GivenUp(answer) => ("given_up", Some(answer.clone()), ended, 0),
            Outcome::Untried(at) => ("waiting", None, *at, 1),
        };
        // An event that was given up can be tried once more, so that it is kept as it is; a mail can't.
        let keeps_all = state == "waiting" || (state == "given_up" && !matches!(row.message, Message::Mail(_)));
        let left = if keeps_all { None } else { row.message.done() };
        let left = left.as_ref().map(text_of).transpose()?;
        let (from, to) = begun.map_or((0, 0), |begun| (begun.0, ended.0));
        let text = format!("{}{from:019}{to:019}{:019}", row.id, due.0);
        Ok(Self { end: End { state, answer, left, not_tried }, text })
    }
}

/// Writes fates. A row that was held while it was tried stays held; one that is done already stays as it is.
pub(super) async fn write(tx: &mut Tx, fates: Vec<Fate>, now: UnixMillis) -> Result<()> {
    let mut alike: BTreeMap<End, Vec<String>> = BTreeMap::new();
    for Fate { end, text } in fates {
        alike.entry(end).or_default().push(text);
    }
    for (end, texts) in alike {
        for chunk in texts.chunks(LIST) {
            tx.query_in(
                "WITH given (v) AS (@)
                 UPDATE outbox SET state = $$1, last_answer = COALESCE($$2, last_answer), payload = COALESCE($$3, payload),
                   attempts = attempts - $$4, leased_until = 0, done_at = $$5,
                   next_at = CASE WHEN next_at = $$6 THEN next_at ELSE CAST(SUBSTR(given.v, 69, 19) AS BIGINT) END,
                   first_sent_at = COALESCE(first_sent_at, NULLIF(CAST(SUBSTR(given.v, 31, 19) AS BIGINT), 0)),
                   answered_at = COALESCE(NULLIF(CAST(SUBSTR(given.v, 50, 19) AS BIGINT), 0), answered_at)
                 FROM given WHERE outbox.id = SUBSTR(given.v, 1, 30) AND outbox.state = 'waiting'",
                chunk,
            )
            .bind(end.state)
            .bind(end.answer.clone())
            .bind(end.left.clone())
            .bind(end.not_tried)
            .bind((end.state != "waiting").then_some(now.0))
            .bind(UnixMillis::MAX.0)
            .execute()
            .await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::{EntryId, OutboxId, UserId};

    fn row() -> Leased {
        let message = Message::BackchannelLogout { user: UserId::from_u128(1), sid: EntryId::from_u128(2) };
        Leased {
            id: OutboxId::from_u128(3),
            receiver: "app_1".to_owned(),
            message,
            attempts: 1,
            created_at: UnixMillis(1),
            invitation: None,
            change: None,
            first_sent_at: None,
            leased_at: UnixMillis(2),
        }
    }

    #[test]
    fn the_parts_of_a_text_are_where_the_statement_looks_for_them() {
        let later = Outcome::Later(UnixMillis::MAX, "500".to_owned());
        let fate =
            Fate::of(&row(), &later, Some(UnixMillis(1_746_280_800_000)), UnixMillis(1_746_280_800_001)).unwrap();
        let part = |from: usize, length: usize| &fate.text[from - 1..from - 1 + length];
        assert_eq!(part(1, 30), OutboxId::from_u128(3).as_str());
        assert_eq!(part(31, 19).parse(), Ok(1_746_280_800_000_i64));
        assert_eq!(part(50, 19).parse(), Ok(1_746_280_800_001_i64));
        assert_eq!((part(69, 19).parse(), fate.text.len()), (Ok(i64::MAX), 87));
    }

    #[test]
    fn what_was_not_tried_counts_as_no_attempt_and_no_answer() {
        let fate = Fate::of(&row(), &Outcome::Untried(UnixMillis(9)), None, UnixMillis(5)).unwrap();
        assert_eq!((fate.end.not_tried, fate.end.answer, fate.end.state), (1, None, "waiting"));
        assert!(fate.text[30..68].bytes().all(|digit| digit == b'0'), "{}", fate.text);
    }
}
