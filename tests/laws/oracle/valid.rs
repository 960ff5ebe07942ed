//! Finds policies that cannot be parsed, and policies that admission refuses according to the
//! design's section "What admission refuses". Covers only the mistakes that the generator creates.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::read::{DAYS, WEEKS, date, instant, list};
use super::scope;
use super::version;
use super::zone;

/// Returns whether all values of a spec have the types that the API declares.
pub fn readable(spec: &Value) -> bool {
    let instants = [
        &spec["effectiveFrom"],
        &spec["effectiveUntil"],
        &spec["distribution"]["notBefore"],
        &spec["distribution"]["notAfter"],
    ];
    let absent_or = |value: &Value, good: bool| value.is_null() || good;
    let mode = &spec["upgrade"]["mode"];
    let known = ["NoUpgrade", "AutoUpgrade", "OnlyUpgradeTo"];
    let exclusions = list(&spec["distribution"]["exclusions"]);
    let windows = list(&spec["distribution"]["windows"]);
    spec.is_object()
        && instants.iter().all(|value| absent_or(value, instant(value).is_some()))
        && absent_or(mode, known.iter().any(|known| mode == known))
        && absent_or(&spec["priority"], spec["priority"].is_i64())
        && exclusions
            .iter()
            .all(|e| date(&e["startDate"]).is_some() && date(&e["endDate"]).is_some())
        && exclusions.iter().all(|e| absent_or(&e["yearly"], e["yearly"].is_boolean()))
        && windows.iter().flat_map(|w| list(&w["days"])).all(|day| DAYS.iter().any(|d| day == d))
        && windows
            .iter()
            .flat_map(|w| list(&w["weeksOfMonth"]))
            .all(|week| WEEKS.iter().any(|w| week == w))
        && windows.iter().all(|w| absent_or(&w["offsetDays"], w["offsetDays"].is_i64()))
}

/// Returns whether admission accepts a spec. Also returns false if the time zone of the spec is
/// unknown.
pub fn admissible(spec: &Value) -> bool {
    let distribution = &spec["distribution"];
    ordered(spec, "effectiveFrom", "effectiveUntil")
        && ordered(distribution, "notBefore", "notAfter")
        && numbers(spec)
        && lock(&spec["upgrade"])
        && zone_is_known(&distribution["timeZone"])
        && bounded(&distribution["windows"], 32)
        && list(&distribution["windows"]).iter().all(window)
        && bounded(&distribution["exclusions"], 64)
        && exclusions(list(&distribution["exclusions"]))
        && scope::admissible(&spec["scope"])
}

/// Returns whether a list is missing, or has from one to `most` entries.
pub fn bounded(value: &Value, most: usize) -> bool {
    value.is_null() || (1..=most).contains(&list(value).len())
}

fn in_years(value: &Value) -> bool {
    let year = |value: &Value| value.as_str().and_then(|text| text.get(..4)?.parse::<i32>().ok());
    value.is_null() || year(value).is_some_and(|year| (2000..=2199).contains(&year))
}

fn ordered(object: &Value, earlier: &str, later: &str) -> bool {
    let (earlier, later) = (&object[earlier], &object[later]);
    let order = match (instant(earlier), instant(later)) {
        (Some(earlier), Some(later)) => earlier < later,
        _ => true,
    };
    order && in_years(earlier) && in_years(later)
}

fn numbers(spec: &Value) -> bool {
    let retry = spec["upgrade"]["retryAfterHours"].as_i64().unwrap_or(24);
    let offline = spec["offlineAfterDays"].as_i64().unwrap_or(1);
    (1..=720).contains(&retry) && (1..=365).contains(&offline)
}

fn lock(upgrade: &Value) -> bool {
    let good = upgrade["version"].as_str().is_some_and(|text| version::read(text).is_some());
    if upgrade["mode"] == "OnlyUpgradeTo" { good } else { upgrade.get("version").is_none() }
}

fn zone_is_known(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|name| zone::find(name).is_some())
}

fn window(window: &Value) -> bool {
    let time = |field: &str, latest: &str| {
        let text = window[field].as_str().unwrap_or_default();
        let digits = text.bytes().enumerate().all(|(i, byte)| (i == 2) != byte.is_ascii_digit());
        text.len() == 5
            && digits
            && text.as_bytes()[2] == b':'
            && text <= latest
            && &text[3..] < "60"
    };
    let once = |values: &Value| {
        let values = list(values);
        (1..values.len()).all(|index| !values[..index].contains(&values[index]))
    };
    let offset = &window["offsetDays"];
    let is_moved_rightly = offset.is_null()
        || offset.as_i64().is_some_and(|days| (0..=14).contains(&days))
            && window.get("weeksOfMonth").is_some();
    bounded(&window["days"], 7)
        && once(&window["days"])
        && bounded(&window["weeksOfMonth"], 5)
        && once(&window["weeksOfMonth"])
        && is_moved_rightly
        && time("start", "23:59")
        && time("end", "24:00")
        && window["start"] != window["end"]
}

fn exclusions(list: &[Value]) -> bool {
    let named =
        |index: usize| list[..index].iter().all(|other| other["name"] != list[index]["name"]);
    let dates = |e: &Value| {
        in_years(&e["startDate"])
            && in_years(&e["endDate"])
            && date(&e["startDate"]) <= date(&e["endDate"])
            && (e["yearly"] != true || leaves_a_day(&e["startDate"], &e["endDate"]))
    };
    (0..list.len()).all(named) && list.iter().all(dates)
}

/// Returns whether a yearly exclusion leaves a day free in a year without 29 February, in which it
/// leaves the fewest.
fn leaves_a_day(start: &Value, end: &Value) -> bool {
    let (Some(start), Some(end)) = (date(start), date(end)) else { return true };
    let years = end.year() - start.year();
    let common = |date: NaiveDate, year: i32| {
        let day = if date.month() == 2 { date.day().min(28) } else { date.day() };
        NaiveDate::from_ymd_opt(year, date.month(), day).expect("a date")
    };
    // 2001, 2002 and 2003 have no 29 February.
    let days = common(end, 2001 + years.min(2)) - common(start, 2001);
    years <= 1 && days.num_days() + 1 < 365
}
