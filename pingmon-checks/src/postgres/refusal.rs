//! Why the server didn't answer: a fault, and the SQLSTATE if the server gave one.

use std::io::ErrorKind;

use pingmon_core::outcome::Outcome;
use sqlx::{Error, postgres::PgDatabaseError};

use crate::fault::{self, Fault};

/// What ended a run early.
#[derive(Debug)]
pub(super) struct Refusal {
    fault: Fault,
    sqlstate: Option<String>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, sqlstate: None }
    }
}

impl Refusal {
    /// A connection that didn't come about.
    pub(super) fn connecting(error: Error) -> Self {
        Self::of(&error, "login_refused", "the server doesn't let us in")
    }

    /// A statement that wasn't answered.
    pub(super) fn asking(error: Error) -> Self {
        Self::of(&error, "query_failed", "the query failed")
    }

    /// A statement of this kind's own that wasn't answered. That a server doesn't know it (another product, an old
    /// version) or that we may not ask says nothing about how the server is.
    pub(super) fn measuring(error: Error) -> Self {
        match said(&error) {
            Some(said) if said.code().starts_with("42") => Self {
                fault: Fault::unknown(
                    "not_supported",
                    format!("the server can't tell this figure: {}", said.message()),
                ),
                sqlstate: Some(said.code().to_owned()),
            },
            _ => Self::asking(error),
        }
    }

    fn of(error: &Error, otherwise: &'static str, context: &str) -> Self {
        if let Some(said) = said(error) {
            let fault = by_sqlstate(said.code(), said.message(), otherwise, context);
            return Self { fault, sqlstate: Some(said.code().to_owned()) };
        }
        let fault = match error {
            Error::Io(error) => io(error),
            Error::Tls(reason) => Fault::down("tls_failed", format!("TLS failed: {reason}")),
            Error::Protocol(reason) => {
                Fault::down("protocol", format!("the server doesn't speak PostgreSQL: {reason}"))
            }
            other => Fault::unknown("driver_failed", format!("the driver failed: {other}")),
        };
        fault.into()
    }

    /// The verdict, with the evidence `error` and, if the server gave one, `sqlstate`.
    pub(super) fn outcome(self) -> Outcome {
        let outcome = self.fault.outcome();
        match self.sqlstate {
            Some(code) => outcome.evidence("sqlstate", code),
            None => outcome,
        }
    }
}

fn said(error: &Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|said| said.try_downcast_ref())
}

/// Sorts what a server says (PostgreSQL manual, appendix A). Its detail and hint stay out: they can hold rows.
fn by_sqlstate(code: &str, message: &str, otherwise: &'static str, context: &str) -> Fault {
    let (kind, context) = match code {
        // Our statement is no query, writes, or reads what our role may not.
        "42601" | "25006" | "0A000" => {
            return Fault::unknown("bad_query", format!("the query isn't one that reads: {message}"));
        }
        "42501" => return Fault::unknown("not_permitted", format!("our role may not: {message}")),
        "28P01" | "28000" => ("auth_failed", context),
        "3D000" => ("no_such_database", context),
        "53300" => ("too_many_connections", context),
        "57P01" | "57P02" => ("shutting_down", "the server is shutting down"),
        "57P03" => ("not_ready", "the server isn't ready"),
        "57014" => ("timeout", "the query was cancelled"),
        _ if code.starts_with("53") => ("out_of_resources", "the server lacks resources"),
        _ => (otherwise, context),
    };
    Fault::down(kind, format!("{context}: {message}"))
}

fn io(error: &std::io::Error) -> Fault {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return fault::tls(tls);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut | ErrorKind::HostUnreachable => fault::connecting(error),
        ErrorKind::NotFound => Fault::unknown("no_such_file", format!("a file for TLS can't be read: {error}")),
        _ => fault::talking(error),
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::outcome::Status;

    use super::*;

    fn sorted(code: &str) -> (Status, String) {
        let outcome = by_sqlstate(code, "said", "query_failed", "the query failed").outcome();
        (outcome.status, outcome.evidence["error"].as_str().unwrap().to_owned())
    }

    #[test]
    fn what_the_server_refuses_is_down_with_a_stable_kind() {
        for (code, kind) in [
            ("28P01", "auth_failed"),
            ("28000", "auth_failed"),
            ("3D000", "no_such_database"),
            ("53300", "too_many_connections"),
            ("53100", "out_of_resources"),
            ("57P01", "shutting_down"),
            ("57P03", "not_ready"),
            ("57014", "timeout"),
            ("42P01", "query_failed"),
            ("XX000", "query_failed"),
        ] {
            assert_eq!(sorted(code), (Status::Down, kind.to_owned()), "{code}");
        }
    }

    #[test]
    fn a_statement_that_we_got_wrong_is_unknown() {
        for (code, kind) in
            [("42601", "bad_query"), ("25006", "bad_query"), ("0A000", "bad_query"), ("42501", "not_permitted")]
        {
            assert_eq!(sorted(code), (Status::Unknown, kind.to_owned()), "{code}");
        }
    }

    #[test]
    fn a_file_of_ours_that_is_missing_is_unknown() {
        let outcome = Refusal::connecting(Error::Io(ErrorKind::NotFound.into())).outcome();
        assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &"no_such_file".into()));
    }
}
