//! Trying several ways to the same end without waiting for those that stay silent (RFC 8305, "happy eyeballs"): used for
//! the addresses of a target and for our name servers.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::sleep,
};

use crate::fault::{self, Fault};

/// How long an attempt may be silent before the next one joins it.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

/// The first success. The next attempt starts as soon as the one before failed or took [`HEAD_START`].
///
/// # Errors
/// When all attempts failed: what each failed of, in the order in which they did.
pub(super) async fn race<F, T, E>(attempts: impl IntoIterator<Item = F>) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = attempts.into_iter().peekable();
    let mut running = FuturesUnordered::new();
    running.extend(waiting.next());
    let mut failed = Vec::new();
    loop {
        let more = waiting.peek().is_some();
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(success)) => return Ok(success),
                Some(Err(error)) => failed.push(error),
                None => return Err(failed),
            },
            () = sleep(HEAD_START), if more => {}
        }
        running.extend(waiting.next());
    }
}

/// Opens a connection to whichever address answers first. When all fail, a target's fault wins over one of ours.
#[cfg(any(feature = "handshake", feature = "postgres"))]
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Fault> {
    connect_from(addresses, None).await
}

/// The same, from an address of this machine if one is given.
pub(crate) async fn connect_from(addresses: &[SocketAddr], source: Option<IpAddr>) -> Result<TcpStream, Fault> {
    let faults = match race(addresses.iter().copied().map(|address| open(address, source))).await {
        Ok(stream) => return Ok(stream),
        Err(errors) => errors.iter().map(fault::connecting).collect::<Vec<_>>(),
    };
    let theirs = faults.iter().find(|fault| fault.is_down()).or(faults.first());
    Err(theirs.cloned().unwrap_or_else(|| Fault::unknown("dns_failed", "no address to dial")))
}

async fn open(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::future::Either;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_attempt_is_joined_by_the_next_and_a_failed_one_replaced_at_once() {
        let silent = || Either::Left(pending::<Result<u8, &str>>());
        let ended = |with| Either::Right(ready(with));
        let started = Instant::now();
        assert_eq!(race([silent(), ended(Err("refused")), ended(Ok(3))]).await, Ok(3));
        assert_eq!(started.elapsed(), HEAD_START);
        assert_eq!(race([ended(Err("first")), ended(Err("second"))]).await, Err(vec!["first", "second"]));
    }

    #[cfg(any(feature = "handshake", feature = "postgres"))]
    #[tokio::test]
    async fn the_address_that_answers_is_found_behind_those_that_refuse() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            other.local_addr().unwrap()
        };
        let stream = connect(&[closed, closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(connect(&[closed, closed]).await.unwrap_err().is_down());
    }
}
