//! Our own resolver: the system's name servers, search list and table of hosts, asked without threads.
//!
//! * A name that doesn't exist is the target's fault. Whatever keeps us from knowing (no server answers, SERVFAIL, REFUSED,
//!   no route) is ours, even if some other server or search domain was sure.
//! * Nothing is remembered from one lookup to the next: a monitor is to see what the DNS says now, and the name server
//!   next door remembers anyway. Only which server answered last is, so that a dead one is waited for once.
//! * A lookup ends within 5 s and the run's own deadline; how many may be under way is the business of `budget`.

mod budget;
mod exchange;
mod system;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_resolver::proto::rr::Name;
use tokio::time::timeout;

use self::{
    budget::Budget,
    system::{Settings, System},
};
use super::connect::race;
use crate::fault::Fault;

/// How long a lookup may take, whatever the run's deadline.
const LIMIT: Duration = Duration::from_secs(5);

/// Resolves names. Cheap to clone; clones share one budget.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Source,
    budget: Budget,
    /// Which of the servers answered last.
    first: AtomicUsize,
}

#[derive(Debug)]
enum Source {
    System(System),
    Servers(Arc<Settings>),
}

impl Resolver {
    /// As this host resolves names, with `/etc/resolv.conf` and `/etc/hosts` or what the system has in their place. A
    /// change of these files is noticed within 5 seconds.
    pub fn system() -> Self {
        Self::of(Source::System(System::read()))
    }

    /// Asks these name servers only, without the system's search list and table of hosts. When one of them fails or
    /// stays silent, the next one is asked.
    pub fn with_servers(servers: Vec<SocketAddr>) -> Self {
        Self::of(Source::Servers(Arc::new(Settings::of_servers(servers))))
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Shared { source, budget: Budget::new(), first: AtomicUsize::new(0) }))
    }

    /// The name servers that are asked.
    #[cfg(feature = "dns")]
    pub(super) fn servers(&self) -> Result<Vec<SocketAddr>, Fault> {
        let settings = self.settings();
        match &settings.trouble {
            Some(trouble) => Err(no_servers(trouble)),
            None => Ok(settings.servers.clone()),
        }
    }

    fn settings(&self) -> Arc<Settings> {
        match &self.0.source {
            Source::System(system) => system.settings(),
            Source::Servers(settings) => Arc::clone(settings),
        }
    }

    /// All addresses of a name; never an empty list.
    pub(super) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        let settings = self.settings();
        let name = name(host)?;
        let known = known(&settings, &name);
        if !known.is_empty() {
            return Ok(known);
        }
        if let Some(trouble) = &settings.trouble {
            return Err(no_servers(trouble));
        }
        let found = self.0.budget.run(|| self.clone().search(Arc::clone(&settings), name.clone()));
        let found = timeout(LIMIT, found).await.unwrap_or_else(|_| Err(Fault::timeout("dns", LIMIT)))?;
        if found.is_empty() { Err(not_found(host)) } else { Ok(found) }
    }

    /// Tries the names that `name` may stand for. That none of them exists is certain only if that is said of all.
    async fn search(self, settings: Arc<Settings>, name: Name) -> Result<Vec<IpAddr>, Fault> {
        let mut trouble = None;
        for candidate in candidates(&settings, &name) {
            match self.ask(&settings.servers, &candidate).await {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => return Ok(addresses),
                Err(fault) => trouble = trouble.or(Some(fault)),
            }
        }
        trouble.map_or(Ok(Vec::new()), Err)
    }

    /// Asks the servers one after the other until one knows, beginning with the one that knew last.
    async fn ask(&self, servers: &[SocketAddr], name: &Name) -> Result<Vec<IpAddr>, Fault> {
        let first = self.0.first.load(Ordering::Relaxed);
        let order = (0..servers.len()).map(|nth| (first + nth) % servers.len());
        let attempts = order.map(|nth| {
            let (server, name) = (servers[nth], name.clone());
            async move { Ok((nth, exchange::ask(server, &name).await?)) }
        });
        match race(attempts).await {
            Ok((nth, found)) => {
                self.0.first.store(nth, Ordering::Relaxed);
                Ok(found)
            }
            Err(faults) => Err(faults
                .into_iter()
                .next()
                .unwrap_or_else(|| Fault::unknown("dns_failed", "there is no name server"))),
        }
    }
}

