//! Accounts and memberships, as an access edit writes them.

use std::collections::BTreeSet;

use super::{AccessEdit, Written};
use crate::domain::access::{Cause, Scope, Subject};
use crate::domain::change::NewUser;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::why_no_codes;
use crate::domain::people::identifier;
use crate::domain::people::user::{AccessType, MembershipState, UserState};
use crate::domain::source::Source;
use crate::domain::ssf::caep::{ChangeType, Credential};
use crate::kernel::id::{ApplicationId, MembershipId, OrgId, ProjectId, UserId};
use crate::store::db::{Result, corrupt};
use crate::store::picture::Count;
use crate::store::{bindings, feed, links, memberships, users};

impl AccessEdit<'_> {
    /// Makes an account; `Taken` when its user name, e-mail or phone identifies somebody else in its realm.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_user(&mut self, user: &NewUser) -> Result<Written> {
        let at = self.at.0;
        let org = user.kind.org().map(|org| org.as_str().to_owned());
        let project = user.kind.project().map(|project| project.as_str().to_owned());
        self.tx
            .query(
                "INSERT INTO users (id, kind, org_id, realm, user_name, email, phone, name, profile, state, source, password,
                 must_change, failures, failures_since, locked_until, created_at, updated_at, project_id, password_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $15, 0, 0, 0, $13, $13, $14, $16)",
            )
            .bind(user.id.as_str().to_owned())
            .bind(user.kind.word())
            .bind(org)
            .bind(user.kind.realm().to_owned())
            .bind(user.user_name.clone())
            .bind(user.profile.email.clone())
            .bind(user.profile.phone_number.clone())
            .bind(display_name(&user.user_name, &user.profile))
            .bind(users::profile_json(&user.profile))
            .bind(user.state.as_str())
            .bind(user.source.to_string())
            .bind(user.password.clone())
            .bind(at)
            .bind(project)
            .bind(user.must_change)
            .bind(user.password.as_ref().map(|_| at))
            .execute()
            .await?;
        if user.kind.project().is_some() {
            return Ok(Written::Done); // a service account has no identifier
        }
        let names = names_of(&user.user_name, &user.profile, &user.source);
        self.claim_identifiers(&user.id, user.kind.realm(), names).await
    }

    /// Replaces an account's user name and standard claims.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_profile(&mut self, user: &UserId, user_name: &str, profile: &Profile) -> Result<Written> {
        let Some(found) = users::find(self.tx, user).await? else {
            return Ok(Written::Missing);
        };
        if found.user_name == user_name && users::same_profile(&found.profile, profile) {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE users SET user_name = $2, email = $3, phone = $4, name = $5, profile = $6, updated_at = $7 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(user_name.to_owned())
            .bind(profile.email.clone())
            .bind(profile.phone_number.clone())
            .bind(display_name(user_name, profile))
            .bind(users::profile_json(profile))
            .bind(self.at.0)
            .execute()
            .await?;
        if why_no_codes(&found.profile).is_none() {
            self.drop_code_factors(user, profile).await?;
        }
        self.tx.query("DELETE FROM identifiers WHERE user_id = $1").bind(user.as_str().to_owned()).execute().await?;
        self.list_anew(user).await?;
        self.claim_identifiers(user, found.kind.realm(), names_of(user_name, profile, &found.source)).await
    }

    /// Renews what a person is found by in the lists of the organisations.
    async fn list_anew(&mut self, user: &UserId) -> Result<()> {
        let Some(found) = users::find(self.tx, user).await? else {
            return Ok(());
        };
        for (org, member) in memberships::all_of_user(self.tx, user).await? {
            crate::store::member_list::put(self.tx, &org, &member, &found).await?;
        }
        Ok(())
    }

    async fn claim_identifiers(&mut self, user: &UserId, realm: &str, keys: BTreeSet<String>) -> Result<Written> {
        for key in keys {
            let rows = self
                .tx
                .query("INSERT INTO identifiers (realm, name_key, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(realm.to_owned())
                .bind(key)
                .bind(user.as_str().to_owned())
                .execute()
                .await?;
            if rows == 0 {
                return Ok(Written::Taken);
            }
        }
        Ok(Written::Done)
    }

    /// Sets an account's state and touches its memberships in the organisations that this edit has locked. Those of an
    /// account that is deleted end.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_user_state(&mut self, user: &UserId, state: UserState) -> Result<Written> {
        let Some(found) = users::find(self.tx, user).await? else {
            return Ok(Written::Missing);
        };
        if found.state == state {
            return Ok(Written::Already);
        }
        if found.state == UserState::Deleted {
            return Ok(Written::Missing);
        }
        let cause = if state == UserState::Active { Cause::Added } else { Cause::Barred };
        for (org, member) in memberships::all_of_user(self.tx, user).await? {
            self.touch(&org, std::slice::from_ref(&member), cause).await?;
            match state {
                UserState::Deleted => self.drop_membership(&member).await?,
                UserState::Active => self.begin_use(&member).await?,
                UserState::Pending | UserState::Suspended | UserState::Deactivated => {}
            }
        }
        self.tx
            .query("UPDATE users SET state = $2, updated_at = $3 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(state.as_str())
            .bind(self.at.0)
            .execute()
            .await?;
        if state == UserState::Deleted {
            self.erase(user).await?;
        }
        Ok(Written::Done)
    }

    /// Erases what is known of the person of an account that is deleted. The identifiers are free again; the id never is.
    async fn erase(&mut self, user: &UserId) -> Result<()> {
        self.forget_factors(user).await?;
        for sql in [
            "DELETE FROM identifiers WHERE user_id = $1",
            "DELETE FROM password_history WHERE user_id = $1",
            "DELETE FROM known_browsers WHERE user_id = $1",
            "DELETE FROM scim_adoptions WHERE user_id = $1",
            "DELETE FROM upstream_identities WHERE user_id = $1",
            "UPDATE sign_in_log SET user_id = NULL, claims = '{}' WHERE user_id = $1",
            "UPDATE users SET password = NULL, profile = '{}', email = NULL, phone = NULL WHERE id = $1",
        ] {
            self.tx.query(sql).bind(user.as_str().to_owned()).execute().await?;
        }
        links::forget_addresses(self.tx, user).await
    }

    /// Makes an account a member; its counters begin at 1, and its versions above what is told of earlier memberships.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_member(
        &mut self,
        org: &OrgId,
        member: &MembershipId,
        user: &UserId,
        state: MembershipState,
        source: &Source,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO memberships (id, org_id, user_id, state, source, acv, acv_least, epoch, created_at, user_key,
                   fed_least)
                 SELECT $1, $2, $3, $4, $5, told.acv, told.acv, 1, $6, $7, told.acv
                 FROM (SELECT COALESCE(MAX(r.value), 1) AS acv FROM (
                   SELECT value FROM revocations WHERE kind = 'm' AND subject = $3 AND org_id = $2
                   UNION ALL
                   SELECT value FROM revocations_due WHERE kind = 'm' AND subject = $3 AND org_id = $2) r) told
                 WHERE TRUE ON CONFLICT DO NOTHING",
            )
            .bind(member.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .bind(state.as_str())
            .bind(source.to_string())
            .bind(self.at.0)
            .bind(String::new())
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Already);
        }
        self.list_anew(user).await?;
        self.touch(org, std::slice::from_ref(member), Cause::Added).await?;
        Ok(Written::Done)
    }

    /// Suspends or revives a membership; its bindings stay.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_member_state(
        &mut self,
        org: &OrgId,
        member: &MembershipId,
        state: MembershipState,
    ) -> Result<Written> {
        let Some(found) = memberships::find(self.tx, org, member).await? else {
            return Ok(Written::Missing);
        };
        if found.state == state {
            return Ok(Written::Already);
        }
        let cause = if state == MembershipState::Active { Cause::Added } else { Cause::Barred };
        self.touch(org, std::slice::from_ref(member), cause).await?;
        self.tx
            .query("UPDATE memberships SET state = $3 WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(member.as_str().to_owned())
            .bind(state.as_str())
            .execute()
            .await?;
        if state == MembershipState::Active {
            self.begin_use(member).await?;
        }
        Ok(Written::Done)
    }

    /// From now on disuse is counted anew: whoever was let in again is not suspended at the next look.
    async fn begin_use(&mut self, member: &MembershipId) -> Result<()> {
        self.tx
            .query("UPDATE memberships SET active_from = $2 WHERE id = $1")
            .bind(member.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await
            .map(|_| ())
    }

    /// Has a member's sessions and tokens in the organisation end; nothing else of it changes.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_sessions(&mut self, org: &OrgId, member: &MembershipId) -> Result<Written> {
        if memberships::find(self.tx, org, member).await?.is_none() {
            return Ok(Written::Missing);
        }
        self.touch(org, std::slice::from_ref(member), Cause::Barred).await?;
        Ok(Written::Done)
    }

    /// Ends a membership: its direct bindings and its places in groups go with it. Entries and families that came
    /// from it stay as rows and are refused, for there is no membership to compare them with.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_member(&mut self, org: &OrgId, member: &MembershipId) -> Result<Written> {
        if memberships::find(self.tx, org, member).await?.is_none() {
            return Ok(Written::Missing);
        }
        self.touch(org, std::slice::from_ref(member), Cause::Barred).await?;
        self.drop_membership(member).await?;
        Ok(Written::Done)
    }

    /// Deletes a membership with all that hangs on it; what the person answered for has nobody who does.
    async fn drop_membership(&mut self, member: &MembershipId) -> Result<()> {
        feed::note_member(self.tx, member, self.at).await?;
        self.delete_keys_of_member(member).await?;
        self.note_groups_of(member).await?;
        self.forget_upstream(member).await?;
        for sql in [
            "DELETE FROM group_members WHERE membership_id = $1",
            "DELETE FROM bindings WHERE membership_id = $1",
            "UPDATE applications SET owner_id = NULL WHERE owner_id = $1",
            "UPDATE users SET owner_id = NULL WHERE owner_id = $1",
            "DELETE FROM memberships WHERE id = $1",
        ] {
            self.tx.query(sql).bind(member.as_str().to_owned()).execute().await?;
        }
        Ok(())
    }

    /// Sets how a managed account is used. One for keys alone has no password, and what its password opened ends.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_access_type(&mut self, user: &UserId, access: AccessType) -> Result<Written> {
        match users::access_type(self.tx, user).await? {
            None => return Ok(Written::Missing),
            Some(before) if before == access => return Ok(Written::Already),
            Some(_) => {}
        }
        if access == AccessType::Key {
            for (org, member) in memberships::all_of_user(self.tx, user).await? {
                self.touch(&org, &[member], Cause::Barred).await?;
            }
        }
        if access == AccessType::Key {
            let had_one = users::keep_password(self.tx, user, self.at).await?;
            if had_one {
                self.note_credential(user, Credential::Password, ChangeType::Delete);
            }
            self.forget_factors(user).await?;
        }
        self.tx
            .query(
                "UPDATE users SET access_type = $2, updated_at = $3,
                   password = CASE WHEN $2 = 'key' THEN NULL ELSE password END WHERE id = $1",
            )
            .bind(user.as_str().to_owned())
            .bind(access.as_str())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Restricts a member to some applications. Where an application is taken away, what the member has open ends; a
    /// wider restriction ends nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn restrict_member(
        &mut self,
        org: &OrgId,
        member: &MembershipId,
        to: Option<&BTreeSet<ApplicationId>>,
    ) -> Result<Written> {
        if memberships::find(self.tx, org, member).await?.is_none() {
            return Ok(Written::Missing);
        }
        let before = memberships::restriction(self.tx, member).await?;
        if before.as_ref() == to {
            return Ok(Written::Already);
        }
        let tighter = match (&before, to) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(to)) => !before.is_subset(to),
        };
        let cause = if tighter { Cause::Barred } else { Cause::Added };
        self.touch(org, std::slice::from_ref(member), cause).await?;
        let list = to.map(serde_json::to_string).transpose().map_err(|e| corrupt(&e.to_string()))?;
        self.tx
            .query("UPDATE memberships SET restricted_to = $2 WHERE id = $1")
            .bind(member.as_str().to_owned())
            .bind(list)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Moves a membership from its account to another; its id, bindings and groups stay. What was open through it ends,
    /// and its access keys and upstream identities go: they were the other person's. `Taken` when the account is a member already.
    ///
    /// # Errors
    /// The database's.
    pub async fn replace_identity(&mut self, org: &OrgId, member: &MembershipId, by: &UserId) -> Result<Written> {
        let (Some(found), Some(user)) =
            (memberships::find(self.tx, org, member).await?, users::find(self.tx, by).await?)
        else {
            return Ok(Written::Missing);
        };
        if found.user == *by {
            return Ok(Written::Already);
        }
        if memberships::of_user(self.tx, org, by).await?.is_some() {
            return Ok(Written::Taken);
        }
        self.touch(org, std::slice::from_ref(member), Cause::Barred).await?;
        feed::note_member(self.tx, member, self.at).await?;
        self.delete_keys_of_member(member).await?;
        self.forget_upstream(member).await?;
        // The versions go on above what is told of an earlier membership of the other account.
        self.tx
            .query(
                "UPDATE memberships SET user_id = $2, last_sign_in_at = NULL, active_from = $3, break_glass = FALSE,
                   acv = (SELECT MAX(told.value) FROM (
                     SELECT m.acv AS value FROM memberships m WHERE m.id = $1
                     UNION ALL
                     SELECT value FROM revocations WHERE kind = 'm' AND subject = $2 AND org_id = $4
                     UNION ALL
                     SELECT value FROM revocations_due WHERE kind = 'm' AND subject = $2 AND org_id = $4) told)
                 WHERE id = $1",
            )
            .bind(member.as_str().to_owned())
            .bind(by.as_str().to_owned())
            .bind(self.at.0)
            .bind(org.as_str().to_owned())
            .execute()
            .await?;
        crate::store::member_list::put(self.tx, org, member, &user).await?;
        Ok(Written::Done)
    }

    /// Takes a member's direct roles on one project; `Already` when there are none.
    ///
    /// # Errors
    /// The database's.
    pub async fn leave_project(&mut self, org: &OrgId, member: &MembershipId, project: &ProjectId) -> Result<Written> {
        let subject = Subject::Member(member.clone());
        let all = memberships::bindings_reaching(self.tx, member).await?;
        let mut written = Written::Already;
        for binding in all.into_iter().filter(|binding| binding.subject == subject) {
            if binding.scope == Scope::Project(project.clone())
                && bindings::find(self.tx, org, &binding.id).await?.is_some()
            {
                self.take(org, &binding, Cause::RoleRemoved, Count::Live).await?;
                written = Written::Done;
            }
        }
        Ok(written)
    }

    /// Makes another member answer for what one answers for; `Already` when that is nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn reassign(&mut self, org: &OrgId, from: &MembershipId, to: &MembershipId) -> Result<Written> {
        for id in [from, to] {
            if memberships::find(self.tx, org, id).await?.is_none() {
                return Ok(Written::Missing);
            }
        }
        if from == to {
            return Ok(Written::Already);
        }
        let mut rows = 0;
        for sql in [
            "UPDATE applications SET owner_id = $2 WHERE owner_id = $1",
            "UPDATE users SET owner_id = $2 WHERE owner_id = $1",
        ] {
            let query = self.tx.query(sql).bind(from.as_str().to_owned());
            rows += query.bind(to.as_str().to_owned()).execute().await?;
        }
        Ok(Written::from_rows(rows, Written::Already))
    }
}

/// What an account is found by at a sign-in. A directory's phone numbers name nobody: a whole office shares one.
fn names_of(user_name: &str, profile: &Profile, source: &Source) -> BTreeSet<String> {
    let phone = profile.phone_number.as_deref().filter(|_| source.connection().is_none());
    [Some(user_name), profile.email.as_deref(), phone].into_iter().flatten().map(identifier::key).collect()
}

/// What people see: the full name, else the user name.
fn display_name(user_name: &str, profile: &Profile) -> String {
    profile.name.clone().unwrap_or_else(|| user_name.to_owned())
}
