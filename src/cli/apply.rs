//! `muster plan FILE` and `muster apply FILE`: the wanted state from a file, through the one door.
//!
//! A plan runs the very steps of the act and is undone, so the two can't disagree. Both act on the database directly;
//! running nodes see what changed at their next look.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::names::Names;
use super::open::{self, Schema};
use super::words::{count, ended, grants, told, verdict};
use super::{reason, say};
use crate::app::App;
use crate::config::Config;
use crate::domain::apply_file::ApplyFile;
use crate::domain::change::{Actor, Ended, Mode, Receipt};
use crate::flows::apply_file::{self, Planned};
use crate::flows::change_access::{Refusal, change_access};
use crate::flows::rotate_keys;

/// Says what would change.
pub async fn plan(config: Config, file: &Path) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let (names, planned) = wanted(&app, file).await?;
    let (receipt, planned) = ask(&app, &names, planned, Mode::DryRun).await?;
    say(report(&receipt, &names, &WOULD));
    for (label, _) in &planned.printed {
        say(format_args!("Would be generated and shown once: {label}"));
    }
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes the changes, and shows once what was generated.
pub async fn apply(config: Config, file: &Path) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let (names, planned) = wanted(&app, file).await?;
    let (receipt, planned) = ask(&app, &names, planned, Mode::Act).await?;
    say(report(&receipt, &names, &DID));
    if !planned.printed.is_empty() {
        reason("These are shown once; Muster keeps no copy:");
    }
    for (label, secret) in &planned.printed {
        say(format_args!("{label}: {}", secret.expose()));
    }
    // An application may be the first to ask for an algorithm.
    let algs = rotate_keys::wanted(&app).await?;
    rotate_keys::ensure(&app, &algs).await?;
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What the file asks for, and what the ids in it mean.
async fn wanted(app: &App, path: &Path) -> anyhow::Result<(Names, Planned)> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file = ApplyFile::parse(&text).with_context(|| format!("{} can't be used", path.display()))?;
    let planned = apply_file::plan(app, &file, &|name: &str| std::env::var(name).ok()).await?;
    let mut names = Names::default();
    let mut conn = app.db.read().await?;
    for organisation in &file.organisations {
        names.learn(&mut conn, &organisation.slug).await?;
    }
    names.learn_new(&planned.changes);
    Ok((names, planned))
}

async fn ask(app: &App, names: &Names, planned: Planned, mode: Mode) -> anyhow::Result<(Receipt, Planned)> {
    let asked = change_access(app, &Actor::CommandLine, planned.changes.clone(), mode).await;
    let receipt = asked.map_err(|refusal| refused(&refusal, names))?;
    Ok((receipt, planned))
}

fn refused(refusal: &Refusal, names: &Names) -> anyhow::Error {
    anyhow::anyhow!("nothing was changed: {}", names.tell(&refusal.to_string()))
}

/// The words of a plan, and of an act.
struct Tense {
    nothing: &'static str,
    changes: &'static str,
    lose: &'static str,
    gain: &'static str,
    end: &'static str,
    tell: &'static str,
}

const WOULD: Tense = Tense {
    nothing: "Nothing would change: everything is as the file says.",
    changes: "Would do",
    lose: "Would lose",
    gain: "Would gain",
    end: "Would end",
    tell: "Would be told",
};
const DID: Tense = Tense {
    nothing: "Nothing changed: everything was as the file says.",
    changes: "Done",
    lose: "Lost",
    gain: "Gained",
    end: "Ended",
    tell: "Told",
};

/// A receipt for people, paragraph by paragraph.
fn report(receipt: &Receipt, names: &Names, tense: &Tense) -> String {
    if receipt.is_empty() && receipt.ended == Ended::default() {
        return tense.nothing.to_owned();
    }
    let acts: Vec<String> = receipt.acts.iter().map(|act| names.tell(act)).collect();
    let lost = receipt.members.iter().filter(|member| !member.lost.is_empty());
    let lost =
        lost.map(|member| format!("{}: {} ({})", member.user_name, grants(&member.lost, names), verdict(member)));
    let gained = receipt.members.iter().filter(|member| !member.gained.is_empty());
    let gained = gained.map(|member| format!("{}: {}", member.user_name, grants(&member.gained, names)));
    let mut text = String::new();
    paragraph(&mut text, &format!("{} ({})", tense.changes, count(acts.len() as u64, "change")), &acts);
    paragraph(&mut text, tense.lose, &lost.collect::<Vec<_>>());
    paragraph(&mut text, tense.gain, &gained.collect::<Vec<_>>());
    if receipt.ended != Ended::default() {
        paragraph(&mut text, tense.end, &[ended(&receipt.ended)]);
    }
    paragraph(&mut text, tense.tell, &receipt.told.iter().map(told).collect::<Vec<_>>());
    text.trim_end().to_owned()
}

/// A head and its lines; without lines, nothing.
fn paragraph(text: &mut String, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{head}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::difference::Held;
    use crate::domain::access::{Role, Scope, Verdict};
    use crate::domain::change::{MemberReceipt, Told};
    use crate::kernel::id::{ChangeId, MembershipId, OrgId, UserId};
    use crate::kernel::time::UnixMillis;

    fn receipt() -> Receipt {
        let held = |role| Held { role, scope: Scope::Org };
        Receipt {
            id: ChangeId::from_u128(1),
            at: UnixMillis(1),
            actor: "command_line".to_owned(),
            dry_run: true,
            acts: vec!["create project web".to_owned()],
            members: vec![MemberReceipt {
                org: OrgId::from_u128(1),
                member: MembershipId::from_u128(1),
                user: UserId::from_u128(1),
                user_name: "ana".to_owned(),
                lost: vec![held(Role::BillingViewer)],
                gained: vec![held(Role::OrgReader)],
                verdict: Verdict::End,
            }],
            ended: Ended { sessions: 1, token_families: 2, ..Ended::default() },
            told: vec![Told { client_id: "shop".to_owned(), logout_tokens: 1, security_events: 0 }],
        }
    }

    #[test]
    fn a_plan_says_who_would_lose_what_and_what_would_end() {
        let text = report(&receipt(), &Names::default(), &WOULD);
        assert_eq!(
            text,
            "Would do (1 change):\n  create project web\nWould lose:\n  ana: billing.viewer (sessions and tokens end)\n\
             Would gain:\n  ana: org.reader\nWould end:\n  1 session, 2 token families\n\
             Would be told:\n  shop (1 logout token)"
        );
        assert!(report(&receipt(), &Names::default(), &DID).starts_with("Done (1 change):\n"));
    }

    #[test]
    fn a_file_that_says_what_is_changes_nothing_and_says_so() {
        let empty =
            Receipt { acts: Vec::new(), members: Vec::new(), ended: Ended::default(), told: Vec::new(), ..receipt() };
        assert_eq!(report(&empty, &Names::default(), &DID), DID.nothing);
    }
}
