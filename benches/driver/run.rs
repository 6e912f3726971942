//! A run: every ground, every round, every cell, each after a window of the yardstick.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::cells::{self, Callers, Cell, Subject};
use crate::cluster;
use crate::goals::{self, Outcome};
use crate::ground::{Backend, Ground, Places};
use crate::load::{self, Limits};
use crate::measure::{Probe, Sample, Window};
use crate::micro::{Alg, Costs};
use crate::perf::Counters;
use crate::process::{self, Machine};
use crate::report::{self, Record};
use crate::scim_pace::{self, Pace};
use crate::scim_parse::Parses;
use crate::server::Running;
use crate::startup::Starts;
use crate::summary::{Findings, Memories, Storm};

/// How long a server rests before its memory is read.
const REST: Duration = Duration::from_secs(2);
/// How long callers warm up.
const WARM_UP: Duration = Duration::from_millis(300);

/// What to measure.
#[derive(Args)]
pub struct Plan {
    /// How many people the databases hold.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_u64])]
    users: Vec<u64>,
    /// On which databases the server stands.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Backend::Sqlite, Backend::Postgres])]
    databases: Vec<Backend>,
    /// The cells, by name; `cc` stands for `cc.eddsa` and the others. All, if none is named.
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// How often each cell is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long each window of a cell lasts, in milliseconds.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    millis: u64,
    /// How long each window of the yardstick lasts, in milliseconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    yard_millis: u64,
    /// How many callers work at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=150))]
    conns: u16,
    /// How many callers work at once where each operation waits for the disk.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=150))]
    durable_conns: u16,
    /// How many sign-ins with a password a window has at most.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    sign_ins: u64,
    /// The server's program; the one beside this program, if not named.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    project: PathBuf,
    /// Where filled databases are kept.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// A file for the results as lines of JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// End with an error when a goal is short.
    #[arg(long)]
    strict: bool,
}

impl Plan {
    fn places(&self) -> Result<Places> {
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("muster"));
        let server = self.server.clone().map_or_else(beside, Ok)?;
        ensure!(server.is_file(), "no server at {}; name it with --server", server.display());
        std::fs::create_dir_all(&self.data)?;
        Ok(Places { server: server.canonicalize()?, project: self.project.clone(), kept: self.data.canonicalize()? })
    }

    fn callers(&self) -> Callers {
        Callers { reading: self.conns.into(), durable: self.durable_conns.into(), password: 4 }
    }

    fn limits(&self, cell: Cell) -> Limits {
        let limits = Limits::time(Duration::from_millis(self.millis));
        match cell {
            // So slow that a window of time alone would hold too few.
            Cell::Password => Limits { duration: Duration::from_secs(60), operations: self.sign_ins, ..limits },
            _ => limits,
        }
    }
}

/// What stays the same through a run.
struct Stage<'a> {
    plan: &'a Plan,
    counters: Counters,
    yard: Running,
    record: Record,
    findings: Findings,
}

