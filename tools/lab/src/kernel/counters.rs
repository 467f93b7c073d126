//! What the kernel has counted about MPTCP in the caller's network namespace.

use std::collections::HashMap;
use std::{fs, io};

/// The counters of `MPTcpExt` at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(HashMap<String, u64>);

impl Counters {
    /// Reads them, for the calling thread's namespace.
    ///
    /// # Errors
    /// `/proc` is out of reach.
    pub fn read() -> io::Result<Self> {
        // Not /proc/net: that is the namespace of the process's first thread.
        fs::read_to_string("/proc/thread-self/net/netstat").map(|text| Self::parse(&text))
    }

    /// The counter of a name such as `MPJoinSynRx`; 0 if the kernel does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// By how much a counter has grown since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self, name: &str) -> u64 {
        self.get(name).saturating_sub(earlier.get(name))
    }

    /// The counters that are not 0, by name.
    #[must_use]
    pub fn nonzero(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self
            .0
            .iter()
            .filter(|&(_, &count)| count > 0)
            .map(|(name, &count)| (name.as_str(), count))
            .collect();
        all.sort_unstable();
        all
    }

    /// The file has pairs of lines, names above numbers, each pair starting with its group.
    fn parse(text: &str) -> Self {
        const GROUP: &str = "MPTcpExt:";
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(GROUP));
        let (Some(names), Some(counts)) = (lines.next(), lines.next()) else {
            return Self::default();
        };
        let counts = counts
            .split_whitespace()
            .map(|count| count.parse().unwrap_or_default());
        Self(
            names
                .split_whitespace()
                .map(str::to_owned)
                .zip(counts)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_pair_of_lines_is_read() {
        let counters = Counters::parse(
            "TcpExt: SyncookiesSent MPJoinSynRx\nTcpExt: 7 8\n\
             MPTcpExt: MPCapableSYNRX MPJoinSynRx\nMPTcpExt: 1 2\n",
        );
        assert_eq!(counters.get("MPJoinSynRx"), 2);
        assert_eq!(counters.get("SyncookiesSent"), 0);
        assert_eq!(
            counters.nonzero(),
            [("MPCapableSYNRX", 1), ("MPJoinSynRx", 2)]
        );
        assert_eq!(Counters::parse("nothing of the kind"), Counters::default());
    }
}
