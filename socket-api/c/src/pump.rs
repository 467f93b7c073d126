//! The task that carries bytes between a pair and its connection.
//!
//! The module owns both directions and how each ends: what the application shuts or closes reaches the
//! connection after everything that was written before, and what ends the connection reaches the
//! application after everything that has arrived.

use crate::descriptor::{Descriptor, Phase};
use crate::end::{End, end_direction};
use nix::errno::Errno;
use nix::sys::socket::Shutdown;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use umptcp::Interest;
use umptcp::bsd::{HowToShutDown, Readiness, ReceiveFlags, SendFlags};

/// What is carried at once.
const PIECE: usize = 32 * 1024;

/// How a direction has ended.
enum Ended {
    /// In order.
    Finished,
    /// The application has closed its end with something unread in it.
    Unread,
    /// By an error of the connection.
    Failed(Errno),
}

/// Serves a connection until it is over for the application.
pub(crate) async fn serve(descriptor: Arc<Descriptor>) {
    tokio::select! {
        // Whoever closed has let the socket go.
        () = descriptor.closed() => return,
        established = established(&descriptor) => {
            if !established {
                // The error stays on the stack's side, for `connect` or `SO_ERROR` to tell.
                return descriptor.hang_up();
            }
            descriptor.drain_filler();
        }
    }
    if !descriptor.enter(Phase::Carrying) {
        return;
    }
    match End::register(Arc::clone(descriptor.end())) {
        Ok(end) => carry(&descriptor, &end).await,
        Err(_) => {
            descriptor.keep_error(Errno::ENOMEM);
            descriptor.hang_up();
        }
    }
}

/// Waits until it is known how connecting went.
async fn established(descriptor: &Descriptor) -> bool {
    let either = Interest {
        readable: true,
        writable: true,
    };
    ready(descriptor, either).await;
    let looked = descriptor.with(|socket, net| {
        let info = socket
            .connection()
            .and_then(|id| net.endpoint.connection_info(id));
        Ok(info.is_some_and(|info| info.established))
    });
    looked.unwrap_or(false)
}

async fn ready(descriptor: &Descriptor, interest: Interest) -> Readiness {
    poll_fn(|cx| descriptor.poll_ready(cx, interest)).await
}

async fn carry(descriptor: &Descriptor, end: &End) {
    let mut up = pin!(upwards(descriptor, end));
    let mut down = pin!(downwards(descriptor, end));
    let mut closed = pin!(descriptor.closed());
    let (mut up_done, mut down_done, mut app_gone) = (false, false, false);
    while !(up_done && app_gone) {
        tokio::select! {
            ended = &mut up, if !up_done => {
                up_done = true;
                match ended {
                    Ended::Finished => {}
                    Ended::Unread => abort(descriptor),
                    Ended::Failed(error) => {
                        descriptor.keep_error(error);
                        end_direction(descriptor.end(), Shutdown::Read);
                    }
                }
            }
            ended = &mut down, if !down_done => {
                down_done = true;
                if let Ended::Failed(error) = ended {
                    descriptor.keep_error(error);
                    return descriptor.hang_up();
                }
            }
            // Nobody reads any more, so nobody else notices when the connection is lost.
            failed = lost(descriptor), if down_done && !up_done && !app_gone => {
                if failed {
                    return descriptor.hang_up();
                }
            }
            () = &mut closed, if !app_gone => {
                app_gone = true;
                down_done = true;
            }
        }
    }
    descriptor.let_go();
}

/// Waits until the connection is over, and says whether by an error.
async fn lost(descriptor: &Descriptor) -> bool {
    let ready = ready(descriptor, Interest::default()).await;
    if !ready.error {
        // It has ended in order, and a write will say so.
        std::future::pending::<()>().await;
    }
    true
}

/// As a kernel does when something is closed that holds unread data: at once.
fn abort(descriptor: &Descriptor) {
    let _ = descriptor.with(|socket, net| {
        if let Some(id) = socket.connection() {
            // The only error is that it is gone already.
            let _ = net.endpoint.abort(net.now, id);
        }
        Ok(())
    });
}

/// From the application to the connection.
async fn upwards(descriptor: &Descriptor, end: &End) -> Ended {
    loop {
        if end.readable().await.is_err() {
            return Ended::Failed(Errno::EIO);
        }
        // Only while there is something to carry: an idle connection holds no memory.
        let mut piece = vec![0; PIECE];
        loop {
            let read = descriptor.moving(|| end.try_receive(&mut piece), |read| read);
            let len = match read {
                Ok(0) => {
                    // What was closed is let go in a moment, and `SO_LINGER` may say how.
                    if descriptor.is_open() {
                        let how = HowToShutDown::Write;
                        // One that has ended has nothing to shut.
                        let _ = descriptor.with(|socket, net| socket.shutdown(net, how));
                    }
                    return Ended::Finished;
                }
                Ok(len) => len,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => continue,
                Err(_) => return Ended::Unread,
            };
            if let Err(error) = send(descriptor, piece.get(..len).unwrap_or_default()).await {
                return Ended::Failed(error);
            }
            // Others have their turn as well.
            tokio::task::consume_budget().await;
        }
    }
}

async fn send(descriptor: &Descriptor, mut bytes: &[u8]) -> Result<(), Errno> {
    let flags = SendFlags {
        // Once for each `send` that says so: after a plain `write` nothing is held back.
        more: descriptor.more_follows.swap(false, Ordering::Relaxed),
        ..SendFlags::default()
    };
    while !bytes.is_empty() {
        let len = bytes.len();
        let sent = descriptor.moving(
            || descriptor.with(|socket, net| socket.send(net, bytes, flags)),
            |sent| len.saturating_sub(sent),
        );
        match sent {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(Errno::EAGAIN) => {
                let writable = Interest {
                    writable: true,
                    ..Interest::default()
                };
                ready(descriptor, writable).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// From the connection to the application.
async fn downwards(descriptor: &Descriptor, end: &End) -> Ended {
    let readable = Interest {
        readable: true,
        ..Interest::default()
    };
    loop {
        ready(descriptor, readable).await;
        let mut piece = vec![0; PIECE];
        loop {
            let flags = ReceiveFlags::default();
            let len = match descriptor.with(|socket, net| socket.receive(net, &mut piece, flags)) {
                Ok(0) => {
                    end_direction(descriptor.end(), Shutdown::Write);
                    return Ended::Finished;
                }
                Ok(len) => len,
                Err(Errno::EAGAIN) => break,
                Err(error) => return Ended::Failed(error),
            };
            if end
                .send_all(piece.get(..len).unwrap_or_default())
                .await
                .is_err()
            {
                // The application reads no more. If that was `close`, the rest follows from it.
                let how = HowToShutDown::Read;
                let _ = descriptor.with(|socket, net| socket.shutdown(net, how));
                return Ended::Finished;
            }
            tokio::task::consume_budget().await;
        }
    }
}
