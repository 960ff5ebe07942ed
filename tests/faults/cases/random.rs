//! Series of random faults. Each series is drawn by a seed, which a failure prints: repeat it with
//! `FAULTS_SEED=3 cargo test --test faults random`.

use std::time::Duration;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fault::{Fault, Requests};
use crate::stage::Stage;

/// Seeds of the series that are tested if `FAULTS_SEED` is not set.
const SEEDS: std::ops::Range<u8> = 0..4;

/// A fault, the requests that it applies to, and their number.
type Drawn = (Fault, Requests, u32);

fn faults() -> Vec<Fault> {
    vec![
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::DelayRequest(Duration::from_millis(400)),
        Fault::DelayResponse(Duration::from_millis(400)),
        Fault::Answer(409),
        Fault::Answer(429),
        Fault::Answer(503),
        Fault::AnswerAfter(500),
        Fault::AnswerAfter(409),
        Fault::Truncate(200),
        Fault::Repeat(2),
    ]
}

fn requests() -> Vec<Requests> {
    vec![Requests::FLEET_WRITES, Requests::POLICY_WRITES, Requests::WATCHES, Requests::LISTS]
}

/// Draws the series of a seed.
fn series(seed: u8) -> Vec<Drawn> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let drawn = vec((select(faults()), select(requests()), 1..4_u32), 12);
    drawn.new_tree(&mut runner).expect("no value is rejected").current()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults() {
    let chosen = std::env::var("FAULTS_SEED").ok();
    let seeds: Vec<u8> = match chosen {
        Some(seed) => vec![seed.parse().expect("FAULTS_SEED is a number up to 255")],
        None => SEEDS.collect(),
    };
    for seed in seeds {
        println!("seed {seed}: {:?}", series(seed));
        let stage = Stage::start(&format!("random-{seed}")).await;
        for (number, (fault, requests, count)) in series(seed).into_iter().enumerate() {
            stage.proxy.next(count, requests, fault);
            stage.suspend(number % 2 == 0).await;
            if number % 4 == 3 {
                stage.proxy.interrupt_watches();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        stage
            .ends_well(|proxy| {
                for (fault, requests, count) in series(seed) {
                    proxy.next(count, requests, fault);
                }
            })
            .await;
    }
}
