//! A mail server that does as its script says: it speaks SMTP (RFC 5321) with STARTTLS and AUTH, refuses, stalls and
//! breaks off where it is told to, and keeps what it took byte for byte.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// What a server does in one connection in place of going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Everything works.
    None,
    /// Answers a command that begins so with this line.
    Answer(&'static str, &'static str),
    /// Answers the final dot with this line.
    AnswerDot(&'static str),
    /// Never answers the final dot.
    StallAfterDot,
    /// Takes the mail and breaks off before it says so.
    CutAfterDot,
    /// Never answers a command that begins so.
    Stall(&'static str),
    /// Takes the mail and never says goodbye.
    StallQuit,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The mail as it is after doubled dots are single again.
    pub(crate) mail: String,
    /// What came over the wire, up to and with the final dot.
    pub(crate) wire: String,
    pub(crate) encrypted: bool,
    pub(crate) login: Option<(String, String)>,
}

#[derive(Clone)]
struct Setup {
    acceptor: TlsAcceptor,
    implicit: bool,
    auth: &'static str,
    starttls: bool,
    taken: Arc<Mutex<Vec<Taken>>>,
    said: Arc<Mutex<Vec<String>>>,
}

/// Serves until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The certificate to trust, as PEM.
    pub(crate) ca: String,
    setup: Setup,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Each connection has the next fault of the script; after the last, everything works.
    pub(crate) async fn start(script: impl IntoIterator<Item = Fault>) -> Self {
        Self::with(script, false, "PLAIN LOGIN", true).await
    }

    pub(crate) async fn with(
        script: impl IntoIterator<Item = Fault>,
        implicit: bool,
        auth: &'static str,
        starttls: bool,
    ) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let (taken, said) = (Arc::default(), Arc::default());
        let setup = Setup { acceptor, implicit, auth, starttls, taken, said };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut script: VecDeque<_> = script.into_iter().collect();
        let (mut tasks, served) = (JoinSet::new(), setup.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let fault = script.pop_front().unwrap_or(Fault::None);
                let setup = served.clone();
                connections.spawn(async move {
                    // What the client breaks off is its own affair.
                    let _ = serve(stream, fault, &setup).await;
                });
            }
        });
        Self { address, ca: cert.pem(), setup, _tasks: tasks }
    }

    /// The mails taken so far.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.setup.taken.lock().unwrap().clone()
    }

    /// Every line that clients said, mails left out.
    pub(crate) fn said(&self) -> Vec<String> {
        self.setup.said.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, fault: Fault, setup: &Setup) -> std::io::Result<()> {
    if setup.implicit {
        let stream = setup.acceptor.accept(stream).await?;
        return session(BufReader::new(stream), fault, setup, true, true).await.map(drop);
    }
    if let Some(plain) = session(BufReader::new(stream), fault, setup, false, true).await? {
        let stream = setup.acceptor.accept(plain.into_inner()).await?;
        session(BufReader::new(stream), fault, setup, true, false).await?;
    }
    Ok(())
}

/// One session up to its end, or to the STARTTLS that asks for another on the same stream.
async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    fault: Fault,
    setup: &Setup,
    encrypted: bool,
    greets: bool,
) -> std::io::Result<Option<BufReader<S>>> {
    let (mut from, mut to, mut login) = (String::new(), Vec::new(), None);
    if greets {
        say(&mut stream, "220 mx.example ESMTP").await?;
    }
    while let Some(line) = line(&mut stream).await? {
        let line = line.trim_end().to_owned();
        setup.said.lock().unwrap().push(line.clone());
        match fault {
            Fault::Answer(command, answer) if line.starts_with(command) => {
                say(&mut stream, answer).await?;
                continue;
            }
            Fault::Stall(command) if line.starts_with(command) => return std::future::pending().await,
            Fault::StallQuit if line == "QUIT" => return std::future::pending().await,
            _ => {}
        }
        let (command, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        match command {
            "EHLO" => {
                let extensions = match (encrypted, setup.starttls) {
                    (false, true) => "250-mx.example\r\n250-8BITMIME\r\n250 STARTTLS".to_owned(),
                    (false, false) => "250-mx.example\r\n250 8BITMIME".to_owned(),
                    (true, _) => format!("250-mx.example\r\n250-8BITMIME\r\n250 AUTH {}", setup.auth),
                };
                say(&mut stream, &extensions).await?;
            }
            "STARTTLS" => {
                say(&mut stream, "220 go ahead").await?;
                return Ok(Some(stream));
            }
            "AUTH" => {
                login = Some(authenticate(&mut stream, rest).await?);
                say(&mut stream, "235 2.7.0 welcome").await?;
            }
            "MAIL" => {
                from = address(rest);
                say(&mut stream, "250 2.1.0 sender ok").await?;
            }
            "RCPT" => {
                to.push(address(rest));
                say(&mut stream, "250 2.1.5 receiver ok").await?;
            }
            "DATA" => {
                say(&mut stream, "354 end with a dot").await?;
                let wire = data(&mut stream).await?;
                let mail = wire.strip_suffix(".\r\n").unwrap().replace("\r\n..", "\r\n.");
                let taken = Taken { from: from.clone(), to: to.clone(), mail, wire, encrypted, login: login.clone() };
                match fault {
                    Fault::AnswerDot(answer) => say(&mut stream, answer).await?,
                    Fault::StallAfterDot => return std::future::pending().await,
                    fault => {
                        setup.taken.lock().unwrap().push(taken);
                        if fault == Fault::CutAfterDot {
                            return Ok(None);
                        }
                        say(&mut stream, "250 2.0.0 queued as 1").await?;
                    }
                }
            }
            "QUIT" => {
                say(&mut stream, "221 2.0.0 bye").await?;
                return Ok(None);
            }
            _ => say(&mut stream, "502 5.5.1 no such command").await?,
        }
    }
    Ok(None)
}

/// The name and the password that AUTH PLAIN or AUTH LOGIN hand over.
async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    how: &str,
) -> std::io::Result<(String, String)> {
    let decode = |text: &str| String::from_utf8(BASE64_STANDARD.decode(text.trim_end()).unwrap()).unwrap();
    match how.split_once(' ').unwrap_or((how, "")) {
        ("PLAIN", initial) => {
            let credentials = decode(initial);
            let mut parts = credentials.split('\0').skip(1);
            Ok((parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned()))
        }
        ("LOGIN", _) => {
            say(stream, &format!("334 {}", BASE64_STANDARD.encode("Username:"))).await?;
            let name = decode(&line(stream).await?.unwrap());
            say(stream, &format!("334 {}", BASE64_STANDARD.encode("Password:"))).await?;
            Ok((name, decode(&line(stream).await?.unwrap())))
        }
        (other, _) => panic!("the server doesn't offer {other}"),
    }
}

fn address(rest: &str) -> String {
    rest.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned()
}

async fn data<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut wire = String::new();
    while let Some(line) = line(stream).await? {
        assert!(line.ends_with("\r\n") && line.len() <= 1_000, "a line of {} bytes: {line:?}", line.len());
        let is_last = line == ".\r\n";
        wire.push_str(&line);
        if is_last {
            break;
        }
    }
    Ok(wire)
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    Ok((stream.read_line(&mut line).await? > 0).then_some(line))
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}
