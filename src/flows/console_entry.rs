//! An administrator's way into the console of an organisation: the pages hang on an entry of the browser's session there,
//! as an application does, so that whatever ends the member's sessions shuts them at the next request.
//!
//! # Why
//! An application whose entry is over asks again and may get a new one. The console is asked by the browser alone, so the
//! end of an entry counts until the person proves themselves anew: else the next click would undo what an administrator
//! has ended. Idle is measured by the console's own use: whatever else is done in the browser keeps no console open.

use super::authorize::{Opened, Opening, note_sign_in};
use super::entering;
use super::federation::{Opens, opens};
use crate::app::App;
use crate::domain::people::second_factor::Demand;
use crate::kernel::id::EntryId;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::console_entries::{self, Newest};
use crate::store::cookies::Facts;
use crate::store::memberships::Entrance;

/// Whether somebody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They do.
    In,
    /// They must sign in to the organisation first.
    SignIn,
    /// They must show a second factor, or make one.
    Factor,
}

/// Lets a member in who is signed in: with the entry that the session has in the organisation, or with a new one. That the
/// membership stands, and admits them, was judged before. A session that came through a connection of another
/// organisation opens nothing here, nor one that did not come through the connection that this one enforces.
///
/// # Errors
/// The database's: then nobody gets in.
pub async fn enter(app: &App, facts: &Facts, entrance: &Entrance) -> Result<Way, sqlx::Error> {
    if opens(facts.through.as_ref(), entrance) != Opens::Yes {
        return Ok(Way::SignIn);
    }
    let now = app.now();
    let mut conn = app.db.read().await?;
    let newest = console_entries::newest(&mut conn, &facts.id, &entrance.org).await?;
    let step = judge(newest.as_ref(), entrance, facts.auth_time, now);
    if step != Step::SignIn && entering::demand_of_visit(app, &mut conn, facts, entrance).await? != Demand::Nothing {
        return Ok(Way::Factor);
    }
    drop(conn);
    match step {
        Step::SignIn => Ok(Way::SignIn),
        Step::Open => open(app, facts, entrance, now).await,
        Step::Use(entry, used) => {
            note_sign_in(app, entrance, now);
            note_use(app, entry, used, now);
            Ok(Way::In)
        }
    }
}

/// Lets an operator in, whom no membership lets in; one who has a second factor has shown it.
///
/// # Errors
/// The database's: then nobody gets in.
pub async fn enter_as_operator(app: &App, facts: &Facts) -> Result<Way, sqlx::Error> {
    let owes = entering::operator_owes_a_factor(app, &mut app.db.read().await?, facts).await?;
    Ok(if owes { Way::Factor } else { Way::In })
}

/// What an entry is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It carries this request; when it carried one last.
    Use(EntryId, Option<UnixMillis>),
    /// There is none, or it came to its end by itself, or the person has signed in since: a new one is made.
    Open,
    /// It was ended, or the sign-in is too old for the organisation.
    SignIn,
}

fn judge(newest: Option<&Newest>, entrance: &Entrance, signed_in: UnixMillis, now: UnixMillis) -> Step {
    let used = newest.and_then(|entry| entry.console_at);
    let last = used.map_or(signed_in, |at| at.max(signed_in));
    let idle = entrance.session_idle.is_some_and(|most| now.since(last) > most);
    let old = entrance.session_absolute.is_some_and(|most| now.since(signed_in) > most);
    if idle || old {
        return Step::SignIn;
    }
    let Some(entry) = newest else {
        return Step::Open;
    };
    let stands = entry.member.as_ref() == Some(&entrance.member) && entry.epoch >= entrance.epoch;
    let over = match entry.ended_at {
        Some(at) => at,
        None if entry.expires_at <= now => return Step::Open,
        None if stands => return Step::Use(entry.id.clone(), used),
        // Made while the membership's sessions were being ended, or for a membership that is gone.
        None => entry.created_at,
    };
    if over >= signed_in { Step::SignIn } else { Step::Open }
}

