//! Twilio: create a Message resource (<https://www.twilio.com/docs/messaging/api/message-resource#create-a-message>).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, form, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "twilio",
    config: |base| json!({ "api_url": base, "account_sid": "AC0123", "auth_token": CANARY, "from": "+15005550006", "to": "+15005550010" }),
    check,
    accepted: (201, r#"{"sid": "SM1f0e8ae6ade43cb3c0ce4525424e404f", "status": "queued"}"#),
    refusals: &[
        later(429, None, r#"{"code": 20429, "message": "Too Many Requests", "status": 429}"#),
        dead(400, r#"{"code": 21211, "message": "The 'To' number is not a valid phone number.", "status": 400}"#),
        dead(401, r#"{"code": 20003, "message": "Authenticate", "status": 401}"#),
        later(503, Some(("retry-after", "2")), "").after(2_000),
    ],
    forbidden: &["\r", "\u{202e}"],
};

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri == "/2010-04-01/Accounts/AC0123/Messages.json", "the address")?;
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("AC0123:{CANARY}")));
    need(request.header("authorization") == login, "the login")?;
    let fields = form(request)?;
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    need(names == ["To", "From", "Body"], "the fields")?;
    need(fields[0].1 == "+15005550010" && fields[1].1 == "+15005550006", "who and whom")?;
    text(&fields[2].1, 1_600, "a body")
}
