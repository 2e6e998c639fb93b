//! One exchange with one name server: asks for both families over one UDP socket, over TCP what didn't fit. Which server
//! is asked about which name is the resolver's business.
//!
//! The messages are hickory's; the exchange isn't, because its own opens up to eight sockets for a name that stays
//! silent, can't see that a server refuses (its sockets aren't connected), takes one server's SERVFAIL for all servers'
//! answer, and leaves tasks running behind the lookup.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::{Instant, timeout_at},
};

use super::super::connect::HEAD_START;
use crate::fault::{self, Fault};

/// After how long without an answer a question is sent again.
const REPEAT: Duration = Duration::from_secs(1);
/// The longest answer over UDP: without EDNS it has 512 bytes, some servers send more.
const MAX_ANSWER: usize = 4096;
/// Most aliases between a name and its addresses.
const MAX_ALIASES: usize = 16;
/// Most addresses of one family that are looked at.
const MAX_ADDRESSES: usize = 64;

/// What a name server says about one family of a name: its addresses, none if it has none or doesn't exist.
type Said = Result<Vec<IpAddr>, Fault>;

/// The addresses of `name` as `server` knows them, IPv6 and IPv4 in turns; none when it is sure that there are none.
/// Doesn't end by itself while the server is silent.
///
/// # Errors
/// When the server can't be asked or says of neither family that it knows: always `unknown`.
pub(super) async fn ask(server: SocketAddr, name: &Name) -> Result<Vec<IpAddr>, Fault> {
    let mut questions = [Question::new(name, RecordType::AAAA)?, Question::new(name, RecordType::A)?];
    let socket = open(server).await.map_err(|error| unreachable(server, &error))?;
    let mut answer_by = None;
    while questions.iter().any(|question| question.said.is_none()) {
        for question in questions.iter().filter(|question| question.said.is_none()) {
            socket.send(&question.bytes).await.map_err(|error| unreachable(server, &error))?;
        }
        let repeat_at = Instant::now() + REPEAT;
        while questions.iter().any(|question| question.said.is_none()) {
            let until = answer_by.unwrap_or(repeat_at).min(repeat_at);
            match timeout_at(until, receive(&socket, server, &mut questions)).await {
                Ok(received) => received?,
                Err(_) => break,
            }
            // One family is enough to go on with: the other one gets a moment.
            if questions.iter().any(Question::has_addresses) {
                answer_by.get_or_insert_with(|| Instant::now() + HEAD_START);
            }
        }
        if answer_by.is_some_and(|at| at <= Instant::now()) {
            break;
        }
    }
    let [six, four] = questions;
    verdict(six.said, four.said)
}

/// What both families come to: addresses whenever there are some; none only if both are sure of it.
fn verdict(six: Option<Said>, four: Option<Said>) -> Result<Vec<IpAddr>, Fault> {
    match (six, four) {
        (Some(Ok(six)), Some(Ok(four))) => Ok(alternating(six, four)),
        (Some(Ok(some)), _) | (_, Some(Ok(some))) if !some.is_empty() => Ok(some),
        (Some(Err(fault)), _) | (_, Some(Err(fault))) => Err(fault),
        _ => Err(Fault::unknown("dns_failed", "the name server answered only in part")),
    }
}

/// Each family's addresses in the server's order, in turns, so that a family that leads nowhere is left soon.
fn alternating(six: Vec<IpAddr>, four: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut all = Vec::with_capacity(six.len() + four.len());
    while six.len() + four.len() > 0 {
        all.extend(six.next());
        all.extend(four.next());
    }
    all
}

/// A question, and what was said to it.
struct Question {
    message: Message,
    bytes: Vec<u8>,
    said: Option<Said>,
}

impl Question {
    fn new(name: &Name, family: RecordType) -> Result<Self, Fault> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), family));
        let bytes =
            message.to_vec().map_err(|e| Fault::unknown("dns_failed", format!("{name} can't be asked: {e}")))?;
        Ok(Self { message, bytes, said: None })
    }

    fn has_addresses(&self) -> bool {
        matches!(&self.said, Some(Ok(addresses)) if !addresses.is_empty())
    }

    /// Whether `message` answers this question. Everything else is somebody else's, or forged.
    fn is_answered_by(&self, message: &Message) -> bool {
        message.id == self.message.id
            && message.message_type == MessageType::Response
            && message.queries == self.message.queries
    }
}

/// A connected socket: it takes datagrams from the server only, and hears when nobody listens there.
async fn open(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

/// Takes one datagram in and puts what it says to the question that it answers.
async fn receive(socket: &UdpSocket, server: SocketAddr, questions: &mut [Question; 2]) -> Result<(), Fault> {
    let mut buffer = [0; MAX_ANSWER];
    let length = socket.recv(&mut buffer).await.map_err(|error| unreachable(server, &error))?;
    let Ok(message) = Message::from_vec(&buffer[..length]) else { return Ok(()) };
    let Some(question) = questions.iter_mut().find(|question| question.is_answered_by(&message)) else {
        return Ok(());
    };
    let said = match message.truncation {
        true => over_tcp(server, question).await.map_err(|error| unreachable(server, &error))?,
        false => message,
    };
    question.said = Some(read(server, &said));
    Ok(())
}

/// Asks once more where answers have room (RFC 1035 section 4.2.2).
async fn over_tcp(server: SocketAddr, question: &Question) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question.bytes.as_slice()].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    match Message::from_vec(&answer) {
        Ok(message) if question.is_answered_by(&message) => Ok(message),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer over TCP isn't one to the question")),
    }
}

/// What a message says about its question.
fn read(server: SocketAddr, message: &Message) -> Said {
    match message.response_code {
        ResponseCode::NoError => Ok(addresses(message)),
        ResponseCode::NXDomain => Ok(Vec::new()),
        code => {
            let asked = message.queries.first().map(|query| query.name().to_string()).unwrap_or_default();
            let asked = asked.trim_end_matches('.');
            Err(Fault::unknown("dns_failed", format!("our name server {server} answered {code} about {asked}")))
        }
    }
}

/// The addresses at the end of the aliases that a message begins with.
fn addresses(message: &Message) -> Vec<IpAddr> {
    let Some(mut name) = message.queries.first().map(Query::name) else { return Vec::new() };
    for _ in 0..MAX_ALIASES {
        let of_name = || message.answers.iter().filter(|record| record.name == *name);
        let found: Vec<_> = of_name().filter_map(|record| record.data.ip_addr()).take(MAX_ADDRESSES).collect();
        let alias = of_name().find_map(|record| match &record.data {
            RData::CNAME(alias) => Some(&alias.0),
            _ => None,
        });
        match alias {
            Some(alias) if found.is_empty() => name = alias,
            _ => return found,
        }
    }
    Vec::new()
}

fn unreachable(server: SocketAddr, error: &io::Error) -> Fault {
    let fallback = || Fault::unknown("dns_failed", format!("our name server {server} can't be asked: {error}"));
    fault::ours(error).unwrap_or_else(fallback)
}
