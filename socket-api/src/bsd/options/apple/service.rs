//! Which subflows there are to be, and which of them carries data (API reference 6.2, 6.3).
//!
//! The module owns the decisions. It looks at a snapshot, says what is to be done, and does nothing
//! itself.

use super::{Cost, Interface, Quality, ServiceType, Thresholds};
use std::time::Duration;
use umptcp_stack::{Instant, InterfaceId, SubflowId};

/// A subflow as the decisions see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathView {
    /// Which one.
    pub id: SubflowId,
    /// The interface it uses.
    pub interface: InterfaceId,
    /// It can carry data; else it is being opened.
    pub usable: bool,
    /// It is a backup now.
    pub backup: bool,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Retransmission timeouts in a row ("retransmit shift").
    pub backoff: u32,
    /// Data was sent here and not acknowledged, or waits to be sent.
    pub data_waiting: bool,
}

/// A connection at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The interfaces of the host.
    pub interfaces: &'a [Interface],
    /// The subflows that are not closed.
    pub subflows: &'a [PathView],
    /// Something was written and not acknowledged.
    pub data_waiting: bool,
    /// When it is to have arrived.
    pub target: Option<Instant>,
}

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a subflow on this interface.
    Open(InterfaceId),
    /// Close a subflow.
    Close(SubflowId),
    /// Make a subflow a backup, or a regular one.
    SetBackup(SubflowId, bool),
}

/// The decisions for one connection.
#[derive(Clone, Debug, Default)]
pub struct ServiceController {
    thresholds: Thresholds,
    /// When a subflow was last opened on an interface.
    opened: Vec<(InterfaceId, Instant)>,
    /// The traffic has moved so many times (`switch_count`).
    switches: u32,
    used: Option<Cost>,
}

/// What carries data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Only(SubflowId),
    All,
}

