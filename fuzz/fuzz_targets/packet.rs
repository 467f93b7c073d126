//! libFuzzer's way into [`umptcp_fuzz::packet`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| umptcp_fuzz::packet(data));
