//! A server for clients of other databases: `serve --pg ADDRESS`.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use datalith_sql::server::{Server, ServerOptions};
use datalith_sql::{Executor, ExecutorOptions, Session, Source, limits};
use nix::sys::signal::{SigSet, Signal};

use super::arguments::Place;
use super::database;
use super::fault::Fault;

/// `serve`
#[derive(Args)]
#[command(after_help = "\
Clients of PostgreSQL, such as psql and psycopg, ask SQL of one database. Each statement sees the
newest state, and each change is a transaction by itself: there are no transactions of several
statements. Nothing is encrypted. Without a password only this machine can connect, with all of its
users; other addresses than 127.0.0.1 and ::1 take --password-file. Ctrl-C ends the server.

Examples:
  datalith serve --pg 127.0.0.1:5432 --db notes.db
  psql -h 127.0.0.1 -c 'select * from note'
  datalith serve --pg 0.0.0.0:5432 --password-file secret --timeout 60000 --db notes.db")]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where to listen for clients of PostgreSQL; at port 0, at one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5432")]
    pg: String,
    /// A file whose first line is the password that clients must know, whatever name they give
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Most time of a statement, in milliseconds [default: any]
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Most clients at one time
    #[arg(long, value_name = "COUNT", default_value_t = limits::CONNECTIONS)]
    connections: usize,
}

/// Serves until Ctrl-C.
pub(crate) fn run(arguments: &Serve) -> Result<(), Fault> {
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGINT);
    ending.add(Signal::SIGTERM);
    let failed = |cause: io::Error| Fault::Failed(format!("cannot serve: {cause}"));
    // Threads inherit the mask, so only this one ever sees the signals.
    ending
        .thread_block()
        .map_err(|cause| failed(cause.into()))?;
    let options = ServerOptions {
        password: arguments
            .password_file
            .as_deref()
            .map(password)
            .transpose()?,
        timeout_ms: arguments.timeout,
        connections: arguments.connections,
    };
    let address = address(&arguments.pg)?;
    let conn = database::connect(&arguments.place)?;
    let executor = Executor::new(&ExecutorOptions::default())?;
    let session = Session::new(&executor, Source::Conn(conn));
    let server = Server::bind(address, session, &options)?;
    writeln!(io::stdout().lock(), "listening at {}", server.address())?;
    thread::scope(|scope| {
        let serving = thread::Builder::new().name("serve".to_owned());
        serving
            .spawn_scoped(scope, || server.run())
            .map_err(failed)?;
        let waited = ending.wait();
        server.stop();
        waited.map_err(|cause| failed(cause.into()))
    })?;
    Ok(())
}

/// The first address that a name and a port stand for.
fn address(text: &str) -> Result<SocketAddr, Fault> {
    let resolved = text.to_socket_addrs();
    let first = resolved.ok().and_then(|mut addresses| addresses.next());
    first.ok_or_else(|| {
        Fault::Usage(format!(
            "--pg {text}: that is no address with a port, such as 127.0.0.1:5432"
        ))
    })
}

fn password(path: &Path) -> Result<String, Fault> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|cause| Fault::unreadable(&path.display().to_string(), &cause))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
