//! One-time links and what is done with them: the rules that hold whoever asks, then the rows.
//!
//! A link is good once, for one purpose, for one account. Whatever is wrong with one, the answer is that it wasn't found.

use super::super::Refusal;
use super::checks::{check_user, invalid, unknown};
use super::not_from_a_connection;
use super::people::{NAME_TAKEN, end_everywhere};
use crate::domain::change::{Change, NewUser};
use crate::domain::mail::{Address, NewLink, Purpose};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::invitation::{RESENDS_A_DAY, may_resend};
use crate::domain::people::user::{AccessType, Kind, OrgState, UserState};
use crate::domain::source::Source;
use crate::flows::audit::moment;
use crate::flows::end_sessions::Aside;
use crate::kernel::fold;
use crate::kernel::id::{InvitationId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::{DAY, HOUR, UnixMillis};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::links::{self, Link, NewRow};
use crate::store::users::User;
use crate::store::{orgs, users};

/// So many links for a new password, for a new address, or for a new account are sent in an hour to who asks for them.
const MOST_IN_AN_HOUR: i64 = 3;

/// Carries a change out that is about a link or a password.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    const LINK: &str = "The link";
    Ok(match change {
        Change::SendLink { user, link } => (send(edit, user, link, aside).await?, LINK),
        Change::SendRegistrationLink { link } => (send_registration(edit, link, aside).await?, LINK),
        Change::SetPasswordByLink { user, link, password } => {
            (set_password(edit, user, (*link, password.as_str()), aside).await?, LINK)
        }
        Change::ChangePassword { .. } => (change_password(edit, change, aside).await?, "The user"),
        Change::ConfirmEmail { user, link } => {
            let written = confirm_email(edit, user, *link, aside).await?;
            (written, if written == Written::Taken { NAME_TAKEN } else { LINK })
        }
        Change::SelfRegister { user, link } => {
            let written = self_register(edit, user, *link).await?;
            (written, if written == Written::Taken { NAME_TAKEN } else { LINK })
        }
        _ => return Err(unknown()),
    })
}

/// A link is for what it says, goes to this address, and ends in the future.
pub(super) fn check_link(link: &NewLink, purpose: Purpose, email: &str, at: UnixMillis) -> Result<(), Refusal> {
    let goes_there = matches!(&link.mail.to, Address::Email(to) if fold::key(to) == fold::key(email));
    if link.purpose != purpose || !goes_there || link.expires_at <= at {
        return Err(invalid("link", "This link is for something else, for somebody else, or over already."));
    }
    Ok(())
}

/// Keeps a link, and has its mail go out.
pub(super) async fn keep(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    link: &NewLink,
    of: (Option<&UserId>, Option<&InvitationId>),
) -> Result<(), Refusal> {
    let (at, (user, invitation)) = (edit.at(), of);
    let address = link.mail.to.as_str();
    let NewLink { digest, purpose, expires_at, .. } = *link;
    let row = NewRow { digest, purpose, user, invitation, address, expires_at };
    if !links::put(edit.tx(), &row, at).await? {
        return Err(Refusal::Conflict("This link already exists".to_owned()));
    }
    aside.mails.push((link.mail.clone(), invitation.cloned()));
    Ok(())
}

