//! libFuzzer's way into [`umptcp_fuzz::icmp`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| umptcp_fuzz::icmp(data));
