//! What a run of a plug-in is held against, beside wasmtime alone: extism, and a process for each check.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use super::micros;

/// What a check as a process is made of.
const PROCESS: &str = include_str!("process.rs.in");
const PROCESSES: u32 = 100;

/// extism, in a process of its own: it brings another wasmtime.
pub(crate) struct Extism {
    program: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Extism {
    /// None unless it was built.
    pub(crate) fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("extism/target/release/pingmon-bench-extism");
        let mut program = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (orders, answers) = (program.stdin.take()?, BufReader::new(program.stdout.take()?));
        Some(Self { program, orders, answers })
    }

    /// Microseconds of a run.
    pub(crate) fn run(&mut self, runs: u32) -> f64 {
        writeln!(self.orders, "{runs}").expect("it takes orders");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.trim().parse().expect("a number")
    }
}

impl Drop for Extism {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// How a program gets its libraries.
#[derive(Clone, Copy)]
pub(crate) enum Linked {
    /// As cargo builds it.
    Dynamically,
    /// So that it starts fastest.
    Statically,
}

/// A check that is a process.
pub(crate) struct Process(PathBuf);

impl Process {
    /// Compiles it into a directory.
    pub(crate) fn build(directory: &Path, linked: Linked) -> Self {
        let (name, feature) = match linked {
            Linked::Dynamically => ("dynamic", "-crt-static"),
            Linked::Statically => ("static", "+crt-static"),
        };
        let (source, program) = (directory.join("process.rs"), directory.join(name));
        std::fs::write(&source, PROCESS).expect("a source");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-Copt-level=3", "-Cstrip=symbols"]).arg(format!("-Ctarget-feature={feature}"));
        assert!(rustc.arg(&source).arg("-o").arg(&program).status().expect("rustc").success());
        Self(program)
    }

    /// Microseconds of a run, as short as they come for whoever starts processes and reads what they say.
    pub(crate) fn run(&self) -> f64 {
        let started = Instant::now();
        for _ in 0..PROCESSES {
            let ended = Command::new(&self.0).arg(super::CONFIG).stdin(Stdio::null()).output().expect("a process");
            assert!(ended.status.success() && ended.stdout.starts_with(b"{\"status\":\"up\""));
        }
        micros(started.elapsed(), PROCESSES)
    }
}
