//! One question and its answer: over UDP, TCP or TLS. Knows the form of messages, not what they should say.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::proto::op::{Message, MessageType, Query};
use pingmon_core::time::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UdpSocket,
    time::timeout,
};

use super::{config::Transport, https};
use crate::{
    dial,
    fault::{self, Fault},
    handshake::Handshake,
    stopwatch::{Phase, Stopwatch},
};

/// After how long without an answer a question is sent again over UDP, which may lose it.
const RESEND: Duration = Duration::from_secs(1);
/// Most that an answer may have over UDP, in bytes (EDNS).
const MAX_DATAGRAM: usize = 4_096;

/// The way to a nameserver. Cheap to clone.
#[derive(Clone)]
pub(super) struct Way {
    /// Where it is; at least one address.
    pub(super) addresses: Arc<[SocketAddr]>,
    pub(super) transport: Transport,
    /// For the transports that are encrypted.
    pub(super) handshake: Option<Arc<Handshake>>,
    /// Where questions are posted to.
    pub(super) path: Arc<str>,
    pub(super) now: Timestamp,
    pub(super) watch: Arc<Stopwatch>,
}

impl Way {
    /// Asks and returns the answer that fits the question.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub(super) async fn ask(&self, question: &Message) -> Result<Message, Fault> {
        let bytes = question.to_vec().map_err(|e| Fault::unknown("bad_query", format!("it can't be asked: {e}")))?;
        if self.transport == Transport::Udp {
            let answer = self.ask_by_datagram(question, &bytes).await?;
            if !answer.metadata.truncation {
                return Ok(answer);
            }
        }
        self.watch.enter(Phase::Connect);
        let stream = dial::connect(&self.addresses).await?;
        let Some(handshake) = &self.handshake else { return self.ask_by_stream(stream, question, &bytes).await };
        self.watch.enter(Phase::Tls);
        let stream = handshake.trusted(stream, self.now).await?;
        if self.transport == Transport::Tls {
            return self.ask_by_stream(stream, question, &bytes).await;
        }
        self.watch.enter(Phase::Query);
        let answer = https::post(stream, &handshake.name(), &self.path, bytes).await?;
        fitting(question, &answer)?.ok_or_else(|| foreign("it doesn't fit the question"))
    }

    async fn ask_by_datagram(&self, question: &Message, bytes: &[u8]) -> Result<Message, Fault> {
        self.watch.enter(Phase::Query);
        let any: SocketAddr = match self.addresses[0] {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(|error| fault::connecting(&error))?;
        socket.connect(self.addresses[0]).await.map_err(|error| fault::connecting(&error))?;
        loop {
            socket.send(bytes).await.map_err(|error| fault::connecting(&error))?;
            if let Ok(answer) = timeout(RESEND, receive(&socket, question)).await {
                return answer;
            }
        }
    }

    /// A message is preceded by its length.
    async fn ask_by_stream<S>(&self, mut stream: S, question: &Message, bytes: &[u8]) -> Result<Message, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.watch.enter(Phase::Query);
        let length = u16::try_from(bytes.len()).map_err(|_| Fault::unknown("bad_query", "the question is too long"))?;
        let talk = async {
            stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
            stream.flush().await?;
            let mut answer = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        let answer = talk.await.map_err(|error| fault::talking(&error))?;
        fitting(question, &answer)?.ok_or_else(|| foreign("it doesn't fit the question"))
    }
}

/// Waits for the answer; what doesn't fit the question may come from anybody and isn't looked at.
async fn receive(socket: &UdpSocket, question: &Message) -> Result<Message, Fault> {
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await.map_err(|error| fault::connecting(&error))?;
        if let Some(answer) = fitting(question, &datagram[..length])? {
            return Ok(answer);
        }
    }
}

/// Reads a message if it is the answer to `question`.
fn fitting(question: &Message, bytes: &[u8]) -> Result<Option<Message>, Fault> {
    if bytes.get(..2) != Some(&question.metadata.id.to_be_bytes()[..]) {
        return Ok(None);
    }
    let answer = Message::from_vec(bytes).map_err(|e| foreign(&format!("it can't be read: {e}")))?;
    // A server that doesn't understand a question may not repeat it.
    let same = |asked: &Query, repeated: &Query| {
        asked.query_type == repeated.query_type && asked.name.eq_ignore_root(&repeated.name)
    };
    let repeats = match (question.queries.first(), answer.queries.first()) {
        (Some(asked), Some(repeated)) => same(asked, repeated),
        _ => answer.answers.is_empty(),
    };
    Ok((answer.metadata.message_type == MessageType::Response && repeats).then_some(answer))
}

fn foreign(reason: &str) -> Fault {
    Fault::down("invalid_response", format!("the answer isn't one: {reason}"))
}
