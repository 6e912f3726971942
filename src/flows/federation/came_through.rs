//! Who somebody is here whom a connection's provider has vouched for: linked, pushed, taken over, or made; or nobody.
//!
//! What is found out here is judged by the door once more, under its lock. Where somebody was quicker (two first sign-ins
//! of one person, an identity unlinked meanwhile) it is found out again.

use super::{NotThrough, Reading};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::federation::claims::{self, Groups, Said};
use crate::domain::federation::preset::GOOGLE_ISSUER;
use crate::domain::federation::settings::ACR_UPSTREAM;
use crate::domain::federation::{CameThrough, Claims, Known, Preset, SignInSettings, Through, Upstream};
use crate::domain::people::assurance::{ACR_TWO_FACTOR, Level, Method};
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::identifier;
use crate::domain::people::user::{AccessType, MembershipState, UserState};
use crate::flows::adoptable;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::{IdentityId, MembershipId, OrgId, SessionId, UserId};
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::federation::identities;
use crate::store::scim::adoptions;
use crate::store::users::User;
use crate::store::{domains, memberships, users};

/// So far a provider's clock may be off, in milliseconds.
const LEEWAY: i64 = MINUTE;
/// So often somebody is found out anew where somebody else was quicker.
const MOST_TRIES: u32 = 3;
/// So many means of a sign-in are told on …
const MOST_AMR: usize = 10;
/// … each at most so long, in bytes.
const LONGEST_AMR: usize = 64;
/// The longest `sid` of a provider, in bytes; a longer one is none, and is never cut.
const LONGEST_SID: usize = 255;

/// Somebody who came back from the provider, and with what.
#[derive(Clone, Copy)]
pub(super) struct Coming<'a> {
    /// The connection's sign-in.
    pub reading: &'a Reading,
    /// What the provider said: verified.
    pub claims: &'a Claims,
    /// When the flow began.
    pub begun: UnixMillis,
    /// Whether the person had to prove themselves anew.
    pub fresh: bool,
    /// What their browser calls itself.
    pub user_agent: &'a str,
    /// Their address.
    pub address: &'a str,
}

/// What the claims say of somebody, as far as the connection may say it.
pub(super) struct Asserted {
    /// Who, upstream.
    pub upstream: Upstream,
    /// The names and the address.
    pub said: Said,
}

/// An account that an identity leads to, or will.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// How it is known.
    pub known: Known,
    /// The account.
    pub user: UserId,
    member: MembershipId,
    identity: IdentityId,
}

/// Reads what the provider said.
///
/// # Errors
/// [`NotThrough::SubjectUnfit`]; [`NotThrough::GroupsOverage`] where the mapping needs groups that the provider left out;
/// the database's.
pub(super) async fn asserted(
    app: &App,
    conn: &mut Conn,
    reading: &Reading,
    claims: &Claims,
) -> Result<Asserted, NotThrough> {
    let (settings, mapping) = (&reading.sign_in.settings, &reading.sign_in.mapping);
    let upstream = claims::upstream(claims).map_err(|_| NotThrough::SubjectUnfit)?;
    if mapping.on
        && mapping.needs_groups(&settings.claims)
        && matches!(claims::groups(claims, &settings.claims), Groups::Overage)
    {
        return Err(NotThrough::GroupsOverage);
    }
    let ours = own_domains(conn, reading).await?;
    let is_ours = |name: &str| DomainName::parse(name).is_ok_and(|name| ours.iter().any(|one| one == name.as_str()));
    Ok(Asserted { upstream, said: claims::said(claims, &settings.claims, is_ours, app.now().seconds()) })
}

/// The domains whose addresses the connection may assert: its organisation has verified them, and they are no other
/// connection's.
async fn own_domains(conn: &mut Conn, reading: &Reading) -> Result<Vec<String>, sqlx::Error> {
    let all = domains::of_org(conn, &reading.sign_in.connection.org).await?;
    let is_ours = |found: &domains::Domain| {
        found.state == domains::State::Verified
            && found.connection.as_ref().is_none_or(|bound| bound == reading.connection())
    };
    Ok(all.into_iter().filter(is_ours).map(|found| found.domain).collect())
}

