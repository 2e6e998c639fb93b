//! A real PostgreSQL for the tests of this binary: started for the first that asks, stopped after the last. Each test has
//! a schema of its own.

use std::{
    fs,
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use pgtemp::{PgTempDB, PgTempDBBuilder};

/// A place for one store, on a server that lives as long.
pub(crate) struct Database {
    server: Arc<PgTempDB>,
    schema: String,
}

impl Database {
    /// A schema that isn't there yet.
    pub(crate) fn empty() -> Self {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        Self { server: server(), schema: format!("pingmon_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.connection_uri()
    }
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// One of the server's own programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        programs().map_or_else(|| name.into(), |directory| directory.join(name))
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.db_port()
    }

    pub(crate) fn password(&self) -> &str {
        self.server.db_pass()
    }

    /// The section of a config that names it.
    pub(crate) fn section(&self) -> String {
        format!("[store]\nurl = \"{}\"\nschema = \"{}\"\n", self.url(), self.schema)
    }
}

fn server() -> Arc<PgTempDB> {
    static RUNNING: Mutex<Weak<PgTempDB>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        // A database that is to be made is waited for.
        let builder = PgTempDBBuilder::new().with_dbname("watched").with_config_param("max_connections", "200");
        // The server's own log: into the pipe that it was given nobody looks, and once it is full the server stands still.
        let builder = builder.with_config_param("logging_collector", "on");
        let started = Arc::new(match programs() {
            Some(directory) => builder.with_bin_path(directory).start(),
            None => builder.start(),
        });
        *running = Arc::downgrade(&started);
        started
    })
}

/// Debian keeps the newest server's programs off the `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(format!("/usr/lib/postgresql/{newest}/bin").into())
}

/// A way to a server that can be closed at first.
pub(crate) struct Road {
    pub(crate) port: u16,
    to: u16,
}

impl Road {
    /// Nobody listens at its port yet.
    pub(crate) fn closed(to: u16) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { port, to }
    }

    /// From now on it leads to the server.
    pub(crate) fn open(self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", self.to)).unwrap();
                carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(far, near);
            }
        });
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // However it ends, both sides are to see it.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
