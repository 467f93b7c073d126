//! The task of a listening socket.
//!
//! The module owns making the descriptor readable while a connection waits. It accepts nothing.

use crate::descriptor::Descriptor;
use crate::pair::put_token;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use umptcp::Interest;
use umptcp::bsd::SocketState;

/// Serves a listening socket until it listens no longer.
pub(crate) async fn serve(descriptor: Arc<Descriptor>) {
    let readable = Interest {
        readable: true,
        ..Interest::default()
    };
    loop {
        tokio::select! {
            () = descriptor.closed() => return,
            () = descriptor.look_again.notified() => {}
            ready = poll_fn(|cx| descriptor.poll_ready(cx, readable)) => {
                let _ = ready;
                if announce(&descriptor) {
                    // It stays ready until somebody has accepted.
                    tokio::select! {
                        () = descriptor.closed() => return,
                        () = descriptor.look_again.notified() => {}
                    }
                }
            }
        }
        if descriptor.has_stopped_listening() {
            return;
        }
    }
}

/// It listens.
pub(crate) fn is_listening(descriptor: &Descriptor) -> bool {
    let looked =
        descriptor.with(|socket, _| Ok(matches!(socket.state(), SocketState::Listening(_))));
    looked.unwrap_or(false)
}

/// Makes the descriptor readable if a connection waits, and says whether it listens at all.
pub(crate) fn announce(descriptor: &Descriptor) -> bool {
    let _accepting = descriptor
        .accepting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !is_listening(descriptor) {
        return false;
    }
    if connection_waits(descriptor) {
        put_token(descriptor.end());
    }
    true
}

/// A connection waits to be accepted.
pub(crate) fn connection_waits(descriptor: &Descriptor) -> bool {
    let looked = descriptor.with(|socket, net| Ok(socket.readiness(net).readable));
    looked.unwrap_or(false)
}
