//! Lists of people to be registered, as they are pasted or as a spreadsheet writes them: text in, one entry a person
//! out.
//!
//! Without a heading a line is `name, e-mail, groups`, the groups with semicolons between them. With a heading (a line
//! in which a column is called `email`, `user_name` or the like) the columns may stand in any order. Commas divide, or
//! tabs where the first line has one, as a spreadsheet copies cells. People are counted from 1; the heading and empty
//! lines are not counted.

use csv::{ReaderBuilder, StringRecord, Trim};

/// What each column may be called, in the order of [`Entry`]'s fields.
const COLUMNS: [(Column, &[&str]); 8] = [
    (Column::UserName, &["user_name", "user name", "username", "login"]),
    (Column::Name, &["name", "full_name", "full name", "display_name", "display name"]),
    (Column::GivenName, &["given_name", "given name", "first_name", "first name"]),
    (Column::FamilyName, &["family_name", "family name", "last_name", "last name", "surname"]),
    (Column::Email, &["email", "e-mail", "mail", "email address", "e-mail address"]),
    (Column::Phone, &["phone", "phone_number", "phone number", "mobile"]),
    (Column::Groups, &["groups", "group"]),
    (Column::Language, &["language", "locale"]),
];
/// The longest cell.
const LONGEST: usize = 320;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    UserName,
    Name,
    GivenName,
    FamilyName,
    Email,
    Phone,
    Groups,
    Language,
}

/// A person of a list. What the list doesn't say is empty; nothing is checked but that it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// User name; where the list has none, the e-mail address stands for it.
    pub user_name: String,
    /// The whole name.
    pub name: String,
    /// First name.
    pub given_name: String,
    /// Surname.
    pub family_name: String,
    /// E-mail address.
    pub email: String,
    /// Phone number.
    pub phone: String,
    /// Names or ids of groups.
    pub groups: Vec<String>,
    /// The language's tag.
    pub language: String,
}

/// Reads a list: each person with the number that people count it by, or why that line can't be read. A heading with a
/// column that is not known is one fault with the number 0, and nothing else is read: what such a column was to say
/// would be lost for everybody.
#[must_use]
pub fn read(text: &str) -> Vec<(usize, Result<Entry, String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = if first.contains('\t') { b'\t' } else { b',' };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let empty = |record: &StringRecord| record.iter().all(str::is_empty);
    let mut records = reader.records().filter(|record| !record.as_ref().is_ok_and(empty)).peekable();
    let heading = records.peek().and_then(|record| record.as_ref().ok()).and_then(heading);
    let columns = match heading {
        None => vec![Column::Name, Column::Email, Column::Groups],
        Some(Err(reason)) => return vec![(0, Err(reason))],
        Some(Ok(columns)) => {
            records.next();
            columns
        }
    };
    let numbered = (1..).zip(records);
    numbered
        .map(|(number, record)| {
            let entry = record.map_err(|_| "This line can't be read: look at its quotation marks.".to_owned());
            (number, entry.and_then(|record| entry_of(&columns, &record)))
        })
        .collect()
}

/// The columns of a heading; `None` when the line is none.
fn heading(record: &StringRecord) -> Option<Result<Vec<Column>, String>> {
    let known: Vec<Option<Column>> = record.iter().map(column).collect();
    let is_heading = known.iter().flatten().any(|column| matches!(column, Column::Email | Column::UserName));
    if !is_heading {
        return None;
    }
    let mut columns: Vec<Column> = Vec::new();
    for (cell, column) in record.iter().zip(known) {
        match column {
            None => {
                let names: Vec<&str> = COLUMNS.iter().map(|(_, names)| names[0]).collect();
                return Some(Err(format!("The column \"{}\" is not known. Use {}.", short(cell), names.join(", "))));
            }
            Some(column) if columns.contains(&column) => {
                return Some(Err(format!("The column \"{}\" stands there twice.", short(cell))));
            }
            Some(column) => columns.push(column),
        }
    }
    Some(Ok(columns))
}

