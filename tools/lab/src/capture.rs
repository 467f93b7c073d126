//! Packet captures as pcapng files, for Wireshark and tshark.
//!
//! Owns the file format: raw IP packets, nanosecond timestamps, one interface for each link or
//! device. It neither takes packets from anywhere nor reads a clock.

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Timestamps count 10⁻⁹ seconds (pcapng, option `if_tsresol`).
const NANOSECOND_RESOLUTION: u8 = 9;

/// An interface of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CaptureInterface(u32);

/// A packet as a capture keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it was seen.
    pub interface: CaptureInterface,
    /// When, in nanoseconds.
    pub nanos: u64,
    /// Its bytes, in pieces.
    pub pieces: &'a [&'a [u8]],
    /// Its length, which is more than `pieces` hold if only its beginning was kept.
    pub original_len: usize,
    /// A remark that Wireshark shows with the packet.
    pub comment: Option<&'a str>,
}

/// A capture being written.
pub struct Capture<W: Write> {
    writer: PcapNgWriter<W>,
    interfaces: u32,
    /// One packet in one piece, kept for its allocation.
    packet: Vec<u8>,
}

impl<W: Write> fmt::Debug for Capture<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Capture<W> {
    /// Begins a capture; many small writes follow, so `writer` is best a buffered one.
    ///
    /// # Errors
    /// `writer` refuses the file header.
    pub fn new(writer: W) -> io::Result<Self> {
        let writer = PcapNgWriter::new(writer).map_err(into_io)?;
        Ok(Self {
            writer,
            interfaces: 0,
            packet: Vec::new(),
        })
    }

    /// Adds an interface under a name that Wireshark will show.
    ///
    /// # Errors
    /// The writer fails.
    pub fn add_interface(&mut self, name: &str) -> io::Result<CaptureInterface> {
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            // No limit.
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                InterfaceDescriptionOption::IfTsResol(NANOSECOND_RESOLUTION),
            ],
        };
        self.writer.write_pcapng_block(interface).map_err(into_io)?;
        let id = CaptureInterface(self.interfaces);
        self.interfaces += 1;
        Ok(id)
    }

    /// Adds an IP packet, given in pieces, at `nanos` nanoseconds since the Unix epoch (or since
    /// whatever origin the experiment counts from).
    ///
    /// # Errors
    /// The writer fails.
    pub fn packet(
        &mut self,
        interface: CaptureInterface,
        nanos: u64,
        pieces: &[&[u8]],
    ) -> io::Result<()> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.record(&Record {
            interface,
            nanos,
            pieces,
            original_len: len,
            comment: None,
        })
    }

    /// As [`Self::packet`], for a packet with something to say about it.
    ///
    /// # Errors
    /// The writer fails.
    pub fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.packet.clear();
        for piece in record.pieces {
            self.packet.extend_from_slice(piece);
        }
        let comment = record
            .comment
            .map(|text| EnhancedPacketOption::Comment(Cow::Borrowed(text)));
        let packet = EnhancedPacketBlock {
            interface_id: record.interface.0,
            timestamp: Duration::from_nanos(record.nanos),
            original_len: u32::try_from(record.original_len).unwrap_or(u32::MAX),
            data: Cow::Borrowed(&self.packet),
            options: comment.into_iter().collect(),
        };
        self.writer.write_pcapng_block(packet).map_err(into_io)?;
        Ok(())
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// The writer fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }

    /// Ends the capture; whatever the writer buffers is for the caller to flush.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }
}

/// A capture that several threads write to: the packets of two stacks in one file.
#[derive(Clone, Debug)]
pub struct SharedCapture(Arc<Mutex<Capture<Box<dyn Write + Send>>>>);

impl SharedCapture {
    /// Begins a capture.
    ///
    /// # Errors
    /// `writer` refuses the file header.
    pub fn new(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let writer: Box<dyn Write + Send> = Box::new(writer);
        Ok(Self(Arc::new(Mutex::new(Capture::new(writer)?))))
    }

