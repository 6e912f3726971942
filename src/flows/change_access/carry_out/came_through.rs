//! Somebody came through a connection's sign-in: the rules that hold whatever was decided before, then the rows.
//!
//! Why not is told by [`turned_away`]: a refusal of the field that is the word on the page. What was decided from rows that
//! are different by now is [`Refusal::Stale`]: to be decided again.
//!
//! # Why
//! Between the start of a sign-in and its end an administrator may disable the connection, set it up anew, change its
//! mapping or suspend the person. So everything is judged here once more, under the organisation's lock, from what is
//! there then; of what the flow found only the verified claims count.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::checks::{check_name, check_profile, invalid};
use super::federation::forget_all;
use super::people::{end_everywhere, end_links};
use crate::domain::change::NewUser;
use crate::domain::federation::{CameThrough, Known, claims};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::identifier;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::flows::adoptable;
use crate::flows::end_sessions::Aside;
use crate::store::access_edit::federation::NewIdentity;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::federation::identities::{self, Identity};
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::scim::adoptions;
use crate::store::users::User;
use crate::store::{domains, memberships, users};

const WHAT: &str = "The person";

/// The refusal of somebody who came through a connection; the field is the word on the page and in the log.
pub(super) fn turned_away(word: &'static str) -> Refusal {
    invalid(
        word,
        match word {
            "closed" => "The connection is closed, or was set up anew meanwhile.",
            "subject_unfit" => "The provider's name for the person is no text of 1 to 255 bytes.",
            "account_unknown" => "Nobody here is known by this identity, and the connection makes no accounts.",
            "account_exists" => "Another account has the user name or the address.",
            "account_disabled" => "The account may not sign in.",
            "no_group" => "The mapping puts the person nowhere, and whom it puts nowhere is refused.",
            _ => "The identity, or the account, is linked already.",
        },
    )
}

/// Whether somebody was turned away because the mapping puts them nowhere.
pub fn is_for_want_of_a_group(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Invalid { field: "no_group", .. })
}

/// Brings what is here of somebody in line with what their provider said. Whether anything but a renewal was written.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    came: &CameThrough,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    let sign_in = stands(edit, came).await?;
    let found = identities::find(edit.conn(), &came.connection, &came.upstream).await?;
    let as_decided = match (&found, &came.known) {
        (Some(one), Known::Linked(id)) => one.id == *id && one.org == came.org && one.user == came.user,
        (None, Known::Pushed | Known::Adopted | Known::Made) => true,
        (Some(_), Known::Pushed | Known::Adopted | Known::Made) | (None, Known::Linked(_)) => false,
    };
    if !as_decided {
        return Err(Refusal::Stale);
    }
    if aside.turned_away {
        return match found {
            Some(identity) => Ok((take_places(edit, &identity, came).await?, WHAT)),
            None => Ok((Written::Already, WHAT)),
        };
    }
    let changed = match &came.known {
        Known::Linked(identity) => {
            let changed = bring_up_to_date(edit, came, aside).await?;
            edit.note_came(identity, &came.claims).await?;
            changed
        }
        Known::Pushed => {
            was_pushed(edit, came, &sign_in).await?;
            link(edit, came).await?
        }
        Known::Adopted => {
            adopt(edit, came, aside).await?;
            link(edit, came).await?
        }
        Known::Made => {
            make(edit, came, &sign_in).await?;
            link(edit, came).await?
        }
    };
    let moved = map(edit, came, &sign_in).await?;
    Ok((if changed || moved { Written::Done } else { Written::Already }, WHAT))
}

/// Somebody whom the mapping puts nowhere is kept out; what it gave them before goes all the same, and what it would give
/// is worked out from what the provider says now.
async fn take_places(edit: &mut AccessEdit<'_>, identity: &Identity, came: &CameThrough) -> Result<Written, Refusal> {
    edit.note_came(&identity.id, &came.claims).await?;
    let (at, nowhere) = (edit.at(), BTreeSet::new());
    let placing = edit.place(&identity.org, &identity.connection, &identity.member, &nowhere, at).await?;
    Ok(if placing.is_change() { Written::Done } else { Written::Already })
}

/// The sign-in as it was when this one began, still open, and of the issuer that answered.
async fn stands(edit: &mut AccessEdit<'_>, came: &CameThrough) -> Result<SignIn, Refusal> {
    let found = upstreams::find(edit.conn(), &came.org, &came.connection).await?;
    let as_begun = |found: &SignIn| {
        found.works() && found.revision == came.revision && found.settings.core.issuer == came.upstream.issuer
    };
    let sign_in = found.filter(as_begun).ok_or_else(|| turned_away("closed"))?;
    if !claims::is_subject(&came.upstream.subject) {
        return Err(turned_away("subject_unfit"));
    }
    if let Some(email) = &came.profile.email
        && !may_assert(edit, came, email).await?
    {
        return Err(Refusal::Stale);
    }
    Ok(sign_in)
}

