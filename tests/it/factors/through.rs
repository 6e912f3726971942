//! A proof once more, from somebody who came through their organisation's provider: it must say that they signed in there
//! anew, and is not asked where they have something here.

use muster::kernel::time::{HOUR, MINUTE};
use serde_json::json;

use super::binds;
use crate::support::admin::owned;
use crate::support::browser::Browser;
use crate::support::federated::{Federated, refusal};
use crate::support::page::Page;
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

/// What asks for a proof of the last ten minutes.
const SENSITIVE: &str = "/me/security/totp";

/// Somebody who came through Acme's provider, which asks nobody anything.
async fn came(site: &Site) -> (Provider, Federated, Browser) {
    let (acme, _) = owned(site, "acme").await;
    let provider = Provider::open().await;
    provider.says(json!({ "sub": "00u-nora", "preferred_username": "nora" }));
    let okta = Federated::open(site, &acme, &provider).await;
    let mut browser = site.browser();
    okta.comes(site, &mut browser).await;
    (provider, okta, browser)
}

/// The page that stands before what is sensitive, when the proof is old.
async fn stopped(site: &Site, browser: &mut Browser) -> Page {
    let page = browser.open(&site.at.url(SENSITIVE)).await.page();
    assert_ne!(page.url, site.at.url(SENSITIVE), "{page:?}");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_say_that_it_asked_anew_freshens_nothing() {
    on_both(async |site| {
        let (provider, okta, mut browser) = came(site).await;
        let button = format!("continue-{}", okta.connection);
        let page = browser.open(&site.at.url(SENSITIVE)).await.page();
        assert_eq!(page.url, site.at.url(SENSITIVE), "they have just come: {page:?}");
        site.advance(11 * MINUTE);
        let mut refused = None;
        for said in [json!(null), json!(site.now().minus(HOUR).seconds())] {
            let page = stopped(site, &mut browser).await;
            assert!(page.url.contains("/o/acme/login") && page.has(&button), "{page:?}");
            provider.spoil(Spoil::Claims(json!({ "auth_time": said })));
            let landing = browser.press(&page, &button, &[]).await;
            let page = provider.pass(&mut browser, landing).await.page();
            assert_eq!(refusal(&page), (403, "not_fresh"), "{said}: {page:?}");
            let asked = provider.asked();
            let sent = asked.iter().rfind(|asked| asked.path == "/authorize").expect("the browser went there");
            assert_eq!((sent.param("prompt"), sent.param("max_age")), ("login", "0"));
            stopped(site, &mut browser).await;
            refused = Some(page);
        }
        // Trying again asks for the same; what was asked for can't be left out on the way.
        let page = refused.expect("it was refused");
        let landing = browser.press(&page, "upstream-again", &[]).await;
        let page = provider.pass(&mut browser, landing).await.page();
        assert_eq!(refusal(&page), (403, "not_fresh"), "{page:?}");
        provider.spoil(Spoil::Nothing);
        let landing = browser.press(&page, "upstream-again", &[]).await;
        let page = provider.pass(&mut browser, landing).await.page();
        assert_eq!((page.status, page.url), (200, site.at.url(SENSITIVE)), "it leads on to where they wanted to go");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_factor_here_shows_that_and_their_provider_is_not_asked() {
    on_both(async |site| {
        let (provider, okta, mut browser) = came(site).await;
        let (phone, _) = binds(site, &mut browser).await;
        let before = provider.times_asked("/authorize");
        site.advance(11 * MINUTE);
        let page = stopped(site, &mut browser).await;
        assert!(page.has("totp-form") && !page.has(&format!("continue-{}", okta.connection)), "{page:?}");
        let page = browser.press(&page, "totp-submit", &[("code", &phone.code(site.now()))]).await.page();
        assert_eq!(page.url, site.at.url(SENSITIVE), "{page:?}");
        assert_eq!(provider.times_asked("/authorize"), before);
    })
    .await;
}
