//! Tests that transfers share the bytes per second equally, and that their sum keeps to the limit.

use std::num::NonZeroU64;
use std::time::Duration;

use clientfleet::serve::packages::rate_limit::{BURST, Grant, MIN_TRANSFER_RATE, TokenBucket};
use proptest::prelude::*;

/// Bytes that each transfer sent in a period, which begins after the burst is used up.
fn sent(
    bucket: &mut TokenBucket,
    wanted: &[usize],
    late: &[u64],
    (start, end): (Duration, Duration),
) -> Vec<u64> {
    let mut sent = vec![0; wanted.len()];
    let mut next = vec![Duration::ZERO; wanted.len()];
    let mut late = late.iter().cycle();
    loop {
        let Some((index, now)) = next.iter().copied().enumerate().min_by_key(|(_, at)| *at) else {
            return sent;
        };
        if now >= end {
            return sent;
        }
        let grant = bucket.grant(wanted[index], now);
        let at = now + grant.wait;
        if (start..end).contains(&at) {
            sent[index] += grant.bytes as u64;
        }
        // Each grant takes some time to be sent, and timers are late.
        next[index] = at + Duration::from_micros(1 + late.next().copied().unwrap_or(0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transfers_get_the_limit_in_equal_shares(
        rate in prop_oneof![1_u64..5_000, 5_000_u64..500_000, 500_000_u64..50_000_000],
        transfers in 1_usize..40,
        late in prop::collection::vec(0_u64..1_000, 1..8),
    ) {
        let mut bucket = TokenBucket::new(NonZeroU64::new(rate).unwrap());
        (0..transfers).for_each(|_| bucket.join());
        let seconds = 60;
        let period = (Duration::from_secs(2), Duration::from_secs(2 + seconds));
        let sent = sent(&mut bucket, &vec![128 * 1024; transfers], &late, period);
        let least = MIN_TRANSFER_RATE * transfers as u64;
        let expected = (rate.max(least) * seconds) as f64;
        let total = sent.iter().sum::<u64>() as f64;
        // With 50 MB/s, the last grant of a transfer is less than 5 % of its share.
        prop_assert!((total / expected - 1.0).abs() < 0.05, "{total} of {expected}");
        let share = expected / transfers as f64;
        for bytes in &sent {
            prop_assert!((*bytes as f64 / share - 1.0).abs() < 0.05, "{bytes} of {share}");
        }
    }

    #[test]
    fn no_period_exceeds_the_limit_by_more_than_the_burst(
        rate in 1_000_u64..1_000_000,
        pauses in prop::collection::vec(0_u64..3_000, 1..200),
    ) {
        let mut bucket = TokenBucket::new(NonZeroU64::new(rate).unwrap());
        bucket.join();
        let mut now = Duration::ZERO;
        let mut grants = Vec::new();
        for pause in pauses {
            now += Duration::from_millis(pause);
            let grant = bucket.grant(64 * 1024, now);
            now += grant.wait;
            grants.push((now, grant.bytes as u64));
        }
        for (index, (from, _)) in grants.iter().enumerate() {
            let mut total = 0;
            for (until, bytes) in &grants[index..] {
                // The grant at the end of the period is sent after it.
                let most = ((until.saturating_sub(*from) + BURST).as_secs_f64() * rate as f64).ceil();
                prop_assert!(total as f64 <= most + 1.0, "{total} bytes of {most}");
                total += bytes;
            }
        }
    }
}

#[test]
fn a_slow_transfer_takes_nothing_from_the_others() {
    let mut bucket = TokenBucket::new(NonZeroU64::new(100_000).unwrap());
    (0..3).for_each(|_| bucket.join());
    let period = (Duration::from_secs(2), Duration::from_secs(62));
    // The third transfer is counted, but never asks.
    let sent = sent(&mut bucket, &[64 * 1024, 64 * 1024], &[0], period);
    for bytes in sent {
        assert!((2_850_000..3_150_000).contains(&bytes), "{bytes}");
    }
}

#[test]
fn a_transfer_that_ends_leaves_its_share() {
    let mut bucket = TokenBucket::new(NonZeroU64::new(1_000).unwrap());
    (0..4).for_each(|_| bucket.join());
    assert_eq!(bucket.grant(10_000, Duration::ZERO).bytes, 250);
    (0..3).for_each(|_| bucket.leave());
    assert_eq!(bucket.grant(10_000, Duration::from_secs(1)).bytes, 1_000);
    assert_eq!(bucket.grant(7, Duration::from_secs(9)), Grant { bytes: 7, wait: Duration::ZERO });
    (0..3).for_each(|_| bucket.leave());
    assert_eq!(bucket.grant(0, Duration::from_secs(9)).bytes, 0);
}
