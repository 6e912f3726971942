//! The style sheet, the script and the pictures of our pages, each under a URL that carries its SHA-256.
//!
//! A URL names one content for ever, so the answer may be cached as `immutable`, and a page of this
//! release never meets the style sheet of another. Headers and routes are left to the handlers.

use std::fmt::Write as _;
use std::sync::LazyLock;

use rust_embed::Embed;

#[derive(Embed)]
#[folder = "src/web/pages/assets/"]
struct Files;

/// One file of the folder, with what its URL and its answer need.
struct Asset {
    name: String,
    url: String,
    mime: &'static str,
    bytes: Vec<u8>,
}

/// Read once, in debug builds too: the bytes we serve are then always those the URL was made from.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|name| {
            let file = Files::get(&name)?;
            let hash = hex(&file.metadata.sha256_hash());
            Some(Asset {
                url: format!("/assets/{hash}/{name}"),
                mime: mime(&name),
                bytes: file.data.into_owned(),
                name: name.into_owned(),
            })
        })
        .collect()
});

/// The path of a file of ours, for example `/assets/9f86d0…/style.css`.
///
/// # Panics
/// When there is no such file: pages name files by literals, and a test renders every page.
#[must_use]
pub fn url(name: &str) -> &'static str {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    &asset.expect("pages name only files of the assets folder").url
}

/// Media type and bytes of a file; `None` unless the hash is the one the file has now.
#[must_use]
pub fn get(hash: &str, name: &str) -> Option<(&'static str, &'static [u8])> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    let expected = asset.url.strip_prefix("/assets/")?.strip_suffix(name)?.strip_suffix('/')?;
    (expected == hash).then_some((asset.mime, asset.bytes.as_slice()))
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn hash_of(url: &str) -> &str {
        url.split('/').nth(2).unwrap()
    }

    #[test]
    fn an_asset_is_served_under_the_hash_of_its_bytes() {
        for (name, mime) in [
            ("style.css", "text/css; charset=utf-8"),
            ("form-post.js", "text/javascript; charset=utf-8"),
            ("logo.svg", "image/svg+xml"),
        ] {
            let url = url(name);
            let (served_as, bytes) = get(hash_of(url), name).unwrap();
            assert_eq!(served_as, mime);
            assert_eq!(hash_of(url), hex(&Sha256::digest(bytes)));
            assert_eq!(url, format!("/assets/{}/{name}", hash_of(url)));
        }
    }

    #[test]
    fn a_stale_hash_an_unknown_name_and_a_climbing_path_find_nothing() {
        let hash = hash_of(url("style.css"));
        assert!(get(&"0".repeat(64), "style.css").is_none());
        assert!(get(hash, "logo.svg").is_none());
        assert!(get(hash, "../view.rs").is_none());
        assert!(get("", "").is_none());
    }

    #[test]
    fn the_style_sheet_stays_below_thirty_kilobytes() {
        let (_, bytes) = get(hash_of(url("style.css")), "style.css").unwrap();
        assert!(bytes.len() < 30_000, "{} bytes", bytes.len());
    }
}
