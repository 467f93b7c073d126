//! A TUN device: the operating system hands us the packets that it routes there.
//!
//! The module owns the device's file and learns from netlink whether its link is up. It never sets
//! addresses, routes or the link's state: that is what [`Network`](crate::Network) is for.

#![allow(
    unsafe_code,
    reason = "the descriptor that tun-tap gives away as a number, and its registration"
)]

use super::Device;
use crate::error;
use crate::netlink::LinkWatcher;
use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tun_tap::{Iface, Mode};
use umptcp_stack::Transmit;

/// Parts of one packet that go to the device without being joined first: the headers, and more
/// payload slices than a packet is usually made of.
const MAX_PARTS: usize = 16;

/// Longest name of a link (`IFNAMSIZ` less the final zero).
const MAX_NAME_LEN: usize = 15;

/// A TUN device of the current network namespace. Dropping it removes the link.
#[derive(Debug)]
pub struct TunDevice {
    file: AsyncFd<File>,
    name: String,
    mtu: u16,
    link: LinkWatcher,
}

impl TunDevice {
    /// Creates the link `name`; `%d` in the name stands for the first free number.
    ///
    /// `mtu` is the largest packet to read and write. The link's own MTU, addresses, routes and
    /// state stay as the kernel makes them, down and empty, until [`Network`](crate::Network) or
    /// somebody else sets them; the stack notices when the link comes up.
    ///
    /// Must be called inside a tokio runtime, whose I/O driver then serves the device.
    ///
    /// # Errors
    /// `PermissionDenied` without the capability `CAP_NET_ADMIN`, `NotFound` without
    /// `/dev/net/tun`, `ResourceBusy` for a name in use, `InvalidInput` for a name that no link
    /// can have.
    pub fn open(name: &str, mtu: u16) -> io::Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(error::failed(
                format!("cannot open the TUN device {name}"),
                io::Error::other("not inside a tokio runtime"),
            ));
        }
        if name.len() > MAX_NAME_LEN || name.bytes().any(|b| b == 0 || b == b'/') {
            return Err(error::failed(
                format!("cannot open the TUN device {name:?}"),
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("a link's name has at most {MAX_NAME_LEN} bytes and no slash"),
                ),
            ));
        }
        Self::open_checked(name, mtu).map_err(|source| error::tun_open(name, source))
    }

    fn open_checked(name: &str, mtu: u16) -> io::Result<Self> {
        let iface = Iface::without_packet_info(name, Mode::Tun)?;
        iface.set_non_blocking()?;
        let name = iface.name().to_owned();
        // SAFETY: `into_raw_fd` gives away an open descriptor that nobody else closes; from here
        // on the `OwnedFd` is its only owner.
        let descriptor = unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) };
        let link = LinkWatcher::new(&name)?;
        // SAFETY: the `File` owns its descriptor, and nothing replaces or closes it while the
        // `AsyncFd` has it: only `&File` is ever taken out of it.
        let file = unsafe { AsyncFd::register(File::from(descriptor))? };
        Ok(Self {
            file,
            name,
            mtu,
            link,
        })
    }

    /// The link's name as the kernel settled it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Device for TunDevice {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.file.poll_read_ready(cx))?;
            // `WouldBlock` clears the readiness, so that the next turn waits for a new one.
            if let Ok(result) = ready.try_io(|file| file.get_ref().read(buffer)) {
                return Poll::Ready(result);
            }
        }
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        let payload = packet.payload();
        let written = self.file.try_io(Interest::WRITABLE, |mut file| {
            if payload.len() >= MAX_PARTS {
                return file.write(&packet.to_bytes());
            }
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            parts[0] = IoSlice::new(packet.header());
            for (part, slice) in parts[1..].iter_mut().zip(payload) {
                *part = IoSlice::new(slice);
            }
            file.write_vectored(&parts[..=payload.len()])
        })?;
        if written == packet.len() {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::WriteZero,
                "the TUN device took part of a packet",
            ))
        }
    }

    fn link_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_send_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error of the reactor shows in the next `send`, which reports it.
        self.file.poll_write_ready(cx).map(|_| ())
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.link.poll_state(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::namespace::in_network_namespace;
    use std::future::poll_fn;
    use std::net::UdpSocket;
    use std::time::Duration;

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), future)
            .await
            .expect("not within 10 s")
    }

    async fn receive(device: &mut TunDevice) -> Vec<u8> {
        let mut buffer = vec![0; 2000];
        loop {
            let len = soon(poll_fn(|cx| device.poll_recv(cx, &mut buffer)))
                .await
                .unwrap();
            // The kernel also sends IPv6 router solicitations there.
            if buffer[0] >> 4 == 4 {
                buffer.truncate(len);
                return buffer;
            }
        }
    }

    #[test]
    fn packets_come_in_and_link_changes_are_noticed() {
        in_network_namespace(|| async {
            let network = Network::connect().await.unwrap();
            let mut device = TunDevice::open("umptest%d", 1500).unwrap();
            assert_eq!(device.name(), "umptest0");
            assert_eq!(device.mtu(), 1500);
            assert!(
                !soon(poll_fn(|cx| device.poll_link(cx))).await,
                "down at first"
            );
            network
                .add_address("umptest0", [192, 0, 2, 1].into(), 24)
                .await
                .unwrap();
            for round in 0..3_u8 {
                network.set_up("umptest0").await.unwrap();
                assert!(soon(poll_fn(|cx| device.poll_link(cx))).await);
                let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
                socket.send_to(&[round; 100], "192.0.2.2:9").unwrap();
                let packet = receive(&mut device).await;
                // IPv4 and UDP headers, then what was sent.
                assert_eq!(packet.len(), 20 + 8 + 100);
                assert_eq!(packet[28..], [round; 100]);
                network.set_down("umptest0").await.unwrap();
                assert!(!soon(poll_fn(|cx| device.poll_link(cx))).await);
                // A device that is down must not keep the driver busy: it reports an error at
                // most, which makes the driver pause, and otherwise waits.
                let mut buffer = [0; 1500];
                let mut polls = 0;
                while let Poll::Ready(result) =
                    poll_fn(|cx| Poll::Ready(device.poll_recv(cx, &mut buffer))).await
                {
                    polls += 1;
                    assert!(polls < 20 || result.is_err(), "keeps on being ready");
                    if result.is_err() {
                        break;
                    }
                }
            }
        });
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        in_network_namespace(|| async {
            let _first = TunDevice::open("umptwice", 1500).unwrap();
            let error = TunDevice::open("umptwice", 1500).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
            assert!(error.to_string().contains("umptwice"), "{error}");
            for name in ["far-too-long-for-a-link", "with/slash", "with\0zero"] {
                let error = TunDevice::open(name, 1500).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            }
        });
    }

    #[test]
    fn a_runtime_is_needed() {
        let error = TunDevice::open("umpnone", 1500).unwrap_err();
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }
}
