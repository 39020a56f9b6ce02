//! What is heard while a cell runs: interruptions, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jupyter_protocol::{
    InterruptReply, JupyterMessage, JupyterMessageContent, ReplyStatus, ShutdownReply,
};
use jupyter_zmq_client::KernelControlConnection;
use tokio::sync::Notify;

use super::answer;
use super::broadcast::Broadcast;
use super::shell::PAUSE;

/// How often an interruption is repeated: a cell that is just beginning forgets the first.
const REPEATS: usize = 5;
/// Time between two repetitions.
const REPEAT: Duration = Duration::from_millis(100);

/// Ends the cell that runs. Clones end the same.
#[derive(Clone)]
pub(super) struct Interruption {
    cancel: Arc<AtomicBool>,
    /// Which cell runs, counted from 1; 0 for none.
    cell: Arc<AtomicUsize>,
}

impl Interruption {
    /// Ends cells by a session's flag.
    pub(super) fn new(cancel: Arc<AtomicBool>) -> Interruption {
        let cell = Arc::default();
        Interruption { cancel, cell }
    }

    /// A cell begins to run, or with 0 the last one ended.
    pub(super) fn set_cell(&self, number: usize) {
        self.cell.store(number, Ordering::Relaxed);
    }

    /// Ends the cell that runs now, and no other.
    pub(super) fn interrupt(&self) {
        let cell = self.cell.load(Ordering::Relaxed);
        if cell == 0 {
            return;
        }
        self.cancel.store(true, Ordering::Relaxed);
        let again = self.clone();
        tokio::spawn(async move {
            for _ in 0..REPEATS {
                tokio::time::sleep(REPEAT).await;
                if again.cell.load(Ordering::Relaxed) != cell {
                    return;
                }
                again.cancel.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Ends cells until none runs, or patience ends.
    pub(super) async fn settle(&self, patience: Duration) {
        let ended = async {
            while self.cell.load(Ordering::Relaxed) != 0 {
                self.cancel.store(true, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        };
        // A cell that does not end keeps its thread, which ends with the process.
        let _ = tokio::time::timeout(patience, ended).await;
    }
}

/// The socket of what cannot wait.
pub(super) struct Control {
    pub(super) socket: KernelControlConnection,
    pub(super) broadcast: Broadcast,
    pub(super) interruption: Interruption,
    pub(super) end: Arc<Notify>,
}

impl Control {
    /// Answers until the kernel ends.
    pub(super) async fn serve(mut self) {
        loop {
            match self.socket.read().await {
                Ok(request) => self.take(&request).await,
                // A message that is none, or a client that went away.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn take(&mut self, request: &JupyterMessage) {
        self.broadcast.busy(request);
        let reply: Option<JupyterMessageContent> = match &request.content {
            JupyterMessageContent::KernelInfoRequest(_) => Some(answer::about_kernel().into()),
            JupyterMessageContent::InterruptRequest(_) => {
                self.interruption.interrupt();
                Some(InterruptReply::new().into())
            }
            JupyterMessageContent::ShutdownRequest(asked) => {
                let reply = ShutdownReply {
                    restart: asked.restart,
                    status: ReplyStatus::Ok,
                    error: None,
                };
                Some(reply.into())
            }
            _ => None,
        };
        if let Some(reply) = reply {
            // Who does not wait for the answer does not need it.
            let _ = self
                .socket
                .send(JupyterMessage::new(reply, Some(request)))
                .await;
        }
        self.broadcast.idle(request);
        if matches!(request.content, JupyterMessageContent::ShutdownRequest(_)) {
            self.broadcast.went_out().await;
            self.end.notify_one();
        }
    }
}
