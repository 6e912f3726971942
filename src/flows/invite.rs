//! Inviting people by mail, sending an invitation again, and taking it back.
//!
//! Whoever is invited holds nothing until they accept: no account and no membership is made. Of several each is a
//! transaction of its own, with the same access; whoever is invited or a member already is left alone.

use std::collections::BTreeMap;

use super::change_access::{Refusal, change_access_from};
use super::links::{self, Wanted};
use super::register::TooMany;
use crate::app::App;
use crate::domain::access::Scope;
use crate::domain::change::{Actor, Change, Mode, NewInvitation, Origin, Receipt};
use crate::domain::language::Language;
use crate::domain::mail::{Address, NewLink, Purpose, Template};
use crate::domain::people::identifier;
use crate::domain::people::invitation::{Access, MOST_AT_ONCE, Offered};
use crate::kernel::fold;
use crate::kernel::id::{InvitationId, OrgId, UserId};
use crate::store::invitations::{self, Invitation};
use crate::store::{bindings, groups, orgs, users};

/// Somebody to be invited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitee {
    /// The address that the mail goes to, and that whoever accepts must have.
    pub email: String,
    /// The whole name; the first name and the surname stand for it where it is empty.
    pub name: String,
    /// First name; may be empty.
    pub given_name: String,
    /// Surname; may be empty.
    pub family_name: String,
}

/// What became of one of several.
#[derive(Debug)]
pub struct Invited {
    /// The address.
    pub email: String,
    /// What became of it.
    pub outcome: Result<Sent, Refusal>,
}

/// An invitation that is there.
#[derive(Debug)]
pub enum Sent {
    /// It is new, or would be.
    New(InvitationId, Receipt),
    /// It was there already and waits for an answer: nothing was sent.
    AlreadyInvited(InvitationId),
    /// The address is a member's: nothing was sent.
    AlreadyMember,
}

/// Invites people, each in a transaction of their own, all with the same access.
///
/// # Errors
/// There are more than a hundred; nobody was invited then.
#[expect(clippy::too_many_arguments, reason = "who asks, where, whom, to what, and how: none of them belong together")]
pub async fn many(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    people: Vec<Invitee>,
    access: &Access,
    language: Option<Language>,
    mode: Mode,
) -> Result<Vec<Invited>, TooMany> {
    if people.len() > MOST_AT_ONCE {
        return Err(TooMany { act: "invite", count: people.len() });
    }
    // A list whose answer was lost may be sent again: who is invited by then is told as such.
    let origin = Origin { repeatable: None, ..origin.clone() };
    let by = By { app, actor, origin: &origin, org, mode };
    let mut results = Vec::with_capacity(people.len());
    for person in people {
        let email = person.email.trim().to_owned();
        let outcome = by.invite(Invitee { email: email.clone(), ..person }, access, language).await;
        results.push(Invited { email, outcome });
    }
    Ok(results)
}

/// Sends an invitation again, with a new link; the one before is dead. The door says when that may be.
///
/// # Errors
/// `NotFound` for an invitation of another organisation; else the door's refusal.
pub async fn resend(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    invitation: &InvitationId,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let by = By { app, actor, origin, org, mode };
    let found = by.find(invitation).await?;
    let words = by.words(found.inviter.as_ref(), &found.access).await?;
    let to = Mailed { email: &found.email, name: &found.name, language: found.language };
    let link = Box::new(by.link(Template::InvitationAgain, to, words).await?);
    by.send(Change::ResendInvitation { org: org.clone(), invitation: invitation.clone(), link }).await
}

/// Takes an invitation back: its links are dead.
///
/// # Errors
/// `NotFound` for an invitation of another organisation; else the door's refusal.
pub async fn cancel(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    org: &OrgId,
    invitation: &InvitationId,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    let by = By { app, actor, origin, org, mode };
    by.find(invitation).await?;
    by.send(Change::CancelInvitation { org: org.clone(), invitation: invitation.clone() }).await
}

/// Whom a mail greets.
struct Mailed<'a> {
    email: &'a str,
    name: &'a str,
    language: Language,
}

/// Who invites, and what to, in words.
struct Words {
    inviter: String,
    groups: String,
    roles: String,
}

/// Who asks, where, and how.
struct By<'a> {
    app: &'a App,
    actor: &'a Actor,
    origin: &'a Origin,
    org: &'a OrgId,
    mode: Mode,
}

