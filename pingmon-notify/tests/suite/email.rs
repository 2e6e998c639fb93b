//! The `email` channel against a mail server that does as its script says: the exchange, and every byte of the mails.

use std::{sync::Arc, time::Duration};

use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notification::Notification,
    notifier::Notifier,
};
use pingmon_notify::{open, sample};
use serde_json::{Value, json};

use crate::{
    notices,
    smtp::{Fault, Server, Taken},
};

fn config(server: &Server) -> Value {
    json!({
        "host": "localhost",
        "port": server.address.port(),
        "ca": server.ca,
        "username": "pingmon",
        "password": "canary-password",
        "from": "Monitoring <pingmon@example.com>",
        "to": ["ops@example.com"],
        "timeout": "5s",
    })
}

fn channel(config: &Value) -> Arc<dyn Notifier> {
    open("email", config, &DialPolicy::open()).unwrap()
}

/// What a failed delivery said, and whether to try again.
fn failure(result: Result<()>) -> (String, bool) {
    match result {
        Err(Error::Delivery { reason, retryable, .. }) => (reason, retryable),
        other => panic!("expected a failed delivery, got {other:?}"),
    }
}

fn sample(state: &str) -> Notification {
    sample::notices("ops", notices::START).into_iter().find(|(name, _)| *name == state).unwrap().1
}

/// The value of a header, unfolded.
fn header<'m>(mail: &'m str, name: &str) -> &'m str {
    let head = mail.split_once("\r\n\r\n").unwrap().0;
    let line = head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default()
}

#[tokio::test]
async fn a_mail_is_what_it_is_to_the_last_byte() {
    let server = Server::start([]).await;
    let notice = sample("resolved");
    channel(&config(&server)).send(&notice).await.unwrap();
    let Taken { from, to, mail, encrypted, login, .. } = server.taken().remove(0);
    assert_eq!((from.as_str(), to, encrypted), ("pingmon@example.com", vec!["ops@example.com".to_owned()], true));
    assert_eq!(login, Some(("pingmon".to_owned(), "canary-password".to_owned())));
    let root = header(&mail, "References").to_owned();
    let (id, boundary) = (notice.id, format!("pingmon-{}", notice.id));
    let expected = format!(
        "From: Monitoring <pingmon@example.com>\n\
         To: ops@example.com\n\
         Subject: sample: shop api has recovered after 3m\n\
         Date: Sun, 22 Nov 2026 12:03:00 +0000\n\
         Message-ID: <{id}@example.com>\n\
         In-Reply-To: {root}\n\
         References: {root}\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/alternative;\n boundary=\"{boundary}\"\n\
         \n\
         --{boundary}\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 7bit\n\
         \n\
         200 OK\n\
         From 2026-11-22 12:00:00 to 2026-11-22 12:03:00 UTC (3m)\n\
         Labels: team=shop\n\
         Details: https://status.example/monitors/sample\n\
         --{boundary}\n\
         Content-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\
         \n\
         <!DOCTYPE html>\n\
         <html lang=3D\"en\">\n\
         <head><meta charset=3D\"utf-8\"><title>sample: shop api has recovered after 3=\nm</title></head>\n\
         <body style=3D\"margin:0;padding:16px;font:15px/1.5 sans-serif\">\n\
         <div style=3D\"border-left:4px solid #17b26a;padding:0 16px\">\n\
         <h1 style=3D\"font-size:18px;margin:0 0 8px\">sample: shop api has recovered =\nafter 3m</h1>\n\
         <p style=3D\"margin:0\">\n\
         200 OK<br>\n\
         <b>From</b> 2026-11-22 12:00:00 to 2026-11-22 12:03:00 UTC (3m)<br>\n\
         <b>Labels</b>: team=3Dshop<br>\n\
         <a href=3D\"https://status.example/monitors/sample\">Details</a>\n\
         </p>\n</div>\n</body>\n</html>\n\
         \n\
         --{boundary}--\n"
    );
    assert_eq!(mail.trim_end(), expected.replace('\n', "\r\n").trim_end());
    assert!(server.said().iter().any(|line| line == "EHLO example.com"));
}

#[tokio::test]
async fn the_mails_of_an_incident_form_one_thread() {
    let server = Server::start([]).await;
    let channel = channel(&config(&server));
    for state in ["opened", "worsened", "reminder", "resolved"] {
        channel.send(&sample(state)).await.unwrap();
    }
    let mails: Vec<_> = server.taken().into_iter().map(|taken| taken.mail).collect();
    let root = header(&mails[0], "Message-ID").to_owned();
    assert!(root.starts_with('<') && root.ends_with("@example.com>"), "{root}");
    assert_eq!((header(&mails[0], "In-Reply-To"), header(&mails[0], "References")), ("", ""));
    let mut ids = vec![root.as_str()];
    for mail in &mails[1..] {
        assert_eq!((header(mail, "In-Reply-To"), header(mail, "References")), (root.as_str(), root.as_str()));
        assert!(!ids.contains(&header(mail, "Message-ID")), "two mails with one id");
        ids.push(header(mail, "Message-ID"));
    }
    let mut elsewhere = sample("resolved");
    elsewhere.channel = "managers".to_owned();
    channel.send(&elsewhere).await.unwrap();
    let other = server.taken().pop().unwrap().mail;
    assert_ne!(header(&other, "References"), root, "another channel's thread is another");
}

