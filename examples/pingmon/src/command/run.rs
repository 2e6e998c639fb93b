//! `pingmon run`: the engine and the page in one process, until a signal stops it.

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use pingmon_checks::wasm::Plugins;
use pingmon_core::{
    engine::{Engine, Handle, Summary},
    error::Result as CoreResult,
    monitor::{Monitor, Origin},
    store::Store,
};
use pingmon_web::{Face, Signer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::filter::LevelFilter;

use super::{
    Failure,
    prepare::{load, prepare},
    print,
    reconcile::{reconcile, reconcile_when_possible},
    signals::{Asked, Signals},
    validate::count,
};
use crate::{
    cli::Run,
    config::{self, Config, Environment, Planned, Settings},
    log, store,
};

/// How long connections to the page may take to end.
const WEB_GRACE: Duration = Duration::from_secs(2);

/// Signals this close together are one: `timeout` and some shells tell the process and then its whole group.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// Runs until stopped by a signal.
pub(crate) fn run(args: Run) -> Result<ExitCode, Failure> {
    log::install(args.log_format, LevelFilter::INFO);
    let file = config::find(args.file.config);
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Failure::Broken(format!("failed to start: {e}")))?;
    let done = runtime.block_on(serve(file));
    // A check that blocks its thread must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(500));
    done.map(|()| ExitCode::SUCCESS)
}

async fn serve(file: Option<PathBuf>) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|e| Failure::Broken(format!("failed to listen to signals: {e}")))?;
    let (config, listener, opened) = tokio::select! {
        ready = prepare(file.as_deref()) => ready?,
        () = signals.stop() => {
            info!("stopped before anything was started");
            return Ok(());
        }
    };
    let done = watch(file, config, listener, opened.store(), signals).await;
    opened.close().await;
    done
}

async fn watch(
    file: Option<PathBuf>,
    mut config: Config,
    listener: TcpListener,
    store: Arc<dyn Store>,
    signals: Signals,
) -> Result<(), Failure> {
    let address = listener.local_addr().unwrap_or(config.settings.web.listen);
    let monitors = std::mem::take(&mut config.monitors);
    let signer = config.settings.web.signer()?;
    let engine = engine(&config, signer.clone(), Arc::clone(&store))?;
    let router = router(&config.settings, signer, Arc::clone(&store), engine.handle());
    let (heartbeat, channels) = (config.settings.heartbeat()?, config.notifiers.len());
    let alive = engine.handle();
    let beating = async move {
        match heartbeat {
            Some(heartbeat) => heartbeat.beat(|| alive.vitals(), channels).await,
            None => std::future::pending().await,
        }
    };
    let (settings, plugins, handle) = (config.settings, config.plugins, engine.handle());
    let running = Running { file, address, settings, plugins, store, handle };
    tokio::select! {
        done = running.until_stopped(engine, monitors, listener, router, signals) => done,
        () = beating => Ok(()),
    }
}

fn engine(config: &Config, signer: Option<Signer>, store: Arc<dyn Store>) -> CoreResult<Engine> {
    let worker = &config.settings.worker;
    let mut builder = Engine::builder(store)
        .kinds(config.checks.iter().cloned())
        .concurrency(worker.concurrency)
        .capacity(worker.capacity)
        .lease(worker.lease.0)
        .poll(worker.poll.0)
        .grace(worker.grace.0)
        .host(sysinfo::System::host_name().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .retention(worker.retention.results.0, worker.retention.incidents.0)
        .resolver(resolver(config.environment.clone()));
    for (kind, limit) in &worker.kinds {
        builder = builder.concurrency_of(kind, limit.get().into());
    }
    for work in &config.maintenances {
        builder = builder.maintenance(work.clone());
    }
    for route in &config.routes {
        builder = builder.route(route.clone());
    }
    for (name, channel) in &config.notifiers {
        builder = builder.channel(name, channel.clone());
    }
    if let Some(signer) = signer {
        builder = builder.links(move |notice| signer.links(notice));
    }
    builder.build()
}

/// Follows the references to secrets in the monitors of the file, and in no others: what else is in the store may come
/// from somebody who isn't to see them.
fn resolver(environment: Environment) -> impl Fn(&Monitor) -> CoreResult<Value> + Send + Sync + 'static {
    move |monitor| {
        let definition = &monitor.definition;
        match definition.origin.as_str() {
            Origin::FILE => environment.resolve_config(&definition.kind, &definition.config),
            _ => Ok(definition.config.clone()),
        }
    }
}

