//! What a `system` monitor may say. Reading only: judging is `measure`'s work.

use std::{fmt, marker::PhantomData};

use pingmon_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};

use crate::{
    levels::Levels,
    percent::Percent,
    system::units::{Bytes, CorePercent, PerCore, Rate},
};

/// Most mounts, interfaces or processes that one monitor may list.
const MAX_LISTED: usize = 64;

/// What to measure on this host and how much is too much. Only the figures named here are measured; without any, all
/// are measured and none is judged. `{}` measures a figure without judging it. Figures are the host's, also inside a
/// container.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "system")]
pub(super) struct Config {
    /// Use of all processors together since the last run, in percent.
    pub(super) cpu: Option<Levels<Percent>>,
    /// Memory that can't be had for new work, in percent of all.
    pub(super) memory: Option<Levels<Percent>>,
    /// Swap in use, in percent of all; 0 on a host without swap.
    pub(super) swap: Option<Levels<Percent>>,
    /// Load average of the last minute per processor: 1 means that each had exactly one task.
    pub(super) load: Option<Levels<PerCore>>,
    /// Space in use, in percent: of each real, local file system, or of listed mounts only.
    pub(super) disk: Option<Each<Percent, Mount>>,
    /// Traffic in bytes per second and direction: of each interface but the loopback, or of listed ones only.
    pub(super) network: Option<Each<Rate, Interface>>,
    /// Processes that must run.
    pub(super) process: Option<Vec<Process>>,
}

/// A mount and its levels.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    /// Where it is mounted, such as `/var`. If nothing is mounted there, the target is down.
    pub(super) mount: String,
    /// At or above this many percent the target is degraded.
    degraded: Option<Percent>,
    /// At or above this many percent the target is down.
    down: Option<Percent>,
}

/// An interface and its levels.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Interface {
    /// Its name, such as `eth0`. If there is none of that name, the target is down.
    pub(super) interface: String,
    /// At or above this many bytes per second in either direction the target is degraded.
    degraded: Option<Rate>,
    /// At or above this many bytes per second in either direction the target is down.
    down: Option<Rate>,
}

impl Mount {
    pub(super) fn levels(&self) -> Levels<Percent> {
        Levels { degraded: self.degraded, down: self.down }
    }
}

impl Interface {
    pub(super) fn levels(&self) -> Levels<Rate> {
        Levels { degraded: self.degraded, down: self.down }
    }
}

/// A process that must run, by `name` or by `pid`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    /// Name of its program file, such as `nginx`; what the system calls the process will do too.
    pub(super) name: Option<String>,
    /// Its number.
    pub(super) pid: Option<u32>,
    /// Fewest that must run under that name; 1 unless set.
    pub(super) min: Option<u64>,
    /// Most that may run under that name.
    pub(super) max: Option<u64>,
    /// Processor use since the last run of all of that name together, in percent of one processor: 200 is two of them.
    pub(super) cpu: Option<Levels<CorePercent>>,
    /// Resident memory of all of that name together, in bytes.
    pub(super) memory: Option<Levels<Bytes>>,
}

impl Config {
    /// This config, or all figures without levels if it names none.
    pub(super) fn or_everything(self) -> Self {
        let Self { cpu, memory, swap, load, disk, network, process } = &self;
        let levels = [cpu.is_some(), memory.is_some(), swap.is_some(), load.is_some()];
        if levels.contains(&true) || disk.is_some() || network.is_some() || process.is_some() {
            return self;
        }
        Self {
            cpu: Some(Levels::NONE),
            memory: Some(Levels::NONE),
            swap: Some(Levels::NONE),
            load: Some(Levels::NONE),
            disk: Some(Each::All(Levels::NONE)),
            network: Some(Each::All(Levels::NONE)),
            process: None,
        }
    }

    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        validate(self.cpu, "cpu")?;
        validate(self.memory, "memory")?;
        validate(self.swap, "swap")?;
        validate(self.load, "load")?;
        if let Some(disk) = &self.disk {
            disk.validate("disk", Mount::levels)?;
        }
        if let Some(network) = &self.network {
            network.validate("network", Interface::levels)?;
        }
        let processes = self.process.as_deref().unwrap_or_default();
        validate_length("process", processes.len())?;
        processes.iter().enumerate().try_for_each(|(index, process)| process.validate(&format!("process[{index}]")))
    }
}

impl Process {
    fn validate(&self, field: &str) -> Result<()> {
        match (&self.name, self.pid) {
            (Some(name), None) if name.is_empty() => {
                return Err(Error::config(format!("{field}.name"), "is empty; write the name of the program file"));
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err(Error::config(field, "needs either name or pid, and not both")),
        }
        if self.pid.is_some() && (self.min.is_some() || self.max.is_some()) {
            return Err(Error::config(field, "min and max count processes of one name; leave them out beside pid"));
        }
        let min = self.min.unwrap_or(1);
        if let Some(max) = self.max.filter(|max| *max < min) {
            return Err(Error::config(format!("{field}.max"), format!("{max} is below min, which is {min}")));
        }
        validate(self.cpu, &format!("{field}.cpu"))?;
        validate(self.memory, &format!("{field}.memory"))
    }
}

fn validate<T: Copy + PartialOrd + fmt::Display>(levels: Option<Levels<T>>, field: &str) -> Result<()> {
    levels.map_or(Ok(()), |levels| levels.validate(field))
}

fn validate_length(field: &str, length: usize) -> Result<()> {
    if length <= MAX_LISTED {
        return Ok(());
    }
    Err(Error::config(field, format!("lists {length}; split it into monitors of at most {MAX_LISTED} each")))
}

/// The same levels for each of a sort, or a list of some with levels of their own.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Each<T, Item> {
    /// One table of levels that holds for each.
    All(Levels<T>),
    /// Those listed and no others.
    Listed(Vec<Item>),
}

impl<T: Copy + PartialOrd + fmt::Display, Item> Each<T, Item> {
    fn validate(&self, field: &str, levels: impl Fn(&Item) -> Levels<T>) -> Result<()> {
        match self {
            Self::All(levels) => levels.validate(field),
            Self::Listed(items) => {
                validate_length(field, items.len())?;
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| levels(item).validate(&format!("{field}[{index}]")))
            }
        }
    }
}

/// By hand, since serde's untagged enums forget why a field was refused.
impl<'de, T: Deserialize<'de>, Item: Deserialize<'de>> Deserialize<'de> for Each<T, Item> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableOrList<T, Item>(PhantomData<(T, Item)>);

        impl<'de, T: Deserialize<'de>, Item: Deserialize<'de>> de::Visitor<'de> for TableOrList<T, Item> {
            type Value = Each<T, Item>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of levels or a list of tables")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Each::All)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Each::Listed)
            }
        }
        deserializer.deserialize_any(TableOrList(PhantomData))
    }
}