/// Whether an address is the connection's to assert: its domain is the organisation's, and no other connection's.
async fn may_assert(edit: &mut AccessEdit<'_>, came: &CameThrough, email: &str) -> Result<bool, Refusal> {
    let Some(name) = DomainName::of_email(email) else { return Ok(false) };
    let all = domains::of_org(edit.conn(), &came.org).await?;
    Ok(all.iter().any(|found| {
        found.domain == name.as_str()
            && found.state == domains::State::Verified
            && found.connection.as_ref().is_none_or(|bound| *bound == came.connection)
    }))
}

/// That the account may sign in: nothing that was barred here, upstream or by SCIM is revived by coming again.
async fn may_come(edit: &mut AccessEdit<'_>, came: &CameThrough) -> Result<User, Refusal> {
    let disabled = || turned_away("account_disabled");
    let fits = |user: &User| match &user.kind {
        Kind::Own => true,
        Kind::Managed(org) => *org == came.org,
        Kind::Service(..) | Kind::Operator => false,
    };
    let user = users::find(edit.conn(), &came.user).await?.filter(fits).ok_or_else(disabled)?;
    let by_keys = users::access_type(edit.conn(), &user.id).await? == Some(AccessType::Key);
    let member = memberships::of_user(edit.conn(), &came.org, &user.id).await?.ok_or_else(disabled)?;
    if user.state != UserState::Active || member.state != MembershipState::Active || by_keys {
        return Err(disabled());
    }
    if member.id != came.member {
        return Err(Refusal::Stale);
    }
    Ok(user)
}

/// The names of an account that came by this connection follow the provider; those of others are their owners' or SCIM's.
async fn bring_up_to_date(edit: &mut AccessEdit<'_>, came: &CameThrough, aside: &mut Aside) -> Result<bool, Refusal> {
    let before = may_come(edit, came).await?;
    if before.source != Source::Oidc(came.connection.to_string()) {
        return Ok(false);
    }
    let (user_name, profile) = without_what_is_taken(edit, came, &before).await?;
    if set_profile(edit, came, (&user_name, &profile)).await? != Written::Done {
        return Ok(false);
    }
    if before.profile.email != profile.email {
        end_links(edit, &came.user).await?;
        end_everywhere(edit, aside, &came.user, "email_changed").await?;
    }
    Ok(true)
}

/// A name or an address that somebody else has by now does not keep its owner upstream out: the one before stays.
async fn without_what_is_taken(
    edit: &mut AccessEdit<'_>,
    came: &CameThrough,
    before: &User,
) -> Result<(String, Profile), Refusal> {
    let (mut user_name, mut profile) = (came.user_name.clone(), came.profile.clone());
    if is_anothers(edit, came, &user_name).await? {
        user_name.clone_from(&before.user_name);
    }
    if let Some(email) = &came.profile.email
        && is_anothers(edit, came, email).await?
    {
        profile.email.clone_from(&before.profile.email);
        profile.email_verified = before.profile.email_verified;
    }
    Ok((user_name, profile))
}

async fn is_anothers(edit: &mut AccessEdit<'_>, came: &CameThrough, name: &str) -> Result<bool, Refusal> {
    let found = users::by_identifier(edit.conn(), came.org.as_str(), &identifier::key(name)).await?;
    Ok(found.is_some_and(|found| found.id != came.user))
}

async fn set_profile(
    edit: &mut AccessEdit<'_>,
    came: &CameThrough,
    (user_name, profile): (&str, &Profile),
) -> Result<Written, Refusal> {
    check_name("user_name", user_name, 256)?;
    check_profile(profile)?;
    match edit.set_profile(&came.user, user_name, profile).await? {
        Written::Taken => Err(turned_away("account_exists")),
        Written::Missing => Err(Refusal::Stale),
        written @ (Written::Done | Written::Already) => Ok(written),
    }
}

/// The same connection pushed the account, and both name it by the same immutable id.
async fn was_pushed(edit: &mut AccessEdit<'_>, came: &CameThrough, sign_in: &SignIn) -> Result<(), Refusal> {
    let external = match sign_in.settings.scim_claim.as_deref() {
        Some("sub") => Some(came.upstream.subject.as_str()),
        Some(name) => claims::text(&came.claims, name),
        None => None,
    };
    let Some(external) = external.filter(|id| !id.is_empty()) else { return Err(Refusal::Stale) };
    let pushed = identities::pushed(edit.conn(), &came.connection, external).await?;
    if pushed.is_none_or(|(user, member)| user != came.user || member != came.member) {
        return Err(Refusal::Stale);
    }
    let found = users::find(edit.conn(), &came.user).await?;
    match found {
        Some(found) if found.source == Source::Scim(came.connection.to_string()) => Ok(()),
        Some(_) | None => Err(Refusal::Stale),
    }
}

