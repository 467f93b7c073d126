//! Structures of C as tables: a name, a type and an offset for each field.
//!
//! The module owns how such a table becomes a Rust structure with conversions from and to bytes. All
//! numbers have the byte order of the machine, as for any structure that a C program reads.

/// A field of a structure of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in C.
    pub name: &'static str,
    /// Where it begins, bytes.
    pub offset: usize,
    /// Its size, bytes.
    pub size: usize,
}

impl Field {
    /// Whether a value of `len` bytes has it: `getsockopt` cuts structures short for callers with less
    /// room, and older kernels know fewer fields.
    #[must_use]
    pub const fn is_within(&self, len: usize) -> bool {
        self.offset + self.size <= len
    }
}

/// Puts a field in its place; the table has no field that ends behind the structure.
pub(super) fn put(bytes: &mut [u8], offset: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..offset + field.len()) {
        place.copy_from_slice(field);
    }
}

/// The bytes of a field; zeros if some of them are missing.
pub(super) fn take<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let field = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    field.copied().unwrap_or([0; N])
}

/// Makes a structure of a table.
macro_rules! layout {
    (
        $(#[$doc:meta])*
        $name:ident, $size:literal;
        $($(#[$field_doc:meta])* $offset:literal $c_name:literal $field:ident: $kind:ty,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $name {
            /// Bytes that it takes.
            pub const SIZE: usize = $size;

            /// Its fields in C.
            pub const FIELDS: &'static [$crate::bsd::options::linux::Field] = &[
                $($crate::bsd::options::linux::Field {
                    name: $c_name,
                    offset: $offset,
                    size: size_of::<$kind>(),
                },)*
            ];

            /// The structure as C has it.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                $($crate::bsd::options::linux::layout::put(
                    &mut bytes,
                    $offset,
                    &self.$field.to_ne_bytes(),
                );)*
                bytes
            }

            /// Reads the structure of C; fields that are not whole there are 0.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Self {
                Self {
                    $($field: <$kind>::from_ne_bytes(
                        $crate::bsd::options::linux::layout::take(bytes, $offset),
                    ),)*
                }
            }
        }
    };
}

pub(super) use layout;

#[cfg(test)]
mod tests {
    use crate::bsd::options::linux::{FullInfoHeader, MptcpInfo, SubflowDataHeader, TcpInfo};

    #[test]
    fn no_table_has_fields_that_overlap_or_are_not_aligned() {
        for (size, fields) in [
            (TcpInfo::SIZE, TcpInfo::FIELDS),
            (MptcpInfo::SIZE, MptcpInfo::FIELDS),
            (SubflowDataHeader::SIZE, SubflowDataHeader::FIELDS),
            (FullInfoHeader::SIZE, FullInfoHeader::FIELDS),
        ] {
            let mut end = 0;
            for field in fields {
                assert!(field.offset >= end, "{}", field.name);
                assert_eq!(field.offset % field.size, 0, "{}", field.name);
                end = field.offset + field.size;
            }
            assert!(end <= size, "{size}");
        }
    }

    #[test]
    fn sizes_are_those_of_linux() {
        // Linux 6.18 on 64 bits.
        assert_eq!(TcpInfo::SIZE, 280);
        assert_eq!(MptcpInfo::SIZE, 96);
        assert_eq!(SubflowDataHeader::SIZE, 16);
        assert_eq!(FullInfoHeader::SIZE, 40);
    }

    #[test]
    fn what_is_cut_off_reads_as_zero() {
        let info = MptcpInfo {
            subflows: 3,
            token: 0x0102_0304,
            last_ack_received: 7,
            ..MptcpInfo::default()
        };
        let bytes = info.to_bytes();
        assert_eq!(MptcpInfo::from_bytes(&bytes), info);
        let short = MptcpInfo::from_bytes(&bytes[..15]);
        assert_eq!((short.subflows, short.token), (3, 0));
        assert_eq!(MptcpInfo::from_bytes(&[]), MptcpInfo::default());
        let token = MptcpInfo::FIELDS
            .iter()
            .find(|field| field.name == "mptcpi_token");
        let token = token.unwrap();
        assert_eq!((token.is_within(15), token.is_within(16)), (false, true));
    }
}
