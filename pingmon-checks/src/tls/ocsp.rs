//! A stapled OCSP response (RFC 6960): whether it vouches for a certificate. Asks no responder.

use pingmon_core::time::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::{
    asn1_rs::{Any, BitString, Class, FromDer as _, Tag},
    certificate::X509Certificate,
    time::ASN1Time,
    verify::verify_signature,
    x509::AlgorithmIdentifier,
};

/// Most parts of one structure that are looked at.
const MAX_PARTS: usize = 256;

/// Whether `response` says that the first certificate of `chain` is good `now`.
///
/// # Errors
/// Why it doesn't.
pub(super) fn judge(response: &[u8], chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), String> {
    if response.is_empty() {
        return Err("none".to_owned());
    }
    let basic = basic(response)?;
    let [leaf, issuer] =
        chain.get(..2).map(|two| [&two[0], &two[1]]).ok_or("the issuer isn't in the chain to check it by")?;
    let (leaf, issuer) = (certificate(leaf)?, certificate(issuer)?);
    let answer = Basic::read(&basic)?;
    answer.signed_by(&issuer)?;
    let single = answer.about(leaf.raw_serial())?;
    single.judge(now)
}

fn certificate<'a>(der: &'a [u8]) -> Result<X509Certificate<'a>, String> {
    X509Certificate::from_der(der).map(|(_, read)| read).map_err(|_| "a certificate can't be read".to_owned())
}

/// A structure that isn't what the standard says.
fn malformed<E>(_: E) -> String {
    "it can't be read".to_owned()
}

/// The parts of a structure.
fn parts(bytes: &[u8]) -> Result<Vec<Any<'_>>, String> {
    each(bytes)?.into_iter().map(inner).collect()
}

/// The encodings of the parts of a structure.
fn each(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut parts = Vec::new();
    while !bytes.is_empty() && parts.len() < MAX_PARTS {
        let (rest, _) = Any::from_der(bytes).map_err(malformed)?;
        parts.push(&bytes[..bytes.len() - rest.len()]);
        bytes = rest;
    }
    Ok(parts)
}

/// The one part of a structure that is nothing but a wrapping.
fn inner(bytes: &[u8]) -> Result<Any<'_>, String> {
    Any::from_der(bytes).map(|(_, inner)| inner).map_err(malformed)
}

fn is_tagged(part: &Any<'_>, number: u32) -> bool {
    part.class() == Class::ContextSpecific && part.tag() == Tag(number)
}

/// The response within the envelope, if the responder answered at all.
fn basic(response: &[u8]) -> Result<Vec<u8>, String> {
    let envelope = parts(inner(response)?.data)?;
    let [status, wrapped] = envelope.as_slice() else { return Err("the responder refused to answer".to_owned()) };
    if status.data != [0] {
        return Err("the responder refused to answer".to_owned());
    }
    let bytes = parts(inner(wrapped.data)?.data)?;
    bytes.get(1).map(|basic| basic.data.to_vec()).ok_or_else(|| malformed(()))
}

/// What the responder signed, and its signature.
struct Basic<'a> {
    signed: &'a [u8],
    algorithm: AlgorithmIdentifier<'a>,
    signature: BitString<'a>,
    certificates: Vec<&'a [u8]>,
    answers: Vec<Any<'a>>,
}

impl<'a> Basic<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let body = inner(bytes)?.data;
        let (after, data) = Any::from_der(body).map_err(malformed)?;
        let signed = &body[..body.len() - after.len()];
        let (after, algorithm) = AlgorithmIdentifier::from_der(after).map_err(malformed)?;
        let (after, signature) = BitString::from_der(after).map_err(malformed)?;
        let certificates = if after.is_empty() { Vec::new() } else { each(inner(inner(after)?.data)?.data)? };
        // Before the answers stand a version, if it is another one than 1, who the responder is, and when it spoke.
        let answers = parts(data.data)?.into_iter().find(|part| part.tag() == Tag::Sequence);
        let answers = parts(answers.ok_or_else(|| malformed(()))?.data)?;
        Ok(Self { signed, algorithm, signature, certificates, answers })
    }

    /// The responder is the issuer itself, or one whom the issuer gave a certificate for it.
    fn signed_by(&self, issuer: &X509Certificate<'_>) -> Result<(), String> {
        let signed_with = |certificate: &X509Certificate<'_>| {
            verify_signature(certificate.public_key(), &self.algorithm, &self.signature, self.signed).is_ok()
        };
        let delegated = |der: &&[u8]| {
            certificate(der).is_ok_and(|responder| {
                let usage = responder.extended_key_usage().ok().flatten();
                usage.is_some_and(|usage| usage.value.ocsp_signing)
                    && responder.verify_signature(Some(issuer.public_key())).is_ok()
                    && signed_with(&responder)
            })
        };
        if signed_with(issuer) || self.certificates.iter().any(delegated) {
            return Ok(());
        }
        Err("it isn't signed by the issuer".to_owned())
    }

    fn about(&self, serial: &[u8]) -> Result<Single, String> {
        for answer in &self.answers {
            let single = Single::read(answer.data)?;
            if single.serial == serial {
                return Ok(single);
            }
        }
        Err("it is about another certificate".to_owned())
    }
}

/// What is said about one certificate.
struct Single {
    serial: Vec<u8>,
    status: u32,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Single {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let parts = parts(bytes)?;
        let [of, status, from, others @ ..] = parts.as_slice() else { return Err(malformed(())) };
        let serial = self::parts(of.data)?.get(3).ok_or_else(|| malformed(()))?.data.to_vec();
        let until = others.first().filter(|part| is_tagged(part, 0));
        let until = until.map(|wrapped| inner(wrapped.data).and_then(|time| instant(&time))).transpose()?;
        Ok(Self { serial, status: status.tag().0, from: instant(from)?, until })
    }

    fn judge(&self, now: Timestamp) -> Result<(), String> {
        match (self.status, self.until) {
            (1, _) => Err("the certificate is revoked".to_owned()),
            (0, _) if now < self.from => Err(format!("it is valid from {} on only", self.from)),
            (0, Some(until)) if until < now => Err(format!("it expired at {until}")),
            (0, _) => Ok(()),
            _ => Err("the responder doesn't know the certificate".to_owned()),
        }
    }
}

fn instant(time: &Any<'_>) -> Result<Timestamp, String> {
    let time = time.clone().generalizedtime().and_then(|time| time.utc_datetime()).map_err(malformed)?;
    Ok(Timestamp::from_micros(ASN1Time::new(time).timestamp().saturating_mul(1_000_000)))
}
