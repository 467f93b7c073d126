//! How the buffers of a connection grow with what its paths can hold.

use super::{Connection, Effect};
use crate::base::time::{Duration, Instant};
use crate::mptcp::subflow::Subflow;
use crate::wire::tcp_option::Timestamps;

impl Connection {
    /// Changes how far the buffers may grow; what they have grown to, they keep.
    pub fn set_buffer_limits(&mut self, send: usize, receive: usize) {
        self.config.send_buffer = send;
        self.config.receive_buffer = receive;
        self.send.set_limit(send);
        self.receive.set_limit(receive);
    }

    /// Holds back what is less than a segment, as the application has more to write, or lets it go.
    pub fn set_corked(&mut self, corked: bool) {
        self.send.set_corked(corked);
    }

    /// A segment with data came, `timestamps` on it.
    pub(super) fn measure_receiving(
        &mut self,
        now: Instant,
        index: usize,
        timestamps: Option<Timestamps>,
    ) {
        let subflow = &mut self.subflows[index];
        let echo = timestamps.filter(|_| subflow.tcb.negotiated.timestamps);
        let fell = echo.is_some_and(|timestamps| {
            let clock = subflow.tcb.timestamp(now);
            subflow.receive_rtt.on_echo(clock, timestamps.echo)
        });
        if fell
            && let Some(rtt) = self.longest_receive_rtt(|subflow| subflow.receive_rtt.estimate())
        {
            self.receive.shorten_round(rtt);
        }
        if self.receive.is_round_over(now) {
            let rtt = self.longest_receive_rtt(|subflow| subflow.receive_rtt.end_round());
            self.receive.end_round(now, rtt);
        }
    }

    /// The longest round-trip time of the subflows that bring data. Those without timestamps have
    /// only the samples of what we send, which is at least their handshake.
    fn longest_receive_rtt(
        &mut self,
        measured: impl Fn(&mut Subflow) -> Option<Duration>,
    ) -> Option<Duration> {
        let of = |subflow: &mut Subflow| {
            let tcb = &subflow.tcb;
            let sampled = !tcb.negotiated.timestamps && tcb.bytes_received > 0;
            let srtt = tcb.rtt.srtt().filter(|_| sampled);
            measured(subflow).or(srtt)
        };
        self.subflows
            .iter_mut()
            .filter(|subflow| !subflow.is_closed())
            .filter_map(of)
            .max()
    }

    /// The application's writer can go on, once an eighth of the buffer is free. Before that the
    /// buffer becomes larger if the paths hold more than it does.
    pub(super) fn wake_writer(&mut self) {
        if self.writer_waits && self.send.has_room_to_wake() {
            self.send.grow(self.wanted_send_buffer());
            self.writer_waits = false;
            self.effects.push_back(Effect::Writable);
        }
    }

    /// Everything is sent, a writer waits, and there is room on a path: the buffer is too small.
    pub(super) fn note_limit_of_send_buffer(&mut self, now: Instant) {
        if !self.writer_waits || self.send.has_unsent() {
            return;
        }
        let idle_room = self.subflows.iter().any(|subflow| {
            subflow.is_usable() && subflow.tcb.room_for_data(now) >= subflow.tcb.mss
        });
        if idle_room {
            self.send_buffer_limited += 1;
            self.send.grow(self.wanted_send_buffer());
            self.wake_writer();
        }
    }

    /// 2 · ΣBW · RTT_max (RFC 6182 §5.3): what is in flight on all paths together while a loss on
    /// the slowest of them is repaired, and as much again to be sent meanwhile.
    fn wanted_send_buffer(&self) -> usize {
        let micros = |rtt: Duration| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1);
        let usable = || self.subflows.iter().filter(|subflow| subflow.is_usable());
        let rtt_of = |subflow: &Subflow| subflow.tcb.rtt.srtt().map(micros);
        let longest = usable().filter_map(rtt_of).max().unwrap_or(1);
        let held: u64 = usable()
            .map(|subflow| {
                let cwnd = subflow.tcb.congestion.cwnd() as u64;
                let rtt = rtt_of(subflow).unwrap_or(longest);
                cwnd.saturating_mul(longest) / rtt
            })
            .fold(0, u64::saturating_add);
        usize::try_from(held.saturating_mul(2)).unwrap_or(usize::MAX)
    }
}
