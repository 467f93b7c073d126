//! Bytes the application has written, by stream offset, until the peer has them.

use bytes::{Buf as _, Bytes, BytesMut};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Slices of one range. More than a few are joined by a copy.
pub type Slices = SmallVec<[Bytes; 2]>;

/// Size of the chunks that small writes are gathered in.
const CHUNK: usize = 64 * 1024;
/// A range in more slices than this is copied into one: many tiny writes would otherwise make
/// long gather lists.
const MAX_SLICES: usize = 4;

/// A queue of bytes with random access by offset.
///
/// A byte is copied at most once, when it is written; ranges handed out share the chunk.
#[derive(Debug, Default)]
pub struct SendBuffer {
    chunks: VecDeque<Chunk>,
    /// The end of the stream, still open for more; it follows the last chunk.
    open: BytesMut,
    start: u64,
    end: u64,
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl SendBuffer {
    /// An empty buffer at offset 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Offset of the first byte held.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the last byte written.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(usize::MAX)
    }

    /// True if nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Appends a copy of `data`.
    pub fn write(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.open.len() == self.open.capacity() {
                self.seal();
                self.open = BytesMut::with_capacity(CHUNK);
            }
            let room = self.open.capacity() - self.open.len();
            let (now, rest) = data.split_at(room.min(data.len()));
            self.open.extend_from_slice(now);
            self.end += now.len() as u64;
            data = rest;
        }
    }

    /// Appends `data` itself.
    pub fn write_bytes(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.seal();
        let start = self.end;
        self.end += data.len() as u64;
        self.chunks.push_back(Chunk { start, bytes: data });
    }

    /// The `len` bytes from `offset` on; the range must be held.
    pub fn slice(&mut self, offset: u64, len: usize) -> Slices {
        debug_assert!(offset >= self.start && offset + len as u64 <= self.end);
        if offset + len as u64 > self.end - self.open.len() as u64 {
            self.seal();
        }
        let mut slices = Slices::new();
        let mut at = offset;
        let mut missing = len;
        let first = self
            .chunks
            .partition_point(|chunk| chunk.start <= offset)
            .saturating_sub(1);
        for chunk in self.chunks.range(first..) {
            if missing == 0 {
                break;
            }
            let skip = usize::try_from(at - chunk.start).unwrap_or(usize::MAX);
            let take = missing.min(chunk.bytes.len() - skip);
            slices.push(chunk.bytes.slice(skip..skip + take));
            at += take as u64;
            missing -= take;
        }
        if slices.len() > MAX_SLICES {
            let mut joined = BytesMut::with_capacity(len);
            slices
                .iter()
                .for_each(|slice| joined.extend_from_slice(slice));
            slices = SmallVec::from_iter([joined.freeze()]);
        }
        slices
    }

    /// Lets go of everything before `offset`.
    pub fn release_before(&mut self, offset: u64) {
        let offset = offset.min(self.end);
        if offset <= self.start {
            return;
        }
        if offset > self.end - self.open.len() as u64 {
            self.seal();
        }
        self.start = offset;
        while let Some(chunk) = self.chunks.front_mut() {
            let chunk_end = chunk.start + chunk.bytes.len() as u64;
            if chunk_end > offset {
                if offset > chunk.start {
                    chunk
                        .bytes
                        .advance(usize::try_from(offset - chunk.start).unwrap_or(usize::MAX));
                    chunk.start = offset;
                }
                break;
            }
            self.chunks.pop_front();
        }
    }

    /// Makes the open end a chunk of its own; the rest of its memory stays open for more.
    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let bytes = self.open.split().freeze();
        self.chunks.push_back(Chunk {
            start: self.end - bytes.len() as u64,
            bytes,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tiny_writes_come_out_as_few_slices() {
        let mut buffer = SendBuffer::new();
        for byte in 0..100 {
            buffer.write(&[byte]);
            // Reading in between seals a chunk each time: the worst case.
            assert_eq!(buffer.slice(u64::from(byte), 1)[0][0], byte);
        }
        let slices = buffer.slice(0, 100);
        assert_eq!(slices.len(), 1);
        assert_eq!(slices[0], (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn releasing_inside_a_chunk_keeps_the_rest() {
        let mut buffer = SendBuffer::new();
        buffer.write_bytes(Bytes::from_static(b"hello "));
        buffer.write(b"world");
        buffer.release_before(8);
        assert_eq!((buffer.start(), buffer.end(), buffer.len()), (8, 11, 3));
        assert_eq!(buffer.slice(8, 3).concat(), b"rld");
        buffer.release_before(100);
        assert!(buffer.is_empty());
        buffer.write(b"!");
        assert_eq!(buffer.slice(11, 1).concat(), b"!");
    }

    proptest! {
        #[test]
        fn slices_are_what_was_written(
            writes in prop::collection::vec((any::<bool>(), 1_usize..90_000), 1..8),
            reads in prop::collection::vec((any::<u32>(), 0_usize..70_000), 1..8),
        ) {
            let mut buffer = SendBuffer::new();
            let mut all = Vec::new();
            for (copied, len) in writes {
                let data: Vec<u8> = (0..len).map(|i| u8::try_from((all.len() + i) % 251).unwrap()).collect();
                if copied { buffer.write(&data) } else { buffer.write_bytes(Bytes::from(data.clone())) }
                all.extend(data);
            }
            for (at, len) in reads {
                let at = at as usize % all.len();
                let len = len.min(all.len() - at);
                if (at as u64) < buffer.start() { continue; }
                prop_assert_eq!(buffer.slice(at as u64, len).concat(), &all[at..at + len]);
                buffer.release_before(at as u64 / 2);
            }
        }
    }
}
