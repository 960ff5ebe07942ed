//! Tests that planning again before a plan expires returns the same plan.

use clientfleet::plan::Plan;
use proptest::prelude::*;
use serde_json::json;

use crate::generate;
use crate::world::{World, config, instant};

/// Maximum distance in seconds (200 days) between a plan and the instants at which the test plans
/// again.
const FAR: i64 = 200 * 86400;

fn plan_at(world: &World, at: i64) -> Plan {
    World { at, ..world.clone() }.plan()
}

proptest! {
    #![proptest_config(config(120))]
    #[test]
    fn a_plan_holds_until_the_moment_it_names(
        world in prop_oneof![3 => generate::world(true), 1 => generate::world_of_circles()],
        between in proptest::collection::vec(0.0..1.0f64, 4),
    ) {
        let (world, plan) = world.settled();
        let until = plan.until.map(|until| until.timestamp());
        prop_assert!(until.is_none_or(|until| until > world.at), "until {:?}", until);
        prop_assert_eq!(&world.plan(), &plan, "planned again at the same instant");
        let length = until.unwrap_or(i64::MAX).min(world.at + FAR) - world.at;
        let inside = |part: f64| world.at + (part * (length - 1) as f64) as i64;
        let mut instants: Vec<i64> = between.into_iter().map(inside).collect();
        instants.extend([world.at + 1, inside(0.5), world.at + length - 1]);
        instants.extend(until.map(|until| until - 1));
        // A plan that never expires must be the same 400 years later.
        instants.extend(until.is_none().then_some(world.at + 400 * 365 * 86400));
        for t in instants.into_iter().filter(|&t| until.is_none_or(|until| t < until)) {
            let again = plan_at(&world, t);
            prop_assert_eq!(&again.fleets, &plan.fleets, "at {}", instant(t));
            prop_assert_eq!(&again.policies, &plan.policies, "at {}", instant(t));
            prop_assert_eq!(again.until, plan.until, "at {}", instant(t));
        }
    }
}

proptest! {
    #![proptest_config(config(30))]
    /// Plans again each time the plan expires, with the statuses from the previous plan. Checks
    /// that each plan equals a plan of the initial objects at the same instant, except for times
    /// and last offers, which depend on earlier plans. The initial objects have the conditions of
    /// the first plan, because the wait for a package begins with it.
    #[test]
    fn following_the_moments_misses_nothing(
        start in prop_oneof![3 => generate::world(false), 1 => generate::world_of_circles()],
    ) {
        let (mut world, mut plan) = start.settled();
        let mut start = start;
        for (initial, settled) in start.fleets.iter_mut().zip(&world.fleets) {
            initial["status"] = json!({"conditions": settled["status"]["conditions"]});
        }
        let end = world.at + 5 * 86400;
        let mut moments = 0;
        while let Some(until) = plan.until.map(|t| t.timestamp()).filter(|&t| t <= end) {
            (world, plan) = World { at: until, ..world }.settled();
            let (_, fresh) = World { at: until, ..start.clone() }.settled();
            prop_assert_eq!(forgetful(&plan), forgetful(&fresh), "at {}", instant(until));
            moments += 1;
            prop_assert!(moments < 1500, "{} moments in five days", moments);
        }
    }
}

/// Returns the plan as JSON without times and last offers, because these depend on earlier plans.
fn forgetful(plan: &Plan) -> serde_json::Value {
    let mut plan = plan.clone();
    for (_, status) in &mut plan.fleets {
        status.clients.iter_mut().flatten().for_each(|row| row.last_offer = None);
    }
    super::incremental::timeless(&plan)
}
