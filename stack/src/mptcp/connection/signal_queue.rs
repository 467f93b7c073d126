//! Options that wait for an acknowledgment of their own: how many, and in which order.
//!
//! Owns the queue and what must not overtake what. Which acknowledgment they go on is decided in
//! `transmit`.

use super::{Connection, Signal};
use crate::base::id::{AddressId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::wire::mptcp_option::{AddAddr, AddAddrForm, MptcpOption};
use smallvec::SmallVec;
use std::net::IpAddr;

/// Signals that wait at most. A peer may announce faster than we can echo; what is dropped then,
/// it repeats.
const MAX_SIGNALS: usize = 64;

/// An address that was announced a moment ago.
#[derive(Clone, Copy, Debug)]
struct Announcement {
    id: AddressId,
    address: IpAddr,
    port: Option<u16>,
    /// When it has arrived for sure.
    until: Instant,
}

/// The address signals of the last round trip. Acknowledgments may overtake each other, and what
/// withdraws an address must not arrive before what announced it (RFC 6824 §3.4: no more than one
/// in a round-trip time where order matters).
#[derive(Debug, Default)]
pub(super) struct JustSaid {
    announced: SmallVec<[Announcement; 4]>,
    withdrawn_until: Option<Instant>,
}

impl JustSaid {
    /// Until when an option has to wait, if it has to.
    fn holds_back(&self, now: Instant, option: &MptcpOption) -> Option<Instant> {
        let until = if let Some(add) = announcement(option) {
            let other = |said: &&Announcement| {
                said.id == add.address_id && (said.address, said.port) != (add.address, add.port)
            };
            let changed = self.announced.iter().filter(other).map(|said| said.until);
            changed.max().max(self.withdrawn_until)
        } else if let MptcpOption::RemoveAddr(ids) = option {
            let said = self.announced.iter().filter(|said| ids.contains(&said.id));
            said.map(|said| said.until).max()
        } else {
            None
        };
        until.filter(|&until| until > now)
    }

    /// An option went out, `rtt` before it will have arrived for sure.
    fn note(&mut self, now: Instant, rtt: Duration, option: &MptcpOption) {
        if let Some(add) = announcement(option) {
            self.announced
                .retain(|said| said.until > now && said.id != add.address_id);
            self.announced.push(Announcement {
                id: add.address_id,
                address: add.address,
                port: add.port,
                until: now + rtt,
            });
        } else if matches!(option, MptcpOption::RemoveAddr(_)) {
            self.withdrawn_until = Some(now + rtt);
        }
    }
}

impl Connection {
    /// Puts an option on the next fitting acknowledgment.
    pub(super) fn queue_signal(&mut self, option: MptcpOption, on: Option<SubflowId>) {
        if let MptcpOption::RemoveAddr(ids) = &option {
            // What was not sent yet need not be.
            self.signals.retain(|signal| {
                announcement(&signal.option).is_none_or(|add| !ids.contains(&add.address_id))
            });
            if self.add_to_waiting_removal(ids) {
                return;
            }
        } else if let MptcpOption::Prio(prio) = &option {
            // The last word counts.
            self.signals.retain(|signal| {
                let MptcpOption::Prio(earlier) = &signal.option else {
                    return true;
                };
                signal.on != on || earlier.address_id != prio.address_id
            });
        }
        let signal = Signal { option, on };
        if self.signals.contains(&signal) {
            return;
        }
        if self.signals.len() >= MAX_SIGNALS
            && let Some((_, Some(dropped))) = counters(&signal.option)
        {
            self.count(dropped);
            return;
        }
        self.signals.push_back(signal);
    }

    fn add_to_waiting_removal(&mut self, more: &[AddressId]) -> bool {
        let waiting = self.signals.iter_mut().find_map(|signal| {
            let MptcpOption::RemoveAddr(ids) = &mut signal.option else {
                return None;
            };
            Some(ids)
        });
        let Some(ids) = waiting else {
            return false;
        };
        for id in more {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        true
    }

    /// Until when a signal has to wait because of those that went before it.
    pub(super) fn signal_waits(&self, now: Instant, option: &MptcpOption) -> Option<Instant> {
        self.just_said.holds_back(now, option)
    }

    /// A signal went out.
    pub(super) fn signal_sent(&mut self, now: Instant, option: &MptcpOption) {
        if let Some((sent, _)) = counters(option) {
            self.count(sent);
        }
        let measured = self.subflows.iter().filter(|s| s.is_established());
        let rtt = measured.filter_map(|s| s.tcb.rtt.srtt()).max();
        let rtt = rtt.unwrap_or(Duration::from_secs(1));
        self.just_said.note(now, rtt, option);
    }
}

/// An ADD_ADDR that is not an echo.
fn announcement(option: &MptcpOption) -> Option<&AddAddr> {
    let MptcpOption::AddAddr(add) = option else {
        return None;
    };
    (add.form != AddAddrForm::V1Echo).then_some(add)
}

/// What is counted when a signal goes out, and when there is no room for it. Those without are
/// counted where they are decided, and never dropped: there are only a few for each subflow.
fn counters(option: &MptcpOption) -> Option<(MptcpCounter, Option<MptcpCounter>)> {
    use MptcpCounter as Counter;
    match option {
        MptcpOption::AddAddr(add) if add.form == AddAddrForm::V1Echo => {
            Some((Counter::EchoAddTx, Some(Counter::EchoAddTxDrop)))
        }
        MptcpOption::AddAddr(_) => Some((Counter::AddAddrTx, Some(Counter::AddAddrTxDrop))),
        MptcpOption::RemoveAddr(_) => Some((Counter::RmAddrTx, Some(Counter::RmAddrTxDrop))),
        MptcpOption::Prio(_) => Some((Counter::MpPrioTx, None)),
        MptcpOption::Fail(_) => Some((Counter::MpFailTx, None)),
        MptcpOption::Capable(_)
        | MptcpOption::Join(_)
        | MptcpOption::Dss(_)
        | MptcpOption::Fastclose(_)
        | MptcpOption::TcpRst(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::AddressId;

    const RTT: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn add(id: u8, port: Option<u16>, form: AddAddrForm) -> MptcpOption {
        MptcpOption::AddAddr(AddAddr {
            address_id: AddressId(id),
            address: IpAddr::from([10, 0, 0, id]),
            port,
            form,
        })
    }

    fn remove(id: u8) -> MptcpOption {
        MptcpOption::RemoveAddr(SmallVec::from_iter([AddressId(id)]))
    }

    #[test]
    fn what_must_not_be_overtaken_gets_a_round_trip() {
        for form in [AddAddrForm::V0, AddAddrForm::V1([0; 8])] {
            let mut said = JustSaid::default();
            said.note(at(0), RTT, &add(1, None, form));
            for (option, waits) in [
                (remove(1), true),
                (remove(2), false),
                // The same on another subflow.
                (add(1, None, form), false),
                (add(1, Some(80), form), true),
                (add(2, None, form), false),
            ] {
                let until = said.holds_back(at(50), &option);
                assert_eq!(until, waits.then_some(at(100)), "{option:?}");
                assert_eq!(said.holds_back(at(100), &option), None);
            }
        }
    }

    #[test]
    fn nothing_is_announced_just_behind_a_withdrawal() {
        let mut said = JustSaid::default();
        said.note(at(0), RTT, &remove(1));
        let next = add(2, None, AddAddrForm::V0);
        assert_eq!(said.holds_back(at(50), &next), Some(at(100)));
        let echo = add(2, None, AddAddrForm::V1Echo);
        assert_eq!(said.holds_back(at(50), &echo), None);
        assert_eq!(said.holds_back(at(50), &remove(2)), None);
    }
}
