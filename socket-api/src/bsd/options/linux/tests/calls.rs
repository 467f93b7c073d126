//! Calls as Linux 6.18 has them (API reference 4.5, and measured): flags, `ioctl`, `poll`, and how
//! connections end.

use super::{Scene, Stage};
use crate::bsd::{
    Errno, Family, HowToShutDown, OptionProfile, ReceiveFlags, SendFlags, Socket, SocketState,
};
use libc::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM};
use umptcp_stack::MptcpCounter;

const READABLE: i16 = POLLIN | POLLRDNORM;
const WRITABLE: i16 = POLLOUT | POLLWRNORM;

fn scene(stage: Stage) -> Scene {
    Scene::new(OptionProfile::Linux, Family::V4, stage)
}

impl Scene {
    fn receive(&mut self, flags: i32) -> Result<usize, Errno> {
        let flags = ReceiveFlags::of_number(flags).expect("flags");
        self.socket
            .receive(&mut self.pair.net(0), &mut [0; 16], flags)
    }

    fn send(&mut self, flags: i32) -> Result<usize, Errno> {
        let flags = SendFlags::of_number(flags);
        self.socket.send(&mut self.pair.net(0), b"four", flags)
    }

    fn poll(&mut self) -> i16 {
        self.socket.readiness(&mut self.pair.net(0)).poll_bits()
    }

    fn peer(&mut self) -> &mut Socket {
        &mut self.others[0]
    }
}

#[test]
fn flags_mean_what_they_mean_to_linux() {
    use libc::{MSG_ERRQUEUE, MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ZEROCOPY};
    for (stage, nothing, send) in [
        (Stage::New, Errno::ENOTCONN, Err(Errno::EPIPE)),
        (Stage::Listening, Errno::ENOTCONN, Err(Errno::EPIPE)),
        (Stage::Connected, Errno::EAGAIN, Ok(4)),
    ] {
        let mut scene = scene(stage);
        for flags in [0, MSG_OOB, MSG_PEEK, MSG_TRUNC, libc::MSG_WAITALL] {
            assert_eq!(scene.receive(flags), Err(nothing), "{stage:?} {flags:x}");
        }
        assert_eq!(scene.receive(MSG_ERRQUEUE), Err(Errno::EAGAIN), "{stage:?}");
        // What has no meaning is dropped: urgent data goes in line.
        for flags in [0, MSG_OOB, MSG_MORE, MSG_ZEROCOPY, libc::MSG_NOSIGNAL] {
            assert_eq!(scene.send(flags), send, "{stage:?} {flags:x}");
        }
    }
    assert!(SendFlags::of_number(MSG_MORE | MSG_FASTOPEN).more);

    // What comes is read whatever the flags say, and only without a fallback with MSG_OOB.
    for (stage, urgent) in [
        (Stage::Connected, Ok(4)),
        (Stage::FallenBack, Err(Errno::EINVAL)),
    ] {
        let mut scene = scene(stage);
        let mut net = scene.pair.net(1);
        let sent = scene.others[0].send(&mut net, b"in line!", SendFlags::default());
        assert_eq!(sent, Ok(8));
        scene.pair.settle();
        assert_eq!(scene.receive(MSG_PEEK | MSG_TRUNC), Ok(8));
        let mut four = [0; 4];
        let flags = ReceiveFlags::of_number(MSG_OOB).unwrap();
        let net = &mut scene.pair.net(0);
        let read = scene.socket.receive(net, &mut four, flags);
        assert_eq!(read, urgent, "{stage:?}");
    }
}

#[test]
fn ioctl_tells_the_queues() {
    for (stage, expected) in [
        (Stage::New, Ok(0)),
        (Stage::Listening, Err(Errno::EINVAL)),
        (Stage::Connected, Ok(0)),
    ] {
        let mut scene = scene(stage);
        let net = scene.pair.net(0);
        assert_eq!(scene.socket.bytes_to_read(&net), expected, "{stage:?}");
        assert_eq!(scene.socket.bytes_unacknowledged(&net), expected);
        assert_eq!(scene.socket.bytes_unsent(&net), expected);
    }
    for stage in [Stage::Connected, Stage::FallenBack] {
        let mut scene = scene(stage);
        scene.pair.cut = [true; 2];
        assert_eq!(scene.send(0), Ok(4));
        let net = scene.pair.net(0);
        assert_eq!(scene.socket.bytes_unacknowledged(&net), Ok(4), "{stage:?}");
        assert_eq!(scene.socket.bytes_unsent(&net), Ok(4), "{stage:?}");
        scene.pair.settle();
        let net = scene.pair.net(0);
        assert_eq!(scene.socket.bytes_unsent(&net), Ok(0), "{stage:?}");
        assert_eq!(scene.socket.bytes_unacknowledged(&net), Ok(4), "{stage:?}");
        scene.pair.cut = [false; 2];
        scene.pair.run_for(std::time::Duration::from_secs(10));
        let net = scene.pair.net(0);
        assert_eq!(scene.socket.bytes_unacknowledged(&net), Ok(0), "{stage:?}");
        let net = scene.pair.net(1);
        assert_eq!(scene.others[0].bytes_to_read(&net), Ok(4), "{stage:?}");
    }
}

