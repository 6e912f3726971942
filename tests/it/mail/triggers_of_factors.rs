//! What of somebody's second factors is told to them by mail.

use muster::domain::change::{Actor, Change, Mode, Origin};
use muster::domain::mail::Template;
use muster::domain::people::factor::{FactorKind, NewFactor, RECOVERY_CODES, Which, recovery_code, recovery_key};
use muster::flows::change_access::change_access;
use muster::flows::factors::{self, Presented};
use muster::flows::guard::Caller;
use muster::kernel::id::FactorId;
use muster::kernel::secret::Digest;
use muster::store::users;

use super::triggers::Story;
use crate::support::PASSWORD;

/// What is told elsewhere, where there is an authenticator: in `factors::passkeys`.
pub const WITH_AN_AUTHENTICATOR: Template = Template::PasskeyCloned;

const TO: &str = "ana@example.test";

/// Factors and recovery codes, which come, are used, and go.
pub async fn second_factors(story: &mut Story) {
    let (world, ana) = (story.world.clone(), story.acme.person("ana", PASSWORD).await);
    let found = users::find(&mut world.conn().await, &ana).await.unwrap().unwrap();
    let mut profile = Box::new(found.profile);
    profile.phone_number = Some("+82 10 1234 5678".to_owned());
    (profile.email_verified, profile.phone_number_verified) = (true, true);
    world.act(vec![Change::SetProfile { user: ana.clone(), user_name: found.user_name, profile }]).await;
    story.told(&[(Template::PhoneChanged, TO)]).await;

    let codes: Vec<String> = (0..RECOVERY_CODES).map(|n| recovery_code([u8::try_from(n).unwrap(); 10])).collect();
    let digest = |code: &String| Digest::of(recovery_key(code).unwrap().as_bytes());
    let put = |factor| Change::PutFactor { user: ana.clone(), factor: Box::new(factor), first_only: false };
    let set = Change::SetRecoveryCodes { user: ana.clone(), codes: codes.iter().map(digest).collect() };
    let totp = NewFactor::Totp { id: FactorId::fresh(), sealed: vec![1], last_step: 1 };
    let herself = Actor::User(ana.clone());
    let act = async |changes| change_access(&world, &herself, changes, Mode::Act).await.map(|_| ()).unwrap();
    act(vec![put(totp), set.clone()]).await;
    story.told(&[(Template::FactorAdded, TO)]).await;
    act(vec![set]).await;
    story.told(&[(Template::RecoveryCodesMade, TO)]).await;
    act(vec![put(NewFactor::Code { id: FactorId::fresh(), kind: FactorKind::Email })]).await;
    story.told(&[(Template::FactorAdded, TO)]).await;

    factors::codes::send(&world, &ana, FactorKind::Email, "192.0.2.7").await.expect("it is sent");
    story.told(&[(Template::FactorCode, TO)]).await;
    let caller = Caller { agent: "a browser", address: "192.0.2.7", device: None };
    let shown = factors::verify(&world, &ana, Presented::Recovery("AAAA"), "", caller).await.unwrap();
    assert!(shown.is_none());
    story.nobody("a guess").await;
    let shown = factors::verify(&world, &ana, Presented::Recovery(&codes[3]), "", caller).await.unwrap();
    assert!(shown.is_some());
    story.told(&[(Template::RecoveryCodeUsed, TO)]).await;

    act(vec![Change::RemoveFactor { user: ana.clone(), factor: Which::Email }]).await;
    story.told(&[(Template::FactorRemoved, TO)]).await;
    factors::reset(&world, &Actor::CommandLine, &ana, &Origin::default(), Mode::Act).await.unwrap();
    story.told(&[(Template::FactorsReset, TO)]).await;
}
