//! The roles board of the demo shop: what groups give in the demo's organisation, taken and given through the one door.
//!
//! Who asks is the person at the shop, and the door decides whether they may. What was taken is remembered here, so
//! that the board can offer to give it back; at the next start the demo is as at its beginning anyway.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{demo, demo_mail};
use crate::app::App;
use crate::cli::names::Names;
use crate::cli::words;
use crate::domain::access::difference::Held;
use crate::domain::access::{Binding, Role, Scope, Subject, Verdict};
use crate::domain::change::{Actor, Change, Mode, Receipt};
use crate::domain::source::Source;
use crate::examples::shop::{Admin, Board, DemoMail, DemoPerson, ReceiptText, Row};
use crate::flows::change_access::change_access;
use crate::kernel::id::{BindingId, GroupId, MembershipId, UserId};
use crate::store::groups::{self, Group};
use crate::store::orgs::Org;
use crate::store::{bindings, memberships, orgs, users};

const UNREADABLE: &str = "The demo can't be read now. Look at what Muster wrote where it was started.";
const GONE: &str = "That role is not held any more. Load the page again.";
const NOBODY: &str = "The shop did not say who you are. Sign in again.";

/// The board's other side.
pub struct DemoAdmin {
    app: App,
    /// What was taken away, by the key of its row.
    taken: Mutex<BTreeMap<String, Binding>>,
}

/// A member of the demo's organisation.
struct Member {
    id: MembershipId,
    user_name: String,
    name: String,
}

/// The demo's organisation as it is now.
struct Picture {
    org: Org,
    members: Vec<Member>,
    groups: Vec<(Group, Vec<MembershipId>)>,
    bindings: Vec<Binding>,
    names: Names,
}

#[async_trait]
impl Admin for DemoAdmin {
    async fn roles_board(&self) -> Result<Board, String> {
        let picture = self.picture().await?;
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for (key, binding) in self.remembered() {
            rows.extend(picture.row(&binding, false).map(|row| (key, row)));
        }
        for binding in &picture.bindings {
            rows.extend(picture.row(binding, true).map(|row| (row.key.clone(), row)));
        }
        Ok(Board { rows: rows.into_values().collect(), people: picture.people() })
    }

    async fn take(&self, acting_user_id: &str, binding_id: &str) -> Result<ReceiptText, String> {
        let id: BindingId = binding_id.parse().map_err(|_| GONE.to_owned())?;
        let picture = self.picture().await?;
        let binding = picture.bindings.iter().find(|binding| binding.id == id).ok_or(GONE)?.clone();
        let row = picture.row(&binding, true).ok_or(GONE)?;
        let change = Change::Unbind { org: picture.org.id.clone(), binding: id };
        let receipt = self.ask(acting_user_id, change, &picture).await?;
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(row.key, binding.clone());
        let title = format!("{} was taken away from {}", picture.grant(&binding), row.group_or_person);
        let mut text = picture.receipt(title, &receipt);
        text.lost.extend(picture.keepers(&binding, &receipt));
        Ok(text)
    }

    async fn give(&self, acting_user_id: &str, key: &str) -> Result<ReceiptText, String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let binding = Binding {
            id: BindingId::fresh(),
            ..taken.ok_or("The board does not know this row. Load the page again.")?
        };
        let picture = self.picture().await?;
        let row = picture.row(&binding, false).ok_or("The group is not there any more.")?;
        let change = Change::Bind { org: picture.org.id.clone(), binding: binding.clone() };
        let receipt = self.ask(acting_user_id, change, &picture).await?;
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(picture.receipt(format!("{} was given back to {}", picture.grant(&binding), row.group_or_person), &receipt))
    }

    async fn mails(&self) -> Vec<DemoMail> {
        let (folder, issuer) = (self.app.config.data_dir.clone(), self.app.issuer().to_owned());
        tokio::task::spawn_blocking(move || demo_mail::all(&folder, &issuer)).await.unwrap_or_default()
    }
}

impl DemoAdmin {
    /// The board over Muster's handles.
    pub fn new(app: App) -> Self {
        Self { app, taken: Mutex::default() }
    }

    fn remembered(&self) -> BTreeMap<String, Binding> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One change through the door, in the name of the person at the shop.
    async fn ask(&self, user: &str, change: Change, picture: &Picture) -> Result<Receipt, String> {
        let user: UserId = user.parse().map_err(|_| NOBODY.to_owned())?;
        let asked = change_access(&self.app, &Actor::User(user), vec![change], Mode::Act).await;
        asked.map_err(|refusal| format!("Muster refused: {}.", picture.names.tell(&refusal.to_string())))
    }

