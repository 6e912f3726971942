//! E-mail domains: shown by a record in the DNS and by nothing else, looked after each day, and lost when the record
//! is.

use muster::config::Config;
use muster::domain::change::{Actor, Change, Mode, Origin, Receipt};
use muster::domain::mail::Template;
use muster::domain::people::domain_name::{record_name, record_value};
use muster::flows::change_access::Refusal;
use muster::flows::domains::{self, Checked, Found};
use muster::kernel::id::DomainId;
use muster::kernel::time::DAY;
use muster::store::audit::{self, Filter};
use muster::store::domains::{self as stored, Domain, State};

use super::dns_server::DnsServer;
use crate::support::PASSWORD;
use crate::support::mailbox::mails_to;
use crate::support::org::Org;
use crate::support::server::{Site, on_both_with};

fn asking(dns: &DnsServer) -> impl Fn(&mut Config) {
    let address = dns.address.clone();
    move |config| config.dns.servers = vec![address.clone()]
}

async fn add(site: &Site, actor: &Actor, org: &Org, name: &str) -> Result<(DomainId, Receipt), Refusal> {
    domains::add(site, actor, &Origin::default(), &org.id, name, Mode::Act).await
}

async fn check(site: &Site, actor: &Actor, org: &Org, id: &DomainId) -> Result<Checked, Refusal> {
    domains::check(site, actor, &Origin::default(), &org.id, id).await
}

async fn domain(site: &Site, org: &Org, id: &DomainId) -> Domain {
    stored::find(&mut site.conn().await, &org.id, id).await.unwrap().expect("it is there")
}

async fn is_verified(site: &Site, org: &Org, name: &str) -> bool {
    stored::is_verified(&mut site.conn().await, &org.id, name).await.unwrap()
}

