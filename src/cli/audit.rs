//! `muster audit verify`: whether the audit record is whole, asked of the database itself.

use std::process::ExitCode;

use super::open::{self, Schema};
use super::words::table;
use super::{reason, say};
use crate::config::Config;
use crate::flows::audit::{self, Verified};

/// Looks at every organisation's chain, or at one's. The exit code is 1 if one is not whole, or not there.
pub async fn verify(config: Config, org: Option<&str>) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let found = audit::verify(&app, org).await?;
    app.db.close().await;
    if let (Some(slug), true) = (org, found.is_empty()) {
        reason(format_args!("There is no organisation {slug}."));
        return Ok(ExitCode::FAILURE);
    }
    say(shown(&found));
    if found.iter().all(|one| one.chain.fault.is_none()) {
        reason("Keep the last hashes outside of this machine: who can rewrite a whole chain can't rewrite those.");
        Ok(ExitCode::SUCCESS)
    } else {
        reason("The record is not as it was written. Compare it with a backup or an export before anything else.");
        Ok(ExitCode::FAILURE)
    }
}

fn shown(found: &[Verified]) -> String {
    let head = ["organisation", "rows", "state", "last hash"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|Verified { slug, chain }| {
        let state = chain.fault.map_or_else(|| "whole".to_owned(), |fault| fault.to_string());
        vec![slug.clone(), chain.rows.to_string(), state, chain.head.clone()]
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::{Chain, Fault};

    #[test]
    fn each_chain_is_a_line_with_what_is_wrong() {
        let one = |slug: &str, fault| Verified {
            slug: slug.to_owned(),
            chain: Chain { rows: 3, head: "00ff".to_owned(), fault },
        };
        let text = shown(&[one("acme", None), one("beta", Some(Fault::Missing(2)))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "acme          3     whole             00ff");
        assert_eq!(lines[2], "beta          3     row 2 is missing  00ff");
    }
}
