//! How a world moves: what happens at one moment, in which order, and which moment is next.

use super::*;

impl World {
    /// Lets time pass until `condition` holds, nothing is left to happen, or `limit` is reached.
    pub fn run_until(
        &mut self,
        mut condition: impl FnMut(&Self) -> bool,
        limit: Instant,
    ) -> Outcome {
        let outcome = loop {
            let mut rounds = 0;
            while self.round() {
                rounds += 1;
                if rounds > MAX_ROUNDS_AT_ONCE {
                    break;
                }
            }
            if let Some(reason) = &self.failure {
                break Outcome::Failed(reason.clone());
            }
            if condition(self) {
                break Outcome::Done;
            }
            if rounds > MAX_ROUNDS_AT_ONCE {
                break Outcome::Livelock;
            }
            match self.next_moment() {
                None => break Outcome::Idle,
                Some(moment) if moment > limit => {
                    self.now = self.now.max(limit);
                    break Outcome::TimeLimit;
                }
                Some(moment) => self.now = moment,
            }
        };
        self.outcome = Some(outcome.clone());
        outcome
    }

    /// Lets a stretch of time pass.
    pub fn run_for(&mut self, duration: std::time::Duration) -> Outcome {
        let until = self.now + duration;
        self.run_until(|world| world.now >= until, until)
    }

    /// Everything that is due now, once; false if nothing was.
    fn round(&mut self) -> bool {
        let mut busy = self.run_actions();
        for wire in 0..self.wires.len() {
            for direction in 0..2 {
                busy |= self.deliver(wire, direction);
            }
        }
        for host in 0..self.hosts.len() {
            let endpoint = &mut self.hosts[host].endpoint;
            if endpoint
                .poll_timeout()
                .is_some_and(|timeout| timeout <= self.now)
            {
                endpoint.handle_timeout(self.now);
                busy = true;
            }
            busy |= self.drain(host);
            busy |= self.run_controllers(host);
        }
        for foreign in 0..self.foreign.len() {
            let host = &mut self.foreign[foreign].host;
            if host
                .poll_timeout()
                .is_some_and(|timeout| timeout <= self.now)
            {
                host.handle_timeout(self.now);
                self.drain_foreign(foreign);
                busy = true;
            }
        }
        for session in 0..self.sessions.len() {
            busy |= self.step_session(session);
        }
        busy && self.failure.is_none()
    }

    fn next_moment(&self) -> Option<Instant> {
        let links = self
            .wires
            .iter()
            .flatten()
            .filter_map(|direction| direction.links.next_deadline());
        let hosts = self
            .hosts
            .iter()
            .flat_map(|host| {
                [
                    host.endpoint.poll_timeout(),
                    host.controllers.poll_timeout(),
                ]
            })
            .flatten();
        let foreign = self
            .foreign
            .iter()
            .filter_map(|foreign| foreign.host.poll_timeout());
        let sessions = self.sessions.iter().filter_map(Session::deadline);
        let actions = self.actions.first_key_value().map(|((time, _), _)| *time);
        links
            .chain(hosts)
            .chain(foreign)
            .chain(sessions)
            .chain(actions)
            .min()
    }

    fn run_actions(&mut self) -> bool {
        let mut busy = false;
        while let Some(entry) = self.actions.first_entry()
            && entry.key().0 <= self.now
        {
            entry.remove()(self);
            busy = true;
        }
        busy
    }

    /// Hands over what has arrived at the end of one direction of a wire.
    fn deliver(&mut self, wire: usize, direction: usize) -> bool {
        let mut busy = false;
        while let Some(packet) = self.wires[wire][direction].links.poll_deliver(self.now) {
            busy = true;
            match self.wires[wire][direction].to {
                End::Foreign(ForeignId(foreign)) => {
                    self.foreign[foreign].host.handle_packet(self.now, packet);
                    self.drain_foreign(foreign);
                }
                End::Interface(host, interface) => {
                    self.hand_over((wire, direction), host, interface, packet);
                }
            }
        }
        busy
    }

