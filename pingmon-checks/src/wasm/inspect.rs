//! Looks at a component before anything compiles it: what is too large to be compiled in reasonable time, and whether it
//! was written for an interface that we have. Runs nothing.

use wasmparser::{Parser, Payload};

use super::settings::Settings;

/// What every WebAssembly file begins with.
const MAGIC: &[u8] = b"\0asm";
/// Deepest nesting of components and modules.
const MAX_DEPTH: usize = 16;
/// Most components and modules in a file.
const MAX_PARTS: usize = 1_000;
/// The interfaces' names, without their versions.
const INTERFACES: [&str; 2] = ["pingmon:check", "pingmon:notify"];
/// The only major version that is hosted.
const MAJOR: &str = "1";

/// Refuses what can't be hosted.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn inspect(wasm: &[u8], settings: &Settings) -> Result<(), String> {
    if wasm.len() > settings.max_file {
        return Err(format!("the file has {} bytes, more than wasm.max_file ({})", wasm.len(), settings.max_file));
    }
    if !wasm.starts_with(MAGIC) {
        return Err("it isn't a WebAssembly component: it doesn't begin as one".to_owned());
    }
    if Parser::is_core_wasm(wasm) {
        let how = "build it for wasm32-wasip2, or make it one by `wasm-tools component new`";
        return Err(format!("it is a module, not a component; {how}"));
    }
    let (mut depth, mut parts) = (0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| format!("it isn't a WebAssembly component: {}", error.message()))?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                (depth, parts) = (depth + 1, parts + 1);
                if depth > MAX_DEPTH || parts > MAX_PARTS {
                    let limits = format!("{MAX_PARTS} parts, or {MAX_DEPTH} inside of each other");
                    return Err(format!("it has more than {limits}"));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => function(&body, settings)?,
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    version(import.map_err(|error| error.message().to_owned())?.name.name)?;
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    version(export.map_err(|error| error.message().to_owned())?.name.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn function(body: &wasmparser::FunctionBody<'_>, settings: &Settings) -> Result<(), String> {
    let size = body.range().len();
    if size > settings.max_function {
        return Err(format!("a function has {size} bytes, more than wasm.max_function ({})", settings.max_function));
    }
    let locals = body.get_locals_reader().map_err(|error| error.message().to_owned())?;
    let mut count = 0_u32;
    for group in locals {
        let (more, _) = group.map_err(|error| error.message().to_owned())?;
        count = count.saturating_add(more);
    }
    if count > settings.max_locals {
        return Err(format!("a function has {count} locals, more than wasm.max_locals ({})", settings.max_locals));
    }
    Ok(())
}

/// Refuses another major version of our interfaces.
fn version(name: &str) -> Result<(), String> {
    let Some((name, version)) = name.split_once('@') else { return Ok(()) };
    let package = name.split('/').next().unwrap_or_default();
    if !INTERFACES.contains(&package) || version.split('.').next() == Some(MAJOR) {
        return Ok(());
    }
    Err(format!("it was written for {package} {version}; this pingmon runs plug-ins of {MAJOR}.x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let settings = Settings { max_function: 100, max_locals: 50, ..Settings::default() };
        inspect(&wat::parse_str(text).unwrap(), &settings).unwrap_err()
    }

    #[test]
    fn what_would_take_too_long_to_compile_is_refused_before() {
        let locals = format!("(component (core module (func (local {}))))", "i64 ".repeat(51));
        assert!(refused(&locals).contains("51 locals, more than wasm.max_locals"));
        let body = "i32.const 1 drop ".repeat(34);
        assert!(refused(&format!("(component (core module (func {body})))")).contains("more than wasm.max_function"));
        let deep = "(component ".repeat(20) + &")".repeat(20);
        assert!(refused(&deep).contains("inside of each other"));
        let small = Settings { max_file: 7, ..Settings::default() };
        assert!(inspect(b"\0asm\x0d\0\x01\0", &small).unwrap_err().contains("more than wasm.max_file (7)"));
    }

    #[test]
    fn another_major_version_is_refused_and_the_reason_names_both() {
        let of = |interface: &str| {
            let text = format!(r#"(component (import "{interface}" (instance)))"#);
            inspect(&wat::parse_str(text).unwrap(), &Settings::default())
        };
        for fine in ["pingmon:check/log@1.0.0", "pingmon:notify/guest@1.7.2", "pingmon:checks/log@2.0.0"] {
            assert_eq!(of(fine), Ok(()));
        }
        for package in ["pingmon:check", "pingmon:notify"] {
            let said = format!("it was written for {package} 2.0.0; this pingmon runs plug-ins of 1.x");
            assert_eq!(of(&format!("{package}/types@2.0.0")), Err(said));
        }
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(refused("(module)").contains("a module, not a component"));
        assert!(inspect(b"MZ", &Settings::default()).unwrap_err().contains("isn't a WebAssembly component"));
    }
}
