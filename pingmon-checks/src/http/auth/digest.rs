//! HTTP digest authentication (RFC 7616): the answer to a server's challenge. Sends nothing itself.

use hyper::{
    HeaderMap,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use md5::Md5;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256, Sha512_256};

use crate::http::request::Outgoing;

/// A user and a password that answer challenges.
pub(in crate::http) struct Digest {
    username: String,
    password: SecretString,
}

/// The algorithms, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
    Sha512_256,
}

/// What a server wants to have answered.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    algorithm: Algorithm,
    /// Whether the secret is bound to the nonces (`-sess`).
    session: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Whether the server knows `qop=auth`; without it the answer is that of RFC 2069.
    qop: bool,
    /// Whether the user's name is to be hashed.
    userhash: bool,
}

impl Digest {
    pub(in crate::http) const fn new(username: String, password: SecretString) -> Self {
        Self { username, password }
    }

    /// The value of `authorization` that answers the strongest challenge in `headers`; none when there is none that
    /// can be answered.
    pub(in crate::http) fn answer(&self, headers: &HeaderMap, request: &Outgoing, cnonce: &str) -> Option<HeaderValue> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenge = challenges.filter_map(parse).max_by_key(|challenge| challenge.algorithm)?;
        let uri = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let text = self.respond(&challenge, request.method.as_str(), &uri, cnonce);
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn respond(&self, challenge: &Challenge, method: &str, uri: &str, cnonce: &str) -> String {
        let Challenge { algorithm, session, realm, nonce, opaque, qop, userhash } = challenge;
        let hash = |text: String| algorithm.hash(&text);
        let mut secret = hash(format!("{}:{realm}:{}", self.username, self.password.expose_secret()));
        if *session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let asked = hash(format!("{method}:{uri}"));
        let response = match qop {
            true => hash(format!("{secret}:{nonce}:00000001:{cnonce}:auth:{asked}")),
            false => hash(format!("{secret}:{nonce}:{asked}")),
        };
        let username = if *userhash { hash(format!("{}:{realm}", self.username)) } else { self.username.clone() };
        let name = algorithm.name();
        let suffix = if *session { "-sess" } else { "" };
        let mut answer = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={name}{suffix}",
            quoted(&username),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
        );
        if *qop {
            answer.push_str(&format!(", qop=auth, nc=00000001, cnonce={}", quoted(cnonce)));
        }
        if let Some(opaque) = opaque {
            answer.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        if *userhash {
            answer.push_str(", userhash=true");
        }
        answer
    }
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256].into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(text)),
            Self::Sha256 => hex::encode(Sha256::digest(text)),
            Self::Sha512_256 => hex::encode(Sha512_256::digest(text)),
        }
    }
}

/// A challenge that can be answered.
fn parse(value: &str) -> Option<Challenge> {
    let (scheme, rest) = value.trim_start().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let fields = fields(rest);
    let field = |wanted: &str| {
        fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    let algorithm = field("algorithm").unwrap_or("MD5");
    let (name, session) = match algorithm.len().checked_sub(5).and_then(|at| algorithm.split_at_checked(at)) {
        Some((name, suffix)) if suffix.eq_ignore_ascii_case("-sess") => (name, true),
        _ => (algorithm, false),
    };
    let offered = field("qop");
    let qop = offered.is_some_and(|qop| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")));
    if offered.is_some() && !qop {
        return None;
    }
    Some(Challenge {
        algorithm: Algorithm::named(name)?,
        session,
        realm: field("realm")?.to_owned(),
        nonce: field("nonce")?.to_owned(),
        opaque: field("opaque").map(str::to_owned),
        qop,
        userhash: field("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    })
}

/// The `name=value` fields of a challenge, their values without quotes.
fn fields(mut text: &str) -> Vec<(&str, String)> {
    let mut fields = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']);
        let rest = rest.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            fields.push((name, rest[..end].to_owned()));
            text = &rest[end..];
            continue;
        };
        let (mut value, mut escaped, mut end) = (String::new(), false, quoted.len());
        for (at, c) in quoted.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    end = at + 1;
                    break;
                }
                _ => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        fields.push((name, value));
        text = &quoted[end..];
    }
    fields
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn mufasa() -> Digest {
        Digest::new("Mufasa".to_owned(), "Circle of Life".to_owned().into())
    }

    /// The example of RFC 7616, section 3.9.1.
    fn example(algorithm: &str) -> Challenge {
        parse(&format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        ))
        .unwrap()
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let answer = mufasa().respond(&example(algorithm), "GET", "/dir/index.html", CNONCE);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("username=\"Mufasa\"") && answer.contains("qop=auth, nc=00000001"), "{answer}");
        }
        // RFC 2617's, without qop by RFC 2069.
        let challenge =
            parse("digest realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"").unwrap();
        let answer = Digest::new("Mufasa".to_owned(), "Circle Of Life".to_owned().into());
        let answer = answer.respond(&challenge, "GET", "/dir/index.html", "x");
        assert!(
            answer.contains("response=\"670fd8c2df070c60b045671b8b24ff02\"") && !answer.contains("qop"),
            "{answer}"
        );
    }

    #[test]
    fn the_strongest_challenge_that_is_known_is_answered() {
        let mut headers = HeaderMap::new();
        let strongest = |headers: &HeaderMap| {
            let all = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| parse(value.to_str().unwrap()));
            all.max_by_key(|challenge| challenge.algorithm).map(|challenge| challenge.algorithm)
        };
        for (challenge, expected) in [
            ("Basic realm=\"a\"", None),
            ("Digest realm=\"a\", nonce=\"n\", algorithm=SHA-3", None),
            ("Digest realm=\"a\", nonce=\"n\", qop=\"auth-int\"", None),
            ("Digest realm=\"a\", nonce=\"n\"", Some(Algorithm::Md5)),
            ("Digest nonce=n, realm=\"a \\\"b\\\", c=d\", algorithm=\"sha-256-SESS\"", Some(Algorithm::Sha256)),
            ("Digest realm=\"a\", nonce=\"n\", algorithm=MD5", Some(Algorithm::Sha256)),
        ] {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            assert_eq!(strongest(&headers), expected, "{challenge}");
        }
        let odd = parse("Digest nonce=n, realm=\"a \\\"b\\\", c=d\", algorithm=\"sha-256-SESS\"").unwrap();
        assert_eq!((odd.realm.as_str(), odd.nonce.as_str(), odd.session), ("a \"b\", c=d", "n", true));
    }

    #[test]
    fn a_challenge_of_any_garbage_is_read_to_its_end() {
        for garbage in
            ["Digest ", "Digest =", "Digest \"=\"", "Digest realm=\"", "Digest realm=\"\\", "Digest a=b=c,,=,", "é"]
        {
            assert_eq!(parse(garbage), None, "{garbage}");
        }
    }
}
