//! Plug-ins, well-behaved and hostile, each a real component in a real host.

mod cache;
mod component;
mod grants;
mod hostile;
mod loading;
mod notifier;
mod sample;
mod stored;
mod wasi_http;

use std::{path::PathBuf, time::Duration};

use pingmon_checks::{
    dial::resolver::Resolver,
    wasm::{Compiler, Plugins, Settings, Wasm},
};
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    error::Result,
    id::MonitorId,
    outcome::Outcome,
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A compiler in a process of its own.
fn compiler() -> Compiler {
    Compiler::Process { program: env!("CARGO_BIN_EXE_pingmon-compile-plugin").into(), arguments: Vec::new() }
}

/// Settings with a cache that all tests share: a debug build compiles slowly.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.cache = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins"));
    settings
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The plug-in that does whatever its config says, loaded once.
async fn plugins() -> Plugins {
    static LOADED: OnceCell<Plugins> = OnceCell::const_new();
    let load = async {
        let plugins = Plugins::new(settings(), compiler()).unwrap();
        plugins.install(plugins.load("hostile", &fixture("hostile.wasm"), None).await.unwrap());
        plugins
    };
    LOADED.get_or_init(|| load).await.clone()
}

/// A monitor of a plug-in.
struct Monitor {
    kind: Wasm,
    config: Value,
    timeout: Duration,
}

impl Monitor {
    fn of(plugins: &Plugins, plugin: &str, config: Value) -> Self {
        Self::dialling(DialPolicy::open(), Resolver::system(), plugins, plugin, config)
    }

    fn dialling(policy: DialPolicy, resolver: Resolver, plugins: &Plugins, plugin: &str, config: Value) -> Self {
        let kind = Wasm::with_resolver(policy, resolver, plugins.clone()).unwrap();
        Self { kind, config: json!({ "plugin": plugin, "config": config }), timeout: TIMEOUT }
    }

    fn granting(mut self, grant: Value) -> Self {
        self.config["grant"] = grant;
        self
    }

    fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn build(&self) -> Result<std::sync::Arc<dyn pingmon_core::check::Check>> {
        self.kind.build(&self.config)
    }

    async fn run(&self) -> Outcome {
        let slot = Timestamp::from_micros(1_780_272_000_000_000);
        self.build().unwrap().run(&CheckContext::new(MonitorId::new(), "shop", slot, self.timeout)).await.unwrap()
    }
}

/// Has the hostile plug-in do something.
async fn hostile(config: Value) -> Monitor {
    Monitor::of(&plugins().await, "hostile", config)
}