fn column(cell: &str) -> Option<Column> {
    let cell = cell.to_lowercase();
    COLUMNS.iter().find(|(_, names)| names.contains(&cell.as_str())).map(|(column, _)| *column)
}

fn entry_of(columns: &[Column], record: &StringRecord) -> Result<Entry, String> {
    if record.iter().skip(columns.len()).any(|cell| !cell.is_empty()) {
        return Err(format!("This line has more than {} columns.", columns.len()));
    }
    let mut entry = Entry::default();
    for (column, cell) in columns.iter().zip(record) {
        if cell.contains(char::is_control) {
            return Err("This line has a line break or another control character within a cell.".to_owned());
        }
        if *column != Column::Groups && cell.len() > LONGEST {
            return Err(format!("\"{}…\" is longer than {LONGEST} bytes.", short(cell)));
        }
        let place = match column {
            Column::UserName => &mut entry.user_name,
            Column::Name => &mut entry.name,
            Column::GivenName => &mut entry.given_name,
            Column::FamilyName => &mut entry.family_name,
            Column::Email => &mut entry.email,
            Column::Phone => &mut entry.phone,
            Column::Language => &mut entry.language,
            Column::Groups => {
                let names = cell.split(';').map(str::trim).filter(|name| !name.is_empty());
                entry.groups = names.map(str::to_owned).collect();
                continue;
            }
        };
        cell.clone_into(place);
    }
    if entry.user_name.is_empty() {
        entry.user_name.clone_from(&entry.email);
    }
    Ok(entry)
}

/// The beginning of a cell, for a sentence.
fn short(cell: &str) -> String {
    cell.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, email: &str, groups: &[&str]) -> Entry {
        Entry {
            user_name: email.to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            ..Entry::default()
        }
    }

    #[test]
    fn pasted_lines_are_name_address_and_groups() {
        let text = "Ana Kim, ana@acme.test, Web team; Ops\n\n  Bo Lee , bo@acme.test\r\n\"Park, Min\",min@acme.test,\n";
        assert_eq!(
            read(text),
            [
                (1, Ok(entry("Ana Kim", "ana@acme.test", &["Web team", "Ops"]))),
                (2, Ok(entry("Bo Lee", "bo@acme.test", &[]))),
                (3, Ok(entry("Park, Min", "min@acme.test", &[]))),
            ]
        );
        assert_eq!(read(" \n"), []);
    }

    #[test]
    fn a_heading_names_the_columns_in_any_order_and_is_not_counted() {
        let text = "\u{feff}E-mail,User name,Phone,Given name,Surname,Language\n\
                    ana@acme.test,ana,+82 10 1234 5678,Ana,Kim,ko\n";
        let wanted = Entry {
            user_name: "ana".to_owned(),
            given_name: "Ana".to_owned(),
            family_name: "Kim".to_owned(),
            email: "ana@acme.test".to_owned(),
            phone: "+82 10 1234 5678".to_owned(),
            language: "ko".to_owned(),
            ..Entry::default()
        };
        assert_eq!(read(text), [(1, Ok(wanted))]);
        assert_eq!(read("name\temail\nAna\ta@b.c\n"), [(1, Ok(entry("Ana", "a@b.c", &[])))]);
    }

    #[test]
    fn a_column_that_is_not_known_is_not_passed_over() {
        for (text, word) in [("email,groops\na@b.c,x\n", "groops"), ("email,E-mail\na@b.c,a@b.c\n", "twice")] {
            let read = read(text);
            assert!(matches!(&read[..], [(0, Err(reason))] if reason.contains(word)), "{read:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_by_its_number_and_the_others_are_read() {
        let long = format!("{},a@b.c", "x".repeat(400));
        let text = format!("Ana,ana@acme.test,Ops,more\nBo,bo@acme.test\n{long}\n\"C\u{7}\",c@d.e\n");
        let read = read(&text);
        let good: Vec<usize> = read.iter().filter(|(_, entry)| entry.is_ok()).map(|(number, _)| *number).collect();
        assert_eq!((read.len(), good), (4, vec![2]));
    }
}
