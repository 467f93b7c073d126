//! The umptcp command.
fn main() {}