/// The account of a person who has a password here, or may have one.
async fn holder(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<User, Refusal> {
    let not_found = || Refusal::NotFound("The user".to_owned());
    let found = users::find(edit.conn(), user).await?.ok_or_else(not_found)?;
    if found.kind.project().is_some() || found.state == UserState::Deleted {
        return Err(not_found());
    }
    not_from_a_connection(edit, &found.source).await?;
    if let Some(org) = found.kind.org() {
        let active = orgs::find(edit.conn(), org).await?.is_some_and(|org| org.state == OrgState::Active);
        if !active {
            return Err(not_found());
        }
    }
    if users::access_type(edit.conn(), user).await? == Some(AccessType::Key) {
        let reason = "This account is for access keys alone. Set its access type to password first.";
        return Err(invalid("password", reason));
    }
    Ok(found)
}

async fn send(edit: &mut AccessEdit<'_>, user: &UserId, link: &NewLink, aside: &mut Aside) -> Result<Written, Refusal> {
    let at = edit.at();
    // Those who ask at the same moment take turns, so that the count is right; and whoever changes the account at this
    // moment is waited for, so that no link goes to an address that was just given up.
    users::take_turns(edit.tx(), user).await?;
    let account = holder(edit, user).await?;
    let wanted = match link.purpose {
        Purpose::SetPassword => UserState::Pending,
        Purpose::ResetPassword | Purpose::ConfirmEmail => UserState::Active,
        Purpose::Invitation | Purpose::ConfirmAccount => return Err(unknown()),
    };
    if account.state != wanted {
        let reason = match link.purpose {
            Purpose::SetPassword => "This account does not wait for its first password.",
            _ => "This account is not active.",
        };
        return Err(invalid("state", reason));
    }
    if !goes_to_its_holder(&account, link) || link.expires_at <= at {
        return Err(invalid("link", "A link goes to the account's own address, and ends in the future."));
    }
    if !may_be_sent(edit, user, link.purpose).await? {
        return Ok(Written::Already);
    }
    links::replace_of_user(edit.tx(), user, link.purpose, at).await?;
    keep(edit, aside, link, (Some(user), None)).await?;
    Ok(Written::Done)
}

/// Links for passwords go to where the account's messages go; one that proves a new address goes there.
fn goes_to_its_holder(account: &User, link: &NewLink) -> bool {
    let profile = &account.profile;
    match (link.purpose, &link.mail.to) {
        (Purpose::ConfirmEmail, Address::Email(to)) => identifier::check_email(to).is_ok(),
        (Purpose::ConfirmEmail, Address::Phone(_)) => false,
        (_, Address::Email(to)) => profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(to)),
        (_, Address::Phone(to)) => {
            profile.phone_number.as_deref().is_some_and(|own| fold::phone_key(own) == fold::phone_key(to))
        }
    }
}

/// Whether one more link may be sent now. Who is not signed in hears nothing of a limit; who is, hears until when.
async fn may_be_sent(edit: &mut AccessEdit<'_>, user: &UserId, purpose: Purpose) -> Result<bool, Refusal> {
    let at = edit.at();
    let by_stranger = edit.author().starts_with("link:");
    let Some(last) = links::last_of(edit.conn(), user, purpose).await? else { return Ok(true) };
    let may = if purpose == Purpose::SetPassword {
        let sent = links::count_of(edit.conn(), user, purpose, at.minus(DAY)).await?;
        may_resend(last.created_at, if sent >= RESENDS_A_DAY { last.created_at } else { at }, sent, at)
    } else {
        let sent = links::count_of(edit.conn(), user, purpose, at.minus(HOUR)).await?;
        // An administrator's own wish is not held up by what strangers asked for.
        let spared = purpose == Purpose::ResetPassword && !by_stranger;
        if spared || sent < MOST_IN_AN_HOUR { Ok(()) } else { Err(last.created_at.plus(HOUR)) }
    };
    match may {
        Ok(()) => Ok(true),
        Err(_) if by_stranger => Ok(false),
        Err(from) => Err(sent_already(from)),
    }
}

/// That a mail was sent too short a time ago, and from when on there may be another.
pub(super) fn sent_already(from: UnixMillis) -> Refusal {
    let from = moment(from);
    Refusal::Limit(format!("A mail with a link was sent already. The next one can be sent from {from} on."))
}

async fn send_registration(edit: &mut AccessEdit<'_>, link: &NewLink, aside: &mut Aside) -> Result<Written, Refusal> {
    let (at, to) = (edit.at(), link.mail.to.as_str().to_owned());
    identifier::check_email(&to).map_err(|reason| invalid("email", reason))?;
    check_link(link, Purpose::ConfirmAccount, &to, at)?;
    if links::count_to(edit.conn(), &to, at.minus(HOUR)).await? >= MOST_IN_AN_HOUR {
        return Ok(Written::Already);
    }
    links::end_registrations(edit.tx(), &to, at).await?;
    keep(edit, aside, link, (None, None)).await?;
    Ok(Written::Done)
}

/// A good link of an account, which is locked from here on: of many who use it at once one comes through.
async fn good(edit: &mut AccessEdit<'_>, user: &UserId, link: Digest) -> Result<Option<Link>, Refusal> {
    let at = edit.at();
    users::take_turns(edit.tx(), user).await?;
    let found = links::find(edit.conn(), link).await?;
    Ok(found.filter(|link| link.user.as_ref() == Some(user) && link.is_live(at)))
}

