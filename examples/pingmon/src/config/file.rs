//! The sections of the config file as types: what may be written, with its defaults and limits. Their doc comments are
//! the descriptions in `pingmon schema`. A kind's own table is described by its kind, a monitor's policy by
//! `pingmon_core::policy`.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU16, time::Duration};

use pingmon_checks::wasm::Settings;
use pingmon_core::{
    dial::{DialPolicy, Preset, Rule},
    error::{Error, Result},
    notification::Step,
    time::Span,
};
use pingmon_web::Signer;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    maintenance::Work,
    telling::{Level, Routing},
    window::When,
};

const DAY: Duration = Duration::from_secs(86_400);

/// The config file of pingmon.
///
/// In texts, `${VAR}` and `${VAR:-default}` are filled in from the environment; `$${` stands for `${`. Inside the table
/// of a kind, and for the secrets of the process, `{ file = "path" }` in place of a text is what that file holds.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "pingmon.toml")]
#[allow(dead_code, reason = "the shape of the file for its schema; the sections are read one by one")]
pub(crate) struct File {
    /// Where results, incidents and notices are kept.
    #[serde(default)]
    store: Store,
    /// The status page and the API.
    #[serde(default)]
    web: Web,
    /// How this process does its share of the work.
    #[serde(default)]
    worker: Worker,
    /// Where checks and notifiers may connect to.
    #[serde(default)]
    dial: Dial,
    /// What plug-ins may use up, and where compiled ones are kept.
    #[serde(default)]
    wasm: Settings,
    /// The plug-ins that monitors of the kind `wasm` may name.
    #[serde(default)]
    plugin: Vec<Plugin>,
    /// A sign of life to somebody who watches this monitor.
    heartbeat: Option<Heartbeat>,
    /// What monitors have that don't say otherwise: any setting of a monitor but its name, labels and kind.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    defaults: Defaults,
    /// Who else is told of incidents that go on, and when; monitors name one of these in `escalation`.
    #[serde(default)]
    escalation: Vec<Escalation>,
    /// The channels that are told about incidents. Each has exactly one table that names its kind.
    #[serde(default)]
    notifier: Vec<Notifier>,
    /// What is watched. Each has exactly one table that names its check kind.
    #[serde(default)]
    monitor: Vec<Monitor>,
    /// When monitors are worked on.
    #[serde(default)]
    maintenance: Vec<Work>,
    /// Who else is told of which incidents.
    #[serde(default)]
    route: Vec<Routing>,
}

/// Where results, incidents and notices are kept.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:` and the path of a file, relative to the working directory; or `postgres://user:password@host/database`,
    /// which any number of processes may share. Add `?pooler=transaction` behind a pooler in transaction mode.
    pub(crate) url: String,
    /// For PostgreSQL: the schema that holds the tables, which `pingmon migrate` makes.
    pub(crate) schema: SchemaName,
    /// For PostgreSQL: most connections at one time.
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) connections: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:pingmon.db".to_owned(), schema: SchemaName("pingmon".to_owned()), connections: 8 }
    }
}

/// Up to 63 lower-case letters, digits and underscores, beginning with neither a digit nor `pg_`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct SchemaName(#[schemars(regex(pattern = "^(?!pg_)[a-z_][a-z0-9_]{0,62}$"))] pub(crate) String);

/// The status page and the API.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Web {
    /// Address and port to listen on; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub(crate) listen: SocketAddr,
    /// Title of the status page.
    #[schemars(length(min = 1, max = 200))]
    pub(crate) title: String,
    /// Whoever sends it as `Authorization: Bearer …` may change things through the API, such as sending a notice again; at
    /// least 16 characters. Nobody may when it isn't given. Best taken from the environment: `"${PINGMON_ADMIN_TOKEN}"`.
    #[schemars(length(min = 16, max = 1_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_token: Option<String>,
    /// Where readers find the page, such as `https://status.example.com`: notices lead there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// Signs the links by which whoever gets a notice may acknowledge its incident or silence its monitor; at least 16 characters, the same in all
    /// processes of a store. Stands together with `public_url`.
    #[schemars(length(min = 16, max = 1_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_key: Option<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            title: "Status".to_owned(),
            admin_token: None,
            public_url: None,
            link_key: None,
        }
    }
}

