//! People: accounts, memberships, passwords, and who owns the organisation.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::found::{Known, Standing};
use super::{PlanError, Planner};
use crate::domain::access::Subject;
use crate::domain::apply_file::{ANY_APPLICATION, FileFault, PersonAccess, PersonState, PersonTable};
use crate::domain::change::{Change, NewUser};
use crate::domain::people::identifier;
use crate::domain::people::password::{self, About, Rules};
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{ApplicationId, MembershipId, UserId};
use crate::kernel::secret::Secret;
use crate::outside::hasher::Hasher;
use crate::store::users;

/// What is made up has at least so many characters: nobody is asked to change it.
const MADE_UP: usize = 16;

/// Plans the organisation's people, and names them for what follows.
pub(super) async fn plan(planner: &mut Planner<'_>, draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let (table, found) = (draft.table, draft.found);
    let mut named = BTreeSet::new();
    for person in &table.people {
        let key = identifier::key(&person.user_name);
        let member = match found.people.get(&key) {
            None => create(planner, draft, person).await?,
            Some(known) => update(planner, draft, person, known).await?,
        };
        let before = found.people.get(&key).and_then(|known| known.member.as_ref());
        restrict(planner, draft, person, &member, before).await?;
        draft.names.people.insert(key.clone(), member);
        named.insert(key);
    }
    owner(planner, draft)?;
    for (key, known) in &found.people {
        if !named.contains(key) {
            unnamed(draft, known);
        }
    }
    for known in &found.others {
        unnamed(draft, known);
    }
    Ok(())
}

/// Who owns the organisation. Through the API another owner is not a file's to name: that needs a fresh sign-in.
fn owner(planner: &Planner<'_>, draft: &mut Draft<'_>) -> Result<(), FileFault> {
    let (table, found) = (draft.table, draft.found);
    let fault = |reason: String| FileFault { table: table.label(), reason: format!("owner: {reason}") };
    let Some(user_name) = &table.owner else {
        let is_new = found.org.is_none();
        return if is_new { Err(fault("a new organisation needs one".to_owned())) } else { Ok(()) };
    };
    let owner = draft.names.person(user_name).map_err(fault)?;
    if found.owner() == Some(&owner) {
        return Ok(());
    }
    if planner.within.is_some() {
        let call = format!("POST /api/v1/orgs/{}/transfer", table.slug);
        return Err(fault(format!("transfer the ownership with {call}, then apply the file")));
    }
    draft.steps.people.push(Change::TransferOwnership { org: draft.org.clone(), to: owner });
    Ok(())
}

/// Which applications the person may use. An absent list is not touched: no file opens a door by its silence.
async fn restrict(
    planner: &mut Planner<'_>,
    draft: &mut Draft<'_>,
    person: &PersonTable,
    member: &MembershipId,
    before: Option<&Standing>,
) -> Result<(), PlanError> {
    let Some(listed) = &person.applications else {
        return Ok(());
    };
    let mut to = BTreeSet::new();
    for client_id in listed.iter().filter(|word| *word != ANY_APPLICATION) {
        to.insert(application(planner, draft, person, client_id).await?);
    }
    let to = (!listed.iter().any(|word| word == ANY_APPLICATION)).then_some(to);
    let before = match before.and_then(|before| before.restricted_to.clone()) {
        Some(list) => Some(planner.still_there(list, to.as_ref()).await?),
        None => None,
    };
    if before != to {
        let (org, member) = (draft.org.clone(), member.clone());
        draft.steps.after_applications.push(Change::RestrictMember { org, member, to });
    }
    Ok(())
}

async fn application(
    planner: &mut Planner<'_>,
    draft: &Draft<'_>,
    person: &PersonTable,
    client_id: &str,
) -> Result<ApplicationId, PlanError> {
    let missing = || FileFault {
        table: draft.table.label_of("person", &person.user_name),
        reason: format!("applications: there is no application \"{client_id}\""),
    };
    Ok(planner.application(client_id, &draft.org).await?.ok_or_else(missing)?)
}

