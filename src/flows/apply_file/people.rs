//! People: accounts, memberships, passwords, and who owns the organisation.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::found::Known;
use super::{PlanError, Planner};
use crate::domain::access::Subject;
use crate::domain::apply_file::{FileFault, PersonState, PersonTable};
use crate::domain::change::{Change, NewUser};
use crate::domain::people::identifier;
use crate::domain::people::password::{self, Rules};
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{MembershipId, UserId};
use crate::kernel::secret::Secret;
use crate::store::users;

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
        draft.names.people.insert(key.clone(), member);
        named.insert(key);
    }
    let fault = |reason: String| FileFault { table: table.label(), reason: format!("owner: {reason}") };
    let owner = draft.names.person(&table.owner).map_err(fault)?;
    if found.owner() != Some(&owner) {
        draft.steps.people.push(Change::TransferOwnership { org: draft.org.clone(), to: owner });
    }
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

async fn create(
    planner: &mut Planner<'_>,
    draft: &mut Draft<'_>,
    person: &PersonTable,
) -> Result<MembershipId, PlanError> {
    let user = UserId::fresh();
    let password = first_password(planner, draft, person).await?;
    draft.steps.people.push(Change::CreateUser(Box::new(NewUser {
        id: user.clone(),
        kind: Kind::Managed(draft.org.clone()),
        user_name: person.user_name.clone(),
        profile: person.standard_claims(planner.now.seconds()),
        state: match person.state {
            Some(PersonState::Suspended) => UserState::Suspended,
            Some(PersonState::Active) | None => UserState::Active,
        },
        source: Source::Local,
        password: Some(password),
    })));
    Ok(join(draft, user))
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
        return Ok(hash.expose().to_owned());
    }
    if let Some(name) = &person.password_env {
        let password = planner.variable(name);
        check(person, &password)?;
        return Ok(planner.hash(password).await?);
    }
    let password = planner.made_up_password();
    let hash = planner.hash(password.clone()).await?;
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
        account_state(draft, person, known)?;
        if let Some(password) = changed_password(planner, draft, person, known).await? {
            draft.steps.people.push(Change::ResetPassword { user: user.clone(), password });
        }
    }
    let Some(member) = &known.member else {
        return Ok(join(draft, user));
    };
    let wanted = match person.state {
        Some(PersonState::Active) => MembershipState::Active,
        // The account itself is suspended, above.
        Some(PersonState::Suspended) if managed => member.state,
        Some(PersonState::Suspended) => MembershipState::Suspended,
        None => member.state,
    };
    if wanted != member.state {
        if member.state == MembershipState::Deactivated {
            return Err(upstream(draft, person).into());
        }
        let (org, member) = (draft.org.clone(), member.id.clone());
        draft.steps.people.push(Change::SetMemberState { org, member, state: wanted });
    }
    Ok(member.id.clone())
}

fn account_state(draft: &mut Draft<'_>, person: &PersonTable, known: &Known) -> Result<(), FileFault> {
    let wanted = match person.state {
        Some(PersonState::Active) => UserState::Active,
        Some(PersonState::Suspended) => UserState::Suspended,
        None => return Ok(()),
    };
    if wanted == known.user.state {
        return Ok(());
    }
    if known.user.state == UserState::Deactivated {
        return Err(upstream(draft, person));
    }
    draft.steps.people.push(Change::SetUserState { user: known.user.id.clone(), state: wanted });
    Ok(())
}

fn upstream(draft: &Draft<'_>, person: &PersonTable) -> FileFault {
    FileFault {
        table: draft.table.label_of("person", &person.user_name),
        reason: "state: deactivated by the connection that owns the account, and only there to be changed".to_owned(),
    }
}

/// The new hash, when the account's password is not the one that the file names.
async fn changed_password(
    planner: &mut Planner<'_>,
    draft: &Draft<'_>,
    person: &PersonTable,
    known: &Known,
) -> Result<Option<String>, PlanError> {
    if person.password_hash.is_none() && person.password_env.is_none() {
        return Ok(None);
    }
    let key = identifier::key(&person.user_name);
    let candidates = users::candidates_in_org(&mut planner.conn, &draft.org, &key).await?;
    let stored =
        candidates.into_iter().find(|candidate| candidate.id == known.user.id).and_then(|found| found.password);
    if let Some(hash) = &person.password_hash {
        return Ok((stored.as_deref() != Some(hash.expose())).then(|| hash.expose().to_owned()));
    }
    let Some(name) = &person.password_env else {
        return Ok(None);
    };
    let password = planner.variable(name);
    if stored.is_some() && planner.app.hasher.verify(stored, password.clone()).await?.matches {
        return Ok(None);
    }
    check(person, &password)?;
    Ok(Some(planner.hash(password).await?))
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

/// A password that a file brings keeps the rules, but for the longest length: machines make longer ones.
fn check(person: &PersonTable, password: &Secret) -> Result<(), PlanError> {
    let about = [Some(person.user_name.as_str()), person.phone.as_deref(), person.email.as_deref()];
    let about: Vec<&str> = about.into_iter().flatten().collect();
    let rules = Rules { most: Rules::OPERATOR.most, ..Rules::CLOUD_IAM };
    match password::check(&rules, password.expose(), &about).first() {
        Some(shortfall) => {
            let reason = format!("the password falls short: {shortfall}");
            Err(FileFault { table: format!("person \"{}\"", person.user_name), reason }.into())
        }
        None => Ok(()),
    }
}
