//! The two ways a client reaches the pod: standard streams, or a local socket.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use crate::limits::SOCKET_ACCEPT_MS;
use crate::server::end::Ending;

/// Where messages come from and go to.
pub(crate) struct Transport {
    pub(crate) input: Box<dyn Read + Send>,
    pub(crate) output: Box<dyn Write + Send>,
    /// Removed at the end, if it is still there.
    pub(crate) port_file: Option<PathBuf>,
}

impl Transport {
    pub(crate) fn stdio() -> io::Result<Transport> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        // One stray byte on fd 1 would end the client's session: whoever prints now prints to stderr.
        nix::unistd::dup2_stdout(io::stderr())?;
        Ok(Transport {
            input: Box::new(input),
            output: Box::new(output),
            port_file: None,
        })
    }

    /// Offers a socket by the port file the client waits for, and takes one client.
    pub(crate) fn socket(ending: &Ending) -> io::Result<Transport> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let path = PathBuf::from(format!(".babashka-pod-{}.port", process::id()));
        fs::write(&path, format!("{}\n", listener.local_addr()?.port()))?;
        listener.set_nonblocking(true)?;
        let deadline = Instant::now() + Duration::from_millis(SOCKET_ACCEPT_MS);
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // Waiting for a reason to end is also the pause between two looks.
            if ending.is_announced_within(Duration::from_millis(1)) || Instant::now() > deadline {
                drop(fs::remove_file(&path));
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no client came"));
            }
        };
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let input = stream.try_clone()?;
        Ok(Transport {
            input: Box::new(input),
            output: Box::new(stream),
            port_file: Some(path),
        })
    }
}