/// Names a domain and has its record found.
async fn verified(site: &Site, dns: &DnsServer, org: &Org, name: &str) -> DomainId {
    let (id, _) = add(site, &Actor::CommandLine, org, name).await.unwrap();
    let token = domain(site, org, &id).await.token;
    dns.say(&record_name(name), &[&record_value(&token)]);
    let checked = check(site, &Actor::CommandLine, org, &id).await.unwrap();
    assert_eq!((checked.found, checked.domain.state), (Found::Shown, State::Verified));
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_verified_by_its_own_record_and_by_nothing_else() {
    let dns = DnsServer::open().await;
    on_both_with(asking(&dns), async |site| {
        dns.say("_muster-challenge.acme.test", &[]);
        dns.set_broken(false);
        let (acme, globex, nobody) = (site.org("acme").await, site.org("globex").await, Actor::CommandLine);
        let (id, receipt) = add(site, &nobody, &acme, " ACME.Test. ").await.unwrap();
        assert_eq!(receipt.acts, ["add domain acme.test"]);
        let new = domain(site, &acme, &id).await;
        assert_eq!((new.domain.as_str(), new.state, new.token.len()), ("acme.test", State::Pending, 43));

        let (record, value) = (record_name("acme.test"), record_value(&new.token));
        assert_eq!(check(site, &nobody, &acme, &id).await.unwrap().found, Found::Missing);
        dns.say(&record, &["v=spf1 -all", &value[..value.len() - 1], &new.token]);
        assert_eq!(check(site, &nobody, &acme, &id).await.unwrap().found, Found::Missing);
        // At the domain itself, where others may write, the text shows nothing.
        dns.say("acme.test", &[&value]);
        assert_eq!(check(site, &nobody, &acme, &id).await.unwrap().found, Found::Missing);
        dns.set_broken(true);
        let unanswered = check(site, &nobody, &acme, &id).await.unwrap();
        assert!(matches!(unanswered.found, Found::Unanswered(_)) && unanswered.receipt.is_none());
        assert!(!is_verified(site, &acme, "acme.test").await);

        dns.set_broken(false);
        dns.say(&record, &["v=spf1 -all", &value]);
        let shown = check(site, &nobody, &acme, &id).await.unwrap();
        assert_eq!((shown.found, shown.domain.state), (Found::Shown, State::Verified));
        assert_eq!(shown.receipt.unwrap().acts, [format!("verify domain {id}")]);
        assert!(is_verified(site, &acme, "acme.test").await);
        for (org, name) in [(&acme, "sub.acme.test"), (&acme, "test"), (&globex, "acme.test")] {
            assert!(!is_verified(site, org, name).await, "{name}");
        }
        assert!(check(site, &nobody, &acme, &id).await.unwrap().receipt.is_none(), "it is verified once");

        let asked = dns.asked();
        let (other, _) = add(site, &nobody, &globex, "acme.test").await.unwrap();
        let taken = check(site, &nobody, &globex, &other).await;
        assert!(matches!(taken, Err(Refusal::Conflict(_))), "{taken:?}");
        assert!(matches!(check(site, &nobody, &globex, &id).await, Err(Refusal::NotFound(_))));
        assert!(matches!(add(site, &nobody, &acme, "Acme.test").await, Err(Refusal::Conflict(_))));
        for bad in ["localhost", "192.0.2.1", "ana@acme.test", "*.acme.test", ""] {
            let refused = add(site, &nobody, &acme, bad).await;
            assert!(matches!(refused, Err(Refusal::Invalid { field: "domain", .. })), "{bad}");
        }
        assert_eq!(dns.asked(), asked, "nothing of this is a question for the DNS");
        site.act(vec![Change::RemoveDomain { org: acme.id.clone(), domain: id }]).await;
        assert_eq!(check(site, &nobody, &globex, &other).await.unwrap().found, Found::Missing);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_set_domains_up_asks_the_dns_nothing_and_an_administrator_not_endlessly() {
    let dns = DnsServer::open().await;
    on_both_with(asking(&dns), async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let reader = Actor::User(acme.person("rob", PASSWORD).await);
        let admin = Actor::User(acme.person("ada", PASSWORD).await);
        let stranger = Actor::User(globex.person("gil", PASSWORD).await);
        acme.give("rob", "org.reader", None).await;
        acme.give("ada", "org.admin", None).await;
        globex.give("gil", "org.admin", None).await;
        let (id, _) = add(site, &admin, &acme, "acme.test").await.unwrap();
        let asked = dns.asked();
        assert!(matches!(add(site, &reader, &acme, "other.test").await, Err(Refusal::Denied { .. })));
        assert!(matches!(check(site, &reader, &acme, &id).await, Err(Refusal::Denied { .. })));
        assert!(matches!(add(site, &stranger, &acme, "other.test").await, Err(Refusal::NotFound(_))));
        assert!(matches!(check(site, &stranger, &acme, &id).await, Err(Refusal::NotFound(_))));
        assert_eq!(dns.asked(), asked);
        for _ in 0..20 {
            assert_eq!(check(site, &admin, &acme, &id).await.unwrap().found, Found::Missing);
        }
        let asked = dns.asked();
        assert!(matches!(check(site, &admin, &acme, &id).await, Err(Refusal::Limit(_))));
        assert_eq!(dns.asked(), asked);
    })
    .await;
}

async fn lost(site: &Site, org: &Org) -> usize {
    let filter = Filter { kind: Some("domain.lost".to_owned()), ..Filter::default() };
    audit::page(&mut site.conn().await, &org.id, &filter, None, 10).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_whose_record_is_gone_for_a_week_is_lost_once_and_a_dns_that_is_silent_says_nothing() {
    let dns = DnsServer::open().await;
    on_both_with(asking(&dns), async |site| {
        dns.set_broken(false);
        let acme = site.org("acme").await;
        acme.person("ann", PASSWORD).await;
        acme.give("ann", "alert.admin", None).await;
        let id = verified(site, &dns, &acme, "acme.test").await;
        let value = record_value(&domain(site, &acme, &id).await.token);
        let record = record_name("acme.test");

        let asked = dns.asked();
        domains::recheck(site).await.unwrap();
        assert_eq!(dns.asked(), asked, "it was looked for today");
        dns.say(&record, &[]);
        site.advance(DAY);
        domains::recheck(site).await.unwrap();
        let gone = domain(site, &acme, &id).await;
        assert!(gone.state == State::Verified && gone.missing_since.is_some());

        dns.set_broken(true);
        site.advance(30 * DAY);
        domains::recheck(site).await.unwrap();
        assert_eq!(domain(site, &acme, &id).await.missing_since, gone.missing_since);
        assert_eq!((domain(site, &acme, &id).await.state, lost(site, &acme).await), (State::Verified, 0));
        dns.set_broken(false);
        site.advance(DAY);
        dns.say(&record, &[&value]);
        domains::recheck(site).await.unwrap();
        assert_eq!(domain(site, &acme, &id).await.missing_since, None, "it is back");

        dns.say(&record, &["something else"]);
        site.advance(DAY);
        domains::recheck(site).await.unwrap();
        site.advance(6 * DAY);
        domains::recheck(site).await.unwrap();
        assert_eq!(domain(site, &acme, &id).await.state, State::Verified);
        site.advance(DAY);
        let (one, other) = tokio::join!(domains::recheck(site), domains::recheck(site));
        one.unwrap();
        other.unwrap();
        let pending = domain(site, &acme, &id).await;
        assert_eq!((pending.state, pending.missing_since), (State::Pending, None));
        assert!(!is_verified(site, &acme, "acme.test").await);
        assert_eq!(lost(site, &acme).await, 1);
        let told = mails_to(site, "ann@example.test").await;
        assert_eq!(told.iter().filter(|mail| mail.template == Template::Alert).count(), 1);

        dns.say(&record, &[&value]);
        let again = check(site, &Actor::CommandLine, &acme, &id).await.unwrap();
        assert_eq!(again.domain.state, State::Verified);
    })
    .await;
}
