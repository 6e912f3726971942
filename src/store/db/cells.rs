//! What is read from the rows of either driver: cells from left to right, and the records that they make.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use super::Result;

/// A value that both drivers can read.
pub trait Cell: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}
impl<T> Cell for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

/// A row as its driver gives it.
pub(super) enum NativeRow<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// The cells of one row, read from left to right in the order of the SELECT list.
pub struct Cells<'r> {
    row: NativeRow<'r>,
    next: usize,
}

impl Cells<'_> {
    /// The next cell.
    ///
    /// # Errors
    /// The cell is missing, or is not of type `T`.
    pub fn take<T: Cell>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        match self.row {
            NativeRow::Sqlite(row) => row.try_get(index),
            NativeRow::Postgres(row) => row.try_get(index),
        }
    }

    /// The next cell, a text that must be one of ours; the error names what was found.
    ///
    /// # Errors
    /// As [`Cells::take`], or the text can't be parsed.
    pub fn parse<T: std::str::FromStr>(&mut self) -> Result<T> {
        let text: String = self.take()?;
        text.parse().map_err(|_| corrupt(&format!("column {} holds {text:?}", self.next - 1)))
    }

    /// As [`Cells::parse`], for a column that may be NULL.
    ///
    /// # Errors
    /// As [`Cells::parse`].
    pub fn parse_optional<T: std::str::FromStr>(&mut self) -> Result<Option<T>> {
        let text: Option<String> = self.take()?;
        text.map(|t| t.parse().map_err(|_| corrupt(&format!("column {} holds {t:?}", self.next - 1)))).transpose()
    }

    /// The next cell, a JSON text.
    ///
    /// # Errors
    /// As [`Cells::take`], or the text is not the JSON that was expected.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let text: String = self.take()?;
        serde_json::from_str(&text).map_err(|e| corrupt(&format!("column {}: {e}", self.next - 1)))
    }
}

/// The error for a cell that our own code cannot have written.
#[must_use]
pub fn corrupt(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("corrupt row: {what}").into())
}

/// What can be read from a row.
pub trait Record: Sized {
    /// Builds the record from its cells.
    ///
    /// # Errors
    /// A cell is missing or of another type.
    fn read(cells: &mut Cells<'_>) -> Result<Self>;
}

/// The record that a row holds.
pub(super) fn read<T: Record>(row: NativeRow<'_>) -> Result<T> {
    T::read(&mut Cells { row, next: 0 })
}

macro_rules! tuple_records {
    ($(($($name:ident),+);)*) => {$(
        impl<$($name: Cell),+> Record for ($($name,)+) {
            fn read(cells: &mut Cells<'_>) -> Result<Self> { Ok(($(cells.take::<$name>()?,)+)) }
        }
    )*};
}
tuple_records! { (A); (A, B); (A, B, C); (A, B, C, D); (A, B, C, D, E); (A, B, C, D, E, F); }
