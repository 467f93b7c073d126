//! Handshakes: in one line for tests that begin behind them, step by step for those about them.

use super::options::{self, mp_capable, mp_join_ack, mp_join_syn, mp_join_syn_ack};
use super::packet::{Packet, flag};
use super::scene::{Role, Scene, Setup};
use super::segment::Segment;
use super::state::PeerSubflow;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::Version;

impl Scene {
    /// An established connection: both sides speak MPTCP, each has seen a DSS of the other, the
    /// application holds the connection. What was sent on the way is forgotten. No data has gone
    /// either way.
    pub(crate) fn established(setup: Setup) -> Self {
        let mut scene = Self::established_keeping_sent(setup);
        scene.clear();
        scene
    }

    /// The same, and what was sent after the handshake is not forgotten.
    pub(crate) fn established_keeping_sent(setup: Setup) -> Self {
        let mut scene = Self::new(setup);
        match scene.setup.role {
            Role::Client => {
                scene.connect();
                let capable = scene.capable_syn_ack();
                scene.syn_ack(0, capable);
            }
            Role::Listener => {
                let capable = scene.capable_syn();
                let initial = scene.syn(capable);
                let capable = scene.capable_third_ack();
                scene.third_ack(initial, capable);
                scene.accept().expect("the handshake is complete");
            }
        }
        assert!(scene.is_mptcp(), "{:?}", scene.protocol());
        scene.data_ack(0);
        scene.events();
        scene
    }

    /// An established connection on which data has gone both ways and was acknowledged at both
    /// levels, so that neither side can doubt that the other speaks MPTCP: the stack has written
    /// "hello", the peer "world".
    pub(crate) fn confirmed(setup: Setup) -> Self {
        let mut scene = Self::established(setup);
        scene.write(b"hello");
        assert_eq!(scene.peer.stream(), b"hello");
        scene.data_ack(0);
        scene.data(0, b"world");
        assert_eq!(scene.read(), b"world");
        // The stack acknowledges within its delay.
        scene.advance_ms(500);
        scene.clear();
        scene.events();
        scene
    }

    // --- the initial subflow, the stack as the client ---

    /// The stack connects; gives its SYN.
    pub(crate) fn connect(&mut self) -> Packet {
        self.connect_without_collecting();
        self.collect();
        self.sent_one()
    }

    /// The same, with the SYN still in the stack.
    pub(crate) fn connect_without_collecting(&mut self) {
        let local = SocketAddr::new(self.setup.addresses[0], self.setup.port);
        let connection = self
            .endpoint
            .connect(
                self.now,
                Some(local),
                self.setup.peer,
                self.setup.config.clone(),
            )
            .expect("there are addresses");
        self.set_connection(connection);
    }

    /// The MP_CAPABLE that the peer should put on its SYN/ACK.
    pub(crate) fn capable_syn_ack(&self) -> Vec<u8> {
        let flags = self.outcome_flags();
        mp_capable(self.setup.version, flags, &[self.peer.key])
    }

    /// The peer's flags, with A if either side has asked for checksums (RFC 6824 §3.1).
    fn outcome_flags(&self) -> u8 {
        let flags = self.setup.capable_flags;
        if self.peer.checksum {
            flags | options::capable_flag::CHECKSUM
        } else {
            flags
        }
    }

    /// The peer answers the SYN of a subflow with SYN/ACK and these MPTCP options. The third ACK
    /// of the stack is then among what was sent.
    pub(crate) fn syn_ack(&mut self, subflow: usize, mptcp: impl AsRef<[u8]>) {
        let segment = self.syn_ack_segment(subflow, mptcp.as_ref());
        self.note_own_capable(&segment);
        self.peer.subflows[subflow].timestamps &= self.setup.timestamps;
        self.send(segment);
    }

