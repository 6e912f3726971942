//! The floors of the house and the rules of its style, checked; each breach is named by file and line.
//!
//! | rule | kept by |
//! |---|---|
//! | a file imports only lower floors; `store` and `outside`, and `web` and `jobs`, never see each other | floors |
//! | a crate is named only on the floor that it belongs to | crates |
//! | access is edited, and anything written, only by flows through the store | door |
//! | no catch-all modules, no glob exports, no panics by the wayside, no file that grew too long | style |
//! | one JOSE library, and no token built by hand | tokens |

use crate::source::{Source, root, rust_files};

/// From the ground up. What shares a floor may see each other, but for [`STRANGERS`].
const FLOORS: [(&str, u8); 13] = [
    ("kernel", 0),
    ("config", 0),
    ("domain", 1),
    ("store", 2),
    ("outside", 2),
    ("app", 3),
    ("flows", 4),
    ("web", 5),
    ("jobs", 5),
    ("router", 6),
    ("cli", 7), // `serve` and `dev` put the whole house together
    ("lib", 8),
    ("main", 8),
];

/// Siblings that never see each other.
const STRANGERS: [(&str, &str); 2] = [("store", "outside"), ("web", "jobs")];

/// The demo application, mounted by `cli/dev.rs` and exempt from the floors.
const EXAMPLES: &str = "src/examples/";

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn strangers(one: &str, other: &str) -> bool {
    STRANGERS.iter().any(|pair| *pair == (one, other) || *pair == (other, one))
}

fn all() -> Vec<Source> {
    let files = rust_files(&["src"]);
    assert!(files.len() > 100, "the rules read the whole house");
    files
}

fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

/// A breach for each place where a word stands in the code of a file outside of some places.
fn only_in(files: &[Source], word: &str, places: &[&str]) -> Vec<String> {
    let outside = files.iter().filter(|file| !file.is_in(places));
    outside
        .flat_map(|file| file.places_of(word).map(move |at| format!("{}:{} names {word}", file.path, file.line(at))))
        .collect()
}

