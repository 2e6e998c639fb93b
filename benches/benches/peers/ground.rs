//! What is probed: nginx with a page of 1 KiB, plain and by TLS, on every address of the loopback network.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The core of probers, and that of all others.
pub(crate) const PROBER: &str = "1";
pub(crate) const OTHERS: &str = "0";
/// Loopback addresses that probes take turns at: whoever closes first keeps the local port for a minute, and one
/// address has too few of them.
pub(crate) const ADDRESSES: usize = 30;

/// nginx and its files.
pub(crate) struct Ground {
    pub(crate) directory: TempDir,
    pub(crate) http: u16,
    pub(crate) https: u16,
    nginx: Child,
}

impl Ground {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (http, https) = (free_port(), free_port());
        let at = |name: &str| directory.path().join(name);
        let key = rcgen::generate_simple_self_signed(names()).unwrap();
        fs::write(at("certificate.pem"), key.cert.pem()).unwrap();
        fs::write(at("key.pem"), key.signing_key.serialize_pem()).unwrap();
        let page = format!(r#"{{"status":"ok","padding":"{}"}}"#, "x".repeat(996));
        fs::write(at("health"), page).unwrap();
        fs::write(at("nginx.conf"), configuration(directory.path(), http, https)).unwrap();
        let mut nginx = Command::new("taskset");
        nginx.args(["-c", OTHERS, "nginx", "-c"]).arg(at("nginx.conf")).arg("-e").arg(at("error.log"));
        let nginx = nginx.spawn().unwrap();
        wait_for(http);
        Self { directory, http, https, nginx }
    }

    /// What trusts the server's certificate.
    pub(crate) fn roots(&self) -> std::path::PathBuf {
        self.directory.path().join("certificate.pem")
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        end(&mut self.nginx);
    }
}

/// Lets a server end by itself, so that it ends its workers.
pub(crate) fn end(server: &mut Child) {
    let _ = Command::new("kill").arg(server.id().to_string()).stderr(Stdio::null()).status();
    let _ = server.wait();
}

/// Every address: certificates know no networks.
fn names() -> Vec<String> {
    (0..ADDRESSES).map(address).collect()
}

/// The nth loopback address.
pub(crate) fn address(n: usize) -> String {
    format!("127.0.0.{}", n % ADDRESSES + 1)
}

fn configuration(directory: &Path, http: u16, https: u16) -> String {
    let at = directory.display();
    format!(
        "daemon off; worker_processes 1; pid {at}/nginx.pid; user root;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; keepalive_timeout 0; default_type application/json;
            client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at}; uwsgi_temp_path {at}; scgi_temp_path {at};
            ssl_certificate {at}/certificate.pem; ssl_certificate_key {at}/key.pem; ssl_session_tickets off;
            server {{ listen {http} backlog=8192; listen {https} ssl backlog=8192; root {at}; }}
        }}"
    )
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_for(port: u16) {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody listens on port {port}");
        std::thread::yield_now();
    }
}