impl ServiceController {
    /// Begins with these thresholds.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            ..Self::default()
        }
    }

    /// Times that the traffic has moved between cheap and costly paths.
    #[must_use]
    pub const fn switches(&self) -> u32 {
        self.switches
    }

    /// What is to be done now.
    pub fn decide(
        &mut self,
        now: Instant,
        service: ServiceType,
        situation: &Situation<'_>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        let wifi = best(situation, Cost::Cheap);
        let cell = best(situation, Cost::Costly);
        self.open(now, service, situation, wifi, &mut actions);
        self.close(service, situation, wifi, &mut actions);
        let going = |id| actions.contains(&Action::Close(id));
        let cell = cell.filter(|cell| !going(cell.id));
        let Some(chosen) = self.choose(now, service, situation, (wifi, cell)) else {
            return actions;
        };
        self.count_switch(situation, chosen);
        for path in situation.subflows.iter().filter(|path| path.usable) {
            let backup = match chosen {
                Use::All => false,
                Use::Only(id) => path.id != id,
            };
            if path.backup != backup && !actions.contains(&Action::Close(path.id)) {
                actions.push(Action::SetBackup(path.id, backup));
            }
        }
        // Something to use comes before what is not to be used any more.
        actions.sort_by_key(|action| matches!(action, Action::SetBackup(_, true)));
        actions
    }

    /// When it is to be asked again, beside whenever a subflow or an interface changes.
    #[must_use]
    pub fn next_decision(&self, now: Instant, target: Option<Instant>) -> Option<Instant> {
        let retries = self
            .opened
            .iter()
            .map(|(_, opened)| *opened + self.thresholds.retry);
        // Not every moment can be moved back.
        let left = target.map(|target| target.saturating_duration_since(now));
        let help = left.map(|left| now + left.saturating_sub(self.thresholds.head_start));
        retries.chain(help).filter(|moment| *moment > now).min()
    }

    fn open(
        &mut self,
        now: Instant,
        service: ServiceType,
        situation: &Situation<'_>,
        wifi: Option<&PathView>,
        actions: &mut Vec<Action>,
    ) {
        let retry = self.thresholds.retry;
        self.opened.retain(|(_, opened)| *opened + retry > now);
        for interface in situation.interfaces.iter().filter(|known| known.up) {
            let wanted = match interface.cost {
                Cost::Cheap => true,
                Cost::Costly => self.wants_costly(now, service, situation, wifi),
            };
            let mut subflows = situation.subflows.iter();
            let there = subflows.any(|path| path.interface == interface.id);
            let tried = self.opened.iter().any(|(known, _)| *known == interface.id);
            if wanted && !there && !tried {
                self.opened.push((interface.id, now));
                actions.push(Action::Open(interface.id));
            }
        }
    }

    fn wants_costly(
        &self,
        now: Instant,
        service: ServiceType,
        situation: &Situation<'_>,
        wifi: Option<&PathView>,
    ) -> bool {
        // One that is the only way is used in every mode.
        let Some(wifi) = wifi else {
            return true;
        };
        match service {
            ServiceType::Interactive | ServiceType::Aggregate => true,
            ServiceType::Handover | ServiceType::PureHandover => {
                let quality = quality_of(situation, wifi.interface);
                self.thresholds.handover_creates(quality, wifi)
            }
            ServiceType::TargetBased => self.is_behind(now, situation),
        }
    }

    fn is_behind(&self, now: Instant, situation: &Situation<'_>) -> bool {
        let near =
            |target: Instant| target.saturating_duration_since(now) <= self.thresholds.head_start;
        situation.data_waiting && situation.target.is_some_and(near)
    }

    /// The costly subflow of handover is not kept once Wi-Fi works.
    fn close(
        &self,
        service: ServiceType,
        situation: &Situation<'_>,
        wifi: Option<&PathView>,
        actions: &mut Vec<Action>,
    ) {
        let Some(wifi) = wifi.filter(|_| service == ServiceType::Handover) else {
            return;
        };
        let good = quality_of(situation, wifi.interface) == Quality::Good;
        if good && !self.thresholds.is_slow(wifi) {
            let costly = situation
                .subflows
                .iter()
                .filter(|path| cost_of(situation, path.interface) == Cost::Costly);
            actions.extend(costly.map(|path| Action::Close(path.id)));
        }
    }

    fn choose(
        &self,
        now: Instant,
        service: ServiceType,
        situation: &Situation<'_>,
        candidates: (Option<&PathView>, Option<&PathView>),
    ) -> Option<Use> {
        let (wifi, cell) = match candidates {
            (Some(wifi), Some(cell)) => (wifi, cell),
            (Some(only), None) | (None, Some(only)) => {
                return Some(match service {
                    ServiceType::Aggregate => Use::All,
                    _ => Use::Only(only.id),
                });
            }
            (None, None) => return None,
        };
        let quality = quality_of(situation, wifi.interface);
        let moves = match service {
            ServiceType::Aggregate => return Some(Use::All),
            ServiceType::TargetBased if self.is_behind(now, situation) => return Some(Use::All),
            ServiceType::TargetBased => false,
            ServiceType::Handover => self.thresholds.handover_moves(quality, wifi),
            ServiceType::Interactive => self.thresholds.interactive_moves(quality, wifi, cell),
            ServiceType::PureHandover => rank(cell) < rank(wifi),
        };
        Some(Use::Only(if moves { cell.id } else { wifi.id }))
    }

    fn count_switch(&mut self, situation: &Situation<'_>, chosen: Use) {
        let Use::Only(id) = chosen else {
            return;
        };
        let mut subflows = situation.subflows.iter();
        let path = subflows.find(|path| path.id == id);
        let cost = path.map(|path| cost_of(situation, path.interface));
        if self.used.is_some() && self.used != cost {
            self.switches += 1;
        }
        self.used = cost;
    }
}

/// Those without loss first, then by round-trip time; one that was never measured comes last.
fn rank(path: &PathView) -> (bool, Duration) {
    (path.backoff > 0, path.srtt.unwrap_or(Duration::MAX))
}

/// The best usable subflow among cheap ones, or costly ones.
fn best<'a>(situation: &Situation<'a>, cost: Cost) -> Option<&'a PathView> {
    let usable = situation
        .subflows
        .iter()
        .filter(|path| path.usable && cost_of(situation, path.interface) == cost);
    usable.min_by_key(|path| rank(path))
}

fn known<'a>(situation: &Situation<'a>, interface: InterfaceId) -> Option<&'a Interface> {
    let mut interfaces = situation.interfaces.iter();
    interfaces.find(|known| known.id == interface)
}

fn cost_of(situation: &Situation<'_>, interface: InterfaceId) -> Cost {
    known(situation, interface).map_or(Cost::Cheap, |known| known.cost)
}

fn quality_of(situation: &Situation<'_>, interface: InterfaceId) -> Quality {
    known(situation, interface).map_or(Quality::Good, |known| known.quality)
}
