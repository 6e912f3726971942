//! Connections' sign-ins, and who somebody is upstream, as an access edit writes them.
//!
//! # Why
//! What decides whether a session may come through a connection (its sign-in's stage, the identity) is written with the
//! connection's row locked: a session that is kept at the same moment asks under the same lock.

use super::{AccessEdit, Written};
use crate::domain::connection::ConnectionState;
use crate::domain::federation::{Claims, ClientAuth, Mapping, NewSignIn, SignInSettings, Stage, Upstream};
use crate::kernel::id::{ConnectionId, DomainId, IdentityId, MembershipId, OrgId, UserId};
use crate::store::db::{Result, corrupt};
use crate::store::federation::{identities, upstreams};
use crate::store::{connections, memberships, sessions_through};

/// Who somebody is upstream, new.
#[derive(Clone, Debug)]
pub struct NewIdentity<'a> {
    /// Its id, minted by the caller.
    pub id: &'a IdentityId,
    /// The connection.
    pub connection: &'a ConnectionId,
    /// Its organisation.
    pub org: &'a OrgId,
    /// The account here.
    pub user: &'a UserId,
    /// Its membership in the organisation.
    pub member: &'a MembershipId,
    /// Who, upstream.
    pub upstream: &'a Upstream,
    /// What was said, if the person came through just now.
    pub claims: Option<&'a Claims>,
}

/// A set-up's secrets after a new one: what is sent anew, else what was there, if it is still for the same receiver.
struct Kept {
    secret: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    public_key: Option<String>,
    poll_token: Option<Vec<u8>>,
}

