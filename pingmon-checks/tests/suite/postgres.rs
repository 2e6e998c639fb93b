//! The `postgres` kind against a real server, straight and through a real pgbouncer.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    process::{Child, Command, Stdio},
    time::Duration,
};

use pingmon_checks::postgres::Postgres;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, sleep};

use crate::{
    cluster::{Cluster, cluster},
    found::phases,
};

const TIMEOUT: Duration = Duration::from_secs(10);

async fn run_within(config: Value, timeout: Duration) -> Outcome {
    let check = Postgres::new(DialPolicy::open()).build(&config).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "database", Timestamp::default(), timeout);
    check.run(&cx).await.unwrap()
}

async fn run(config: Value) -> Outcome {
    run_within(config, TIMEOUT).await
}

async fn ask(cluster: &Cluster, query: Value) -> Outcome {
    run(json!({ "url": cluster.url(), "query": query })).await
}

fn refusal(config: Value) -> String {
    let built = Postgres::new(DialPolicy::open()).build(&config);
    built.err().expect("the config is refused").to_string()
}

fn assert_verdict(outcome: &Outcome, status: Status, error: &str) {
    assert_eq!((outcome.status, outcome.evidence.get("error")), (status, Some(&error.into())), "{outcome:?}");
}

/// Waits until a condition holds, which something else brings about.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < Duration::from_secs(20), "{what} didn't come about");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_answers_is_up_and_shows_where_the_time_went() {
    let cluster = cluster().await;
    let outcome = run(json!({ "url": cluster.url() })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    assert!(outcome.message.starts_with("PostgreSQL ") && outcome.message.ends_with("(primary)"));
    assert_eq!(phases(&outcome), ["dns", "connect", "auth", "query"]);
    assert_eq!(outcome.phases.iter().map(|(_, took)| *took).sum::<Duration>(), outcome.latency.unwrap());
    assert!(outcome.evidence["address"].as_str().unwrap().ends_with(&format!(":{}", cluster.port())));
    assert_eq!(outcome.evidence["role"], "primary");

    let slow = run(json!({ "url": cluster.url(), "latency": { "degraded": "1us" } })).await;
    assert_eq!((slow.status, &*slow.failed[0].expectation), (Status::Degraded, "latency"));
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let cluster = cluster().await;
    let directory = cluster.directory().to_string_lossy().replace('/', "%2F");
    let (user, password, port) = (cluster.user(), cluster.password(), cluster.port());
    let outcome = run(json!({ "url": format!("postgres://{user}:{password}@{directory}:{port}/postgres") })).await;
    assert_eq!((outcome.status, phases(&outcome)), (Status::Up, vec!["connect", "auth", "query"]), "{outcome:?}");
    let outcome = run(json!({ "url": format!("postgres://{user}:{password}@{directory}:1/postgres") })).await;
    assert_verdict(&outcome, Status::Down, "connect_refused");
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_down_with_the_reason() {
    let cluster = cluster().await;
    cluster.execute("create role full_role login password 'secret' connection limit 0").await;
    let missing_database = cluster.url().trim_end_matches("postgres").to_owned() + "nothing";
    for (url, error, sqlstate) in [
        (cluster.url_as(cluster.user(), "hunter2"), "auth_failed", "28P01"),
        (cluster.url_as("nobody", "hunter2"), "auth_failed", "28P01"),
        (missing_database, "no_such_database", "3D000"),
        (cluster.url_as("full_role", "secret"), "too_many_connections", "53300"),
    ] {
        let outcome = run(json!({ "url": url })).await;
        assert_verdict(&outcome, Status::Down, error);
        assert_eq!(outcome.evidence["sqlstate"], sqlstate);
        assert_eq!(outcome.evidence["phase"], "auth");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_down_and_silence_is_a_timeout_that_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = json!({ "url": format!("postgres://user@127.0.0.1:{port}/x") });
    let silent = run_within(config.clone(), Duration::from_millis(300)).await;
    assert_verdict(&silent, Status::Down, "timeout");
    assert_eq!((&silent.evidence["phase"], phases(&silent)), (&"auth".into(), vec!["connect", "auth"]));
    drop(listener);
    let refused = run(config).await;
    assert_verdict(&refused, Status::Down, "connect_refused");
}

#[tokio::test]
async fn something_else_than_postgres_is_down_and_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for connection in listener.incoming().take(2) {
            let mut connection = connection.unwrap();
            let mut hello = [0; 8];
            if connection.read_exact(&mut hello).is_ok() {
                connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            }
        }
    });
    let outcome = run(json!({ "url": format!("postgres://user@127.0.0.1:{port}/x") })).await;
    assert_verdict(&outcome, Status::Down, "protocol");
    server.join().unwrap();
}

