//! `muster plan`, `apply` and `export` with `--server`: the same files, through the API and as whoever is signed in.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::connection::{Connection, Wanted};
use super::failed::Failed;
use super::receipt;
use crate::cli::{reason, say};
use crate::domain::apply_file::ApplyFile;
use crate::outside::api_client::{Act, Ask};

/// Whether this machine's database is meant, or a server. No variable stands for the server: what a file is applied to
/// is said each time.
#[derive(Clone, Debug, Default, Args)]
pub struct Server {
    /// Through the API of this server, with what `muster login` kept or an access key; else on this machine's database
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", env = "MUSTER_CA_FILE")]
    ca: Option<PathBuf>,
}

impl Server {
    /// Whether a server is meant.
    pub const fn is_named(&self) -> bool {
        self.server.is_some()
    }

    async fn open(&self, org: Option<String>) -> Result<Connection, Failed> {
        Connection::open(&Wanted { server: self.server.clone(), org, ca: self.ca.clone() }).await
    }
}

/// Says what applying a file would change.
pub async fn plan(server: &Server, path: &Path) -> Result<(), Failed> {
    let answer = send(server, path, "plan").await?;
    for made in answer["secrets"].as_array().into_iter().flatten() {
        say(format_args!("Would be generated and shown once: {}", label(made)));
    }
    Ok(())
}

/// Applies a file, and shows once what was generated.
pub async fn apply(server: &Server, path: &Path) -> Result<(), Failed> {
    let answer = send(server, path, "apply").await?;
    let made: Vec<&Value> = answer["secrets"].as_array().into_iter().flatten().collect();
    if !made.is_empty() {
        reason("These are shown once; Muster keeps no copy:");
    }
    for made in made {
        say(format_args!("{}: {}", label(made), super::plain(made["secret"].as_str().unwrap_or_default())));
    }
    Ok(())
}

/// Prints an organisation as a file.
pub async fn export(server: &Server, org: Option<String>) -> Result<(), Failed> {
    let mut connection = server.open(org).await?;
    let org = connection.org()?;
    let answer = connection.call(&Ask::get(&["orgs", &org, "state"])).await?;
    // Control characters stand in the file in their escaped form only.
    say(answer["file"].as_str().unwrap_or_default().trim_end());
    Ok(())
}

fn label(made: &Value) -> String {
    super::plain(made["label"].as_str().unwrap_or_default())
}

async fn send(server: &Server, path: &Path, what: &str) -> Result<Value, Failed> {
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let (org, variables) = read(&text, &|name: &str| std::env::var(name).ok())?;
    let mut connection = server.open(Some(org.clone())).await?;
    let path = ["orgs", &org, "state", what].map(str::to_owned).to_vec();
    let body = json!({ "file": text, "variables": variables });
    let answer = connection.call(&Ask { act: Act::Post, path, query: Vec::new(), body: Some(body) }).await?;
    let names = receipt::names(&mut connection, &answer["receipt"]).await;
    say(receipt::report(&answer["receipt"], &names));
    Ok(answer)
}

/// The slug of the one organisation that a file speaks of, and the variables that it names.
fn read(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(String, Map<String, Value>), Failed> {
    let file = ApplyFile::parse(text).map_err(|error| Failed::Invalid(error.to_string()))?;
    let [organisation] = file.organisations.as_slice() else {
        return Err(Failed::Invalid("through the API a file speaks of one organisation".to_owned()));
    };
    let mut variables = Map::new();
    for (name, needed_by) in file.variables() {
        let value = env(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| Failed::Invalid(format!("{needed_by}: the variable {name} is not set")))?;
        variables.insert(name.to_owned(), value.into());
    }
    Ok((organisation.slug.clone(), variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[organisation]]\nslug = \"acme\"\nname = \"Acme\"\nowner = \"ana\"\n\
                        [[organisation.person]]\nuser_name = \"ana\"\npassword_env = \"ANA\"\n";

    #[test]
    fn only_the_variables_that_a_file_names_are_sent() {
        let env = |name: &str| Some(format!("value of {name}"));
        let (org, variables) = read(FILE, &env).unwrap();
        assert_eq!((org.as_str(), Value::Object(variables)), ("acme", json!({ "ANA": "value of ANA" })));
        assert!(matches!(read(FILE, &|_: &str| None), Err(Failed::Invalid(told)) if told.contains("ANA is not set")));
    }

    #[test]
    fn a_file_of_two_organisations_is_for_the_database_alone() {
        let two = format!("{FILE}{}", FILE.replace("acme", "beta"));
        assert!(matches!(read(&two, &|_: &str| None), Err(Failed::Invalid(_))));
    }
}