    pub(crate) fn syn_ack_segment(&mut self, subflow: usize, mptcp: &[u8]) -> Segment {
        let options = self.syn_options(self.peer.subflows[subflow].ts_recent);
        let state = &mut self.peer.subflows[subflow];
        state.synchronized = true;
        // As a retransmission would.
        state.snd_nxt = state.iss;
        self.segment(subflow)
            .without_options()
            .option(options)
            .option(mptcp)
            .flag(flag::SYN)
    }

    // --- the initial subflow, the stack as the listener ---

    /// The MP_CAPABLE that the peer should put on its SYN.
    pub(crate) fn capable_syn(&self) -> Vec<u8> {
        let keys: &[u64] = match self.setup.version {
            Version::V0 => &[self.peer.key],
            // RFC 8684 §3.1: version 1 shows no key yet.
            Version::V1 => &[],
        };
        mp_capable(self.setup.version, self.setup.capable_flags, keys)
    }

    /// The MP_CAPABLE that the peer should put on its third ACK: both keys, its own first.
    pub(crate) fn capable_third_ack(&self) -> Vec<u8> {
        let keys = [self.peer.key, self.peer.their_key()];
        mp_capable(self.setup.version, self.outcome_flags(), &keys)
    }

    /// The peer sends the SYN of its connection with these MPTCP options; gives the number of the
    /// subflow. The SYN/ACK of the stack is then among what was sent.
    pub(crate) fn syn(&mut self, mptcp: impl AsRef<[u8]>) -> usize {
        let to = SocketAddr::new(self.setup.addresses[0], self.setup.port);
        self.syn_from(self.setup.peer, to, 0, mptcp.as_ref())
    }

    /// The peer sends a SYN from anywhere to anywhere; gives the number of the new subflow.
    pub(crate) fn syn_from(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        id: u8,
        mptcp: &[u8],
    ) -> usize {
        let subflow = PeerSubflow::new(from, to, self.next_iss(), id);
        self.peer.subflows.push(subflow);
        let index = self.peer.subflows.len() - 1;
        let segment = self.syn_segment(index, mptcp);
        self.note_own_capable(&segment);
        self.send(segment);
        index
    }

    /// The SYN of a subflow.
    pub(crate) fn syn_segment(&self, subflow: usize, mptcp: &[u8]) -> Segment {
        self.segment(subflow)
            .without_options()
            .option(self.syn_options(0))
            .option(mptcp)
            .flag(flag::SYN)
    }

    /// The peer acknowledges the SYN/ACK of a subflow with these MPTCP options.
    pub(crate) fn third_ack(&mut self, subflow: usize, mptcp: impl AsRef<[u8]>) {
        self.option(subflow, mptcp);
    }

    /// MSS, SACK-permitted, timestamps and window scale, as the setup says.
    fn syn_options(&self, ts_recent: u32) -> Vec<u8> {
        let mut options = options::mss(self.setup.mss);
        if self.setup.sack {
            options.extend(options::sack_permitted());
        }
        if self.setup.timestamps {
            options.extend(options::timestamps(self.peer_clock(), ts_recent));
        }
        if let Some(shift) = self.setup.window_scale {
            options.push(1);
            options.extend(options::window_scale(shift));
        }
        while !options.len().is_multiple_of(4) {
            options.push(1);
        }
        options
    }

    /// Flag A of the peer's own MP_CAPABLE decides too.
    fn note_own_capable(&mut self, segment: &Segment) {
        let mut rest = segment.options.as_slice();
        while let [kind, more @ ..] = rest {
            rest = match (kind, more) {
                (1, _) => more,
                (_, [len, ..]) if usize::from(*len) <= rest.len() && *len >= 2 => {
                    let (option, behind) = rest.split_at(usize::from(*len));
                    if let [30, _, third, flags, ..] = option
                        && third >> 4 == 0
                    {
                        self.peer.checksum |= flags & 0x80 != 0;
                    }
                    behind
                }
                _ => return,
            };
        }
    }

    // --- joins by the peer ---