#[test]
fn poll_has_the_bits_of_linux() {
    assert_eq!(scene(Stage::New).poll(), WRITABLE | POLLHUP);
    assert_eq!(scene(Stage::Listening).poll(), 0);
    for stage in [Stage::Connected, Stage::FallenBack] {
        let mut scene = scene(stage);
        assert_eq!(scene.poll(), WRITABLE, "{stage:?}");
        let how = HowToShutDown::Write;
        let net = &mut scene.pair.net(1);
        scene.others[0].shutdown(net, how).unwrap();
        scene.pair.settle();
        assert_eq!(scene.poll(), READABLE | WRITABLE | POLLRDHUP, "{stage:?}");
        assert_eq!(scene.receive(0), Ok(0));
        scene.socket.shutdown(&mut scene.pair.net(0), how).unwrap();
        scene.pair.settle();
        let ended = READABLE | WRITABLE | POLLRDHUP | POLLHUP;
        assert_eq!(scene.poll(), ended, "{stage:?}");
    }

    // An attempt that fails.
    let mut scene = scene(Stage::New);
    let nobody = crate::bsd::SockAddr::plain(super::server_of(Family::V4));
    let begun = scene.socket.connect(&mut scene.pair.net(0), nobody);
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    scene.pair.settle();
    assert_eq!(scene.poll(), WRITABLE | POLLHUP | POLLERR);
    assert_eq!(
        scene.get_int(libc::SOL_SOCKET, libc::SO_ERROR),
        Ok(libc::ECONNREFUSED)
    );
    assert_eq!(scene.poll(), WRITABLE | POLLHUP);
    assert_eq!(*scene.socket.state(), SocketState::Fresh);
}

#[test]
fn closing_with_something_unread_or_without_lingering_is_a_fastclose() {
    for (unread, lingers, fastclosed) in [
        (true, true, true),
        (false, false, true),
        (false, true, false),
    ] {
        let mut scene = scene(Stage::Connected);
        if unread {
            assert_eq!(scene.send(0), Ok(4));
        }
        scene.pair.settle();
        let mut net = scene.pair.net(1);
        if !lingers {
            let value = [1_i32, 0].map(i32::to_ne_bytes).concat();
            let memory = &mut crate::bsd::NoMemory;
            let level = libc::SOL_SOCKET;
            scene.others[0]
                .setsockopt(&mut net, level, libc::SO_LINGER, &value, memory)
                .unwrap();
        }
        let server = scene.others.remove(0);
        server.close(&mut net);
        scene.pair.settle();
        let counters = scene.pair.hosts[1].endpoint.mptcp_counters();
        let sent = counters[MptcpCounter::MpFastcloseTx] > 0;
        assert_eq!(sent, fastclosed, "{unread} {lingers}");
        let bits = READABLE | WRITABLE | POLLRDHUP;
        let broken = bits | POLLHUP | POLLERR;
        assert_eq!(scene.poll(), if fastclosed { broken } else { bits });
        let error = if fastclosed { libc::ECONNRESET } else { 0 };
        assert_eq!(scene.get_int(libc::SOL_SOCKET, libc::SO_ERROR), Ok(error));
        assert_eq!(scene.receive(0), Ok(0));
    }
}

#[test]
fn only_what_listens_accepts() {
    for stage in [Stage::New, Stage::Connected, Stage::FallenBack] {
        let mut scene = scene(stage);
        let accepted = scene.socket.accept(&mut scene.pair.net(0));
        assert_eq!(
            accepted.map(|_| ()).unwrap_err(),
            Errno::EINVAL,
            "{stage:?}"
        );
    }
    let mut scene = scene(Stage::Connected);
    let shown = scene.peer().local_name();
    assert_eq!(scene.socket.peer_name(), Ok(shown));
}
