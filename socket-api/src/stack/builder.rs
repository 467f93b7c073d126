//! Starting a stack.
//!
//! The module owns the construction of the endpoint and its driver.

use super::Stack;
use crate::device::Device;
use crate::driver::Driver;
use crate::error;
use crate::shared::{Clock, Handle, Shared};
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use umptcp_stack::{Endpoint, EndpointConfig, InterfaceConfig, InterfaceId};

/// Describes a [`Stack`] to start.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct StackBuilder {
    config: EndpointConfig,
    seed: Option<[u8; 32]>,
    interfaces: Vec<(Box<dyn Device>, Vec<IpAddr>)>,
}

impl StackBuilder {
    /// Settings of the whole stack; the default ones otherwise.
    pub fn config(mut self, config: EndpointConfig) -> Self {
        self.config = config;
        self
    }

    /// The seed of all keys, nonces and sequence numbers. Whoever knows it can forge packets: fix
    /// it only to repeat an experiment. It comes from the operating system otherwise.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds an interface with its addresses. The first one has index 0, and so on.
    pub fn interface(
        mut self,
        device: impl Device,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        self.interfaces
            .push((Box::new(device), addresses.into_iter().collect()));
        self
    }

    /// Starts the stack: from now on its task drives the devices.
    ///
    /// # Errors
    /// Not inside a tokio runtime, or the operating system gives no random seed.
    pub fn start(self) -> io::Result<Stack> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|source| error::failed("cannot start a stack", io::Error::other(source)))?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let clock = Clock::start();
        let mut endpoint = Endpoint::new(self.config, seed);
        let mut devices = Vec::with_capacity(self.interfaces.len());
        let mut names = Vec::with_capacity(self.interfaces.len());
        for (device, addresses) in self.interfaces {
            let config = InterfaceConfig {
                mtu: device.mtu(),
                ..InterfaceConfig::default()
            };
            let interface = endpoint.add_interface(config);
            for address in addresses {
                endpoint.add_address(clock.now(), interface, address);
            }
            let name = device.link_name();
            let name = name.unwrap_or_else(|| format!("if{}", interface.index()));
            names.push((interface, name));
            devices.push((interface, device));
        }
        let interfaces: Arc<[InterfaceId]> = devices.iter().map(|(id, _)| *id).collect();
        let shared = Arc::new(Shared::new(clock, endpoint, &interfaces));
        shared.lock().system.interfaces = names;
        let handle = Handle::new(Arc::clone(&shared));
        // `Driver::new` sets up a timer, which needs the runtime's context: we are in it.
        runtime.spawn(Driver::new(shared, devices));
        Ok(Stack { handle, interfaces })
    }
}

fn random_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|source| {
        error::failed(
            "cannot get a random seed from the system",
            io::Error::other(source),
        )
    })?;
    Ok(seed)
}
