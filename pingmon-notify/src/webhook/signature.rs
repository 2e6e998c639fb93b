//! Signatures as Standard Webhooks 1.0 lays them out: symmetric, scheme `v1`.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use pingmon_core::error::{Error, Result};
use sha2::Sha256;

/// Signs with one key.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// # Errors
    /// [`Error::Config`] when the secret is empty, or not base64 after `whsec_`.
    pub(super) fn new(secret: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::config("secret", reason);
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|_| refuse("begins with whsec_, so that base64 is to follow, and what follows is none"))?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err(refuse("is empty: leave it out to send unsigned"));
        }
        Hmac::new_from_slice(&key).map(Self).map_err(|e| refuse(&e.to_string()))
    }

    /// The value of `webhook-signature` for `body` sent as `id` at `timestamp`.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut hmac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            hmac.update(part);
        }
        format!("v1,{}", BASE64_STANDARD.encode(hmac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused_without_repeating_it() {
        for bad in ["", "whsec_", "whsec_canary!"] {
            let error = Signer::new(bad).err().unwrap().to_string();
            assert!(error.starts_with("invalid secret: ") && !error.contains("canary"), "{error}");
        }
    }
}