/// Finds out who somebody is here.
///
/// # Errors
/// Why they are nobody; the database's. With an account that is barred, `user` says which.
pub(super) async fn who(
    conn: &mut Conn,
    reading: &Reading,
    (claims, asserted): (&Claims, &Asserted),
    user: &mut Option<UserId>,
) -> Result<Who, NotThrough> {
    let (org, connection) = (&reading.sign_in.connection.org, reading.connection());
    if let Some(found) = identities::find(conn, connection, &asserted.upstream).await? {
        *user = Some(found.user.clone());
        let member = may_come(conn, org, &found.user).await?;
        return Ok(Who { known: Known::Linked(found.id.clone()), user: found.user, member, identity: found.id });
    }
    let identity = IdentityId::fresh();
    if let Some(pushed) = pushed(conn, reading, claims).await? {
        *user = Some(pushed.clone());
        let member = may_come(conn, org, &pushed).await?;
        return Ok(Who { known: Known::Pushed, user: pushed, member, identity });
    }
    if !is_at_home(conn, reading, claims).await? {
        return Err(NotThrough::AccountUnknown);
    }
    match in_the_way(conn, org, &asserted.said).await?.as_slice() {
        [] if reading.sign_in.settings.provision => {
            Ok(Who { known: Known::Made, user: UserId::fresh(), member: MembershipId::fresh(), identity })
        }
        [] => Err(NotThrough::AccountUnknown),
        [one] => {
            *user = Some(one.id.clone());
            if !is_sworn(reading, claims) || !is_adoptable(conn, reading, one, &asserted.said).await? {
                return Err(NotThrough::AccountExists);
            }
            let member = memberships::of_user(conn, org, &one.id).await?.ok_or(NotThrough::AccountExists)?;
            Ok(Who { known: Known::Adopted, user: one.id.clone(), member: member.id, identity })
        }
        _ => Err(NotThrough::AccountExists),
    }
}

/// Google's issuer is everybody's: only `hd`, the Workspace domain, says that somebody unknown is the organisation's.
async fn is_at_home(conn: &mut Conn, reading: &Reading, claims: &Claims) -> Result<bool, sqlx::Error> {
    if reading.core().issuer != GOOGLE_ISSUER {
        return Ok(true);
    }
    let Some(Ok(domain)) = claims::text(claims, "hd").map(DomainName::parse) else {
        return Ok(false);
    };
    Ok(own_domains(conn, reading).await?.iter().any(|one| one == domain.as_str()))
}

/// Whether the provider itself says that the address is verified. Entra never does; its tenant is the organisation's.
fn is_sworn(reading: &Reading, claims: &Claims) -> bool {
    let word = claims.get("email_verified");
    reading.sign_in.settings.preset == Preset::Entra
        || word.is_some_and(|word| *word == true || word.as_str().is_some_and(|word| word.eq_ignore_ascii_case("true")))
}

/// The membership of an account that may sign in; nothing that was barred is revived by coming again.
async fn may_come(conn: &mut Conn, org: &OrgId, user: &UserId) -> Result<MembershipId, NotThrough> {
    let found = users::find(conn, user).await?.filter(|found| found.state == UserState::Active);
    let member = memberships::of_user(conn, org, user).await?;
    let member = member.filter(|member| member.state == MembershipState::Active);
    let by_keys = users::access_type(conn, user).await? == Some(AccessType::Key);
    match (found, member) {
        (Some(_), Some(member)) if !by_keys => Ok(member.id),
        _ => Err(NotThrough::AccountDisabled),
    }
}

/// The account that the same connection pushed under the immutable id that the claims have, too.
async fn pushed(conn: &mut Conn, reading: &Reading, claims: &Claims) -> Result<Option<UserId>, sqlx::Error> {
    let Some(name) = reading.sign_in.settings.scim_claim.as_deref() else { return Ok(None) };
    let Some(external) = claims::text(claims, name) else { return Ok(None) };
    let found = identities::pushed(conn, reading.connection(), external).await?;
    Ok(found.map(|(user, _)| user))
}

/// The accounts of the organisation's realm that have the name or the address, that of the address first.
async fn in_the_way(conn: &mut Conn, org: &OrgId, said: &Said) -> Result<Vec<User>, sqlx::Error> {
    let mut found: Vec<User> = Vec::new();
    let names = said.profile.email.as_deref().into_iter().chain([said.user_name.as_str()]);
    for key in names.map(identifier::key).filter(|key| !key.is_empty() && !key.contains('\0')) {
        let user = users::by_identifier(conn, org.as_str(), &key).await?;
        let user = user.filter(|user| user.state != UserState::Deleted);
        found.extend(user.filter(|user| found.iter().all(|other| other.id != user.id)));
    }
    Ok(found)
}