    fn hand_over(
        &mut self,
        (wire, direction): (usize, usize),
        host: HostId,
        interface: usize,
        packet: Bytes,
    ) {
        let sender = self.wires[wire][1 - direction].to;
        if !self.takes(host, interface, &packet) {
            self.unroutable += 1;
            return;
        }
        // Who leaves checksums to the other end vouches for what arrives; where bits flip, the
        // device completes them instead.
        let links = &self.wires[wire][direction].links;
        let offloaded = match sender {
            End::Interface(..) if links.corrupts() => false,
            End::Interface(HostId(host), interface) => {
                self.hosts[host].interfaces[interface]
                    .config
                    .checksum_offload
            }
            End::Foreign(_) => false,
        };
        let checksum = if offloaded {
            ChecksumStatus::Good
        } else {
            ChecksumStatus::Unverified
        };
        let receiver = &mut self.hosts[host.0];
        let id = receiver.interfaces[interface].id;
        receiver.endpoint.handle_packet(
            self.now,
            id,
            &ReceivedPacket {
                data: packet,
                checksum,
            },
        );
        self.drain(host.0);
    }

    fn drain_foreign(&mut self, foreign: usize) {
        let Foreign {
            name,
            host,
            attachment,
        } = &mut self.foreign[foreign];
        let Attachment { wire, direction } = *attachment;
        while let Some(packet) = host.poll_transmit() {
            let wire = &mut self.wires[wire];
            wire::push(wire, direction, self.now, packet, &mut self.recorder);
        }
        if let Err(reason) = host.progress() {
            self.failure = Some(format!("{name} at {:?}: {reason}", self.now));
        }
    }

    fn takes(&self, host: HostId, interface: usize, packet: &Bytes) -> bool {
        let Some(destination) = destination(packet) else {
            // Damaged beyond recognition: for the stack to judge.
            return true;
        };
        let interfaces = &self.hosts[host.0].interfaces;
        match self.reach {
            Reach::OwnAddresses => interfaces[interface].addresses.contains(&destination),
            Reach::WholeHost => interfaces
                .iter()
                .any(|i| i.addresses.contains(&destination)),
        }
    }

    /// Takes packets and events from a host until it has no more.
    pub(super) fn drain(&mut self, host: usize) -> bool {
        let mut busy = false;
        while let Some(transmit) = self.hosts[host].endpoint.poll_transmit(self.now) {
            busy = true;
            let interface = &self.hosts[host].interfaces[transmit.interface.index()];
            if let Err(reason) = interface.can_send(&transmit) {
                let place = &self.hosts[host].name;
                self.failure = Some(format!("{place} at {:?}: {reason}", self.now));
                break;
            }
            let Some(Attachment { wire, direction }) = interface.attachment else {
                self.unroutable += 1;
                continue;
            };
            let wire = &mut self.wires[wire];
            let links = &wire[direction].links;
            let (long, corrupts) = (transmit.len() > usize::from(links.mtu()), links.corrupts());
            let mut send = |packet| {
                wire::push(wire, direction, self.now, packet, &mut self.recorder);
            };
            self.super_segments += u64::from(transmit.segment_size.is_some());
            match transmit.segment_size {
                Some(size) if long => device::cut(&transmit, size).for_each(send),
                // A cable that exists in software only carries the whole.
                Some(_) | None if corrupts => send(device::completed(&transmit)),
                Some(_) | None => send(transmit.to_bytes()),
            }
        }
        while let Some(event) = self.hosts[host].endpoint.poll_event() {
            busy = true;
            let Host {
                endpoint,
                controllers,
                ..
            } = &mut self.hosts[host];
            controllers.handle_event(self.now, endpoint, &event);
            self.dispatch(host, event);
        }
        busy
    }

