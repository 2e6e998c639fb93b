//! What a process costs, read from `/proc`. Linux only.

use std::{fs, time::Duration};

use crate::Result;

/// Ticks of `/proc/<pid>/stat` a second: USER_HZ, which is 100 on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// What a process has used up to now, and holds now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        // The name of the program, in parentheses, may hold blanks: fields are counted after it. User and system time
        // are fields 14 and 15 of proc(5), the one after the name is number 3.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Self {
            cpu: Duration::from_millis(ticks * 1_000 / TICKS),
            rss_kib: kib(&status, "VmRSS:"),
            peak_kib: kib(&status, "VmHWM:"),
        })
    }
}

fn kib(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Processes ready to run on this machine, over the last minute: how much the figures are to be trusted.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
