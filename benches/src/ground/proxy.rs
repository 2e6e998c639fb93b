//! A way for TCP connections that can be led elsewhere, swallow what is sent, or let nothing come back.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

use crate::Result;

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// All come through.
    Open,
    /// None come through, in neither direction.
    Swallowed,
    /// What clients send comes through; what the server answers doesn't.
    AnswersLost,
}

/// Where new connections lead, and what becomes of the bytes on all.
#[derive(Clone, Copy)]
struct Way {
    server: u16,
    passage: Passage,
}

pub(crate) struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Leads to a port of this machine.
    pub(crate) async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (way, ways) = watch::channel(Way { server, passage: Passage::Open });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, ways));
        Ok(Self { port, way, _serving: serving })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads connections that are made from now on elsewhere; those that stand stay where they are.
    pub(crate) fn lead_to(&self, server: u16) {
        self.way.send_modify(|way| way.server = server);
    }

    /// Says what becomes of bytes from now on. When the passage opens again, connections that lost some are cut.
    pub(crate) fn set(&self, passage: Passage) {
        self.way.send_modify(|way| way.passage = passage);
    }
}

async fn serve(listener: TcpListener, ways: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => drop(connections.spawn(carry(client, ways.clone()))),
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes both ways until one end closes, or some were lost and the passage is open again.
async fn carry(client: TcpStream, ways: watch::Receiver<Way>) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, ways.borrow().server));
    let Ok(server) = TcpStream::connect(server).await else { return };
    // A database's messages are small, and waited for.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, ways.clone(), |passage| passage != Passage::Swallowed) => {}
        () = pump(from_server, to_client, ways, |passage| passage == Passage::Open) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut ways: watch::Receiver<Way>,
    passes: fn(Passage) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = false;
    loop {
        tokio::select! {
            biased;
            changed = ways.changed() => {
                if changed.is_err() || (lost && ways.borrow().passage == Passage::Open) {
                    return;
                }
            }
            read = from.read(&mut buffer) => {
                let passage = ways.borrow().passage;
                match read {
                    Ok(length @ 1..) if passes(passage) => {
                        if to.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
                            return;
                        }
                    }
                    Ok(1..) => lost = true,
                    // The end of a connection is lost too while nothing comes through.
                    _ if passes(passage) => return,
                    _ => {
                        let _ = ways.wait_for(|way| way.passage == Passage::Open).await;
                        return;
                    }
                }
            }
        }
    }
}
