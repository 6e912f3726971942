//! What connections push by SCIM: the rows beside accounts and groups, the log of requests, what waits for somebody.
//!
//! Users and groups are read here; an access edit alone writes them. Everything is asked for by its connection, so that
//! none sees what another owns.

pub mod adoptions;
pub mod credentials;
pub mod groups;
pub mod health;
pub mod held;
pub mod requests;
pub mod users;

/// Which rows of a list a page is, counted from the end that is nearer: the last page costs what the first one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from_end: bool,
    skip: i64,
    take: i64,
}

/// The rows of a list of so many that stand behind an offset; `None` when there are none.
fn stretch(offset: usize, limit: usize, total: i64) -> Option<Stretch> {
    let offset = rows(offset);
    let end = offset.saturating_add(rows(limit)).min(total);
    if end <= offset {
        return None;
    }
    let (from_end, skip) = if offset <= total - end { (false, offset) } else { (true, total - end) };
    Some(Stretch { from_end, skip, take: end - offset })
}

/// A number of rows, as a statement takes it.
fn rows(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether a text can stand in a column at all. What can't is in no row, and PostgreSQL would not even take the
/// question.
fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A text from outside, as it is kept for people to read: one line, not too long.
pub(super) fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// The error for a look-up that has no index: whoever asks must go through the list.
fn no_index(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("there is no index to look {what} up by"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_counted_from_the_nearer_end() {
        let of = |offset, limit, total| stretch(offset, limit, total).map(|one| (one.from_end, one.skip, one.take));
        assert_eq!(of(0, 100, 250), Some((false, 0, 100)));
        assert_eq!(of(75, 100, 250), Some((false, 75, 100)));
        assert_eq!(of(76, 100, 250), Some((true, 74, 100)));
        assert_eq!(of(200, 100, 250), Some((true, 0, 50)));
        assert_eq!(of(0, 1000, 250), Some((false, 0, 250)));
    }

    #[test]
    fn there_is_no_page_behind_the_end_and_none_of_no_rows() {
        for (offset, limit, total) in [(250, 1, 250), (usize::MAX, usize::MAX, 250), (0, 0, 250), (0, 10, 0)] {
            assert_eq!(stretch(offset, limit, total), None);
        }
    }

    #[test]
    fn what_is_shown_is_one_line_and_not_too_long() {
        assert_eq!(shown("a\r\nb\0c", 10), "abc");
        assert_eq!(shown("äöü", 2), "äö");
        assert!(is_storable("a b") && !is_storable("a\0b"));
    }
}
