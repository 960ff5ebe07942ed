//! `windows`: when a policy opens and closes.

mod calendar;
mod days;
mod text;
mod zones;

#[cfg(test)]
mod try_out {
    use super::*;
    use crate::plan::{ObservedPolicy, policy::Policy};
    use crate::values::Zone;
    #[test]
    fn show() {
        let yaml = std::env::var("P").unwrap();
        let value = crate::cli::yaml::read(&yaml).remove(0).content.unwrap();
        let value = crate::api::admission::as_stored(crate::api::Kind::UpgradePolicy, value);
        let observed: ObservedPolicy = serde_json::from_value(value).unwrap();
        let policy = Policy::read(&observed);
        let z = |n: &str| Zone::named(n).unwrap();
        let asked: Vec<Zone> = std::env::var("Z").unwrap().split(' ').map(z).collect();
        let reader = Some(z("America/New_York"));
        let zones = zones::Count::default().choose(&policy, &asked, reader.as_ref());
        let q = calendar::Question {
            at: std::env::var("AT").unwrap().parse().unwrap(),
            days: 14,
            reader,
        };
        let c = calendar::calendar("clients", &policy, zones, &q);
        println!("{}", text::page(&c, false));
        if std::env::var("J").is_ok() {
            println!("{}", serde_json::to_string_pretty(&c).unwrap());
        }
    }
}
