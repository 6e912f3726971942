//! People who wait for the link that they were sent.

use muster::domain::change::{Change, NewUser};
use muster::domain::language::Language;
use muster::domain::mail::{Address, Purpose, Template};
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::flows::links::{self, Wanted};
use muster::kernel::id::UserId;
use muster::kernel::time::DAY;

use crate::support::PASSWORD;
use crate::support::org::Org;

/// Another password that keeps every preset's rules.
pub const OTHER: &str = "Quay4-Zr8wNb3Lf";

/// Registers somebody who is to set their first password by the link that is mailed to them.
pub async fn registered(org: &Org, user_name: &str) -> UserId {
    let world = &org.world;
    let user = world.new_user(Whose::Managed(org.id.clone()), user_name, PASSWORD).await;
    let user = NewUser { state: UserState::Pending, password: None, ..user };
    let id = user.id.clone();
    let link = links::mint(
        world,
        Wanted {
            purpose: Purpose::SetPassword,
            template: Template::SetPassword,
            to: Address::Email(user.profile.email.clone().expect("everybody here has an address")),
            language: Language::En,
            org: Some(org.id.clone()),
            life: 7 * DAY,
            values: [("name".to_owned(), "Somebody".to_owned()), ("user_name".to_owned(), user_name.to_owned())].into(),
        },
    );
    world.act(vec![Change::CreateUser(Box::new(user))]).await;
    org.admit(&id).await;
    world.act(vec![Change::SendLink { user: id.clone(), link: Box::new(link) }]).await;
    id
}
