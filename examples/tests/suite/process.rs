//! A process under test: started, read line by line with a deadline, asked to stop or killed. Nothing it started
//! outlives its test.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    /// Starts a binary of this package.
    pub(crate) fn start(binary: &str, args: &[&str]) -> Self {
        let mut command = Command::new(binary);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, lines) = channel();
        let out: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for out in out {
            let line = line.clone();
            thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|l| line.send(l)));
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that `wanted` makes something of.
    pub(crate) fn find<T>(&mut self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line);
                    if let Some(found) = self.seen.last().and_then(|line| wanted(line)) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} within {PATIENCE:?}:\n{}", self.seen.join("\n")),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {what}:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits for a line that holds `text`.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        self.find(&format!("\"{text}\""), |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Reads to the end; answers everything it ever printed.
    pub(crate) fn finish(&mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end within {PATIENCE:?}:\n{}", self.seen.join("\n")),
            }
        }
        (self.child.wait().unwrap(), self.seen.clone())
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for `path` and answers head and body.
pub(crate) fn request(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks for `path` until the answer holds `text`.
pub(crate) fn request_until(address: &str, path: &str, text: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = request(address, "GET", path);
        if answer.contains(text) {
            return answer;
        }
        assert!(Instant::now() < deadline, "no \"{text}\" at {path} within {PATIENCE:?}:\n{answer}");
        thread::sleep(Duration::from_millis(50));
    }
}
