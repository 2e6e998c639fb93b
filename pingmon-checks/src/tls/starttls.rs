//! What is said in the clear before TLS begins: each protocol's way to ask for it, and the answers that refuse it.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::config::Starttls;
use crate::fault::{self, Fault};

/// Most bytes that a target may say before TLS begins.
const MAX_SAID: usize = 16 * 1024;
/// Most of what a target said that is quoted, in characters.
const MAX_QUOTED: usize = 200;

/// Asks for TLS and returns once the target agreed. `name` is whom XMPP asks for.
pub(super) async fn ask<S>(protocol: Starttls, stream: &mut S, name: &str) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk { stream, said: Vec::new() };
    match protocol {
        Starttls::Smtp => smtp(&mut talk).await?,
        Starttls::Imap => imap(&mut talk).await?,
        Starttls::Pop3 => pop3(&mut talk).await?,
        Starttls::Postgres => postgres(&mut talk).await?,
        Starttls::Xmpp => xmpp(&mut talk, name).await?,
    }
    talk.end()
}

async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Fault> {
    let greeting = talk.reply().await?;
    expect(&greeting, "220", "SMTP")?;
    talk.say("EHLO pingmon.invalid\r\n").await?;
    let abilities = talk.reply().await?;
    expect(&abilities, "250", "SMTP")?;
    let has = |line: &str| line.get(4..).is_some_and(|ability| ability.trim().eq_ignore_ascii_case("STARTTLS"));
    if !abilities.lines().any(has) {
        return Err(unsupported());
    }
    talk.say("STARTTLS\r\n").await?;
    let answer = talk.reply().await?;
    if answer.starts_with("220") { Ok(()) } else { Err(refused(&answer)) }
}

async fn imap<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Fault> {
    let greeting = talk.line().await?;
    expect(&greeting, "* OK", "IMAP")?;
    talk.say("a STARTTLS\r\n").await?;
    loop {
        let line = talk.line().await?;
        match line.strip_prefix("a ") {
            Some(answer) if answer.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("OK")) => return Ok(()),
            Some(answer) => return Err(refused(answer)),
            None => expect(&line, "*", "IMAP")?,
        }
    }
}

async fn pop3<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Fault> {
    let greeting = talk.line().await?;
    expect(&greeting, "+OK", "POP3")?;
    talk.say("STLS\r\n").await?;
    let answer = talk.line().await?;
    if answer.starts_with("+OK") { Ok(()) } else { Err(refused(&answer)) }
}

/// One request of a fixed form, one byte as the answer.
async fn postgres<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), Fault> {
    talk.send(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    match talk.byte().await? {
        b'S' => Ok(()),
        b'N' => Err(unsupported()),
        b'E' => Err(refused("an error")),
        _ => Err(foreign("PostgreSQL", "something else")),
    }
}

async fn xmpp<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>, name: &str) -> Result<(), Fault> {
    talk.say(&format!(
        "<?xml version='1.0'?><stream:stream to='{name}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    ))
    .await?;
    let features = talk.until(&["</stream:features>", "<stream:features/>", "</stream:error>"]).await?;
    if !features.contains("<stream:stream") {
        return Err(foreign("XMPP", &features));
    }
    if features.contains("<stream:error") {
        return Err(refused(&features));
    }
    if !features.contains("urn:ietf:params:xml:ns:xmpp-tls") {
        return Err(unsupported());
    }
    talk.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    let answer = talk.until(&["/>", "</proceed>", "</failure>"]).await?;
    if answer.trim_start().starts_with("<proceed") { Ok(()) } else { Err(refused(&answer)) }
}

/// A conversation with a target of which nothing is known yet.
struct Talk<'a, S> {
    stream: &'a mut S,
    said: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn say(&mut self, text: &str) -> Result<(), Fault> {
        self.send(text.as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await.map_err(|error| fault::talking(&error))
    }

    /// Waits for more of what the target says.
    async fn hear(&mut self) -> Result<(), Fault> {
        if self.said.len() >= MAX_SAID {
            return Err(Fault::down("response_too_large", format!("more than {MAX_SAID} bytes before TLS began")));
        }
        match (&mut *self.stream).take(1_024).read_buf(&mut self.said).await {
            Ok(0) => Err(Fault::down("connection_closed", "the target closed the connection before TLS began")),
            Ok(_) => Ok(()),
            Err(error) => Err(fault::talking(&error)),
        }
    }

    async fn byte(&mut self) -> Result<u8, Fault> {
        while self.said.is_empty() {
            self.hear().await?;
        }
        Ok(self.said.remove(0))
    }

    /// Takes what was said up to the end of the first of `ends` that comes.
    async fn until(&mut self, ends: &[&str]) -> Result<String, Fault> {
        loop {
            let text = String::from_utf8_lossy(&self.said).into_owned();
            if let Some(end) = ends.iter().filter_map(|end| text.find(end).map(|at| at + end.len())).min() {
                self.said = text.as_bytes()[end..].to_vec();
                return Ok(text[..end].to_owned());
            }
            self.hear().await?;
        }
    }

    async fn line(&mut self) -> Result<String, Fault> {
        Ok(self.until(&["\n"]).await?.trim_end().to_owned())
    }

    /// A reply of one or more lines, as SMTP has them: a dash after the number says that another one follows.
    async fn reply(&mut self) -> Result<String, Fault> {
        let mut reply = String::new();
        loop {
            let line = self.line().await?;
            reply.push_str(&line);
            let goes_on = line.get(..4).and_then(|start| start.strip_suffix('-'));
            if !goes_on.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                return Ok(reply);
            }
            if reply.len() > MAX_SAID {
                return Err(Fault::down("response_too_large", format!("more than {MAX_SAID} bytes before TLS began")));
            }
            reply.push('\n');
        }
    }

    /// What was said in the clear after the agreement would be taken for something said under TLS.
    fn end(self) -> Result<(), Fault> {
        if self.said.is_empty() {
            return Ok(());
        }
        Err(Fault::down("starttls_injected", "the target went on in the clear after it had agreed to TLS"))
    }
}

/// Refuses an answer that isn't of the protocol, or that turns us away.
fn expect(said: &str, start: &str, protocol: &str) -> Result<(), Fault> {
    if said.starts_with(start) {
        return Ok(());
    }
    let turned_away = match protocol {
        "SMTP" => said.len() >= 3 && said.bytes().take(3).all(|byte| byte.is_ascii_digit()),
        "IMAP" => said.starts_with("* "),
        _ => said.starts_with("-ERR"),
    };
    Err(if turned_away { refused(said) } else { foreign(protocol, said) })
}

fn unsupported() -> Fault {
    Fault::down("starttls_unsupported", "the target doesn't offer TLS")
}

fn refused(said: &str) -> Fault {
    Fault::down("starttls_refused", format!("the target refused to begin TLS: {}", quoted(said)))
}

fn foreign(protocol: &str, said: &str) -> Fault {
    Fault::down("invalid_response", format!("the target doesn't speak {protocol}: {}", quoted(said)))
}

fn quoted(said: &str) -> String {
    let short: String = said.chars().take(MAX_QUOTED).collect();
    format!("{short:?}")
}