fn router(settings: &Settings, signer: Option<Signer>, store: Arc<dyn Store>, handle: Handle) -> Router {
    let mut face = Face::new(store).title(&settings.web.title).engine(move || handle.vitals());
    if let Some(token) = &settings.web.admin_token {
        face = face.admin_token(token);
    }
    if let Some(signer) = signer {
        face = face.signer(signer);
    }
    pingmon_web::router(face)
}

/// The process at work.
struct Running {
    file: Option<PathBuf>,
    address: SocketAddr,
    settings: Settings,
    /// Those that the engine's checks run.
    plugins: Plugins,
    store: Arc<dyn Store>,
    handle: Handle,
}

impl Running {
    /// What a person is told at the start.
    fn banner(&self, watched: usize, found: &dyn fmt::Display) -> String {
        let from = match &self.file {
            Some(file) => file.display().to_string(),
            None => "the quick start, as there is no pingmon.toml here".to_owned(),
        };
        let next = match &self.file {
            Some(_) => "Stop with Ctrl-C; SIGHUP reads the file again.",
            None => {
                "Next: write a pingmon.toml (`pingmon schema` says what may stand in it), start again. Stop with Ctrl-C."
            }
        };
        let (monitors, store) = (count(watched, "monitor"), store::describe(&self.settings.store.url));
        let (version, address) = (env!("CARGO_PKG_VERSION"), self.address);
        format!(
            "pingmon {version} watches {monitors} from {from}\n  page   http://{address}/\n  store  {store}: {found}\n{next}"
        )
    }

    /// Puts the monitors of the file into the store and runs the engine until it is to stop. A store that can't be
    /// reached keeps nothing waiting but the monitors: the engine looks for it too, and the page says so.
    async fn work(&self, engine: Engine, monitors: Vec<Planned>, stop: &CancellationToken) -> Result<Summary, Failure> {
        let watched = monitors.len();
        let waiting = match reconcile(&*self.store, monitors.clone()).await {
            Ok(changes) => {
                print(&self.banner(watched, &changes))?;
                self.stock(stop).await;
                return Ok(self.run(engine, stop).await?);
            }
            Err(error) if error.is_retryable() => error.chain(),
            Err(error) => return Err(error.into()),
        };
        print(&self.banner(watched, &format_args!("waiting for it: {waiting}")))?;
        let settling = async {
            tokio::select! {
                settled = reconcile_when_possible(&*self.store, monitors) => {
                    let settled = settled.inspect_err(|_| stop.cancel());
                    settled.map(|changes| info!("the store answers: {changes}"))
                }
                () = stop.cancelled() => Ok(()),
            }
        };
        let (settled, summary) = tokio::join!(settling, self.run(engine, stop));
        settled?;
        Ok(summary?)
    }

    /// Takes the plug-ins of the store before a run needs one. One that fails now is asked again later.
    async fn stock(&self, stop: &CancellationToken) {
        tokio::select! {
            taken = self.plugins.refresh(&*self.store) => {
                if let Err(error) = taken {
                    warn!(error = error.chain(), "failed to take plug-ins from the store");
                }
            }
            () = stop.cancelled() => {}
        }
    }

    /// Runs the engine until it is to stop, with the plug-ins that the store has at any time.
    async fn run(&self, engine: Engine, stop: &CancellationToken) -> CoreResult<Summary> {
        tokio::select! {
            summary = engine.run(stop.cancelled()) => summary,
            never = self.plugins.follow(&*self.store) => match never {},
        }
    }

