//! Somebody whom a connection pushed, signed in to an application, and whether that is honoured still, at any node.
//!
//! Pushed people have no password: they sign in with their own provider. The password that they type here was written past
//! Muster, and stands in for that sign-in.

use muster::kernel::secret::Secret;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, list};
use crate::support::world::World;

/// Lets somebody sign in, in place of their own provider.
pub async fn may_sign_in(world: &World, user: &str) {
    let hash = world.hasher.hash(Secret::presented(PASSWORD)).await.expect("the pool has room");
    let (user, now) = (user.to_owned(), world.now());
    let written: Result<u64, sqlx::Error> = world
        .db
        .write(move |tx| {
            Box::pin(async move {
                tx.query("UPDATE users SET password = $2, password_at = $3 WHERE id = $1")
                    .bind(user)
                    .bind(hash)
                    .bind(now.0)
                    .execute()
                    .await
            })
        })
        .await;
    assert_eq!(written.unwrap(), 1, "there is such an account");
}

/// Whether an application is told of somebody who types the right password.
pub async fn comes_in(shop: &Client, name: &str) -> bool {
    let mut browser = Browser::new(shop.at.clone());
    browser.sign_in(Person::named(name)).await;
    shop.is_signed_in(&mut browser).await
}

/// Somebody who is signed in. The application that is named says at which node they are looked at.
pub struct Visitor {
    name: String,
    browser: Browser,
    /// What the application got.
    pub tokens: Tokens,
}

impl Visitor {
    /// Signs somebody in.
    pub async fn of(shop: &Client, name: &str) -> Self {
        let mut browser = Browser::new(shop.at.clone());
        let tokens = shop.sign_in(&mut browser, Person::named(name)).await;
        Self { name: name.to_owned(), browser, tokens }
    }

    /// Somebody who is signed in already, whichever way they came.
    pub fn over(name: &str, browser: Browser, tokens: Tokens) -> Self {
        Self { name: name.to_owned(), browser, tokens }
    }

    fn browser_at(&self, shop: &Client) -> Browser {
        let mut browser = self.browser.clone();
        browser.at = shop.at.clone();
        browser
    }

    /// Session, refresh token and access token: all must be dead at the next request.
    pub async fn is_out(&self, shop: &Client) {
        let name = &self.name;
        assert!(!shop.is_active(self.tokens.access()).await, "{name}'s access token is honoured");
        assert!(!shop.is_active(self.tokens.refresh()).await, "{name}'s refresh token is honoured");
        assert_eq!(shop.userinfo(self.tokens.access()).await.status, 401, "{name}");
        let refusal = shop.refresh(self.tokens.refresh()).await.refusal();
        assert_eq!(refusal, (400, "invalid_grant".to_owned()), "{name}");
        assert!(!shop.is_signed_in(&mut self.browser_at(shop)).await, "{name}'s session stands");
    }

    /// All must be as they were; the tokens are renewed on the way.
    pub async fn is_in(&mut self, shop: &Client) {
        let name = &self.name;
        assert!(shop.is_active(self.tokens.access()).await, "{name}'s access token is refused");
        assert!(shop.is_signed_in(&mut self.browser_at(shop)).await, "{name}'s session ended");
        self.tokens = Tokens::read(&shop.refresh(self.tokens.refresh()).await);
    }

    /// The access token must be refused, and refresh and session stand; the tokens are renewed.
    pub async fn is_narrowed(&mut self, shop: &Client) {
        let name = &self.name;
        assert!(!shop.is_active(self.tokens.access()).await, "{name}'s access token is honoured");
        assert!(shop.is_signed_in(&mut self.browser_at(shop)).await, "{name}'s session ended");
        self.tokens = Tokens::read(&shop.refresh(self.tokens.refresh()).await);
        assert!(shop.is_active(self.tokens.access()).await, "{name}'s smaller token is refused");
    }

    /// The roles in the access token: of the organisation, and on the project `web`.
    pub fn roles(&self) -> (Vec<String>, Vec<String>) {
        let claims = self.tokens.claims();
        (list(&claims["org_roles"]), list(&claims["project_roles"]["web"]))
    }
}