async fn create(
    planner: &mut Planner<'_>,
    draft: &mut Draft<'_>,
    person: &PersonTable,
) -> Result<MembershipId, PlanError> {
    let user = UserId::fresh();
    let by_keys = person.access_type == Some(PersonAccess::Key);
    let waits = person.state == Some(PersonState::Pending) && !has_password(person);
    let password = if by_keys || waits { None } else { Some(first_password(planner, draft, person).await?) };
    draft.steps.people.push(Change::CreateUser(Box::new(NewUser {
        id: user.clone(),
        kind: Kind::Managed(draft.org.clone()),
        user_name: person.user_name.clone(),
        profile: person.standard_claims(planner.now.seconds()),
        state: match person.state {
            Some(PersonState::Suspended) => UserState::Suspended,
            Some(PersonState::Pending) if waits && !by_keys => UserState::Pending,
            Some(PersonState::Active | PersonState::Pending) | None => UserState::Active,
        },
        source: Source::Local,
        password,
        must_change: false,
    })));
    if by_keys {
        draft.steps.people.push(Change::SetAccessType { user: user.clone(), access: AccessType::Key });
    }
    Ok(join(draft, user))
}

const fn has_password(person: &PersonTable) -> bool {
    person.password_env.is_some() || person.password_hash.is_some()
}

fn join(draft: &mut Draft<'_>, user: UserId) -> MembershipId {
    let (org, member) = (draft.org.clone(), MembershipId::fresh());
    let state = MembershipState::Active;
    draft.steps.people.push(Change::AddMember { org, member: member.clone(), user, state, source: Source::Local });
    member
}

async fn first_password(
    planner: &mut Planner<'_>,
    draft: &Draft<'_>,
    person: &PersonTable,
) -> Result<String, PlanError> {
    if let Some(hash) = &person.password_hash {
        return brought(draft, person, hash);
    }
    if let Some(name) = &person.password_env {
        let password = planner.variable(name);
        check(draft, person, &password)?;
        return Ok(planner.hash(&password).await?);
    }
    let rules = rules(draft);
    let rules = Rules { least: rules.least.max(MADE_UP), ..rules };
    let password = password::generate(&*planner.app.chance, &rules, &about(draft, person));
    let hash = planner.hash(&password).await?;
    let mut label = format!("password of {}", person.user_name);
    if planner.several_orgs {
        label = format!("{label} of {}", draft.table.slug);
    }
    planner.print(label, password);
    Ok(hash)
}

/// Of an own account only the membership is the organisation's to write.
async fn update(
    planner: &mut Planner<'_>,
    draft: &mut Draft<'_>,
    person: &PersonTable,
    known: &Known,
) -> Result<MembershipId, PlanError> {
    let managed = known.is_managed_by(&draft.org);
    let user = known.user.id.clone();
    if managed {
        let profile = Box::new(person.standard_claims(planner.now.seconds()));
        if known.user.user_name != person.user_name || !users::same_profile(&known.user.profile, &profile) {
            let (user, user_name) = (user.clone(), person.user_name.clone());
            draft.steps.people.push(Change::SetProfile { user, user_name, profile });
        }
        account_state(draft, person, known);
        if let Some(access) = person.access_type.map(AccessType::from)
            && access != known.access
        {
            draft.steps.people.push(Change::SetAccessType { user: user.clone(), access });
        }
        if let Some(password) = changed_password(planner, draft, person, known).await? {
            draft.steps.people.push(Change::ResetPassword { user: user.clone(), password, must_change: false });
        }
    }
    let Some(member) = &known.member else {
        return Ok(join(draft, user));
    };
    let wanted = match person.state {
        Some(PersonState::Active) => MembershipState::Active,
        // The account itself is suspended, above.
        Some(PersonState::Suspended) if managed || is_barred(known) => member.state,
        Some(PersonState::Suspended) => MembershipState::Suspended,
        Some(PersonState::Pending) | None => member.state,
    };
    if wanted != member.state {
        let (org, member) = (draft.org.clone(), member.id.clone());
        phase_of(draft, known).push(Change::SetMemberState { org, member, state: wanted });
    }
    Ok(member.id.clone())
}

fn account_state(draft: &mut Draft<'_>, person: &PersonTable, known: &Known) {
    let wanted = match person.state {
        Some(PersonState::Active) => UserState::Active,
        Some(PersonState::Suspended) if is_barred(known) => return,
        Some(PersonState::Suspended) => UserState::Suspended,
        Some(PersonState::Pending) | None => return,
    };
    if wanted != known.user.state {
        phase_of(draft, known).push(Change::SetUserState { user: known.user.id.clone(), state: wanted });
    }
}

/// Whether somebody is suspended already: here, or by the connection that owns the account.
fn is_barred(known: &Known) -> bool {
    let barred = [MembershipState::Suspended, MembershipState::Deactivated];
    matches!(known.user.state, UserState::Suspended | UserState::Deactivated)
        || known.member.as_ref().is_some_and(|member| barred.contains(&member.state))
}

