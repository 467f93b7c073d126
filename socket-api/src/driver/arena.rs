//! Where received packets are put: large blocks, cut into packets without a copy.
//!
//! The module owns the block that is being filled. Packets keep their part of a block alive for as
//! long as somebody holds them; a block that nobody holds any more is used again.

use bytes::{Bytes, BytesMut};

/// Bytes of a block: large enough that allocating one is rare, small enough for the cache.
const BLOCK_LEN: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Arena {
    /// The rest of the current block, all of it initialized.
    block: BytesMut,
}

impl Arena {
    /// Room for one packet of up to `len` bytes, or more.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.block.len() < len {
            self.block.clear();
            self.block.reserve(BLOCK_LEN.max(len));
            self.block.resize(BLOCK_LEN.max(len), 0);
        }
        &mut self.block
    }

    /// Cuts off the packet that was put at the start of the room.
    pub(super) fn take(&mut self, len: usize) -> Bytes {
        let len = len.min(self.block.len());
        self.block.split_to(len).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stay_as_they_were_put() {
        let mut arena = Arena::default();
        let mut packets = Vec::new();
        // More than two blocks, so that some are cut from new ones.
        for number in 0..400_u16 {
            let len = 1400 + usize::from(number % 100);
            let room = arena.room(1500);
            assert!(room.len() >= 1500);
            room[..len].fill(number.to_le_bytes()[0]);
            packets.push((number, len, arena.take(len)));
        }
        for (number, len, packet) in packets {
            assert_eq!(packet.len(), len);
            assert!(packet.iter().all(|byte| *byte == number.to_le_bytes()[0]));
        }
    }

    #[test]
    fn a_block_nobody_holds_is_used_again() {
        let mut arena = Arena::default();
        let first = arena.room(1500).as_ptr();
        for _ in 0..BLOCK_LEN / 1500 {
            drop(arena.take(1500));
        }
        assert_eq!(arena.room(1500).as_ptr(), first);
    }

    #[test]
    fn a_device_that_claims_more_than_there_was_room_for_does_no_harm() {
        let mut arena = Arena::default();
        arena.room(100);
        assert_eq!(arena.take(usize::MAX).len(), BLOCK_LEN);
    }
}