    /// The peer adds a subflow with this address id, from 10.2.`id`.1 (or the IPv6 like of it),
    /// towards the stack's initial address: the whole handshake. Gives its number.
    pub(crate) fn join(&mut self, id: u8) -> usize {
        let from = self.join_source(id);
        self.join_from(from, self.stack_address(), id, false)
    }

    /// Where `join` comes from.
    pub(crate) fn join_source(&self, id: u8) -> SocketAddr {
        let address: IpAddr = if self.setup.peer.is_ipv4() {
            [10, 2, id, 1].into()
        } else {
            [0xfd00, 2, u16::from(id), 0, 0, 0, 0, 1_u16].into()
        };
        SocketAddr::new(address, 41000 + u16::from(id))
    }

    /// The same from and to any address, as backup or not. What was sent is forgotten.
    pub(crate) fn join_from(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        id: u8,
        backup: bool,
    ) -> usize {
        let index = self.join_syn(from, to, id, backup);
        let answer = self.peer.subflows[index].join_syn_ack;
        let answer = answer.expect("the stack has answered the join");
        assert_eq!(answer.hmac, self.peer.their_join_hmac(index)[..8]);
        self.join_ack(index);
        assert!(!self.peer.subflows[index].rst_seen, "it was refused");
        self.clear();
        index
    }

    /// The first step: the peer's SYN with MP_JOIN and the stack's token.
    pub(crate) fn join_syn(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        id: u8,
        backup: bool,
    ) -> usize {
        let option = mp_join_syn(backup, id, self.peer.their_token(), self.next_nonce());
        self.syn_from(from, to, id, &option)
    }

    /// The nonce of the peer's next subflow.
    pub(crate) fn next_nonce(&self) -> u32 {
        PeerSubflow::nonce_for(self.next_iss())
    }

    /// The last: the peer's third ACK with its HMAC.
    pub(crate) fn join_ack(&mut self, subflow: usize) {
        let option = mp_join_ack(&self.peer.join_hmac(subflow));
        self.option(subflow, option);
    }

    // --- joins by the stack ---

    /// The application opens a subflow and the peer answers: the whole handshake. Gives its
    /// number.
    pub(crate) fn joined_by_stack(&mut self, local: IpAddr, remote: SocketAddr) -> usize {
        let index = self.open_subflow(local, remote, false);
        self.answer_join(index);
        index
    }

    /// The application opens a subflow; gives its number. The SYN is among what was sent.
    pub(crate) fn open_subflow(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> usize {
        let before = self.peer.subflows.len();
        self.endpoint
            .open_subflow(self.now, self.connection(), local, remote, backup)
            .expect("it can have another subflow");
        self.collect();
        assert_eq!(self.peer.subflows.len(), before + 1, "it has sent a SYN");
        before
    }

    /// The peer answers a join of the stack, checks the third ACK, and acknowledges it. What was
    /// sent is forgotten.
    pub(crate) fn answer_join(&mut self, subflow: usize) {
        self.join_syn_ack(subflow);
        let proof = self.peer.subflows[subflow].join_ack;
        let expected = &self.peer.their_join_hmac(subflow)[..20];
        assert_eq!(proof.expect("a third ACK with MP_JOIN"), expected);
        self.fourth_ack(subflow);
        self.clear();
    }

    /// The peer's SYN/ACK with its HMAC.
    pub(crate) fn join_syn_ack(&mut self, subflow: usize) {
        let option = self.join_syn_ack_option(subflow, false);
        self.syn_ack(subflow, option);
    }

    pub(crate) fn join_syn_ack_option(&self, subflow: usize, backup: bool) -> Vec<u8> {
        let state = &self.peer.subflows[subflow];
        let hmac = self.peer.join_hmac(subflow);
        mp_join_syn_ack(backup, state.id, &hmac, state.nonce)
    }

    /// The peer acknowledges the third ACK of the stack's join.
    pub(crate) fn fourth_ack(&mut self, subflow: usize) {
        let option = self.peer.dss().bytes();
        self.option(subflow, option);
    }
}
