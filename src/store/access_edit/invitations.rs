//! Invitations, as an access edit writes them: what one brings becomes a membership when it is accepted, and not before.

use super::{AccessEdit, Written};
use crate::domain::access::{Binding, Subject};
use crate::domain::change::NewInvitation;
use crate::domain::people::invitation::{Access, State};
use crate::domain::people::user::MembershipState;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{BindingId, InvitationId, MembershipId, OrgId, UserId};
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::db::{Result, corrupt};
use crate::store::invitations::Invitation;
use crate::store::links;

/// How an invitation stands after its mail is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Renewed {
    /// Its state.
    pub state: State,
    /// When the new link ends.
    pub link_expires_at: UnixMillis,
    /// When it ends itself.
    pub expires_at: UnixMillis,
    /// Whether whoever asks answers for it from now on.
    pub taken_over: bool,
}

impl AccessEdit<'_> {
    /// The account of whoever asks, if it is a person: its reach counts when an invitation of theirs is accepted.
    fn inviter(&self) -> Option<String> {
        self.author.strip_prefix("user:").map(str::to_owned)
    }

    /// Makes an invitation, whose mail was not sent yet; `Taken` when the address has an open one here.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_invitation(&mut self, new: &NewInvitation, expires_at: UnixMillis) -> Result<Written> {
        let roles = serde_json::to_string(&new.access.roles).map_err(|e| corrupt(&e.to_string()))?;
        let (author, inviter) = (self.author.clone(), self.inviter());
        let rows = self
            .tx
            .query(
                "INSERT INTO invitations (id, org_id, email, email_key, name, given_name, family_name, language, state, reason,
                   roles, created_by, inviter_id, sent, sent_since, sent_in_a_day, last_sent_at, link_expires_at, expires_at,
                   created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'processing', '', $9, $10, $11, 1, $12, 1, $12, $13, $14, $12)
                 ON CONFLICT DO NOTHING",
            )
            .bind(new.id.as_str().to_owned())
            .bind(new.org.as_str().to_owned())
            .bind(new.email.clone())
            .bind(fold::key(&new.email))
            .bind(new.name.trim().to_owned())
            .bind(new.given_name.trim().to_owned())
            .bind(new.family_name.trim().to_owned())
            .bind(new.language.as_str())
            .bind(roles)
            .bind(author)
            .bind(inviter)
            .bind(self.at.0)
            .bind(new.link.expires_at.0)
            .bind(expires_at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        for group in &new.access.groups {
            self.tx
                .query("INSERT INTO invitation_groups (group_id, invitation_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(group.as_str().to_owned())
                .bind(new.id.as_str().to_owned())
                .execute()
                .await?;
        }
        Ok(Written::Done)
    }

    /// Notes that an invitation's mail is sent again; `Taken` when its address has another open one by now.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew_invitation(&mut self, found: &Invitation, renewed: Renewed) -> Result<Written> {
        let new_day = self.at.since(found.sent_since) >= DAY;
        let (since, in_a_day) = if new_day { (self.at, 1) } else { (found.sent_since, found.sent_in_a_day + 1) };
        let (author, inviter) = if renewed.taken_over {
            (self.author.clone(), self.inviter())
        } else {
            (found.created_by.clone(), found.inviter.as_ref().map(|id| id.as_str().to_owned()))
        };
        let rows = self
            .tx
            .query(
                "UPDATE invitations SET state = $2, reason = '', sent = sent + 1, sent_since = $3, sent_in_a_day = $4,
                   last_sent_at = $5, link_expires_at = $6, expires_at = $7, created_by = $8, inviter_id = $9,
                   decided_at = NULL
                 WHERE id = $1 AND state NOT IN ('accepted', 'declined', 'cancelled') AND NOT EXISTS
                   (SELECT 1 FROM invitations o WHERE o.org_id = invitations.org_id AND o.email_key = invitations.email_key
                      AND o.id <> $1 AND o.state IN ('processing', 'pending'))",
            )
            .bind(found.id.as_str().to_owned())
            .bind(renewed.state.as_str())
            .bind(since.0)
            .bind(in_a_day)
            .bind(self.at.0)
            .bind(renewed.link_expires_at.0)
            .bind(renewed.expires_at.0)
            .bind(author)
            .bind(inviter)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Ends an invitation that nobody has answered yet; `Missing` when somebody has. Its links end with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_invitation(&mut self, id: &InvitationId, state: State, reason: &str) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "UPDATE invitations SET state = $2, reason = $3, decided_at = $4
                 WHERE id = $1 AND state NOT IN ('accepted', 'declined', 'cancelled')",
            )
            .bind(id.as_str().to_owned())
            .bind(state.as_str())
            .bind(reason.to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows > 0 {
            links::end_of_invitation(self.tx, id, "withdrawn", self.at).await?;
        }
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Cancels the open invitations that somebody sent who is gone: in one organisation, or in all.
    ///
    /// # Errors
    /// The database's.
    pub async fn cancel_invitations_of(&mut self, inviter: &UserId, org: Option<&OrgId>) -> Result<()> {
        let open: Vec<(String,)> = self
            .tx
            .query(
                "SELECT id FROM invitations
                 WHERE inviter_id = $1 AND state IN ('processing', 'pending') AND ($2 = '' OR org_id = $2)",
            )
            .bind(inviter.as_str().to_owned())
            .bind(org.map(|id| id.as_str().to_owned()).unwrap_or_default())
            .all()
            .await?;
        for (id,) in open {
            self.end_invitation(&InvitationId::trusted(id), State::Cancelled, "inviter_gone").await?;
        }
        Ok(())
    }

    /// Makes an account a member with what an invitation brings; `Missing` when the invitation is not open any more, and
    /// `Already` when the account is a member. What of the access is not there any more is left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn accept_invitation(
        &mut self,
        invitation: &Invitation,
        access: &Access,
        user: &UserId,
        member: &MembershipId,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "UPDATE invitations SET state = 'accepted', user_id = $2, membership_id = $3, decided_at = $4
                 WHERE id = $1 AND state IN ('processing', 'pending')",
            )
            .bind(invitation.id.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .bind(member.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Missing);
        }
        let source = Source::Invitation(invitation.id.as_str().to_owned());
        let written = self.add_member(&invitation.org, member, user, MembershipState::Active, &source).await?;
        if written != Written::Done {
            return Ok(written);
        }
        // What it brings was given by whoever invited, not by whoever accepts.
        let asker = std::mem::replace(&mut self.author, invitation.created_by.clone());
        let given = self.give(&invitation.org, access, member, &source).await;
        self.author = asker;
        given.map(|()| Written::Done)
    }

    async fn give(&mut self, org: &OrgId, access: &Access, member: &MembershipId, source: &Source) -> Result<()> {
        for group in &access.groups {
            self.add_to_group(org, group, std::slice::from_ref(member), source).await?;
        }
        for offered in &access.roles {
            let binding = Binding {
                id: BindingId::fresh(),
                role: offered.role.clone(),
                scope: offered.scope.clone(),
                subject: Subject::Member(member.clone()),
                window: offered.window,
            };
            if self.bind(org, &binding).await? == Written::Done {
                self.tx
                    .query("UPDATE bindings SET source = $2 WHERE id = $1")
                    .bind(binding.id.as_str().to_owned())
                    .bind(source.to_string())
                    .execute()
                    .await?;
            }
        }
        Ok(())
    }
}
