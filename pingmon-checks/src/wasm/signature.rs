//! Who vouches for a plug-in: ed25519 signatures over its bytes, as `openssl pkeyutl -sign -rawin` makes them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pingmon_core::error::{Error, Result};
use ring::signature::{ED25519, UnparsedPublicKey};

/// How a public key begins in a PEM or DER file: that it is one of ed25519.
const DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Most keys.
const MAX_KEYS: usize = 64;
/// How many bytes a signature has.
const SIGNATURE: usize = 64;

/// The keys whose signatures count.
pub(super) struct Keys(Vec<[u8; 32]>);

impl Keys {
    /// Reads the keys of a config.
    ///
    /// # Errors
    /// [`Error::Config`] naming the one that is none.
    pub(super) fn parse(trust: &[String]) -> Result<Self> {
        if trust.len() > MAX_KEYS {
            return Err(Error::config("wasm.trust", format!("has more than {MAX_KEYS} keys")));
        }
        let key = |(at, text): (usize, &String)| {
            let reason = "isn't an ed25519 public key in base64, as the middle line of `openssl pkey -pubout`";
            public_key(text).ok_or_else(|| Error::config(format!("wasm.trust[{at}]"), reason))
        };
        Ok(Self(trust.iter().enumerate().map(key).collect::<Result<_>>()?))
    }

    /// Refuses bytes that none of the keys vouches for. Without keys nobody has to.
    ///
    /// # Errors
    /// Why.
    pub(super) fn verify(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let signature = signature.ok_or("it isn't signed, and wasm.trust asks for a signature")?;
        let signature = decoded(signature).filter(|signature| signature.len() == SIGNATURE);
        let signature = signature.ok_or("its signature isn't 64 bytes in base64, as ed25519 makes them")?;
        let vouches = |key: &[u8; 32]| UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok();
        let refused = "its signature is by none of the keys in wasm.trust, or of other bytes";
        self.0.iter().any(vouches).then_some(()).ok_or_else(|| refused.to_owned())
    }
}

/// The signature in a file beside a component, in base64: a file has it so, or as the 64 bytes themselves.
///
/// # Errors
/// When it is neither.
pub fn signature(file: &[u8]) -> Result<String, String> {
    if file.len() == SIGNATURE {
        return Ok(STANDARD.encode(file));
    }
    let text = str::from_utf8(file).ok().and_then(decoded).filter(|signature| signature.len() == SIGNATURE);
    text.map(|signature| STANDARD.encode(signature))
        .ok_or_else(|| "isn't an ed25519 signature: 64 bytes, or those in base64".to_owned())
}

/// A key as it is or with its DER head.
fn public_key(text: &str) -> Option<[u8; 32]> {
    let bytes = decoded(text)?;
    bytes.strip_prefix(&DER).unwrap_or(&bytes).try_into().ok()
}

/// What base64 holds, lines or not.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn written(key: &Ed25519KeyPair) -> String {
        STANDARD.encode(key.public_key())
    }

    #[test]
    fn only_a_trusted_key_s_signature_of_these_very_bytes_counts() {
        let (ours, theirs) = (pair(1), pair(2));
        let der = STANDARD.encode([&DER[..], pair(3).public_key().as_ref()].concat());
        let keys = Keys::parse(&[written(&ours), der]).unwrap();
        let sign = |key: &Ed25519KeyPair, bytes: &[u8]| STANDARD.encode(key.sign(bytes));
        assert_eq!(keys.verify(b"wasm", Some(&sign(&ours, b"wasm"))), Ok(()));
        assert_eq!(keys.verify(b"wasm", Some(&format!("{}\n", sign(&pair(3), b"wasm")))), Ok(()));
        for (signature, reason) in [
            (None, "isn't signed"),
            (Some(sign(&theirs, b"wasm")), "none of the keys"),
            (Some(sign(&ours, b"wasn")), "none of the keys"),
            (Some("c2hvcnQ=".to_owned()), "isn't 64 bytes"),
            (Some("not base64!".to_owned()), "isn't 64 bytes"),
        ] {
            let refused = keys.verify(b"wasm", signature.as_deref()).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        assert_eq!(Keys::parse(&[]).unwrap().verify(b"wasm", None), Ok(()), "nobody asks");
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_place() {
        let long = STANDARD.encode([0; 33]);
        for bad in ["", "MCow", &long, "-----BEGIN PUBLIC KEY-----"] {
            let error = Keys::parse(&[written(&pair(1)), bad.to_owned()]).err().unwrap().to_string();
            assert!(error.starts_with("invalid wasm.trust[1]: isn't an ed25519 public key"), "{error}");
        }
    }

    #[test]
    fn a_file_holds_a_signature_in_either_form() {
        let raw = pair(1).sign(b"wasm");
        let text = STANDARD.encode(raw);
        assert_eq!(signature(raw.as_ref()).as_ref(), Ok(&text));
        let (first, second) = text.split_at(76);
        assert_eq!(signature(format!("{first}\n{second}\n").as_bytes()).as_ref(), Ok(&text));
        assert!(signature(b"-----BEGIN").is_err() && signature(&[0xff; 65]).is_err());
    }
}
