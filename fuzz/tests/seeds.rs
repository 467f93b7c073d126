//! The seeds made from the protocol reference's vectors are what they should be.
//!
//! `UMPTCP_WRITE_SEEDS=1 cargo test -p umptcp-fuzz` writes them anew. Other files may stand beside
//! them: inputs that fuzzing found.

use std::path::PathBuf;

/// Options fields: each option alone, and the fields of whole segments.
const OPTIONS: &[(&str, &str)] = &[
    ("add_addr_v0_ipv4", "1e083401c0000211"),
    ("add_addr_v0_ipv4_port", "1e0a3401c000021120fb"),
    (
        "add_addr_v0_ipv6",
        "1e14360720010db8000000000000000000000042",
    ),
    (
        "add_addr_v0_ipv6_port",
        "1e16360720010db800000000000000000000004220fb",
    ),
    ("add_addr_v1_echo_ipv4", "1e083101c0000211"),
    (
        "add_addr_v1_echo_ipv6_port",
        "1e16310720010db800000000000000000000004220fb",
    ),
    ("add_addr_v1_ipv4", "1e103001c0000211817c50f3169ec0da"),
    (
        "add_addr_v1_ipv4_port",
        "1e123001c000021120fb999653b79b1ce591",
    ),
    (
        "add_addr_v1_ipv6",
        "1e1c300720010db800000000000000000000004202592241ee6f1b51",
    ),
    (
        "add_addr_v1_ipv6_port",
        "1e1e300720010db800000000000000000000004220fb238308fbd17ca583",
    ),
    ("capable_v0_ack", "1e140081000102030405060708090a0b0c0d0e0f"),
    ("capable_v0_syn", "1e0c00810001020304050607"),
    (
        "capable_v1_data",
        "1e160101000102030405060708090a0b0c0d0e0f00640101",
    ),
    (
        "capable_v1_data_checksum",
        "1e180181000102030405060708090a0b0c0d0e0f00058223",
    ),
    ("capable_v1_syn", "1e040121"),
    ("dss_ack32", "1e0820017f493a7c"),
    ("dss_ack32_dsn32", "1e1220057f493a7c1a3ddd6c000000010005"),
    (
        "dss_ack32_dsn32_checksum",
        "1e1420057f493a7c1a3ddd6c0000000100056387",
    ),
    (
        "dss_ack32_dsn64",
        "1e16200d7f493a7cd6c0dc731a3ddd6c000000010005",
    ),
    ("dss_ack64", "1e0c2003ecf9cd1f7f493a7c"),
    (
        "dss_ack64_dsn64_checksum",
        "1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c0000000100056387",
    ),
    (
        "dss_bare_data_fin",
        "1e1c201fecf9cd1f7f493a7cd6c0dc731a3ddd8b0000000000015501",
    ),
    ("dss_empty", "1e042000"),
    ("dss_infinite", "1e14200cd6c0dc731a3ddd6c0000000100000000"),
    ("fail", "1e0c6000d6c0dc731a3ddd6c"),
    ("fastclose", "1e0c700008090a0b0c0d0e0f"),
    ("fastclose_and_tcp_rst", "1e0c700008090a0b0c0d0e0f1e048001"),
    (
        "join_v0_ack",
        "1e18100049fa5176c77ec369b6860619288ed4aed56023c8",
    ),
    ("join_v0_syn", "1e0c11027e18779a11223344"),
    ("join_v0_syn_ack", "1e1010006742b944179e4b6655667788"),
    ("prio", "1e0351"),
    ("prio_address", "1e045104"),
    ("remove_addr", "1e064003090c"),
    (
        "sack_full",
        "0101052200000001000000020000000300000004000000050000000600000007fffffff8",
    ),
    (
        "segment_data",
        "0101080a000000c80000012c1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c00000001001a6f6f",
    ),
    (
        "segment_syn_v0",
        "020405b40402080a0000006400000000010303071e0c00810001020304050607",
    ),
    (
        "segment_syn_v1",
        "020405b40402080a0000006400000000010303071e040101",
    ),
    ("tcp_rst", "1e048102"),
    ("unknown", "fe04ffff1e0490001eff"),
];

