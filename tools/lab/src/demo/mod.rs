//! The main job end to end: a transfer between two hosts over several paths, some of which may
//! fail on the way, and the proof that it arrived as it was sent.
//!
//! The module owns one run from options to report: the private network, the stacks or the kernel
//! socket, the transfer, its cuts and its watchdog. It prints nothing and decides no exit status.

mod error;
mod exchange;
mod hosts;
mod options;
mod report;
mod transfer;

pub use error::DemoError;
pub use exchange::STALL_LIMIT;
pub use options::{Cut, DemoOptions, Direction, LinkChoice, Peer};
pub use report::{CutReport, Links, Report, SubflowReport};

use crate::topology::{AddressPlan, Recorder, namespace};
use exchange::exchange;
use hosts::{Far, Hosts};
use report::{Outcome, Role};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use umptcp::{ConnectionInfo, MptcpStream, SubflowInfo};

/// How long the subflows may take to come up before the transfer begins without them.
const JOIN_LIMIT: Duration = Duration::from_millis(500);

/// How long the last acknowledgments and the end of the connection may take; the report does not
/// wait for them any longer.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// Hears how a run is going.
pub trait Observer {
    /// Something that the user should know.
    fn notice(&mut self, text: &str);
    /// So many bytes have arrived.
    fn progress(&mut self, bytes: u64);
}

/// An observer that does not care.
impl Observer for () {
    fn notice(&mut self, _: &str) {}
    fn progress(&mut self, _: u64) {}
}

/// Runs one transfer to its end.
///
/// The calling thread moves into a private network namespace and stays there. Without privileges
/// that works only in a process of one thread.
///
/// # Errors
/// It cannot be run, or the transfer fails. A transfer whose bytes arrive, but not as they were
/// sent, is no error: see [`Report::intact`].
pub fn run(options: &DemoOptions, observer: &mut dyn Observer) -> Result<Report, DemoError> {
    options.check()?;
    let links = enter_network(options, observer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(DemoError::Runtime)?;
    let report = runtime.block_on(transfer_over(links, options, observer));
    // A reader of the payload that hangs, as on a network file system, is left behind.
    runtime.shutdown_timeout(Duration::from_secs(1));
    report
}

fn enter_network(options: &DemoOptions, observer: &mut dyn Observer) -> Result<Links, DemoError> {
    if options.links == LinkChoice::InProcess {
        return Ok(Links::InProcess);
    }
    match namespace::check_tun_file().and_then(|()| namespace::enter_private_network()) {
        Ok(_) => Ok(Links::Tun),
        Err(error) if options.needs_tun() => Err(DemoError::Namespace(error)),
        Err(error) => {
            fall_back(observer, &error);
            Ok(Links::InProcess)
        }
    }
}

fn fall_back(observer: &mut dyn Observer, why: &dyn std::error::Error) {
    observer.notice(&format!("{why}; running over in-process links instead"));
}

async fn transfer_over(
    links: Links,
    options: &DemoOptions,
    observer: &mut dyn Observer,
) -> Result<Report, DemoError> {
    let plan = AddressPlan::new(options.family, options.paths);
    let recorder = options.capture.clone().map(Recorder::new);
    let hosts = match Hosts::start(links, plan, options, recorder.as_ref()).await {
        Err(error @ DemoError::Tun(_)) if !options.needs_tun() => {
            fall_back(observer, &error);
            Hosts::start(Links::InProcess, plan, options, recorder.as_ref()).await?
        }
        started => started?,
    };
    let mut report = Report::from(transfer_between(&hosts, plan, options, observer).await?);
    if let Some(recorder) = recorder {
        // The packets of the farewell belong to the capture, too.
        recorder.quiet(FAREWELL_LIMIT).await;
        hosts.stop().await;
        report.capture_error = recorder.finish().err();
    }
    Ok(report)
}

async fn transfer_between(
    hosts: &Hosts,
    plan: AddressPlan,
    options: &DemoOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome, DemoError> {
    let (near, far) = timeout(STALL_LIMIT, hosts.connect(options))
        .await
        .map_err(|_| DemoError::Connect(io::ErrorKind::TimedOut.into()))??;
    let paths = hosts.paths();
    let (exchanged, connection, subflows, role) = match (far, options.peer) {
        (Far::Kernel(far), Peer::Kernel(Direction::FromKernel)) => {
            let (far, near, exchanged) = exchange(far, near, paths, options, observer).await?;
            let (connection, subflows) = part(near, far).await;
            (exchanged, connection, subflows, Role::Receiver)
        }
        (Far::Kernel(far), _) => {
            let (near, far, exchanged) = exchange(near, far, paths, options, observer).await?;
            let (connection, subflows) = part(near, far).await;
            (exchanged, connection, subflows, Role::Sender)
        }
        (Far::Stack(far), _) => {
            let _ = timeout(JOIN_LIMIT, joined(&near, options.paths)).await;
            let (near, far, exchanged) = exchange(near, far, paths, options, observer).await?;
            let (connection, subflows) = part(near, far).await;
            (exchanged, connection, subflows, Role::Sender)
        }
    };
    let (links, peer) = (paths.links(), options.peer);
    Ok(Outcome {
        links,
        plan,
        peer,
        role,
        exchanged,
        connection,
        subflows,
    })
}

/// Waits for a subflow on each path: a transfer that fits into the first one's windows would
/// otherwise be over before the others are there. The kernel opens its paths only for data.
async fn joined(stream: &MptcpStream, paths: usize) {
    let established = |subflow: &SubflowInfo| subflow.state.can_send();
    while stream.subflows().iter().filter(|s| established(s)).count() < paths {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Ends the connection in order, and keeps the client's last look at it.
async fn part(
    mut near: MptcpStream,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
) -> (ConnectionInfo, Vec<SubflowInfo>) {
    // The report does not depend on any of this: what goes wrong here is left as it is.
    let ended = async {
        let _ = tokio::join!(near.shutdown(), far.shutdown());
        near.flushed().await
    };
    let _ = timeout(FAREWELL_LIMIT, ended).await;
    (near.info(), near.subflows())
}