/// Takes an account over that the organisation answers for. Whoever made it may not be whom it is for: of what opened it
/// before nothing is left, neither password nor links nor sessions nor what else it was linked to.
async fn adopt(edit: &mut AccessEdit<'_>, came: &CameThrough, aside: &mut Aside) -> Result<(), Refusal> {
    let exists = || turned_away("account_exists");
    let (org, user) = (&came.org, &came.user);
    let said: Vec<&str> = came.profile.email.as_deref().filter(|_| came.profile.email_verified).into_iter().collect();
    let found = users::find(edit.conn(), user).await?.ok_or(Refusal::Stale)?;
    if !adoptable::answers_for(edit.conn(), org, &found, &said).await?
        || !adoptable::is_plain(edit.conn(), org, &found).await?
        || adoptions::is_kept_apart(edit.conn(), &came.connection, user).await?
    {
        return Err(exists());
    }
    let member = memberships::of_user(edit.conn(), org, user).await?.ok_or_else(exists)?;
    if member.id != came.member {
        return Err(Refusal::Stale);
    }
    forget_all(edit, aside, (org, user)).await?;
    edit.hand_over(org, user, &member.id, &Source::Oidc(came.connection.to_string())).await?;
    if member.state == MembershipState::Pending {
        edit.set_member_state(org, &member.id, MembershipState::Active).await?;
    }
    end_everywhere(edit, aside, user, "account_adopted").await?;
    set_profile(edit, came, (&came.user_name, &came.profile)).await.map(|_| ())
}

/// Makes the account and its membership, if the connection may.
async fn make(edit: &mut AccessEdit<'_>, came: &CameThrough, sign_in: &SignIn) -> Result<(), Refusal> {
    if !sign_in.settings.provision {
        return Err(turned_away("account_unknown"));
    }
    check_name("user_name", &came.user_name, 256)?;
    check_profile(&came.profile)?;
    let source = Source::Oidc(came.connection.to_string());
    let account = NewUser {
        id: came.user.clone(),
        kind: Kind::Managed(came.org.clone()),
        user_name: came.user_name.clone(),
        profile: came.profile.clone(),
        state: UserState::Active,
        source: source.clone(),
        password: None,
        must_change: false,
    };
    if edit.create_user(&account).await? != Written::Done {
        return Err(turned_away("account_exists"));
    }
    edit.add_member(&came.org, &came.member, &came.user, MembershipState::Active, &source).await?;
    Ok(())
}

/// Links the account to whom the provider named, if the account may sign in; that is a change.
async fn link(edit: &mut AccessEdit<'_>, came: &CameThrough) -> Result<bool, Refusal> {
    may_come(edit, came).await?;
    let identity = NewIdentity {
        id: &came.identity,
        connection: &came.connection,
        org: &came.org,
        user: &came.user,
        member: &came.member,
        upstream: &came.upstream,
        claims: Some(&came.claims),
    };
    match edit.link(&identity).await? {
        Written::Done => Ok(true),
        // The account has another identity of this connection: a second one does not take its place.
        Written::Taken | Written::Already | Written::Missing => Err(turned_away("link_taken")),
    }
}

/// Puts the person where the mapping does, and takes them from where it does not any more. A place that is merely renewed
/// is no change.
async fn map(edit: &mut AccessEdit<'_>, came: &CameThrough, sign_in: &SignIn) -> Result<bool, Refusal> {
    let mapping = &sign_in.mapping;
    if !mapping.on {
        return Ok(false);
    }
    let wanted = mapping.evaluate(&came.claims, &sign_in.settings.claims).groups;
    if wanted.is_empty() && mapping.require_match {
        return Err(turned_away("no_group"));
    }
    let until = edit.at().plus(mapping.life());
    let placing = edit.place(&came.org, &came.connection, &came.member, &wanted, until).await?;
    Ok(placing.is_change())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_told_by_its_word() {
        for word in [
            "closed",
            "subject_unfit",
            "account_unknown",
            "account_exists",
            "account_disabled",
            "no_group",
            "link_taken",
        ] {
            let refusal = turned_away(word);
            assert!(matches!(&refusal, Refusal::Invalid { field, .. } if *field == word));
            assert_eq!(is_for_want_of_a_group(&refusal), word == "no_group");
        }
        assert!(!is_for_want_of_a_group(&Refusal::Stale));
    }
}
