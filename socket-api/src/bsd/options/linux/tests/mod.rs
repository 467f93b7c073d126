//! Options of Linux on sockets of two hosts in one process.

mod calls;
mod infos;
mod ordinary;
mod refusals;
mod told;

use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Errno, Family, NoMemory, OptionProfile, SockAddr, Socket};
use std::net::SocketAddr;

/// Where a socket is when an option is asked for or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Listening,
    Connected,
    FallenBack,
}

impl Stage {
    const ALL: [Self; 4] = [
        Self::New,
        Self::Listening,
        Self::Connected,
        Self::FallenBack,
    ];
}

fn server_of(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SERVER,
        Family::V6 => "[2001:db8::2]:8080".parse().expect("an address"),
    }
}

/// An MPTCP socket of host 0 at this stage, with the other sockets of its connection.
struct Scene {
    pair: Pair,
    socket: Socket,
    others: Vec<Socket>,
}

impl Scene {
    fn new(profile: OptionProfile, family: Family, stage: Stage) -> Self {
        let mut pair = Pair::new();
        for host in &mut pair.hosts {
            host.system.profile = profile;
        }
        let address = SockAddr::plain(server_of(family));
        let mut socket = pair.mptcp(0, family);
        let mut others = Vec::new();
        match stage {
            Stage::New => {}
            Stage::Listening => socket.listen(&mut pair.net(0), 5).expect("listening"),
            Stage::Connected | Stage::FallenBack => {
                let protocol = match stage {
                    Stage::FallenBack => libc::IPPROTO_TCP,
                    _ => crate::bsd::IPPROTO_MPTCP,
                };
                let system = &pair.hosts[1].system;
                let kind = libc::SOCK_STREAM;
                let listener = Socket::new(system, family.number(), kind, protocol);
                let mut listener = listener.expect("a socket");
                listener.bind(&mut pair.net(1), address).expect("bound");
                listener.listen(&mut pair.net(1), 5).expect("listening");
                let begun = socket.connect(&mut pair.net(0), address);
                assert_eq!(begun, Err(Errno::EINPROGRESS));
                pair.settle();
                assert_eq!(socket.connecting(&mut pair.net(0)), Some(Ok(())));
                others.push(listener.accept(&mut pair.net(1)).expect("accepted"));
                others.push(listener);
            }
        }
        Self {
            pair,
            socket,
            others,
        }
    }

    fn get(&mut self, level: i32, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
        let mut net = self.pair.net(0);
        self.socket
            .getsockopt(&mut net, level, name, value, &mut NoMemory)
    }

    fn set(&mut self, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let mut net = self.pair.net(0);
        self.socket
            .setsockopt(&mut net, level, name, value, &mut NoMemory)
    }

    fn get_int(&mut self, level: i32, name: i32) -> Result<i32, Errno> {
        let mut value = [0; 4];
        let len = self.get(level, name, &mut value)?;
        assert_eq!(len, 4, "{level} {name}");
        Ok(i32::from_ne_bytes(value))
    }

    fn set_int(&mut self, level: i32, name: i32, number: i32) -> Result<(), Errno> {
        self.set(level, name, &number.to_ne_bytes())
    }
}
