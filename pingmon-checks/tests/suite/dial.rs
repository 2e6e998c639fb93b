//! Names on the way to a connection: what our resolver makes of name servers of every kind, seen through the `tcp` kind.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};
use pingmon_checks::{dial::resolver::Resolver, tcp::Tcp};
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    nameserver::{NameServer, Reply},
    server::Server,
};

async fn connect_to(address: String, resolver: &Resolver, timeout: Duration) -> Outcome {
    let kind = Tcp::with_resolver(DialPolicy::open(), resolver.clone());
    let check = kind.build(&json!({ "address": address })).unwrap();
    check.run(&CheckContext::new(MonitorId::new(), "test", Timestamp::default(), timeout)).await.unwrap()
}

/// A target that listens, and a resolver that asks these servers.
struct Rig {
    target: Server,
    resolver: Resolver,
}

impl Rig {
    async fn asking(servers: &[SocketAddr]) -> Self {
        let target = Server::start(|_| async {}).await;
        Self { target, resolver: Resolver::with_servers(servers.to_vec()) }
    }

    async fn run(&self, host: &str) -> (Status, Value, Duration) {
        let started = Instant::now();
        let address = format!("{host}:{}", self.target.address.port());
        let outcome = connect_to(address, &self.resolver, Duration::from_secs(2)).await;
        (outcome.status, outcome.evidence.get("error").cloned().unwrap_or_default(), started.elapsed())
    }
}

fn here() -> Reply {
    Reply::address("127.0.0.1")
}

#[tokio::test]
async fn what_a_name_server_says_decides_whose_fault_it_is() {
    let both = || vec!["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    for (reply, status, error) in [
        (here(), Status::Up, Value::Null),
        (Reply::Addresses(both()), Status::Up, Value::Null),
        (Reply::Alias("alias.example.", both()), Status::Up, Value::Null),
        (Reply::Long(both()), Status::Up, Value::Null),
        (Reply::Forged(both()), Status::Up, Value::Null),
        (Reply::Addresses(Vec::new()), Status::Down, json!("dns_not_found")),
        (Reply::Alias("alias.example.", Vec::new()), Status::Down, json!("dns_not_found")),
        (Reply::Code(ResponseCode::NXDomain), Status::Down, json!("dns_not_found")),
        (Reply::Code(ResponseCode::ServFail), Status::Unknown, json!("dns_failed")),
        (Reply::Code(ResponseCode::Refused), Status::Unknown, json!("dns_failed")),
        (Reply::Silence, Status::Unknown, json!("dns_timeout")),
    ] {
        let server = NameServer::saying(reply).await;
        let (found, why, took) = Rig::asking(&[server.address]).await.run("shop.example").await;
        assert_eq!((found, &why), (status, &error), "after {took:?}");
        assert!(server.asked() >= 2 && took < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_name_server_that_is_not_there_is_noticed_at_once_and_is_our_trouble() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (status, error, took) = Rig::asking(&[nobody]).await.run("shop.example").await;
    assert_eq!((status, error), (Status::Unknown, json!("dns_failed")));
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(Rig::asking(&[]).await.run("shop.example").await.1, json!("dns_failed"));
}

#[tokio::test]
async fn when_one_name_server_fails_the_next_one_is_asked_and_remembered() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = NameServer::saying(here()).await;
    let broken = NameServer::saying(Reply::Code(ResponseCode::ServFail)).await;
    let silent = NameServer::saying(Reply::Silence).await;
    for first in [nobody, broken.address, silent.address] {
        let rig = Rig::asking(&[first, good.address]).await;
        assert_eq!(rig.run("shop.example").await.0, Status::Up);
        let (status, _, took) = rig.run("shop.example").await;
        assert_eq!(status, Status::Up);
        assert!(took < Duration::from_millis(200), "the one that answered is asked first: {took:?}");
    }
    let before = good.asked();
    let sure = NameServer::saying(Reply::Code(ResponseCode::NXDomain)).await;
    assert_eq!(Rig::asking(&[sure.address, good.address]).await.run("shop.example").await.0, Status::Down);
    assert_eq!(good.asked(), before, "one that is sure is believed");
}

#[tokio::test]
async fn one_family_is_enough_and_the_other_one_is_not_waited_for() {
    for other in [Reply::Code(ResponseCode::ServFail), Reply::Silence] {
        let say = move |_: &str, family| if family == RecordType::A { here() } else { other.clone() };
        let server = NameServer::start(say).await;
        let (status, _, took) = Rig::asking(&[server.address]).await.run("shop.example").await;
        assert_eq!(status, Status::Up);
        assert!(took < Duration::from_millis(800), "{took:?}");
    }
    let half = |_: &str, family| match family {
        RecordType::A => Reply::Code(ResponseCode::ServFail),
        _ => Reply::Addresses(Vec::new()),
    };
    let server = NameServer::start(half).await;
    let (status, error, _) = Rig::asking(&[server.address]).await.run("shop.example").await;
    assert_eq!((status, error), (Status::Unknown, json!("dns_failed")), "half an answer proves nothing");
}

#[tokio::test]
async fn the_message_names_the_server_and_what_it_said() {
    let server = NameServer::saying(Reply::Code(ResponseCode::ServFail)).await;
    let resolver = Resolver::with_servers(vec![server.address]);
    let outcome = connect_to("shop.example:1".to_owned(), &resolver, Duration::from_secs(2)).await;
    let asked = format!("our name server {} answered Server Failure about shop.example", server.address);
    assert_eq!((outcome.message, &outcome.evidence["phase"]), (asked, &json!("dns")));
}

#[tokio::test]
async fn six_hundred_dead_names_delay_a_healthy_one_by_little() {
    let say = |name: &str, _| if name == "healthy.example" { here() } else { Reply::Silence };
    let server = NameServer::start(say).await;
    let rig = Arc::new(Rig::asking(&[server.address]).await);
    let mut dead = JoinSet::new();
    for nth in 0..600 {
        let rig = Arc::clone(&rig);
        dead.spawn(async move { rig.run(&format!("dead-{nth}.example")).await });
    }
    tokio::task::yield_now().await;
    let mut worst = Duration::ZERO;
    for _ in 0..20 {
        let (status, _, took) = rig.run("healthy.example").await;
        assert_eq!(status, Status::Up);
        worst = worst.max(took);
    }
    // The first has two rounds of the quick lane before it: 600 names, 256 at a time, 100 ms each.
    assert!(worst < Duration::from_millis(800), "{worst:?}");
    for (status, error, took) in dead.join_all().await {
        assert_eq!((status, error), (Status::Unknown, json!("dns_timeout")));
        assert!(took < Duration::from_millis(2_500), "{took:?}");
    }
}
