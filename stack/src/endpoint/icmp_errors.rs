//! ICMP errors: whose segment they are about.

use super::Endpoint;
use crate::base::time::Instant;
use crate::wire::icmp;

impl Endpoint {
    /// Takes a packet that is no TCP segment: perhaps an ICMP error about one of ours.
    pub(super) fn handle_other(&mut self, now: Instant, packet: &[u8]) {
        let error = match icmp::parse(packet) {
            Ok(Some(error)) => error,
            Ok(None) => return,
            Err(_) => {
                self.stats.packets_malformed += 1;
                return;
            }
        };
        // RFC 5927 §3: ports and addresses are the first thing that must be right.
        let heard = self.demux.subflow(&error.tuple).and_then(|(id, subflow)| {
            let entry = self.connections.get_mut(id)?;
            let heard = entry.connection.handle_icmp_error(now, subflow, &error);
            heard.then_some(id)
        });
        match heard {
            Some(id) => {
                self.stats.icmp_errors += 1;
                self.after(now, id);
            }
            None => self.stats.icmp_errors_ignored += 1,
        }
    }
}
