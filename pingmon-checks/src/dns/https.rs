//! A DNS message posted over HTTPS (RFC 8484) on a connection that is there already.

use h2::client;
use http::{
    Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::fault::{self, Fault};

/// Most that an answer may have, in bytes: what fits into a DNS message.
const MAX_ANSWER: usize = 65_535;
/// Most that the headers of an answer may have, in bytes.
const MAX_HEADERS: u32 = 16 * 1024;
const MESSAGE: &str = "application/dns-message";

/// Posts `question` and returns the body of the answer.
///
/// # Errors
/// When the connection breaks or the answer isn't a DNS message.
pub(super) async fn post<S>(stream: S, host: &str, path: &str, question: Vec<u8>) -> Result<Vec<u8>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = client::Builder::new();
    let opening = builder.max_header_list_size(MAX_HEADERS).enable_push(false).handshake(stream);
    let (sender, connection) = opening.await.map_err(|error| broken(&error))?;
    tokio::select! {
        biased;
        answer = exchange(sender, host, path, question) => answer,
        // The connection is driven meanwhile. That it ends first is the end of the exchange too.
        ended = connection => Err(ended.err().map_or_else(closed, |error| broken(&error))),
    }
}

async fn exchange(
    mut sender: client::SendRequest<bytes::Bytes>,
    host: &str,
    path: &str,
    question: Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let request = Request::post(format!("https://{authority}{path}"))
        .header(CONTENT_TYPE, MESSAGE)
        .header(ACCEPT, MESSAGE)
        .body(())
        .map_err(|e| Fault::unknown("bad_query", format!("it can't be posted: {e}")))?;
    let (response, mut body) = sender.send_request(request, false).map_err(|error| broken(&error))?;
    body.send_data(question.into(), true).map_err(|error| broken(&error))?;
    let response = response.await.map_err(|error| broken(&error))?;
    if response.status() != StatusCode::OK {
        return Err(invalid(&format!("its status is {}", response.status().as_u16())));
    }
    let of_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !of_type.is_some_and(|name| name.trim_start().starts_with(MESSAGE)) {
        return Err(invalid("its type isn't application/dns-message"));
    }
    let (mut body, mut answer) = (response.into_body(), Vec::new());
    while let Some(part) = body.data().await {
        let part = part.map_err(|error| broken(&error))?;
        if answer.len() + part.len() > MAX_ANSWER {
            return Err(Fault::down("response_too_large", format!("the answer has more than {MAX_ANSWER} bytes")));
        }
        answer.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len()).map_err(|error| broken(&error))?;
    }
    Ok(answer)
}

fn broken(error: &h2::Error) -> Fault {
    error.get_io().map_or_else(|| invalid(&error.to_string()), fault::talking)
}

fn invalid(reason: &str) -> Fault {
    Fault::down("invalid_response", format!("the HTTP answer isn't a DNS message: {reason}"))
}

fn closed() -> Fault {
    Fault::down("connection_closed", "the target closed the connection too early")
}
