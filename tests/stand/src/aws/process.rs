//! What a function's process holds of its machine, as Linux tells it in `/proc`.

use std::{fs, time::Duration};

/// A process of a function at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Memory in use, KiB (`VmRSS`).
    pub memory: u64,
    /// The most memory that it ever used, KiB (`VmHWM`).
    pub peak_memory: u64,
    /// Threads.
    pub threads: u64,
    /// Open files: connections, above all.
    pub files: usize,
}

impl Process {
    /// The process of this number; `None` where it is gone, and on a system without `/proc`.
    pub fn of(id: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            id,
            memory: number("VmRSS")?,
            peak_memory: number("VmHWM")?,
            threads: number("Threads")?,
            files: fs::read_dir(format!("/proc/{id}/fd")).ok()?.count(),
        })
    }
}

/// The processor time that a process has used; `None` where it is gone, and on a system that does not count it so
/// (`/proc/…/schedstat`, in nanoseconds). Of threads that have ended nothing is known.
pub fn processor_time(id: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let of = |thread: fs::DirEntry| {
        let spent = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some(Duration::from_nanos(spent.split_whitespace().next()?.parse().ok()?))
    };
    Some(threads.flatten().filter_map(of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_nobody_has_the_last_number() {
        assert_eq!(Process::of(u32::MAX), None);
        if cfg!(target_os = "linux") {
            let this = Process::of(std::process::id()).expect("this process");
            assert!(
                this.memory > 0 && this.memory <= this.peak_memory && this.threads > 0 && this.files > 2,
                "{this:?}"
            );
            assert!(processor_time(this.id).expect("counted") > Duration::ZERO);
        }
    }
}