/// Whether the connection takes an account over: its address was asserted, and the organisation answers for it.
async fn is_adoptable(conn: &mut Conn, reading: &Reading, user: &User, said: &Said) -> Result<bool, sqlx::Error> {
    let org = &reading.sign_in.connection.org;
    let address: Vec<&str> =
        said.profile.email.as_deref().filter(|_| said.profile.email_verified).into_iter().collect();
    Ok(adoptable::answers_for(conn, org, user, &address).await?
        && adoptable::is_plain(conn, org, user).await?
        && !adoptions::is_kept_apart(conn, reading.connection(), &user.id).await?)
}

/// Lets somebody in: the account is made or brought up to date at the door, and the session to be is the answer. Nothing
/// is kept for the browser before the caller does.
///
/// # Errors
/// Why not; `user` says whose account it concerned, where that is known.
pub(super) async fn let_in(app: &App, coming: Coming<'_>, user: &mut Option<UserId>) -> Result<Facts, NotThrough> {
    let reading = coming.reading;
    let asserted = asserted(app, &mut app.db.read().await?, reading, coming.claims).await?;
    let now = app.now();
    let auth_time = proven_at(coming.claims, coming.begun, coming.fresh, now)?;
    let mut tries = 0;
    let who = loop {
        tries += 1;
        let who = who(&mut app.db.read().await?, reading, (coming.claims, &asserted), user).await?;
        *user = Some(who.user.clone());
        match at_the_door(app, &coming, &asserted, &who).await {
            Ok(()) => break who,
            Err(refusal) if tries < MOST_TRIES && is_to_be_asked_again(&refusal) => {}
            Err(refusal) => {
                if matches!(who.known, Known::Made) {
                    *user = None; // it was not made
                }
                return Err(of_refusal(refusal));
            }
        }
    };
    Ok(facts(app, &coming, who, auth_time))
}

async fn at_the_door(app: &App, coming: &Coming<'_>, asserted: &Asserted, who: &Who) -> Result<(), Refusal> {
    let sign_in = &coming.reading.sign_in;
    let (org, connection) = (sign_in.connection.org.clone(), sign_in.connection.id.clone());
    let came = CameThrough {
        org: org.clone(),
        connection: connection.clone(),
        revision: sign_in.revision,
        upstream: asserted.upstream.clone(),
        known: who.known.clone(),
        user: who.user.clone(),
        member: who.member.clone(),
        identity: who.identity.clone(),
        user_name: asserted.said.user_name.clone(),
        profile: asserted.said.profile.clone(),
        claims: claims::kept(
            coming.claims.clone(),
            &sign_in.settings.claims,
            &sign_in.mapping,
            sign_in.settings.scim_claim.as_deref(),
        ),
    };
    let origin = Origin { address: coming.address.to_owned(), ..Origin::default() };
    let change = vec![Change::SignInThrough(Box::new(came))];
    change_access_from(app, &Actor::Connection { org, connection }, &origin, change, Mode::Act).await.map(|_| ())
}

/// Whether a refusal may come of somebody who was quicker: what was read is different by now.
fn is_to_be_asked_again(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Stale | Refusal::Conflict(_) => true,
        Refusal::Invalid { field, .. } => matches!(*field, "account_exists" | "link_taken"),
        Refusal::Denied { .. }
        | Refusal::NotFound(_)
        | Refusal::ManagedByIdp { .. }
        | Refusal::Blocked { .. }
        | Refusal::UserRequired { .. }
        | Refusal::Limit(_)
        | Refusal::Store(_) => false,
    }
}

/// What a refusal of the door comes to. It says which by the field.
pub(super) fn of_refusal(refusal: Refusal) -> NotThrough {
    match refusal {
        Refusal::Store(error) => error.into(),
        Refusal::Stale | Refusal::NotFound(_) => NotThrough::Closed,
        Refusal::Conflict(_) | Refusal::ManagedByIdp { .. } => NotThrough::AccountExists,
        Refusal::Denied { .. } => NotThrough::Closed,
        Refusal::Blocked { .. } | Refusal::UserRequired { .. } | Refusal::Limit(_) => NotThrough::AccountDisabled,
        Refusal::Invalid { field, .. } => match field {
            "closed" => NotThrough::Closed,
            "subject_unfit" => NotThrough::SubjectUnfit,
            "account_unknown" => NotThrough::AccountUnknown,
            "account_exists" => NotThrough::AccountExists,
            "account_disabled" => NotThrough::AccountDisabled,
            "no_group" => NotThrough::NoGroup,
            "link_taken" => NotThrough::LinkTaken,
            _ => NotThrough::NotVerified("a name or an address that can't be one here"),
        },
    }
}

