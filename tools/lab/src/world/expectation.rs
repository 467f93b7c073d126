//! What an application expects to read: what the peer sends, and what became of it on the way.

use crate::payload::Pattern;

/// What the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The content.
    pub pattern: Pattern,
    /// Bytes before the end of its stream, as it sends them.
    pub len: u64,
    /// What is made of it on the way.
    pub tampering: Tampering,
}

/// What a middlebox makes of a stream, that nobody can notice or repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tampering {
    /// Nothing.
    #[default]
    None,
    /// Bytes are inverted.
    Inverted {
        /// The first.
        from: u64,
        /// The first that is not.
        to: u64,
    },
    /// Bytes are inserted.
    Inserted {
        /// In front of the byte here.
        at: u64,
        /// These.
        bytes: &'static [u8],
    },
}

impl Expectation {
    /// Bytes that arrive before the end of the stream.
    #[must_use]
    pub fn arriving(&self) -> u64 {
        match self.tampering {
            Tampering::None | Tampering::Inverted { .. } => self.len,
            Tampering::Inserted { bytes, .. } => self.len + bytes.len() as u64,
        }
    }

    /// The offset of the first byte of `data`, which arrived at `offset`, that is not as it should
    /// be.
    #[must_use]
    pub fn first_difference(&self, offset: u64, data: &[u8]) -> Option<u64> {
        match self.tampering {
            Tampering::None => self.pattern.first_difference(offset, data),
            Tampering::Inverted { from, to } => {
                let mut sent = data.to_vec();
                for (at, byte) in (offset..).zip(&mut sent) {
                    if (from..to).contains(&at) {
                        *byte = !*byte;
                    }
                }
                self.pattern.first_difference(offset, &sent)
            }
            Tampering::Inserted { at, bytes } => {
                let end = at + bytes.len() as u64;
                (offset..).zip(data).find_map(|(position, byte)| {
                    let expected = if position < at {
                        self.pattern.bytes(position, 1)[0]
                    } else if position < end {
                        bytes[usize::try_from(position - at).ok()?]
                    } else {
                        self.pattern.bytes(position - bytes.len() as u64, 1)[0]
                    };
                    (*byte != expected).then_some(position)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(tampering: Tampering) -> Expectation {
        Expectation {
            pattern: Pattern::new(1),
            len: 100,
            tampering,
        }
    }

    #[test]
    fn tampering_is_expected_where_it_is_and_nowhere_else() {
        let sent = Pattern::new(1).bytes(0, 100);
        let mut inverted = sent.clone();
        inverted[40..42].iter_mut().for_each(|byte| *byte = !*byte);
        let expected = expectation(Tampering::Inverted { from: 40, to: 42 });
        assert_eq!(expected.first_difference(0, &inverted), None);
        assert_eq!(expected.first_difference(41, &inverted[41..]), None);
        assert_eq!(expected.first_difference(0, &sent), Some(40));
        let inserted = [&sent[..40], b"abc", &sent[40..]].concat();
        let expected = expectation(Tampering::Inserted {
            at: 40,
            bytes: b"abc",
        });
        assert_eq!(expected.arriving(), 103);
        assert_eq!(expected.first_difference(0, &inserted), None);
        assert_eq!(expected.first_difference(42, &inserted[42..]), None);
        assert_eq!(expected.first_difference(0, &sent), Some(40));
    }
}
