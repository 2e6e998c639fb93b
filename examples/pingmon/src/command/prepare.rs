//! What `pingmon run` needs before anything can start: a config, a port, an open store.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::net::TcpListener;
use tracing::warn;

use super::Failure;
use crate::{
    config::{self, Config, Settings, Source, Store, quickstart},
    kinds::Kinds,
    store::Opened,
};

/// How long a store that can't be reached is waited for at the start.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before it is tried again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Reads the config, takes the port and opens the store.
pub(super) async fn prepare(file: Option<&Path>) -> Result<(Config, TcpListener, Opened), Failure> {
    let (config, listener) = match file {
        Some(file) => from_file(file).await?,
        None => quick_start().await?,
    };
    let opened = open(&config.settings.store).await?;
    Ok((config, listener, opened))
}

/// Opens the store; one that can't be reached, as when everything on a host starts at once, is waited for a while.
async fn open(settings: &Store) -> Result<Opened, Failure> {
    let began = Instant::now();
    loop {
        match Opened::open(settings).await {
            Err(error) if error.is_retryable() && began.elapsed() < STORE_PATIENCE => {
                warn!(error = error.chain(), "the store can't be opened yet, trying again");
                tokio::time::sleep(STORE_RETRY).await;
            }
            opened => return Ok(opened?),
        }
    }
}

async fn from_file(file: &Path) -> Result<(Config, TcpListener), Failure> {
    let config = load(file.to_owned()).await?;
    let address = config.settings.web.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::Broken(format!("failed to listen on {address} (web.listen): {}", listen_hint(&error)))
    })?;
    Ok((config, listener))
}

/// Listens where the built-in config says, or on a free port when that one is taken.
async fn quick_start() -> Result<(Config, TcpListener), Failure> {
    let usual = Settings::default().web.listen;
    let listener = match TcpListener::bind(usual).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(usual.ip(), 0)).await
        }
        bound => bound,
    };
    let failed = |e: io::Error| Failure::Broken(format!("failed to listen on {usual}: {}", listen_hint(&e)));
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let config = config::load(&quickstart::source(address), Kinds::new).map_err(Failure::Config)?;
    Ok((config, listener))
}

fn listen_hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is taken: end what listens there or set another port".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted: ports below 1024 need privileges".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads the file on a thread of its own: a large one takes seconds of work.
pub(super) async fn load(file: PathBuf) -> Result<Config, Failure> {
    let read = move || Source::read(&file).and_then(|source| config::load(&source, Kinds::new));
    match tokio::task::spawn_blocking(read).await {
        Ok(loaded) => loaded.map_err(Failure::Config),
        Err(broken) => Err(Failure::Broken(format!("failed to read the config: {broken}"))),
    }
}
