//! Listeners: transaction reports that flow to a client until it has enough.
//!
//! The engine's commit path calls back with each report; the callback only queues it, and a thread
//! for each listener encodes and writes. So a slow client never holds a commit up: one that falls
//! too far behind is told so and dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use datalith_engine::conn::{Conn, ListenerId, TxReport};
use datalith_engine::{Code, Error, Result, Value};

use crate::limits::{LISTENER_REPORTS, LISTENERS};
use crate::lock::hold;
use crate::ops::call::Call;
use crate::ops::change;
use crate::server::{Outcome, ReplyTo};

/// The listeners of all connections, by the name of the connection and the client's key.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<HashMap<(String, Value), Listener>>);

struct Listener {
    conn: Conn,
    id: ListenerId,
}

/// `listen`: the first answer is the key, the following are reports.
pub(crate) fn listen(call: &Call<'_>) -> Result<Outcome> {
    let (name, conn) = call.session.handles.named_connection(call.arg(0))?;
    let key = (name, call.arg(1).clone());
    let listeners = &call.session.listeners;
    listeners.end(&key);
    if hold(&listeners.0).len() >= LISTENERS {
        let message = format!("The pod already has {LISTENERS} listeners. End some with unlisten");
        return Err(Error::new(Code::Limit, message).with("limit", LISTENERS));
    }
    let (sender, reports) = sync_channel(LISTENER_REPORTS);
    let overrun = Arc::new(AtomicBool::new(false));
    let id = conn.listen(Box::new(queue_reports(sender, overrun.clone())));
    let listener = Listener { conn, id };
    if let Some(replaced) = hold(&listeners.0).insert(key.clone(), listener) {
        replaced.end();
    }
    // The key goes out when the listener stands where `unlisten` and `release` look for it: what is
    // transacted after it is heard, and what ends it after it ends it.
    let reply = call.reply.clone();
    reply.value(call.arg(1));
    let forwarding = move || forward(&reports, &overrun, &reply);
    if let Err(error) = thread::Builder::new()
        .name("listener".to_owned())
        .spawn(forwarding)
    {
        listeners.end(&key);
        return Err(Error::new(
            Code::Internal,
            format!("No thread for a listener: {error}"),
        ));
    }
    Ok(Outcome::Open)
}

/// `unlisten`
pub(crate) fn unlisten(call: &Call<'_>) -> Result<Value> {
    let (name, _) = call.session.handles.named_connection(call.arg(0))?;
    Ok(Value::Bool(
        call.session.listeners.end(&(name, call.arg(1).clone())),
    ))
}

impl Listeners {
    /// Ends every listener of a connection.
    pub(crate) fn end_all_of(&self, connection: &str) {
        let ended: Vec<Listener> = hold(&self.0)
            .extract_if(|(name, _), _| name == connection)
            .map(|(_, listener)| listener)
            .collect();
        ended.into_iter().for_each(Listener::end);
    }

    /// Ends one listener; whether there was one.
    fn end(&self, key: &(String, Value)) -> bool {
        let ended = hold(&self.0).remove(key);
        let found = ended.is_some();
        ended.into_iter().for_each(Listener::end);
        found
    }
}

impl Listener {
    /// The engine drops the callback, and the sender with it: the thread then ends the call.
    fn end(self) {
        self.conn.unlisten(self.id);
    }
}

/// The callback on the commit path: never waits.
fn queue_reports(
    sender: SyncSender<TxReport>,
    overrun: Arc<AtomicBool>,
) -> impl Fn(&TxReport) + Send + Sync {
    let sender = Mutex::new(Some(sender));
    move |report| {
        let mut sender = hold(&sender);
        let refused = sender
            .as_ref()
            .is_some_and(|open| open.try_send(report.clone()).is_err());
        if refused {
            overrun.store(true, Ordering::Release);
            *sender = None;
        }
    }
}

/// Writes reports until there are no more.
fn forward(reports: &Receiver<TxReport>, overrun: &AtomicBool, reply: &ReplyTo) {
    for report in reports {
        reply.value(&change::summary(&report));
    }
    if overrun.load(Ordering::Acquire) {
        let message =
            format!("The listener fell {LISTENER_REPORTS} reports behind and was dropped");
        reply.failed(&Error::new(Code::Limit, message).with("limit", LISTENER_REPORTS));
    } else {
        reply.finished();
    }
}