/// Whole packets.
const PACKETS: &[(&str, &str)] = &[
    (
        "data_v0",
        "4500006a1234400040063c24c0000201c63364019c4001bb000003e900001389f01801f6aee600000101080a\
         000000c80000012c1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c00000001001a6f6f4d756c7469706174\
         6820544350207465737420766563746f7221",
    ),
    (
        "first_data_v1",
        "450000661234400040063c28c0000201c63364019c4001bb000003e900001389e01801f632ec00000101080a\
         000000c80000012c1e160101000102030405060708090a0b0c0d0e0f001a01014d756c746970617468205443\
         50207465737420766563746f7221",
    ),
    (
        "ipv6",
        "600000000017064020010db800000000000000000000000120010db8000000000000000000000002\
         000100020000000000000000501001f60000000061623f",
    ),
    (
        "syn_v0",
        "450000481234400040063c46c0000201c63364019c4001bb000003e800000000d002faf063e8000002\
         0405b40402080a0000006400000000010303071e0c00810001020304050607",
    ),
    (
        "syn_v1",
        "450000401234400040063c4ec0000201c63364019c4001bb000003e800000000b002faf08f88000002\
         0405b40402080a0000006400000000010303071e040101",
    ),
];

/// ICMP errors about a segment from port 40000 to port 443, and others.
const ICMP: &[(&str, &str)] = &[
    (
        "echo_v4",
        "450000241234000040016a9acb007109c000020108006668000100016162636465666768",
    ),
    (
        "fragmentation_needed",
        "450000381234000040016a86cb007109c00002010304559f00000578450005dc12344000400636b2\
         c0000201c63364019c4001bb000003e9",
    ),
    (
        "fragmentation_needed_old",
        "450000381234000040016a86cb007109c000020103045b1700000000450005dc12344000400636b2\
         c0000201c63364019c4001bb000003e9",
    ),
    (
        "packet_too_big",
        "6000000000383a4020010db800090000000000000000000920010db8000000000000000000000001\
         02003342000005786000000005b4064020010db800000000000000000000000120010db800000000\
         00000000000000029c4001bb000003e9",
    ),
    (
        "parameter_problem_v6",
        "6000000000383a4020010db800090000000000000000000920010db8000000000000000000000001\
         040136b3000000066000000005b4064020010db800000000000000000000000120010db800000000\
         00000000000000029c4001bb000003e9",
    ),
    (
        "port_unreachable_v4",
        "450000381234000040016a86cb007109c000020103035b1800000000450005dc12344000400636b2\
         c0000201c63364019c4001bb000003e9",
    ),
    (
        "port_unreachable_v6",
        "6000000000383a4020010db800090000000000000000000920010db8000000000000000000000001\
         010439b6000000006000000005b4064020010db800000000000000000000000120010db800000000\
         00000000000000029c4001bb000003e9",
    ),
    (
        "source_quench",
        "450000381234000040016a86cb007109c000020104005a1b00000000450005dc12344000400636b2\
         c0000201c63364019c4001bb000003e9",
    ),
    (
        "time_exceeded_v4",
        "450000381234000040016a86cb007109c00002010b00531b00000000450005dc12344000400636b2\
         c0000201c63364019c4001bb000003e9",
    ),
    (
        "time_exceeded_v6",
        "6000000000383a4020010db800090000000000000000000920010db8000000000000000000000001\
         030037ba000000006000000005b4064020010db800000000000000000000000120010db800000000\
         00000000000000029c4001bb000003e9",
    ),
];

fn bytes(digits: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

#[test]
fn seeds_are_the_vectors() {
    let write = std::env::var_os("UMPTCP_WRITE_SEEDS").is_some();
    for (folder, seeds) in [("icmp", ICMP), ("options", OPTIONS), ("packet", PACKETS)] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(folder);
        for (name, digits) in seeds {
            let path = folder.join(format!("{name}.bin"));
            let expected = bytes(digits);
            if write {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &expected).unwrap();
            }
            let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert_eq!(found, expected, "{path:?}");
        }
    }
}