#[test]
fn a_file_uses_only_the_floors_below_it() {
    let mut breaches = Vec::new();
    for file in all().iter().filter(|file| !file.is_in(&[EXAMPLES])) {
        let room = file.room();
        let Some(own) = floor(room) else {
            breaches.push(format!("{}:1 is on no floor", file.path));
            continue;
        };
        for (line, named) in file.named_rooms() {
            let above = floor(&named).is_some_and(|other| other > own);
            let demo = named == "examples" && own < 7;
            if above || demo || strangers(room, &named) {
                breaches.push(format!("{}:{line} {room} reaches for {named}", file.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn the_pure_floors_wait_for_nothing_and_ask_nobody() {
    let forbidden = [
        "async",
        "await",
        "tokio",
        "sqlx",
        "axum",
        "hyper",
        "reqwest",
        "tower_sessions",
        "josekit",
        "argon2",
        "aws_lc_rs",
        "SystemTime",
        "Instant",
        "now_utc",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "println!",
        "tracing",
    ];
    let pure: Vec<Source> = all().into_iter().filter(|file| file.is_in(&["src/kernel/", "src/domain/"])).collect();
    none(forbidden.iter().flat_map(|word| only_in(&pure, word, &[])).collect());
}

#[test]
fn a_crate_is_named_only_where_it_belongs() {
    const SHOP: &str = "src/examples/shop/";
    const WEB: [&str; 4] = ["src/web/", "src/web/mod.rs", "src/router.rs", SHOP];
    const OUTSIDE: [&str; 2] = ["src/outside/", SHOP];
    let rules: [(&str, &[&str]); 16] = [
        ("axum", &WEB),
        ("hyper", &WEB),
        ("askama", &WEB),
        ("rust_embed", &WEB),
        ("josekit", &OUTSIDE),
        ("argon2", &OUTSIDE),
        ("reqwest", &OUTSIDE),
        ("lettre", &OUTSIDE),
        ("minijinja", &OUTSIDE),
        ("openidconnect", &OUTSIDE),
        ("totp_rs", &OUTSIDE),
        ("webauthn_rs", &OUTSIDE),
        ("fast_qr", &OUTSIDE),
        ("tower_sessions", &["src/store/cookies.rs", "src/web/", "src/router.rs"]),
        ("clap", &["src/cli/", "src/main.rs"]),
        ("sqlx", &["src/store/"]),
    ];
    let files = all();
    let mut breaches = Vec::new();
    for (name, places) in rules {
        for file in files.iter().filter(|file| !file.is_in(places)) {
            for at in file.places_of(name).filter(|at| is_crate(file, *at, name)) {
                // What flows answer with when the database fails has no name of ours; edges turn it into words.
                let error =
                    name == "sqlx" && file.code[at..].starts_with("sqlx::Error") && floor(file.room()) >= Some(3);
                if !error {
                    breaches.push(format!("{}:{} names {name}", file.path, file.line(at)));
                }
            }
        }
    }
    let library = only_in(&files, "aws_lc_rs", &OUTSIDE);
    let rustls = |breach: &String| !breach.starts_with("src/web/listen") && !breach.starts_with("src/cli/");
    breaches.extend(library.into_iter().filter(rustls)); // there it is rustls' module of that name
    none(breaches);
}

/// Whether a word is the root of a path (`sqlx::…`, `use sqlx`) and not a part of one, a field or a variable.
fn is_crate(file: &Source, at: usize, name: &str) -> bool {
    let (before, after) = (file.code[..at].trim_end(), &file.code[at + name.len()..]);
    !before.ends_with("::")
        && !before.ends_with('.')
        && (after.starts_with("::") || (before.ends_with("use") && after.starts_with(';')))
}

#[test]
fn access_is_edited_and_rows_are_written_by_flows_alone() {
    let files = all();
    let mut breaches = only_in(&files, "AccessEdit", &["src/flows/", "src/store/"]);
    for file in files.iter().filter(|file| !file.is_in(&["src/flows/", "src/store/"])) {
        for at in file.places_of(".write") {
            // A job for the database is a closure; locks and files are written without one.
            let job = file.code[at + ".write".len()..].trim_start().strip_prefix('(').map(str::trim_start);
            if job.is_some_and(|job| job.starts_with("move |") || job.starts_with('|')) {
                breaches.push(format!("{}:{} writes to the database", file.path, file.line(at)));
            }
        }
    }
    none(breaches);
}

#[test]
fn statements_are_written_down_and_never_put_together() {
    let files = all();
    let mut breaches = only_in(&files, "AssertSqlSafe", &["src/store/db.rs"]);
    breaches.extend(only_in(&files, "QueryBuilder", &[]));
    breaches.extend(only_in(&files, "raw_sql", &[]));
    none(breaches);
}

#[test]
fn the_time_is_read_in_one_place_and_chance_in_another() {
    let files = all();
    let mut breaches = Vec::new();
    for word in ["SystemTime::now", "Utc::now", "Local::now", "now_utc", "now_local"] {
        breaches.extend(only_in(&files, word, &["src/outside/clock.rs"]));
    }
    for word in ["rand::rng", "rand::thread_rng", "rand::random", "OsRng", "SystemRandom", "getrandom"] {
        breaches.extend(only_in(&files, word, &["src/outside/chance.rs", "src/outside/", EXAMPLES]));
    }
    none(breaches);
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    const DRAWERS: [&str; 8] = ["utils", "util", "common", "prelude", "helpers", "helper", "misc", "shared"];
    let mut breaches = Vec::new();
    for file in rust_files(&["src", "tests/it", "benches"]) {
        let parts: Vec<&str> = file.path.split(['/', '.']).collect();
        for name in DRAWERS {
            if parts.contains(&name) || file.places_of(&format!("mod {name}")).next().is_some() {
                breaches.push(format!("{}:1 is or has a module named {name}", file.path));
            }
        }
        for at in file.places_of("pub use") {
            let statement = file.code[at..].split(';').next().unwrap_or_default();
            if statement.contains("::*") {
                breaches.push(format!("{}:{} exports everything of another module", file.path, file.line(at)));
            }
        }
    }
    none(breaches);
}

#[test]
fn nothing_panics_by_the_wayside_and_nothing_is_unsafe() {
    let files = all();
    let words = [".unwrap()", "todo!", "unimplemented!", "dbg!", "unsafe", "allow(clippy", "allow(dead_code"];
    none(words.iter().flat_map(|word| only_in(&files, word, &[])).collect());
}

#[test]
fn no_file_has_grown_too_long_and_each_says_what_it_owns() {
    const MOST_LINES: usize = 520;
    let mut breaches = Vec::new();
    for file in rust_files(&["src", "tests/it", "benches"]) {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            breaches.push(format!("{}:{lines} is longer than {MOST_LINES} lines", file.path));
        }
        if !file.text.trim().is_empty() && !file.text.starts_with("//!") {
            breaches.push(format!("{}:1 begins without a line that says what the file owns", file.path));
        }
    }
    none(breaches);
}

#[test]
fn the_libraries_we_chose_are_listed_and_really_used() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let files = all();
    for name in ["axum", "openidconnect", "tokio", "sqlx", "josekit", "serde", "argon2", "tower-sessions"] {
        assert!(dependencies.contains_key(name), "{name} is no direct dependency");
        let word = name.replace('-', "_");
        let used = files.iter().any(|file| file.places_of(&word).any(|at| is_crate(file, at, &word)));
        assert!(used, "{name} is listed and named nowhere in src");
    }
}

#[test]
fn there_is_no_second_jose_library() {
    const OTHERS: [&str; 12] = [
        "jsonwebtoken",
        "jwt-simple",
        "jwt",
        "biscuit",
        "frank_jwt",
        "jose",
        "jose-jwk",
        "jose-jws",
        "jose-b64",
        "jws",
        "jwtk",
        "alcoholic_jwt",
    ];
    let lock: toml::Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let muster =
        packages.iter().find(|package| package["name"].as_str() == Some("muster")).expect("the lock file has us");
    let direct: Vec<&str> = muster["dependencies"].as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    let others: Vec<&&str> =
        direct.iter().filter(|one| OTHERS.contains(&one.split(' ').next().unwrap_or_default())).collect();
    assert!(direct.iter().any(|one| one.starts_with("josekit")) && others.is_empty(), "{others:?} beside josekit");
}

#[test]
fn no_token_is_put_together_by_hand() {
    let mut breaches = Vec::new();
    for file in all().iter().filter(|file| !file.is_in(&["src/outside/keyring.rs", "src/outside/keyring/"])) {
        for (line, literal) in &file.literals {
            let plain = literal.replace(['\\', ' '], "");
            if ["\"typ\":", "\"alg\":\"", "'typ':"].iter().any(|mark| plain.contains(mark)) {
                breaches.push(format!("{}:{line} writes a token's header", file.path));
            }
        }
        // `json!({ "alg": …, "typ": … })`, whatever its layout.
        let near = |word: &str| {
            file.literals.iter().filter(move |(_, text)| text == word).map(|(line, _)| *line).collect::<Vec<_>>()
        };
        for alg in near("\"alg\"") {
            if near("\"typ\"").iter().any(|typ| typ.abs_diff(alg) <= 4) {
                breaches.push(format!("{}:{alg} builds a token's header", file.path));
            }
        }
    }
    none(breaches);
}
