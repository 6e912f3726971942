//! Browsers, as people call them.

/// What lists and messages show instead of a user agent: browser and system, as far as it says.
#[must_use]
pub fn device(user_agent: &str) -> String {
    let pick = |words: &[(&str, &str)]| {
        words.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| (*name).to_owned())
    };
    let browser = pick(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = pick(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "Unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_by_its_name_and_its_system_as_far_as_it_says() {
        assert_eq!(device("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36 Edg/140.0"), "Edge on Windows");
        assert_eq!(device("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"), "Firefox on Linux");
        assert_eq!((device("Firefox/140.0").as_str(), device("").as_str()), ("Firefox", "Unknown browser"));
    }
}
