//! Second factors, passkeys and recovery codes of accounts, as an access edit writes them.

use super::{AccessEdit, Written};
use crate::domain::access::Cause;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::{FactorKind, NewFactor, Which, why_no_codes};
use crate::domain::ssf::caep::{ChangeType, Credential};
use crate::kernel::id::{PasskeyId, UserId};
use crate::kernel::secret::Digest;
use crate::store::db::Result;
use crate::store::{factors, known_devices, memberships, users};

impl AccessEdit<'_> {
    /// Gives an account a factor. An account has one app, and one switch for each way of codes.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_factor(&mut self, user: &UserId, new: &NewFactor) -> Result<Written> {
        let rows = match new {
            NewFactor::Totp { id, sealed, last_step } => {
                self.insert_factor(user, (id.as_str(), FactorKind::Totp), Some(sealed.clone()), *last_step).await?
            }
            NewFactor::Code { id, kind } => self.insert_factor(user, (id.as_str(), *kind), None, 0).await?,
            NewFactor::Passkey { id, credential, name, content, counter } => {
                self.tx
                    .query(
                        "INSERT INTO passkeys (id, user_id, credential_id, name, content, counter, created_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                    )
                    .bind(id.as_str().to_owned())
                    .bind(user.as_str().to_owned())
                    .bind(credential.clone())
                    .bind(name.clone())
                    .bind(content.clone())
                    .bind(*counter)
                    .bind(self.at.0)
                    .execute()
                    .await?
            }
        };
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.note_credential(user, credential(new.kind()), ChangeType::Create);
        Ok(Written::Done)
    }

    async fn insert_factor(
        &mut self,
        user: &UserId,
        (id, kind): (&str, FactorKind),
        sealed: Option<Vec<u8>>,
        last_step: i64,
    ) -> Result<u64> {
        self.tx
            .query(
                "INSERT INTO factors (id, user_id, kind, sealed, last_step, created_at) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT DO NOTHING",
            )
            .bind(id.to_owned())
            .bind(user.as_str().to_owned())
            .bind(kind.as_str())
            .bind(sealed)
            .bind(last_step)
            .bind(self.at.0)
            .execute()
            .await
    }

    /// Puts an app in the place of the one that an account has: its row goes, and the new one comes. Missing where there is no
    /// other; on no browser is its code spared any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn replace_app(&mut self, user: &UserId, new: &NewFactor) -> Result<Written> {
        let gone = self
            .tx
            .query("DELETE FROM factors WHERE user_id = $1 AND kind = $2 AND id <> $3")
            .bind(user.as_str().to_owned())
            .bind(FactorKind::Totp.as_str())
            .bind(new.id().to_owned())
            .execute()
            .await?;
        if gone == 0 {
            return Ok(Written::Missing);
        }
        let written = self.put_factor(user, new).await?;
        // For others it is one credential that changed.
        self.credentials.insert((user.clone(), credential(FactorKind::Totp)), ChangeType::Update);
        known_devices::forget_factors(self.tx, user, None).await?;
        Ok(written)
    }

    /// Renames a passkey.
    ///
    /// # Errors
    /// The database's.
    pub async fn rename_passkey(&mut self, user: &UserId, passkey: &PasskeyId, name: &str) -> Result<Written> {
        let before: Option<(String,)> = self
            .tx
            .query("SELECT name FROM passkeys WHERE id = $1 AND user_id = $2")
            .bind(passkey.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .optional()
            .await?;
        match before {
            None => return Ok(Written::Missing),
            Some((before,)) if before == name => return Ok(Written::Already),
            Some(_) => {}
        }
        self.tx
            .query("UPDATE passkeys SET name = $2 WHERE id = $1")
            .bind(passkey.as_str().to_owned())
            .bind(name.to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Takes a factor away. With the last one the recovery codes go: they stand in for nothing. Where it was shown it may be what
    /// is remembered there: every browser is asked again.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_factor(&mut self, user: &UserId, which: &Which) -> Result<Written> {
        let kind = which.kind();
        let rows = match which {
            Which::Passkey(id) => {
                self.tx
                    .query("DELETE FROM passkeys WHERE id = $1 AND user_id = $2")
                    .bind(id.as_str().to_owned())
                    .bind(user.as_str().to_owned())
                    .execute()
                    .await?
            }
            Which::Totp | Which::Email | Which::Sms => self.delete_factor(user, kind).await?,
        };
        if rows == 0 {
            return Ok(Written::Missing);
        }
        self.note_credential(user, credential(kind), ChangeType::Delete);
        known_devices::forget_factors(self.tx, user, None).await?;
        self.drop_idle_codes(user).await?;
        Ok(Written::Done)
    }

    async fn delete_factor(&mut self, user: &UserId, kind: FactorKind) -> Result<u64> {
        self.tx
            .query("DELETE FROM factor_codes WHERE user_id = $1 AND kind = $2")
            .bind(user.as_str().to_owned())
            .bind(kind.as_str())
            .execute()
            .await?;
        self.tx
            .query("DELETE FROM factors WHERE user_id = $1 AND kind = $2")
            .bind(user.as_str().to_owned())
            .bind(kind.as_str())
            .execute()
            .await
    }

    /// Takes the recovery codes of an account away that has no factor any more.
    async fn drop_idle_codes(&mut self, user: &UserId) -> Result<()> {
        if !factors::held(self.tx, user).await?.any() {
            self.delete_recovery_codes(user).await?;
        }
        Ok(())
    }

    async fn delete_recovery_codes(&mut self, user: &UserId) -> Result<()> {
        let rows = self
            .tx
            .query("DELETE FROM recovery_codes WHERE user_id = $1")
            .bind(user.as_str().to_owned())
            .execute()
            .await?;
        if rows > 0 {
            self.note_credential(user, Credential::RecoveryCode, ChangeType::Delete);
        }
        Ok(())
    }

    /// Takes everything away that an account has besides its password, and ends all that it has open.
    ///
    /// # Errors
    /// The database's.
    pub async fn reset_factors(&mut self, user: &UserId) -> Result<Written> {
        let held = factors::held(self.tx, user).await?;
        // A switch that does not count now is there all the same.
        if !held.any() && held.recovery_left == 0 && factors::of_user(self.tx, user).await?.is_empty() {
            return Ok(Written::Already);
        }
        for (org, member) in memberships::all_of_user(self.tx, user).await? {
            self.touch(&org, &[member], Cause::Barred).await?;
        }
        self.forget_factors(user).await?;
        Ok(Written::Done)
    }

    /// Takes everything away that an account has besides its password; nothing ends by that alone.
    pub(super) async fn forget_factors(&mut self, user: &UserId) -> Result<()> {
        let held = factors::held(self.tx, user).await?;
        for kind in &held.kinds {
            self.note_credential(user, credential(*kind), ChangeType::Delete);
        }
        self.delete_recovery_codes(user).await?;
        for sql in [
            "DELETE FROM factor_codes WHERE user_id = $1",
            "DELETE FROM factors WHERE user_id = $1",
            "DELETE FROM passkeys WHERE user_id = $1",
            "DELETE FROM webauthn_challenges WHERE user_id = $1",
            "DELETE FROM known_devices WHERE user_id = $1",
        ] {
            self.tx.query(sql).bind(user.as_str().to_owned()).execute().await?;
        }
        Ok(())
    }

    /// Gives an account a new set of recovery codes; those before are dead, and no browser is spared a factor any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_recovery_codes(&mut self, user: &UserId, codes: &[Digest]) -> Result<Written> {
        let before = self
            .tx
            .query("DELETE FROM recovery_codes WHERE user_id = $1")
            .bind(user.as_str().to_owned())
            .execute()
            .await?;
        for code in codes {
            self.tx
                .query("INSERT INTO recovery_codes (user_id, code_hash, made_at) VALUES ($1, $2, $3)")
                .bind(user.as_str().to_owned())
                .bind(code.to_vec())
                .bind(self.at.0)
                .execute()
                .await?;
        }
        let how = if before > 0 { ChangeType::Update } else { ChangeType::Create };
        self.note_credential(user, Credential::RecoveryCode, how);
        known_devices::forget_factors(self.tx, user, None).await?;
        Ok(Written::Done)
    }

    /// Takes the codes by mail and to the phone away from an account one of whose addresses is not known to be the
    /// person's any more (H23).
    pub(super) async fn drop_code_factors(&mut self, user: &UserId, profile: &Profile) -> Result<()> {
        if why_no_codes(profile).is_none() {
            return Ok(());
        }
        for kind in [FactorKind::Email, FactorKind::Sms] {
            if self.delete_factor(user, kind).await? > 0 {
                self.note_credential(user, credential(kind), ChangeType::Delete);
                known_devices::forget_factors(self.tx, user, None).await?;
            }
        }
        self.drop_idle_codes(user).await
    }

    /// Lifts the lock of an account, and lets its count of failures begin anew.
    ///
    /// # Errors
    /// The database's.
    pub async fn unlock(&mut self, user: &UserId) -> Result<Written> {
        Ok(Written::from_rows(users::unlock(self.tx, user).await?, Written::Already))
    }
}

/// The word of security events for a kind of factor.
const fn credential(kind: FactorKind) -> Credential {
    match kind {
        FactorKind::Totp => Credential::App,
        FactorKind::Passkey => Credential::Passkey,
        FactorKind::Email => Credential::Email,
        FactorKind::Sms => Credential::PhoneSms,
    }
}