fn not_found(host: &str) -> Fault {
    Fault::down("dns_not_found", format!("{host} has no address"))
}

/// Reads a host name. What can't be one is as good as one that doesn't exist: a last label made of digits is an address
/// in a form that this isn't the place to understand (`127.1`, `0x7f000001`).
fn name(host: &str) -> Result<Name, Fault> {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number = match last.strip_prefix("0x") {
        Some(digits) => digits.chars().all(|c| c.is_ascii_hexdigit()),
        None => last.chars().all(|c| c.is_ascii_digit()),
    };
    let read = if host.is_ascii() { Name::from_ascii(host) } else { Name::from_utf8(host) };
    match read {
        Ok(name) if !number && !name.is_root() => Ok(name),
        _ => Err(Fault::down("dns_not_found", format!("{host} isn't a host name"))),
    }
}

/// What is known without asking: the table of hosts, and names that must never be asked about (RFC 6761).
fn known(settings: &Settings, name: &Name) -> Vec<IpAddr> {
    let listed = settings.listed(name);
    if listed.is_empty() && is_within(name, "localhost") {
        return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    }
    listed
}

fn is_within(name: &Name, domain: &str) -> bool {
    name.iter().next_back().is_some_and(|last| last.eq_ignore_ascii_case(domain.as_bytes()))
}

/// The full names that a name may stand for, the likeliest first; none for one that can't exist (RFC 6761).
fn candidates(settings: &Settings, name: &Name) -> Vec<Name> {
    if is_within(name, "invalid") {
        return Vec::new();
    }
    let mut full = name.clone();
    full.set_fqdn(true);
    if name.is_fqdn() {
        return vec![full];
    }
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    let mut all: Vec<_> = settings.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
    all.insert(if dots >= settings.ndots { 0 } else { all.len() }, full);
    all
}

fn no_servers(trouble: &str) -> Fault {
    Fault::unknown("dns_failed", format!("this system names no name servers: {trouble}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_searched_for_and_a_long_one_is_tried_as_it_stands_first() {
        let domain = |text: &str| Name::from_ascii(text).unwrap();
        let search = vec![domain("corp.example."), domain("example.")];
        let settings = Settings { search, ndots: 2, ..Settings::default() };
        let all = |host: &str| -> Vec<_> {
            candidates(&settings, &name(host).unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(all("db"), ["db.corp.example.", "db.example.", "db."]);
        assert_eq!(all("a.db"), ["a.db.corp.example.", "a.db.example.", "a.db."]);
        assert_eq!(all("a.b.db"), ["a.b.db.", "a.b.db.corp.example.", "a.b.db.example."]);
        assert_eq!(all("db."), ["db."]);
        assert!(all("nothing.INVALID").is_empty());
    }

    #[test]
    fn only_host_names_are_looked_up() {
        for good in
            ["shop.example", "shop.example.", "_sip.shop.example", "münchen.example", "1a", "4.example", "0xa.eu"]
        {
            assert!(name(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", ".", "127.1", "2130706433", "0x7f000001", "0x7f.1", "10.0.0.0x1", "a..b", long.as_str(), "1."] {
            assert!(name(bad).unwrap_err().is_down(), "{bad}");
        }
    }

    #[test]
    fn localhost_is_this_host_whatever_name_servers_say() {
        let loopback: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        for host in ["localhost", "LocalHost.", "shop.localhost"] {
            assert_eq!(known(&Settings::default(), &name(host).unwrap()), loopback, "{host}");
        }
        assert!(known(&Settings::default(), &name("localhost.example").unwrap()).is_empty());
    }
}
