//! Defines the schemas of single values and lists in the API server's dialect of OpenAPI, for
//! `#[schemars(schema_with = …)]` on the fields of the API types.
//!
//! CEL rules validate what an administrator writes, because the error message for a failed
//! `pattern` shows only the regular expression. A `pattern` validates what clients report, because
//! the API server would otherwise evaluate thousands of CEL rules at each write of a fleet.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::bounds;
use super::patterns::{self, Pattern};
use super::reported_text::{self, TextBound};

const RULES: &str = "x-kubernetes-validations";

/// Returns a CEL rule for the API server, with `must` as the message for a violation.
pub fn rule(condition: &str, must: &str) -> Value {
    json!({"rule": condition, "message": must})
}

/// Returns a CEL rule about one field of the object to which the rule is attached. `reason` is one
/// of the API server's `FieldValue…` values.
pub(crate) fn field_rule(condition: &str, must: &str, field: &str, reason: &str) -> Value {
    json!({"rule": condition, "message": must, "fieldPath": format!(".{field}"), "reason": reason})
}

/// Returns a CEL expression that is true if `value` matches `pattern`.
pub fn matches(value: &str, pattern: &Pattern) -> String {
    format!("{value}.matches(r'{}')", pattern.regex)
}

fn judged(max: usize, pattern: &Pattern) -> Schema {
    let own = rule(&matches("self", pattern), &pattern.must);
    json_schema!({"type": "string", "maxLength": max, (RULES): [own]})
}

/// Returns the schema of a text that administrators write to compare it with a report.
fn compared(max: usize, bound: TextBound) -> Schema {
    let patterns = bound.patterns(1);
    let conditions: Vec<String> = patterns.iter().map(|p| matches("self", p)).collect();
    let must = patterns.first().map(|pattern| pattern.must.as_str()).unwrap_or_default();
    let own = rule(&conditions.join(" && "), must);
    json_schema!({"type": "string", "maxLength": max, (RULES): [own]})
}

fn patterned(min: usize, max: usize, pattern: &Pattern) -> Schema {
    let mut schema = json_schema!({"type": "string", "maxLength": max, "pattern": pattern.regex});
    if min > 0 {
        schema.insert("minLength".into(), min.into());
    }
    schema
}

/// Returns the schema of a text that clients report. A second pattern is in `allOf`, because a
/// schema has only one `pattern`.
fn reported(max: usize, bound: TextBound) -> Schema {
    let patterns = bound.patterns(0);
    let mut patterns = patterns.into_iter().map(|pattern| pattern.regex);
    let mut schema = json_schema!({"type": "string", "maxLength": max});
    schema.insert("pattern".into(), patterns.next().into());
    let more: Vec<Value> = patterns.map(|regex| json!({"pattern": regex})).collect();
    if !more.is_empty() {
        schema.insert("allOf".into(), more.into());
    }
    schema
}

fn plain(max: usize) -> Schema {
    json_schema!({"type": "string", "maxLength": max})
}

/// Returns the patterns that the schemas contain as a `pattern` instead of a CEL rule. Only
/// `admission` reports the messages of these patterns, because a schema's `pattern` has no message.
pub(crate) fn patterns_without_sentence() -> Vec<Pattern> {
    let reported = [
        reported_text::COMPUTER,
        reported_text::USER,
        reported_text::VERSION,
        reported_text::SHORT,
        reported_text::MESSAGE,
    ];
    let own = [
        patterns::client_name(bounds::NAME, bounds::WIDE_NAME),
        patterns::addresses(bounds::IP),
        patterns::label_value(),
    ];
    own.into_iter().chain(reported.into_iter().flat_map(|bound| bound.patterns(0))).collect()
}

// Schemas of values that administrators write: CEL rules validate these values, because a rule can
// have a helpful message.

pub fn version(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::VERSION, &patterns::version())
}

pub fn instant(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::WRITTEN_VALUE, &patterns::instant())
}

