//! Where the figures come from: thin calls into the operating system, kept by the kind so that rates span the time
//! since the last run. Judges nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use pingmon_core::error::{Error, Result};
use sysinfo::{
    DiskRefreshKind, Disks, LoadAvg, MINIMUM_CPU_UPDATE_INTERVAL, Networks, ProcessRefreshKind, ProcessStatus,
    ProcessesToUpdate, UpdateKind,
};

use crate::percent::Percent;

/// Everything but file systems at one moment; rates are averages since the moment before.
pub(super) struct Sample {
    /// Use of all processors together, in percent.
    pub(super) cpu: f64,
    /// How many processors there are.
    pub(super) processors: usize,
    pub(super) memory: Space,
    pub(super) swap: Space,
    /// Load averages, or why they can't be read.
    pub(super) load: Result<LoadAvg, String>,
    /// By name, without the loopback.
    pub(super) interfaces: Vec<Interface>,
    /// Empty unless asked for.
    pub(super) processes: Vec<Process>,
}

/// Something that can fill up, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Space {
    pub(super) used: u64,
    pub(super) total: u64,
}

impl Space {
    /// How much of it is used; `None` of nothing.
    pub(super) fn used_share(self) -> Option<Percent> {
        Percent::of(self.used as f64, self.total as f64)
    }
}

/// A network interface's traffic in bytes per second.
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) received: u64,
    pub(super) transmitted: u64,
}

/// A running process.
pub(super) struct Process {
    pub(super) pid: u32,
    /// What the system calls it: on Linux the first 15 bytes of its name.
    pub(super) name: String,
    /// File name of the program as it was started; empty if it can't be read.
    pub(super) program: String,
    /// Percent of one processor.
    pub(super) cpu: f64,
    /// Resident bytes.
    pub(super) memory: u64,
}

/// A mounted file system.
pub(super) struct FileSystem {
    pub(super) mount: String,
    pub(super) device: String,
    pub(super) kind: String,
    /// Of a total of 0 when it couldn't be read, as with file systems that hold no data.
    pub(super) space: Space,
}

/// The counters as they stood at the last sample.
pub(super) struct Sampler {
    system: sysinfo::System,
    networks: Networks,
    /// Whether processes are sampled too; so from the first time that somebody asks for them.
    processes: bool,
    sampled_at: Instant,
    /// What the rates span; none before the second sample.
    window: Option<Duration>,
}

impl Sampler {
    /// Takes the first sample.
    ///
    /// # Errors
    /// [`Error::Probe`] when this system can't be read.
    pub(super) fn new() -> Result<Self> {
        let unreadable = |e: sysinfo::Error| Error::probe(format!("this system's figures can't be read: {e}"));
        let mut sampler = Self {
            system: sysinfo::System::new().map_err(unreadable)?,
            networks: Networks::new().map_err(unreadable)?,
            processes: false,
            sampled_at: Instant::now(),
            window: None,
        };
        sampler.refresh();
        Ok(sampler)
    }

    /// The figures now. Waits only when no time has passed to measure rates over: after the first sample, and when
    /// processes are asked for the first time.
    pub(super) async fn sample(&mut self, processes: bool) -> Sample {
        if processes && !self.processes {
            self.processes = true;
            self.window = None;
            self.refresh();
        }
        if self.window.is_none() {
            tokio::time::sleep(MINIMUM_CPU_UPDATE_INTERVAL.saturating_sub(self.sampled_at.elapsed())).await;
        }
        let elapsed = self.sampled_at.elapsed();
        if elapsed >= MINIMUM_CPU_UPDATE_INTERVAL {
            self.refresh();
            self.window = Some(elapsed);
        }
        self.system.refresh_memory();
        self.read(processes)
    }

    /// One refresh of all counters together: a process's share of the processors is only right over the same time.
    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.networks.refresh(true);
        if self.processes {
            let what = ProcessRefreshKind::nothing()
                .with_cpu()
                .with_memory()
                .with_cmd(UpdateKind::OnlyIfNotSet)
                .without_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        }
        self.sampled_at = Instant::now();
    }

    fn read(&self, processes: bool) -> Sample {
        let system = &self.system;
        Sample {
            cpu: f64::from(system.global_cpu_usage()),
            processors: system.cpus().len(),
            memory: Space { used: system.used_memory(), total: system.total_memory() },
            swap: Space { used: system.used_swap(), total: system.total_swap() },
            load: sysinfo::System::load_average().map_err(|e| e.to_string()),
            interfaces: self.interfaces(),
            processes: if processes { self.processes() } else { Vec::new() },
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        let seconds = self.window.unwrap_or(MINIMUM_CPU_UPDATE_INTERVAL).as_secs_f64();
        let rate = |bytes: u64| (bytes as f64 / seconds).round() as u64;
        let others =
            self.networks.iter().filter(|(_, data)| !data.ip_networks().iter().any(|ip| ip.addr.is_loopback()));
        let mut interfaces: Vec<_> = others
            .map(|(name, data)| Interface {
                name: name.to_string_lossy().into_owned(),
                received: rate(data.received()),
                transmitted: rate(data.transmitted()),
            })
            .collect();
        interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        interfaces
    }

    fn processes(&self) -> Vec<Process> {
        let gone = |status| matches!(status, ProcessStatus::Zombie | ProcessStatus::Dead);
        let running = self.system.processes().values().filter(|process| !gone(process.status()));
        running
            .map(|process| Process {
                pid: process.pid().as_u32(),
                name: process.name().to_string_lossy().into_owned(),
                program: process.cmd().first().map(|program| file_name(Path::new(program))).unwrap_or_default(),
                cpu: f64::from(process.cpu_usage()),
                memory: process.memory(),
            })
            .collect()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The local file systems that hold data, by mount. Where one mount covers another, the one that can be seen. Blocks
/// for as long as a file system doesn't answer; network file systems, which tend not to, aren't asked.
///
/// # Errors
/// [`Error::Probe`] when this system can't be read.
pub(super) fn file_systems() -> Result<Vec<FileSystem>> {
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage())
        .map_err(|e| Error::probe(format!("the mounted file systems can't be read: {e}")))?;
    let mut mounts = BTreeMap::new();
    // A container's /etc/hosts and the like are mounts too, of a file.
    for disk in disks.iter().filter(|disk| disk.mount_point().is_dir()) {
        let total = disk.total_space();
        let found = FileSystem {
            mount: disk.mount_point().to_string_lossy().into_owned(),
            device: disk.name().to_string_lossy().into_owned(),
            kind: disk.file_system().to_string_lossy().into_owned(),
            space: Space { used: total.saturating_sub(disk.available_space()), total },
        };
        mounts.insert(found.mount.clone(), found);
    }
    Ok(mounts.into_values().collect())
}
