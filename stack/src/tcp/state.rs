//! The TCP state machine as one table (RFC 9293 §3.3.2, figure 5).
//!
//! Every change of a subflow's state goes through [`TcpState::next`]; nothing else assigns one.
//! What each kind of segment leads to in each state is the snapshot of `tests/matrix.rs`.
//!
//! Not here are the edges of figure 5 that end where no TCB is: a listener is an object of the
//! endpoint, so passive OPEN and CLOSE in LISTEN are too, and an RST in SYN-RECEIVED leaves the
//! listener as it is. CLOSE in SYN-SENT and SYN-RECEIVED waits for ESTABLISHED, as what was
//! written before it is to be sent (RFC 9293 §3.10.4 allows that in SYN-RECEIVED; in SYN-SENT an
//! abort ends at once).

/// A TCP state (RFC 9293 §3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "RFC 9293 §3.3.2 defines them")]
pub enum TcpState {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// What can change a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEvent {
    /// We send a SYN.
    ActiveOpen,
    /// A SYN without ACK arrives.
    ReceiveSyn,
    /// A SYN that acknowledges ours arrives.
    ReceiveSynAck,
    /// Our SYN is acknowledged.
    SynAcknowledged,
    /// We send our FIN.
    SendFin,
    /// The peer's FIN arrives in order.
    ReceiveFin,
    /// Our FIN is acknowledged.
    FinAcknowledged,
    /// A valid RST arrives, or we send one.
    Reset,
    /// Twice the maximum segment lifetime has passed.
    TimeWaitOver,
}

impl TcpState {
    /// All states, in the order of the RFC.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The state after `event`; `None` if the event means nothing in this state.
    #[must_use]
    pub const fn next(self, event: TcpEvent) -> Option<Self> {
        use TcpEvent as E;
        Some(match (self, event) {
            (Self::Closed | Self::Listen, E::ActiveOpen) => Self::SynSent,
            (Self::Listen | Self::SynSent, E::ReceiveSyn) => Self::SynReceived,
            (Self::SynSent, E::ReceiveSynAck) | (Self::SynReceived, E::SynAcknowledged) => {
                Self::Established
            }
            (Self::SynReceived | Self::Established, E::SendFin) => Self::FinWait1,
            (Self::CloseWait, E::SendFin) => Self::LastAck,
            (Self::SynReceived | Self::Established, E::ReceiveFin) => Self::CloseWait,
            (Self::FinWait1, E::ReceiveFin) => Self::Closing,
            (Self::FinWait2 | Self::TimeWait, E::ReceiveFin)
            | (Self::Closing, E::FinAcknowledged) => Self::TimeWait,
            (Self::FinWait1, E::FinAcknowledged) => Self::FinWait2,
            (Self::LastAck, E::FinAcknowledged)
            | (Self::TimeWait, E::TimeWaitOver)
            | (_, E::Reset) => Self::Closed,
            _ => return None,
        })
    }

    /// Both SYNs are acknowledged and the connection is not closed (RFC 9293 §3.10.7.4).
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        !matches!(
            self,
            Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived
        )
    }

    /// New data may be sent.
    #[must_use]
    pub const fn can_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Data may still arrive.
    #[must_use]
    pub const fn can_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    const EVENTS: [TcpEvent; 9] = [
        TcpEvent::ActiveOpen,
        TcpEvent::ReceiveSyn,
        TcpEvent::ReceiveSynAck,
        TcpEvent::SynAcknowledged,
        TcpEvent::SendFin,
        TcpEvent::ReceiveFin,
        TcpEvent::FinAcknowledged,
        TcpEvent::Reset,
        TcpEvent::TimeWaitOver,
    ];

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in TcpState::ALL {
            for event in EVENTS {
                if let Some(next) = state.next(event) {
                    writeln!(table, "{state:?} --{event:?}--> {next:?}").unwrap();
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