pub fn date(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::WRITTEN_VALUE, &patterns::date())
}

pub fn start(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::WRITTEN_VALUE, &patterns::start())
}

pub fn end(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::WRITTEN_VALUE, &patterns::end())
}

pub(crate) fn policy_time_zone(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::WRITTEN_VALUE, &patterns::time_zone())
}

pub fn fleet_name(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::OBJECT_NAME, &patterns::object_name())
}

pub(crate) fn exclusion_name(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::NAME, &patterns::exclusion_name(bounds::NAME))
}

pub fn search(_: &mut SchemaGenerator) -> Schema {
    let mut schema = compared(bounds::SEARCH, reported_text::SEARCH);
    let keyword = patterns::search();
    if let Some(rules) = schema.get_mut(RULES).and_then(Value::as_array_mut) {
        rules.insert(0, rule(&matches("self", &keyword), &keyword.must));
    }
    schema
}

pub fn operator(_: &mut SchemaGenerator) -> Schema {
    let known = rule(
        "self in ['In', 'NotIn', 'Exists', 'DoesNotExist']",
        "must be one of In, NotIn, Exists and DoesNotExist",
    );
    json_schema!({"type": "string", "maxLength": bounds::WRITTEN_VALUE, (RULES): [known]})
}

pub(crate) fn label_key(_: &mut SchemaGenerator) -> Schema {
    judged(bounds::LABEL, &patterns::label_key())
}

fn label_value() -> Schema {
    judged(bounds::LABEL, &patterns::label_value())
}

fn cidr() -> Schema {
    let network =
        rule("isCIDR(self)", "must be a network of IPv4 or IPv6, as 10.20.0.0/16 or fd00:20::/32");
    // Omit the network's first address from the message. A `messageExpression` with `string()`
    // would exceed the API server's cost limit, because the cost estimate assumes no maximum length
    // for the result.
    let masked = rule(
        "!isCIDR(self) || cidr(self) == cidr(self).masked()",
        "must have no bits set behind its prefix: write the network's first address, as \
         10.20.0.0/16, or a longer prefix",
    );
    json_schema!({"type": "string", "maxLength": bounds::WRITTEN_VALUE, (RULES): [network, masked]})
}

// Schemas of values that clients report: a `pattern` validates these values, because it costs less
// than a CEL rule.

pub fn client_name(_: &mut SchemaGenerator) -> Schema {
    patterned(1, bounds::NAME, &patterns::client_name(bounds::NAME, bounds::WIDE_NAME))
}

pub fn computer(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::NAME, reported_text::COMPUTER)
}

pub fn user(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::USER, reported_text::USER)
}

pub fn ip(_: &mut SchemaGenerator) -> Schema {
    patterned(0, bounds::IP, &patterns::addresses(bounds::IP))
}

pub fn reported_version(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::VERSION, reported_text::VERSION)
}

pub fn reported_time(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::REPORTED_TIME, reported_text::SHORT)
}

/// Returns the schema of the time zone of a fleet or client. The schema restricts only the length
/// and the characters; the planner reports an unknown time zone with the reason `TimeZoneUnknown`.
pub fn fleet_time_zone(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::TIME_ZONE, reported_text::SHORT)
}

pub(crate) fn error_message(_: &mut SchemaGenerator) -> Schema {
    reported(bounds::ERROR_MESSAGE, reported_text::MESSAGE)
}

/// Returns the schema of a client's labels. The API server's OpenAPI has no schema for keys, so CEL
/// rules validate them.
pub(crate) fn client_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": bounds::CLIENT_LABELS,
        "additionalProperties": patterned(0, bounds::LABEL, &patterns::label_value()),
        (RULES): [short_keys(), good_keys()],
    })
}

fn good_keys() -> Value {
    let pattern = patterns::label_key();
    let key = pattern.must.replacen("must be a label's key:", "must have keys of", 1);
    rule(&format!("self.all(key, {})", matches("key", &pattern)), &key)
}

