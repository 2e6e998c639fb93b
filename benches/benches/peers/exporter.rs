//! prometheus-blackbox-exporter, asked by wrk on kept-alive connections: asking costs it little beside a probe.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Instant,
};

use pingmon_benches::ground::process::Usage;

use crate::{
    ground::{ADDRESSES, Ground, OTHERS, PROBER, end, free_port, wait_for},
    prober::{TURN, Turn},
};

/// Modules that look at as much as our checks do.
const MODULES: &str = "modules:
  http: { prober: http, timeout: 30s, http: { preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['\"status\":\"ok\"'], tls_config: { ca_file: ROOTS } } }
  tcp: { prober: tcp, timeout: 30s, tcp: { preferred_ip_protocol: ip4 } }
";

pub(crate) struct Exporter {
    process: Child,
    port: u16,
}

impl Exporter {
    pub(crate) fn start(ground: &Ground) -> Self {
        let file = ground.directory.path().join("exporter.yml");
        fs::write(&file, MODULES.replace("ROOTS", &ground.roots().display().to_string())).unwrap();
        let port = free_port();
        let mut command = Command::new("taskset");
        command.args(["-c", PROBER, "prometheus-blackbox-exporter", "--log.level=error"]);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = command.env("GOMAXPROCS", "1").stderr(Stdio::null()).spawn().unwrap();
        wait_for(port);
        Self { process, port }
    }

    /// Has it probe for one turn.
    pub(crate) fn turn(&self, ground: &Ground, form: &str, port: u16, in_flight: usize) -> Turn {
        let script = ground.directory.path().join("targets.lua");
        fs::write(&script, targets(form, port)).unwrap();
        let (before, started) = (Usage::of(self.process.id()).unwrap(), Instant::now());
        let mut wrk = Command::new("taskset");
        wrk.args(["-c", OTHERS, "wrk", "-t1", "--timeout", "30s", "-c", &in_flight.to_string()]);
        wrk.arg(format!("-d{}s", TURN.as_secs()))
            .arg("-s")
            .arg(&script)
            .arg(format!("http://127.0.0.1:{}/", self.port));
        let said = String::from_utf8(wrk.output().unwrap().stdout).unwrap();
        let usage = Usage::of(self.process.id()).unwrap();
        let probed = said.lines().find_map(|line| line.strip_prefix("probed ")?.parse().ok());
        let probes = probed.unwrap_or_else(|| panic!("wrk said: {said}"));
        Turn { probes, wall: started.elapsed(), cpu: usage.cpu - before.cpu, rss_kib: usage.peak_kib }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A script for wrk that asks for the addresses in turn and says at the end how many probes succeeded, or how many did
/// not.
fn targets(form: &str, port: u16) -> String {
    let (module, scheme, path) = match form {
        "tcp" => ("tcp", String::new(), ""),
        scheme => ("http", format!("{scheme}://"), "/health"),
    };
    format!(
        r#"
        local n = 0
        local threads = {{}}
        function setup(thread) table.insert(threads, thread) end
        function init(args) succeeded = 0; failed = 0 end
        function request()
            n = n % {ADDRESSES} + 1
            return wrk.format("GET", "/probe?module={module}&target={scheme}127.0.0." .. n .. ":{port}{path}")
        end
        function response(status, headers, body)
            if string.find(body, "\nprobe_success 1") then succeeded = succeeded + 1 else failed = failed + 1 end
        end
        function done(summary, latency, requests)
            local good, bad = 0, 0
            for _, thread in ipairs(threads) do good = good + thread:get("succeeded"); bad = bad + thread:get("failed") end
            if bad == 0 then io.write("probed " .. good .. "\n") else io.write(bad .. " probes went wrong\n") end
        end
        "#
    )
}
