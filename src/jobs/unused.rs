//! Suspends members whom nothing has used for as many days as their organisation allows, through the door.

use crate::app::App;
use crate::domain::change::{Actor, Change, Mode};
use crate::domain::people::user::MembershipState;
use crate::flows::change_access::change_access;
use crate::kernel::id::{MembershipId, OrgId};
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::{orgs, sign_ins};

/// So many members are suspended as one change.
const TOGETHER: i64 = 100;

/// Looks through every organisation that asks for it.
pub async fn suspend(app: App) {
    let asking = match app.db.read().await {
        Ok(mut conn) => orgs::suspending_unused(&mut conn).await,
        Err(error) => Err(error),
    };
    match asking {
        Ok(orgs) => {
            for (org, days) in orgs {
                in_org(&app, &org, app.now().minus(i64::from(days) * DAY)).await;
            }
        }
        Err(error) => tracing::error!(%error, "members who are not seen any more can't be looked for"),
    }
}

async fn in_org(app: &App, org: &OrgId, since: UnixMillis) {
    let mut after = String::new();
    loop {
        let found: Result<Vec<MembershipId>, _> = match app.db.read().await {
            Ok(mut conn) => sign_ins::unused(&mut conn, org, since, &after, TOGETHER).await,
            Err(error) => Err(error),
        };
        let members = match found {
            Ok(members) => members,
            Err(error) => {
                tracing::error!(org.id = %org, %error, "members who are not seen any more can't be looked for");
                return;
            }
        };
        let Some(last) = members.last().map(|id| id.as_str().to_owned()) else {
            return;
        };
        after = last;
        let suspend = |member| Change::SetMemberState { org: org.clone(), member, state: MembershipState::Suspended };
        let changes = members.into_iter().map(suspend).collect();
        if let Err(refusal) = change_access(app, &Actor::System("unused"), changes, Mode::Act).await {
            tracing::error!(org.id = %org, %refusal, "members who are not seen any more were not suspended");
            return;
        }
    }
}
