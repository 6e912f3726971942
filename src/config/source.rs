//! What was given: by the file, by variables, by flags; each later source wins, and every name must be known.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::Faults;
use super::names::{distance, fields_of, nearest};

/// Variables with a short name, and the setting each stands for.
const SHORT: [(&str, &str, &str); 4] = [
    ("DATA_DIR", "", "data_dir"),
    ("ISSUER", "", "issuer"),
    ("LISTEN", "http", "listen"),
    ("DATABASE_URL", "database", "url"),
];

/// Settings whose value is never printed.
const SECRET: [&str; 5] = ["database.url", "keys.instance_key", "mail.password", "sms.url", "sms.token"];

/// One value and where it comes from.
#[derive(Clone)]
enum Given {
    /// From the file or a flag: it has a type.
    Typed(Value),
    /// From a variable: its type is what the setting wants.
    Text { text: String, variable: String },
}

/// Everything that was given, by section and key. The section of the first level is the empty text.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<String, BTreeMap<String, Given>>);

impl Settings {
    /// Takes the settings of a file.
    pub(super) fn file(&mut self, table: Table) {
        for (name, value) in table {
            match value {
                Value::Table(section) => {
                    self.0
                        .entry(name)
                        .or_default()
                        .extend(section.into_iter().map(|(key, value)| (key, Given::Typed(value))));
                }
                value => self.flag("", &name, value),
            }
        }
    }

    /// Takes one setting that has its type already.
    pub(super) fn flag(&mut self, section: &str, key: &str, value: Value) {
        self.put(section, key, Given::Typed(value));
    }

    /// Takes `MUSTER_SECTION__KEY` and the short names from the environment. An empty variable counts as not set.
    pub(super) fn variables(&mut self, env: impl Iterator<Item = (String, String)>, faults: &mut Faults) {
        let mut given: Vec<(String, String)> =
            env.filter(|(name, text)| name.starts_with("MUSTER_") && !text.is_empty()).collect();
        // Sorted so that the outcome never hangs on the environment's order: a long name wins over the short one.
        given.sort_by_key(|(name, _)| (name.contains("__"), name.clone()));
        for (variable, text) in given {
            let name = &variable["MUSTER_".len()..];
            if let Some((section, key)) = name.split_once("__") {
                let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
                self.put(&section, &key, Given::Text { text, variable });
            } else if let Some((_, section, key)) = SHORT.iter().find(|(short, ..)| *short == name) {
                self.put(section, key, Given::Text { text, variable });
            } else if let Some((short, ..)) = SHORT.iter().find(|(short, ..)| distance(short, name) <= 2) {
                // Others stay unread: a cluster sets MUSTER_PORT and the like for a service of this name.
                faults.add(variable.as_str(), format!("is no variable of Muster; did you mean MUSTER_{short}?"));
            }
        }
    }

    fn put(&mut self, section: &str, key: &str, given: Given) {
        self.0.entry(section.to_owned()).or_default().insert(key.to_owned(), given);
    }

    /// Notes every section that isn't among `known`.
    pub(super) fn only_sections(&self, known: &[&str], faults: &mut Faults) {
        for name in self.0.keys().filter(|name| !name.is_empty() && !known.contains(&name.as_str())) {
            faults.add(name.as_str(), unknown("section", nearest(name, known.iter().copied())));
        }
    }

    /// Reads one section, key by key, so that each fault is told with its key; what is at fault keeps its default.
    pub(super) fn read<T: DeserializeOwned + Default>(&self, section: &str, faults: &mut Faults) -> T {
        let known = fields_of::<T>();
        let mut table = Table::new();
        for (key, given) in self.0.get(section).into_iter().flatten() {
            let name = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
            if !known.contains(&key.as_str()) {
                faults.add(name, given.told(&unknown("setting", nearest(key, known.iter().copied()))));
                continue;
            }
            match given.fitting::<T>(key) {
                Ok(value) => {
                    table.insert(key.clone(), value);
                }
                Err(reason) => {
                    let hidden = SECRET.contains(&name.as_str());
                    faults.add(name, given.told(if hidden { "is not a text" } else { &reason }));
                }
            }
        }
        table.try_into().unwrap_or_default()
    }
}

fn unknown(what: &str, meant: Option<&str>) -> String {
    meant.map_or_else(
        || format!("is no {what} of Muster"),
        |name| format!("is no {what} of Muster; did you mean {name}?"),
    )
}

impl Given {
    /// A reason, and the variable that is its cause.
    fn told(&self, reason: &str) -> String {
        match self {
            Self::Typed(_) => reason.to_owned(),
            Self::Text { variable, .. } => format!("{reason} (from {variable})"),
        }
    }

