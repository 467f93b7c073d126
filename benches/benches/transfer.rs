//! Bulk transfer between two endpoints in one thread.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use umptcp_benches::bulk::{Pair, VARIANTS};

/// Bytes of one iteration: long against a window, short against criterion's patience.
const BYTES: u64 = 16 << 20;

fn bulk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bulk");
    group.throughput(Throughput::Bytes(BYTES)).sample_size(20);
    for variant in VARIANTS {
        let mut pair = Pair::connect(variant).expect(variant.name);
        group.bench_function(variant.name, |bencher| {
            bencher.iter(|| pair.transfer(BYTES).expect(variant.name));
        });
    }
    group.finish();
}

criterion_group!(benches, bulk);
criterion_main!(benches);
