//! Measures planning alone, on one core and without a cluster.
//!
//! The results show the clients planned per second for each estate size and number of policies, the
//! time to plan again after one client's report, and the allocations of each case.

mod allocations;
mod estate;
#[path = "../report/mod.rs"]
mod report;

use std::cell::{Cell, LazyCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use allocations::counted;
use estate::{Estate, now};
use report::conditions::Conditions;
use report::{Table, grouped, median};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CLIENTS: [usize; 3] = [1_000, 100_000, 1_000_000];
const POLICIES: [usize; 3] = [1, 10, 100];
/// Number of policies in the estates that are planned again after one client's report.
const SOME_POLICIES: usize = 10;

struct Case {
    clients: usize,
    policies: usize,
    time: Duration,
    allocations: u64,
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    let conditions = Conditions::now();
    let whole = whole(&mut criterion);
    let again = again(&mut criterion);
    criterion.final_summary();
    // Print no results under `cargo test --benches` or with `--list`, because neither measures
    // anything.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    conditions.publish("plan", &report_table(&whole, &again))
}

/// Measures the time to plan each estate for the first time.
fn whole(criterion: &mut Criterion) -> Vec<Case> {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    let mut cases = Vec::new();
    for clients in CLIENTS {
        // Create the fleets only on first use, because the command line may exclude this case.
        let fleets = LazyCell::new(|| estate::fleets(clients));
        for policies in POLICIES {
            let estate = LazyCell::new(|| Estate::of(fleets.clone(), policies));
            let id = BenchmarkId::from_parameter(format!("{clients} clients, {policies} policies"));
            let measured = Measured::default();
            group.throughput(Throughput::Elements(clients as u64));
            group.bench_function(id, |bencher| {
                let estate = LazyCell::force(&estate);
                bencher.iter_custom(|count| {
                    measured.run(count, || estate.planner(), |planner| planner.plan(now()))
                });
            });
            cases.extend(measured.case(clients, policies));
        }
    }
    group.finish();
    cases
}

/// Measures the time to plan each estate again after one client's report.
fn again(criterion: &mut Criterion) -> Vec<Case> {
    let mut group = criterion.benchmark_group("plan again after one report");
    group.sample_size(10);
    let mut cases = Vec::new();
    for clients in CLIENTS {
        let settled = LazyCell::new(|| {
            let estate = Estate::of(estate::fleets(clients), SOME_POLICIES);
            let mut planner = estate.planner();
            estate.settle(&mut planner);
            (RefCell::new(planner), estate.one_report())
        });
        let turn = Cell::new(0);
        let measured = Measured::default();
        let id = BenchmarkId::from_parameter(format!("{clients} clients"));
        group.bench_function(id, |bencher| {
            let (planner, changes) = LazyCell::force(&settled);
            let change = |(): &mut ()| {
                turn.set(turn.get() + 1);
                let mut planner = planner.borrow_mut();
                planner.observe_fleet(Arc::clone(&changes[turn.get() % changes.len()]));
                planner.plan(now())
            };
            bencher.iter_custom(|count| measured.run(count, || (), change));
        });
        cases.extend(measured.case(clients, SOME_POLICIES));
    }
    group.finish();
    cases
}

/// Measurements of one case; empty if the command line excludes the case.
#[derive(Default)]
struct Measured {
    times: RefCell<Vec<Duration>>,
    allocations: Cell<u64>,
}

impl Measured {
    /// Runs `work` `count` times, and returns the total CPU time. The time excludes preparing the
    /// input and dropping the results.
    fn run<S, T>(
        &self,
        count: u64,
        prepare: impl Fn() -> S,
        mut work: impl FnMut(&mut S) -> T,
    ) -> Duration {
        let mut time = Duration::ZERO;
        for _ in 0..count {
            let mut prepared = prepare();
            let start = cpu_time();
            let (allocations, result) = counted(|| std::hint::black_box(work(&mut prepared)));
            time += cpu_time().checked_sub(start).unwrap();
            self.allocations.set(allocations);
            drop((prepared, result));
        }
        self.times.borrow_mut().push(time / u32::try_from(count).unwrap_or(u32::MAX));
        time
    }

    fn case(self, clients: usize, policies: usize) -> Option<Case> {
        let times = self.times.into_inner();
        let time = (!times.is_empty()).then(|| median(&times))?;
        Some(Case { clients, policies, time, allocations: self.allocations.get() })
    }
}

/// Returns the CPU time of this thread, which other load on the machine does not increase.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn report_table(whole: &[Case], again: &[Case]) -> String {
    let mut all =
        Table::new(&["clients", "policies", "time", "clients a second", "allocations a client"]);
    for Case { clients, policies, time, allocations } in whole {
        all.row(&[
            grouped(*clients),
            policies.to_string(),
            format!("{:.1} ms", time.as_secs_f64() * 1e3),
            format!("{:.2} million", *clients as f64 / time.as_secs_f64() / 1e6),
            format!("{:.1}", *allocations as f64 / *clients as f64),
        ]);
    }
    let mut one = Table::new(&["clients", "after one report", "of the whole", "allocations"]);
    for Case { clients, policies, time, allocations } in again {
        let is_same = |case: &&Case| (case.clients, case.policies) == (*clients, *policies);
        let whole = whole.iter().find(is_same).map(|case| case.time);
        let share = |whole: Duration| format!("1/{:.0}", whole.as_secs_f64() / time.as_secs_f64());
        one.row(&[
            grouped(*clients),
            format!("{:.1} µs", time.as_secs_f64() * 1e6),
            whole.map_or_else(String::new, share),
            allocations.to_string(),
        ]);
    }
    format!(
        "{}\nAll clients decided anew, by one core; objects are parsed when they change, before it.\n\n{}\nPlanned again with {SOME_POLICIES} policies, a fleet of 250 clients decided anew.\n",
        all.text(),
        one.text()
    )
}
