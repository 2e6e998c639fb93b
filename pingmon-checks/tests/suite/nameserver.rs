//! A name server that says what a test wants, over UDP and TCP. It ends when it is dropped.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

/// What is said to one question.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These addresses, as far as they are of the family that was asked for.
    Addresses(Vec<IpAddr>),
    /// The same, of another name that is an alias.
    Alias(&'static str, Vec<IpAddr>),
    /// The same, but over TCP only.
    Long(Vec<IpAddr>),
    /// The same, after answers that somebody forged.
    Forged(Vec<IpAddr>),
    Code(ResponseCode),
    Silence,
}

impl Reply {
    /// One address.
    pub(crate) fn address(text: &str) -> Self {
        Self::Addresses(vec![text.parse().unwrap()])
    }
}

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl NameServer {
    /// Answers each question (a name without its final dot, and a family) as `say` does.
    pub(crate) async fn start<F>(say: F) -> Self
    where
        F: Fn(&str, RecordType) -> Reply + Send + Sync + 'static,
    {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let (say, asked) = (Arc::new(say), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let (count, over_udp) = (Arc::clone(&asked), Arc::clone(&say));
        tasks.spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::SeqCst);
                for answer in answers(&buffer[..length], &*over_udp) {
                    udp.send_to(&answer, from).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut question = vec![0; usize::from(length)];
                stream.read_exact(&mut question).await.unwrap();
                let long = |name: &str, family| match say(name, family) {
                    Reply::Long(addresses) => Reply::Addresses(addresses),
                    other => other,
                };
                for answer in answers(&question, &long) {
                    stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    /// Says the same about every name.
    pub(crate) async fn saying(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// Questions over UDP so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A port that is free for both: one that is for UDP may be in use for TCP.
async fn bind() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

fn answers(question: &[u8], say: &(dyn Fn(&str, RecordType) -> Reply + Sync)) -> Vec<Vec<u8>> {
    let mut message = Message::from_vec(question).unwrap();
    message.metadata.message_type = MessageType::Response;
    let (name, family) = (message.queries[0].name().clone(), message.queries[0].query_type());
    let reply = say(name.to_string().trim_end_matches('.'), family);
    let mut all = Vec::new();
    match reply {
        Reply::Silence => return all,
        Reply::Code(code) => message.metadata.response_code = code,
        Reply::Long(_) => message.metadata.truncation = true,
        Reply::Addresses(addresses) => message.answers = records(&name, family, &addresses),
        Reply::Alias(alias, addresses) => {
            let alias = Name::from_ascii(alias).unwrap();
            message.answers = records(&alias, family, &addresses);
            message.answers.push(Record::from_rdata(name, 60, RData::CNAME(CNAME(alias))));
        }
        Reply::Forged(addresses) => {
            let mut forged = message.clone();
            forged.answers = records(&name, family, &["127.0.0.9".parse().unwrap(), "::9".parse().unwrap()]);
            forged.metadata.id = forged.metadata.id.wrapping_add(1);
            all.push(forged.to_vec().unwrap());
            forged.metadata.id = message.metadata.id;
            forged.queries[0].set_name(Name::from_ascii("other.example.").unwrap());
            all.push(forged.to_vec().unwrap());
            all.push(b"junk".to_vec());
            message.answers = records(&name, family, &addresses);
        }
    }
    all.push(message.to_vec().unwrap());
    all
}

fn records(name: &Name, family: RecordType, addresses: &[IpAddr]) -> Vec<Record> {
    let data = addresses.iter().map(|address| RData::from(*address)).filter(|data| data.record_type() == family);
    data.map(|data| Record::from_rdata(name.clone(), 60, data)).collect()
}