    /// The value in the type that the field of `T` takes.
    fn fitting<T: DeserializeOwned>(&self, key: &str) -> Result<Value, String> {
        let mut reasons = Vec::new();
        for candidate in self.candidates() {
            match Table::from_iter([(key.to_owned(), candidate.clone())]).try_into::<T>() {
                Ok(_) => return Ok(candidate),
                Err(error) => reasons.push(error.message().trim().to_owned()),
            }
        }
        // A candidate of the right type knows more about what is wrong than one of another type.
        let best = reasons.iter().position(|reason| !reason.starts_with("invalid type")).unwrap_or(0);
        Err(reasons.swap_remove(best))
    }

    /// The values that a variable's text can stand for, in the order in which they are tried.
    fn candidates(&self) -> Vec<Value> {
        let text = match self {
            Self::Typed(value) => return vec![value.clone()],
            Self::Text { text, .. } => text,
        };
        let mut candidates = vec![Value::String(text.clone())];
        candidates.extend(text.parse().ok().map(Value::Boolean));
        candidates.extend(text.parse().ok().map(Value::Integer));
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        candidates.push(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()));
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::database::Database;
    use crate::config::http::Http;

    fn settings(file: &str, env: &[(&str, &str)]) -> (Settings, Faults) {
        let (mut settings, mut faults) = (Settings::default(), Faults::default());
        settings.file(file.parse().unwrap());
        settings.variables(env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())), &mut faults);
        (settings, faults)
    }

    #[test]
    fn a_variable_wins_over_the_file_and_takes_the_type_of_its_setting() {
        let (settings, mut faults) = settings(
            "[http]\nmax_body_bytes = 1\nheader_timeout_ms = 7",
            &[
                ("MUSTER_HTTP__MAX_BODY_BYTES", "2048"),
                ("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true"),
                ("MUSTER_HTTP__ALLOWED_HOSTS", "a.test, b.test:8443"),
                ("MUSTER_HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
                ("MUSTER_HTTP__TLS_CERT", ""),
                ("MUSTER_LISTEN", "[::1]:9"),
                ("PATH", "/bin"),
            ],
        );
        let http: Http = settings.read("http", &mut faults);
        assert_eq!(faults.finish(), Ok(()));
        assert_eq!((http.max_body_bytes, http.header_timeout_ms, http.allow_loopback_http), (2048, 7, true));
        assert_eq!(http.allowed_hosts, ["a.test", "b.test:8443"]);
        assert_eq!((http.trusted_proxies.len(), http.tls_cert, http.listen.port()), (1, None, 9));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_one_that_was_meant() {
        let (settings, mut faults) = settings(
            "[http]\nlisten_on = 1",
            &[("MUSTER_HTTP__LISTN", "x"), ("MUSTER_ISSUR", "x"), ("MUSTER_PORT", "x")],
        );
        let _: Http = settings.read("http", &mut faults);
        let told = faults.finish().unwrap_err().to_string();
        assert!(told.contains("MUSTER_ISSUR: is no variable of Muster; did you mean MUSTER_ISSUER?"), "{told}");
        assert!(
            told.contains("http.listn: is no setting of Muster; did you mean listen? (from MUSTER_HTTP__LISTN)"),
            "{told}"
        );
        assert!(told.contains("http.listen_on: is no setting") && !told.contains("MUSTER_PORT"), "{told}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_its_key_unless_it_is_a_secret() {
        let (settings, mut faults) = settings(
            "[database]\nurl = 77777",
            &[("MUSTER_HTTP__MAX_BODY_BYTES", "-5"), ("MUSTER_HTTP__TRUSTED_PROXIES", "*")],
        );
        let http: Http = settings.read("http", &mut faults);
        let _: Database = settings.read("database", &mut faults);
        assert_eq!(http.max_body_bytes, 65_536);
        let told = faults.finish().unwrap_err().to_string();
        assert!(told.contains("http.max_body_bytes: ") && told.contains("-5"), "{told}");
        assert!(told.contains("http.trusted_proxies: not an address"), "{told}");
        assert!(told.contains("database.url: is not a text") && !told.contains("77777"), "{told}");
    }

    #[test]
    fn a_long_name_wins_over_the_short_one_in_any_order() {
        let (settings, mut faults) =
            settings("", &[("MUSTER_HTTP__LISTEN", "127.0.0.1:1"), ("MUSTER_LISTEN", "127.0.0.1:2")]);
        assert_eq!(settings.read::<Http>("http", &mut faults).listen.port(), 1);
    }
}