#[tokio::test]
async fn an_answer_is_held_against_what_is_expected_of_it() {
    let cluster = cluster().await;
    for (query, failed) in [
        (json!({ "sql": "select 1" }), None),
        (json!({ "sql": "with t(n) as (values (1), (2)) select n from t;", "rows": { "equals": 2 } }), None),
        (json!({ "sql": "select 1 where false", "rows": { "equals": 0 } }), None),
        (json!({ "sql": "select 1 where false", "rows": { "min": 1 } }), Some(("at least 1 rows", "0"))),
        (json!({ "sql": "select generate_series(1, 10000)", "rows": { "max": 10000, "min": 10000 } }), None),
        (
            json!({ "sql": "select generate_series(1, 1e6)", "rows": { "max": 10 } }),
            Some(("at most 10 rows", "more than 10000")),
        ),
        (json!({ "sql": "select 4.20::numeric, 2", "value": { "equals": 4.2, "less": 5, "greater": 4 } }), None),
        (json!({ "sql": "select true", "value": { "equals": true } }), None),
        (json!({ "sql": "select 'ok -- fine'", "value": { "equals": "ok -- fine", "matches": "^ok" } }), None),
        (json!({ "sql": "select 'down'", "value": { "matches": "^ok" } }), Some(("a match of ^ok", "down"))),
        (json!({ "sql": "select count(*) from pg_class", "value": { "less": 1 } }), Some(("< 1", ""))),
        (json!({ "sql": "select 'many'", "value": { "less": 1 } }), Some(("< 1", "many"))),
        (json!({ "sql": "select null", "value": { "equals": "" } }), Some(("\"\"", "NULL"))),
        (json!({ "sql": "select 1 where false", "value": { "equals": 1 } }), Some(("1", "no row"))),
        (json!({ "sql": "select now() - interval '4 minutes'", "age": "5m" }), None),
        (json!({ "sql": "select localtimestamp - interval '4 minutes'", "age": "5m" }), None),
        (json!({ "sql": "select now() + interval '1 day'", "age": "5m" }), None),
        (json!({ "sql": "select now() - interval '7 minutes'", "age": "5m" }), Some(("at most 5m old", "7m old"))),
        (json!({ "sql": "select null::timestamptz", "age": "5m" }), Some(("at most 5m old", "no timestamp"))),
        (json!({ "sql": "select now() where false", "age": "5m" }), Some(("at most 5m old", "no timestamp"))),
    ] {
        let outcome = ask(&cluster, query.clone()).await;
        match failed {
            None => assert_eq!(outcome.status, Status::Up, "{query}: {outcome:?}"),
            Some((expected, actual)) => {
                assert_eq!(outcome.status, Status::Down, "{query}: {outcome:?}");
                let failure = &outcome.failed[0];
                assert_eq!(failure.expected, expected, "{query}");
                assert!(actual.is_empty() || failure.actual == actual, "{query}: {failure:?}");
            }
        }
    }
    let degraded = json!({ "sql": "select 1", "value": { "equals": 2 }, "level": "degraded" });
    assert_eq!(ask(&cluster, degraded).await.status, Status::Degraded);
    let no_instant = ask(&cluster, json!({ "sql": "select 'yesterday'", "age": "5m" })).await;
    assert_eq!(no_instant.status, Status::Unknown);
    assert!(no_instant.message.contains("cast it to timestamptz"), "{no_instant:?}");
}