async fn open(app: &App, facts: &Facts, entrance: &Entrance, now: UnixMillis) -> Result<Way, sqlx::Error> {
    let opening = Opening::new(app, facts, Some(entrance), now);
    let written: Result<Opened, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let opened = opening.write(tx, now).await?;
                console_entries::note_use(tx, &opening.entry.id, now).await?;
                Ok(opened)
            })
        })
        .await;
    Ok(match written? {
        Opened::Alone => Way::In,
        Opened::InsteadOfOthers => {
            app.outbox_bell.notify_one();
            Way::In
        }
        // The browser's session was ended meanwhile.
        Opened::SessionOver | Opened::TooLate => Way::SignIn,
    })
}

/// The last use is written at most once a minute, and nobody waits for it.
fn note_use(app: &App, entry: EntryId, used: Option<UnixMillis>, now: UnixMillis) {
    if used.is_some_and(|at| now.since(at) < MINUTE) {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        let noted: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { console_entries::note_use(tx, &entry, now).await })).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the use of a console was not noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::OrgSettings;
    use crate::kernel::id::{MembershipId, OrgId};

    const SIGNED_IN: UnixMillis = UnixMillis(1_000);
    const NOW: UnixMillis = UnixMillis(5_000);

    fn entrance(idle: Option<i64>, absolute: Option<i64>) -> Entrance {
        Entrance {
            org: OrgId::from_u128(1),
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            member: MembershipId::from_u128(2),
            epoch: 3,
            owner: false,
            session_idle: idle,
            session_absolute: absolute,
            settings: OrgSettings::default(),
            restricted_to: None,
            last_sign_in_at: None,
            enforced: None,
            break_glass: false,
        }
    }

    fn entry(change: impl FnOnce(&mut Newest)) -> Newest {
        let mut entry = Newest {
            id: EntryId::from_u128(4),
            member: Some(MembershipId::from_u128(2)),
            epoch: 3,
            created_at: UnixMillis(2_000),
            expires_at: UnixMillis(9_000),
            ended_at: None,
            console_at: None,
        };
        change(&mut entry);
        entry
    }

    fn judged(entry: &Newest) -> Step {
        judge(Some(entry), &entrance(None, None), SIGNED_IN, NOW)
    }

    #[test]
    fn a_live_entry_is_used_and_the_first_visit_makes_one() {
        assert_eq!(judge(None, &entrance(None, None), SIGNED_IN, NOW), Step::Open);
        assert_eq!(judged(&entry(|_| {})), Step::Use(EntryId::from_u128(4), None));
        assert_eq!(judged(&entry(|entry| entry.expires_at = NOW)), Step::Open, "it ran out by itself");
    }

    #[test]
    fn what_was_ended_stays_shut_until_the_person_has_signed_in_anew() {
        let ended = |at| move |entry: &mut Newest| entry.ended_at = Some(UnixMillis(at));
        assert_eq!(judged(&entry(ended(4_000))), Step::SignIn);
        assert_eq!(judged(&entry(ended(1_000))), Step::SignIn, "at the same moment");
        assert_eq!(judged(&entry(ended(999))), Step::Open);
        let both = entry(|entry| (entry.expires_at, entry.ended_at) = (UnixMillis(4_500), Some(UnixMillis(4_000))));
        assert_eq!(judged(&both), Step::SignIn, "ended, and run out later");
        for dead in [entry(|entry| entry.epoch = 2), entry(|entry| entry.member = Some(MembershipId::from_u128(9)))] {
            assert_eq!(judged(&dead), Step::SignIn);
            assert_eq!(judge(Some(&dead), &entrance(None, None), UnixMillis(2_001), NOW), Step::Open);
        }
    }

    #[test]
    fn the_limits_of_the_organisation_count_from_the_sign_in_and_from_the_last_use_of_the_console() {
        let of = |entry: Option<&Newest>, idle, absolute| judge(entry, &entrance(idle, absolute), SIGNED_IN, NOW);
        let used = entry(|entry| entry.console_at = Some(UnixMillis(4_500)));
        assert_eq!(of(Some(&used), Some(500), None), Step::Use(used.id.clone(), used.console_at));
        assert_eq!(of(Some(&used), Some(499), None), Step::SignIn);
        assert_eq!(of(None, Some(4_000), None), Step::Open);
        assert_eq!(of(None, Some(3_999), None), Step::SignIn);
        assert_eq!(of(Some(&used), None, Some(4_000)), Step::Use(used.id.clone(), used.console_at));
        assert_eq!(of(Some(&used), None, Some(3_999)), Step::SignIn);
    }
}
