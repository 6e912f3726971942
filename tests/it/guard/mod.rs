//! What stands against guessing: the one counter of an account, the tries of an address, browsers that an account knows,
//! lifting a lock, and that refusals can't be told apart.

mod addresses;
mod commands;
mod devices;
mod locks;
mod second_codes;
mod statistics;
mod unlocking;

use std::sync::Arc;

use muster::config::Config;
use muster::flows::Fault;
use muster::flows::sign_in::{Answer, Attempt, Context, with_password};
use muster::kernel::secret::Secret;

use crate::support::world::{Hands, Kind, Place, World, config};

/// Tells a story without a server on both databases, with settings adjusted and a clock that stands.
async fn on_both_with(adjust: impl Fn(&mut Config), story: impl AsyncFn(&World)) {
    for kind in Kind::BOTH {
        let Some(place) = Place::fresh(kind).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        let place = Arc::new(place);
        let mut config = config("http://127.0.0.1:1", place.folder(), place.url());
        adjust(&mut config);
        let world = World::over(place, config, Hands::standing()).await;
        story(&world).await;
        world.db.close().await;
    }
}

/// Somebody's guess.
fn attempt(name: &str, password: &str, address: &str) -> Attempt {
    Attempt {
        identifier: name.to_owned(),
        password: Secret::presented(password),
        context: Context::None,
        user_agent: String::new(),
        address: address.to_owned(),
        device: None,
    }
}

/// Whether a password lets somebody in.
async fn gets_in(world: &World, name: &str, password: &str) -> bool {
    let answer = with_password(world, attempt(name, password, "192.0.2.1")).await;
    matches!(answer.expect("there are tries left"), Answer::SignedIn(_))
}

/// A guess from an address: whether it was looked at, or else how many seconds there are to wait.
async fn tries(world: &World, name: &str, password: &str, address: &str) -> Result<bool, i64> {
    match with_password(world, attempt(name, password, address)).await {
        Ok(answer) => Ok(matches!(answer, Answer::SignedIn(_))),
        Err(Fault::Paused { seconds }) => Err(seconds),
        Err(other) => panic!("{other:?}"),
    }
}
