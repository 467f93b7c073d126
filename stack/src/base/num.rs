//! Conversions between integer widths that say what happens when a value does not fit.

/// `value`, or the largest `u8` if it is larger.
#[must_use]
pub fn saturating_u8(value: impl TryInto<u8>) -> u8 {
    value.try_into().unwrap_or(u8::MAX)
}

/// `value`, or the largest `u16` if it is larger.
#[must_use]
pub fn saturating_u16(value: impl TryInto<u16>) -> u16 {
    value.try_into().unwrap_or(u16::MAX)
}

/// `value`, or the largest `u32` if it is larger.
#[must_use]
pub fn saturating_u32(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

/// `value`, or the largest `usize` if it is larger.
#[must_use]
pub fn saturating_usize(value: impl TryInto<usize>) -> usize {
    value.try_into().unwrap_or(usize::MAX)
}
