//! Every row of the requirements has a test that bears its id, or is named as open. Never both, never neither.
//!
//! A test bears ids by a comment line above it that has nothing but ids: `// K41 K45`. `rows.txt` lists the rows there
//! are; `open_rows.txt` those that nothing proves yet, and it only ever shrinks.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, rust_files};

const ROWS: &str = include_str!("rows.txt");
const OPEN: &str = include_str!("open_rows.txt");

fn is_id(word: &str) -> bool {
    word.len() == 3 && word.starts_with(['K', 'N', 'H', 'I']) && word[1..].bytes().all(|b| b.is_ascii_digit())
}

/// The ids of a list: words outside of lines that begin with `#`.
fn listed(list: &str) -> Vec<&str> {
    list.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}

/// The ids of a comment line, when it is made of ids alone.
fn borne(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.trim().strip_prefix("// ")?.split_whitespace().collect();
    (!words.is_empty() && words.iter().all(|word| is_id(word))).then_some(words)
}

/// Whether what stands under a line is a test: an attribute with the word `test` before the next function.
fn stands_above_a_test(lines: &[&str]) -> bool {
    let head = lines.iter().take_while(|line| !line.contains("fn "));
    head.filter(|line| line.trim_start().starts_with("#[")).any(|line| line.contains("test"))
}

fn gather(source: &Source, marked: &mut BTreeMap<String, Vec<String>>, faults: &mut Vec<String>) {
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some(ids) = borne(line) else { continue };
        let place = format!("{}:{}", source.path, number + 1);
        if !stands_above_a_test(&lines[number + 1..]) {
            faults.push(format!("{place} {} stands above no test", ids.join(" ")));
        }
        for id in ids {
            marked.entry(id.to_owned()).or_default().push(place.clone());
        }
    }
}

#[test]
fn every_row_has_a_test_or_is_named_as_open() {
    let rows: BTreeSet<&str> = listed(ROWS).into_iter().collect();
    assert_eq!(rows.len(), 52 + 27 + 30 + 41, "rows.txt is whole");
    let (mut marked, mut faults) = (BTreeMap::new(), Vec::new());
    for source in rust_files(&["src", "tests/it"]) {
        gather(&source, &mut marked, &mut faults);
    }
    let open: Vec<&str> = listed(OPEN);
    let unique: BTreeSet<&str> = open.iter().copied().collect();
    if unique.len() != open.len() {
        faults.push("open_rows.txt names a row twice".to_owned());
    }
    for row in &rows {
        match (marked.get(*row), unique.contains(row)) {
            (None, false) => faults.push(format!("{row} has neither a test nor a line in open_rows.txt")),
            (Some(places), true) => {
                faults.push(format!("{row} has a test ({}): take it out of open_rows.txt", places.join(", ")))
            }
            (Some(_), false) | (None, true) => {}
        }
    }
    for (id, places) in marked.iter().filter(|(id, _)| !rows.contains(id.as_str())) {
        faults.push(format!("{}: {id} is no row", places.join(", ")));
    }
    faults.extend(unique.difference(&rows).map(|id| format!("open_rows.txt: {id} is no row")));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_comment_is_a_mark_only_when_it_is_made_of_ids() {
    assert_eq!(borne("    // K41 I04"), Some(vec!["K41", "I04"]));
    for other in ["// see K41", "//! K41", "/// K41", "// k41", "// K1", "//", "let x = 1; // K41"] {
        assert_eq!(borne(other), None, "{other}");
    }
    assert!(stands_above_a_test(&["/// Why.", "#[tokio::test(flavor = \"multi_thread\")]", "async fn x() {"]));
    assert!(!stands_above_a_test(&["fn x() {", "#[test]"]));
}
