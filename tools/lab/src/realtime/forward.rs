//! The thread of a path: reads TUN devices, and delivers what comes out of the links.
//!
//! It owns what waits (mio's poll, a timer of the kernel) and the ends. A turn is: read, exchange
//! with the links, deliver; it sleeps only after an exchange that gave nothing to deliver.

use super::device::Inbox;
use super::shared::{Next, Placed, Shared, WOKEN};
use super::{PerSide, Side};
use bytes::{Bytes, BytesMut};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::time::Duration;
use tun_tap::Iface;
use umptcp_stack::Instant;

const TIMER: Token = Token(1);

/// Packets read from one device in a turn, so that reading does not hold up what is due.
const READ_BUDGET: usize = 64;

/// Bytes of the blocks that packets are read into, as in the driver of a stack.
const BLOCK_LEN: usize = 256 << 10;

impl Side {
    const fn token(self) -> Token {
        match self {
            Self::Client => Token(WOKEN.0 + 2),
            Self::Server => Token(WOKEN.0 + 3),
        }
    }
}

/// Where packets leave the path, and for a kernel where they enter it as well.
#[derive(Debug, Default)]
pub(super) enum Outlet {
    /// Nobody is there.
    #[default]
    Nobody,
    /// A stack of this process.
    Stack(Arc<Inbox>),
    /// A kernel.
    Tun(Tun),
}

#[derive(Debug)]
pub(super) struct Tun {
    device: Iface,
    mtu: usize,
    /// It was not read to the end: the poll reports only what comes after that.
    readable: bool,
}

impl Outlet {
    /// `false` if nobody takes the packet.
    fn deliver(&self, packet: Bytes) -> bool {
        match self {
            Self::Nobody => false,
            Self::Stack(inbox) => inbox.put(packet),
            Self::Tun(tun) => tun
                .device
                .send(&packet)
                .is_ok_and(|written| written == packet.len()),
        }
    }

    /// Everything due has been delivered.
    fn flush(&self) {
        if let Self::Stack(inbox) = self {
            inbox.tell();
        }
    }

    fn has_more(&self) -> bool {
        matches!(self, Self::Tun(tun) if tun.readable)
    }
}

#[derive(Debug)]
pub(super) struct Forwarder {
    shared: Arc<Shared>,
    poll: Poll,
    timer: TimerFd,
    outlets: PerSide<Outlet>,
    /// The rest of the block that packets are read into, all of it initialized.
    block: BytesMut,
    received: Vec<Placed>,
    due: Vec<Placed>,
}

impl Forwarder {
    pub(super) fn new(shared: Arc<Shared>, poll: Poll) -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let descriptor = timer.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&descriptor), TIMER, Interest::READABLE)?;
        Ok(Self {
            shared,
            poll,
            timer,
            outlets: PerSide::default(),
            block: BytesMut::new(),
            received: Vec::new(),
            due: Vec::new(),
        })
    }

    pub(super) fn attach(&mut self, side: Side, outlet: Outlet) {
        *self.outlets.get_mut(side) = outlet;
    }

    pub(super) fn attach_tun(&mut self, side: Side, device: Iface, mtu: u16) -> io::Result<()> {
        device.set_non_blocking()?;
        let descriptor = device.as_raw_fd();
        self.poll.registry().register(
            &mut SourceFd(&descriptor),
            side.token(),
            Interest::READABLE,
        )?;
        // What came before the registration is not reported.
        let tun = Tun {
            device,
            mtu: mtu.into(),
            readable: true,
        };
        self.attach(side, Outlet::Tun(tun));
        Ok(())
    }

    /// Carries packets until the path is stopped.
    pub(super) fn run(mut self) -> io::Result<()> {
        let result = self.carry();
        self.shared.stop();
        for side in [Side::Client, Side::Server] {
            if let Outlet::Stack(inbox) = self.outlets.get(side) {
                inbox.close();
            }
        }
        result
    }

    fn carry(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(8);
        loop {
            for side in [Side::Client, Side::Server] {
                self.read(side);
            }
            let more = self.outlets.client.has_more() || self.outlets.server.has_more();
            match self
                .shared
                .exchange(&mut self.received, &mut self.due, more)
            {
                Next::Stop => return Ok(()),
                Next::Deliver => self.deliver(),
                Next::Sleep(deadline) => self.sleep(&mut events, deadline)?,
            }
        }
    }

    /// Reads what a kernel has sent.
    fn read(&mut self, side: Side) {
        let Outlet::Tun(tun) = self.outlets.get_mut(side) else {
            return;
        };
        for _ in 0..READ_BUDGET {
            if !tun.readable {
                return;
            }
            if self.block.len() < tun.mtu {
                self.block.clear();
                self.block.reserve(BLOCK_LEN);
                self.block.resize(BLOCK_LEN, 0);
            }
            match tun.device.recv(&mut self.block[..tun.mtu]) {
                Ok(len) => {
                    let packet = self.block.split_to(len.min(tun.mtu)).freeze();
                    self.received.push((side, packet));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more, or a device that is down: the next packet will be reported.
                Err(_) => tun.readable = false,
            }
        }
    }

    fn deliver(&mut self) {
        let mut refused = 0;
        for (side, packet) in self.due.drain(..) {
            if !self.outlets.get(side).deliver(packet) {
                refused += 1;
            }
        }
        self.outlets.client.flush();
        self.outlets.server.flush();
        if refused > 0 {
            self.shared.refuse(refused);
        }
    }

    fn sleep(&mut self, events: &mut Events, deadline: Option<Instant>) -> io::Result<()> {
        if let Some(deadline) = deadline {
            let wait = deadline.saturating_duration_since(self.shared.now());
            // Zero would disarm the timer.
            let wait = TimeSpec::from_duration(wait.max(Duration::from_nanos(1)));
            self.timer
                .set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        }
        // A timer of an earlier sleep may still run: it wakes once too often, that is all.
        match self.poll.poll(events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            for side in [Side::Client, Side::Server] {
                if event.token() == side.token()
                    && let Outlet::Tun(tun) = self.outlets.get_mut(side)
                {
                    tun.readable = true;
                }
            }
        }
        Ok(())
    }
}
