//! Where a scenario takes place: a directory with config, database and logs, a target, a receiver, and the binary.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    Result,
    config::Fleet,
    daemon::{Daemon, free_port},
    database::Database,
    ledger::Ledger,
    receiver::Receiver,
    target::Target,
};

pub(crate) struct Stand {
    binary: PathBuf,
    directory: TempDir,
    web: u16,
    pub(crate) target: Target,
    pub(crate) receiver: Receiver,
}

impl Stand {
    pub(crate) async fn new(binary: PathBuf) -> Result<Self> {
        Ok(Self {
            binary: fs::canonicalize(&binary).map_err(|error| format!("no binary at {}: {error}", binary.display()))?,
            directory: tempfile::Builder::new().prefix("pingmon-proving-").tempdir()?,
            web: free_port()?,
            target: Target::open().await?,
            receiver: Receiver::open().await?,
        })
    }

    /// Writes the config file of a fleet.
    pub(crate) fn prepare(&self, fleet: &Fleet) -> Result<()> {
        let toml = fleet.to_toml(self.directory.path(), self.web, &self.target, &self.receiver);
        Ok(fs::write(self.config(), toml)?)
    }

    /// Starts pingmon.
    pub(crate) fn start(&self) -> Result<Daemon> {
        Daemon::start(&self.binary, &self.config(), self.web, &self.directory.path().join("pingmon.log"))
    }

    /// Opens the database to read, while pingmon runs or after.
    pub(crate) async fn database(&self) -> Result<Database> {
        Database::open(&self.file()).await
    }

    /// Everything in the database.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        Ledger::read(&mut self.database().await?).await
    }

    /// Opens a copy of the database as it lies on the disk now: looking at it leaves what pingmon finds as it was.
    pub(crate) async fn copy_of_database(&self) -> Result<Database> {
        let copy = self.directory.path().join("copy");
        fs::create_dir_all(&copy)?;
        let file = copy.join("pingmon.db");
        for suffix in ["", "-wal"] {
            let (from, to) = (with(&self.file(), suffix), with(&file, suffix));
            if from.exists() {
                fs::copy(from, to)?;
            } else if to.exists() {
                fs::remove_file(to)?;
            }
        }
        let shared_memory = with(&file, "-shm");
        if shared_memory.exists() {
            fs::remove_file(shared_memory)?;
        }
        Database::open(&file).await
    }

    /// How large the database is with its log, in bytes.
    pub(crate) fn size_of_database(&self) -> u64 {
        let size = |suffix| fs::metadata(with(&self.file(), suffix)).map_or(0, |metadata| metadata.len());
        size("") + size("-wal")
    }

    /// Ends it; answers where its files are, if they are to be kept.
    pub(crate) async fn end(mut self, keep: bool) -> Option<PathBuf> {
        self.target.close().await;
        keep.then(|| self.directory.keep())
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("pingmon.toml")
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("pingmon.db")
    }
}

fn with(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
