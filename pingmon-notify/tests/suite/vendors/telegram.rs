//! Telegram: sendMessage (<https://core.telegram.org/bots/api#sendmessage>), its HTML included.

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "telegram",
    config: |base| json!({ "api_url": base, "bot_token": format!("123456:{CANARY}"), "chat_id": -1_001_234_567_890_i64, "topic": 7 }),
    check,
    accepted: (200, r#"{"ok": true, "result": {"message_id": 42, "date": 1, "chat": {"id": 1, "type": "supergroup"}}}"#),
    refusals: &[
        later(429, None, r#"{"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35", "parameters": {"retry_after": 35}}"#)
            .after(35_000),
        dead(400, r#"{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}"#),
        dead(401, r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#),
        dead(403, r#"{"ok": false, "error_code": 403, "description": "Forbidden: bot was kicked from the group chat"}"#),
        later(502, None, ""),
    ],
    forbidden: &["@everyone", "@U0", "<script", "<!channel", "http://evil", "www.evil"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    chat_id: i64,
    message_thread_id: i64,
    text: String,
    parse_mode: String,
    link_preview_options: Preview,
    reply_parameters: Option<Reply>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preview {
    is_disabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    message_id: i64,
    allow_sending_without_reply: bool,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri.path() == format!("/bot123456:{CANARY}/sendMessage"), "the address")?;
    let message: Message = json(request)?;
    need(message.chat_id == -1_001_234_567_890 && message.message_thread_id == 7, "the chat or topic")?;
    need(message.parse_mode == "HTML" && message.link_preview_options.is_disabled, "the way to read it")?;
    let reply = |reply: &Reply| reply.message_id == 42 && reply.allow_sending_without_reply;
    need(message.reply_parameters.as_ref().is_none_or(reply), "what it answers")?;
    let text = plain(&message.text)?;
    need((1..=4_096).contains(&text.encode_utf16().count()), "a text of more than 4,096 characters")
}

/// The text without its tags, which are to be those that Telegram knows, and closed.
fn plain(html: &str) -> Checked<String> {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
        match tag.strip_prefix('/') {
            Some(name) => need(open.pop() == Some(name.to_owned()), &format!("can't parse entities: </{name}>"))?,
            None => {
                let name = tag.split(' ').next().unwrap_or_default();
                need(
                    ["b", "i", "u", "s", "code", "pre", "a"].contains(&name),
                    &format!("can't parse entities: <{tag}>"),
                )?;
                open.push(name.to_owned());
            }
        }
        rest = after;
    }
    text.push_str(rest);
    need(open.is_empty(), "a tag that isn't closed")?;
    for part in text.split('&').skip(1) {
        let entity = part.split_once(';').map(|(name, _)| name).unwrap_or_default();
        need(["lt", "gt", "amp", "quot", "#39"].contains(&entity), &format!("the entity &{part}"))?;
    }
    Ok(text)
}
