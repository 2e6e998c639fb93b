//! `pingmon plugin new`: writes a project that builds, into a new directory.

use std::{fs, io, path::Path, process::ExitCode};

use super::{super::print, Failure};
use crate::cli::{Language, PluginNew};

const SCHEMA: &str = include_str!("template/schema.json.in");
const WIT: [(&str, &str); 2] = [
    ("wit/types.wit", include_str!("../../../../../pingmon-checks/wit/check/types.wit")),
    ("wit/host.wit", include_str!("../../../../../pingmon-checks/wit/check/host.wit")),
];
/// What the sample in C has that every check in C needs.
const C: [(&str, &str); 5] = [
    ("guest.c", include_str!("../../../../../plugins/c/queue-depth/guest.c")),
    ("guest.h", include_str!("../../../../../plugins/c/queue-depth/guest.h")),
    ("json.c", include_str!("../../../../../plugins/c/queue-depth/json.c")),
    ("json.h", include_str!("../../../../../plugins/c/queue-depth/json.h")),
    ("requirements.txt", include_str!("../../../../../plugins/c/queue-depth/requirements.txt")),
];
const C_BUILD: &str = include_str!("../../../../../plugins/c/queue-depth/build");

/// Writes it and says how to go on.
pub(crate) fn new(args: PluginNew) -> Result<ExitCode, Failure> {
    let PluginNew { language, name, sdk } = args;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) || name.len() > 64 {
        let form = "write up to 64 lower-case letters, digits and dashes, a letter first";
        return Err(Failure::Usage(format!("{name:?} can't be a plug-in's name; {form}")));
    }
    let directory = Path::new(&name);
    fs::create_dir(directory).map_err(|error| failed(directory, &error))?;
    let sdk = match sdk {
        Some(path) => fs::canonicalize(&path).map_err(|error| failed(&path, &error))?.display().to_string(),
        None => String::new(),
    };
    for (file, text) in files(language, &name, &sdk) {
        let file = directory.join(file);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        }
        fs::write(&file, text).map_err(|error| failed(&file, &error))?;
    }
    print(&next(language, &name))?;
    Ok(ExitCode::SUCCESS)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{} can't be written: {error}", path.display()))
}

fn files(language: Language, name: &str, sdk: &str) -> Vec<(&'static str, String)> {
    let dependency = match sdk {
        "" => concat!("{ git = \"", env!("CARGO_PKG_REPOSITORY"), "\" }").to_owned(),
        path => format!("{{ path = {path:?} }}"),
    };
    let fill =
        |text: &str| text.replace("@NAME@", name).replace("@SDK@", &dependency).replace("@SCHEMA@", SCHEMA.trim_end());
    let wit = || WIT.map(|(file, text)| (file, text.to_owned()));
    match language {
        Language::Rust => vec![
            ("Cargo.toml", fill(include_str!("template/rust/Cargo.toml.in"))),
            ("src/lib.rs", fill(include_str!("template/rust/lib.rs.in"))),
            ("schema.json", SCHEMA.to_owned()),
            (".gitignore", "target\n".to_owned()),
        ],
        Language::Javascript => [
            ("package.json", fill(include_str!("template/javascript/package.json.in"))),
            ("build.mjs", include_str!("template/javascript/build.mjs.in").to_owned()),
            ("check.js", fill(include_str!("template/javascript/check.js.in"))),
            (".gitignore", "node_modules\n*.wasm\n".to_owned()),
        ]
        .into_iter()
        .chain(wit())
        .collect(),
        Language::Python => [
            ("app.py", fill(include_str!("template/python/app.py.in"))),
            ("requirements.txt", "componentize-py==0.25.1\n".to_owned()),
            (".gitignore", "*.wasm\n".to_owned()),
        ]
        .into_iter()
        .chain(wit())
        .collect(),
        Language::C => [
            ("check.c", fill(include_str!("template/c/check.c.in"))),
            ("schema.json", SCHEMA.to_owned()),
            ("build.sh", C_BUILD.replace("../../../pingmon-checks/wit/check", "wit").replace("queue_depth", name)),
            (".gitignore", "target\n*.wasm\n".to_owned()),
        ]
        .into_iter()
        .chain(C.map(|(file, text)| (file, text.to_owned())))
        .chain(wit())
        .collect(),
    }
}

fn next(language: Language, name: &str) -> String {
    let (build, component) = match language {
        Language::Rust => (
            "cargo build --release --target wasm32-wasip2".to_owned(),
            format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_")),
        ),
        Language::Javascript => ("npm install && npm run build".to_owned(), format!("{name}.wasm")),
        Language::Python => (
            format!(
                "pip install -r requirements.txt && componentize-py -d wit -w check componentize app -o {name}.wasm"
            ),
            format!("{name}.wasm"),
        ),
        Language::C => (
            "pip install -r requirements.txt && sh build.sh   # which says what it needs".to_owned(),
            format!("{name}.wasm"),
        ),
    };
    format!("wrote {name}/. Next:\n  cd {name}\n  {build}\n  pingmon plugin inspect {component}")
}
