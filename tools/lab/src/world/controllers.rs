//! Controllers (SMAPP) in virtual time: they hear what happens on their host, and are called at their
//! deadlines, as on a running stack.

use super::host::Host;
use super::{HostId, World};
use umptcp::smapp::{Answer, Command, Controller, ControllerId, Errno, Query, Reply};

impl World {
    /// Adds a controller that rules the connections of a host, from now on.
    pub fn add_controller(
        &mut self,
        host: HostId,
        controller: Box<dyn Controller>,
    ) -> ControllerId {
        let now = self.now;
        let Host {
            endpoint,
            controllers,
            ..
        } = &mut self.hosts[host.0];
        controllers.add(now, endpoint, controller)
    }

    /// Carries out a command of SMAPP on a host.
    ///
    /// # Errors
    /// See `umptcp::smapp::Control::execute`.
    pub fn execute(&mut self, host: HostId, command: &Command) -> Result<Reply, Errno> {
        let now = self.now;
        let Host {
            endpoint,
            controllers,
            ..
        } = &mut self.hosts[host.0];
        controllers.execute(now, endpoint, command)
    }

    /// Looks something up for SMAPP on a host.
    ///
    /// # Errors
    /// See `umptcp::smapp::Control::query`.
    pub fn query(&mut self, host: HostId, query: &Query) -> Result<Answer, Errno> {
        let Host {
            endpoint,
            controllers,
            ..
        } = &mut self.hosts[host.0];
        controllers.query(endpoint, query)
    }

    /// Lets the controllers of a host do what is due.
    pub(super) fn run_controllers(&mut self, host: usize) -> bool {
        let Host {
            endpoint,
            controllers,
            ..
        } = &mut self.hosts[host];
        let due = controllers.poll_timeout();
        if due.is_none_or(|due| due > self.now) {
            return false;
        }
        controllers.handle_timeout(self.now, endpoint);
        self.drain(host);
        true
    }
}
