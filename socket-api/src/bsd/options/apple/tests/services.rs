//! The service types, threshold by threshold.

use super::*;

/// Two interfaces, as only an endpoint can name them.
fn interface_ids() -> [InterfaceId; 2] {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [0; 32]);
    [0, 1].map(|_| endpoint.add_interface(InterfaceConfig::default()))
}

/// Ids of subflows, as only a connection can give them.
fn subflow_ids() -> [SubflowId; 2] {
    let mut pair = passive_pair();
    let [mut client, _server, _listener] = pair.connected();
    pair.hosts[0].system.apple.entitled = true;
    let endpoints = towards(0, None, "10.1.0.2:8080");
    let _ = client
        .connectx(&mut pair.net(0), &endpoints, 0, 0, &[])
        .unwrap();
    let subflows = pair.hosts[0]
        .endpoint
        .subflows(client.connection().unwrap());
    [subflows[0].id, subflows[1].id]
}

/// Wi-Fi and cellular, each with a subflow.
struct Phone {
    interfaces: [Interface; 2],
    paths: [PathView; 2],
    waiting: bool,
    target: Option<Instant>,
    controller: ServiceController,
}

const WIFI: usize = 0;
const CELL: usize = 1;

impl Phone {
    fn new(quality: Quality) -> Self {
        let (interfaces, subflows) = (interface_ids(), subflow_ids());
        let interface = |at: usize, cost| Interface {
            id: interfaces[at],
            cost,
            quality,
            up: true,
        };
        let path = |at: usize| PathView {
            id: subflows[at],
            interface: interfaces[at],
            usable: true,
            backup: false,
            srtt: Some(Duration::from_millis(50)),
            rto: Duration::from_millis(300),
            backoff: 0,
            data_waiting: false,
        };
        Self {
            interfaces: [interface(WIFI, Cost::Cheap), interface(CELL, Cost::Costly)],
            paths: [path(WIFI), path(CELL)],
            waiting: false,
            target: None,
            controller: ServiceController::default(),
        }
    }

    fn decide(&mut self, service: ServiceType, paths: &[usize]) -> Vec<Action> {
        let subflows: Vec<PathView> = paths.iter().map(|&at| self.paths[at]).collect();
        let situation = Situation {
            interfaces: &self.interfaces,
            subflows: &subflows,
            data_waiting: self.waiting,
            target: self.target,
        };
        self.controller.decide(NOW, service, &situation)
    }

    /// The cellular subflow is opened when there is one on Wi-Fi alone.
    fn opens(&mut self, service: ServiceType) -> bool {
        self.controller = ServiceController::default();
        let open = Action::Open(self.interfaces[CELL].id);
        self.decide(service, &[WIFI]).contains(&open)
    }

    /// Which one is used; `None` if both are.
    fn used(&mut self, service: ServiceType) -> Option<usize> {
        for path in &mut self.paths {
            path.backup = false;
        }
        let actions = self.decide(service, &[WIFI, CELL]);
        let spare = |at: usize| {
            let id = self.paths[at].id;
            actions.contains(&Action::SetBackup(id, true)) || actions.contains(&Action::Close(id))
        };
        match (spare(WIFI), spare(CELL)) {
            (true, false) => Some(CELL),
            (false, true) => Some(WIFI),
            (false, false) => None,
            (true, true) => panic!("nothing is used: {actions:?}"),
        }
    }
}

#[test]
fn handover_makes_the_cellular_subflow_by_quality_timeouts_and_data() {
    for (quality, waiting, backoff, expected) in [
        (Quality::Good, true, 9, false),
        (Quality::Good, false, 0, false),
        (Quality::Unsure, true, 1, false),
        (Quality::Unsure, true, 2, true),
        (Quality::Unsure, false, 2, false),
        (Quality::Bad, true, 1, false),
        (Quality::Bad, true, 2, true),
        (Quality::Bad, false, 0, true),
    ] {
        let mut phone = Phone::new(quality);
        phone.paths[WIFI].data_waiting = waiting;
        phone.paths[WIFI].backoff = backoff;
        let opens = phone.opens(ServiceType::Handover);
        assert_eq!(opens, expected, "{quality:?} {waiting} {backoff}");
        assert_eq!(phone.opens(ServiceType::PureHandover), expected);
    }
}

