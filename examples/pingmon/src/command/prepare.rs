//! What `pingmon run` needs before anything can start: a config, a port, a store. A PostgreSQL server that is away is no
//! reason not to start.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use pingmon_checks::wasm::Plugins;
use tokio::net::TcpListener;

use super::Failure;
use crate::{
    config::{self, Config, Settings, Source, quickstart},
    kinds::Kinds,
    store::Opened,
};

/// Reads the config, takes the port and opens the store.
pub(super) async fn prepare(file: Option<&Path>) -> Result<(Config, TcpListener, Opened), Failure> {
    let (config, listener) = match file {
        Some(file) => from_file(file).await?,
        None => quick_start().await?,
    };
    let opened = Opened::open(&config.settings.store).await?;
    Ok((config, listener, opened))
}

async fn from_file(file: &Path) -> Result<(Config, TcpListener), Failure> {
    let config = load(file.to_owned(), None).await?;
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
    let config = config::load(&quickstart::source(address), None, Kinds::new).map_err(Failure::Config)?;
    Ok((config, listener))
}

fn listen_hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is taken: end what listens there or set another port".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted: ports below 1024 need privileges".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads the file on a thread of its own: a large one takes seconds of work. What `former` plug-ins have compiled isn't
/// compiled again.
pub(super) async fn load(file: PathBuf, former: Option<Plugins>) -> Result<Config, Failure> {
    let read = move || Source::read(&file).and_then(|source| config::load(&source, former.as_ref(), Kinds::new));
    match tokio::task::spawn_blocking(read).await {
        Ok(loaded) => loaded.map_err(Failure::Config),
        Err(broken) => Err(Failure::Broken(format!("failed to read the config: {broken}"))),
    }
}
