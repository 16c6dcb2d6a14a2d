//! The page and the API of a process that owns the store.

use super::{
    Failure,
    args::Shared,
    ingest_log::{IngestLog, Opened},
    node::ThisProcess,
    settings,
};
use crate::{
    api::{self, Access, ApiState, Ingested, Parts},
    auth::Tokens,
    clock,
    config::{DataDir, ServerFile},
    flow::{Intake, Shutdown},
    inputs::stdin::PipeCounters,
    log,
    pipeline::Common,
    query::Matcher,
};
use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
};
use tokio::{
    runtime::{Handle, Runtime},
    sync::watch,
    task::JoinHandle,
};

/// Threads for sockets and timers; nothing CPU-bound runs on them.
const ASYNC_THREADS: usize = 2;

/// The async runtime.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(ASYNC_THREADS).enable_all().build();
    built.map_err(|cause| Failure::failed(format!("cannot start the async runtime: {cause}")))
}

/// Where to listen and whom to let in, checked before anything starts.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    listen: String,
    tokens: Tokens,
    public_url: Option<String>,
    zone: Option<String>,
}

impl Door {
    /// From the options.
    pub fn new(shared: &Shared) -> Result<Door, Failure> {
        let listen = shared.listen.clone();
        let unusable = |cause: String| {
            Failure::usage(format!("--listen {listen}: {cause}; expected an address and a port such as 127.0.0.1:7447"))
        };
        let mut addresses = listen.to_socket_addrs().map_err(|cause| unusable(cause.to_string()))?;
        let address = addresses.next().ok_or_else(|| unusable("no such address".to_owned()))?;
        let tokens = settings::tokens(shared)?;
        if !address.ip().is_loopback() && tokens.is_empty() && !shared.insecure {
            return Err(Failure::usage(format!(
                "--listen {listen} can be reached from other machines: set LOGSHIP_TOKEN or --token-file FILE, or say --insecure"
            )));
        }
        let zone = settings::zone_name(shared)?;
        Ok(Door { address, listen, tokens, public_url: shared.public_url.clone(), zone })
    }

    /// Binds the address.
    pub fn bind(&self) -> Result<TcpListener, Failure> {
        TcpListener::bind(self.address).map_err(|cause| {
            let advice = match cause.kind() {
                io::ErrorKind::AddrInUse => {
                    "; another program listens there, perhaps another logship: stop it, or choose another with --listen ADDR"
                }
                _ => "",
            };
            Failure::failed(format!("cannot listen on {}: {cause}{advice}", self.listen))
        })
    }

    /// Binds the address, or a free port of this machine when the port is taken.
    pub fn bind_somewhere(&self) -> Result<TcpListener, Failure> {
        match TcpListener::bind(self.address) {
            Ok(listener) => Ok(listener),
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                let free = SocketAddr::new(self.address.ip(), 0);
                TcpListener::bind(free).map_err(|cause| Failure::failed(format!("cannot listen on {free}: {cause}")))
            }
            Err(_) => self.bind(),
        }
    }
}

/// A running server.
pub struct Serving {
    /// Where the page is, with a slash at the end.
    pub url: String,
    log: IngestLog,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    data: DataDir,
}

/// A server that answers, before it takes records.
pub struct Listening {
    url: String,
    opened: Arc<Opened>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Answers on `listener`: with 503 until the store is owned and open.
pub fn listen(
    listener: TcpListener,
    door: &Door,
    common: &Arc<Common>,
    pipe: Option<Arc<PipeCounters>>,
    runtime: &Handle,
) -> Result<Listening, Failure> {
    let opened = Arc::new(Opened::default());
    let bound = listener.local_addr().map_err(Failure::failed)?;
    listener.set_nonblocking(true).map_err(Failure::failed)?;
    let ingested = Arc::new(Ingested::default());
    let node = ThisProcess {
        common: common.clone(),
        ingested: ingested.clone(),
        pipe,
        log: opened.clone(),
        started: clock::instant(),
    };
    let access = Access::new(bound, door.public_url.as_deref(), door.tokens.clone()).map_err(Failure::usage)?;
    let state = ApiState::new(Parts {
        backend: common.clone(),
        intake: opened.intake.clone(),
        tail: common.tail.clone(),
        node: Arc::new(node),
        access,
        compile: |query, now| {
            let matcher = Matcher::new(query, now)?;
            Ok(Box::new(move |event| matcher.matches(event)))
        },
        ingested,
        zone: door.zone.clone(),
    });
    let (stop, shutdown) = Shutdown::channel();
    let task = runtime.spawn(async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => api::serve(listener, state, shutdown).await,
            Err(cause) => tracing::error!("cannot serve: {cause}"),
        }
    });
    Ok(Listening { url: format!("http://{}/", reachable(bound)), opened, stop, task })
}

impl Listening {
    /// Takes records and says where it is; the caller owns the store.
    pub fn open(
        self,
        data: &DataDir,
        log_options: log::Options,
        common: &Arc<Common>,
        runtime: &Handle,
    ) -> Result<Serving, Failure> {
        let Listening { url, opened, stop, task } = self;
        let log = IngestLog::open(&data.log(), log_options, opened, common, runtime)?;
        let server = ServerFile { pid: std::process::id(), url: url.clone() };
        if let Err(cause) = data.write_server(&server) {
            tracing::warn!("cannot write server.json: {cause}; other commands need --server {url}");
        }
        Ok(Serving { url, log, stop, task, data: data.clone() })
    }
}

/// An address that this machine can open.
fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        let loopback = if bound.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        bound.set_ip(loopback);
    }
    bound
}

impl Serving {
    /// The entrance of the log that HTTP ingest writes, where there is room for the log.
    pub fn intake(&self) -> Option<Intake> {
        self.log.intake()
    }

    /// Lets running requests finish and closes the log.
    pub fn finish(self, common: &Common, runtime: &Handle) {
        let Serving { stop, task, log, data, .. } = self;
        common.tail.close();
        let _ = stop.send(true);
        let _ = runtime.block_on(task);
        data.remove_server(std::process::id());
        log.finish();
    }
}