    async fn picture(&self) -> Result<Picture, String> {
        self.read()
            .await
            .map_err(|error| unreadable(&error))?
            .ok_or_else(|| "The demo's organisation is gone.".to_owned())
    }

    async fn read(&self) -> anyhow::Result<Option<Picture>> {
        let mut conn = self.app.db.read().await?;
        let Some(org) = orgs::by_slug(&mut conn, demo::ORG).await? else {
            return Ok(None);
        };
        let mut names = Names::default();
        names.learn(&mut conn, demo::ORG).await?;
        let mut members = Vec::new();
        for (member, user_name) in memberships::of_org(&mut conn, &org.id).await? {
            let name = users::find(&mut conn, &member.user).await?.map_or_else(|| user_name.clone(), |user| user.name);
            members.push(Member { id: member.id, user_name, name });
        }
        let mut with_members = Vec::new();
        for group in
            groups::of_org(&mut conn, &org.id).await?.into_iter().filter(|group| group.source != Source::System)
        {
            let inside = groups::member_ids(&mut conn, &group.id).await?;
            with_members.push((group, inside));
        }
        let bindings = bindings::of_org(&mut conn, &org.id).await?;
        Ok(Some(Picture { org, members, groups: with_members, bindings, names }))
    }
}

fn unreadable(error: &dyn Display) -> String {
    tracing::error!(%error, "the demo's board can't be read");
    UNREADABLE.to_owned()
}

impl Picture {
    /// A group's binding as a row; a direct one is not on the board.
    fn row(&self, binding: &Binding, held: bool) -> Option<Row> {
        let Subject::Group(id) = &binding.subject else {
            return None;
        };
        let (group, inside) = self.groups.iter().find(|(group, _)| group.id == *id)?;
        let (word, scope) = match &binding.scope {
            Scope::Org => (self.org.slug.clone(), self.org.name.clone()),
            Scope::Project(id) => {
                (self.names.of(id.as_str()).to_owned(), format!("project {}", self.names.of(id.as_str())))
            }
            Scope::AllProjects => ("*".to_owned(), "all projects".to_owned()),
        };
        Some(Row {
            binding_id: held.then(|| binding.id.to_string()),
            key: format!("{}:{}:{word}", group.name, binding.role),
            group_or_person: group.name.clone(),
            role: binding.role.to_string(),
            scope,
            members: inside.iter().map(|member| self.name(member).to_owned()).collect(),
            held,
        })
    }

    fn name<'a>(&'a self, id: &'a MembershipId) -> &'a str {
        self.members.iter().find(|member| member.id == *id).map_or(id.as_str(), |member| member.name.as_str())
    }

    fn grant(&self, binding: &Binding) -> String {
        words::grant(&binding.role, &binding.scope, &self.names)
    }

    /// The people one can sign in as, with what they hold.
    fn people(&self) -> Vec<DemoPerson> {
        let known = self.members.iter().filter_map(|member| Some((member, demo::password(&member.user_name)?)));
        known
            .map(|(member, password)| DemoPerson {
                user_name: member.user_name.clone(),
                name: member.name.clone(),
                note: self.note(&member.id),
                password: Some(password),
            })
            .collect()
    }

    /// The roles of a member, each with the groups that give it.
    fn note(&self, member: &MembershipId) -> String {
        let owner = (self.org.owner.as_ref() == Some(member)).then(|| Role::OrgOwner.to_string());
        let direct = self.bindings.iter().filter(|binding| binding.subject == Subject::Member(member.clone()));
        let mut parts: Vec<String> = owner.into_iter().chain(direct.map(|binding| self.grant(binding))).collect();
        for (group, _) in self.groups.iter().filter(|(_, inside)| inside.contains(member)) {
            let given = self.bindings.iter().filter(|binding| binding.subject == Subject::Group(group.id.clone()));
            let given: Vec<String> = given.map(|binding| self.grant(binding)).collect();
            let given = if given.is_empty() { "nothing now".to_owned() } else { given.join(", ") };
            parts.push(format!("{} by {}", given, group.name));
        }
        if parts.is_empty() { "no roles".to_owned() } else { parts.join("; ") }
    }

    /// What a change did, in lines for people.
    fn receipt(&self, title: String, receipt: &Receipt) -> ReceiptText {
        let line = |member: &MembershipId, held: &[Held]| {
            format!("{}: {}", self.name(member), words::grants(held, &self.names))
        };
        let lost = receipt.members.iter().filter(|member| !member.lost.is_empty());
        let gained = receipt.members.iter().filter(|member| !member.gained.is_empty());
        let out = receipt.members.iter().filter(|member| member.verdict == Verdict::End);
        let mut ended: Vec<String> = out.map(|member| format!("{} is signed out", self.name(&member.member))).collect();
        if receipt.ended.sessions + receipt.ended.token_families > 0 {
            ended.push(words::ended(&receipt.ended));
        }
        let told = receipt.told.iter();
        ReceiptText {
            title,
            lost: lost.map(|member| line(&member.member, &member.lost)).collect(),
            gained: gained.map(|member| line(&member.member, &member.gained)).collect(),
            ended,
            told: told.map(|told| format!("{} was sent {}", told.client_id, words::sent(told))).collect(),
        }
    }