/// The first password of an account that waited for it, or a new one: then everything ends that the old one opened.
async fn set_password(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    (digest, password): (Digest, &str),
    aside: &mut Aside,
) -> Result<Written, Refusal> {
    let at = edit.at();
    let Some(link) = good(edit, user, digest).await? else { return Ok(Written::Missing) };
    let account = holder(edit, user).await?;
    let first = match (link.purpose, account.state) {
        (Purpose::SetPassword, UserState::Pending) => true,
        (Purpose::ResetPassword, UserState::Active) => false,
        _ => return Ok(Written::Missing),
    };
    // Whoever reads at an address, or a number, that is not the account's any more opens nothing with it.
    if !account.is_at(&link.address) {
        return Ok(Written::Missing);
    }
    if !links::use_up(edit.tx(), digest, link.purpose, at).await? {
        return Ok(Written::Missing);
    }
    links::end_of_user(edit.tx(), user, "withdrawn", at).await?;
    let written = if first {
        edit.set_first_password(user, password).await?
    } else {
        aside.users.insert(user.clone(), "password_reset");
        let written = edit.reset_password(user, password, false).await?;
        // Whoever reads there has the password by that: a code by the same way would be the same thing twice.
        edit.note_password_by(user, account.code_at(&link.address)).await?;
        written
    };
    edit.note_proven(user, &link.address).await?;
    Ok(written)
}

/// The person's own change: refused when the password is not the one any more that was just proven.
async fn change_password(edit: &mut AccessEdit<'_>, change: &Change, aside: &mut Aside) -> Result<Written, Refusal> {
    let Change::ChangePassword { user, old, password, end_others, keep } = change else { return Err(unknown()) };
    let at = edit.at();
    users::take_turns(edit.tx(), user).await?;
    let account = holder(edit, user).await?;
    let stored = users::password_facts(edit.conn(), user).await?.and_then(|facts| facts.password);
    if account.state != UserState::Active || stored.as_ref() != Some(old) {
        return Err(Refusal::Stale);
    }
    // What was mailed before, perhaps at somebody else's wish, opens nothing any more.
    links::end_of_user(edit.tx(), user, "withdrawn", at).await?;
    if *end_others {
        aside.others.insert(user.clone(), (keep.clone(), "password_changed"));
    }
    Ok(edit.change_password(user, password).await?)
}

/// The address that the link was sent to becomes the account's own. A user name that is the old address goes with it.
async fn confirm_email(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    digest: Digest,
    aside: &mut Aside,
) -> Result<Written, Refusal> {
    let at = edit.at();
    let link = good(edit, user, digest).await?.filter(|link| link.purpose == Purpose::ConfirmEmail);
    let Some(link) = link else { return Ok(Written::Missing) };
    let account = holder(edit, user).await?;
    if account.state != UserState::Active || !links::use_up(edit.tx(), digest, link.purpose, at).await? {
        return Ok(Written::Missing);
    }
    let is_old = |text: &str| account.profile.email.as_deref().is_some_and(|old| fold::key(old) == fold::key(text));
    let changed = !is_old(&link.address);
    let moved = |text: &str| if is_old(text) { link.address.clone() } else { text.to_owned() };
    let own = account.kind == Kind::Own;
    let user_name = if own { moved(&account.user_name) } else { account.user_name.clone() };
    let preferred = account.profile.preferred_username.as_deref();
    let profile = Profile {
        email: Some(link.address.clone()),
        email_verified: true,
        preferred_username: preferred.map(|text| if own { moved(text) } else { text.to_owned() }),
        updated_at: at.seconds(),
        ..account.profile.clone()
    };
    if edit.set_profile(user, &user_name, &profile).await? == Written::Taken {
        return Ok(Written::Taken);
    }
    if changed {
        links::end_of_user(edit.tx(), user, "withdrawn", at).await?;
        end_everywhere(edit, aside, user, "email_changed").await?;
    }
    Ok(Written::Done)
}

/// The own account of whoever proved an address by a link; everything but that is what they say.
async fn self_register(edit: &mut AccessEdit<'_>, user: &NewUser, digest: Digest) -> Result<Written, Refusal> {
    let at = edit.at();
    let link = links::find(edit.conn(), digest).await?;
    let good = link.filter(|link| link.purpose == Purpose::ConfirmAccount && link.is_live(at));
    let Some(link) = good else { return Ok(Written::Missing) };
    let same = user.profile.email.as_deref().is_some_and(|email| fold::key(email) == fold::key(&link.address));
    if user.kind != Kind::Own || user.password.is_none() || !same {
        return Err(invalid("email", "This link is for another address."));
    }
    check_user(user)?;
    if !links::use_up(edit.tx(), digest, link.purpose, at).await? {
        return Ok(Written::Missing);
    }
    let profile = Profile {
        email: Some(link.address.clone()),
        email_verified: true,
        phone_number_verified: false,
        ..user.profile.clone()
    };
    let made = NewUser { profile, state: UserState::Active, source: Source::Local, ..user.clone() };
    let written = edit.create_user(&made).await?;
    links::end_registrations(edit.tx(), &link.address, at).await?;
    Ok(written)
}
