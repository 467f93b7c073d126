//! The floor `wire`: options, checksums, packets.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smallvec::smallvec;
use std::hint::black_box;
use umptcp_stack::base::seq::{DataSeq, SeqNum};
use umptcp_stack::wire::checksum::Sum;
use umptcp_stack::wire::mptcp_option::{
    CapableFlags, CapableKeys, Dss, Key, MpCapable, MptcpOption, WireMapping, WireSeq,
};
use umptcp_stack::wire::packet::{
    self, ChecksumStatus, Flags, FourTuple, ReceivedPacket, SegmentHeader, TransmitChecksum,
};
use umptcp_stack::wire::tcp_option::{OptionWriter, TcpOptions, Timestamps};
use umptcp_stack::{Endpoint, EndpointConfig, InterfaceConfig, InterfaceId};

const TIMESTAMPS: Timestamps = Timestamps {
    value: 200,
    echo: 300,
};
const DSS: Dss = Dss {
    data_ack: Some(WireSeq::Long(DataSeq(0xecf9_cd1f_7f49_3a7c))),
    mapping: Some(WireMapping {
        dsn: WireSeq::Long(DataSeq(0xd6c0_dc73_1a3d_dd6c)),
        ssn: 1,
        len: 1448,
        checksum: None,
        data_fin: false,
    }),
};

/// The options of a data segment: timestamps and a DSS, 40 bytes.
fn data_options(timestamps: Timestamps, dss: &Dss) -> OptionWriter {
    let mut writer = OptionWriter::new();
    writer.timestamps(timestamps).expect("12 bytes");
    writer.dss(dss).expect("28 bytes");
    writer
}

/// The options of a version 0 SYN, 32 bytes.
fn syn_options(timestamps: Timestamps, capable: &MptcpOption) -> OptionWriter {
    let mut writer = OptionWriter::new();
    writer.mss(1460).expect("4 bytes");
    writer
        .sack_permitted_and_timestamps(timestamps)
        .expect("12 bytes");
    writer.window_scale(7).expect("4 bytes");
    writer.mptcp(capable).expect("12 bytes");
    writer
}

fn options(criterion: &mut Criterion) {
    let capable = MptcpOption::Capable(MpCapable {
        version: 0,
        flags: CapableFlags {
            hmac: true,
            ..CapableFlags::default()
        },
        keys: CapableKeys::Sender(Key(0x0001_0203_0405_0607)),
    });
    let data = data_options(TIMESTAMPS, &DSS);
    let syn = syn_options(TIMESTAMPS, &capable);

    let mut group = criterion.benchmark_group("options");
    for (name, field) in [("parse-data", &data), ("parse-syn", &syn)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| TcpOptions::parse(black_box(field.as_bytes())));
        });
    }
    group.bench_function("emit-data", |bencher| {
        bencher.iter(|| data_options(black_box(TIMESTAMPS), black_box(&DSS)));
    });
    group.bench_function("emit-syn", |bencher| {
        bencher.iter(|| syn_options(black_box(TIMESTAMPS), black_box(&capable)));
    });
    group.finish();
}

fn checksum(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(65_535).collect();
    let mut group = criterion.benchmark_group("checksum");
    for len in [1460, 65_535] {
        let bytes = &bytes[..len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len}"), |bencher| {
            bencher.iter(|| Sum::of(black_box(bytes)));
        });
    }
    group.finish();
}

fn an_interface() -> InterfaceId {
    Endpoint::new(EndpointConfig::default(), [0; 32]).add_interface(InterfaceConfig::default())
}

fn packet(criterion: &mut Criterion) {
    let options = data_options(TIMESTAMPS, &DSS);
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple: FourTuple {
            local: ([192, 0, 2, 1], 40_000).into(),
            remote: ([198, 51, 100, 1], 443).into(),
        },
        seq: SeqNum(1001),
        ack: Some(SeqNum(5001)),
        flags: Flags {
            psh: true,
            ..Flags::default()
        },
        window: 502,
        options: options.as_bytes(),
    };
    // With 40 bytes of headers each, and 40 of options: 1500.
    let payload = Bytes::from(vec![0x5a; 1420]);
    let sum = Sum::of(&payload).folded();
    let interface = an_interface();
    let emit = |payload_sum, checksum| {
        let payload = smallvec![payload.clone()];
        packet::emit(
            interface,
            black_box(&header),
            payload,
            payload_sum,
            checksum,
            None,
        )
    };
    let data = emit(None, TransmitChecksum::Complete).to_bytes();

    let mut group = criterion.benchmark_group("packet");
    group.throughput(Throughput::Elements(1));
    for (name, checksum) in [
        ("parse", ChecksumStatus::Unverified),
        ("parse-trusted", ChecksumStatus::Good),
    ] {
        let received = ReceivedPacket {
            data: data.clone(),
            checksum,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| packet::parse(black_box(&received)));
        });
    }
    for (name, payload_sum, checksum) in [
        ("emit", None, TransmitChecksum::Complete),
        ("emit-known-sum", Some(sum), TransmitChecksum::Complete),
        ("emit-partial", None, TransmitChecksum::Partial),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| emit(black_box(payload_sum), checksum));
        });
    }
    group.finish();
}

criterion_group!(benches, options, checksum, packet);
criterion_main!(benches);