    /// Serves and watches until a signal asks to stop; the page answers until the engine has stopped.
    async fn until_stopped(
        &self,
        engine: Engine,
        monitors: Vec<Planned>,
        listener: TcpListener,
        router: Router,
        signals: Signals,
    ) -> Result<(), Failure> {
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let web = axum::serve(listener, router).with_graceful_shutdown(stopped.clone().cancelled_owned());
        let working = async {
            let summary = self.work(engine, monitors, &stop).await;
            stopped.cancel();
            summary
        };
        let serving = async {
            tokio::select! {
                served = web.into_future() => served,
                () = async { stopped.cancelled().await; tokio::time::sleep(WEB_GRACE).await } => Ok(()),
            }
        };
        let (summary, served) = tokio::select! {
            done = async { tokio::join!(working, serving) } => done,
            () = self.heed(signals, &stop) => return Ok(()),
        };
        info!("stopped: {}", summary?);
        served.map_err(|error| Failure::Broken(format!("failed to serve the page: {error}")))?;
        Ok(())
    }

    /// Does what signals ask for; the second one to stop ends the process at once.
    async fn heed(&self, mut signals: Signals, stop: &CancellationToken) {
        let mut stopping: Option<Instant> = None;
        loop {
            match (signals.next().await, stopping) {
                (Asked::Reload, _) => self.reload().await,
                (Asked::Stop(_), None) => {
                    info!("stopping: runs under way may end; a second signal stops at once");
                    stopping = Some(Instant::now());
                    stop.cancel();
                }
                (Asked::Stop(_), Some(first)) if first.elapsed() < SAME_SIGNAL => {}
                (Asked::Stop(code), Some(_)) => std::process::exit(code),
            }
        }
    }

    /// Reads the file again and takes over what it says; a bad one changes nothing.
    async fn reload(&self) {
        let Some(file) = self.file.clone() else {
            warn!("nothing to reload: this is the quick start; write a pingmon.toml and start again");
            return;
        };
        match load(file, Some(self.plugins.clone())).await {
            Ok(config) => self.take_over(config).await,
            Err(Failure::Config(problems)) => error!("kept the old config, the new one isn't good:\n{problems}"),
            Err(Failure::Usage(reason) | Failure::Broken(reason) | Failure::Unknown(reason)) => {
                error!("kept the old config: {reason}")
            }
        }
    }

    async fn take_over(&self, config: Config) {
        let stale = self.needs_restart(&config);
        self.plugins.replace(&config.plugins);
        match reconcile(&*self.store, config.monitors).await {
            Ok(changes) => info!("reloaded: {changes}"),
            Err(error) => {
                error!(error = error.chain(), "kept the old monitors, the store failed; reload again");
                return;
            }
        }
        if let Err(error) = self.handle.replace_maintenances(config.maintenances) {
            error!(error = error.chain(), "kept the old maintenances");
        }
        self.handle.replace_channels(config.notifiers.into_iter().collect());
        if let Err(error) = self.handle.replace_routes(config.routes) {
            error!(error = error.chain(), "kept the old routes");
        }
        self.handle.nudge();
        if !stale.is_empty() {
            warn!("changes of {} take effect after a restart", stale.join(", "));
        }
    }

    /// The sections whose changes a running process can't take over.
    fn needs_restart(&self, config: &Config) -> Vec<&'static str> {
        let (old, new) = (&self.settings, &config.settings);
        let sections = [
            ("[store]", old.store == new.store),
            ("[web]", old.web == new.web),
            ("[worker]", old.worker == new.worker),
            ("[dial]", old.dial == new.dial),
            ("[heartbeat]", old.heartbeat == new.heartbeat),
            ("[wasm]", self.plugins.settings() == config.plugins.settings()),
        ];
        sections.iter().filter(|(_, same)| !same).map(|(section, _)| *section).collect()
    }
}