    fn dispatch(&mut self, host: usize, event: Event) {
        let logged = !self.recorder.counts_only();
        if let Event::Incoming(listener) = event {
            let Host {
                endpoint, services, ..
            } = &mut self.hosts[host];
            for service in services
                .iter_mut()
                .filter(|service| service.listener == listener)
            {
                while let Some(id) = endpoint.accept(listener) {
                    let script = (service.factory)(service.accepted);
                    service.accepted += 1;
                    let mut session = Session::accepted(HostId(host), id, script);
                    // What happened to the connection before it was accepted.
                    let earlier = |(place, event): &mut (HostId, Event)| {
                        *place == HostId(host) && event.connection() == Some(id)
                    };
                    for (_, event) in self.stray_events.extract_if(.., earlier) {
                        session.take_event(self.now, event, logged);
                    }
                    self.sessions.push(session);
                }
            }
            return;
        }
        let id = event.connection();
        if id.is_none() {
            // A listener was opened or closed: whoever did so knows.
            return;
        }
        let mut sessions = self
            .sessions
            .iter_mut()
            .filter(|s| s.host() == HostId(host));
        let Some(session) = sessions.find(|session| session.former_connection() == id) else {
            self.keep_for_later(HostId(host), event);
            return;
        };
        // What a connection does after its release is no business of the application.
        if session.connection().is_some() {
            session.take_event(self.now, event, logged);
        }
    }

    /// An event of a connection that nobody has accepted yet. One that ends half-open never is.
    fn keep_for_later(&mut self, host: HostId, event: Event) {
        let id = event.connection();
        let endpoint = &self.hosts[host.0].endpoint;
        let info = id.and_then(|id| endpoint.connection_info(id));
        if matches!(event, Event::Closed(..)) && !info.is_some_and(|info| info.established) {
            self.stray_events
                .retain(|(place, event)| *place != host || event.connection() != id);
        } else {
            self.stray_events.push((host, event));
        }
    }

    fn step_session(&mut self, session: usize) -> bool {
        let session = &mut self.sessions[session];
        if !session.is_due(self.now) {
            return false;
        }
        let HostId(host) = session.host();
        let result = session.step(self.now, &mut self.hosts[host].endpoint);
        if let Err(reason) = result {
            let place = &self.hosts[host].name;
            self.failure = Some(format!("{place} at {:?}: {reason}", self.now));
        }
        self.drain(host);
        true
    }

    /// Says how to repeat a failed run, and leaves its packets.
    fn report_failure(&self) {
        let file = format!("{}-{}.pcapng", self.name, self.seed);
        let path = self.failed_runs.join(file);
        let outcome = self.outcome.as_ref();
        eprintln!(
            "run {:?} with seed {} failed at {:?}",
            self.name, self.seed, self.now
        );
        eprintln!("outcome of the run itself: {outcome:?}");
        eprintln!("{}", self.description);
        for (number, session) in self.sessions.iter().enumerate() {
            let (host, progress) = (&self.hosts[session.host().0].name, session.progress());
            eprintln!(
                "session {number} on {host}: {progress:?}, closed {:?}",
                session.closed()
            );
            for subflow in session.last_subflows() {
                eprintln!("    {subflow:?}");
            }
            let notable = |event: &Event| !matches!(event, Event::Readable(_) | Event::Writable(_));
            for (time, event) in session.events().iter().filter(|(_, event)| notable(event)) {
                eprintln!("    at {time:?}: {event:?}");
            }
        }
        for foreign in &self.foreign {
            eprintln!("{}: {:?}", foreign.name, foreign.host.progress());
        }
        for (number, wire) in self.wires.iter().enumerate() {
            let [there, back] = [&wire[0], &wire[1]].map(|direction| direction.links.counters());
            eprintln!("wire {number} there: {there:?}\nwire {number} back: {back:?}");
        }
        match self.recorder.save(&path) {
            Ok(()) => eprintln!(
                "its packets ({} omitted): {}",
                self.recorder.omitted(),
                path.display()
            ),
            Err(error) => eprintln!(
                "its packets could not be written to {}: {error}",
                path.display()
            ),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report_failure();
        }
    }
}

/// The destination address of an IP packet; `None` if there is not even that.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    // RFC 791 §3.1 and RFC 8200 §3.
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}
