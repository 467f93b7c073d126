//! The exported functions.
//!
//! The module owns the C side of every call: names, types, errno, and that no panic gets out.

pub mod socket;
pub mod stack;
pub mod subflow;
pub mod transfer;

use nix::errno::Errno;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call; an error becomes errno and -1. A panic would be a fault of ours: the caller gets `EIO`.
fn answer<T: From<i8>>(call: impl FnOnce() -> Result<T, Errno>) -> T {
    answer_or(T::from(-1), call)
}

/// As [`answer`], with another result for errors.
fn answer_or<T>(failure: T, call: impl FnOnce() -> Result<T, Errno>) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.set();
            failure
        }
        Err(_) => {
            Errno::EIO.set();
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors() {
        assert_eq!(answer::<i32>(|| panic!("a fault of ours, in a test")), -1);
        assert_eq!(Errno::last(), Errno::EIO);
        assert_eq!(answer::<isize>(|| Err(Errno::EBADF)), -1);
        assert_eq!(Errno::last(), Errno::EBADF);
        assert_eq!(answer(|| Ok(5)), 5);
    }
}