/// When the person proved who they are: what the provider says of an earlier proof, else now.
///
/// # Errors
/// [`NotThrough::NotFresh`] where they had to prove it in this flow, and the provider doesn't say that they did.
fn proven_at(claims: &Claims, begun: UnixMillis, fresh: bool, now: UnixMillis) -> Result<UnixMillis, NotThrough> {
    let told = claims::moment(claims, "auth_time").map_err(|_| NotThrough::NotVerified("auth_time"))?;
    match told.filter(|at| at.0 > 0) {
        Some(at) if at < begun.minus(LEEWAY) && fresh => Err(NotThrough::NotFresh),
        Some(at) if at < begun.minus(LEEWAY) => Ok(at),
        Some(_) => Ok(now),
        None if fresh => Err(NotThrough::NotFresh),
        None => Ok(now),
    }
}

fn facts(app: &App, coming: &Coming<'_>, who: Who, auth_time: UnixMillis) -> Facts {
    let (now, sign_in) = (app.now(), &coming.reading.sign_in);
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let trusted = is_trusted(coming.claims, &sign_in.settings);
    Facts {
        id: SessionId::fresh(),
        user: who.user,
        auth_time,
        acr: level(coming.claims, &sign_in.settings),
        amr: means(coming.claims, &sign_in.settings),
        user_agent: cut(coming.user_agent),
        address: cut(coming.address),
        created_at: now,
        expires_at: now.plus(app.session_absolute()),
        last_used_at: None,
        password_at: None,
        through: Some(Through {
            connection: sign_in.connection.id.clone(),
            org: sign_in.connection.org.clone(),
            identity: who.identity,
            sid: session_of(coming.claims),
        }),
        methods: [Method::Federated].into_iter().chain(trusted.then_some(Method::FederatedFactor)).collect(),
        factor_at: trusted.then_some(auth_time),
        remembered_at: None,
        recovered_at: None,
    }
}

/// Whether the provider says something that the connection trusts to mean a second factor: a level or a means that it lists,
/// or a level that it translates into one of ours.
fn is_trusted(claims: &Claims, settings: &SignInSettings) -> bool {
    let acr = claims::text(claims, "acr");
    acr.is_some_and(|word| settings.trusted_acr.contains(word))
        || claims::texts(claims, "amr").into_iter().any(|word| settings.trusted_amr.contains(word))
        || acr.and_then(|word| settings.acr.get(word)).and_then(|ours| Level::of_acr(ours)) > Some(Level::Password)
}

/// The level reached: what the connection says that the provider's word means, or that it is trusted to mean a second
/// factor, else that somebody came through.
fn level(claims: &Claims, settings: &SignInSettings) -> String {
    let told = claims::text(claims, "acr").and_then(|word| settings.acr.get(word));
    if is_trusted(claims, settings) {
        let ours = told.filter(|ours| Level::of_acr(ours) > Some(Level::Password));
        return ours.cloned().unwrap_or_else(|| ACR_TWO_FACTOR.to_owned());
    }
    told.cloned().unwrap_or_else(|| ACR_UPSTREAM.to_owned())
}

/// The means that the provider names, where the connection tells them on or trusts them.
fn means(claims: &Claims, settings: &SignInSettings) -> Vec<String> {
    if !settings.amr && !is_trusted(claims, settings) {
        return Vec::new();
    }
    let is_word = |word: &&str| word.len() <= LONGEST_AMR && word.bytes().all(|byte| byte.is_ascii_graphic());
    let words = claims::texts(claims, "amr").into_iter().filter(|word| !word.is_empty()).filter(is_word);
    words.take(MOST_AMR).map(str::to_owned).collect()
}

