//! Machine code of plug-ins on disk, so that each is compiled once. Whoever can write there can make this process do
//! anything: so nobody else may, and each file's hash is kept beside it, since wasmtime checks nothing. The code is run from
//! where it lies, not from a copy: files are never written to once they are there, only replaced.

use std::{
    fs::{self, File},
    hash::Hash as _,
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

/// A directory of compiled plug-ins.
pub(super) struct Cache {
    directory: PathBuf,
    /// What else than the component the machine code depends on.
    engine: [u8; 32],
}

impl Cache {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// Why it can't be used, and what would mend it.
    pub(super) fn open(directory: &Path, engine: &Engine) -> Result<Self, String> {
        let broken = |error: io::Error| format!("{} can't be used: {error}", directory.display());
        if !directory.exists() {
            make(directory).map_err(broken)?;
        }
        if let Some(reason) = not_ours(&fs::metadata(directory).map_err(broken)?) {
            let path = directory.display();
            return Err(format!("{path} {reason}, but only pingmon may write there; chmod 700 it, or name another"));
        }
        Ok(Self { directory: directory.to_owned(), engine: fingerprint(engine) })
    }

    /// The file with the code of a component, if it's there and as it was written.
    pub(super) fn get(&self, wasm: &[u8; 32]) -> Option<PathBuf> {
        let (code, hash) = self.paths(wasm);
        let expected = fs::read_to_string(hash).ok()?;
        // Not SHA-256: that would take longer than all else that loading takes.
        let found = blake3::Hasher::new().update_reader(File::open(&code).ok()?).ok()?.finalize();
        (found.to_hex().as_str() == expected.trim()).then_some(code)
    }

    /// Keeps the code of a component.
    ///
    /// # Errors
    /// Why it couldn't be written; then it's compiled again the next time.
    pub(super) fn put(&self, wasm: &[u8; 32], code: &[u8]) -> io::Result<()> {
        let (path, hash) = self.paths(wasm);
        replace(&path, code)?;
        replace(&hash, blake3::hash(code).to_hex().as_bytes())
    }

    fn paths(&self, wasm: &[u8; 32]) -> (PathBuf, PathBuf) {
        let key = hex::encode(Sha256::new().chain_update(wasm).chain_update(self.engine).finalize());
        (self.directory.join(format!("{key}.cwasm")), self.directory.join(format!("{key}.blake3")))
    }
}

/// Never shows half a file to another process that reads it, and leaves the one be that is run. Nobody is to write to the
/// new one by mistake either, as by restoring a backup over it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    fs::write(&draft, bytes)?;
    let mut permissions = fs::metadata(&draft)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&draft, permissions)?;
    fs::rename(&draft, path)
}

/// Wasmtime's version and all settings that its code depends on.
fn fingerprint(engine: &Engine) -> [u8; 32] {
    struct Bytes(Sha256);
    impl std::hash::Hasher for Bytes {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }
    let mut bytes = Bytes(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut bytes);
    bytes.0.finalize().into()
}

#[cfg(unix)]
fn make(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn make(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(unix)]
fn not_ours(directory: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    if directory.uid() != rustix::process::geteuid().as_raw() {
        return Some("belongs to another user");
    }
    (directory.permissions().mode() & 0o077 != 0).then_some("is open to other users")
}

#[cfg(not(unix))]
fn not_ours(_: &fs::Metadata) -> Option<&'static str> {
    None
}
