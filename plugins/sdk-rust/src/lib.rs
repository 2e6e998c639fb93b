//! Checks and channels of pingmon as plug-ins, in Rust: a trait to implement and a macro to export it. What makes a channel is
//! in [`notifier`].
//!
//! ```ignore
//! use pingmon_plugin::{Check, Context, Info, Outcome, Result, http};
//!
//! #[derive(serde::Deserialize)]
//! struct Page {
//!     url: String,
//! }
//!
//! impl Check for Page {
//!     const INFO: Info = Info::new("page", "0.1.0", "Is a page there?")
//!         .config_schema(r#"{ "type": "object", "properties": { "url": { "type": "string" } }, "required": ["url"] }"#)
//!         .wants_http("to ask for the page");
//!
//!     fn run(&self, _: &Context) -> Result {
//!         let answer = http::get(&self.url)?;
//!         Ok(match answer.status {
//!             200 => Outcome::up("it is there"),
//!             status => Outcome::down(format!("status {status}")),
//!         })
//!     }
//! }
//!
//! pingmon_plugin::export!(Page);
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2`, as a library of the type `cdylib`.

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../pingmon-checks/wit/check",
        world: "check",
        pub_export_macro: true,
        export_macro_name: "export_guest",
        generate_all,
    });
}

mod error;
pub mod http;
mod info;
pub mod notifier;
mod outcome;

use serde::de::DeserializeOwned;

pub use self::{
    bindings::pingmon::check::{
        clock, dns, log, secret, state, tcp,
        types::{Capability, Context, Fault, Level, Metric, Status},
    },
    error::Error,
    info::Info,
    outcome::{Outcome, metric},
};

/// What a run comes to. A fault that is passed on by `?` becomes the verdict: `down` when it's the target's, `unknown` when
/// it's ours.
pub type Result<T = Outcome> = std::result::Result<T, Error>;

/// A check, made of its config at each run.
pub trait Check: DeserializeOwned {
    /// What the plug-in is.
    const INFO: Info;

    /// Probes once.
    ///
    /// # Errors
    /// When there is no verdict, and for faults that are to be the verdict.
    fn run(&self, context: &Context) -> Result;
}

/// Exports a check as the plug-in.
#[macro_export]
macro_rules! export {
    ($check:ty) => {
        struct PingmonPlugin;

        impl $crate::bindings::exports::pingmon::check::guest::Guest for PingmonPlugin {
            fn describe() -> $crate::bindings::exports::pingmon::check::guest::Info {
                <$check as $crate::Check>::INFO.into()
            }

            fn run(
                config: ::std::string::String,
                context: $crate::Context,
            ) -> ::std::result::Result<
                $crate::bindings::exports::pingmon::check::guest::Outcome,
                $crate::bindings::exports::pingmon::check::guest::Error,
            > {
                $crate::run::<$check>(&config, &context)
            }
        }

        $crate::bindings::export_guest!(PingmonPlugin with_types_in $crate::bindings);
    };
}

#[doc(hidden)]
pub fn run<C: Check>(
    config: &str,
    context: &Context,
) -> std::result::Result<bindings::pingmon::check::types::Outcome, bindings::pingmon::check::types::Error> {
    use bindings::pingmon::check::types::Error as Raw;
    let check: C = serde_json::from_str(config).map_err(|error| Raw::Config(error.to_string()))?;
    match check.run(context) {
        Ok(outcome) => Ok(outcome.into()),
        Err(Error::Fault(fault)) => Ok(Outcome::from(fault).into()),
        Err(Error::Config(reason)) => Err(Raw::Config(reason)),
        Err(Error::Broken(reason)) => Err(Raw::Broken(reason)),
    }
}