    /// Who was in the group and lost nothing, because something else gives them the same.
    fn keepers(&self, taken: &Binding, receipt: &Receipt) -> Vec<String> {
        let Subject::Group(from) = &taken.subject else {
            return Vec::new();
        };
        let inside = self.groups.iter().find(|(group, _)| group.id == *from).map(|(_, inside)| inside);
        let kept =
            inside.into_iter().flatten().filter(|id| !receipt.members.iter().any(|member| member.member == **id));
        kept.filter_map(|id| {
            let by = self.givers(taken, id);
            (!by.is_empty())
                .then(|| format!("{} keeps {}: {} gives it too", self.name(id), self.grant(taken), by.join(" and ")))
        })
        .collect()
    }

    /// What else gives a member the same role on the same scope.
    fn givers(&self, taken: &Binding, member: &MembershipId) -> Vec<String> {
        let same = |other: &&Binding| {
            let wide = other.scope == Scope::AllProjects && matches!(taken.scope, Scope::Project(_));
            other.id != taken.id && other.role == taken.role && (other.scope == taken.scope || wide)
        };
        let group =
            |id: &GroupId| self.groups.iter().find(|(group, inside)| group.id == *id && inside.contains(member));
        let by = self.bindings.iter().filter(same).filter_map(|other| match &other.subject {
            Subject::Member(id) => (id == member).then(|| "a role of their own".to_owned()),
            Subject::Group(id) => group(id).map(|(group, _)| group.name.clone()),
        });
        by.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Policy, Window};
    use crate::domain::change::Ended;
    use crate::domain::people::user::OrgState;
    use crate::domain::source::Source;
    use crate::kernel::id::{ChangeId, OrgId};
    use crate::kernel::time::UnixMillis;

    fn binding(number: u128, group: u128) -> Binding {
        Binding {
            id: BindingId::from_u128(number),
            role: Role::OrgReader,
            scope: Scope::Org,
            subject: Subject::Group(GroupId::from_u128(group)),
            window: Window::ALWAYS,
        }
    }

    fn picture() -> Picture {
        let group = |number, name: &str| Group {
            id: GroupId::from_u128(number),
            name: name.to_owned(),
            description: String::new(),
            source: Source::Local,
        };
        let member = |number, name: &str| Member {
            id: MembershipId::from_u128(number),
            user_name: name.to_lowercase(),
            name: name.to_owned(),
        };
        let (ana, bo) = (MembershipId::from_u128(1), MembershipId::from_u128(2));
        Picture {
            org: Org {
                id: OrgId::from_u128(1),
                slug: "acme".to_owned(),
                name: "Acme".to_owned(),
                state: OrgState::Active,
                policy: Policy::Strict,
                owner: Some(ana.clone()),
                session_idle: None,
                session_absolute: None,
            },
            members: vec![member(1, "Ana"), member(2, "Bo")],
            groups: vec![(group(1, "Web team"), vec![ana, bo.clone()]), (group(2, "Crew"), vec![bo])],
            bindings: vec![binding(1, 1), binding(2, 2)],
            names: Names::default(),
        }
    }

    #[test]
    fn a_row_has_the_same_key_whether_it_is_held_or_taken() {
        let picture = picture();
        let (held, taken) = (picture.row(&binding(1, 1), true).unwrap(), picture.row(&binding(1, 1), false).unwrap());
        assert_eq!((held.key.as_str(), held.key == taken.key), ("Web team:org.reader:acme", true));
        assert_eq!((held.binding_id.is_some(), taken.binding_id), (true, None));
        assert_eq!(held.members, ["Ana", "Bo"]);
    }

    #[test]
    fn whoever_keeps_a_role_through_another_group_is_told_so() {
        let receipt = Receipt {
            id: ChangeId::from_u128(1),
            at: UnixMillis(1),
            actor: String::new(),
            dry_run: false,
            acts: Vec::new(),
            members: Vec::new(),
            ended: Ended::default(),
            told: Vec::new(),
        };
        let picture = picture();
        assert_eq!(picture.keepers(&binding(1, 1), &receipt), ["Bo keeps org.reader: Crew gives it too"]);
        assert_eq!(picture.note(&MembershipId::from_u128(1)), "org.owner; org.reader by Web team");
    }
}
