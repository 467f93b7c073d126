//! A stack that others look at and rule: programs by numbers, monitors, controllers, other processes.
//!
//! The module owns these methods of the stack.

use super::Stack;
use crate::bsd::{Errno, Net, Socket};
use crate::control_socket::ControlServer;
use crate::events::{EventQueue, StackEvents};
use crate::shared::State;
use crate::smapp::{Answer, Command, Controller, ControllerId, EventMask, Query, Reply};
use crate::stack_socket::StackSocket;
use std::io;
use std::path::Path;

impl Stack {
    /// `socket(domain, kind, protocol)`: a socket as C programs know it, by numbers.
    ///
    /// # Errors
    /// As for [`Socket::new`].
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<StackSocket, Errno> {
        let made = |state: &State| Socket::new(&state.system, domain, kind, protocol);
        let socket = self.handle.look(made)?;
        Ok(StackSocket::new(&self.handle, socket))
    }

    /// Looks at, or changes, what belongs to no socket: the endpoint, and what all sockets have in
    /// common. What the change leads to is carried out at once.
    ///
    /// # Errors
    /// `ENETDOWN` if the stack has stopped, or what the call gives.
    pub fn with_net<T>(
        &self,
        call: impl FnOnce(&mut Net<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.handle.command(|state, now| {
            if state.stopped {
                return Err(Errno::ENETDOWN);
            }
            call(&mut state.net(now))
        })
    }

    /// What happens on the stack from now on, connections of all kinds included; at most `capacity`
    /// events wait to be read.
    #[must_use]
    pub fn events(&self, capacity: usize) -> StackEvents {
        let (queue, receiver) = EventQueue::new(capacity);
        self.handle.command(|state, _| {
            if state.stopped {
                queue.finish(None, &mut Vec::new());
            } else {
                state.monitors.push(queue);
            }
        });
        StackEvents::new(receiver)
    }

    /// Lets a controller rule the connections of the stack; it hears of those that are there as if
    /// they were new. It runs in the stack's own task, so it must not wait.
    pub fn add_controller(&self, controller: Box<dyn Controller>) -> ControllerId {
        self.handle
            .command(|state, now| state.controllers.add(now, &mut state.endpoint, controller))
    }

    /// Changes which events a controller hears, and tells it of what there is if it is to be `known`.
    pub(crate) fn set_controller_events(&self, id: ControllerId, events: EventMask, known: bool) {
        self.handle.command(|state, now| {
            state.controllers.set_events(id, events);
            if known {
                let endpoint = &mut state.endpoint;
                state.controllers.tell_known(now, endpoint, id);
            }
        });
    }

    /// Takes a controller away; what it has done stays.
    pub fn remove_controller(&self, id: ControllerId) -> Option<Box<dyn Controller>> {
        self.handle.command(|state, _| state.controllers.remove(id))
    }

    /// Carries out a command of SMAPP.
    ///
    /// # Errors
    /// See [`Control::execute`](crate::smapp::Control::execute).
    pub fn execute(&self, command: &Command) -> Result<Reply, Errno> {
        self.handle
            .command(|state, now| state.controllers.execute(now, &mut state.endpoint, command))
    }

    /// Looks something up for SMAPP.
    ///
    /// # Errors
    /// See [`Control::query`](crate::smapp::Control::query).
    pub fn query(&self, query: &Query) -> Result<Answer, Errno> {
        self.handle
            .command(|state, _| state.controllers.query(&mut state.endpoint, query))
    }

    /// Opens a control socket at `path`, by which other processes of the same user look at the stack
    /// and rule it, such as the command `umptcp ss`: see [`control_socket`](crate::control_socket).
    /// It lasts until the result is dropped, and keeps the stack running until then.
    ///
    /// # Errors
    /// `AddrInUse` if another stack has it, or what the file system gives.
    pub fn serve_control(&self, path: impl AsRef<Path>) -> io::Result<ControlServer> {
        ControlServer::open(self.clone(), path.as_ref())
    }
}
