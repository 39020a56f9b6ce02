//! The socket that clients connect to, and who is connected.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use datalith_engine::{Code, Error};
use socket2::{SockRef, TcpKeepalive};

use super::client;
use super::refusal::Refusal;
use super::scram::{Verifier, random};
use crate::limits;
use crate::session::Session;

/// How long to wait where the system has no socket to give.
const NO_SOCKET: Duration = Duration::from_millis(50);

/// What a server lets clients do.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What clients must know, whatever name they give; without one only this machine may connect.
    pub password: Option<String>,
    /// Most milliseconds of a statement.
    pub timeout_ms: Option<u64>,
    /// Most clients at one time.
    pub connections: usize,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            password: None,
            timeout_ms: None,
            connections: limits::CONNECTIONS,
        }
    }
}

/// A session for clients of PostgreSQL.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What all connections know.
pub(super) struct Shared {
    pub(super) session: Session,
    pub(super) verifier: Option<Verifier>,
    pub(super) timeout_ms: Option<u64>,
    connections: usize,
    clients: Mutex<HashMap<i32, Connected>>,
    left: Condvar,
    is_stopped: AtomicBool,
}

struct Connected {
    secret: i32,
    cancelled: Arc<AtomicBool>,
    stream: TcpStream,
}

/// A place among the clients, for as long as it is held.
pub(super) struct Ticket {
    pub(super) process: i32,
    /// What a client shows to have a statement cancelled.
    pub(super) secret: i32,
    /// Set, the statement that runs ends soon.
    pub(super) cancelled: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens at an address; at port 0, at one that is free.
    ///
    /// Errors: [`Code::ConfigInvalid`] for an address that other machines reach, without a password;
    /// [`Code::Storage`] where the system refuses.
    pub fn bind(
        address: SocketAddr,
        session: Session,
        options: &ServerOptions,
    ) -> Result<Server, Error> {
        if options.password.is_none() && !address.ip().is_loopback() {
            let message =
                format!("{address} can be reached from other machines: that takes a password");
            return Err(Error::new(Code::ConfigInvalid, message));
        }
        let verifier = options.password.as_deref().map(Verifier::new).transpose()?;
        let refused = |cause| {
            Error::new(
                Code::Storage,
                format!("Cannot listen at {address}: {cause}"),
            )
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let shared = Shared {
            session,
            verifier,
            timeout_ms: options.timeout_ms,
            connections: options.connections,
            clients: Mutex::default(),
            left: Condvar::new(),
            is_stopped: AtomicBool::new(false),
        };
        Ok(Server {
            listener,
            address,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until somebody calls [`stop`](Server::stop).
    pub fn run(&self) {
        let threads = Arc::new(AtomicUsize::new(0));
        while !self.shared.is_stopped() {
            let Ok((stream, _)) = self.listener.accept() else {
                thread::sleep(NO_SOCKET);
                continue;
            };
            let most = self.shared.connections + limits::OPENINGS;
            if self.shared.is_stopped() || threads.load(Ordering::Relaxed) >= most {
                continue;
            }
            threads.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&self.shared);
            let counted = Arc::clone(&threads);
            let serve = move || {
                let silence = TcpKeepalive::new().with_time(limits::SILENCE);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&silence);
                // A client that is gone, or talks nonsense, has been told; a panic costs its connection.
                let _ = catch_unwind(AssertUnwindSafe(|| client::serve(&shared, stream)));
                counted.fetch_sub(1, Ordering::Relaxed);
            };
            let started = thread::Builder::new()
                .name("datalith-client".to_owned())
                .stack_size(limits::STACK_BYTES)
                .spawn(serve);
            if started.is_err() {
                threads.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Ends what runs, tells the clients, and waits a moment for them to be gone.
    ///
    /// A transaction that is being written is finished first.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        // Whoever accepts is woken.
        let _ = TcpStream::connect_timeout(&reachable(self.address), limits::STOPPING);
        let clients = self.shared.clients();
        for client in clients.values() {
            client.cancelled.store(true, Ordering::Relaxed);
            let _ = client.stream.shutdown(Shutdown::Read);
        }
        let are_there = |clients: &mut HashMap<i32, Connected>| !clients.is_empty();
        let left = &self.shared.left;
        drop(left.wait_timeout_while(clients, limits::STOPPING, are_there));
    }
}

/// Where a socket that listens everywhere is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, HashMap<i32, Connected>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Gives a client a place.
    ///
    /// Errors: 53300 where there is none.
    pub(super) fn admit(self: &Arc<Shared>, stream: &TcpStream) -> Result<Ticket, Refusal> {
        let [process, secret] = [random()?, random()?].map(i32::from_be_bytes);
        let gone = |cause: std::io::Error| Refusal::new("58030", cause.to_string());
        let cancelled = Arc::new(AtomicBool::new(false));
        let connected = Connected {
            secret,
            cancelled: Arc::clone(&cancelled),
            stream: stream.try_clone().map_err(gone)?,
        };
        let mut clients = self.clients();
        if clients.len() >= self.connections || clients.contains_key(&process) {
            let message = format!("at most {} clients are served at a time", self.connections);
            return Err(Refusal::new("53300", message));
        }
        clients.insert(process, connected);
        Ok(Ticket {
            process,
            secret,
            cancelled,
            shared: Arc::clone(self),
        })
    }

    /// Ends what a client does, if the secret is the one that it was given.
    pub(super) fn cancel(&self, process: i32, secret: i32) {
        if let Some(client) = self.clients().get(&process)
            && client.secret == secret
        {
            client.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.clients().remove(&self.process);
        self.shared.left.notify_all();
    }
}
