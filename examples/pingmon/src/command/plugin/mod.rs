//! `pingmon plugin`: begin, try and list plug-ins.

pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod run;

use std::{io, path::Path, process::ExitCode, sync::Arc};

use pingmon_checks::wasm::{self, Plugin, Plugins, Settings};

use super::Failure;
use crate::config::{apart, compiler, read_component};

/// Loads one component, with the usual settings.
fn load(component: &Path) -> Result<(Plugins, Arc<Plugin>), Failure> {
    let settings = Settings::default();
    let path = component.display();
    let wasm =
        read_component(component, settings.max_file).map_err(|reason| Failure::Usage(format!("{path} {reason}")))?;
    let plugins = Plugins::new(settings, compiler())?;
    let name = component.file_stem().unwrap_or_default().to_string_lossy();
    plugins.install(apart(plugins.load(&name, &wasm, None))?);
    let plugin = plugins.all().into_iter().next();
    let plugin = plugin.ok_or_else(|| Failure::Broken("the plug-in got lost".to_owned()))?;
    Ok((plugins, plugin))
}

/// The work of the process that compiles: see [`wasm::Compiler`].
pub(crate) fn compile() -> Result<ExitCode, Failure> {
    let compiled = wasm::serve(io::stdin().lock(), io::stdout().lock());
    // The reason goes to whoever ordered it, as it is.
    if let Err(reason) = compiled {
        super::warn(&reason);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
