//! Compiled plug-ins on disk: compiled once, never believed when changed, and nobody else's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use pingmon_checks::wasm::{Compiler, Plugins, Settings};

use super::{compiler, component};

fn with_cache(directory: &Path, compiler: Compiler) -> Plugins {
    let mut settings = Settings::default();
    settings.cache = Some(directory.to_owned());
    Plugins::new(settings, compiler).unwrap()
}

/// A compiler that can't be started.
fn none() -> Compiler {
    Compiler::Process { program: "/nonexistent".into(), arguments: Vec::new() }
}

fn files(directory: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Puts another file in the place of one: code itself is read-only.
fn change(code: &Path, bytes: &[u8]) {
    assert!(fs::metadata(code).unwrap().permissions().readonly());
    fs::remove_file(code).unwrap();
    fs::write(code, bytes).unwrap();
    fs::set_permissions(code, fs::Permissions::from_mode(0o400)).unwrap();
}

#[tokio::test]
async fn a_plugin_is_compiled_once() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("made/by/pingmon");
    let wasm = component::running("unreachable", "");
    with_cache(&cache, compiler()).load("it", &wasm, None).await.unwrap();
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    with_cache(&cache, none()).load("it", &wasm, None).await.unwrap();
    let other = component::running("unreachable", "(func)");
    let error = with_cache(&cache, none()).load("it", &other, None).await.unwrap_err().to_string();
    assert!(error.contains("the compiler of plug-ins can't be used"), "{error}");
}

#[tokio::test]
async fn code_that_was_changed_is_not_believed_but_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("plugins");
    let wasm = component::running("unreachable", "");
    with_cache(&cache, compiler()).load("it", &wasm, None).await.unwrap();
    let code = &files(&cache, "cwasm")[0];
    let good = fs::read(code).unwrap();
    for position in (0..good.len()).step_by(good.len() / 37) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        change(code, &bad);
        let loaded = with_cache(&cache, none()).load("it", &wasm, None).await;
        assert!(loaded.is_err(), "the byte at {position} was changed");
    }
    change(code, &good[..good.len() / 2]);
    with_cache(&cache, compiler()).load("it", &wasm, None).await.unwrap();
    assert_eq!(fs::read(code).unwrap(), good);
    fs::remove_file(&files(&cache, "blake3")[0]).unwrap();
    assert!(with_cache(&cache, none()).load("it", &wasm, None).await.is_err());
}

#[tokio::test]
async fn a_directory_that_others_can_enter_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let loaded =
        with_cache(directory.path(), compiler()).load("it", &component::running("unreachable", ""), None).await;
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains("is open to other users") && error.contains("chmod 700"), "{error}");
}
