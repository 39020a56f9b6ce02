//! What everybody may see: the state of the kernel, and what cells print, show and come to.
//!
//! In: messages and texts, from any thread. Out: messages in that order on the socket all clients subscribe
//! to. What is printed is gathered for a moment first, so that a page does not get a message per line.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jupyter_protocol::{
    DisplayData, IoPubWelcome, JupyterMessage, JupyterMessageContent, Media, Status, StreamContent,
};
use jupyter_zmq_client::{KernelIoPubXPubConnection, SubscriptionEvent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::host::Sink;
use crate::shown::Shown;

/// How long printed text is gathered.
const GATHER: Duration = Duration::from_millis(40);
/// How much printed text is gathered, in bytes.
const GATHER_BYTES: usize = 64 << 10;

/// What is to go out.
pub(super) enum Said {
    /// A message as it is.
    Message(Box<JupyterMessage>),
    /// Printed text, and the request whose cell printed it.
    Text(Arc<JupyterMessage>, String),
    /// A wish to hear that all before it went out.
    Mark(oneshot::Sender<()>),
}

/// The end that is spoken into. Clones speak into the same.
#[derive(Clone)]
pub(super) struct Broadcast {
    out: mpsc::UnboundedSender<Said>,
    /// The request whose cell runs, unless it is to run unheard.
    cell: Arc<Mutex<Option<Arc<JupyterMessage>>>>,
}

impl Broadcast {
    /// Both ends; [`publish`] takes the other.
    pub(super) fn channel() -> (Broadcast, mpsc::UnboundedReceiver<Said>) {
        let (out, said) = mpsc::unbounded_channel();
        let cell = Arc::default();
        (Broadcast { out, cell }, said)
    }

    /// The kernel is about to serve.
    pub(super) fn starting(&self) {
        self.say(Said::Message(Box::new(Status::starting().into())));
    }

    /// The kernel took up a request.
    pub(super) fn busy(&self, request: &JupyterMessage) {
        self.tell(Status::busy(), request);
    }

    /// The kernel is done with a request.
    pub(super) fn idle(&self, request: &JupyterMessage) {
        self.tell(Status::idle(), request);
    }

    /// Says something about a request.
    pub(super) fn tell(&self, content: impl Into<JupyterMessageContent>, request: &JupyterMessage) {
        let message = JupyterMessage::new(content, Some(request));
        self.say(Said::Message(Box::new(message)));
    }

    /// What is printed and shown from here on belongs to this request, or to nobody.
    pub(super) fn set_cell(&self, request: Option<Arc<JupyterMessage>>) {
        *self.cell.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// Waits until all that was said went out.
    pub(super) async fn went_out(&self) {
        let (sender, receiver) = oneshot::channel();
        self.say(Said::Mark(sender));
        // It is dropped only where the kernel ends.
        let _ = receiver.await;
    }

    fn say(&self, said: Said) {
        // When nobody publishes any more the kernel is ending.
        let _ = self.out.send(said);
    }

    fn cell(&self) -> Option<Arc<JupyterMessage>> {
        let cell = self.cell.lock().unwrap_or_else(PoisonError::into_inner);
        cell.clone()
    }
}

impl Sink for Broadcast {
    fn print(&self, text: &str) {
        if let Some(request) = self.cell() {
            self.say(Said::Text(request, text.to_owned()));
        }
    }

    fn show(&self, shown: &Shown) {
        if let Some(request) = self.cell() {
            self.tell(DisplayData::new(media(shown)), &request);
        }
    }
}

/// The forms of a value as the protocol has them.
pub(super) fn media(shown: &Shown) -> Media {
    serde_json::from_value(shown.bundle().into()).unwrap_or_default()
}

/// Sends what is said until nobody can say anything any more, and greets who subscribes.
pub(super) async fn publish(
    mut socket: KernelIoPubXPubConnection,
    mut said: mpsc::UnboundedReceiver<Said>,
) {
    let mut gathered: Option<Gathered> = None;
    loop {
        let due = gathered.as_ref().map(|gathered| gathered.due);
        let heard = tokio::select! {
            biased;
            event = socket.recv_subscription() => {
                match event {
                    Ok(SubscriptionEvent::Subscribe(topic)) => {
                        send(&mut socket, IoPubWelcome::new(topic).into()).await;
                    }
                    Ok(SubscriptionEvent::Unsubscribe(_)) => {}
                    // A client that went away.
                    Err(_) => tokio::task::yield_now().await,
                }
                continue;
            }
            heard = said.recv() => heard,
            () = at(due) => {
                flush(&mut socket, gathered.take()).await;
                continue;
            }
        };
        match heard {
            Some(Said::Text(request, text)) => {
                if gathered.as_ref().is_some_and(|of| !of.takes(&request)) {
                    flush(&mut socket, gathered.take()).await;
                }
                let of = gathered.get_or_insert_with(|| Gathered::of(request));
                of.text.push_str(&text);
            }
            Some(Said::Message(message)) => {
                flush(&mut socket, gathered.take()).await;
                send(&mut socket, *message).await;
            }
            Some(Said::Mark(reached)) => {
                flush(&mut socket, gathered.take()).await;
                let _ = reached.send(());
            }
            None => return,
        }
    }
}

/// Text that waits for more.
struct Gathered {
    request: Arc<JupyterMessage>,
    text: String,
    due: Instant,
}

impl Gathered {
    fn of(request: Arc<JupyterMessage>) -> Gathered {
        Gathered {
            request,
            text: String::new(),
            due: Instant::now() + GATHER,
        }
    }

    /// Whether more of this request's text belongs to it.
    fn takes(&self, request: &Arc<JupyterMessage>) -> bool {
        Arc::ptr_eq(&self.request, request)
            && self.text.len() < GATHER_BYTES
            && Instant::now() < self.due
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

async fn flush(socket: &mut KernelIoPubXPubConnection, gathered: Option<Gathered>) {
    if let Some(of) = gathered {
        let message = StreamContent::stdout(&of.text).as_child_of(&of.request);
        send(socket, message).await;
    }
}

async fn send(socket: &mut KernelIoPubXPubConnection, message: JupyterMessage) {
    // A client that cannot be reached misses what it misses; the others do not.
    let _ = socket.send(message).await;
}