/// The provider's own session, by which it will say that it is over.
fn session_of(claims: &Claims) -> Option<String> {
    let sid = claims.get("sid")?.as_str()?;
    let fits = !sid.is_empty() && sid.len() <= LONGEST_SID && !sid.chars().any(char::is_control);
    fits.then(|| sid.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::domain::federation::settings::{ClaimNames, Core, Signals};
    use crate::domain::federation::{ClientAuth, Preset};

    const BEGUN: UnixMillis = UnixMillis(1_000_000_000);
    const NOW: UnixMillis = UnixMillis(1_000_030_000);

    fn claims(value: serde_json::Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    fn settings(change: impl FnOnce(&mut SignInSettings)) -> SignInSettings {
        let core = Core {
            issuer: "https://idp.test".to_owned(),
            client_id: "muster".to_owned(),
            client_auth: ClientAuth::None,
        };
        let mut settings = SignInSettings {
            preset: Preset::Generic,
            core,
            scopes: BTreeSet::new(),
            claims: ClaimNames::default(),
            userinfo: false,
            provision: true,
            scim_claim: None,
            acr: BTreeMap::new(),
            amr: false,
            trusted_acr: BTreeSet::new(),
            trusted_amr: BTreeSet::new(),
            signals: Signals::default(),
        };
        change(&mut settings);
        settings
    }

    #[test]
    fn an_earlier_proof_counts_from_when_it_was_given_and_a_new_one_from_now() {
        let at = |seconds: i64, fresh| proven_at(&claims(json!({ "auth_time": seconds })), BEGUN, fresh, NOW);
        assert!(matches!(at(999_000, false), Ok(UnixMillis(999_000_000))));
        assert!(matches!(at(999_940, false), Ok(NOW)), "the leeway of a clock");
        assert!(matches!(at(1_000_010, true), Ok(NOW)));
        assert!(matches!(at(0, false), Ok(NOW)), "some say it without knowing it");
        assert!(matches!(proven_at(&Claims::new(), BEGUN, false, NOW), Ok(NOW)));
    }

    #[test]
    fn who_must_prove_themselves_anew_is_refused_unless_the_provider_says_that_they_did() {
        let at = |value| proven_at(&claims(value), BEGUN, true, NOW);
        assert!(matches!(at(json!({ "auth_time": 999_939 })), Err(NotThrough::NotFresh)));
        assert!(matches!(at(json!({})), Err(NotThrough::NotFresh)));
        assert!(matches!(at(json!({ "auth_time": "yesterday" })), Err(NotThrough::NotVerified(_))));
    }

    #[test]
    fn level_and_means_are_told_on_only_where_the_connection_says_so() {
        let said = claims(json!({ "acr": "mfa", "amr": ["pwd", "otp", "two words", 7] }));
        let plain = settings(|_| {});
        assert_eq!(level(&said, &plain), ACR_UPSTREAM);
        assert!(means(&said, &plain).is_empty());
        let told = settings(|settings| {
            settings.amr = true;
            settings.acr = BTreeMap::from([("mfa".to_owned(), "urn:acme:mfa".to_owned())]);
        });
        assert_eq!(level(&said, &told), "urn:acme:mfa");
        assert_eq!(level(&claims(json!({ "acr": "other" })), &told), ACR_UPSTREAM);
        assert_eq!(means(&said, &told), ["pwd", "otp"]);
    }

    #[test]
    fn a_second_factor_upstream_counts_where_the_connection_trusts_the_word_for_it() {
        let said = claims(json!({ "acr": "phr", "amr": ["pwd", "hwk"] }));
        let trusting = |change: fn(&mut SignInSettings)| {
            let settings = settings(change);
            (is_trusted(&said, &settings), level(&said, &settings), means(&said, &settings))
        };
        assert_eq!(trusting(|_| {}), (false, ACR_UPSTREAM.to_owned(), Vec::new()));
        let amr = vec!["pwd".to_owned(), "hwk".to_owned()];
        let two = (true, ACR_TWO_FACTOR.to_owned(), amr.clone());
        assert_eq!(trusting(|settings| settings.trusted_acr = BTreeSet::from(["phr".to_owned()])), two);
        assert_eq!(trusting(|settings| settings.trusted_amr = BTreeSet::from(["hwk".to_owned()])), two);
        let translated = |settings: &mut SignInSettings| {
            settings.acr = BTreeMap::from([("phr".to_owned(), "urn:muster:acr:phr".to_owned())]);
        };
        assert_eq!(trusting(translated), (true, "urn:muster:acr:phr".to_owned(), amr));
        let none = |settings: &mut SignInSettings| settings.trusted_amr = BTreeSet::from(["otp".to_owned()]);
        assert!(!trusting(none).0, "it didn't say so");
    }

    #[test]
    fn a_session_of_the_provider_is_kept_whole_or_not_at_all() {
        assert_eq!(session_of(&claims(json!({ "sid": "s-1" }))).as_deref(), Some("s-1"));
        for unfit in [json!(""), json!(7), json!("a\u{0}b"), json!("s".repeat(LONGEST_SID + 1))] {
            assert_eq!(session_of(&claims(json!({ "sid": unfit }))), None);
        }
    }

    #[test]
    fn what_the_door_refuses_has_the_word_that_it_says() {
        let refused = |field| of_refusal(Refusal::Invalid { field, reason: String::new() }).word();
        for word in ["closed", "subject_unfit", "account_unknown", "account_exists", "account_disabled", "no_group"] {
            assert_eq!(refused(word), word);
        }
        assert_eq!(refused("link_taken"), "link_taken");
        assert_eq!(refused("user_name"), "not_verified");
        assert_eq!(of_refusal(Refusal::Stale).word(), "closed");
    }
}
