//! Defines CEL rules about several fields of an object, for `#[schemars(transform = …)]` on the
//! types. Each rule's message says what to write instead.
//!
//! A rule that compares two values must succeed if one of them is malformed, because another rule
//! already reports the malformed value.

use schemars::Schema;
use serde_json::{Value, json};

use super::patterns;
use super::schema::{field_rule, matches, rule};

const INVALID: &str = "FieldValueInvalid";
const REQUIRED: &str = "FieldValueRequired";
const FORBIDDEN: &str = "FieldValueForbidden";

fn add(schema: &mut Schema, rules: &[Value]) {
    schema.insert("x-kubernetes-validations".into(), json!(rules));
}

/// Returns a rule that requires `later` to be after `earlier`. The rule succeeds if either field is
/// absent or is not an instant.
fn after(earlier: &str, later: &str) -> Value {
    let instant = patterns::instant();
    let condition = format!(
        "!has(self.{earlier}) || !has(self.{later}) || !{} || !{} || \
         timestamp(self.{later}) > timestamp(self.{earlier})",
        matches(&format!("self.{earlier}"), &instant),
        matches(&format!("self.{later}"), &instant),
    );
    field_rule(&condition, &format!("must be an instant after `{earlier}`"), later, INVALID)
}

pub fn fleet(schema: &mut Schema) {
    add(
        schema,
        &[
            rule(
                "has(self.packageVersion) != has(self.packageFrom)",
                "must have exactly one of `packageVersion` and `packageFrom`: write the version of \
                 the package that the server carries, or the name of the fleet whose package is \
                 used",
            ),
            field_rule(
                "!has(self.retainedVersions) || has(self.packageVersion)",
                "must be left out with `packageFrom`, which brings the retained versions of that \
                 fleet along: write them there",
                "retainedVersions",
                FORBIDDEN,
            ),
        ],
    );
}

pub fn last_error(schema: &mut Schema) {
    // Make server-side apply replace the error as a whole. Fields from two field managers would
    // together describe an error that no client reported.
    schema.insert("x-kubernetes-map-type".into(), json!("atomic"));
}

pub fn policy(schema: &mut Schema) {
    add(schema, &[after("effectiveFrom", "effectiveUntil")]);
}

pub fn upgrade(schema: &mut Schema) {
    add(
        schema,
        &[
            field_rule(
                "self.mode != 'OnlyUpgradeTo' || has(self.version)",
                "must be set with mode OnlyUpgradeTo: write the version to lock to, as 3.59.127.0, \
                 or another mode",
                "version",
                REQUIRED,
            ),
            field_rule(
                "self.mode == 'OnlyUpgradeTo' || !has(self.version)",
                "must be left out with this mode: remove it, or write `mode: OnlyUpgradeTo`",
                "version",
                FORBIDDEN,
            ),
        ],
    );
}

pub fn distribution(schema: &mut Schema) {
    add(schema, &[after("notBefore", "notAfter")]);
}

pub fn window(schema: &mut Schema) {
    let differ = "must not close at the very time at which it opens: write another `end`, or start \
                  \"00:00\" and end \"24:00\" for the whole day";
    let beside = "must be left out without `weeksOfMonth`: remove it, or write the weeks of the \
                  month, as [Second]";
    let condition = "!has(self.offsetDays) || has(self.weeksOfMonth)";
    add(
        schema,
        &[
            field_rule("self.start != self.end", differ, "end", INVALID),
            field_rule(condition, beside, "offsetDays", FORBIDDEN),
        ],
    );
}

pub fn exclusion(schema: &mut Schema) {
    let order = "must not be before `startDate`: write the last date, which is still excluded";
    let free = "must leave at least one day of each year free: write a date at most 363 days after \
                `startDate`, or remove `yearly`";
    let date = patterns::date();
    let (start, end) = ("self.startDate", "self.endDate");
    let condition = format!(
        "!has(self.yearly) || !self.yearly || !{} || !{} || {} - {} < 364",
        matches(start, &date),
        matches(end, &date),
        day_without_leap_days(end),
        day_without_leap_days(start),
    );
    add(
        schema,
        &[
            // The alphabetical order of dates in the format `YYYY-MM-DD` is also their
            // chronological order.
            field_rule(&format!("{end} >= {start}"), order, "endDate", INVALID),
            field_rule(&condition, free, "endDate", INVALID),
        ],
    );
}

/// Returns a CEL expression that numbers the dates in a calendar without 29 February, in which a 29
/// February has the number of the day before. A yearly exclusion has the fewest free days in a year
/// without 29 February.
fn day_without_leap_days(date: &str) -> String {
    let at = format!("timestamp({date} + 'T00:00:00Z')");
    let is_leap_year = format!("{at}.getFullYear() % 4 == 0 && {at}.getFullYear() != 2100");
    format!(
        "({at}.getFullYear() * 365 + {at}.getDayOfYear() - \
         ({at}.getDayOfYear() > 58 && {is_leap_year} ? 1 : 0))"
    )
}

pub fn scope(schema: &mut Schema) {
    let some = "must have at least one of `fleetSelector`, `clients` and `exclude`: write one, or \
                leave `scope` out to mean every client of the namespace";
    let condition = "has(self.fleetSelector) || has(self.clients) || has(self.exclude)";
    add(schema, &[rule(condition, some)]);
}

pub fn client_selector(schema: &mut Schema) {
    let some = "must have at least one criterion: write `names`, `computers`, `users`, `cidrs`, \
                `versions`, `labelSelector` or `search`";
    let condition = "has(self.names) || has(self.computers) || has(self.users) || has(self.cidrs) \
                     || has(self.versions) || has(self.labelSelector) || has(self.search)";
    add(schema, &[rule(condition, some)]);
}

pub fn label_selector(schema: &mut Schema) {
    let some =
        "must have `matchLabels` or `matchExpressions`: write one, or leave the selector out";
    add(schema, &[rule("has(self.matchLabels) || has(self.matchExpressions)", some)]);
    // Make server-side apply replace the selector as a whole, as in Kubernetes. Parts from two
    // field managers would together select clients that neither manager intended.
    schema.insert("x-kubernetes-map-type".into(), json!("atomic"));
}

pub fn requirement(schema: &mut Schema) {
    add(
        schema,
        &[
            field_rule(
                "!(self.operator in ['In', 'NotIn']) || has(self.values)",
                "must be set with operator In or NotIn: write the values to compare with, or the \
                 operator Exists or DoesNotExist",
                "values",
                REQUIRED,
            ),
            field_rule(
                "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values)",
                "must be left out with operator Exists or DoesNotExist: remove it, or write the \
                 operator In or NotIn",
                "values",
                FORBIDDEN,
            ),
        ],
    );
}
