//! Records as text, in one form for what is expected and what was found: as in a zone file, without final dots.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::rr::{RData, RecordType};

/// Longest record that may be expected, in bytes.
const MAX_RECORD: usize = 4_096;

/// What a record says.
pub(super) fn text(kind: RecordType, data: &RData) -> String {
    let written = match data {
        RData::TXT(text) => return text.to_string(),
        // Parameters are written with a comma after each value, and an equals sign where there is none.
        RData::SVCB(_) | RData::HTTPS(_) => {
            let written = data.to_string();
            let parameters = written.split_whitespace().map(|part| part.trim_end_matches([',', '=']));
            parameters.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    normal(kind, &written).unwrap_or(written)
}

/// The one form of a record that somebody wrote.
///
/// # Errors
/// What is wrong with it.
pub(super) fn normal(kind: RecordType, written: &str) -> Result<String, String> {
    let written = written.trim();
    if written.is_empty() || written.len() > MAX_RECORD {
        return Err(format!("a record has 1 to {MAX_RECORD} bytes"));
    }
    let refused = |what: &str| format!("{written:?} is no {what}");
    match kind {
        RecordType::A => written.parse::<Ipv4Addr>().map(|ip| ip.to_string()).map_err(|_| refused("IPv4 address")),
        RecordType::AAAA => written.parse::<Ipv6Addr>().map(|ip| ip.to_string()).map_err(|_| refused("IPv6 address")),
        RecordType::TXT => Ok(unquoted(written)),
        // Base64 and regular expressions live by the case of their letters.
        RecordType::DNSKEY | RecordType::CDNSKEY | RecordType::CERT | RecordType::OPENPGPKEY | RecordType::NAPTR => {
            Ok(undotted(written))
        }
        _ => Ok(undotted(written).to_lowercase()),
    }
}

/// A text without the quotes of a zone file; several ones are one.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\" \"", ""),
        None => text.to_owned(),
    }
}

fn undotted(text: &str) -> String {
    let parts = text.split_whitespace().map(|part| {
        let part = part.trim_matches('"');
        if part.len() > 1 { part.strip_suffix('.').unwrap_or(part) } else { part }
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_has_one_form() {
        for (kind, one, other) in [
            (RecordType::AAAA, "2001:DB8:0::1", "2001:db8::1"),
            (RecordType::MX, "10  Mail.Example.", "10 mail.example"),
            (RecordType::MX, "0 .", "0 ."),
            (RecordType::CAA, "0 issue \"letsencrypt.org\"", "0 issue letsencrypt.org"),
            (RecordType::TXT, "\"v=spf1 \" \"-all\"", "v=spf1 -all"),
            (RecordType::TLSA, "3 1 1 ABCD", "3 1 1 abcd"),
        ] {
            assert_eq!(normal(kind, one), normal(kind, other), "{one}");
        }
        assert_ne!(normal(RecordType::TXT, "A"), normal(RecordType::TXT, "a"));
        assert_ne!(normal(RecordType::DNSKEY, "257 3 8 AwEA"), normal(RecordType::DNSKEY, "257 3 8 awea"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (kind, text) in [(RecordType::A, "::1"), (RecordType::AAAA, "192.0.2.1"), (RecordType::TXT, " ")] {
            assert!(normal(kind, text).is_err(), "{text}");
        }
    }
}