impl Kept {
    fn of(new: &NewSignIn, before: Option<(&upstreams::SignIn, upstreams::Sealed)>) -> Self {
        let (core, signals) = (&new.settings.core, &new.settings.signals);
        let (mut old, mut old_public) = (upstreams::Sealed::default(), None);
        if let Some((found, sealed)) = before {
            old_public.clone_from(&found.public_key);
            old = sealed;
            // A secret that one provider was given is not sent to another because the address was changed.
            if found.settings.core.issuer != core.issuer {
                old.secret = None;
            }
            if found.settings.signals.poll_url != signals.poll_url {
                old.poll_token = None;
            }
        }
        let by_secret = matches!(core.client_auth, ClientAuth::SecretBasic | ClientAuth::SecretPost);
        let by_key = core.client_auth == ClientAuth::PrivateKeyJwt;
        Self {
            secret: new.sealed_secret.clone().or(old.secret).filter(|_| by_secret),
            key: new.sealed_key.clone().or(old.key).filter(|_| by_key),
            public_key: new.public_key.clone().or(old_public).filter(|_| by_key),
            poll_token: new.sealed_poll_token.clone().or(old.poll_token).filter(|_| signals.poll_url.is_some()),
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| corrupt(&e.to_string()))
}

fn brings_secrets(new: &NewSignIn) -> bool {
    new.sealed_secret.is_some()
        || new.sealed_key.is_some()
        || new.public_key.is_some()
        || new.sealed_poll_token.is_some()
}

impl AccessEdit<'_> {
    /// Sets a connection's sign-in up, or anew. Who the provider is makes it a draft again, which nobody has tested; of
    /// what was sealed before, that stays which goes to the same place still. `Missing` when the connection is not there.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_sign_in(&mut self, new: &NewSignIn) -> Result<Written> {
        match connections::find(self.tx, &new.org, &new.connection).await? {
            Some(found) if found.state != ConnectionState::Deleted => {}
            Some(_) | None => return Ok(Written::Missing),
        }
        sessions_through::lock(self.tx, &new.connection).await?;
        let Some(before) = upstreams::find(self.tx, &new.org, &new.connection).await? else {
            let kept = Kept::of(new, None);
            return self.insert_sign_in(new, kept).await;
        };
        if before.settings == new.settings && !brings_secrets(new) {
            return Ok(Written::Already);
        }
        let sealed = upstreams::secrets(self.tx, &new.connection).await?.unwrap_or_default();
        let kept = Kept::of(new, Some((&before, sealed)));
        let same = before.settings.core == new.settings.core;
        let stage = if same { before.stage } else { Stage::Draft };
        let tested_at = before.tested_at.filter(|_| same);
        self.tx
            .query(
                "UPDATE sign_ins_upstream SET stage = $2, revision = revision + 1, settings = $3, sealed_secret = $4,
                   sealed_key = $5, sealed_poll_token = $6, public_key = $7, polls = $8, tested_at = $9
                 WHERE connection_id = $1",
            )
            .bind(new.connection.as_str().to_owned())
            .bind(stage.as_str())
            .bind(json(&new.settings)?)
            .bind(kept.secret)
            .bind(kept.key)
            .bind(kept.poll_token)
            .bind(kept.public_key)
            .bind(polls(&new.settings))
            .bind(tested_at.map(|at| at.0))
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Revisions rise from the moment of its making: one that was taken away and is made anew has none of the old ones.
    async fn insert_sign_in(&mut self, new: &NewSignIn, kept: Kept) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO sign_ins_upstream (connection_id, org_id, stage, revision, settings, sealed_secret, sealed_key,
                   sealed_poll_token, public_key, polls, mapping, mapping_version, created_at)
                 VALUES ($1, $2, 'draft', $10, $3, $4, $5, $6, $7, $8, $9, 1, $10) ON CONFLICT DO NOTHING",
            )
            .bind(new.connection.as_str().to_owned())
            .bind(new.org.as_str().to_owned())
            .bind(json(&new.settings)?)
            .bind(kept.secret)
            .bind(kept.key)
            .bind(kept.poll_token)
            .bind(kept.public_key)
            .bind(polls(&new.settings))
            .bind(json(&Mapping::default())?)
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Opens a connection's sign-in to people, or closes it; `Taken` when the organisation enforces another. Whether it
    /// was tested, and who gets in past it, the caller judges.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_stage(&mut self, org: &OrgId, connection: &ConnectionId, stage: Stage) -> Result<Written> {
        match upstreams::find(self.tx, org, connection).await? {
            None => return Ok(Written::Missing),
            Some(found) if found.stage == stage => return Ok(Written::Already),
            Some(_) => {}
        }
        if stage == Stage::Enforced {
            if upstreams::another_is_enforced(self.tx, org, connection).await? {
                return Ok(Written::Taken);
            }
            self.wait_for_sign_ins(org).await?;
        }
        sessions_through::lock(self.tx, connection).await?;
        self.tx
            .query("UPDATE sign_ins_upstream SET stage = $2 WHERE connection_id = $1")
            .bind(connection.as_str().to_owned())
            .bind(stage.as_str())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Has whoever enters the organisation at this moment take turns with this edit: every entry is made with its
    /// member's row locked. Those before are there to be ended, those after find what this edit has written.
    async fn wait_for_sign_ins(&mut self, org: &OrgId) -> Result<()> {
        self.tx
            .query("UPDATE memberships SET break_glass = break_glass WHERE org_id = $1")
            .bind(org.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    /// Notes that somebody came through in a trial; `Missing` when the sign-in was set up anew since.
    ///
    /// # Errors
    /// The database's.
    pub async fn pass_test(&mut self, org: &OrgId, connection: &ConnectionId, revision: i64) -> Result<Written> {
        match upstreams::find(self.tx, org, connection).await? {
            Some(found) if found.revision == revision => {
                if found.tested_at.is_some() && found.stage != Stage::Draft {
                    return Ok(Written::Already);
                }
            }
            Some(_) | None => return Ok(Written::Missing),
        }
        let rows = self
            .tx
            .query(
                "UPDATE sign_ins_upstream SET tested_at = $3, stage = CASE WHEN stage = 'draft' THEN 'tested' ELSE stage END
                 WHERE connection_id = $1 AND revision = $2",
            )
            .bind(connection.as_str().to_owned())
            .bind(revision)
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Takes a connection's sign-in away, with its secrets, its mapping and the places that the mapping gave. Its people
    /// and their identities stay.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_sign_in(&mut self, org: &OrgId, connection: &ConnectionId) -> Result<Written> {
        if upstreams::find(self.tx, org, connection).await?.is_none() {
            return Ok(Written::Missing);
        }
        sessions_through::lock(self.tx, connection).await?;
        self.unplace_all(org, connection).await?;
        self.unbind_domains(org, connection).await?;
        self.tx
            .query("DELETE FROM sign_ins_upstream WHERE connection_id = $1")
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// What a connection's new state means for its sign-in: one that is enforced and works again has whoever enters take
    /// turns; of one that is deleted nothing is kept that somebody could come through with.
    pub(super) async fn follow_state(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        state: ConnectionState,
    ) -> Result<()> {
        match state {
            ConnectionState::Active => {
                let found = upstreams::find(self.tx, org, connection).await?;
                if found.is_some_and(|found| found.stage == Stage::Enforced) {
                    self.wait_for_sign_ins(org).await?;
                }
                Ok(())
            }
            ConnectionState::Disabled => Ok(()),
            ConnectionState::Deleted => self.close_sign_in(org, connection).await,
        }
    }

    /// Forgets the secrets of a connection that is deleted, and which domains led to it; nobody can use its sign-in. The
    /// places that its mapping gave stay until they are over.
    async fn close_sign_in(&mut self, org: &OrgId, connection: &ConnectionId) -> Result<()> {
        self.unbind_domains(org, connection).await?;
        self.tx
            .query(
                "UPDATE sign_ins_upstream SET stage = 'draft', revision = revision + 1, tested_at = NULL,
                   sealed_secret = NULL, sealed_key = NULL, sealed_poll_token = NULL, public_key = NULL
                 WHERE connection_id = $1",
            )
            .bind(connection.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    async fn unbind_domains(&mut self, org: &OrgId, connection: &ConnectionId) -> Result<()> {
        self.tx
            .query("UPDATE org_domains SET connection_id = NULL WHERE org_id = $1 AND connection_id = $2")
            .bind(org.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    /// Replaces the rules by which a connection's people come into groups. Where everybody is from now on, the caller
    /// works out ([`AccessEdit::place_all`]).
    ///
    /// # Errors
    /// The database's.
    pub async fn set_mapping(&mut self, org: &OrgId, connection: &ConnectionId, mapping: &Mapping) -> Result<Written> {
        match upstreams::find(self.tx, org, connection).await? {
            None => return Ok(Written::Missing),
            Some(found) if found.mapping == *mapping => return Ok(Written::Already),
            Some(_) => {}
        }
        self.tx
            .query("UPDATE sign_ins_upstream SET mapping = $2, mapping_version = mapping_version + 1 WHERE connection_id = $1")
            .bind(connection.as_str().to_owned())
            .bind(json(mapping)?)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Notes who somebody is upstream; `Taken` when that is another account, or the account is somebody else there.
    ///
    /// # Errors
    /// The database's.
    pub async fn link(&mut self, new: &NewIdentity<'_>) -> Result<Written> {
        let by = self.author().to_owned();
        let claims = new.claims.map_or_else(|| Ok("{}".to_owned()), json)?;
        let rows = self
            .tx
            .query(
                "INSERT INTO upstream_identities (id, connection_id, org_id, issuer, subject, user_id, membership_id, claims,
                   linked_at, linked_by, last_sign_in_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            )
            .bind(new.id.as_str().to_owned())
            .bind(new.connection.as_str().to_owned())
            .bind(new.org.as_str().to_owned())
            .bind(new.upstream.issuer.clone())
            .bind(new.upstream.subject.clone())
            .bind(new.user.as_str().to_owned())
            .bind(new.member.as_str().to_owned())
            .bind(claims)
            .bind(self.at.0)
            .bind(by)
            .bind(new.claims.map(|_| self.at.0))
            .execute()
            .await?;
        if rows > 0 {
            return Ok(Written::Done);
        }
        let there = identities::find(self.tx, new.connection, new.upstream).await?;
        Ok(if there.is_some_and(|there| there.user == *new.user) { Written::Already } else { Written::Taken })
    }

    /// Forgets who an account is upstream; the places that the connection's mapping gave it go too.
    ///
    /// # Errors
    /// The database's.
    pub async fn unlink(&mut self, org: &OrgId, user: &UserId, identity: &IdentityId) -> Result<Written> {
        let found = identities::by_id(self.tx, org, identity).await?.filter(|found| found.user == *user);
        let Some(found) = found else {
            return Ok(Written::Missing);
        };
        sessions_through::lock(self.tx, &found.connection).await?;
        self.unplace(org, &found.connection, &found.member).await?;
        self.tx
            .query("DELETE FROM upstream_identities WHERE id = $1")
            .bind(identity.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Forgets who a membership's account is upstream, and what mappings gave it: the membership goes, or becomes another
    /// person's. A session that came through such an identity is refused from then on.
    pub(super) async fn forget_upstream(&mut self, member: &MembershipId) -> Result<()> {
        for sql in [
            "DELETE FROM upstream_identities WHERE membership_id = $1",
            "DELETE FROM group_members WHERE membership_id = $1 AND expires_at IS NOT NULL",
        ] {
            self.tx.query(sql).bind(member.as_str().to_owned()).execute().await?;
        }
        Ok(())
    }

    /// Notes that somebody came through, and what was said of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_came(&mut self, identity: &IdentityId, claims: &Claims) -> Result<()> {
        self.tx
            .query("UPDATE upstream_identities SET last_sign_in_at = $2, claims = $3 WHERE id = $1")
            .bind(identity.as_str().to_owned())
            .bind(self.at.0)
            .bind(json(claims)?)
            .execute()
            .await
            .map(|_| ())
    }

    /// Lets a member sign in with a password though a connection is enforced, or no longer. Whether the member can be
    /// one who does, the caller judges, and it is judged again at each use; what was opened so is the caller's to end.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_break_glass(&mut self, org: &OrgId, member: &MembershipId, on: bool) -> Result<Written> {
        if memberships::find(self.tx, org, member).await?.is_none() {
            return Ok(Written::Missing);
        }
        let rows = self
            .tx
            .query("UPDATE memberships SET break_glass = $2 WHERE id = $1 AND break_glass <> $2")
            .bind(member.as_str().to_owned())
            .bind(on)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Already))
    }

    /// Says which connection the people of a domain sign in through; `Missing` when the domain or the connection is not
    /// there.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_domain_connection(
        &mut self,
        org: &OrgId,
        domain: &DomainId,
        connection: Option<&ConnectionId>,
    ) -> Result<Written> {
        let Some(found) = crate::store::domains::find(self.tx, org, domain).await? else {
            return Ok(Written::Missing);
        };
        if let Some(connection) = connection {
            match connections::find(self.tx, org, connection).await? {
                Some(found) if found.state != ConnectionState::Deleted => {}
                Some(_) | None => return Ok(Written::Missing),
            }
        }
        if found.connection.as_ref() == connection {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE org_domains SET connection_id = $3 WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(domain.as_str().to_owned())
            .bind(connection.map(|id| id.as_str().to_owned()))
            .execute()
            .await?;
        Ok(Written::Done)
    }
}

/// Whether the provider's events are fetched.
const fn polls(settings: &SignInSettings) -> bool {
    settings.signals.poll_url.is_some()
}

#[cfg(test)]
mod tests;