/// Carries out the plan; the exit code says whether cells failed (1) or, with `--strict`, goals are short (2).
///
/// # Errors
/// Something that is needed can't be started or filled.
pub async fn run(plan: &Plan) -> Result<ExitCode> {
    let places = plan.places()?;
    let chosen = cells::chosen(&plan.cells)?;
    let mut stage = Stage::set(plan, &places)?;
    report::print_head(&stage.findings, &stage.counters);
    for backend in &plan.databases {
        if *backend == Backend::Postgres && cluster::programs().is_none() {
            println!("\nPostgreSQL is not installed here: nothing is measured on it");
            continue;
        }
        for users in &plan.users {
            stage.measure(Ground::prepare(&places, *backend, *users).await?, &chosen).await?;
            report::print_ground(&stage.findings, (*backend, *users));
        }
    }
    let verdicts = goals::judge(&stage.findings);
    for verdict in &verdicts {
        stage.record.line("goal", verdict)?;
    }
    report::print_goals(&verdicts);
    let short = verdicts.iter().any(|verdict| verdict.outcome == Outcome::Short);
    let failed = stage.findings.samples.iter().any(|sample| sample.window.failure.is_some());
    Ok(if failed {
        ExitCode::from(1)
    } else if plan.strict && short {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

impl<'a> Stage<'a> {
    fn set(plan: &'a Plan, places: &Places) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("yard");
        let findings = Findings {
            machine: Machine::here(&places.project),
            program_bytes: std::fs::metadata(&places.server)?.len(),
            costs: Vec::new(),
            parses: Parses::measure()?,
            samples: Vec::new(),
            paces: Vec::new(),
            storms: Vec::new(),
            starts: Vec::new(),
            memories: Vec::new(),
        };
        let mut record = Record::new(plan.out.as_deref())?;
        record.line("machine", &findings.machine)?;
        record.line("program_bytes", &findings.program_bytes)?;
        record.line("parses", &findings.parses)?;
        let yard = Running::start(command, &places.kept.join("yard.log")).context("starting the yardstick")?;
        Ok(Self { plan, counters: Counters::probe(), yard, record, findings })
    }

    async fn measure(&mut self, ground: Ground, chosen: &[Cell]) -> Result<()> {
        eprintln!("measuring on {} with {} people", ground.backend, ground.users);
        let starts = Starts::measure(&ground).await?;
        self.record.line("start", &starts)?;
        self.findings.starts.push(starts);
        let server = ground.start()?;
        tokio::time::sleep(REST).await;
        let idle = process::memory(server.pid());
        let subject = Subject::meet(server.address, self.plan.durable_conns.into(), ground.users).await?;
        let fitting = chosen.iter().copied().filter(|cell| cell.fits(ground.users));
        let (growing, steady): (Vec<Cell>, Vec<Cell>) = fitting.partition(|cell| cell.grows());
        for cells in [steady, growing].into_iter().filter(|cells| !cells.is_empty()) {
            for round in 1..=self.plan.rounds {
                self.round(&ground, &server, &subject, (round, cells.as_slice())).await?;
            }
        }
        tokio::time::sleep(REST).await;
        let (database, users) = (ground.backend, ground.users);
        let memories = Memories { database, users, idle, loaded: process::memory(server.pid()) };
        self.record.line("memory", &memories)?;
        self.findings.memories.push(memories);
        Ok(())
    }

    async fn round(
        &mut self,
        ground: &Ground,
        server: &Running,
        subject: &Subject,
        (round, chosen): (u32, &[Cell]),
    ) -> Result<()> {
        let costs = Costs::measure()?;
        self.record.line("costs", &costs)?;
        eprintln!("round {round}: {costs}");
        let flush_us = process::flush_probe(&ground.folder)?;
        let database_pid = ground.cluster.as_ref().and_then(cluster::Cluster::pid);
        let (address, pid) = (server.address, server.pid());
        for cell in shuffled(chosen) {
            let yard = self.yardstick().await;
            let load_average = process::load_average();
            let probe = Probe { address, pid, database_pid, counters: &self.counters };
            let window = window(&probe, subject, cell, self.plan).await;
            let (database, users) = (ground.backend, ground.users);
            let (cell, floor_us) = (cell.name(), cell.floor(&costs));
            let sample = Sample { database, users, cell, round, window, yard, floor_us, load_average, flush_us };
            self.record.line("sample", &sample)?;
            self.findings.samples.push(sample);
        }
        self.findings.costs.push(costs);
        for cell in chosen.iter().copied().filter(|cell| cell.is_paced()) {
            let probe = Probe { address, pid, database_pid, counters: &self.counters };
            let pace = pace(&probe, subject, (ground, round, cell), self.plan).await;
            self.record.line("pace", &pace)?;
            self.findings.paces.push(pace);
        }
        if chosen.contains(&Cell::Password) {
            // Two windows at once share one server: only their latencies mean something, so nothing is counted.
            let uncounted = Counters::Missing("two windows at once".to_owned());
            let probe = Probe { address, pid, database_pid, counters: &uncounted };
            let storm = storm(&probe, subject, (ground, round), self.plan).await?;
            self.record.line("storm", &storm)?;
            self.findings.storms.push(storm);
        }
        Ok(())
    }

    /// What a request of the yardstick costs now.
    async fn yardstick(&self) -> Window {
        let probe =
            Probe { address: self.yard.address, pid: self.yard.pid(), database_pid: None, counters: &self.counters };
        let flows = cells::yardstick(self.yard.address, self.plan.conns.into());
        probe.window(flows, Limits::time(Duration::from_millis(self.plan.yard_millis))).await
    }
}

/// A cell's window; what goes wrong on the way to it fails the cell, not the run.
async fn window(probe: &Probe<'_>, subject: &Subject, cell: Cell, plan: &Plan) -> Window {
    let mut flows = match subject.ready(cell, plan.callers()).await {
        Ok(flows) => flows,
        Err(error) => return Window::failed(format!("{error:#}")),
    };
    if cell.may_warm_up() {
        let (warm_up, warm) = load::closed_loop(flows, Limits::time(WARM_UP)).await;
        if let Some(failure) = warm_up.failure {
            return Window::failed(failure);
        }
        flows = warm;
    }
    probe.window(flows, plan.limits(cell)).await
}

/// What a cell's requests wait while few ask at an easy pace; what goes wrong stands in the window.
async fn pace(probe: &Probe<'_>, subject: &Subject, (ground, round, cell): (&Ground, u32, Cell), plan: &Plan) -> Pace {
    let few = Callers { reading: scim_pace::CALLERS, durable: scim_pace::CALLERS, password: scim_pace::CALLERS };
    let window = match subject.ready(cell, few).await {
        Ok(flows) => probe.window(flows, scim_pace::limits(Duration::from_millis(plan.millis))).await,
        Err(error) => Window::failed(format!("{error:#}")),
    };
    Pace { database: ground.backend, users: ground.users, cell: cell.name(), round, window }
}

/// What token requests at an easy pace wait, without and with many people signing in.
async fn storm(probe: &Probe<'_>, subject: &Subject, (ground, round): (&Ground, u32), plan: &Plan) -> Result<Storm> {
    const PACE: Duration = Duration::from_millis(2);
    let limits = Limits::time(Duration::from_millis(plan.millis));
    let paced = Limits { pause: PACE, ..limits };
    let few = Callers { reading: 4, ..plan.callers() };
    let cell = Cell::ClientCredentials(Alg::EdDsa);
    let calm = probe.window(subject.ready(cell, few).await?, paced).await;
    let tokens = subject.ready(cell, few).await?;
    let crowd = Limits { operations: plan.sign_ins.saturating_mul(4), ..limits };
    let sign_ins = probe.window(subject.signing_in(8), crowd);
    let (storm, sign_ins) = tokio::join!(probe.window(tokens, paced), sign_ins);
    Ok(Storm { database: ground.backend, users: ground.users, round, calm, storm, sign_ins })
}

/// The cells in an order of chance, so that none always follows the same other one.
fn shuffled(cells: &[Cell]) -> Vec<Cell> {
    let mut keyed: Vec<([u8; 8], Cell)> = cells
        .iter()
        .map(|cell| {
            let mut key = [0; 8];
            aws_lc_rs::rand::fill(&mut key).expect("the operating system gives random bytes");
            (key, *cell)
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, cell)| cell).collect()
}
