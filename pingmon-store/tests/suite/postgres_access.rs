//! Getting in: servers that aren't there yet, roles that may do little, certificates that aren't trusted.

use std::fs;

use pingmon_core::error::Error;
use pingmon_store::postgres::{PgOptions, PgStore};
use rcgen::CertifiedKey;
use tempfile::NamedTempFile;

use crate::{
    cluster::{Cluster, free_port},
    postgres::Place,
    postgres_network::{fails_in_time, renew, succeeds_at_once},
    proxy::Proxy,
};

/// What a call blames on the URL.
fn blame(error: Error) -> String {
    match error {
        Error::Config { field, reason } => {
            assert_eq!(field, "store.url");
            reason
        }
        error => panic!("not a refusal of the URL: {}", error.chain()),
    }
}

#[tokio::test]
async fn a_server_that_is_away_keeps_no_store_from_being_opened_and_serves_once_it_is_there() {
    let place = Place::new().await;
    place.open().await.close().await;
    let port = free_port();
    let store = place.connect_by(&place.url_by(port)).await;
    fails_in_time(renew(&store)).await;
    let _server = Proxy::on(port, place.port()).await;
    succeeds_at_once(renew(&store)).await;
    assert!(PgStore::connect("postgres://host/x?sslmode=sometimes").await.is_err(), "a wrong URL is refused at once");
}

#[tokio::test]
async fn a_role_that_may_make_no_schema_is_told_so_and_works_in_one_that_it_was_given() {
    let place = Place::new().await;
    let role = place.schema.as_str();
    place.execute("CREATE ROLE {schema} LOGIN PASSWORD '{schema}'").await;
    let url = place.url_as(role);
    let options = || PgOptions::new().schema(&place.schema);
    let reason = blame(options().open(&url).await.unwrap_err());
    assert!(
        reason.contains("a role that may not do what is needed") && reason.contains("permission denied"),
        "{reason}"
    );
    place.execute("CREATE SCHEMA {schema} AUTHORIZATION {schema}").await;
    let store = options().open(&url).await.unwrap();
    renew(&store).await.unwrap();
    store.close().await;
    // Leaves nothing behind on a server that isn't ours.
    place.execute("DROP OWNED BY {schema}; DROP ROLE {schema}").await;
}

#[tokio::test]
async fn an_unknown_login_is_refused_with_the_reason() {
    let place = Place::new().await;
    let store = place.connect_by(&place.url_as("nobody_of_that_name")).await;
    let reason = blame(renew(&store).await.unwrap_err());
    assert!(reason.contains("doesn't let us in") && reason.contains("nobody_of_that_name"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_full_speaks_with_a_server_that_shows_its_name_and_with_no_other() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Written by the server, so that the file of the key is its own.
    for (file, pem) in [("server.crt", cert.pem()), ("server.key", signing_key.serialize_pem())] {
        let write = format!(
            "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat > {file}'",
            pem.replace('\r', "").trim()
        );
        cluster.execute(&write).await;
    }
    cluster.set("ssl = on").await;
    let trusted = NamedTempFile::new().unwrap();
    fs::write(trusted.path(), cert.pem()).unwrap();
    let verified = format!("?sslmode=verify-full&sslrootcert={}", trusted.path().display());
    let by_name = format!("postgres://postgres@localhost:{}/postgres", cluster.port);
    let store = PgStore::open(&format!("{by_name}{verified}")).await.unwrap();
    renew(&store).await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'pingmon'";
    assert!(cluster.number(encrypted).await > 0);
    for url in [format!("{}{verified}", cluster.url()), format!("{by_name}?sslmode=verify-full")] {
        let reason = blame(PgStore::open(&url).await.unwrap_err());
        assert!(reason.contains("certificate isn't trusted"), "{reason}");
    }
}