#[tokio::test]
async fn a_statement_can_neither_write_nor_bring_another_along() {
    let cluster = cluster().await;
    cluster
        .execute(
            "create table kept (n int); insert into kept values (1);
             create function writes() returns int language sql as 'insert into kept values (2) returning n';
             create function leaves() returns text language sql
                 as 'select set_config(''transaction_read_only'', ''off'', true)'",
        )
        .await;
    for sql in [
        "select 1; drop table kept",
        "select 1; commit; drop table kept",
        "drop table kept",
        "commit",
        "insert into kept values (3) returning n",
        "with w as (insert into kept values (3) returning n) select * from w",
        "select writes()",
        "select leaves(), writes()",
        "select 1 for update; select 2",
        "copy kept to program 'true'",
        "do $$ begin insert into kept values (3); end $$",
        "set transaction read write",
    ] {
        let outcome = ask(&cluster, json!({ "sql": sql })).await;
        assert_ne!(outcome.status, Status::Up, "{sql}: {outcome:?}");
    }
    assert_eq!(cluster.number("select count(*) from kept").await, 1);
    let outcome = ask(&cluster, json!({ "sql": "select writes()" })).await;
    assert_verdict(&outcome, Status::Unknown, "bad_query");
}

#[tokio::test]
async fn a_statement_that_the_server_cannot_answer_is_down_and_keeps_what_was_found() {
    let cluster = cluster().await;
    let query = json!({ "sql": "select * from gone" });
    let outcome = run(json!({ "url": cluster.url(), "query": query, "connections": {} })).await;
    assert_verdict(&outcome, Status::Down, "query_failed");
    assert_eq!(outcome.evidence["sqlstate"], "42P01");
    assert!(outcome.metrics.iter().any(|metric| metric.name == "connections_used"), "{outcome:?}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server_before_our_time_is_up() {
    let cluster = cluster().await;
    let config = json!({ "url": cluster.url(), "query": { "sql": "select pg_sleep(60)" } });
    let outcome = run_within(config.clone(), Duration::from_secs(1)).await;
    assert_verdict(&outcome, Status::Down, "timeout");
    assert_eq!(outcome.evidence["sqlstate"], "57014");
    assert!(outcome.latency.unwrap() < Duration::from_secs(1), "{outcome:?}");

    // A run that is dropped in the middle leaves nothing behind either.
    let dropped = tokio::time::timeout(Duration::from_millis(300), run_within(config, Duration::from_secs(2))).await;
    assert!(dropped.is_err());
    eventually("the end of both statements", async || {
        cluster
            .number(
                "select count(*) from pg_stat_activity
                 where application_name = 'pingmon' and query like '%pg_sleep(60)%'",
            )
            .await
            == 0
    })
    .await;
}

#[tokio::test]
async fn connections_are_held_against_those_that_ordinary_roles_may_have() {
    let cluster = cluster().await;
    let _more = [cluster.connect().await, cluster.connect().await];
    let outcome = run(json!({ "url": cluster.url(), "connections": { "degraded": 4, "down": 100 } })).await;
    assert_eq!((outcome.status, &*outcome.failed[0].expectation), (Status::Degraded, "connections"), "{outcome:?}");
    let metric = |name: &str| outcome.metrics.iter().find(|metric| metric.name == name).unwrap().value;
    assert_eq!(metric("connections_max"), 47.0);
    assert!(metric("connections") >= 3.0);
}

#[tokio::test]
async fn transactions_that_a_role_may_not_see_are_unknown_and_never_fine() {
    let cluster = cluster().await;
    cluster.execute("create role blind login password 'secret'; create role seeing login password 'secret'").await;
    cluster.execute("grant pg_read_all_stats to seeing").await;
    let mut other = cluster.connect().await;
    let mut open = other.begin().await.unwrap();
    open.execute("select 1").await.unwrap();
    let levels = json!({ "degraded": "1ms", "down": "10m" });

    let seeing = cluster.url_as("seeing", "secret");
    eventually("a transaction of 1 ms", async || {
        let outcome = run(json!({ "url": seeing, "longest_transaction": levels })).await;
        (outcome.status, outcome.failed.first().map(|f| &*f.expectation))
            == (Status::Degraded, Some("longest_transaction"))
    })
    .await;

    let blind = cluster.url_as("blind", "secret");
    let outcome = run(json!({ "url": blind, "longest_transaction": levels })).await;
    assert_eq!(outcome.status, Status::Unknown, "{outcome:?}");
    assert!(outcome.message.contains("grant pg_read_all_stats"), "{outcome:?}");
    // Counting connections needs no such right.
    let outcome = run(json!({ "url": blind, "connections": { "down": 100 } })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
}

#[tokio::test]
async fn sessions_that_wait_for_a_lock_are_counted() {
    let cluster = cluster().await;
    cluster.execute("create table wanted (n int)").await;
    let levels = json!({ "degraded": 1, "down": 10 });
    let mut holder = cluster.connect().await;
    let mut held = holder.begin().await.unwrap();
    held.execute("lock table wanted").await.unwrap();
    let mut waiter = cluster.connect().await;
    let waiting = waiter.execute("select * from wanted");
    let watching = eventually("a session that waits", async || {
        let outcome = run(json!({ "url": cluster.url(), "blocked_locks": levels })).await;
        outcome.status == Status::Degraded && outcome.failed[0].actual == "1"
    });
    tokio::select! {
        () = watching => {}
        _ = waiting => panic!("the lock didn't hold"),
    }
}

#[tokio::test]
async fn the_dial_policy_decides_on_the_address_and_keeps_sockets_and_files_to_the_operator() {
    let public = Postgres::new(DialPolicy::public());
    for url in [
        "postgres://user@127.0.0.1/x",
        "postgres://user@[::ffff:10.0.0.1]/x",
        "postgres://user@%2Frun%2Fpostgresql/x",
        "postgres://user@db.example/x?sslrootcert=/etc/passwd",
        "postgres://user@db.example/x?sslmode=verify-full",
    ] {
        let error = public.build(&json!({ "url": url })).err().unwrap().to_string();
        assert!(error.contains("the dial policy forbids"), "{url}: {error}");
    }
    let check = public.build(&json!({ "url": "postgres://user@localhost/x" })).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "database", Timestamp::default(), TIMEOUT);
    assert_verdict(&check.run(&cx).await.unwrap(), Status::Unknown, "dial_forbidden");
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let url = "postgres://user@db/x";
    for (config, reason) in [
        (json!({}), "missing field `url`"),
        (json!({ "url": url, "quary": {} }), "unknown field `quary`"),
        (json!({ "url": url, "query": { "sql": " " } }), "invalid query.sql"),
        (json!({ "url": url, "query": { "sql": "select 1", "rows": {} } }), "invalid query.rows: says nothing"),
        (json!({ "url": url, "query": { "sql": "select 1", "rows": { "min": 20000 } } }), "invalid query.rows.min"),
        (json!({ "url": url, "query": { "sql": "select 1", "value": {} } }), "invalid query.value: says nothing"),
        (json!({ "url": url, "query": { "sql": "select 1", "value": { "matches": "(" } } }), "query.value.matches"),
        (json!({ "url": url, "query": { "sql": "select 1", "age": 5 } }), "query.age"),
        (json!({ "url": url, "connections": { "degraded": 95, "down": 80 } }), "invalid connections.down"),
        (json!({ "url": url, "connections": { "down": 120 } }), "connections.down"),
        (json!({ "url": url, "longest_transaction": { "down": "long" } }), "longest_transaction.down"),
        (json!({ "url": url, "latency": 5 }), "latency"),
    ] {
        let refusal = refusal(config.clone());
        assert!(refusal.contains(reason), "{config}: {refusal}");
    }
}

#[tokio::test]
async fn tls_is_what_the_url_asks_for() {
    let cluster = cluster().await;
    let plain = run(json!({ "url": format!("{}?sslmode=require", cluster.url()) })).await;
    assert_verdict(&plain, Status::Down, "tls_failed");

    let files = tempfile::tempdir().unwrap();
    let root = files.path().join("root.crt");
    fs::write(&root, serve_tls(&cluster).await).unwrap();
    let by_name = |sslmode: &str| format!("{}?sslmode={sslmode}&sslrootcert={}", cluster.url(), root.display());
    let by_address = |sslmode: &str| by_name(sslmode).replace("localhost", "127.0.0.1");
    eventually("TLS", async || {
        run(json!({ "url": format!("{}?sslmode=require", cluster.url()) })).await.status == Status::Up
    })
    .await;
    let encrypted =
        json!({ "sql": "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "value": { "equals": true } });
    for url in [by_name("prefer"), by_name("require"), by_name("verify-full"), by_address("verify-ca")] {
        let outcome = run(json!({ "url": url, "query": encrypted })).await;
        assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    }
    #[cfg(feature = "tls")]
    crate::tls::begins_at_postgres(cluster.port(), &fs::read_to_string(&root).unwrap()).await;
    let untrusted = format!("{}?sslmode=verify-full", cluster.url());
    for (url, error) in
        [(by_address("verify-full"), "tls_certificate_wrong_name"), (untrusted, "tls_certificate_unknown_issuer")]
    {
        assert_verdict(&run(json!({ "url": url })).await, Status::Down, error);
    }
    let missing = format!("{}?sslmode=verify-full&sslrootcert=/nothing", cluster.url());
    assert_verdict(&run(json!({ "url": missing })).await, Status::Unknown, "no_such_file");
}

/// Has the server offer TLS with a certificate for `localhost`, which is the answer.
async fn serve_tls(cluster: &Cluster) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = cluster.directory();
    let owner = fs::metadata(&directory).unwrap().uid();
    for (name, text) in [("server.crt", made.cert.pem()), ("server.key", made.signing_key.serialize_pem())] {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner), None).unwrap();
    }
    let mut connection = cluster.connect().await;
    connection.execute("alter system set ssl = on").await.unwrap();
    connection.execute("select pg_reload_conf()").await.unwrap();
    made.cert.pem()
}

