//! Counting a server's instructions through `perf stat`, where the machine has counters and lets us read them.
//!
//! `perf` stands outside the server, so nothing has to be built into it. Without counters (many virtual machines)
//! the report says so and goes by CPU time alone.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process;

/// How long `perf` may take to attach.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which instructions can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counters {
    /// The program's and the kernel's.
    UserAndKernel,
    /// The program's alone.
    User,
    /// None, for this reason.
    Missing(String),
}

/// Instructions of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions {
    /// The program's.
    pub user: u64,
    /// The kernel's on its behalf, where they can be counted.
    pub kernel: Option<u64>,
}

impl Counters {
    /// Finds out by counting a command that does nothing.
    pub fn probe() -> Self {
        let mut reason = String::new();
        for counters in [Self::UserAndKernel, Self::User] {
            let output = Command::new("perf").args(["stat", "-x,", "-e", counters.events(), "true"]).output();
            let text = match output {
                Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) => return Self::Missing(format!("perf: {error}")),
            };
            if read(&text).is_some_and(|counted| counted.kernel.is_some() || counters == Self::User) {
                return counters;
            }
            let unsupported = text.contains("<not supported>");
            let line = text.lines().next().unwrap_or("perf printed nothing");
            reason = if unsupported { "the machine has no such counter" } else { line }.to_owned();
        }
        Self::Missing(reason)
    }

    const fn events(&self) -> &'static str {
        match self {
            Self::UserAndKernel => "instructions:u,instructions:k",
            Self::User | Self::Missing(_) => "instructions:u",
        }
    }

    /// Begins to count a process's instructions, once `perf` has attached to all its threads.
    pub fn watch(&self, pid: u32) -> Option<Watch> {
        if matches!(self, Self::Missing(_)) {
            return None;
        }
        let child = Command::new("perf")
            .args(["stat", "-x,", "-e", self.events(), "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let per_thread = self.events().split(',').count();
        let begin = Instant::now();
        while attached(child.id()) < per_thread * process::threads(pid) && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(20));
        Some(Watch(child))
    }
}

/// How many counters a `perf` process holds open.
fn attached(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().contains("perf_event"))).count()
}

/// A `perf` process that is counting.
pub struct Watch(Child);

impl Watch {
    /// Ends the counting and reads what was counted.
    pub fn stop(mut self) -> Option<Instructions> {
        if !process::signal("INT", self.0.id()) {
            // It has ended by itself, or it must: waiting for it must not take for ever.
            let _ = self.0.kill();
        }
        let output = self.0.wait_with_output().ok()?;
        read(&String::from_utf8_lossy(&output.stderr))
    }
}

/// Reads the lines of `perf stat -x,`: value, unit, event, and more.
fn read(text: &str) -> Option<Instructions> {
    let value = |event: &str| {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        lines.find(|cells| cells.get(2) == Some(&event))?.first()?.parse::<u64>().ok()
    };
    Some(Instructions { user: value("instructions:u")?, kernel: value("instructions:k") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_is_not_zero() {
        let both = "1200,,instructions:u,5,100.00,,\n34,,instructions:k,5,100.00,,\n";
        assert_eq!(read(both), Some(Instructions { user: 1200, kernel: Some(34) }));
        let neither = "<not supported>,,instructions:u,0,100.00,,\n<not supported>,,instructions:k,0,100.00,,\n";
        assert_eq!(read(neither), None);
    }
}
