//! Plug-ins: WebAssembly components of the interfaces `pingmon:check` and `pingmon:notify` (`wit`), written by anybody in
//! any language. Checks and channels of the kind `wasm` run them.
//!
//! A plug-in reaches nothing but what its monitor or channel grants, and can harm nobody: each run has an instance of its
//! own, with limits on memory, stack, time, calls and what it says. What becomes of one, room by room: `inspect` refuses what
//! can't be compiled or isn't ours, `compile` makes machine code in a process of its own, `cache` keeps it, `purpose` links it
//! in an `engine`, `plugin` knows what it is; by a `usage`, a `check` runs it or a `notifier` sends by it. Such a `call` is
//! served by the `host`, which asks the `grant` first and counts down `limits`; `verdict` says what it comes to, without
//! secrets (`redact`).
//!
//! ```no_run
//! use pingmon_checks::wasm::{Compiler, Plugins, Settings, Wasm};
//! use pingmon_core::dial::DialPolicy;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plugins = Plugins::new(Settings::default(), Compiler::InProcess)?;
//! let component = std::fs::read("queue_depth.wasm")?;
//! plugins.install(plugins.load("queue-depth", &component, None).await?);
//! let kind = Wasm::new(DialPolicy::open(), plugins)?;
//! # Ok(())
//! # }
//! ```

mod bindings;
mod cache;
mod call;
mod check;
mod compile;
mod engine;
mod grant;
mod host;
mod inspect;
mod limits;
mod notifier;
mod plugin;
mod plugins;
mod purpose;
mod redact;
mod settings;
mod signature;
mod state;
mod stored;
mod ticker;
mod usage;
mod verdict;

pub use self::{
    check::Wasm,
    compile::{Compiler, serve},
    notifier::WasmNotifier,
    plugin::{Info, Plugin, Want},
    plugins::Plugins,
    purpose::Purpose,
    settings::Settings,
    signature::signature,
};