impl Web {
    /// Who makes the links of notices, if they are to have any.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that is wrong or missing.
    pub(crate) fn signer(&self) -> Result<Option<Signer>> {
        match (&self.public_url, &self.link_key) {
            (None, None) => Ok(None),
            (Some(url), Some(key)) => Signer::new(url, key).map(Some),
            (Some(_), None) => Err(Error::config("link_key", "is missing beside `public_url`: it signs the links")),
            (None, Some(_)) => Err(Error::config("public_url", "is missing beside `link_key`: the links lead there")),
        }
    }
}

/// How this process does its share of the work.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Worker {
    /// Most runs at the same time.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) concurrency: usize,
    /// Most runs at the same time of one check kind: `kinds = { postgres = 4 }`.
    pub(crate) kinds: BTreeMap<String, NonZeroU16>,
    /// How much it can do compared with the other processes of the store: monitors are shared out in proportion.
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) capacity: u32,
    /// How long this process counts as alive without a sign of life, from 1 s to 10 min: after that others take over its
    /// monitors.
    pub(crate) lease: Span,
    /// How often it looks for monitors to take over and notices to send, from 10 ms to 1 min.
    pub(crate) poll: Span,
    /// How long runs under way may take to end when it is stopped, up to 10 min.
    pub(crate) grace: Span,
    /// How long history is kept.
    pub(crate) retention: Retention,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            concurrency: 256,
            kinds: BTreeMap::new(),
            capacity: 1,
            lease: Span(Duration::from_secs(15)),
            poll: Span(Duration::from_secs(1)),
            grace: Span(Duration::from_secs(5)),
            retention: Retention::default(),
        }
    }
}

/// How long history is kept, from 1 h to 100 years.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Single runs and gaps.
    pub(crate) results: Span,
    /// Closed incidents and settled notices.
    pub(crate) incidents: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self { results: Span(30 * DAY), incidents: Span(365 * DAY) }
    }
}

/// Where checks and notifiers may connect to: the allow list wins over the deny list, both over the preset. What counts is
/// the address that is really dialled.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dial {
    /// `open`: everything but the metadata addresses of cloud providers. `public`: public addresses only, and neither the
    /// store nor the API of this process.
    pub(crate) preset: Preset,
    /// What may be dialled whatever `deny` and `preset` say: networks, addresses, names, `*.` and a name for all below it,
    /// or `*`; with a port or a range of ports where only those are meant: `["10.0.0.0/8", "*.corp.example:443"]`. A name
    /// stands for whatever it leads to, but never for a metadata address.
    pub(crate) allow: Vec<Rule>,
    /// What may not be dialled, written in the same way: `["192.0.2.0/24", "*:25", "[fd00::/8]:8000-8999"]`. What is denied
    /// by its name can still be reached by its address.
    pub(crate) deny: Vec<Rule>,
}

/// A sign of life to somebody who watches this monitor: sent as long as claims are renewed, results recorded and the
/// outbox looked into.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heartbeat {
    /// What is asked for with GET: `"${HEARTBEAT_URL}"`. It is a secret.
    pub(crate) url: String,
    /// How often, from 10 s to a day.
    #[serde(default = "minute")]
    pub(crate) every: Span,
}

