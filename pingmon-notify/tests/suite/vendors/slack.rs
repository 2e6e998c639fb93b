//! Slack: incoming webhooks, `chat.postMessage`, `chat.update` and Block Kit
//! (<https://docs.slack.dev/reference/block-kit/blocks>).

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

/// The channel and the time stamp that the server answers.
pub(crate) const FIRST: (&str, &str) = ("C024BE91L", "1503435956.000247");
const ACCEPTED: &str = r#"{"ok": true, "channel": "C024BE91L", "ts": "1503435956.000247", "message": {}}"#;
/// What mustn't stand where mrkdwn is read; headers are plain text.
const MARKUP: [&str; 7] = ["<!channel>", "<@U", "<http://evil", "http://evil", "<script>", "*bold*", "_it_"];

pub(crate) const WEBHOOK: Vendor = Vendor {
    kind: "slack",
    config: |base| json!({ "webhook_url": format!("{base}/services/T0/B0/{CANARY}") }),
    check: |request| {
        need(request.uri.path() == format!("/services/T0/B0/{CANARY}"), "the address")?;
        let message: Message = json(request)?;
        need(message.channel.is_none() && message.ts.is_none() && message.thread_ts.is_none(), "a webhook's channel")?;
        check(&message)
    },
    accepted: (200, "ok"),
    refusals: &[
        later(429, Some(("retry-after", "30")), "rate_limited").after(30_000),
        dead(400, "invalid_payload"),
        dead(403, "action_prohibited"),
        dead(404, "no_service"),
        dead(410, "channel_is_archived"),
        later(500, None, "rollup_error"),
    ],
    forbidden: &["\r"],
};

pub(crate) const BOT: Vendor = Vendor {
    kind: "slack",
    config: |base| json!({ "api_url": format!("{base}/api"), "bot_token": format!("xoxb-{CANARY}"), "channel": FIRST.0 }),
    check: check_bot,
    accepted: (200, ACCEPTED),
    refusals: &[
        later(429, Some(("retry-after", "1")), r#"{"ok": false, "error": "ratelimited"}"#).after(1_000),
        later(200, None, r#"{"ok": false, "error": "internal_error"}"#),
        later(200, None, r#"{"ok": false, "error": "ratelimited"}"#),
        later(200, None, "<html>a proxy</html>"),
        dead(200, r#"{"ok": false, "error": "channel_not_found"}"#),
        dead(200, r#"{"ok": false, "error": "invalid_auth"}"#),
        dead(200, r#"{"ok": false, "error": "not_in_channel"}"#),
        dead(200, r#"{"ok": false, "error": "invalid_blocks"}"#),
    ],
    forbidden: &["\r"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
    blocks: Vec<Block>,
    unfurl_links: bool,
    unfurl_media: bool,
    channel: Option<String>,
    ts: Option<String>,
    thread_ts: Option<String>,
    reply_broadcast: Option<bool>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Block {
    Header { text: Text },
    Section { text: Text },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Text {
    PlainText { text: String, emoji: bool },
    Mrkdwn { text: String, verbatim: bool },
}

fn mrkdwn(value: &str, most: usize, what: &str) -> Checked {
    need(!MARKUP.iter().any(|markup| value.contains(markup)), "markup that isn't ours")?;
    text(value, most, what)
}

fn check(message: &Message) -> Checked {
    mrkdwn(&message.text, 4_000, "a text")?;
    need(message.blocks.len() <= 50 && !message.unfurl_links && !message.unfurl_media, "blocks, or previews")?;
    for block in &message.blocks {
        match block {
            Block::Header { text: Text::PlainText { text: title, emoji: true } } => text(title, 150, "a header")?,
            Block::Section { text: Text::Mrkdwn { text: body, verbatim: true } } => mrkdwn(body, 3_000, "a section")?,
            Block::Header { .. } => return Err("a header that isn't plain text".to_owned()),
            Block::Section { .. } => return Err("a section that would make links".to_owned()),
        }
    }
    Ok(())
}

fn check_bot(request: &Received) -> Checked {
    need(request.method == "POST" && request.header("authorization") == format!("Bearer xoxb-{CANARY}"), "the token")?;
    let message: Message = json(request)?;
    need(message.channel.as_deref() == Some(FIRST.0), "the channel")?;
    match request.uri.path() {
        "/api/chat.postMessage" => {
            let thread = message.thread_ts.as_deref();
            need(message.ts.is_none() && thread.is_none_or(|ts| ts == FIRST.1), "the thread")?;
            need(message.reply_broadcast.is_none() || thread.is_some(), "a broadcast of no reply")?;
        }
        "/api/chat.update" => {
            need(message.ts.as_deref() == Some(FIRST.1) && message.thread_ts.is_none(), "the message")?
        }
        path => return Err(format!("the method {path}")),
    }
    check(&message)
}
