//! A notice as a mail: headers that thread, a part of text and one of HTML. The same notice gives the same bytes.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message,
    error::Error,
    message::{
        Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue, To},
    },
};
use pingmon_core::{id::DeliveryId, incident::Event, notification::Notification};

use crate::{
    medium::Medium,
    wording::{self, Form, Text, Unit, Wording},
};

/// A subject that mail programs show, and room for two thousand companions.
pub(super) const FORM: Form =
    Form { title: (Medium::Plain, 200), body: (Medium::Html, 500_000), unit: Unit::Utf16, sign: false };

/// The mail, with CRLF line ends, as it goes over the wire before dots are doubled.
///
/// # Errors
/// When a header can't be written.
pub(super) fn write(
    notice: &Notification,
    wording: &Wording,
    from: &Mailbox,
    to: &Mailboxes,
) -> Result<Vec<u8>, Error> {
    let Text { title, body } = wording.of(notice);
    let plain = wording.default_body(notice, Medium::Plain);
    let html = page(&title, &body, wording::colour(notice));
    let micros = u64::try_from(notice.at.as_micros()).unwrap_or_default();
    let domain = from.email.domain();
    // The first notice of an incident is the root of its thread: its id is known to all that follow.
    let root = DeliveryId::derive(notice.incident.id, "thread", 0, &notice.channel);
    let mut mail = Message::builder()
        .from(from.clone())
        .mailbox(To::from(to.clone()))
        .subject(title)
        .date(UNIX_EPOCH + Duration::from_micros(micros));
    mail = if notice.event == Event::Opened {
        mail.message_id(Some(format!("<{root}@{domain}>")))
    } else {
        mail.message_id(Some(format!("<{}@{domain}>", notice.id)))
            .in_reply_to(format!("<{root}@{domain}>"))
            .references(format!("<{root}@{domain}>"))
    };
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let parts = MultiPart::alternative()
        .boundary(format!("pingmon-{}", notice.id))
        .singlepart(SinglePart::plain(plain.replace('\n', "\r\n")))
        .singlepart(SinglePart::html(html));
    // Nobody's holiday notice is to answer (RFC 3834).
    let mail = mail.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned())).multipart(parts)?;
    Ok(mail.formatted())
}

fn page(title: &str, body: &str, colour: u32) -> String {
    let title = Medium::Html.escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;font:15px/1.5 sans-serif\">\n\
         <div style=\"border-left:4px solid #{colour:06x};padding:0 16px\">\n\
         <h1 style=\"font-size:18px;margin:0 0 8px\">{title}</h1>\n<p style=\"margin:0\">\n{body}\n</p>\n</div>\n</body>\n</html>\n"
    )
    .replace('\n', "\r\n")
}
