//! Captures read back with tshark, whose MPTCP dissector works out tokens, sequence numbers and
//! mappings by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes the dissector work out what it can, and show numbers as they are on the wire.
const PREFERENCES: [&str; 7] = [
    "mptcp.analyze_mptcp:TRUE",
    "mptcp.analyze_mappings:TRUE",
    "mptcp.relative_sequence_numbers:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.check_checksum:TRUE",
    "ip.check_checksum:TRUE",
    // Payload of these tests is noise that may look like anything.
    "tcp.try_heuristic_first:FALSE",
];

/// A capture file, removed when the test is over, unless the test has failed.
#[derive(Debug)]
pub struct CaptureFile {
    path: PathBuf,
}

/// One frame: the values of the fields that were asked for, several ones joined by commas.
pub type Row = Vec<String>;

impl CaptureFile {
    /// A file of a name nobody else has.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("umptcp-{}-{number}.pcapng", std::process::id());
        Self {
            path: std::env::temp_dir().join(name),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `fields` of each frame that matches `filter`.
    ///
    /// # Panics
    /// tshark cannot be run or does not like what it is asked.
    #[must_use]
    pub fn rows(&self, filter: &str, fields: &[&str]) -> Vec<Row> {
        let mut command = Command::new("tshark");
        command
            .args(["-n", "-r"])
            .arg(&self.path)
            .args(["-Y", filter]);
        for preference in PREFERENCES {
            command.args(["-o", preference]);
        }
        command.args([
            "-T",
            "fields",
            "-E",
            "separator=/t",
            "-E",
            "occurrence=a",
            "-E",
            "aggregator=,",
        ]);
        for field in fields {
            command.args(["-e", field]);
        }
        let output = command.output().expect("tshark (tests/run installs it)");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark -Y {filter:?}: {complaint}");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }

    /// How many frames match `filter`.
    #[must_use]
    pub fn count(&self, filter: &str) -> usize {
        self.rows(filter, &["frame.number"]).len()
    }

    /// Fails if a frame matches `filter`, and says which.
    ///
    /// # Panics
    /// When one does.
    pub fn assert_none(&self, filter: &str) {
        let rows = self.rows(
            filter,
            &["frame.number", "_ws.col.Info", "_ws.expert.message"],
        );
        assert!(
            rows.is_empty(),
            "{}: {} frames match {filter:?}, the first: {:?}",
            self.path.display(),
            rows.len(),
            rows[0]
        );
    }
}

impl Default for CaptureFile {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
