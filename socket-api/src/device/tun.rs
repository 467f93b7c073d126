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