#[tokio::test]
async fn everything_works_through_a_pooler_in_transaction_mode() {
    let cluster = cluster().await;
    let pooler = Pooler::start(&cluster).await;
    let config = json!({
        "url": pooler.url(&cluster),
        "query": { "sql": "select current_setting('transaction_read_only')", "value": { "equals": "on" } },
        "connections": { "down": 100 },
        "longest_transaction": {},
        "blocked_locks": { "down": 1000 },
    });
    // More at once than the pooler has connections to the server, several times over.
    let runs = (0..24).map(|_| run(config.clone()));
    for outcome in futures_util::future::join_all(runs).await {
        assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    }
    let outcome = run(json!({ "url": pooler.url(&cluster), "query": { "sql": "select 1; select 2" } })).await;
    assert_verdict(&outcome, Status::Unknown, "bad_query");
    // The next one on the same server connection finds no transaction, cursor or setting left over.
    let left_over = json!({
        "sql": "select count(*) from pg_cursors where name <> 'pingmon'",
        "value": { "equals": 0 },
    });
    let outcome = run(json!({ "url": pooler.url(&cluster), "query": left_over })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    let mut direct = PgConnection::connect(&pooler.url(&cluster)).await.unwrap_err().to_string();
    direct.make_ascii_lowercase();
    assert!(direct.contains("extra_float_digits"), "this pooler is one that refuses startup parameters: {direct}");
}

/// A pgbouncer with default settings but for the mode; stopped when dropped.
struct Pooler {
    process: Child,
    port: u16,
    _files: tempfile::TempDir,
}

impl Pooler {
    async fn start(cluster: &Cluster) -> Self {
        let files = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (users, settings) = (files.path().join("users"), files.path().join("pgbouncer.ini"));
        fs::write(&users, format!("\"{}\" \"{}\"\n", cluster.user(), cluster.password())).unwrap();
        let text = format!(
            "[databases]\n* = host=localhost port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 3\n",
            cluster.port(),
            users.display(),
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new("pgbouncer");
        let path =
            std::env::join_paths(["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/bin"]).unwrap();
        command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if fs::metadata(files.path()).unwrap().uid() == 0 {
            // It refuses to run as root, and whom it becomes must be able to read.
            fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
            command.args(["-u", "postgres"]);
        }
        let process = command.arg(&settings).spawn().expect("pgbouncer is installed (`make setup` installs it)");
        let pooler = Self { process, port, _files: files };
        eventually("a pooler", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        pooler
    }

    fn url(&self, cluster: &Cluster) -> String {
        format!("postgres://{}:{}@127.0.0.1:{}/postgres", cluster.user(), cluster.password(), self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
