//! Answers about lists of people, row by row, and the file for the passwords that were made.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::Value;

use super::failed::Failed;

/// A new file that nobody else can read. It is made before the request: what is answered once must have its place.
pub fn open(path: &str) -> Result<File, Failed> {
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    made.map_err(|error| Failed::Here(anyhow::anyhow!("{path}: {error}")))
}

/// Moves the passwords of an answer's rows into the file, as CSV.
pub fn write_passwords(file: &mut File, rows: &mut Value) -> Result<(), Failed> {
    let mut page = csv::Writer::from_writer(file);
    let mut line = |label: &str, password: &str| page.write_record([label, password]).map_err(anyhow::Error::from);
    line("user", "password")?;
    for row in rows.as_array_mut().into_iter().flatten() {
        let label = row["label"].as_str().unwrap_or_default().to_owned();
        if let Some(password) = row.get("password").and_then(Value::as_str) {
            line(&label, password)?;
            row["password"] = Value::Null;
        }
    }
    page.flush().map_err(anyhow::Error::from)?;
    Ok(())
}

/// That some rows were not taken, though the others were.
pub fn refused(rows: &Value) -> Result<(), Failed> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = rows.iter().filter(|row| row["state"] == "refused").count();
    if refused == 0 {
        return Ok(());
    }
    Err(Failed::Invalid(format!("{refused} of {} rows were not taken; the others were", rows.len())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_go_into_a_file_for_one_and_out_of_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords.csv");
        let path = path.to_str().unwrap();
        let mut rows = json!([
            { "label": "a@b.c", "state": "created", "password": "p,\"1" }, { "label": "d@e.f", "state": "refused" },
        ]);
        let mut file = open(path).unwrap();
        write_passwords(&mut file, &mut rows).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "user,password\na@b.c,\"p,\"\"1\"\n");
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!rows.to_string().contains("p,"), "{rows}");
        assert!(open(path).is_err(), "nothing is written over");
        assert!(refused(&rows).is_err_and(|why| why.to_string().contains("1 of 2 rows")));
        assert!(refused(&json!([])).is_ok());
    }
}
