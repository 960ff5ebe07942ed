//! The plan alone, on one core, without a cluster: clients decided per second by the size of the estate
//! and the number of policies, and planning again after one client's change. Allocations are counted
//! once for each case, beside the times.

mod allocations;
mod estate;

use std::sync::Arc;

use clientfleet::plan::Planner;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use allocations::counted;
use estate::{Estate, now};

/// Sizes of an estate in clients.
const CLIENTS: [usize; 3] = [1_000, 100_000, 1_000_000];
const POLICIES: [usize; 3] = [1, 10, 100];

/// Everything anew.
fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    for clients in CLIENTS {
        for policies in POLICIES {
            let estate = Estate::of(clients, policies);
            let id = BenchmarkId::from_parameter(format!("{clients} clients, {policies} policies"));
            let (allocations, _) = counted(|| estate.planner().plan(now()));
            eprintln!(
                "{clients} clients, {policies} policies: {:.1} allocations a client",
                allocations as f64 / clients as f64
            );
            group.throughput(Throughput::Elements(clients as u64));
            group.bench_function(id, |bencher| {
                bencher.iter_with_large_drop(|| estate.planner().plan(now()));
            });
        }
    }
    group.finish();
}

/// After one client's report.
fn again(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan again after one report");
    group.sample_size(10);
    for clients in CLIENTS {
        let estate = Estate::of(clients, 10);
        let mut planner: Planner = estate.planner();
        estate.settle(&mut planner);
        let changes = estate.one_report();
        let mut turn = 0;
        group.bench_function(
            BenchmarkId::from_parameter(format!("{clients} clients")),
            |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    planner.observe_fleet(Arc::clone(&changes[turn % changes.len()]));
                    planner.plan(now())
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, whole, again);
criterion_main!(benches);
