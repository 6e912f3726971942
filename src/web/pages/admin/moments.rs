//! Moments as administrators read them: how far away, and exactly when.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::kernel::time::{DAY, HOUR, UnixMillis};
use crate::web::pages::me::date;
use crate::web::pages::view::admin::Moment;

/// A moment with the absolute words for people and for machines.
#[must_use]
pub fn moment(at: UnixMillis) -> Moment {
    let machine = OffsetDateTime::from_unix_timestamp(at.seconds()).ok().and_then(|at| at.format(&Rfc3339).ok());
    Moment { words: date(at), machine: machine.unwrap_or_default() }
}

/// How far ahead a moment lies: `in 6 days`.
#[must_use]
pub fn ahead(at: UnixMillis, now: UnixMillis) -> String {
    let left = at.since(now);
    match (left / DAY, left / HOUR) {
        (0, 0) => "in less than an hour".to_owned(),
        (0, 1) => "in 1 hour".to_owned(),
        (0, hours) => format!("in {hours} hours"),
        (1, _) => "in 1 day".to_owned(),
        (days, _) => format!("in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::MINUTE;

    #[test]
    fn what_is_ahead_is_said_in_whole_units_rounded_down() {
        let now = UnixMillis(1_000_000);
        let told = |millis: i64| ahead(now.plus(millis), now);
        assert_eq!(told(7 * DAY - 1), "in 6 days");
        assert_eq!(told(DAY), "in 1 day");
        assert_eq!(told(DAY - 1), "in 23 hours");
        assert_eq!(told(HOUR), "in 1 hour");
        assert_eq!(told(59 * MINUTE), "in less than an hour");
    }

    #[test]
    fn a_moment_is_said_to_people_and_to_machines() {
        let said = moment(UnixMillis(0));
        assert_eq!((said.words.as_str(), said.machine.as_str()), ("1 January 1970, 00:00 UTC", "1970-01-01T00:00:00Z"));
    }
}
