//! The data-level state machine, TCP's with DATA_FIN for FIN (RFC 6824 appendix C,
//! RFC 8684 appendix D).
//!
//! Plain TCP connections use it too: there the subflow's FIN plays the part of DATA_FIN.

/// The state of the connection as a whole, once it is established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "RFC 6824 appendix C defines them")]
pub enum DataState {
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    /// MP_FASTCLOSE went out on an acknowledgment, and the peer's RST is awaited (RFC 6824 §3.5).
    FastcloseWait,
    Closed,
}

/// What can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataEvent {
    /// The application shut down sending: DATA_FIN is queued behind the data.
    SendDataFin,
    /// The peer's DATA_FIN was reached.
    ReceiveDataFin,
    /// Our DATA_FIN is acknowledged.
    DataFinAcknowledged,
    /// Every subflow is closed.
    SubflowsClosed,
    /// We give the connection up with MP_FASTCLOSE on an acknowledgment.
    SendFastclose,
    /// Ended at once by either side, or lost.
    Reset,
}

impl DataState {
    /// All states.
    pub const ALL: [Self; 9] = [
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::FastcloseWait,
        Self::Closed,
    ];

    /// The state after `event`; `None` if the event means nothing in this state.
    #[must_use]
    pub const fn next(self, event: DataEvent) -> Option<Self> {
        use DataEvent as E;
        Some(match (self, event) {
            (Self::Established, E::SendDataFin) => Self::FinWait1,
            (Self::CloseWait, E::SendDataFin) => Self::LastAck,
            (Self::Established, E::ReceiveDataFin) => Self::CloseWait,
            (Self::FinWait1, E::ReceiveDataFin) => Self::Closing,
            (Self::FinWait2, E::ReceiveDataFin) | (Self::Closing, E::DataFinAcknowledged) => {
                Self::TimeWait
            }
            (Self::FinWait1, E::DataFinAcknowledged) => Self::FinWait2,
            // In TIME-WAIT both streams are complete: there is nothing to give up.
            (
                Self::Established
                | Self::FinWait1
                | Self::FinWait2
                | Self::CloseWait
                | Self::Closing
                | Self::LastAck,
                E::SendFastclose,
            ) => Self::FastcloseWait,
            (Self::LastAck, E::DataFinAcknowledged)
            | (Self::TimeWait, E::SubflowsClosed)
            | (_, E::Reset) => Self::Closed,
            _ => return None,
        })
    }

    /// The application may still write.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Both directions were finished and acknowledged.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::TimeWait | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn the_whole_table() {
        let events = [
            DataEvent::SendDataFin,
            DataEvent::ReceiveDataFin,
            DataEvent::DataFinAcknowledged,
            DataEvent::SubflowsClosed,
            DataEvent::SendFastclose,
            DataEvent::Reset,
        ];
        let mut table = String::new();
        for state in DataState::ALL {
            for event in events {
                if let Some(next) = state.next(event) {
                    writeln!(table, "{state:?} --{event:?}--> {next:?}").unwrap();
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
