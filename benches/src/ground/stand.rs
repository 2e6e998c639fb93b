//! Where a scenario takes place: a directory with configs and logs, a target, a receiver, the program, and the store.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pingmon_store::postgres::PgStore;
use tempfile::TempDir;

use super::{
    cluster::Cluster,
    daemon::{Daemon, Seat, free_port},
    fleet::Fleet,
    receiver::Receiver,
    target::Target,
};
use crate::{
    Result,
    ledger::{Ledger, database::Database},
};

pub(crate) struct Stand {
    binary: PathBuf,
    directory: TempDir,
    /// The PostgreSQL that holds the store; without one it is an SQLite file.
    cluster: Option<Cluster>,
    pub(crate) target: Target,
    pub(crate) receiver: Receiver,
}

impl Stand {
    /// A stand whose store is an SQLite file.
    pub(crate) async fn on_sqlite(binary: &Path) -> Result<Self> {
        Ok(Self {
            binary: fs::canonicalize(binary).map_err(|error| {
                format!("no program at {}: build it with `cargo build -p pingmon` ({error})", binary.display())
            })?,
            directory: tempfile::Builder::new().prefix("pingmon-proving-").tempdir()?,
            cluster: None,
            target: Target::open().await?,
            receiver: Receiver::open().await?,
        })
    }

    /// A stand whose store is a PostgreSQL of its own, with pingmon's tables in it.
    pub(crate) async fn on_postgres(binary: &Path) -> Result<Self> {
        let mut stand = Self::on_sqlite(binary).await?;
        let cluster = Cluster::create(&stand.log("postgres")).await?;
        PgStore::open(&cluster.url()).await?.close().await;
        stand.cluster = Some(cluster);
        Ok(stand)
    }

    /// The PostgreSQL that holds the store.
    pub(crate) fn cluster(&mut self) -> Result<&mut Cluster> {
        self.cluster.as_mut().ok_or_else(|| "the store is an SQLite file".into())
    }

    /// Lets another PostgreSQL hold the store; answers the one that held it.
    pub(crate) fn replace_cluster(&mut self, cluster: Cluster) -> Option<Cluster> {
        self.cluster.replace(cluster)
    }

    /// Where the store is reached without anything between.
    pub(crate) fn store(&self) -> String {
        match &self.cluster {
            Some(cluster) => cluster.url(),
            None => format!("sqlite:{}", self.file().display()),
        }
    }

    /// Makes place for a process that watches a fleet, and reaches the store at that URL.
    pub(crate) fn seat(&self, name: &str, fleet: &Fleet, store: &str) -> Result<Seat> {
        let seat = Seat {
            binary: self.binary.clone(),
            config: self.directory.path().join(format!("{name}.toml")),
            log: self.log(name),
            web: free_port()?,
            variables: Vec::new(),
        };
        self.assign(&seat, fleet, store)?;
        Ok(seat)
    }

    /// Writes the config of a process anew.
    pub(crate) fn assign(&self, seat: &Seat, fleet: &Fleet, store: &str) -> Result<()> {
        Ok(fs::write(&seat.config, fleet.to_toml(store, seat.web, &self.target, &self.receiver))?)
    }

    /// Starts the only process of a scenario.
    pub(crate) fn start(&self, fleet: &Fleet) -> Result<Daemon> {
        self.seat("pingmon", fleet, &self.store())?.start()
    }

    /// Where something is to write its log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.log"))
    }

    /// Opens the database to read, while pingmon runs or after.
    pub(crate) async fn database(&self) -> Result<Database> {
        match &self.cluster {
            Some(cluster) => Database::server(&cluster.url()).await,
            None => Database::file(&self.file()).await,
        }
    }

    /// Everything in the database.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        Ledger::read(&mut self.database().await?).await
    }

    /// Opens a copy of the SQLite file as it lies on the disk now: looking at it leaves what pingmon finds as it was.
    pub(crate) async fn copy_of_file(&self) -> Result<Database> {
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
        Database::file(&file).await
    }

    /// How large the SQLite file is with its log, in bytes.
    pub(crate) fn size_of_file(&self) -> u64 {
        let size = |suffix| fs::metadata(with(&self.file(), suffix)).map_or(0, |metadata| metadata.len());
        size("") + size("-wal")
    }

    /// Ends it; answers where its files are, if they are to be kept.
    pub(crate) async fn end(mut self, keep: bool) -> Vec<PathBuf> {
        self.target.close().await;
        if !keep {
            return Vec::new();
        }
        let cluster = self.cluster.as_mut().map(Cluster::keep);
        std::iter::once(self.directory.keep()).chain(cluster).collect()
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