#[test]
fn handover_moves_traffic_only_from_wifi_that_is_slow_and_not_good() {
    for (quality, waiting, backoff, expected) in [
        (Quality::Good, true, 9, WIFI),
        (Quality::Unsure, true, 1, WIFI),
        (Quality::Unsure, false, 2, WIFI),
        (Quality::Unsure, true, 2, CELL),
        (Quality::Bad, true, 2, CELL),
        (Quality::Bad, true, 1, WIFI),
    ] {
        let mut phone = Phone::new(quality);
        phone.paths[WIFI].data_waiting = waiting;
        phone.paths[WIFI].backoff = backoff;
        let used = phone.used(ServiceType::Handover);
        assert_eq!(used, Some(expected), "{quality:?} {waiting} {backoff}");
    }
}

#[test]
fn the_fail_threshold_counts_twice() {
    let mut phone = Phone::new(Quality::Unsure);
    let thresholds = Thresholds {
        fail: 2,
        ..Thresholds::default()
    };
    phone.paths[WIFI].data_waiting = true;
    for (backoff, slow) in [(3, false), (4, true)] {
        phone.paths[WIFI].backoff = backoff;
        assert_eq!(thresholds.is_slow(&phone.paths[WIFI]), slow);
    }
}

#[test]
fn handover_lets_the_cellular_subflow_go_once_wifi_works() {
    let mut phone = Phone::new(Quality::Good);
    let close = Action::Close(phone.paths[CELL].id);
    assert!(
        phone
            .decide(ServiceType::Handover, &[WIFI, CELL])
            .contains(&close)
    );
    assert!(
        !phone
            .decide(ServiceType::Interactive, &[WIFI, CELL])
            .contains(&close)
    );
    phone.paths[WIFI].data_waiting = true;
    phone.paths[WIFI].backoff = 2;
    assert!(
        !phone
            .decide(ServiceType::Handover, &[WIFI, CELL])
            .contains(&close)
    );
    let mut phone = Phone::new(Quality::Unsure);
    assert!(
        !phone
            .decide(ServiceType::Handover, &[WIFI, CELL])
            .contains(&close)
    );
}

#[test]
fn interactive_goes_by_round_trip_time() {
    for (quality, wifi, cell, expected) in [
        (Quality::Good, 599, 100, WIFI),
        (Quality::Good, 600, 100, CELL),
        (Quality::Good, 600, 599, CELL),
        (Quality::Good, 700, 600, WIFI),
        (Quality::Unsure, 299, 100, WIFI),
        (Quality::Unsure, 300, 299, CELL),
        (Quality::Bad, 300, 300, WIFI),
    ] {
        let mut phone = Phone::new(quality);
        phone.paths[WIFI].srtt = Some(Duration::from_millis(wifi));
        phone.paths[CELL].srtt = Some(Duration::from_millis(cell));
        let used = phone.used(ServiceType::Interactive);
        assert_eq!(used, Some(expected), "{quality:?} {wifi} {cell}");
    }
}

#[test]
fn interactive_goes_by_loss() {
    for (wifi, waiting, cell, expected) in [
        (1, true, 0, CELL),
        (1, false, 0, WIFI),
        (0, true, 0, WIFI),
        (1, true, 1, WIFI),
    ] {
        let mut phone = Phone::new(Quality::Good);
        phone.paths[WIFI].backoff = wifi;
        phone.paths[WIFI].data_waiting = waiting;
        phone.paths[CELL].backoff = cell;
        let used = phone.used(ServiceType::Interactive);
        assert_eq!(used, Some(expected), "{wifi} {waiting} {cell}");
    }
}

