//! Whether the peer is still there: keepalive, probes that are asked for, and how long its silence
//! is borne; settings that may change while the connection lives.

use super::{Connection, Effect};
use crate::base::error::CloseReason;
use crate::base::id::SubflowId;
use crate::base::time::{Duration, Instant};
use crate::mptcp::path_health::{PathEvent, PathHealth};
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::{ProbeRequests, Subflow};
use crate::tcp::keepalive::KeepaliveExpired;

impl Connection {
    /// Sends small writes at once, or lets them wait for acknowledgments (RFC 9293 §3.7.4).
    pub fn set_nodelay(&mut self, nodelay: bool) {
        self.config.nodelay = nodelay;
    }

    /// Changes how long an acknowledgment may wait for data to go with.
    pub fn set_delayed_ack(&mut self, delay: Duration) {
        self.config.delayed_ack = delay;
        for subflow in &mut self.subflows {
            subflow.tcb.config.delayed_ack = delay;
        }
    }

    /// Changes how long the peer may take to end its part.
    pub fn set_fin_timeout(&mut self, timeout: Duration) {
        self.config.fin_timeout = timeout;
    }

    /// Changes how long the connection and its subflows bear silence (RFC 5482). What waits at this
    /// moment is judged by the new time when its timer next expires.
    pub fn set_user_timeout(&mut self, user_timeout: Duration) {
        self.config.user_timeout = user_timeout;
        for subflow in &mut self.subflows {
            if subflow.tcb.state.is_synchronized() {
                subflow.tcb.config.user_timeout = user_timeout;
            }
        }
    }

    /// Probes a subflow now; [`Effect::SubflowProbed`] tells whether it was answered. Returns false
    /// if there is no such subflow that could be.
    pub fn probe_subflow(&mut self, now: Instant, id: SubflowId) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        let subflow = &mut self.subflows[index];
        let possible = subflow.can_signal();
        if possible {
            subflow.probes.for_application = true;
            // One that is under way because of a REMOVE_ADDR must come to its end.
            if !subflow.probes.for_removal {
                subflow.tcb.request_probe(now);
            }
        }
        possible
    }

    /// A handshake is complete: from here on the settings of established connections count.
    pub(super) fn subflow_synchronized(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.tcb.config.user_timeout = self.config.user_timeout;
        subflow.tcb.set_keepalive(now, subflow.options.keepalive);
    }

    /// A segment that counts shows that the path works; one with a DATA_ACK, or on plain TCP any,
    /// that the connection does.
    pub(super) fn note_sign_of_life(&mut self, now: Instant, index: usize, data_ack: bool) {
        if self.subflows[index].health != PathHealth::Working {
            let event = if self.subflows[index].tcb.is_all_acknowledged() {
                PathEvent::HeardIdle
            } else {
                PathEvent::HeardWaiting
            };
            self.path_event(now, index, event);
        }
        // RFC 9293 §3.8.6.1 bears a closed window as long as probes are acknowledged. The window of
        // an MPTCP connection moves with the DATA_ACK only (RFC 6824 §3.3.4): what comes without
        // one could never open it.
        let acknowledges = data_ack || self.sending_session().is_none();
        let subflow = &mut self.subflows[index];
        subflow.unanswered_probes = 0;
        if acknowledges {
            subflow.probed_since = None;
        }
        if subflow.tcb.snd_wnd == 0 && subflow.tcb.waiting_since.is_some() {
            // RFC 9293 §3.8.6.1, RFC 6429: a peer that answers with a closed window is borne for
            // ever. It may have shrunk the window over what is in flight.
            subflow.tcb.waiting_since = Some(now);
        }
        if subflow.tcb.heard(now) {
            let id = subflow.id;
            // RFC 6824 §3.4.2: somebody answers, so a subflow whose address was withdrawn stays.
            let ProbeRequests {
                for_application, ..
            } = core::mem::take(&mut subflow.probes);
            if for_application {
                self.effects.push_back(Effect::SubflowProbed(id, true));
            }
        }
    }

    pub(super) fn handle_keepalive_timeout(&mut self, now: Instant, index: usize) {
        let id = self.subflows[index].id;
        match self.subflows[index].tcb.handle_keepalive_timeout(now) {
            KeepaliveExpired::Nothing => {}
            KeepaliveExpired::NoAnswer => {
                let probes = core::mem::take(&mut self.subflows[index].probes);
                if probes.for_application {
                    self.effects.push_back(Effect::SubflowProbed(id, false));
                }
                if probes.for_removal {
                    self.remove_subflow(now, index, SubflowCloseReason::RemoteAddressGone);
                }
            }
            KeepaliveExpired::Dead => self.peer_is_gone(now, index),
        }
    }

    /// Nobody answers probes on a subflow. Without another one the connection ends too: there is
    /// nothing that a new subflow could save.
    pub(super) fn peer_is_gone(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.ends_for(subflow.end_in_silence());
        subflow.tcb.close_at_once();
        if self.subflows.iter().all(Subflow::is_closed) {
            self.end(now, CloseReason::TimedOut);
        }
        self.subflow_closed(now, index);
    }
}