#[tokio::test]
async fn tls_from_the_start_and_auth_login_work_too() {
    let server = Server::with([], true, "LOGIN", false).await;
    let mut config = config(&server);
    config["tls"] = json!("implicit");
    channel(&config).send(&notices::opened()).await.unwrap();
    let taken = server.taken().remove(0);
    assert_eq!((taken.encrypted, taken.login.unwrap().1.as_str()), (true, "canary-password"));
    assert!(!server.said().iter().any(|line| line == "STARTTLS"));
}

#[tokio::test]
async fn a_relay_of_ones_own_needs_no_tls_and_no_login() {
    let server = Server::with([], false, "", false).await;
    let config = json!({ "host": "127.0.0.1", "port": server.address.port(), "tls": "none", "from": "a@example.com", "to": ["b@example.com"] });
    channel(&config).send(&notices::opened()).await.unwrap();
    assert_eq!((server.taken()[0].encrypted, server.taken()[0].login.clone()), (false, None));
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_where_starttls_is_wanted() {
    let server = Server::with([], false, "PLAIN", false).await;
    let (reason, retryable) = failure(channel(&config(&server)).send(&notices::opened()).await);
    assert!(!retryable && reason.contains("STARTTLS is not supported"), "{reason}");
    assert!(server.taken().is_empty() && !server.said().iter().any(|line| line.starts_with("AUTH")));
    let stranger = Server::start([]).await;
    let mut config = config(&stranger);
    config["ca"] = json!(server.ca);
    let (reason, retryable) = failure(channel(&config).send(&notices::opened()).await);
    assert!(retryable && reason.contains("ertificate"), "{reason}");
    assert!(!stranger.said().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
}

#[tokio::test]
async fn greylisting_is_tried_again_and_accepted_then() {
    let server = Server::start([Fault::Answer("RCPT", "451 4.7.1 greylisted, come back later")]).await;
    let (channel, notice) = (channel(&config(&server)), notices::opened());
    let (reason, retryable) = failure(channel.send(&notice).await);
    assert!(retryable && reason.contains("refused ops@example.com") && reason.contains("greylisted"), "{reason}");
    assert!(server.taken().is_empty());
    channel.send(&notice).await.unwrap();
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn answers_say_whether_another_attempt_can_help() {
    for (fault, again, said) in [
        (Fault::Answer("MAIL", "550 5.7.1 sender refused"), false, "sender refused"),
        (Fault::Answer("RCPT", "550 5.1.1 no such user"), false, "no such user"),
        (Fault::Answer("AUTH", "535 5.7.8 bad credentials"), false, "bad credentials"),
        (Fault::Answer("AUTH", "454 4.7.0 try later"), true, "try later"),
        (Fault::Answer("DATA", "452 4.3.1 disk full"), true, "disk full"),
        (Fault::AnswerDot("554 5.7.1 looks like spam"), false, "looks like spam"),
        (Fault::AnswerDot("451 4.3.0 queue is full"), true, "queue is full"),
        (Fault::Answer("EHLO", "421 4.3.2 shutting down"), true, "shutting down"),
        (Fault::Answer("MAIL", "nonsense"), true, "refused the sender"),
        (Fault::Answer("AUTH", "535 5.7.8 canary-password is wrong"), false, "[secret] is wrong"),
    ] {
        let server = Server::start([fault]).await;
        let (reason, retryable) = failure(channel(&config(&server)).send(&notices::opened()).await);
        assert_eq!(retryable, again, "{fault:?}: {reason}");
        assert!(reason.contains(said) && !reason.contains("canary"), "{fault:?}: {reason}");
        assert!(server.taken().is_empty());
    }
}

#[tokio::test]
async fn a_stall_ends_in_a_timeout_wherever_it_is() {
    for fault in [Fault::Stall("EHLO"), Fault::Stall("STARTTLS"), Fault::Stall("DATA"), Fault::StallAfterDot] {
        let server = Server::start([fault]).await;
        let mut config = config(&server);
        config["timeout"] = json!("500ms");
        let (reason, retryable) = failure(channel(&config).send(&notices::opened()).await);
        assert!(retryable && reason.ends_with("took longer than 500ms"), "{fault:?}: {reason}");
    }
}

#[tokio::test]
async fn a_cut_after_the_final_dot_is_tried_again_with_the_same_mail() {
    let server = Server::start([Fault::CutAfterDot]).await;
    let (channel, notice) = (channel(&config(&server)), notices::opened());
    let (reason, retryable) = failure(channel.send(&notice).await);
    assert!(retryable, "{reason}");
    channel.send(&notice).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken.len(), 2, "the server had taken the first");
    assert_eq!(taken[0].wire, taken[1].wire, "a repeat is the same mail, so that a mailbox can tell");
}

#[tokio::test]
async fn what_comes_after_the_250_is_of_no_account() {
    let server = Server::start([Fault::StallQuit]).await;
    let sent = async { channel(&config(&server)).send(&notices::opened()).await };
    tokio::time::timeout(Duration::from_secs(4), sent).await.expect("it waited for a goodbye").unwrap();
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn a_refused_receiver_keeps_the_mail_from_nobody_else() {
    for (answer, sent) in [("550 5.1.1 gone", true), ("450 4.2.1 mailbox busy", false)] {
        let server = Server::start([Fault::Answer("RCPT TO:<left@", answer)]).await;
        let mut config = config(&server);
        config["to"] = json!(["left@example.com", "ops@example.com"]);
        let result = channel(&config).send(&notices::opened()).await;
        assert_eq!(result.is_ok(), sent, "{result:?}");
        assert_eq!(server.taken()[0].to, ["ops@example.com"]);
        if !sent {
            assert!(failure(result).1);
        }
    }
}

#[tokio::test]
async fn no_name_forges_a_header_a_part_or_an_end() {
    let server = Server::start([]).await;
    let mut notice = notices::opened();
    notice.monitor.name = "a\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script> 🦀é".to_owned();
    notice.incident.message = "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n--pingmon".to_owned();
    notice.confirmed_by = vec![".".to_owned(), "é\u{202e}".to_owned()];
    channel(&config(&server)).send(&notice).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    let head = taken[0].mail.split_once("\r\n\r\n").unwrap().0;
    let names: Vec<_> =
        head.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect();
    let expected = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];
    assert_eq!(names, expected);
    assert!(taken[0].wire.is_ascii(), "what isn't ASCII is encoded");
    let html = taken[0].mail.split_once("text/html").unwrap().1;
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    assert_eq!(server.said().iter().filter(|line| line.starts_with("MAIL")).count(), 1);
}

#[tokio::test]
async fn dots_at_the_beginning_of_lines_are_doubled_on_the_wire() {
    let server = Server::start([]).await;
    let mut notice = notices::opened();
    notice.incident.message = ". begins with a dot".to_owned();
    channel(&config(&server)).send(&notice).await.unwrap();
    let taken = server.taken().remove(0);
    assert!(taken.wire.contains("\r\n.. begins with a dot\r\n"), "{}", taken.wire);
    assert!(taken.mail.contains("\r\n. begins with a dot\r\n"));
}

#[test]
fn a_config_that_cannot_work_names_the_field_and_repeats_no_secret() {
    let good = json!({ "host": "mx", "from": "a@b.c", "to": ["d@e.f"] });
    for (key, value, field) in [
        ("host", json!(""), "host"),
        ("host", json!("a b"), "host"),
        ("from", json!("nobody"), "from"),
        ("from", json!("a\r\nBcc: x@y.z <a@b.c>"), "from"),
        ("to", json!([]), "to"),
        ("to", json!(["d@e.f", "x"]), "to[1]"),
        ("to", json!(vec!["d@e.f"; 51]), "to"),
        ("tls", json!("ssl"), "tls"),
        ("ca", json!("nothing"), "ca"),
        ("username", json!("x"), "password"),
        ("password", json!("canary"), "username"),
        ("password", json!(31_337), "password"),
        ("timeout", json!("31s"), "timeout"),
    ] {
        let mut config = good.clone();
        config[key] = value;
        let error = open("email", &config, &DialPolicy::open()).err().expect(field).to_string();
        assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        assert!(!error.contains("canary") && !error.contains("31337"), "{error}");
    }
    let clear =
        json!({ "host": "mx", "from": "a@b.c", "to": ["d@e.f"], "tls": "none", "username": "x", "password": "y" });
    assert!(open("email", &clear, &DialPolicy::open()).err().unwrap().to_string().starts_with("invalid tls: "));
}

#[tokio::test]
async fn a_server_that_may_not_be_dialled_is_not() {
    let server = Server::start([]).await;
    let channel = open("email", &config(&server), &DialPolicy::public()).unwrap();
    let (reason, _) = failure(channel.send(&notices::opened()).await);
    assert!(reason.contains("the dial policy forbids"), "{reason}");
    assert!(server.said().is_empty());
}
