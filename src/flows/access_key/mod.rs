//! Access keys: a tool proves who it is with a key's id and secret, and gets API tokens for an hour.
//!
//! What a key is worth is asked of the database at every use, in one statement: the key, its account, membership,
//! organisation and project, and whether the one token was revoked.

mod accept;
mod authenticate;
mod issue;

use serde_json::{Map, Value};

pub(super) use accept::accept;
pub(super) use authenticate::authenticate;
pub use issue::issue;

use super::accept_token::text;
use crate::app::App;
use crate::domain::change::NewAccessKey;
use crate::kernel::id::{AccessKeyId, MembershipId, ProjectId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::access_keys::{self, Standing};

/// What every key's secret begins with, so that it is found where it was left lying about.
pub const SECRET_PREFIX: &str = "mks_";

/// A new key, to be asked for at the door, and its secret, for whoever asks: it is nowhere else.
#[must_use]
pub fn mint(
    app: &App,
    member: MembershipId,
    project: ProjectId,
    name: String,
    expires_at: UnixMillis,
) -> (NewAccessKey, Secret) {
    let secret = Secret::mint(&*app.chance, SECRET_PREFIX);
    let id = AccessKeyId::fresh();
    (NewAccessKey { id, member, project, name, secret: secret.digest(), expires_at }, secret)
}

/// Whether a key gives tokens at `now`: it is active and in time, and so is everybody whom it hangs on.
fn stands(key: &Standing, now: UnixMillis) -> bool {
    key.active && now < key.expires_at && key.user_active && key.member.as_ref().is_some_and(|member| member.active)
}

/// Whether a token with these claims, which we signed, is honoured at `now`.
fn honours(key: &Standing, claims: &Map<String, Value>, now: UnixMillis) -> bool {
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(issued), Some(acv)) = (number("iat"), number("acv")) else {
        return false;
    };
    // By whole seconds: what was issued in the second in which it was disabled is refused too.
    let later = key.tokens_from == UnixMillis::MIN || issued > key.tokens_from.seconds();
    let same = text(claims, "sub") == Some(key.user.as_str())
        && text(claims, "client_id") == Some(key.id.as_str())
        && text(claims, "org_id") == Some(key.org.as_str());
    let current = key.member.as_ref().is_some_and(|member| acv >= member.acv_least);
    same && stands(key, now) && later && current && !key.token_revoked
}

/// Notes that a key was used, at most once a minute; nobody waits for it, and a note that is lost costs a minute.
fn note_use(app: &App, key: &Standing) {
    let now = app.now();
    if key.last_used_at.is_some_and(|last| now.since(last) < MINUTE) {
        return;
    }
    let (app, id) = (app.clone(), key.id.clone());
    tokio::spawn(async move {
        let noted: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { access_keys::note_use(tx, &id, now).await })).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "an access key's last use was not noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::standing::MemberStanding;
    use crate::kernel::id::{OrgId, UserId};
    use crate::kernel::secret::Digest;

    const NOW: UnixMillis = UnixMillis(50_000);

    fn key() -> Standing {
        let member = MemberStanding {
            id: MembershipId::from_u128(1),
            active: true,
            owner: false,
            org_slug: "acme".to_owned(),
            acv: 7,
            acv_least: 5,
            epoch: 1,
        };
        Standing {
            id: AccessKeyId::from_u128(1),
            org: OrgId::from_u128(1),
            project: ProjectId::from_u128(1),
            project_key: "web".to_owned(),
            user: UserId::from_u128(1),
            secret: Digest::of(b"x"),
            active: true,
            tokens_from: UnixMillis::MIN,
            expires_at: UnixMillis(100_000),
            last_used_at: None,
            user_active: true,
            service: false,
            restricted: false,
            member: Some(member),
            token_revoked: false,
        }
    }

    fn member(change: impl FnOnce(&mut MemberStanding)) -> Option<MemberStanding> {
        let mut member = key().member?;
        change(&mut member);
        Some(member)
    }

    fn claims(changed: &Value) -> Map<String, Value> {
        let mut claims = json!({
            "sub": key().user.as_str(), "client_id": key().id.as_str(), "org_id": key().org.as_str(), "iat": 40, "acv": 5,
        });
        for (name, value) in changed.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims.as_object().expect("an object").clone()
    }

    #[test]
    fn a_key_gives_nothing_unless_it_and_everybody_it_hangs_on_are_active() {
        assert!(stands(&key(), NOW) && stands(&key(), UnixMillis(99_999)));
        assert!(!stands(&key(), UnixMillis(100_000)), "its time is over");
        let barred = [
            Standing { active: false, ..key() },
            Standing { user_active: false, ..key() },
            Standing { member: None, ..key() },
            Standing { member: member(|member| member.active = false), ..key() },
        ];
        assert!(barred.iter().all(|key| !stands(key, NOW) && !honours(key, &claims(&json!({})), NOW)));
    }

    #[test]
    fn a_token_is_honoured_as_long_as_nothing_was_taken_since_it_was_made() {
        assert!(honours(&key(), &claims(&json!({})), NOW));
        let dead = [
            Standing { token_revoked: true, ..key() },
            Standing { tokens_from: UnixMillis(40_999), ..key() },
            Standing { member: member(|member| member.acv_least = 6), ..key() },
        ];
        assert!(dead.iter().all(|key| !honours(key, &claims(&json!({})), NOW)));
        assert!(honours(&Standing { tokens_from: UnixMillis(39_999), ..key() }, &claims(&json!({})), NOW));
    }

    #[test]
    fn a_token_of_somebody_else_or_without_its_versions_is_not_this_keys() {
        for changed in [
            json!({ "sub": "usr_x" }),
            json!({ "client_id": "shop" }),
            json!({ "org_id": "org_x" }),
            json!({ "iat": null }),
            json!({ "acv": null }),
        ] {
            assert!(!honours(&key(), &claims(&changed), NOW), "{changed}");
        }
    }
}