/// Returns a rule that limits the length of label keys. It uses a regular expression because
/// `size()` counts characters on the API server, but bytes in the Rust evaluator.
fn short_keys() -> Value {
    let short = Pattern { regex: format!("^.{{0,{}}}$", bounds::LABEL), must: String::new() };
    rule(
        &format!("self.all(key, {})", matches("key", &short)),
        &format!("must have keys of at most {} characters", bounds::LABEL),
    )
}

fn list(items: Schema, max: usize, kind: &str) -> Schema {
    json_schema!({
        "type": "array", "items": items, "maxItems": max, "x-kubernetes-list-type": kind,
    })
}

/// Returns the schema of a list that must not be empty. It uses a CEL rule because the error
/// message for `minItems` would not say what to write instead.
fn filled(items: Schema, max: usize, kind: &str, otherwise: &str) -> Schema {
    let mut schema = list(items, max, kind);
    let must = format!("must have at least one entry: write one, or {otherwise}");
    schema.insert(RULES.into(), json!([rule("self.size() > 0", &must)]));
    schema
}

fn by_name(mut schema: Schema) -> Schema {
    schema.insert("x-kubernetes-list-map-keys".into(), json!(["name"]));
    schema
}

pub fn clients<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    by_name(list(generator.subschema_for::<T>(), bounds::CLIENTS, "map"))
}

pub fn versions(generator: &mut SchemaGenerator) -> Schema {
    filled(version(generator), bounds::VERSIONS, "set", "leave the list out")
}

pub fn windows<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<T>();
    filled(items, bounds::WINDOWS, "atomic", "leave `windows` out to distribute at any hour")
}

pub fn days<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    filled(generator.subschema_for::<T>(), 7, "set", "leave `days` out to mean every day")
}

pub(crate) fn weeks_of_month<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let otherwise = "leave `weeksOfMonth` out to mean every week";
    filled(generator.subschema_for::<T>(), 5, "set", otherwise)
}

pub fn exclusions<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<T>();
    by_name(filled(items, bounds::EXCLUSIONS, "map", "leave `exclusions` out"))
}

pub(crate) fn selected_clients<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<T>();
    filled(items, bounds::SELECTORS, "atomic", "leave `clients` out to mean every client")
}

pub(crate) fn excluded_clients<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<T>();
    filled(items, bounds::SELECTORS, "atomic", "leave `exclude` out to exclude nobody")
}

/// Advice in the error message for an empty criterion. An empty criterion would match no client,
/// but a user might expect it to match every client.
const WITHOUT_CRITERION: &str = "leave the criterion out";

pub(crate) fn selected_names(_: &mut SchemaGenerator) -> Schema {
    let items = judged(bounds::NAME, &patterns::selected(bounds::NAME, bounds::WIDE_NAME));
    filled(items, bounds::SELECTED_NAMES, "atomic", WITHOUT_CRITERION)
}

pub(crate) fn selected_computers(_: &mut SchemaGenerator) -> Schema {
    let items = compared(bounds::NAME, reported_text::COMPUTER);
    filled(items, bounds::SELECTED_NAMES, "atomic", WITHOUT_CRITERION)
}

pub(crate) fn selected_users(_: &mut SchemaGenerator) -> Schema {
    let items = compared(bounds::USER, reported_text::USER);
    filled(items, bounds::SELECTED_NAMES, "atomic", WITHOUT_CRITERION)
}

pub(crate) fn selected_cidrs(_: &mut SchemaGenerator) -> Schema {
    filled(cidr(), bounds::SELECTED_CIDRS, "atomic", WITHOUT_CRITERION)
}

pub(crate) fn selected_versions(_: &mut SchemaGenerator) -> Schema {
    let items = judged(bounds::VERSION_REQUIREMENT, &patterns::version_requirement());
    filled(items, bounds::SELECTED_VERSIONS, "atomic", WITHOUT_CRITERION)
}

