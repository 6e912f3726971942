//! What the demo consists of: its apply file, its passwords, its guide. For this machine only: nothing here is secret.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;
use crate::cli::words::table;
use crate::domain::apply_file::ApplyFile;
use crate::domain::change::Mode;
use crate::flows::apply_file;

/// The wanted state.
const FILE: &str = include_str!("demo.toml");
/// Where the file says that the shop is.
const SHOP_IN_FILE: &str = "http://127.0.0.1:8081";
/// The demo's organisation.
pub const ORG: &str = "acme";
/// The shop's `client_id`.
pub const CLIENT_ID: &str = "acme-shop";
/// Whom a visitor may sign in as, and what they are there to show.
const PEOPLE: [(&str, &str); 5] = [
    ("ana", "in Web team: project.admin on web"),
    ("bo", "in Web team and in Release crew: project.admin on web by both"),
    ("cy", "billing.viewer, and project.reader on data"),
    ("adam", "org.admin: may take roles away and give them back"),
    ("olivia", "the owner"),
];

/// The password of somebody in the demo.
pub fn password(user_name: &str) -> Option<String> {
    PEOPLE.iter().any(|(name, _)| *name == user_name).then(|| format!("muster demo {user_name}"))
}

/// The shop's secret: the same at every start with the same data, so that nothing has to be kept or replaced.
pub fn shop_secret(app: &App) -> String {
    format!("mst_cs_{}", URL_SAFE_NO_PAD.encode(app.sealer.mac("demo.shop_secret", &[CLIENT_ID.as_bytes()])))
}

/// Makes the demo what it is at its beginning, with the shop at `shop_url`.
pub async fn apply(app: &App, shop_url: &str) -> anyhow::Result<()> {
    let file = file(shop_url)?;
    let secret = shop_secret(app);
    let variables = |name: &str| variable(name, &secret);
    apply_file::run(app, &file, &variables, Mode::Act).await.context("the demo can't be set up")?;
    Ok(())
}

fn file(shop_url: &str) -> anyhow::Result<ApplyFile> {
    ApplyFile::parse(&FILE.replace(SHOP_IN_FILE, shop_url)).context("the demo's file can't be used")
}

/// What the file's variables stand for.
fn variable(name: &str, shop_secret: &str) -> Option<String> {
    match name.strip_prefix("DEMO_PASSWORD_") {
        Some(who) => password(&who.to_ascii_lowercase()),
        None => (name == "DEMO_SHOP_SECRET").then(|| shop_secret.to_owned()),
    }
}

/// What there is to see, and how.
pub fn guide(issuer: &str, shop_url: &str, folder: &Path) -> String {
    let mut rows = vec![["user name", "password", "who that is"].map(str::to_owned).to_vec()];
    rows.extend(
        PEOPLE
            .iter()
            .map(|(name, note)| vec![(*name).to_owned(), password(name).unwrap_or_default(), (*note).to_owned()]),
    );
    let people = table(&rows).replace('\n', "\n  ");
    let mut text = String::new();
    let _ = write!(
        text,
        "
A demo for this machine only: its passwords are no secret.

Open the shop
  {shop_url}

Sign in as one of these
  {people}

Try this
  1. Open {shop_url} and sign in as ana.
     In a private window open it again, and sign in as adam.
  2. As adam, open {shop_url}/admin/roles and take project.admin on web away from Web team.
     Ana is out of the shop and of Muster before adam has his answer.
  3. Give it back, sign in as bo, and take it from Web team again.
     Bo stays: Release crew gives him the same role.
  4. Sign in at {issuer}/me to see your roles and sessions.

Mail
  {shop_url}/mail shows what Muster wrote to people; without a mail server nothing leaves this machine.

The operator
  Open the first operator's link, if one is printed above; once made, the operator signs in at
  {issuer}/login with the organisation \"instance\".

The data is in {folder}. Stop with Ctrl-C; `muster dev --data-dir {folder}` takes it up again.",
        folder = folder.display(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::password::{About, Rules, check};

    #[test]
    fn the_demos_file_is_a_file_that_apply_takes_and_knows_where_the_shop_is() {
        let file = file("http://127.0.0.1:8099").unwrap();
        let shop = &file.applications[0];
        assert_eq!(shop.client_id, CLIENT_ID);
        assert_eq!(shop.redirect_uris, ["http://127.0.0.1:8099/callback"]);
        assert_eq!(shop.backchannel_logout_uri.as_deref(), Some("http://127.0.0.1:8099/backchannel-logout"));
        assert_eq!(file.organisations[0].slug, ORG);
    }

    #[test]
    fn everybody_in_the_file_has_a_password_that_the_rules_take_and_stands_in_the_guide() {
        let guide = guide("http://127.0.0.1:8080", "http://127.0.0.1:8081", Path::new("/tmp/demo"));
        let file = file(SHOP_IN_FILE).unwrap();
        assert_eq!(file.organisations[0].people.len(), PEOPLE.len());
        for person in &file.organisations[0].people {
            let (user_name, email) = (person.user_name.clone(), person.email.clone());
            let about = About { user_name, email, phone: None, words: vec![ORG.to_owned()] };
            let password = variable(person.password_env.as_deref().unwrap_or_default(), "").unwrap();
            assert!(check(&Rules::CLOUD_IAM, &password, &about).is_empty());
            assert!(guide.contains(&password), "{guide}");
        }
        assert_eq!(variable("DEMO_SHOP_SECRET", "s").as_deref(), Some("s"));
        assert_eq!(variable("PATH", "s"), None);
    }
}
