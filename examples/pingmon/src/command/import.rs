//! `pingmon import`: writes a config from that of another monitor.

use std::{fs, io::Read, path::Path, process::ExitCode};

use super::{Failure, print, validate::count, warn};
use crate::{cli::Import, import};

/// Converts the file, writes the config, and lists what is missing in it on standard error.
pub(crate) fn import(args: Import) -> Result<ExitCode, Failure> {
    let name = args.file.display().to_string();
    let text = read(&args.file).map_err(|reason| Failure::Usage(format!("{name} {reason}")))?;
    let draft = import::convert(args.origin, &text, &args.targets)
        .map_err(|reason| Failure::Usage(format!("{name} {reason}")))?;
    let config = draft.to_toml();
    match &args.output {
        Some(file) => fs::write(file, config)
            .map_err(|error| Failure::Broken(format!("failed to write {}: {error}", file.display())))?,
        None => print(config.trim_end())?,
    }
    for note in &draft.notes {
        warn(note);
    }
    let (monitors, notifiers) = draft.counts();
    let missing = count(draft.notes.len(), "thing");
    warn(&format!("{}, {}; {missing} not carried over", count(monitors, "monitor"), count(notifiers, "notifier")));
    Ok(ExitCode::SUCCESS)
}

/// The file, if it is text and not larger than any config would be.
fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    let mut limited = opened.take(import::MAX_FILE + 1);
    limited.read_to_string(&mut text).map_err(|error| format!("can't be read: {error}"))?;
    match text.len() as u64 > import::MAX_FILE {
        true => Err(format!("is larger than {} MiB", import::MAX_FILE / 1024 / 1024)),
        false => Ok(text),
    }
}
