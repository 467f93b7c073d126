//! What a run leaves behind: a digest of every packet and its time, and the packets themselves
//! for the case that the run fails.

use crate::capture::{Capture, Record};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use umptcp_stack::Instant;

/// Bytes kept of whole packets; later ones are cut to their headers.
const WHOLE_PACKET_BUDGET: usize = 32 << 20;
/// Bytes kept of anything; later packets only count for the digest.
const BUDGET: usize = 128 << 20;
/// Enough for an IPv6 and a TCP header with all options.
const HEADERS: usize = 100;

#[derive(Debug)]
struct Entry {
    nanos: u64,
    interface: usize,
    start: usize,
    kept: usize,
    original_len: usize,
    comment: Option<&'static str>,
}

/// Records the packets of one run.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Only counts packets.
    counts_only: bool,
    interfaces: Vec<String>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    omitted: u64,
    packets: u64,
    digest: crc32fast::Hasher,
}

impl Recorder {
    pub(super) fn add_interface(&mut self, name: String) -> usize {
        self.interfaces.push(name);
        self.interfaces.len() - 1
    }

    /// From now on, packets are neither kept nor part of the digest.
    pub(super) fn count_only(&mut self) {
        self.counts_only = true;
    }

    /// Whether [`Self::count_only`] was called.
    pub(super) fn counts_only(&self) -> bool {
        self.counts_only
    }

    /// Takes a packet where it enters a link; `comment` says what the link did with it.
    pub(super) fn packet(
        &mut self,
        interface: usize,
        now: Instant,
        packet: &[u8],
        comment: Option<&'static str>,
    ) {
        self.packets += 1;
        if self.counts_only {
            self.omitted += 1;
            return;
        }
        self.digest.update(&now.as_nanos().to_le_bytes());
        self.digest.update(&(interface as u64).to_le_bytes());
        self.digest.update(packet);
        let start = self.bytes.len();
        if start >= BUDGET {
            self.omitted += 1;
            return;
        }
        let kept = if start < WHOLE_PACKET_BUDGET {
            packet.len()
        } else {
            HEADERS
        };
        let kept = kept.min(packet.len());
        self.bytes.extend_from_slice(&packet[..kept]);
        self.entries.push(Entry {
            nanos: now.as_nanos(),
            interface,
            start,
            kept,
            original_len: packet.len(),
            comment,
        });
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn digest(&self) -> u32 {
        self.digest.clone().finalize()
    }

    /// Packets that [`Self::save`] cannot show, because there were too many.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Writes all that was kept to a pcapng file.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut capture = Capture::new(BufWriter::new(File::create(path)?))?;
        let interfaces = self
            .interfaces
            .iter()
            .map(|name| capture.add_interface(name))
            .collect::<io::Result<Vec<_>>>()?;
        for entry in &self.entries {
            capture.record(&Record {
                interface: interfaces[entry.interface],
                nanos: entry.nanos,
                pieces: &[&self.bytes[entry.start..entry.start + entry.kept]],
                original_len: entry.original_len,
                comment: entry.comment,
            })?;
        }
        capture.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_time_place_and_content() {
        let digest = |nanos, interface, packet: &[u8]| {
            let mut recorder = Recorder::default();
            recorder.packet(interface, Instant::from_nanos(nanos), packet, None);
            recorder.digest()
        };
        let original = digest(1, 0, b"abc");
        assert_eq!(original, digest(1, 0, b"abc"));
        assert_ne!(original, digest(2, 0, b"abc"));
        assert_ne!(original, digest(1, 1, b"abc"));
        assert_ne!(original, digest(1, 0, b"abd"));
    }

    #[test]
    fn nothing_is_kept_where_only_the_count_is_wanted() {
        let mut recorder = Recorder::default();
        recorder.count_only();
        recorder.packet(0, Instant::ZERO, b"abc", None);
        assert_eq!((recorder.packets(), recorder.omitted()), (1, 1));
        assert!(recorder.bytes.is_empty() && recorder.entries.is_empty());
        assert_eq!(recorder.digest(), Recorder::default().digest());
    }

    #[test]
    fn long_runs_keep_headers_only() {
        let mut recorder = Recorder::default();
        let interface = recorder.add_interface("a".into());
        let packet = vec![1; 60_000];
        for _ in 0..WHOLE_PACKET_BUDGET.div_ceil(packet.len()) {
            recorder.packet(interface, Instant::ZERO, &packet, None);
        }
        let whole = recorder.bytes.len();
        recorder.packet(interface, Instant::ZERO, &packet, None);
        assert_eq!(recorder.bytes.len(), whole + HEADERS);
        assert_eq!(recorder.omitted(), 0);
    }
}