const fn minute() -> Span {
    Span(Duration::from_secs(60))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<SocketAddr, D::Error> {
    let parse = |text: String| text.parse();
    parse(String::deserialize(deserializer)?)
        .map_err(|_| de::Error::custom("is not an IP address and port such as \"127.0.0.1:8080\" or \"[::]:8080\""))
}

impl From<Dial> for DialPolicy {
    fn from(dial: Dial) -> Self {
        let mut policy = Self::open();
        (policy.preset, policy.allow, policy.deny) = (dial.preset, dial.allow, dial.deny);
        policy
    }
}

/// A plug-in: a WebAssembly component of the interface `pingmon:check`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// What monitors call it; at most 200 characters.
    #[schemars(length(min = 1, max = 200))]
    pub(crate) name: String,
    /// The component, relative to the config file. Without it, the plug-in is that of the store with this name, which
    /// `pingmon plugin add` puts there.
    pub(crate) file: Option<String>,
    /// What the component's SHA-256 has to be, in hexadecimal digits; another one is refused.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub(crate) sha256: Option<String>,
    /// The file's signature in base64, where `wasm.trust` asks for one. Unless it's given, it is read from the file with
    /// `.sig` after its name.
    pub(crate) signature: Option<String>,
}

/// What monitors have that don't say otherwise.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(dead_code, reason = "described here, read as part of each monitor")]
pub(crate) struct Defaults {
    /// The interval, from 1 s to 366 days. Default 60 s.
    every: Option<Span>,
    /// How long a run may take, from 1 ms to 1 h; never longer than the interval. Default 10 s.
    timeout: Option<Span>,
    /// Names of the notifiers that are told; when not given, all that no `[[route]]` names. `[]` for none but those of routes.
    notify: Option<Vec<String>>,
    /// The name of an escalation; none when not given.
    escalation: Option<String>,
}

/// Who else is told of an incident that is neither resolved nor acknowledged, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Escalation {
    /// What monitors call it in `escalation`; at most 200 characters.
    #[allow(dead_code, reason = "read before all else, to find the same name twice")]
    pub(crate) name: String,
    /// At most 10 steps: `[{ after = "10m", notify = ["oncall"] }, { after = "30m", notify = ["boss"] }]`.
    #[schemars(length(min = 1, max = 10))]
    pub(crate) steps: Vec<Step>,
}

/// A channel. Exactly one more table names its kind.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Notifier {
    /// What monitors call it in `notify`; at most 200 characters.
    pub(crate) name: String,
    /// When it is left in peace, at most 32 of them: what falls into these hours is told when they end, in one message where one
    /// is enough. `[{ weekly = { from = "22:00", until = "07:00" }, timezone = "Europe/Berlin" }]`
    #[schemars(length(max = 32))]
    quiet: Vec<When>,
    /// Levels of incidents that it is told of all the same: `["down"]`.
    quiet_except: Vec<Level>,
}

/// Something that is watched. Exactly one more table names its check kind.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Monitor {
    /// Unique among the monitors; at most 200 characters.
    pub(crate) name: String,
    /// Whether it is run; a monitor that isn't keeps its history.
    pub(crate) enabled: bool,
    /// The interval, from 1 s to 366 days. Default 60 s.
    pub(crate) every: Option<Span>,
    /// A cron expression of 5 fields, or of 6 with leading seconds, in place of `every`.
    pub(crate) cron: Option<String>,
    /// The IANA time zone of `cron`. Default UTC.
    pub(crate) timezone: Option<String>,
    /// How long a run may take, from 1 ms to 1 h, at most the interval. Default 10 s, or the interval if that is shorter.
    pub(crate) timeout: Option<Span>,
    /// Names of the notifiers that are told; when not given, all that no `[[route]]` names. `[]` for none but those of routes.
    pub(crate) notify: Option<Vec<String>>,
    /// The name of an escalation: who else is told of an incident that goes on.
    pub(crate) escalation: Option<String>,
    /// Names of monitors without which this one can't be well, at most 32: while one of them is down, nobody is told of
    /// this one.
    pub(crate) depends_on: Vec<String>,
    /// Free keys and values to group and route by; at most 32.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: true,
            every: None,
            cron: None,
            timezone: None,
            timeout: None,
            notify: None,
            escalation: None,
            depends_on: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}
