//! `POST /o/{slug}/admin/people/download`: a result that the browser holds, sealed, as a file. Nothing of it is kept here.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::shell::{Act, Desk};
use crate::domain::audit::csv_cell;
use crate::kernel::time::MINUTE;
use crate::web::pages::error;

const PURPOSE: &str = "console.file";
/// How long a result can be downloaded, in milliseconds.
const LIFE: i64 = 10 * MINUTE;

/// A file on its way through the browser.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    text: String,
}

/// Seals a table as a file for this browser: ten minutes, this organisation.
#[must_use]
pub fn seal(desk: &Desk, name: &str, table: &str) -> String {
    desk.seal(PURPOSE, File { name: name.to_owned(), text: table.to_owned() })
}

/// A line of a table; the cell at `exact` is a secret, which nothing may be put before.
#[must_use]
pub fn line(cells: &[&str], exact: Option<usize>) -> String {
    let cell = |(place, text): (usize, &&str)| {
        if exact == Some(place) { format!("\"{}\"", text.replace('"', "\"\"")) } else { csv_cell(text) }
    };
    format!("{}\r\n", cells.iter().enumerate().map(cell).collect::<Vec<_>>().join(","))
}

/// The file. It is answered as an attachment and kept by nobody on the way.
pub async fn post(act: Act) -> Response {
    let Some(file) = act.desk.open::<File>(PURPOSE, act.form.sent("file"), LIFE) else {
        return act.desk.answer(error::expired());
    };
    let name: String = file.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.').collect();
    let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) else {
        return act.desk.answer(error::expired());
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    act.desk.answer((StatusCode::OK, headers, file.text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stands_in_the_table_as_it_is_and_a_name_is_no_formula() {
        assert_eq!(line(&["=ana", "x"], None), "'=ana,x\r\n");
        assert_eq!(line(&["ana", "=a\"b,c"], Some(1)), "ana,\"=a\"\"b,c\"\r\n");
    }
}
