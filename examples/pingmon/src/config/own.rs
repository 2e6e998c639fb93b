//! What this process itself listens at and works on: no monitor that somebody else entered may dial it.

use std::net::{IpAddr, SocketAddr};

use pingmon_core::dial::{DialPolicy, Preset, Rule};
use sysinfo::Networks;

use super::file::{Dial, Store, Web};

const POSTGRES_PORT: u16 = 5432;

/// The policy of `[dial]`. Unless targets are the operator's own, store and API are protected.
pub(super) fn policy(dial: Dial, store: &Store, web: &Web) -> DialPolicy {
    let policy = DialPolicy::from(dial);
    if policy.preset == Preset::Open {
        return policy;
    }
    let own = servers(&store.url).into_iter().chain(listening(web.listen));
    own.fold(policy, DialPolicy::protect)
}

/// The servers in the URL of a store. One that is named is known by its name, and by its addresses as far as the preset
/// forbids these.
fn servers(url: &str) -> Vec<Rule> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let with_port = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:{POSTGRES_PORT}"),
    };
    hosts.split(',').filter_map(|host| with_port(host).parse().ok()).collect()
}

/// Where the API can be reached: at all addresses of this host if it listens at all of them.
fn listening(at: SocketAddr) -> Vec<Rule> {
    let own = match at.ip().is_unspecified() {
        true => addresses(),
        false => vec![at.ip()],
    };
    own.into_iter().filter_map(|address| SocketAddr::new(address, at.port()).to_string().parse().ok()).collect()
}

fn addresses() -> Vec<IpAddr> {
    let networks = Networks::new_with_refreshed_list().ok();
    networks.iter().flatten().flat_map(|(_, network)| network.ip_networks()).map(|network| network.addr).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_a_store_are_read_from_its_url() {
        let read = |url| servers(url).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(read("postgres://me:p@ss@db.example/x"), ["db.example:5432"]);
        assert_eq!(read("postgres://[fd00::1]:6432/x?sslmode=require"), ["[fd00::1/128]:6432"]);
        assert_eq!(read("postgres://192.0.2.1,db2:6432/x"), ["192.0.2.1/32:5432", "db2:6432"]);
        assert!(read("sqlite:pingmon.db").is_empty() && read("postgres://%2Frun%2Fpg/x").is_empty());
    }

    #[test]
    fn the_api_is_protected_from_targets_that_others_enter_even_where_addresses_are_allowed() {
        let web = |listen: &str| Web { listen: listen.parse().unwrap(), ..Web::default() };
        let dial = || Dial { preset: Preset::Public, allow: vec!["127.0.0.0/8".parse().unwrap()], ..Dial::default() };
        for listen in ["127.0.0.1:8080", "0.0.0.0:8080"] {
            let policy = policy(dial(), &Store::default(), &web(listen));
            let permits =
                |at: &str| policy.permit(&pingmon_core::dial::Destination::address(at.parse().unwrap())).is_ok();
            assert!(!permits("127.0.0.1:8080") && permits("127.0.0.1:8081"), "{listen}");
        }
        assert!(policy(Dial::default(), &Store::default(), &web("127.0.0.1:8080")).protect.is_empty());
    }
}
