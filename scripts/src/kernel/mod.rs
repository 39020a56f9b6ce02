//! The kernel that Jupyter talks to: cells in, outputs out, over the five sockets of a connection file.
//!
//! Requests come in by [`shell`] one after another and are answered from [`answer`]; [`control`] hears
//! interruptions and the end meanwhile; all that everybody may see goes out by [`broadcast`]. Cells run in one
//! session on threads of their own. [`spec`] tells Jupyter where the kernel is. Protocol: Jupyter messages 5.3.

mod answer;
mod broadcast;
mod control;
mod shell;
pub mod spec;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jupyter_protocol::ConnectionInfo;
use jupyter_zmq_client as sockets;
use tokio::sync::{Notify, mpsc};

use crate::host::{Host, Settings};
use broadcast::Broadcast;
use control::{Control, Interruption};
use shell::Shell;

/// How long a cell that runs while the kernel is to end may take to notice.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// How long what was said last may take to leave the sockets.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How often the kernel looks whether the program that started it is still there.
const PARENT_LOOKS: Duration = Duration::from_secs(1);

/// Why a kernel could not be run, or could not go on.
#[derive(Debug)]
pub enum KernelError {
    /// The connection file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The connection file is none.
    Malformed(PathBuf, serde_json::Error),
    /// The system gives no threads or clocks.
    System(std::io::Error),
    /// A socket cannot be had.
    Socket(Box<sockets::RuntimeError>),
}

impl std::fmt::Display for KernelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KernelError::Unreadable(path, cause) => {
                write!(f, "cannot read {}: {cause}", path.display())
            }
            KernelError::Malformed(path, cause) => {
                write!(f, "{} is no connection file: {cause}", path.display())
            }
            KernelError::System(cause) => write!(f, "the kernel cannot start: {cause}"),
            KernelError::Socket(cause) => write!(f, "cannot listen for Jupyter: {cause}"),
        }
    }
}

impl std::error::Error for KernelError {}

impl From<sockets::RuntimeError> for KernelError {
    fn from(cause: sockets::RuntimeError) -> KernelError {
        KernelError::Socket(Box::new(cause))
    }
}

/// Serves the sockets that a connection file names, until Jupyter says it is enough.
pub fn run(connection_file: &Path, settings: &Settings) -> Result<(), KernelError> {
    let text = std::fs::read_to_string(connection_file)
        .map_err(|cause| KernelError::Unreadable(connection_file.to_owned(), cause))?;
    let place: ConnectionInfo = serde_json::from_str(&text)
        .map_err(|cause| KernelError::Malformed(connection_file.to_owned(), cause))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(KernelError::System)?;
    let served = runtime.block_on(serve(&place, settings));
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

async fn serve(place: &ConnectionInfo, settings: &Settings) -> Result<(), KernelError> {
    let session = uuid::Uuid::new_v4().to_string();
    let mut heartbeat = sockets::create_kernel_heartbeat_connection(place).await?;
    let shell = sockets::create_kernel_shell_connection(place, &session).await?;
    let control = sockets::create_kernel_control_connection(place, &session).await?;
    // Nobody asks for input; but clients look whether the socket is there.
    let _stdin = sockets::create_kernel_stdin_connection(place, &session).await?;
    let iopub = sockets::create_kernel_iopub_xpub_connection(place, &session).await?;

    tokio::spawn(async move { while heartbeat.single_heartbeat().await.is_ok() {} });
    let (broadcast, said) = Broadcast::channel();
    tokio::spawn(broadcast::publish(iopub, said));
    broadcast.starting();

    let host = Host::new(settings, Arc::new(broadcast.clone()));
    let interruption = Interruption::new(host.cancel_flag());
    let end = Arc::new(Notify::new());
    watch_parent(Arc::clone(&end));
    let control = Control {
        socket: control,
        broadcast: broadcast.clone(),
        interruption: interruption.clone(),
        end: Arc::clone(&end),
    };
    tokio::spawn(control.serve());
    let (replies, requests) = shell.split();
    let (queue, waiting) = mpsc::unbounded_channel();
    tokio::spawn(shell::listen(requests, queue));
    let shell = Shell {
        replies,
        waiting,
        later: VecDeque::new(),
        broadcast,
        host: Arc::new(Mutex::new(host)),
        interruption: interruption.clone(),
        end: Arc::clone(&end),
        count: 0,
    };
    tokio::spawn(shell.serve());
    end.notified().await;
    interruption.settle(END_PATIENCE).await;
    tokio::time::sleep(LAST_WORDS).await;
    Ok(())
}

/// Ends the kernel when the Jupyter that started it is gone and can no longer say so.
fn watch_parent(end: Arc<Notify>) {
    if std::env::var_os("JPY_PARENT_PID").is_none() {
        return;
    }
    #[cfg(unix)]
    tokio::spawn(async move {
        use std::os::unix::process::parent_id;
        let parent = parent_id();
        while parent_id() == parent {
            tokio::time::sleep(PARENT_LOOKS).await;
        }
        end.notify_one();
    });
    #[cfg(not(unix))]
    drop(end);
}
