//! Holds a reading of this host against a monitor's levels. A pure decision: reading is `sample`'s work.

use std::collections::HashSet;

use pingmon_core::outcome::{Metric, Status};

use crate::{
    judgement::Judgement,
    levels::Levels,
    percent::Percent,
    system::{
        config::{Each, Interface, Mount, Process},
        sample::{self, FileSystem, Sample, Space},
        units::{Bytes, CorePercent, PerCore, Rate},
    },
};

/// Most names listed in the message that something is missing.
const MAX_NAMED: usize = 20;
/// What Linux keeps of a process's name, in bytes.
const KEPT_OF_A_NAME: usize = 15;

pub(super) fn cpu(judgement: &mut Judgement, levels: &Levels<Percent>, sample: &Sample) -> String {
    if sample.processors == 0 {
        return unread(judgement, "cpu", "the system doesn't show its processors");
    }
    let used = Percent::rounded(sample.cpu);
    judgement.metric(Metric::new("cpu_used", used.value(), "percent"));
    judgement.level(levels, "cpu", used);
    format!("cpu {used}")
}

pub(super) fn load(judgement: &mut Judgement, levels: &Levels<PerCore>, sample: &Sample) -> String {
    let load = match &sample.load {
        Ok(load) if sample.processors > 0 => load,
        Ok(_) => return unread(judgement, "load", "the system doesn't show its processors"),
        Err(reason) => return unread(judgement, "load", reason),
    };
    for (name, average) in [("load_1", load.one), ("load_5", load.five), ("load_15", load.fifteen)] {
        judgement.metric(Metric::new(name, average, ""));
    }
    let per_core = PerCore::rounded(load.one / sample.processors as f64);
    judgement.level(levels, "load", per_core);
    format!("load {per_core}")
}

pub(super) fn memory(judgement: &mut Judgement, levels: &Levels<Percent>, memory: Space) -> String {
    space(judgement, "memory", levels, memory)
        .unwrap_or_else(|| unread(judgement, "memory", "the system doesn't say how much there is"))
}

pub(super) fn swap(judgement: &mut Judgement, levels: &Levels<Percent>, swap: Space) -> String {
    space(judgement, "swap", levels, swap).unwrap_or_else(|| "no swap".to_owned())
}

fn space(judgement: &mut Judgement, what: &'static str, levels: &Levels<Percent>, space: Space) -> Option<String> {
    let used = space.used_share()?;
    judgement.metric(Metric::new(format!("{what}_used"), used.value(), "percent"));
    judgement.metric(Metric::new(format!("{what}_used"), space.used as f64, "bytes"));
    judgement.level(levels, what, used);
    Some(format!("{what} {used}"))
}

pub(super) fn disk(judgement: &mut Judgement, wanted: &Each<Percent, Mount>, all: &[FileSystem]) -> String {
    let judged = match wanted {
        Each::All(levels) => every_disk(judgement, levels, all),
        Each::Listed(mounts) => mounts.iter().filter_map(|wanted| one_disk(judgement, wanted, all)).collect::<Vec<_>>(),
    };
    let fullest = judged.into_iter().max_by(|(_, a), (_, b)| a.value().total_cmp(&b.value()));
    fullest.map_or_else(String::new, |(mount, used)| format!("disk {mount} {used}"))
}

fn every_disk<'a>(
    judgement: &mut Judgement,
    levels: &Levels<Percent>,
    all: &'a [FileSystem],
) -> Vec<(&'a str, Percent)> {
    let each = each_once(all);
    if each.is_empty() {
        judgement.unjudged("disk", "no file system tells its size");
    }
    each.into_iter().map(|(found, used)| file_system(judgement, levels, found, used)).collect()
}

fn one_disk<'a>(judgement: &mut Judgement, wanted: &Mount, all: &'a [FileSystem]) -> Option<(&'a str, Percent)> {
    let expectation = format!("disk[{}]", wanted.mount);
    let Some(found) = all.iter().find(|found| found.mount == wanted.mount) else {
        let there = named(all.iter().map(|found| &*found.mount));
        judgement.fail(Status::Down, expectation, "a mount", format!("no mount {}; {there}", wanted.mount));
        return None;
    };
    let Some(used) = found.space.used_share() else {
        judgement.unjudged(&expectation, "the file system doesn't tell its size");
        return None;
    };
    Some(file_system(judgement, &wanted.levels(), found, used))
}