impl By<'_> {
    async fn send(&self, change: Change) -> Result<Receipt, Refusal> {
        change_access_from(self.app, self.actor, self.origin, vec![change], self.mode).await
    }

    async fn find(&self, invitation: &InvitationId) -> Result<Invitation, Refusal> {
        let found = invitations::find(&mut self.app.db.read().await?, self.org, invitation).await?;
        found.ok_or_else(|| Refusal::NotFound("The invitation".to_owned()))
    }

    async fn invite(&self, person: Invitee, access: &Access, language: Option<Language>) -> Result<Sent, Refusal> {
        let name = check(&person)?;
        let Invitee { email, given_name, family_name, .. } = person;
        let inviter = match self.actor {
            Actor::User(user) | Actor::Operator(user) => Some(user),
            Actor::Tool(tool) => Some(&tool.user),
            Actor::System(_) | Actor::CommandLine | Actor::Connection { .. } | Actor::Link(_) => None,
        };
        let words = self.words(inviter, access).await?;
        let language = match language {
            Some(language) => language,
            None => links::language_for(self.app, &mut self.app.db.read().await?, None, Some(self.org)).await?,
        };
        let to = Mailed { email: &email, name: &name, language };
        let link = self.link(Template::Invitation, to, words).await?;
        let id = InvitationId::fresh();
        let new = NewInvitation {
            id: id.clone(),
            org: self.org.clone(),
            email: email.clone(),
            name,
            given_name,
            family_name,
            access: access.clone(),
            language,
            link,
        };
        let receipt = self.send(Change::Invite(Box::new(new))).await?;
        if !receipt.is_empty() {
            return Ok(Sent::New(id, receipt));
        }
        let open = invitations::open_of_email(&mut self.app.db.read().await?, &fold::key(&email)).await?;
        let open = open.into_iter().find(|one| one.org == *self.org);
        Ok(open.map_or(Sent::AlreadyMember, |one| Sent::AlreadyInvited(one.id)))
    }

    async fn words(&self, inviter: Option<&UserId>, access: &Access) -> Result<Words, Refusal> {
        let mut conn = self.app.db.read().await?;
        let inviter = match inviter {
            Some(id) => users::find(&mut conn, id).await?.map(|user| user.name).unwrap_or_default(),
            None => String::new(),
        };
        let mut names = Vec::new();
        for group in &access.groups {
            names.extend(groups::find(&mut conn, self.org, group).await?.map(|group| group.name));
        }
        let (projects, own) = if access.roles.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            (orgs::projects(&mut conn, self.org).await?, bindings::own_roles(&mut conn, self.org).await?)
        };
        let role = |one: &Offered| {
            let key = one.role.as_str();
            let name = own.iter().find(|role| role.key == key).map_or(key, |role| role.name.as_str());
            match &one.scope {
                Scope::Org => Some(name.to_owned()),
                Scope::AllProjects => Some(format!("{name} (*)")),
                Scope::Project(id) => {
                    let project = projects.iter().find(|project| project.id == *id)?;
                    Some(format!("{name} ({})", project.name))
                }
            }
        };
        let roles: Vec<String> = access.roles.iter().filter_map(role).collect();
        Ok(Words { inviter, groups: names.join(", "), roles: roles.join(", ") })
    }

    async fn link(&self, template: Template, to: Mailed<'_>, words: Words) -> Result<NewLink, Refusal> {
        let rules = orgs::settings(&mut self.app.db.read().await?, self.org).await?.invitations;
        let Words { inviter, groups, roles } = words;
        let values = [("name", to.name.to_owned()), ("inviter", inviter), ("groups", groups), ("roles", roles)];
        let values: BTreeMap<String, String> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let wanted = Wanted {
            purpose: Purpose::Invitation,
            template,
            to: Address::Email(to.email.to_owned()),
            language: to.language,
            org: Some(self.org.clone()),
            // No link outlives what it is for.
            life: rules.link_life().min(rules.life()),
            values,
        };
        Ok(links::mint(self.app, wanted))
    }
}

/// The whole name of somebody who can be invited.
fn check(person: &Invitee) -> Result<String, Refusal> {
    identifier::check_email(&person.email)
        .map_err(|reason| Refusal::Invalid { field: "email", reason: reason.to_owned() })?;
    let parts = [&person.given_name, &person.family_name].map(|part| part.trim());
    let joined = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let name = Some(person.name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or(joined);
    let too_long = [&name, &person.given_name, &person.family_name].iter().any(|part| part.chars().count() > 200);
    let reason = if name.is_empty() {
        "Give a name: the mail greets the person with it."
    } else if too_long || name.chars().any(char::is_control) {
        "A name has at most 200 characters, and no control characters."
    } else {
        return Ok(name);
    };
    Err(Refusal::Invalid { field: "name", reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitee(email: &str, name: &str, given_name: &str) -> Invitee {
        let [email, name, given_name] = [email, name, given_name].map(str::to_owned);
        Invitee { email, name, given_name, family_name: "Kim".to_owned() }
    }

    // N11
    #[test]
    fn an_address_and_a_name_are_needed_and_a_first_name_with_a_surname_is_one() {
        assert_eq!(check(&invitee("a@b.c", " Ana K ", "")).ok().as_deref(), Some("Ana K"));
        assert_eq!(check(&invitee("a@b.c", "", "Ana")).ok().as_deref(), Some("Ana Kim"));
        let nameless = Invitee { email: "a@b.c".to_owned(), ..Invitee::default() };
        for (bad, field) in [
            (nameless, "name"),
            (invitee("a@b", "Ana", ""), "email"),
            (invitee("", "Ana", ""), "email"),
            (invitee("a@b.c\r\nBcc: x@y.z", "Ana", ""), "email"),
            (invitee("a@b.c", "Ana\nBcc: x@y.z", ""), "name"),
            (invitee("a@b.c", &"x".repeat(201), ""), "name"),
        ] {
            assert!(matches!(check(&bad), Err(Refusal::Invalid { field: told, .. }) if told == field), "{bad:?}");
        }
    }

    #[test]
    fn too_many_are_told_with_both_numbers() {
        let told = TooMany { act: "invite", count: 101 }.to_string();
        assert_eq!(told, "You can invite 100 people at a time. This list has 101.");
    }
}
