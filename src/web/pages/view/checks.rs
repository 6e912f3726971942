//! What the tests of all pages ask of a rendered one: that what people typed stays text, and that machines can read it.

/// What somebody may type who means ill: out of an attribute, a script, a handler, a style.
pub const HOSTILE: &str = "\"'><script>alert(1)</script><b onload=x style=y>";

/// Nothing of [`HOSTILE`] became markup, and the page itself has neither script nor style in it.
///
/// # Panics
/// It did, or it has.
pub fn stays_text(page: &str) {
    assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'"), "{page}");
    assert!(!page.contains("<style") && !page.contains(" style=\"") && !page.contains("data:"), "{page}");
}

/// One heading, a caption for each table, a scope for each of its heads, and a label for each field.
///
/// # Panics
/// Something is missing.
pub fn is_read_by_machines(page: &str) {
    assert_eq!(page.matches("<h1").count(), 1, "{page}");
    assert_eq!(page.matches("<table").count(), page.matches("<caption").count(), "{page}");
    assert_eq!(page.matches("<th ").count(), page.matches(" scope=\"").count(), "{page}");
    let is_field = |tag: &&str| ["input ", "select ", "textarea "].iter().any(|name| tag.starts_with(name));
    for tag in page.split('<').filter(is_field).filter(|tag| !tag.contains("type=\"hidden\"")) {
        let id = tag.split_once("id=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| id);
        let id = id.unwrap_or_else(|| panic!("no id in {tag}"));
        assert!(page.contains(&format!("<label for=\"{id}\"")), "no label for {id}");
    }
}