    /// As [`Capture::add_interface`].
    ///
    /// # Errors
    /// The writer fails.
    pub fn add_interface(&self, name: &str) -> io::Result<CaptureInterface> {
        self.with(|capture| capture.add_interface(name))
    }

    /// As [`Capture::packet`].
    ///
    /// # Errors
    /// The writer fails.
    pub fn packet(
        &self,
        interface: CaptureInterface,
        nanos: u64,
        pieces: &[&[u8]],
    ) -> io::Result<()> {
        self.with(|capture| capture.packet(interface, nanos, pieces))
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// The writer fails.
    pub fn flush(&self) -> io::Result<()> {
        self.with(Capture::flush)
    }

    /// A thread that panicked while writing leaves at worst one broken block behind: the others
    /// go on.
    fn with<T>(&self, act: impl FnOnce(&mut Capture<Box<dyn Write + Send>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn into_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::{Block, PcapNgReader};

    /// Interface, nanoseconds, original length, bytes, comment.
    type Packet = (u32, u64, u32, Vec<u8>, Option<String>);

    /// What a reader sees.
    fn read_back(file: &[u8]) -> (Vec<String>, Vec<Packet>) {
        let mut reader = PcapNgReader::new(file).unwrap();
        let (mut names, mut packets) = (Vec::new(), Vec::new());
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(block) => {
                    assert_eq!(block.linktype, DataLink::RAW);
                    let [
                        InterfaceDescriptionOption::IfName(name),
                        InterfaceDescriptionOption::IfTsResol(9),
                    ] = &block.options[..]
                    else {
                        panic!("{:?}", block.options)
                    };
                    names.push(name.to_string());
                }
                Block::EnhancedPacket(block) => packets.push((
                    block.interface_id,
                    u64::try_from(block.timestamp.as_nanos()).unwrap(),
                    block.original_len,
                    block.data.to_vec(),
                    block.options.into_iter().find_map(|option| match option {
                        EnhancedPacketOption::Comment(text) => Some(text.into_owned()),
                        _ => None,
                    }),
                )),
                other => panic!("{other:?}"),
            }
        }
        (names, packets)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut capture = Capture::new(Vec::new()).unwrap();
        let up = capture.add_interface("path 0 up").unwrap();
        capture
            .packet(up, 1_500_000_001, &[b"abc", b"", b"de"])
            .unwrap();
        let down = capture.add_interface("path 0 down").unwrap();
        let cut = Record {
            interface: down,
            nanos: 1_500_000_002,
            pieces: &[b"fghi"],
            original_len: 1500,
            comment: Some("lost"),
        };
        capture.record(&cut).unwrap();
        let (names, packets) = read_back(&capture.into_inner());
        assert_eq!(names, ["path 0 up", "path 0 down"]);
        assert_eq!(
            packets,
            [
                (0, 1_500_000_001, 5, b"abcde".to_vec(), None),
                (
                    1,
                    1_500_000_002,
                    1500,
                    b"fghi".to_vec(),
                    Some("lost".to_owned())
                )
            ]
        );
    }

    #[test]
    fn threads_share_a_capture() {
        #[derive(Clone, Default)]
        struct Shared(Arc<Mutex<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let file = Shared::default();
        let capture = SharedCapture::new(file.clone()).unwrap();
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let capture = capture.clone();
                std::thread::spawn(move || {
                    let interface = capture.add_interface(&format!("{thread}")).unwrap();
                    for n in 0..100 {
                        capture.packet(interface, n, &[&[thread; 9]]).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        capture.flush().unwrap();
        let (names, packets) = read_back(&file.0.lock().unwrap());
        assert_eq!((names.len(), packets.len()), (4, 400));
        for (interface, _, _, bytes, _) in packets {
            assert_eq!(names[interface as usize], bytes[0].to_string());
        }
    }
}