fn file_system<'a>(
    judgement: &mut Judgement,
    levels: &Levels<Percent>,
    found: &'a FileSystem,
    used: Percent,
) -> (&'a str, Percent) {
    let labelled = |value, unit: &'static str| Metric::new("disk_used", value, unit).label("mount", &*found.mount);
    judgement.metric(labelled(used.value(), "percent"));
    judgement.metric(labelled(found.space.used as f64, "bytes"));
    judgement.level(levels, format!("disk[{}]", found.mount), used);
    (&found.mount, used)
}

/// Every file system that holds data, at its shortest mount: bind mounts show the same space again, and so do the
/// overlays of containers.
fn each_once(all: &[FileSystem]) -> Vec<(&FileSystem, Percent)> {
    let mut by_length: Vec<_> = all.iter().collect();
    by_length.sort_by_key(|found| found.mount.len());
    let mut seen = HashSet::new();
    by_length
        .into_iter()
        .filter(|found| found.kind != "overlay" || found.mount == "/")
        .filter(|found| seen.insert((&found.device, found.space.total)))
        .filter_map(|found| Some((found, found.space.used_share()?)))
        .collect()
}

pub(super) fn network(judgement: &mut Judgement, wanted: &Each<Rate, Interface>, all: &[sample::Interface]) -> String {
    match wanted {
        Each::All(levels) => all.iter().for_each(|found| interface(judgement, levels, found)),
        Each::Listed(interfaces) => {
            for wanted in interfaces {
                let name = &wanted.interface;
                if let Some(found) = all.iter().find(|found| found.name == *name) {
                    interface(judgement, &wanted.levels(), found);
                } else {
                    let there = named(all.iter().map(|found| &*found.name));
                    let missing = format!("no interface {name}; {there}");
                    judgement.fail(Status::Down, format!("network[{name}]"), "an interface", missing);
                }
            }
        }
    }
    String::new()
}

fn interface(judgement: &mut Judgement, levels: &Levels<Rate>, found: &sample::Interface) {
    for (direction, rate) in [("received", found.received), ("transmitted", found.transmitted)] {
        let metric = Metric::new(format!("network_{direction}"), rate as f64, "bytes_per_second");
        judgement.metric(metric.label("interface", &*found.name));
        judgement.level(levels, format!("network[{}].{direction}", found.name), Rate(rate));
    }
}

pub(super) fn process(judgement: &mut Judgement, wanted: &Process, all: &[sample::Process]) -> String {
    let label = wanted.name.clone().or_else(|| wanted.pid.map(|pid| pid.to_string())).unwrap_or_default();
    let expectation = format!("process[{label}]");
    // Where /proc is mounted with hidepid we see our own processes only: that others don't run is then not known.
    let hidden = cfg!(unix) && !all.iter().any(|process| process.pid == 1);
    let found: Vec<_> = all.iter().filter(|process| matches(wanted, process)).collect();
    let count = found.len() as u64;
    let min = wanted.min.unwrap_or(1);
    if count < min && hidden {
        return unread(judgement, &expectation, "this user may not see other users' processes");
    }
    if count < min {
        let expected = if min == 1 { "running".to_owned() } else { format!("at least {min} running") };
        let actual = if count == 0 { format!("no process {label}") } else { count.to_string() };
        judgement.fail(Status::Down, &*expectation, expected, actual);
    }
    if let Some(max) = wanted.max.filter(|max| count > *max) {
        judgement.fail(Status::Down, &*expectation, format!("at most {max} running"), count.to_string());
    }
    let cpu = CorePercent::rounded(found.iter().map(|process| process.cpu).sum());
    let memory = found.iter().map(|process| process.memory).sum();
    judgement.level(&wanted.cpu.unwrap_or(Levels::NONE), format!("{expectation}.cpu"), cpu);
    judgement.level(&wanted.memory.unwrap_or(Levels::NONE), format!("{expectation}.memory"), Bytes(memory));
    let figures = [("count", count as f64, ""), ("cpu", cpu.value(), "percent"), ("memory", memory as f64, "bytes")];
    for (name, value, unit) in figures {
        judgement.metric(Metric::new(format!("process_{name}"), value, unit).label("process", &*label));
    }
    format!("{count} {label}")
}

fn matches(wanted: &Process, process: &sample::Process) -> bool {
    if let Some(pid) = wanted.pid {
        return process.pid == pid;
    }
    let Some(name) = wanted.name.as_deref() else { return false };
    process.program == name
        || process.name == name
        || (name.len() > KEPT_OF_A_NAME && process.name.as_bytes() == &name.as_bytes()[..KEPT_OF_A_NAME])
}

/// A figure that couldn't be read: unknown, and nothing for the summary.
fn unread(judgement: &mut Judgement, expectation: &str, reason: &str) -> String {
    judgement.unjudged(expectation, reason);
    String::new()
}

