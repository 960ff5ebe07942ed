//! Tests that the API server and `api::admission` refuse the same fields of random policies. Many
//! of the random values are at the limits of what admission accepts.

use std::collections::BTreeSet;

use clientfleet::api::{Kind, UpgradePolicySpec, admission};
use serde_json::{Map, Value, json};

use crate::control_plane::namespace;
use crate::served;

const POLICIES: u64 = 300;

/// A generator of random numbers: Knuth's linear congruential generator (MMIX). The test uses fixed
/// seeds, so each run generates the same policies.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % sides
    }

    fn pick(&mut self, values: &[Value]) -> Value {
        values[self.roll(values.len())].clone()
    }

    /// Returns an object that contains each field with a probability of 1/2. A field has its first
    /// value with a probability of 3/4, and otherwise a random one of its values.
    fn fields(&mut self, fields: &[(&str, Vec<Value>)]) -> Value {
        let mut object = Map::new();
        for (name, values) in fields {
            if self.roll(2) == 0 {
                let value = if self.roll(4) == 0 { self.pick(values) } else { values[0].clone() };
                object.insert((*name).to_owned(), value);
            }
        }
        Value::Object(object)
    }
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!(text)).collect()
}

fn instants(first: &str) -> Vec<Value> {
    texts(&[
        first,
        "2026-06-01T00:00:00Z",
        "2026-06-01T00:00:00+00:01",
        "2026-06-01T00:00:00.0Z",
        "2026-06-31T00:00:00Z",
        "2026-06-01T00:00:00+01",
        "0000-00-00T00:00:00Z",
        "2026-06-01T00:00:00Z ",
    ])
}

fn requirement(dice: &mut Dice) -> Value {
    dice.fields(&[
        ("key", texts(&["ring", "", "a/b", "-a", "A.b/c"])),
        ("operator", texts(&["In", "NotIn", "Exists", "DoesNotExist", "Equals"])),
        ("values", vec![json!(["a"]), json!([]), json!(["_"]), json!([""])]),
    ])
}

fn label_selector(dice: &mut Dice) -> Value {
    let requirements =
        vec![json!([requirement(dice)]), json!([]), json!([requirement(dice), requirement(dice)])];
    dice.fields(&[
        ("matchLabels", vec![json!({"a": "b"}), json!({}), json!({"é": ""}), json!({"a": "é"})]),
        ("matchExpressions", requirements),
    ])
}

fn client_selector(dice: &mut Dice) -> Value {
    let selector = label_selector(dice);
    dice.fields(&[
        ("names", vec![json!(["a"]), json!([]), json!([""]), json!(["&"]), json!(["é", "\u{7f}"])]),
        (
            "users",
            vec![
                json!([r"CORP\jdoe"]),
                json!(["\u{2028}"]),
                json!(["漢".repeat(65)]),
                json!([r"R&D\kiosk"]),
            ],
        ),
        (
            "computers",
            vec![json!(["WS1"]), json!(["R&D-Müller"]), json!(["&".repeat(22)]), json!([""])],
        ),
        (
            "cidrs",
            vec![
                json!(["10.0.0.0/8"]),
                json!(["10.0.0.1/8"]),
                json!(["::1/128", "::1/127"]),
                json!(["1.2.3/8"]),
                json!(["10.0.0.0/+8"]),
                json!(["::ffff:1.2.3.4/128"]),
                json!(["10.0.0.0/8 "]),
                json!(["::/000"]),
                json!(["1::2::3/16"]),
                json!(["::1.2.3.4/128"]),
                json!(["10.0.0.0/-1"]),
                json!(["/8"]),
            ],
        ),
        (
            "versions",
            vec![
                json!(["3.59", ">=3.50 <3.59.127"]),
                json!([]),
                json!(["< 3.59"]),
                json!(["=3.59"]),
                json!([">1 <2 <3"]),
                json!([" 3.59"]),
                json!(["<3.59 "]),
                json!(["<3.59\n"]),
                json!(["<3.59-01"]),
                json!(["1", "2", "3", "4", "5"]),
            ],
        ),
        ("labelSelector", vec![selector]),
        ("search", texts(&["a", "", " ", "\u{85}", "\u{200b}", "\u{3000}", "a b", "a\nb"])),
    ])
}

fn window(dice: &mut Dice) -> Value {
    let mut window = dice.fields(&[(
        "days",
        vec![json!(["Sunday"]), json!([]), json!(["Sunday", "Sunday"]), json!(["sunday"])],
    )]);
    if dice.roll(3) == 0 {
        let weeks =
            [json!(["Second"]), json!(["Last", "First"]), json!(["Last", "Last"]), json!([])];
        window["weeksOfMonth"] = dice.pick(&weeks);
    }
    if dice.roll(4) == 0 {
        window["offsetDays"] = dice.pick(&[json!(3), json!(0), json!(14), json!(15), json!(1.5)]);
    }
    window["start"] = dice.pick(&texts(&["22:00", "22:00", "00:00", "24:00", "٢٢:٠٠", "2:00"]));
    window["end"] = dice.pick(&texts(&["05:00", "22:00", "24:00", "24:01", "00:00", "05:00\n"]));
    window
}

