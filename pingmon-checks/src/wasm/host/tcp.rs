//! `tcp`: connections, with TLS or without.

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Host;
use wasmtime::component::Resource;

use super::{MAX_READ, Reach, Session};
use crate::{
    dial,
    fault::{self, Fault},
    handshake::{Handshake, TlsSettings},
    wasm::bindings::pingmon::check::{
        tcp::{self, Session as TlsSession},
        types,
    },
};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection.
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct Connection {
    stream: Box<dyn Stream>,
    peer: String,
    session: Option<TlsSession>,
}

impl Reach {
    async fn dial(&self, host: &str, port: u16) -> Result<(TcpStream, String), Fault> {
        let parsed =
            Host::parse(host).map_err(|_| Fault::unknown("request_invalid", "the host is no name or address"))?;
        let place = match &parsed {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(v4) => Host::Ipv4(*v4),
            Host::Ipv6(v6) => Host::Ipv6(*v6),
        };
        self.standing.grant.connection(&place, port)?;
        let dialer = &self.services()?.dialer;
        let literal = match place {
            Host::Domain(_) => None,
            Host::Ipv4(v4) => Some((v4, port).into()),
            Host::Ipv6(v6) => Some((v6, port).into()),
        };
        let addresses = match (place, literal) {
            (Host::Domain(name), _) => self.in_time("dns", dialer.resolve(name, port)).await?,
            (_, Some(address)) => dialer.vet(address).map(|()| vec![address])?,
            _ => Vec::new(),
        };
        let stream = self.in_time("connect", dial::connect(&addresses)).await?;
        let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
        Ok((stream, peer))
    }

    async fn open(&self, host: &str, port: u16, tls: bool) -> Result<Connection, Fault> {
        let (stream, peer) = self.dial(host, port).await?;
        if !tls {
            return Ok(Connection { stream: Box::new(stream), peer, session: None });
        }
        let trust = &self.services()?.trust;
        let handshake = Handshake::build("", &TlsSettings::default(), host, trust)
            .map_err(|error| Fault::unknown("request_invalid", error.to_string()))?;
        let stream = self.in_time("tls", handshake.trusted(stream, self.span.started_at)).await?;
        let agreed = stream.get_ref().1;
        let version = match agreed.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let certificates = agreed.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect();
        let session = Some(TlsSession { version: version.to_owned(), certificates });
        Ok(Connection { stream: Box::new(stream), peer, session })
    }
}

impl Session {
    async fn connected(&mut self, host: &str, port: u16, tls: bool) -> wasmtime::Result<Opened> {
        self.call()?;
        match self.reach.clone().open(host, port, tls).await {
            Ok(connection) => Ok(Ok(self.table.push(connection)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

type Opened = Result<Resource<Connection>, types::Fault>;

impl tcp::Host for Session {
    async fn connect(&mut self, host: String, port: u16) -> wasmtime::Result<Opened> {
        self.connected(&host, port, false).await
    }

    async fn connect_tls(&mut self, host: String, port: u16) -> wasmtime::Result<Opened> {
        self.connected(&host, port, true).await
    }
}

impl tcp::HostConnection for Session {
    async fn peer(&mut self, connection: Resource<Connection>) -> wasmtime::Result<String> {
        Ok(self.table.get(&connection)?.peer.clone())
    }

    async fn read(
        &mut self,
        connection: Resource<Connection>,
        most: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, types::Fault>> {
        self.call()?;
        let (span, open) = (self.reach.span, self.table.get_mut(&connection)?);
        let mut heard = Vec::new();
        let most = (most as usize).clamp(1, MAX_READ);
        let mut part = (&mut open.stream).take(most as u64);
        let read = tokio::time::timeout_at(span.deadline, part.read_buf(&mut heard)).await;
        let read = match read {
            Err(_) => Err(Fault::timeout("reply", span.deadline - span.started)),
            // A target may end TLS without saying so once it has said all.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            Ok(read) => read.map_err(|error| fault::talking(&error)),
        };
        self.traffic(heard.len())?;
        Ok(read.map(|_| heard).map_err(Into::into))
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), types::Fault>> {
        self.call()?;
        self.traffic(bytes.len())?;
        let (span, open) = (self.reach.span, self.table.get_mut(&connection)?);
        let write = async {
            open.stream.write_all(&bytes).await?;
            open.stream.flush().await
        };
        Ok(match tokio::time::timeout_at(span.deadline, write).await {
            Err(_) => Err(Fault::timeout("request", span.deadline - span.started).into()),
            Ok(written) => written.map_err(|error| fault::talking(&error).into()),
        })
    }

    async fn session(&mut self, connection: Resource<Connection>) -> wasmtime::Result<Option<TlsSession>> {
        Ok(self.table.get(&connection)?.session.clone())
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
