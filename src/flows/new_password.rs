//! The password that somebody gets: checked by the rules that hold for the account, then hashed.
//!
//! The text is normalised (NFC) before it is checked and hashed; whoever verifies one normalises it too.

use crate::app::App;
use crate::domain::people::password::{self, About, Rules, Shortfall};
use crate::domain::people::user::Kind;
use crate::kernel::id::UserId;
use crate::kernel::secret::Secret;
use crate::outside::hasher::Busy;
use crate::store::db::Conn;
use crate::store::orgs;
use crate::store::users::{self, User};

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It falls short of the rules, in all of these ways.
    #[error("the password falls short")]
    Short(Vec<Shortfall>),
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database failed, or the account isn't there.
    #[error("the database failed: {0}")]
    Store(#[from] sqlx::Error),
}

/// The rules for an account: its organisation's, the instance's for people's own accounts, the operators' own.
///
/// # Errors
/// The database's.
pub async fn rules_of(app: &App, conn: &mut Conn, kind: &Kind) -> Result<Rules, sqlx::Error> {
    Ok(match kind {
        Kind::Managed(org) | Kind::Service(org, _) => orgs::settings(conn, org).await?.passwords.rules(),
        Kind::Own => app.config.passwords.preset.rules(),
        Kind::Operator => Rules::OPERATOR,
    })
}

/// The words that a password of such an account can't be made of: the name and the slug of its organisation.
///
/// # Errors
/// The database's.
pub async fn words_of(conn: &mut Conn, kind: &Kind) -> Result<Vec<String>, sqlx::Error> {
    let org = match kind.org() {
        Some(org) => orgs::find(conn, org).await?,
        None => None,
    };
    Ok(org.into_iter().flat_map(|org| [org.name, org.slug]).collect())
}

/// What others know of an account's holder.
///
/// # Errors
/// The database's.
pub async fn about(conn: &mut Conn, user: &User) -> Result<About, sqlx::Error> {
    Ok(About {
        user_name: user.user_name.clone(),
        email: user.profile.email.clone(),
        phone: user.profile.phone_number.clone(),
        words: words_of(conn, &user.kind).await?,
    })
}

/// The PHC text of a new account's password that keeps the rules.
///
/// # Errors
/// It falls short, or too many wait to be hashed.
pub async fn hash(app: &App, password: Secret, rules: &Rules, about: &About) -> Result<String, Unfit> {
    let password = fit(&password, rules, about)?;
    Ok(app.hasher.hash(password).await?)
}

/// The PHC text of another password for an account that is there: its rules, those of its passwords of before and, when
/// the holder changes it, the age of today's. Who changes their own never takes the same again.
///
/// # Errors
/// It falls short, too many wait to be hashed, or the database failed; an account that isn't there is `RowNotFound`.
pub async fn for_account(app: &App, user: &UserId, password: Secret, by_self: bool) -> Result<String, Unfit> {
    let mut conn = app.db.read().await?;
    let found = users::find(&mut conn, user).await?.ok_or(sqlx::Error::RowNotFound)?;
    let rules = rules_of(app, &mut conn, &found.kind).await?;
    let about = about(&mut conn, &found).await?;
    let password = fit(&password, &rules, &about)?;
    let facts = users::password_facts(&mut conn, user).await?.ok_or(sqlx::Error::RowNotFound)?;
    let age = facts.set_at.filter(|_| facts.password.is_some()).map(|at| app.now().since(at));
    if by_self && !facts.must_change && age.is_some_and(|age| age < rules.least_age) {
        return Err(Unfit::Short(vec![Shortfall::TooSoon(rules.least_age)]));
    }
    let most = rules.history.max(usize::from(by_self));
    let mut before: Vec<String> = facts.password.into_iter().take(most).collect();
    if before.len() < most {
        let older = i64::try_from(most - before.len()).unwrap_or(i64::MAX);
        before.extend(users::password_history(&mut conn, user, older).await?);
    }
    // Nobody waits for a connection that stands by while passwords are hashed.
    drop(conn);
    for hash in before {
        if app.hasher.verify(Some(hash), password.clone()).await?.matches {
            return Err(Unfit::Short(vec![Shortfall::Reused]));
        }
    }
    Ok(app.hasher.hash(password).await?)
}

/// Whether an account's password is older than its rules allow. One whose age nobody knows is.
///
/// # Errors
/// The database's.
pub async fn expired(app: &App, conn: &mut Conn, user: &UserId) -> Result<bool, sqlx::Error> {
    let Some(found) = users::find(conn, user).await? else {
        return Ok(false);
    };
    let Some(life) = rules_of(app, conn, &found.kind).await?.expiry else {
        return Ok(false);
    };
    let facts = users::password_facts(conn, user).await?;
    let facts = facts.filter(|facts| facts.password.is_some());
    Ok(facts.is_some_and(|facts| facts.set_at.is_none_or(|at| app.now().since(at) >= life)))
}

/// The password in the spelling that is hashed, if it keeps the rules.
fn fit(password: &Secret, rules: &Rules, about: &About) -> Result<Secret, Unfit> {
    let text = password.expose();
    let found = password::check(rules, text, about);
    if found.is_empty() { Ok(Secret::presented(password::normalise(text))) } else { Err(Unfit::Short(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_keeps_the_rules_is_hashed_in_its_one_spelling() {
        let fit = |text: &str| fit(&Secret::presented(text), &Rules::CLOUD_IAM, &About::default());
        assert_eq!(fit("Tide7-Kqe\u{301}").unwrap().expose(), "Tide7-Kqé");
        assert!(matches!(fit("abc"), Err(Unfit::Short(found)) if found[0] == Shortfall::Length(6, 32)));
        assert!(matches!(fit(&"x".repeat(password::MOST_BYTES + 1)), Err(Unfit::Short(found)) if found.len() == 1));
    }
}
