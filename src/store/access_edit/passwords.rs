//! Passwords and proven addresses of accounts, as an access edit writes them. The hash before is always kept.

use super::{AccessEdit, Written};
use crate::domain::access::Cause;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::FactorKind;
use crate::domain::people::user::UserState;
use crate::domain::ssf::caep::{ChangeType, Credential};
use crate::kernel::fold;
use crate::kernel::id::UserId;
use crate::store::db::Result;
use crate::store::{known_devices, memberships, users};

impl AccessEdit<'_> {
    /// Sets an account's password and ends everything that the old one opened.
    ///
    /// # Errors
    /// The database's.
    pub async fn reset_password(&mut self, user: &UserId, password: &str, must_change: bool) -> Result<Written> {
        for (org, member) in memberships::all_of_user(self.tx, user).await? {
            self.touch(&org, &[member], Cause::Barred).await?;
        }
        self.write_password(user, password, must_change).await
    }

    /// Sets the first password of an account that waited for it: it is active from then on.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_first_password(&mut self, user: &UserId, password: &str) -> Result<Written> {
        match self.set_user_state(user, UserState::Active).await? {
            Written::Missing => Ok(Written::Missing),
            Written::Done | Written::Already | Written::Taken => self.write_password(user, password, false).await,
        }
    }

    /// Sets an account's password at its person's own wish; nothing ends by that, no lock either.
    ///
    /// # Errors
    /// The database's.
    pub async fn change_password(&mut self, user: &UserId, password: &str) -> Result<Written> {
        self.keep_password(user).await?;
        known_devices::forget_all(self.tx, user).await?;
        let rows = self
            .tx
            .query(
                "UPDATE users SET password = $2, password_at = $3, must_change = $4, password_by = NULL, failures = 0,
                   updated_at = $3 WHERE id = $1",
            )
            .bind(user.as_str().to_owned())
            .bind(password.to_owned())
            .bind(self.at.0)
            .bind(false)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Keeps the password that another takes the place of, if there is one.
    async fn keep_password(&mut self, user: &UserId) -> Result<()> {
        let had_one = users::keep_password(self.tx, user, self.at).await?;
        self.note_credential(user, Credential::Password, if had_one { ChangeType::Update } else { ChangeType::Create });
        Ok(())
    }

    async fn write_password(&mut self, user: &UserId, password: &str, must_change: bool) -> Result<Written> {
        self.keep_password(user).await?;
        known_devices::forget_all(self.tx, user).await?;
        let rows = self
            .tx
            .query(
                "UPDATE users SET password = $2, password_at = $3, must_change = $4, password_by = NULL, failures = 0,
                   in_a_row = 0, locked_until = 0, updated_at = $3 WHERE id = $1",
            )
            .bind(user.as_str().to_owned())
            .bind(password.to_owned())
            .bind(self.at.0)
            .bind(must_change)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Notes by which way the link came that the password was set with just now: a code by the same way is no second factor
    /// beside it.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_password_by(&mut self, user: &UserId, by: FactorKind) -> Result<()> {
        self.tx
            .query("UPDATE users SET password_by = $2 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(by.as_str())
            .execute()
            .await
            .map(|_| ())
    }

    /// Notes that a link which was sent to an address came back: if it is the account's own, it is the person's.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_proven(&mut self, user: &UserId, address: &str) -> Result<()> {
        let Some(found) = users::find(self.tx, user).await? else {
            return Ok(());
        };
        let proven = proven(&found.profile, address);
        if users::same_profile(&proven, &found.profile) {
            return Ok(());
        }
        let proven = Profile { updated_at: self.at.seconds(), ..proven };
        self.tx
            .query("UPDATE users SET profile = $2, updated_at = $3 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(users::profile_json(&proven))
            .bind(self.at.0)
            .execute()
            .await
            .map(|_| ())
    }
}

/// A profile of which an address, or a number, is known to be the person's.
fn proven(profile: &Profile, address: &str) -> Profile {
    let email = profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(address));
    let phone = fold::looks_like_phone(address)
        && profile.phone_number.as_deref().is_some_and(|own| fold::phone_key(own) == fold::phone_key(address));
    Profile {
        email_verified: profile.email_verified || email,
        phone_number_verified: profile.phone_number_verified || phone,
        ..profile.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_proves_the_address_that_it_was_sent_to_and_no_other() {
        let profile = Profile {
            email: Some("Ana@acme.test".to_owned()),
            phone_number: Some("+82 10 1234 5678".to_owned()),
            ..Profile::default()
        };
        let facts = |address: &str| {
            let proven = proven(&profile, address);
            (proven.email_verified, proven.phone_number_verified)
        };
        assert_eq!(facts("ana@ACME.test"), (true, false));
        assert_eq!(facts("+821012345678"), (false, true));
        assert_eq!(facts("bo@acme.test"), (false, false));
        assert_eq!(facts(""), (false, false));
    }
}
