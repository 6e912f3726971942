//! What the kernel tells about processes and the machine: `/proc`, and how long a flush to the disk takes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Microseconds of a tick of `/proc/PID/stat`: Linux shows programs 100 ticks a second whatever its own clock does.
const TICK: u64 = 10_000;

/// The CPU ticks of one process.
#[derive(Debug, PartialEq, Eq)]
struct Ticks {
    parent: u32,
    /// In the kernel and outside of it.
    own: u64,
    /// The kernel's part of them.
    kernel: u64,
    reaped: u64,
}

/// Reads the line of `/proc/PID/stat` (proc(5)): the name in parentheses may hold anything, so count from its end.
fn ticks(stat: &str) -> Option<Ticks> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Ticks {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        kernel: number(12)?,
        reaped: number(13)? + number(14)?,
    })
}

fn ticks_of(pid: u32) -> Option<Ticks> {
    ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Microseconds of CPU that a process has used, its ended threads included.
pub fn cpu(pid: u32) -> u64 {
    ticks_of(pid).map_or(0, |ticks| ticks.own * TICK)
}

/// Microseconds of CPU that the kernel has spent for a process.
pub fn kernel_cpu(pid: u32) -> u64 {
    ticks_of(pid).map_or(0, |ticks| ticks.kernel * TICK)
}

/// How often the threads of a process have left a core, of their own will or not. Ended threads are not counted.
pub fn switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    statuses.map(|status| switches_in(&status)).sum()
}

fn switches_in(status: &str) -> u64 {
    let counts = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
    counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

/// Microseconds of CPU that a process and its children have used, the ended children included.
pub fn cpu_with_children(pid: u32) -> u64 {
    let root = ticks_of(pid).map_or(0, |ticks| ticks.own + ticks.reaped);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter_map(ticks_of).filter(|ticks| ticks.parent == pid);
    (root + children.map(|ticks| ticks.own + ticks.reaped).sum::<u64>()) * TICK
}

/// The memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// All resident pages (`VmRSS`), files mapped into memory included.
    pub resident_kib: u64,
    /// The process's own resident pages (`RssAnon`).
    pub own_kib: u64,
}

/// The memory of a process now.
pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value =
        |name: &str| line(name).and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    Memory { resident_kib: value("VmRSS"), own_kib: value("RssAnon") }
}

/// How many threads a process has.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The load average of the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// CPU time of the calling thread, where the kernel tells it in nanoseconds.
pub fn thread_cpu() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Sends a signal, such as `TERM`; false when there is no such process.
pub fn signal(name: &str, pid: u32) -> bool {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -\"$0\" \"$1\"", name, &pid.to_string()]).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success())
}

/// Whether this process is the superuser's.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Where and of what a run was made.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The commit that the project stands at, with `+` when files were changed since.
    pub commit: String,
}

impl Machine {
    /// This machine, and the project in this folder.
    pub fn here(project: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        Self {
            cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            commit: commit(project).unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

fn commit(project: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(project).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if changed.is_empty() { "" } else { "+" })
}

/// The median time in microseconds of writing a page and flushing it to the disk of this folder.
///
/// # Errors
/// The folder can't be written.
pub fn flush_probe(folder: &Path) -> Result<u64> {
    let path = folder.join("flush-probe");
    let mut file = fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 100 && begin.elapsed() < Duration::from_secs(1) {
        let started = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194304 2 6 6 1 170 38 3 2 20 0 1 0 9";
        assert_eq!(ticks(stat), Some(Ticks { parent: 3, own: 208, kernel: 38, reaped: 5 }));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn switches_of_both_kinds_are_counted() {
        let status = "Name:\tmuster\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(switches_in(status), 42);
    }
}
