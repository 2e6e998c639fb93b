//! How this host resolves names: its name servers, its search list and its table of hosts, read again when they change.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use hickory_resolver::{
    Hosts,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf,
};

/// The files that say it, where they are files.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How long a change may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PORT: u16 = 53;

/// How names are resolved.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// In the order in which they are asked.
    pub(super) servers: Vec<SocketAddr>,
    /// Domains that short names may belong to.
    pub(super) search: Vec<Name>,
    /// A name with as many dots is tried as it stands first.
    pub(super) ndots: usize,
    /// The table that is looked at before anybody is asked.
    pub(super) hosts: Hosts,
    /// Why there is no server.
    pub(super) trouble: Option<String>,
}

impl Settings {
    /// These servers, and nothing of this host's.
    pub(super) fn of_servers(servers: Vec<SocketAddr>) -> Self {
        Self { servers, ndots: 1, ..Self::default() }
    }

    fn of_system() -> Self {
        let hosts = Hosts::from_system().unwrap_or_default();
        match system_conf::read_system_conf() {
            Ok((config, options)) => {
                let (domain, search, servers) = config.into_parts();
                let servers = servers.iter().map(|server| SocketAddr::new(server.ip, PORT)).collect();
                let search = if search.is_empty() { domain.into_iter().collect() } else { search };
                Self { servers, search, ndots: options.ndots, hosts, trouble: None }
            }
            Err(error) => Self { hosts, trouble: Some(error.to_string()), ..Self::default() },
        }
    }

    /// What the table of hosts says about a name.
    pub(super) fn listed(&self, name: &Name) -> Vec<IpAddr> {
        let found = |family| self.hosts.lookup_static_host(&Query::query(name.clone(), family));
        let lists = [found(RecordType::AAAA), found(RecordType::A)];
        lists
            .iter()
            .flatten()
            .flat_map(|list| list.answers().iter().filter_map(|record| record.data.ip_addr()))
            .collect()
    }
}

/// The system's settings as they were a moment ago.
#[derive(Debug)]
pub(super) struct System(Mutex<Reading>);

#[derive(Debug)]
struct Reading {
    settings: Arc<Settings>,
    stamps: [Stamp; 2],
    looked_at: Instant,
}

impl System {
    pub(super) fn read() -> Self {
        Self(Mutex::new(Reading::now()))
    }

    /// The settings, read again if the files have changed. They are small, and looked at every 5 seconds.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.looked_at.elapsed() >= LOOK_EVERY {
            match FILES.map(Stamp::of) == reading.stamps {
                true => reading.looked_at = Instant::now(),
                false => *reading = Reading::now(),
            }
        }
        Arc::clone(&reading.settings)
    }
}

impl Reading {
    fn now() -> Self {
        // The stamps come first: what changes while it is read is read once more.
        let (stamps, looked_at) = (FILES.map(Stamp::of), Instant::now());
        Self { settings: Arc::new(Settings::of_system()), stamps, looked_at }
    }
}

/// Tells one content of a file from another; `None` for a file that isn't there.
#[derive(Debug, PartialEq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: impl AsRef<Path>) -> Self {
        let metadata = fs::metadata(path).ok();
        Self(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_file_shows_in_its_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = Stamp::of(file.path());
        assert_eq!(before, Stamp::of(file.path()));
        fs::write(file.path(), "127.0.0.1 shop\n").unwrap();
        assert_ne!(before, Stamp::of(file.path()));
        assert_eq!(Stamp::of(file.path().join("missing")), Stamp(None));
    }

    #[test]
    fn the_table_of_hosts_is_read_without_regard_to_case() {
        let mut settings = Settings::default();
        settings.hosts.read_hosts_conf("127.0.0.1 Shop shop.example # ours\n::1 shop\n".as_bytes()).unwrap();
        let listed = |name: &str| settings.listed(&Name::from_ascii(name).unwrap());
        assert_eq!(listed("SHOP"), ["::1".parse::<IpAddr>().unwrap(), "127.0.0.1".parse().unwrap()]);
        assert_eq!(listed("shop.example"), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert!(listed("other.example").is_empty());
    }
}