pub fn match_labels(_: &mut SchemaGenerator) -> Schema {
    let some = "must have at least one label: write one, or leave `matchLabels` out";
    json_schema!({
        "type": "object",
        "maxProperties": bounds::MATCH_LABELS,
        "additionalProperties": label_value(),
        (RULES): [rule("self.size() > 0", some), short_keys(), good_keys()],
    })
}

pub fn match_expressions<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<T>();
    filled(items, bounds::MATCH_EXPRESSIONS, "atomic", "leave `matchExpressions` out")
}

/// Message of the rule for [`bounds::CLIENT_MATCH_VALUES`], without which a stored policy stays
/// valid. The API server leaves the rule out itself for what a write does not change.
pub(super) const TOO_MANY_CLIENT_VALUES: &str = "must have at most 12 entries in a client selector: \
                                                 write several selectors, or give these clients a \
                                                 label of their own";

/// Returns the schema of the label selector in a client selector, in which match expressions have
/// fewer values than in a fleet selector.
pub(crate) fn client_label_selector<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    let rules = format!("/properties/matchExpressions/items/properties/values/{RULES}");
    if let Some(rules) = schema.pointer_mut(&rules).and_then(Value::as_array_mut) {
        let condition = format!("self.size() <= {}", bounds::CLIENT_MATCH_VALUES);
        rules.push(rule(&condition, TOO_MANY_CLIENT_VALUES));
    }
    schema
}

pub(crate) fn match_values(_: &mut SchemaGenerator) -> Schema {
    let otherwise = "leave `values` out with operator Exists or DoesNotExist";
    filled(label_value(), bounds::MATCH_VALUES, "atomic", otherwise)
}

/// Returns the schema of an integer. The schema has no `format`, because a violated `format` would
/// cause a second error for the same number.
fn whole(least: i64, most: i64) -> Schema {
    json_schema!({"type": "integer", "minimum": least, "maximum": most})
}

pub fn priority(_: &mut SchemaGenerator) -> Schema {
    whole(i64::from(i32::MIN), i64::from(i32::MAX))
}

pub(crate) fn offset_days(_: &mut SchemaGenerator) -> Schema {
    whole(bounds::OFFSET_DAYS.0, bounds::OFFSET_DAYS.1)
}

pub(crate) fn retry_hours(_: &mut SchemaGenerator) -> Schema {
    whole(bounds::RETRY_HOURS.0, bounds::RETRY_HOURS.1)
}

pub(crate) fn offline_days(_: &mut SchemaGenerator) -> Schema {
    whole(bounds::OFFLINE_DAYS.0, bounds::OFFLINE_DAYS.1)
}

pub fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "minimum": 0})
}

/// Returns the schema of a status value such as a state. It has no `enum`, because an older CRD
/// would then refuse a status that contains a newer value.
pub fn word(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::WORD)
}

pub(crate) fn status_policy(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::POLICY_NAME)
}

pub(crate) fn status_name(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::NAME)
}

pub(crate) fn status_value(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::VERSION)
}

pub(crate) fn status_ip(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::IP)
}

pub(crate) fn condition_message(_: &mut SchemaGenerator) -> Schema {
    plain(bounds::CONDITION_MESSAGE)
}

/// Returns the schema of a list of conditions. The list type is `map` with the key `type`,
/// following the Kubernetes API conventions.
pub fn conditions<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = list(generator.subschema_for::<T>(), bounds::CONDITIONS, "map");
    schema.insert("x-kubernetes-list-map-keys".into(), json!(["type"]));
    schema
}

pub(crate) fn decided_clients<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    list(generator.subschema_for::<T>(), bounds::CLIENTS, "atomic")
}

pub fn unmatched(_: &mut SchemaGenerator) -> Schema {
    list(plain(bounds::UNMATCHED_ENTRY), bounds::UNMATCHED, "atomic")
}

pub fn available_settings<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    list(generator.subschema_for::<T>(), bounds::AVAILABLE_SETTINGS, "atomic")
}
