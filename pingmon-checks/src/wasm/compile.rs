//! Compiling a component to machine code. A hostile one takes minutes and gigabytes, and a compiler can't be interrupted:
//! so it works in a process of its own, which the system ends when it takes too much.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};
use wasmtime::Engine;

use super::{engine, settings::Settings};

/// Most bytes of machine code.
const MAX_CODE: u64 = 1024 * 1024 * 1024;
/// Longest complaint of the compiler that is kept, in bytes.
const MAX_COMPLAINT: u64 = 2_000;

/// Who compiles plug-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compiler {
    /// A program that does nothing but call [`serve`] on its standard input and output when it is started with these
    /// arguments; the process's own executable can be it.
    Process {
        /// The program.
        program: PathBuf,
        /// What it's started with.
        arguments: Vec<OsString>,
    },
    /// This process, after the limits on the file, its functions and their locals. Nothing else bounds the time and memory
    /// that compiling takes, and nothing can end it: only for plug-ins that one trusts.
    InProcess,
}

/// What the compiling process is told first, in a line.
#[derive(Serialize, Deserialize)]
struct Order {
    fuel: bool,
    seconds: u32,
    memory: u64,
}

impl Compiler {
    /// Machine code for a component.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn compile(&self, wasm: &[u8], settings: &Settings) -> Result<Vec<u8>, String> {
        match self {
            Self::InProcess => {
                let (wasm, fuel) = (wasm.to_vec(), settings.fuel.is_some());
                let compiled = tokio::task::spawn_blocking(move || translate(&wasm, fuel, false)).await;
                compiled.map_err(|error| format!("compiling broke: {error}"))?
            }
            Self::Process { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments).env_clear();
                apart(command, wasm, settings).await
            }
        }
    }
}

async fn apart(mut command: Command, wasm: &[u8], settings: &Settings) -> Result<Vec<u8>, String> {
    let order =
        Order { fuel: settings.fuel.is_some(), seconds: settings.compile_seconds, memory: settings.compile_memory };
    let mut order = serde_json::to_vec(&order).map_err(|error| error.to_string())?;
    order.push(b'\n');
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let broken = |error: io::Error| format!("the compiler of plug-ins can't be used: {error}");
    let mut child = command.spawn().map_err(broken)?;
    let (Some(mut input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("the compiler of plug-ins has no pipes".to_owned());
    };
    let (mut code, mut complaint) = (Vec::new(), Vec::new());
    let mut output = output.take(MAX_CODE);
    let mut errors = errors.take(MAX_COMPLAINT);
    let work = async {
        let write = async {
            // Whoever ends before it has read all says why.
            let _ = input.write_all(&order).await;
            let _ = input.write_all(wasm).await;
            drop(input);
        };
        let (_, read, heard) = tokio::join!(write, output.read_to_end(&mut code), errors.read_to_end(&mut complaint));
        read.and(heard)?;
        child.wait().await
    };
    // It may compute on several processors, but not wait for anything.
    let limit = Duration::from_secs(u64::from(settings.compile_seconds) + 10);
    let late = || format!("compiling took more than {} seconds (wasm.compile_seconds)", settings.compile_seconds);
    let status = timeout(limit, work).await.map_err(|_| late())?.map_err(broken)?;
    if status.success() { Ok(code) } else { Err(reason(status, &complaint, settings)) }
}

fn reason(status: ExitStatus, complaint: &[u8], settings: &Settings) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        match status.signal().map(rustix::process::Signal::from_named_raw) {
            Some(Some(rustix::process::Signal::XCPU | rustix::process::Signal::KILL)) => {
                let most = settings.compile_seconds;
                return format!("compiling took more than {most} seconds of CPU (wasm.compile_seconds), or was killed");
            }
            Some(_) => {
                let most = settings.compile_memory;
                return format!("compiling broke ({status}), as with more than {most} bytes (wasm.compile_memory)");
            }
            None => {}
        }
    }
    let complaint = String::from_utf8_lossy(complaint);
    complaint.lines().next().map_or_else(|| format!("compiling failed: {status}"), str::to_owned)
}

fn translate(wasm: &[u8], fuel: bool, parallel: bool) -> Result<Vec<u8>, String> {
    let mut config = engine::code(fuel);
    config.parallel_compilation(parallel);
    let engine = Engine::new(&config).map_err(|error| format!("{error:#}"))?;
    let compiled = engine.precompile_component(wasm);
    compiled.map_err(|error| format!("it can't be compiled: {error:#}").replace('\n', " "))
}

/// The work of [`Compiler::Process`]: reads an order and a component, limits this very process, compiles, writes the code.
/// To be called by a program that does nothing else, and ends with exit code 1 and the error on standard error.
///
/// # Errors
/// Why there is no code, in a line.
pub fn serve(mut input: impl Read, mut output: impl Write) -> Result<(), String> {
    let broken = |error: io::Error| format!("no order or component to compile: {error}");
    let mut wasm = Vec::new();
    input.read_to_end(&mut wasm).map_err(broken)?;
    let end = wasm.iter().position(|byte| *byte == b'\n').ok_or("there is no order to compile")?;
    let order: Order = serde_json::from_slice(&wasm[..end]).map_err(|error| format!("the order isn't one: {error}"))?;
    limit(&order)?;
    let code = translate(&wasm[end + 1..], order.fuel, true)?;
    output.write_all(&code).and_then(|()| output.flush()).map_err(|error| format!("the code can't be written: {error}"))
}

/// Has the system end this process when it takes more than it may.
#[cfg(unix)]
fn limit(order: &Order) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Data and not the address space: allocators reserve much of that and use little.
    let limits = [
        (Resource::Cpu, u64::from(order.seconds)),
        (Resource::Data, order.memory),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("the compiling process can't be limited: {error}"))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit(_: &Order) -> Result<(), String> {
    Err("this system can't limit a compiling process; use Compiler::InProcess".to_owned())
}
