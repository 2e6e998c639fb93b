//! Pushover: send a message (<https://pushover.net/api>).

use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, form, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "pushover",
    config: |base| json!({ "api_url": base, "token": format!("{CANARY}a"), "user": format!("{CANARY}u"), "device": "phone" }),
    check,
    accepted: (200, r#"{"status": 1, "request": "647d2300-702c-4b38-8b2f-d56326ae460b"}"#),
    refusals: &[
        later(429, None, r#"{"status": 0, "errors": ["application is over quota"]}"#),
        dead(
            400,
            r#"{"user": "invalid", "errors": ["user identifier is invalid"], "status": 0, "request": "5042853c"}"#,
        ),
        later(500, None, ""),
    ],
    forbidden: &["\r"],
};

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri == "/1/messages.json", "the address")?;
    for (name, value) in form(request)? {
        match name.as_str() {
            "token" => need(value == format!("{CANARY}a"), "the token")?,
            "user" => need(value == format!("{CANARY}u"), "the user")?,
            "device" => need(value == "phone", "the device")?,
            "title" => text(&value, 250, "a title")?,
            "message" => {
                // It is read as HTML; the titles aren't.
                let markup = ["<script", "<@U", "<!channel", "http://evil"];
                need(!markup.iter().any(|markup| value.contains(markup)), "markup that isn't ours")?;
                text(&value, 1_024, "a message")?;
            }
            "html" => need(value == "1", "html")?,
            "priority" => need(["-2", "-1", "0", "1"].contains(&value.as_str()), "a priority")?,
            "timestamp" => need(value.parse::<u64>().is_ok(), "a timestamp")?,
            "url" => need(value.starts_with("https://") && value.len() <= 512, "an address")?,
            "url_title" => text(&value, 100, "the title of an address")?,
            unknown => return Err(format!("the field {unknown}")),
        }
    }
    let required = ["token", "user", "message"];
    let fields = form(request)?;
    need(required.iter().all(|name| fields.iter().filter(|(field, _)| field == name).count() == 1), "what is missing")
}
