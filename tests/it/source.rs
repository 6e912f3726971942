//! The project's own source, as the rules of the house read it: code without its comments and texts, line by line.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub struct Source {
    /// Its path under the project's folder, such as `src/web/mod.rs`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text with comments and literals blanked and the unit tests cut off; lines stay where they are.
    pub code: String,
    /// Every text literal outside the unit tests, with the number of the line it begins on.
    pub literals: Vec<(usize, String)>,
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files under some folders of the project, in the order of their paths.
pub fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| Source::read(path)).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        Self::of(shown, text)
    }

    fn of(path: String, text: String) -> Self {
        let (mut code, mut literals) = masked(&text);
        if is_test_file(&path) {
            (code, literals) = ("\n".repeat(text.lines().count()), Vec::new());
        } else if let Some(at) = unit_tests(&code) {
            let line = 1 + code[..at].matches('\n').count();
            code.truncate(at);
            literals.retain(|(number, _)| *number < line);
        }
        Self { path, text, code, literals }
    }

    /// The first folder or file under `src`, such as `web` or `app`.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Whether the file lies in one of these folders, or is one of these files.
    pub fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || (place.ends_with('/') && self.path.starts_with(place)))
    }

    /// The line on which a byte of the code lies.
    pub fn line(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// Where a piece of code stands as a whole word: not inside a longer name.
    pub fn places_of<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let inner = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let open = !word.starts_with(inner) || !before.is_some_and(inner);
            let closed = !word.ends_with(inner) || !after.is_some_and(inner);
            open && closed
        })
    }

    /// The modules right under the crate that the code names, with the line of each.
    pub fn named_rooms(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for root in ["crate::", "muster::"] {
            for at in self.places_of(root) {
                let rest = &self.code[at + root.len()..];
                for name in first_names(rest) {
                    found.push((self.line(at), name));
                }
            }
        }
        found
    }
}

/// The names that follow `crate::`: one, or the members of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut depth, mut names, mut member) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut member)),
            _ => member.push(c),
        }
    }
    names.push(member);
    names.iter().map(|member| name(member)).filter(|name| !name.is_empty()).collect()
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.ends_with("/oracle.rs")
}

/// Where the unit tests begin: `#[cfg(test)]` before a module with a body. Ours stand at the end of their file.
fn unit_tests(code: &str) -> Option<usize> {
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| {
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        let rest = rest.strip_prefix("pub ").unwrap_or(rest);
        let words =
            rest.strip_prefix("mod ").map(|rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
        words.is_some_and(|rest| rest.trim_start().starts_with('{'))
    })
}

/// The text with comments and literals blanked, and the literals.
fn masked(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut literals) = (String::with_capacity(text.len()), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let kind = piece(&chars, at, &code);
        let end = kind.end(&chars, at);
        let whole: String = chars[at..end].iter().collect();
        match kind {
            Piece::Code => code.push_str(&whole),
            Piece::Comment | Piece::Text | Piece::Raw(_) => {
                if !matches!(kind, Piece::Comment) {
                    literals.push((line, whole.clone()));
                }
                code.extend(whole.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            }
        }
        line += whole.matches('\n').count();
        at = end;
    }
    (code, literals)
}

#[derive(Clone, Copy)]
enum Piece {
    Code,
    Comment,
    Text,
    /// With so many `#`.
    Raw(usize),
}

fn piece(chars: &[char], at: usize, before: &str) -> Piece {
    let next = |n: usize| chars.get(at + n).copied();
    let in_name = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    match chars[at] {
        '/' if matches!(next(1), Some('/' | '*')) => Piece::Comment,
        '"' => Piece::Text,
        // A character, not a lifetime: 'x' or '\…'.
        '\'' if next(1) == Some('\\') || (next(2) == Some('\'') && next(1) != Some('\'')) => Piece::Text,
        'r' if !in_name || matches!(before.chars().next_back(), Some('b')) => {
            let marks = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if next(1 + marks) == Some('"') { Piece::Raw(marks) } else { Piece::Code }
        }
        _ => Piece::Code,
    }
}

impl Piece {
    fn end(self, chars: &[char], at: usize) -> usize {
        let until = |from: usize, stop: &dyn Fn(usize) -> Option<usize>| {
            (from..chars.len()).find_map(stop).unwrap_or(chars.len())
        };
        match self {
            Self::Code => at + 1,
            Self::Comment if chars[at + 1] == '/' => until(at, &|n| (chars[n] == '\n').then_some(n)),
            Self::Comment => {
                until(at + 2, &|n| (chars[n] == '/' && chars[n - 1] == '*' && n > at + 2).then_some(n + 1))
            }
            Self::Text => {
                let quote = chars[at];
                let mut n = at + 1;
                while n < chars.len() && chars[n] != quote {
                    n += if chars[n] == '\\' { 2 } else { 1 };
                }
                (n + 1).min(chars.len())
            }
            Self::Raw(marks) => until(at + marks + 2, &|n| {
                let closed =
                    chars[n] == '"' && chars[n + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks;
                closed.then_some(n + 1 + marks)
            }),
        }
    }
}

#[test]
fn comments_texts_and_unit_tests_are_not_code() {
    let text = concat!(
        "//! crate::web\nuse crate::{flows::x, store::{db, orgs}};\n",
        "const A: &str = \"crate::cli \\\" unsafe\"; /* crate::jobs */\n",
        "const B: &str = r#\"\"typ\":\"\"#; fn f<'a>(c: char) { let _ = c == '\"'; todo() }\n",
        "#[cfg(test)]\nmod tests {\n    use crate::web;\n}\n",
    );
    let source = Source::of("src/domain/x.rs".to_owned(), text.to_owned());
    let rooms: Vec<(usize, String)> = source.named_rooms();
    assert_eq!(rooms, [(2, "flows".to_owned()), (2, "store".to_owned())]);
    assert_eq!(source.places_of("unsafe").count(), 0);
    assert!(source.code.contains("todo()") && !source.code.contains("mod tests"));
    assert_eq!(source.literals.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 4]);
    assert_eq!(source.room(), "domain");
}
