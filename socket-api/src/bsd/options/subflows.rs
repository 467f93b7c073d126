//! How options reach subflows: those that are there, and those that are still to come.
//!
//! The module owns the bridge between what a socket is told and the commands of the endpoint. What
//! a connection starts with is in the socket's `ConnectionConfig`.

use super::value::int_of;
use crate::bsd::{Net, Socket};
use umptcp_stack::{Keepalive, SubflowChange, SubflowInfo, TcpState};

/// RFC 9293 §3.7.1: what a peer that has said nothing is sent, and Linux gives before a connection.
const DEFAULT_MSS: i32 = 536;

impl Socket {
    /// Changes every subflow, now and in future.
    pub(super) fn change_subflows(&mut self, net: &mut Net<'_>, change: SubflowChange) {
        self.config.subflow.apply(change);
        if let Some(id) = self.connection() {
            // The only error is that there is no such connection any more.
            let _ = net.endpoint.set_subflow_options(net.now, id, None, change);
        }
    }

    /// The times of keepalive probes, whether or not any are sent.
    pub(super) fn keepalive_times(&self) -> Keepalive {
        let switched_on = self.config.subflow.keepalive;
        switched_on.unwrap_or(self.options.keepalive_times)
    }

    pub(super) fn switch_keepalive(&mut self, net: &mut Net<'_>, on: bool) {
        let times = self.keepalive_times();
        self.options.keepalive_times = times;
        self.change_subflows(net, SubflowChange::Keepalive(on.then_some(times)));
    }

    pub(super) fn set_keepalive_times(&mut self, net: &mut Net<'_>, times: Keepalive) {
        let on = self.config.subflow.keepalive.is_some();
        self.options.keepalive_times = times;
        self.change_subflows(net, SubflowChange::Keepalive(on.then_some(times)));
    }

    pub(super) fn apply_buffers(&mut self, net: &mut Net<'_>) {
        if let Some(id) = self.connection() {
            let (send, receive) = (self.config.send_buffer, self.config.receive_buffer);
            net.endpoint.set_buffer_limits(net.now, id, send, receive);
        }
    }

    /// Brings a new connection to what the socket was told: what its listener was told after it had
    /// begun to listen, and what no `ConnectionConfig` holds.
    pub(in crate::bsd) fn apply_options(&mut self, net: &mut Net<'_>) {
        let Some(id) = self.connection() else {
            return;
        };
        self.corked = false;
        self.hold_back(net, id, self.options.cork);
        net.endpoint.set_nodelay(net.now, id, self.config.nodelay);
        net.endpoint.set_linger(net.now, id, self.config.linger);
        let config = &self.config;
        net.endpoint
            .set_delayed_ack(net.now, id, config.delayed_ack);
        net.endpoint
            .set_fin_timeout(net.now, id, config.fin_timeout);
        self.apply_buffers(net);
        let wanted = self.config.subflow;
        for change in [
            SubflowChange::TrafficClass(wanted.traffic_class),
            SubflowChange::HopLimit(wanted.hop_limit),
            SubflowChange::MssClamp(wanted.mss_clamp),
            SubflowChange::Congestion(wanted.congestion),
            SubflowChange::Keepalive(wanted.keepalive),
            SubflowChange::Tag(wanted.tag),
            SubflowChange::RateCap(wanted.rate_cap),
        ] {
            let current = net.endpoint.subflow_options(id, None);
            let mut changed = current.unwrap_or(wanted);
            changed.apply(change);
            if current != Some(changed) {
                // The only error is that there is no such connection any more.
                let _ = net.endpoint.set_subflow_options(net.now, id, None, change);
            }
        }
    }

    /// `TCP_MAXSEG`.
    pub(super) fn segment_size(&self, net: &Net<'_>) -> i32 {
        let subflows = self.connection().map(|id| net.endpoint.subflows(id));
        match subflows.as_deref() {
            Some([first, ..]) => int_of(first.mss),
            _ => self.config.subflow.mss_clamp.map_or(DEFAULT_MSS, i32::from),
        }
    }
}

/// It can carry what we send, or will. One whose FIN is on its way is closed for the application.
pub(super) fn is_open(subflow: &SubflowInfo) -> bool {
    let ending = matches!(
        subflow.state,
        TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::Closing
            | TcpState::LastAck
            | TcpState::TimeWait
            | TcpState::Closed
    );
    subflow.closed.is_none() && !ending
}
