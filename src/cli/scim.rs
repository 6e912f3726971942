//! `muster scim token`: a connection and a bearer token for its client, without anybody who would have to sign in first.
//!
//! It acts on the database directly, as `muster apply` does, and through the same door: a script that sets an installation
//! up needs no person for it. People use `muster connection`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::open::{self, Schema};
use super::{reason, say};
use crate::app::App;
use crate::config::Config;
use crate::domain::change::{Actor, Change, Mode};
use crate::domain::connection::{
    ConnectionSettings, ConnectionState, CredentialKind, NewConnection, NewScimCredential, ScimProfile,
};
use crate::flows::change_access::change_access;
use crate::flows::scim::PATH;
use crate::flows::scim::authenticate::TOKEN_PREFIX;
use crate::kernel::fold;
use crate::kernel::id::{ConnectionId, OrgId, ScimCredentialId};
use crate::kernel::secret::Secret;
use crate::kernel::time::DAY;
use crate::store::{connections, orgs};

/// What was typed.
#[derive(Debug, Args)]
pub struct Token {
    /// The organisation, by its slug
    #[arg(long, value_name = "SLUG")]
    org: String,
    /// The connection, by its name or id
    #[arg(long, value_name = "NAME")]
    connection: String,
    /// Make the connection first
    #[arg(long)]
    new: bool,
    /// How the client of a new connection speaks; else auto
    #[arg(long, requires = "new", value_parser = ["auto", "entra", "okta", "rfc-strict"])]
    profile: Option<String>,
    /// What people call the token
    #[arg(long, default_value = "command line")]
    name: String,
    /// For how many days it is good
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(i64).range(1..=365))]
    days: i64,
}

/// Makes a token, and the connection if that was asked for; prints it this once.
pub async fn token(config: Config, asked: &Token) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let (org, known) = find(&app, asked).await?;
    let mut changes = Vec::new();
    let connection = if asked.new {
        let new = new_connection(&org, asked);
        let id = new.id.clone();
        changes.push(Change::PutConnection(Box::new(new)));
        id
    } else {
        known.with_context(|| format!("there is no connection \"{}\"; --new makes it", asked.connection))?
    };
    let secret = Secret::mint(&*app.chance, TOKEN_PREFIX);
    let credential = NewScimCredential {
        id: ScimCredentialId::fresh(),
        connection: connection.clone(),
        kind: CredentialKind::Token,
        name: asked.name.clone(),
        secret: secret.digest(),
        expires_at: app.now().plus(asked.days * DAY),
    };
    changes.push(Change::AddScimCredential { org, credential: Box::new(credential) });
    let made = change_access(&app, &Actor::CommandLine, changes, Mode::Act).await;
    made.map_err(|refusal| anyhow::anyhow!("nothing was changed: {refusal}"))?;
    say(format_args!("connection: {connection}"));
    say(format_args!("scim_url: {}", app.url(PATH)));
    reason("The token is shown once; Muster keeps no copy:");
    say(format_args!("token: {}", secret.expose()));
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The organisation, and its connection of this name or id, if it has one.
async fn find(app: &App, asked: &Token) -> anyhow::Result<(OrgId, Option<ConnectionId>)> {
    let mut conn = app.db.read().await?;
    let org = orgs::by_slug(&mut conn, &asked.org).await?;
    let org = org.with_context(|| format!("there is no organisation \"{}\"", asked.org))?;
    let name = fold::key(&asked.connection);
    let known = connections::of_org(&mut conn, &org.id).await?.into_iter().find(|one| {
        one.state != ConnectionState::Deleted && (one.id.as_str() == asked.connection || fold::key(&one.name) == name)
    });
    Ok((org.id, known.map(|one| one.id)))
}

fn new_connection(org: &OrgId, asked: &Token) -> NewConnection {
    let profile: Option<ScimProfile> = asked.profile.as_deref().and_then(|word| word.parse().ok());
    NewConnection {
        id: ConnectionId::fresh(),
        org: org.clone(),
        name: asked.connection.clone(),
        profile: profile.unwrap_or_default(),
        local_grants: false,
        settings: ConnectionSettings::default(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Line;

    #[test]
    fn a_profile_is_for_a_new_connection_and_a_token_for_a_year_at_most() {
        let is_understood = |words: &str| Line::try_parse_from(words.split(' ')).is_ok();
        assert!(is_understood("muster scim token --org acme --connection Okta"));
        assert!(is_understood("muster scim token --org acme --connection Okta --new --profile okta --days 365"));
        for words in [
            "muster scim",
            "muster scim token --org acme",
            "muster scim token --org acme --connection Okta --profile okta",
            "muster scim token --org acme --connection Okta --new --profile google",
            "muster scim token --org acme --connection Okta --days 366",
        ] {
            assert!(!is_understood(words), "{words}");
        }
    }
}