/// The owner of before is suspended when another one is in place.
fn phase_of<'d>(draft: &'d mut Draft<'_>, known: &Known) -> &'d mut Vec<Change> {
    let owned = known.member.as_ref().is_some_and(|member| draft.found.owner() == Some(&member.id));
    if owned { &mut draft.steps.last } else { &mut draft.steps.people }
}

/// The new hash, when the account's password is not the one that the file names.
async fn changed_password(
    planner: &mut Planner<'_>,
    draft: &Draft<'_>,
    person: &PersonTable,
    known: &Known,
) -> Result<Option<String>, PlanError> {
    // Whoever asks through the API could try passwords out: there a password counts for somebody new alone.
    if !has_password(person) || planner.within.is_some() {
        return Ok(None);
    }
    let key = identifier::key(&person.user_name);
    let candidates = users::candidates_in_org(&mut planner.conn, &draft.org, &key).await?;
    let stored =
        candidates.into_iter().find(|candidate| candidate.id == known.user.id).and_then(|found| found.password);
    if let Some(hash) = &person.password_hash {
        let brought = brought(draft, person, hash)?;
        let renewed = stored.as_deref().is_some_and(is_ours) && !is_ours(&brought);
        return Ok((!renewed && stored.as_ref() != Some(&brought)).then_some(brought));
    }
    let Some(name) = &person.password_env else {
        return Ok(None);
    };
    let password = planner.variable(name);
    let normal = Secret::presented(password::normalise(password.expose()));
    if stored.is_some() && planner.app.hasher.verify(stored, normal).await?.matches {
        return Ok(None);
    }
    check(draft, person, &password)?;
    Ok(Some(planner.hash(&password).await?))
}

/// Somebody whom the file does not name: goes where it prunes, and can be named in its lists where it doesn't.
fn unnamed(draft: &mut Draft<'_>, known: &Known) {
    let Some(member) = &known.member else { return };
    let deleted = known.user.state == UserState::Deleted;
    // What a connection owns is not ours to prune.
    if !draft.table.prune || known.user.source.connection().is_some() {
        if !deleted {
            draft.names.people.entry(identifier::key(&known.user.user_name)).or_insert_with(|| member.id.clone());
        }
        return;
    }
    let mut changes = vec![Change::RemoveMember { org: draft.org.clone(), member: member.id.clone() }];
    if known.is_managed_by(&draft.org) && !deleted {
        changes.push(Change::SetUserState { user: known.user.id.clone(), state: UserState::Deleted });
    }
    draft.gone.insert(Subject::Member(member.id.clone()));
    // The owner of before: by now the file has named another one.
    let owned = draft.found.owner() == Some(&member.id);
    let phase = if owned { &mut draft.steps.last } else { &mut draft.steps.remove };
    phase.extend(changes);
}

/// A hash that a file brings, if we could ever try a password against it.
fn brought(draft: &Draft<'_>, person: &PersonTable, hash: &Secret) -> Result<String, PlanError> {
    let text = hash.expose();
    let fault = |reason| FileFault {
        table: draft.table.label_of("person", &person.user_name),
        reason: format!("password_hash: {reason}"),
    };
    Hasher::understands(text).map(|()| text.to_owned()).map_err(|reason| fault(reason).into())
}

/// Whether a hash is of the kind that sign-ins make of those that other systems made.
fn is_ours(hash: &str) -> bool {
    hash.starts_with("$argon2")
}

/// The organisation's rules as the file leaves them, but for the longest length: machines make longer ones.
fn rules(draft: &Draft<'_>) -> Rules {
    let policy = draft.table.settings.as_ref().map_or(&draft.found.settings.passwords, |table| &table.passwords);
    let rules = policy.rules();
    Rules { most: rules.most.max(Rules::OPERATOR.most), ..rules }
}

fn about(draft: &Draft<'_>, person: &PersonTable) -> About {
    About {
        user_name: person.user_name.clone(),
        email: person.email.clone(),
        phone: person.phone.clone(),
        words: vec![draft.table.name.clone(), draft.table.slug.clone()],
    }
}

/// A password that a file brings keeps the rules.
fn check(draft: &Draft<'_>, person: &PersonTable, password: &Secret) -> Result<(), PlanError> {
    match password::check(&rules(draft), password.expose(), &about(draft, person)).first() {
        Some(shortfall) => {
            let reason = format!("the password falls short: {shortfall}");
            Err(FileFault { table: format!("person \"{}\"", person.user_name), reason }.into())
        }
        None => Ok(()),
    }
}
