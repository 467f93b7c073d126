//! Middleboxes that change TCP headers, as those did for which RFC 6824 §6 makes provisions.

use super::wire::Middlebox;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use umptcp_stack::Instant;
use umptcp_stack::wire::checksum::Sum;
use umptcp_stack::wire::mptcp_option::KIND;

/// TCP option kinds (RFC 9293 §3.1).
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
/// The SYN bit in byte 13 of the TCP header.
const SYN: u8 = 0x02;

/// Overwrites MPTCP options with no-operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripMptcp {
    /// On segments with SYN.
    pub on_syn: bool,
    /// On all others.
    pub after_syn: bool,
}

impl Middlebox for StripMptcp {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        out.push(self.strip(&packet).unwrap_or(packet));
    }
}

impl StripMptcp {
    /// The packet without MPTCP options; `None` if it stays as it is.
    fn strip(self, packet: &[u8]) -> Option<Bytes> {
        let start = tcp_start(packet)?;
        let flags = *packet.get(start + 13)?;
        if !(if flags & SYN != 0 {
            self.on_syn
        } else {
            self.after_syn
        }) {
            return None;
        }
        let mut packet = packet.to_vec();
        let header_len = usize::from(packet[start + 12] >> 4) * 4;
        let options = packet.get_mut(start + 20..start + header_len)?;
        if !overwrite(options) {
            return None;
        }
        fix_checksum(&mut packet, start);
        Some(packet.into())
    }
}

/// Changes payload bytes in place, as application gateways and transcoders do; the TCP checksum is
/// made right again. The predicate gets the sequence number, relative to the SYN's, of the first
/// byte of each payload with the bytes, and says whether it has changed any.
pub struct ChangePayload<F> {
    change: F,
    /// Sequence numbers of the SYNs seen, by their ports.
    first: BTreeMap<[u8; 4], u32>,
}

impl<F: FnMut(u32, &mut [u8]) -> bool> ChangePayload<F> {
    /// A middlebox that changes what `change` changes.
    pub fn new(change: F) -> Self {
        Self {
            change,
            first: BTreeMap::new(),
        }
    }

    fn changed(&mut self, packet: &[u8]) -> Option<Bytes> {
        let start = tcp_start(packet)?;
        let mut packet = packet.to_vec();
        let header = packet.get(start..start + 20)?;
        let ports = *header.first_chunk::<4>()?;
        let seq = u32::from_be_bytes(*header[4..].first_chunk()?);
        if header[13] & SYN != 0 {
            self.first.insert(ports, seq);
        }
        let payload_start = start + usize::from(header[12] >> 4) * 4;
        let relative = seq.wrapping_sub(*self.first.get(&ports)?);
        let payload = packet.get_mut(payload_start..)?;
        if payload.is_empty() || !(self.change)(relative, payload) {
            return None;
        }
        fix_checksum(&mut packet, start);
        Some(packet.into())
    }
}

impl<F: FnMut(u32, &mut [u8]) -> bool> Middlebox for ChangePayload<F> {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        out.push(self.changed(&packet).unwrap_or(packet));
    }
}

impl<F> fmt::Debug for ChangePayload<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangePayload")
    }
}

/// Overwrites the MPTCP options of an options field; true if there were any.
fn overwrite(options: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        match kind {
            END_OF_OPTIONS => break,
            NO_OPERATION => at += 1,
            _ => {
                let Some(&len) = options.get(at + 1).filter(|len| **len >= 2) else {
                    break;
                };
                let end = (at + usize::from(len)).min(options.len());
                if kind == KIND {
                    options[at..end].fill(NO_OPERATION);
                    found = true;
                }
                at = end;
            }
        }
    }
    found
}

/// Where the TCP header begins.
fn tcp_start(packet: &[u8]) -> Option<usize> {
    // RFC 791 §3.1; RFC 8200 §3 (the stacks here send no extension headers).
    match packet.first()? >> 4 {
        4 => Some(usize::from(packet[0] & 0x0f) * 4),
        6 => Some(40),
        _ => None,
    }
}

/// Computes the TCP checksum anew (RFC 9293 §3.1).
fn fix_checksum(packet: &mut [u8], start: usize) {
    let addresses = if start == 40 { 8..40 } else { 12..20 };
    let len = packet.len() - start;
    packet[start + 16..start + 18].fill(0);
    let pseudo = Sum::of(&packet[addresses])
        // Protocol 6 is TCP.
        .and(Sum::of(&[0, 6]))
        .and(Sum::of(
            &u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes(),
        ));
    let checksum = pseudo.and(Sum::of(&packet[start..])).checksum();
    packet[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mptcp_options_are_overwritten() {
        // MSS, MPTCP of 4 bytes, NOP, window scale, MPTCP of 6 bytes, end.
        let mut options = [
            2, 4, 5, 180, 30, 4, 0x20, 0, 1, 3, 3, 7, 30, 6, 1, 2, 3, 4, 0, 30,
        ];
        assert!(overwrite(&mut options));
        let expected = [
            2, 4, 5, 180, 1, 1, 1, 1, 1, 3, 3, 7, 1, 1, 1, 1, 1, 1, 0, 30,
        ];
        assert_eq!(options, expected);
        assert!(!overwrite(&mut options));
        // Broken lengths end the walk.
        assert!(!overwrite(&mut [8, 0, 30, 2]));
        assert!(!overwrite(&mut [8]));
        assert!(overwrite(&mut [30, 200]));
    }
}