/// What there is instead of what isn't.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    match (names.is_empty(), more) {
        (true, _) => "there is none".to_owned(),
        (false, 0) => format!("there are {}", names.join(", ")),
        (false, more) => format!("there are {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::outcome::Outcome;
    use serde_json::json;

    use super::*;
    use crate::system::config::Config;

    fn config(json: serde_json::Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    fn mounted(mount: &str, device: &str, kind: &str, used: u64, total: u64) -> FileSystem {
        let space = Space { used, total };
        FileSystem { mount: mount.to_owned(), device: device.to_owned(), kind: kind.to_owned(), space }
    }

    fn running(pid: u32, name: &str, program: &str) -> sample::Process {
        sample::Process { pid, name: name.to_owned(), program: program.to_owned(), cpu: 12.34, memory: 1_000 }
    }

    fn judged(judge: impl FnOnce(&mut Judgement) -> String) -> Outcome {
        let mut judgement = Judgement::new();
        let summary = judge(&mut judgement);
        judgement.finish(summary)
    }

    #[test]
    fn each_file_system_is_judged_once_at_its_shortest_mount() {
        let all = [
            mounted("/", "/dev/a", "ext4", 10, 100),
            mounted("/var/bind", "/dev/a", "ext4", 10, 100),
            mounted("/var/lib/containers/merged", "overlay", "overlay", 99, 100),
            mounted("/proc/odd", "none", "nsfs", 0, 0),
            mounted("/data", "/dev/b", "xfs", 95, 100),
        ];
        let wanted = config(json!({ "disk": { "degraded": 90 } })).disk.unwrap();
        let outcome = judged(|judgement| disk(judgement, &wanted, &all));
        assert_eq!(outcome.message, "disk[/data]: expected < 90 percent, got 95 percent");
        let mounts: Vec<_> = outcome.metrics.iter().map(|metric| &*metric.labels["mount"]).collect();
        assert_eq!(mounts, ["/", "/", "/data", "/data"]);
    }

    #[test]
    fn a_file_system_that_does_not_tell_its_size_is_unknown() {
        let wanted = config(json!({ "disk": [{ "mount": "/mnt", "down": 90 }] })).disk.unwrap();
        let outcome = judged(|judgement| disk(judgement, &wanted, &[mounted("/mnt", "x", "fuse", 0, 0)]));
        assert_eq!(outcome.status, Status::Unknown);
    }

    #[test]
    fn a_process_is_missed_only_where_all_processes_can_be_seen() {
        let wanted = config(json!({ "process": [{ "name": "nginx" }] })).process.unwrap();
        let seen = judged(|judgement| process(judgement, &wanted[0], &[running(1, "init", "init")]));
        assert_eq!(seen.message, "process[nginx]: expected running, got no process nginx");
        let hidden = judged(|judgement| process(judgement, &wanted[0], &[running(99, "sh", "sh")]));
        assert_eq!(hidden.status, if cfg!(unix) { Status::Unknown } else { Status::Down });
    }

    #[test]
    fn a_process_has_the_name_of_its_program_even_where_the_system_cuts_it() {
        let long = config(json!({ "process": [{ "name": "a-very-long-program" }] })).process.unwrap();
        assert!(matches(&long[0], &running(2, "a-very-long-pro", "")));
        assert!(matches(&long[0], &running(2, "worker", "a-very-long-program")));
        assert!(!matches(&long[0], &running(2, "a-very-long", "a-very-long")));
    }

    #[test]
    fn processes_of_one_name_are_counted_and_measured_together() {
        let limits = json!({ "name": "web", "min": 3, "cpu": { "degraded": 24 }, "memory": { "down": 2001 } });
        let wanted = config(json!({ "process": [limits] })).process.unwrap();
        let all = [running(1, "web", ""), running(2, "web", ""), running(3, "db", "")];
        let outcome = judged(|judgement| process(judgement, &wanted[0], &all));
        let failed: Vec<_> = outcome.failed.iter().map(|f| (&*f.expectation, &*f.expected, &*f.actual)).collect();
        assert_eq!(
            failed,
            [
                ("process[web]", "at least 3 running", "2"),
                ("process[web].cpu", "< 24 percent of a processor", "24.7 percent of a processor"),
            ]
        );
    }

    #[test]
    fn a_host_without_swap_is_fine() {
        let levels = Levels { degraded: Some(Percent::rounded(0.0)), down: None };
        let outcome = judged(|judgement| swap(judgement, &levels, Space { used: 0, total: 0 }));
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "no swap"));
    }
}
