//! What the same check costs in each language: the sample plug-ins that were built, each asking a server on this host.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use pingmon_checks::wasm::{Compiler, Plugins, Settings, Wasm};
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{median, micros};

const LANGUAGES: [(&str, &str); 4] = [
    ("C", "c/queue-depth/queue_depth.wasm"),
    ("Rust", "fixtures/queue_depth.wasm"),
    ("JavaScript", "javascript/queue-depth/queue_depth.wasm"),
    ("Python", "python/queue-depth/queue_depth.wasm"),
];
const RUNS: usize = 200;
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\nconnection: close\r\n\r\n\
    {\"queue\":{\"depth\":3}}";

/// Compiles each sample that is there, and runs it.
pub(super) fn measure(runtime: &Runtime, settings: Settings) {
    let plugins = Plugins::new(settings, Compiler::InProcess).expect("plug-ins");
    let origin = format!("http://{}", serve());
    for (language, path) in LANGUAGES {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(path);
        let Ok(wasm) = std::fs::read(path) else {
            println!("{language:<44} wasn't built: make plugins");
            continue;
        };
        let started = Instant::now();
        plugins.install(runtime.block_on(plugins.load(language, &wasm, None)).expect("a plug-in"));
        let compiled = started.elapsed();
        let config = json!({
            "plugin": language, "grant": { "http": [origin] }, "config": { "url": format!("{origin}/queue"), "most": 10 },
        });
        let check =
            Wasm::new(DialPolicy::open(), plugins.clone()).and_then(|kind| kind.build(&config)).expect("a check");
        let cx = CheckContext::new(MonitorId::new(), "queue", Timestamp::default(), Duration::from_secs(5));
        let run = |_| {
            let started = Instant::now();
            let outcome = runtime.block_on(check.run(&cx)).expect("a run");
            assert_eq!(outcome.status, Status::Up, "{}", outcome.message);
            micros(started.elapsed(), 1)
        };
        let run = median((0..RUNS).map(run).collect());
        let size = wasm.len() / 1_024;
        println!(
            "{:<44} {size} KiB, compiled in {compiled:.1?}, a run {run:.0} us",
            format!("queue-depth in {language}")
        );
    }
}

/// A server that always answers the same.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut request, mut piece) = (Vec::new(), [0; 1_024]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut piece).expect("a request");
                if read == 0 {
                    break;
                }
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(ANSWER).expect("an answer");
        }
    });
    address
}
