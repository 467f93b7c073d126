//! What is measured of the hot path, and how it is named.

/// What is measured, and per what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `Endpoint::read` of 16 KiB.
    Read,
    /// `Endpoint::handle_packet` of an acknowledgment of as many new segments as the receiver's
    /// policy lets wait: two, or three.
    ReceiveAck,
    /// `Endpoint::handle_packet` of a full data segment in order.
    ReceiveData,
    /// `Endpoint::poll_transmit` after each data segment, for each acknowledgment it gave: with
    /// the calls in between that gave nothing.
    SendAck,
    /// `Endpoint::poll_transmit` for each full data segment it gave.
    SendData,
    /// `Endpoint::write` of 16 KiB.
    Write,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::ReceiveAck,
        Self::ReceiveData,
        Self::SendAck,
        Self::SendData,
        Self::Write,
    ];

    /// What it is called in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReceiveAck => "receive-ack",
            Self::ReceiveData => "receive-data",
            Self::SendAck => "send-ack",
            Self::SendData => "send-data",
            Self::Write => "write",
        }
    }

    /// The function of `hot_path` that does it and nothing else. No name is part of another.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Read => "measured_read",
            Self::ReceiveAck => "measured_receive_ack",
            Self::ReceiveData => "measured_receive_data",
            Self::SendAck => "measured_send_ack",
            Self::SendData => "measured_send_data",
            Self::Write => "measured_write",
        }
    }
}

/// How often each operation was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Operation::ALL.len()]);

impl Counts {
    /// How often this one was.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.0[operation as usize]
    }

    pub(crate) fn add(&mut self, operation: Operation) {
        self.0[operation as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_is_taken_for_another() {
        for one in Operation::ALL {
            for other in Operation::ALL {
                let inside = other.function().contains(one.function());
                assert_eq!(inside, one == other, "{one:?} {other:?}");
            }
        }
    }
}