fn exclusion(dice: &mut Dice) -> Value {
    let days = [
        "2026-12-24",
        "2026-12-31",
        "2026-12-24",
        "2026-02-29",
        "2028-02-29",
        "26-12-24",
        "2026-1-1",
        "2027-12-22",
        "2027-12-23",
        "2029-02-27",
    ];
    let mut exclusion = json!({
        "name": dice.pick(&texts(&["a", "b", "a", "", "\u{1f980}"])),
        "startDate": dice.pick(&texts(&days)),
        "endDate": dice.pick(&texts(&days)),
    });
    if dice.roll(2) == 0 {
        exclusion["yearly"] = dice.pick(&[json!(true), json!(true), json!(false)]);
    }
    exclusion
}

fn distribution(dice: &mut Dice) -> Value {
    let windows = vec![json!([window(dice)]), json!([]), json!([window(dice), window(dice)])];
    let exclusions = vec![json!([exclusion(dice)]), json!([exclusion(dice), exclusion(dice)])];
    dice.fields(&[
        ("timeZone", texts(&["Europe/Berlin", "", "Mars/Olympus", "Europe//Berlin", "GMT+0", "é"])),
        ("windows", windows),
        ("exclusions", exclusions),
        ("notBefore", instants("2026-01-01T00:00:00Z")),
        ("notAfter", instants("2026-12-01T00:00:00Z")),
    ])
}

fn policy(dice: &mut Dice) -> Value {
    let selectors = |dice: &mut Dice| {
        vec![
            json!([client_selector(dice)]),
            json!([]),
            json!([client_selector(dice), client_selector(dice)]),
        ]
    };
    let (clients, exclude) = (selectors(dice), selectors(dice));
    let fleets = label_selector(dice);
    let scope =
        dice.fields(&[("fleetSelector", vec![fleets]), ("clients", clients), ("exclude", exclude)]);
    let upgrade = dice.fields(&[
        ("mode", texts(&["OnlyUpgradeTo", "AutoUpgrade", "NoUpgrade", "autoupgrade"])),
        ("version", texts(&["3.59", "", "v", "3.59-", "3.59+é", "3.59-rc.1", "1.2.3.4.5.6.7"])),
        ("retryAfterHours", vec![json!(24), json!(0), json!(720), json!(721), json!(1.5)]),
    ]);
    let distribution = distribution(dice);
    let spec = dice.fields(&[
        ("priority", vec![json!(0), json!(-1), json!(2_147_483_648_i64), json!(1e300), json!(2.0)]),
        ("effectiveFrom", instants("2026-01-01T00:00:00Z")),
        ("effectiveUntil", instants("2026-12-01T00:00:00Z")),
        ("upgrade", vec![upgrade]),
        ("distribution", vec![distribution]),
        ("scope", vec![scope]),
        ("offlineAfterDays", vec![json!(30), json!(0), json!(365), json!(366)]),
    ]);
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {"name": "generated"},
        "spec": spec,
    })
}

/// Text in the API server's message if a structural error made the server skip the CEL rules.
const RULES_SKIPPED: &str = "some validation rules were not checked";

#[tokio::test]
async fn both_judge_policies_at_the_edges_alike() {
    let client = served::client().await;
    let namespace = namespace("generated");
    let kind = Kind::UpgradePolicy;
    let mut accepted = 0;
    let mut compared = 0;
    for seed in 1..=POLICIES {
        let object = policy(&mut Dice(seed));
        let answer = served::try_create(&client, kind, &namespace, &object).await;
        let problems = admission::check(kind, &object);
        let own: BTreeSet<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        match &answer {
            Ok(_) => {
                assert!(own.is_empty(), "accepted, but not by us: {problems:?}\n{object:#}");
                let spec = admission::as_stored(kind, object)["spec"].take();
                let spec: UpgradePolicySpec = serde_json::from_value(spec).expect("it is read");
                assert_eq!(admission::check_policy_spec(&spec), []);
                accepted += 1;
            }
            Err(status) if status.message.contains(RULES_SKIPPED) => {
                assert!(!own.is_empty(), "{object:#}");
            }
            Err(status) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let told: BTreeSet<&str> = causes.map(|cause| cause.field.as_str()).collect();
                assert_eq!(own, told, "{}\n{problems:#?}\n{object:#}", status.message);
                compared += 1;
            }
        }
    }
    println!("{POLICIES} policies: {accepted} accepted, {compared} refused field by field");
    assert!(accepted >= 20 && compared >= 50, "the policies are not at the edges any more");
}
