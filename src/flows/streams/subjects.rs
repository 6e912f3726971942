//! Leaves people out of a stream, and takes them in again (SSF 1.0 §8.1.3). A stream begins with everybody.
//!
//! # Why
//! The answer is the same whether or not somebody is known by the identifier: else a receiver could find out who has an
//! account. And it names only people whom it can know, so that it can't fill the table with others.

use super::{NotDone, Receiver, held, named};
use crate::app::App;
use crate::domain::ssf::stream::MOST_LEFT_OUT;
use crate::domain::ssf::subject::Named;
use crate::kernel::id::UserId;
use crate::store::db::{Conn, Result as Stored};
use crate::store::streams;

/// What becomes of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The stream tells of them.
    Add,
    /// It doesn't.
    Remove,
}

/// Takes a person into a stream, or leaves them out.
///
/// # Errors
/// [`NotDone::Unknown`] for the stream, [`NotDone::TooManyLeftOut`], or the database's.
pub async fn turn(app: &App, receiver: &Receiver, id: &str, (turn, subject): (Turn, Named)) -> Result<(), NotDone> {
    let (id, receiver) = (named(id)?, receiver.clone());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let stream = held(tx, &receiver.id, &id).await?;
                let users = known(tx, &receiver, subject).await?;
                let fits = match turn {
                    Turn::Add => streams::include(tx, &stream.id, &users).await.map(|()| true)?,
                    Turn::Remove => streams::exclude(tx, &stream.id, &users, MOST_LEFT_OUT).await?,
                };
                if fits { Ok(()) } else { Err(NotDone::TooManyLeftOut) }
            })
        })
        .await
}

async fn known(conn: &mut Conn, receiver: &Receiver, subject: Named) -> Stored<Vec<UserId>> {
    let org = receiver.org.as_ref();
    match subject {
        Named::User(user) => {
            let known = streams::may_know(conn, org, &user).await?;
            Ok(known.then_some(user).into_iter().collect())
        }
        Named::Email(address) => streams::known_by_email(conn, org, &address).await,
        Named::Nobody => Ok(Vec::new()),
    }
}
