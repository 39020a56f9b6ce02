//! Requests one after another: cells to run, and questions about what is being typed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jupyter_protocol::{
    CommClose, CommInfoReply, ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest,
    ExecuteResult, HistoryReply, JupyterMessage, JupyterMessageContent as Content, ReplyError,
    ReplyStatus, ShutdownReply,
};
use jupyter_zmq_client::{RouterRecvConnection, RouterSendConnection};
use tokio::sync::{Notify, mpsc};

use super::answer;
use super::broadcast::{Broadcast, media};
use super::control::Interruption;
use crate::cell::{self, Failure};
use crate::host::Host;
use crate::shown::Shown;

/// How long a socket rests after what cannot be read from it.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Takes requests from the socket as they come, so that those that wait can be seen.
pub(super) async fn listen(
    mut socket: RouterRecvConnection,
    queue: mpsc::UnboundedSender<JupyterMessage>,
) {
    while !queue.is_closed() {
        match socket.read().await {
            // Whoever took the requests is gone only where the kernel ends.
            Ok(request) => drop(queue.send(request)),
            // A message that is none, or a client that went away.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The session and those who ask it.
pub(super) struct Shell {
    pub(super) replies: RouterSendConnection,
    pub(super) waiting: mpsc::UnboundedReceiver<JupyterMessage>,
    /// Requests that were passed over while others were given up.
    pub(super) later: VecDeque<JupyterMessage>,
    pub(super) broadcast: Broadcast,
    pub(super) host: Arc<Mutex<Host>>,
    pub(super) interruption: Interruption,
    pub(super) end: Arc<Notify>,
    /// How many cells were run and counted.
    pub(super) count: usize,
}

impl Shell {
    /// Answers until the kernel ends.
    pub(super) async fn serve(mut self) {
        let mut runs = 0;
        loop {
            let next = match self.later.pop_front() {
                Some(request) => Some(request),
                None => self.waiting.recv().await,
            };
            let Some(request) = next else {
                return;
            };
            let request = Arc::new(request);
            self.broadcast.busy(&request);
            let mut is_stop = false;
            match &request.content {
                Content::ExecuteRequest(asked) => {
                    runs += 1;
                    self.interruption.set_cell(runs);
                    let status = self.execute(&request, asked).await;
                    is_stop = asked.stop_on_error && status == ReplyStatus::Error;
                }
                content => {
                    if let Some(reply) = self.answer(content) {
                        self.reply(reply, &request).await;
                    }
                }
            }
            self.broadcast.idle(&request);
            if is_stop {
                self.give_up().await;
            }
            if matches!(request.content, Content::ShutdownRequest(_)) {
                self.broadcast.went_out().await;
                self.end.notify_one();
            }
        }
    }

    async fn execute(
        &mut self,
        request: &Arc<JupyterMessage>,
        asked: &ExecuteRequest,
    ) -> ReplyStatus {
        if asked.store_history && !asked.silent {
            self.count += 1;
        }
        let execution_count = self.count.into();
        if !asked.silent {
            let code = asked.code.clone();
            let input = ExecuteInput {
                code,
                execution_count,
            };
            self.broadcast.tell(input, request);
            self.broadcast.set_cell(Some(Arc::clone(request)));
        }
        let ran = self.run(asked.code.clone()).await;
        self.broadcast.set_cell(None);
        let mut reply = ExecuteReply {
            execution_count,
            user_expressions: Some(HashMap::new()),
            ..ExecuteReply::default()
        };
        match ran {
            Ok(Some(shown)) if !asked.silent => {
                let result = ExecuteResult::new(execution_count, media(&shown));
                self.broadcast.tell(result, request);
            }
            Ok(_) => {}
            Err(failure) => {
                if !asked.silent {
                    self.broadcast.tell(output_of(&failure), request);
                }
                reply.status = ReplyStatus::Error;
                reply.error = Some(Box::new(error_of(failure)));
            }
        }
        let status = reply.status.clone();
        self.broadcast.went_out().await;
        self.reply(reply, request).await;
        status
    }

    /// Runs a cell where it keeps nobody waiting who cannot wait.
    async fn run(&self, code: String) -> Result<Option<Shown>, Failure> {
        let host = Arc::clone(&self.host);
        let work = move || cell::run(&mut locked(&host), &code);
        let ran = tokio::task::spawn_blocking(work).await;
        self.interruption.set_cell(0);
        ran.unwrap_or_else(|broken| {
            let message = format!("the kernel broke off the cell: {broken}");
            Err(Failure {
                name: "Broken".to_owned(),
                traceback: vec![message.clone()],
                message,
            })
        })
    }

    /// Gives up the cells that wait already: they were meant to follow one that did not fail.
    async fn give_up(&mut self) {
        while let Ok(request) = self.waiting.try_recv() {
            if !matches!(request.content, Content::ExecuteRequest(_)) {
                self.later.push_back(request);
                continue;
            }
            self.broadcast.busy(&request);
            let reply = ExecuteReply {
                status: ReplyStatus::Aborted,
                execution_count: self.count.into(),
                user_expressions: Some(HashMap::new()),
                ..ExecuteReply::default()
            };
            self.reply(reply, &request).await;
            self.broadcast.idle(&request);
        }
    }

    /// The answer to what is no cell; none to what the kernel does not know.
    fn answer(&self, content: &Content) -> Option<Content> {
        let host = || locked(&self.host);
        let answer = match content {
            Content::KernelInfoRequest(_) => answer::about_kernel().into(),
            Content::CompleteRequest(asked) => answer::complete(&host(), asked).into(),
            Content::InspectRequest(asked) => answer::inspect(&host(), asked).into(),
            Content::IsCompleteRequest(asked) => answer::is_complete(&host(), asked).into(),
            Content::HistoryRequest(_) => HistoryReply::default().into(),
            Content::CommInfoRequest(_) => CommInfoReply::default().into(),
            Content::ShutdownRequest(asked) => ShutdownReply {
                restart: asked.restart,
                ..ShutdownReply::default()
            }
            .into(),
            Content::CommOpen(asked) => CommClose {
                comm_id: asked.comm_id.clone(),
                data: serde_json::Map::new(),
            }
            .into(),
            _ => return None,
        };
        Some(answer)
    }

    async fn reply(&mut self, content: impl Into<Content>, request: &JupyterMessage) {
        let content = content.into();
        if matches!(content, Content::CommClose(_)) {
            self.broadcast.tell(content, request);
            return;
        }
        let message = JupyterMessage::new(content, Some(request));
        // Who asked may be gone.
        let _ = self.replies.send(message).await;
    }
}

fn locked(host: &Mutex<Host>) -> MutexGuard<'_, Host> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

fn output_of(failure: &Failure) -> ErrorOutput {
    ErrorOutput {
        ename: failure.name.clone(),
        evalue: failure.message.clone(),
        traceback: failure.traceback.clone(),
    }
}

fn error_of(failure: Failure) -> ReplyError {
    ReplyError {
        ename: failure.name,
        evalue: failure.message,
        traceback: failure.traceback,
    }
}
