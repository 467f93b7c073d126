//! What a demonstration is asked to do, and what it is not asked in earnest.

use super::DemoError;
use crate::capture::SharedCapture;
use crate::payload::Payload;
use crate::topology::{Family, MAX_PATHS};
use std::collections::BTreeSet;
use std::time::Duration;
use umptcp_stack::Version;

/// One transfer: what, how, and between whom.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// What is sent.
    pub payload: Payload,
    /// The version our stack offers.
    pub version: Version,
    /// Our stack asks for DSS checksums.
    pub checksum: bool,
    /// Paths between the hosts, 1 to [`MAX_PATHS`], and subflows to open.
    pub paths: usize,
    /// What the paths carry.
    pub family: Family,
    /// Paths that fail under way.
    pub cuts: Vec<Cut>,
    /// Who is on the other side.
    pub peer: Peer,
    /// What the paths are made of.
    pub links: LinkChoice,
    /// Where every packet of the client's devices goes as well.
    pub capture: Option<SharedCapture>,
}

impl DemoOptions {
    /// The defaults: two stacks of ours, version 0, two IPv4 paths that stay up.
    #[must_use]
    pub fn new(payload: Payload) -> Self {
        Self {
            payload,
            version: Version::V0,
            checksum: false,
            paths: 2,
            family: Family::V4,
            cuts: Vec::new(),
            peer: Peer::Stack,
            links: LinkChoice::Auto,
            capture: None,
        }
    }

    /// Looks for wishes that contradict each other.
    ///
    /// # Errors
    /// [`DemoError::BadOptions`], with the first contradiction.
    pub fn check(&self) -> Result<(), DemoError> {
        let refuse = |why: String| Err(DemoError::BadOptions(why));
        if !(1..=MAX_PATHS).contains(&self.paths) {
            return refuse(format!(
                "{} paths: there can be 1 to {MAX_PATHS}",
                self.paths
            ));
        }
        let last = self.paths - 1;
        if let Some(cut) = self.cuts.iter().find(|cut| cut.path > last) {
            return refuse(format!(
                "path {} cannot be cut: paths are numbered 0 to {last}",
                cut.path
            ));
        }
        let gone: BTreeSet<usize> = self.cuts.iter().map(|cut| cut.path).collect();
        if gone.len() == self.paths {
            return refuse("cutting every path leaves none for the transfer to finish on".into());
        }
        if matches!(self.peer, Peer::Kernel(_)) {
            if self.version == Version::V0 {
                return refuse("the kernel speaks MPTCP version 1 only".into());
            }
            if self.links == LinkChoice::InProcess {
                return refuse("the kernel can only be reached over TUN devices".into());
            }
        }
        Ok(())
    }

    /// Whether nothing but TUN devices will do.
    pub(super) fn needs_tun(&self) -> bool {
        self.links == LinkChoice::Tun || matches!(self.peer, Peer::Kernel(_))
    }
}

/// A path that goes down, at both ends, and stays down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The path, from 0.
    pub path: usize,
    /// Time since the transfer began.
    pub at: Duration,
}

/// Who is on the other side of our client stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A second stack of ours, which receives.
    Stack,
    /// An MPTCP socket of the Linux kernel.
    Kernel(Direction),
}

/// Which way the bytes go between our stack and the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Direction {
    /// Our stack sends.
    #[default]
    ToKernel,
    /// The kernel sends.
    FromKernel,
}

/// What the paths are to be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LinkChoice {
    /// TUN devices where they are to be had, and links inside the process otherwise.
    #[default]
    Auto,
    /// TUN devices in a private network namespace.
    Tun,
    /// Queues inside the process.
    InProcess,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut DemoOptions)) -> Option<String> {
        let mut options = DemoOptions::new(Payload::generated(0, 0));
        change(&mut options);
        options.check().err().map(|error| error.to_string())
    }

    #[test]
    fn contradictions_are_refused_with_a_reason() {
        let cut = |path| Cut {
            path,
            at: Duration::ZERO,
        };
        assert_eq!(refusal(|_| {}), None);
        assert_eq!(refusal(|options| options.cuts = vec![cut(1), cut(1)]), None);
        assert!(refusal(|options| options.paths = 9).is_some_and(|why| why.contains("1 to 8")));
        assert!(refusal(|options| options.paths = 0).is_some_and(|why| why.contains("1 to 8")));
        assert!(
            refusal(|options| options.cuts = vec![cut(2)])
                .is_some_and(|why| why.contains("0 to 1"))
        );
        assert!(refusal(|options| options.cuts = vec![cut(0), cut(1)]).is_some());
        let kernel = Peer::Kernel(Direction::ToKernel);
        assert!(
            refusal(|options| options.peer = kernel).is_some_and(|why| why.contains("version 1"))
        );
        let version_1 = |options: &mut DemoOptions| {
            options.peer = kernel;
            options.version = Version::V1;
        };
        assert_eq!(refusal(version_1), None);
        assert!(
            refusal(|options| {
                version_1(options);
                options.links = LinkChoice::InProcess;
            })
            .is_some()
        );
    }
}