#[test]
fn interactive_goes_by_retransmission_timeout() {
    for (quality, wifi, cell, expected) in [
        (Quality::Good, 1499, 300, WIFI),
        (Quality::Good, 1500, 1499, CELL),
        (Quality::Good, 1500, 1500, WIFI),
        (Quality::Unsure, 749, 300, WIFI),
        (Quality::Bad, 750, 749, CELL),
    ] {
        let mut phone = Phone::new(quality);
        phone.paths[WIFI].rto = Duration::from_millis(wifi);
        phone.paths[CELL].rto = Duration::from_millis(cell);
        let used = phone.used(ServiceType::Interactive);
        assert_eq!(used, Some(expected), "{quality:?} {wifi} {cell}");
    }
}

#[test]
fn interactive_and_aggregate_have_the_cellular_subflow_at_once() {
    let mut phone = Phone::new(Quality::Good);
    assert!(phone.opens(ServiceType::Interactive));
    assert!(phone.opens(ServiceType::Aggregate));
    assert_eq!(
        phone.used(ServiceType::Interactive),
        Some(WIFI),
        "the other is kept in readiness"
    );
    assert_eq!(phone.used(ServiceType::Aggregate), None, "both carry data");
    // What was a backup is none any more.
    phone.paths[CELL].backup = true;
    let regular = Action::SetBackup(phone.paths[CELL].id, false);
    assert_eq!(
        phone.decide(ServiceType::Aggregate, &[WIFI, CELL]),
        [regular]
    );
}

#[test]
fn a_target_calls_for_help_five_seconds_before() {
    let seconds = Duration::from_secs;
    for (waiting, left, expected) in [
        (true, Some(seconds(6)), false),
        (true, Some(seconds(5)), true),
        (true, Some(seconds(0)), true),
        (false, Some(seconds(1)), false),
        (true, None, false),
    ] {
        let mut phone = Phone::new(Quality::Good);
        phone.waiting = waiting;
        phone.target = left.map(|left| NOW + left);
        assert_eq!(
            phone.opens(ServiceType::TargetBased),
            expected,
            "{waiting} {left:?}"
        );
        let used = phone.used(ServiceType::TargetBased);
        assert_eq!(used, if expected { None } else { Some(WIFI) });
    }
    let controller = ServiceController::default();
    let next = controller.next_decision(NOW, Some(NOW + seconds(9)));
    assert_eq!(next, Some(NOW + seconds(4)));
}

#[test]
fn pure_handover_takes_the_best_of_both() {
    for (wifi, cell, lost, expected) in [
        (50, 60, false, WIFI),
        (60, 50, false, CELL),
        (50, 60, true, CELL),
    ] {
        let mut phone = Phone::new(Quality::Good);
        phone.paths[WIFI].srtt = Some(Duration::from_millis(wifi));
        phone.paths[CELL].srtt = Some(Duration::from_millis(cell));
        phone.paths[WIFI].backoff = u32::from(lost);
        assert_eq!(
            phone.used(ServiceType::PureHandover),
            Some(expected),
            "{wifi} {cell} {lost}"
        );
    }
}

#[test]
fn the_only_one_that_works_is_used_in_every_mode() {
    for service in [0, 1, 2, 3, 4].map(|number| ServiceType::of_number(number).unwrap()) {
        let mut phone = Phone::new(Quality::Good);
        for only in [WIFI, CELL] {
            phone.paths[only].backup = true;
            let regular = Action::SetBackup(phone.paths[only].id, false);
            let actions = phone.decide(service, &[only]);
            assert!(actions.contains(&regular), "{service:?} {actions:?}");
        }
        // Without Wi-Fi the cellular one is made in every mode, and once only in a while.
        phone.interfaces[WIFI].up = false;
        phone.controller = ServiceController::default();
        let open = [Action::Open(phone.interfaces[CELL].id)];
        assert_eq!(phone.decide(service, &[]), open);
        assert_eq!(phone.decide(service, &[]), []);
        let next = phone.controller.next_decision(NOW, None);
        assert_eq!(next, Some(NOW + Duration::from_secs(3)));
    }
}

#[test]
fn moves_are_counted() {
    let mut phone = Phone::new(Quality::Good);
    for (wifi, switches) in [(50, 0), (700, 1), (700, 1), (50, 2)] {
        phone.paths[WIFI].srtt = Some(Duration::from_millis(wifi));
        phone.used(ServiceType::Interactive);
        assert_eq!(phone.controller.switches(), switches);
    }
}
