//! Compiles the CEL rules of a schema once, and evaluates them for each value.
//!
//! kube's own `Validator` compiles every regular expression again for each value, and copies the
//! value once for each level of nesting. Every plan validates policies, so this module uses only
//! kube's evaluator and avoids both costs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use kube::core::cel::KubeCelExt;
use kube::core::cel::cel::extractors::This;
use kube::core::cel::cel::{Context, Program, Value as CelValue};
use regex::Regex;
use serde_json::Value;

use super::Problems;
use super::walk::{join, quoted};
use crate::api::schema::TOO_MANY_CLIENT_VALUES;

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    condition: Program,
    must: String,
    /// Expression that computes a message from the value; `None` if the rule has only a fixed
    /// message.
    must_of_value: Option<Program>,
    /// Path of the field that the rule checks, relative to the rule's own value.
    field: Option<String>,
    /// True if a stored object is valid without the rule.
    is_for_new: bool,
    /// Fields that the rule reads; `None` if it may read the whole value.
    looks_at: Option<Vec<String>>,
}

impl Rule {
    pub(crate) fn compile(rule: &ValidationRule) -> Result<Self, String> {
        let program =
            |text: &str| Program::compile(text).map_err(|error| format!("{text}: {error}"));
        Ok(Self {
            condition: program(&rule.rule)?,
            must: rule.message.clone().unwrap_or_else(|| format!("must satisfy {}", rule.rule)),
            must_of_value: rule.message_expression.as_deref().map(program).transpose()?,
            field: rule.field_path.as_deref().map(|path| path.trim_start_matches('.').to_owned()),
            is_for_new: rule.message.as_deref() == Some(TOO_MANY_CLIENT_VALUES),
            looks_at: [Some(rule.rule.as_str()), rule.message_expression.as_deref()]
                .into_iter()
                .flatten()
                .map(fields_of_self)
                .collect::<Option<Vec<_>>>()
                .map(|fields| fields.concat()),
        })
    }

    fn sentence(&self, context: &Context<'_>) -> String {
        let message = self.must_of_value.as_ref().and_then(|program| program.execute(context).ok());
        match message {
            Some(CelValue::String(sentence)) => sentence.to_string(),
            _ => self.must.clone(),
        }
    }
}

/// Evaluates `rules` for `value`, and adds each violation to `problems`. The value must have a
/// valid structure and contain its defaults.
pub fn judge(rules: &[Rule], value: &Value, path: &str, problems: &mut Problems) {
    if rules.is_empty() {
        return;
    }
    let mut context = functions().new_inner_scope();
    context.add_variable_from_value("self", looked_at(rules, value));
    let is_stored = problems.is_stored;
    for rule in rules.iter().filter(|rule| !(rule.is_for_new && is_stored)) {
        let sentence = match rule.condition.execute(&context) {
            Ok(CelValue::Bool(true)) => continue,
            Ok(CelValue::Bool(false)) => rule.sentence(&context),
            // Refuse the value if the rule cannot be evaluated for it, as the API server does.
            Ok(_) => format!("{} (and the rule gives no answer)", rule.must),
            Err(error) => format!("{} (and the rule cannot be judged: {error})", rule.must),
        };
        let field =
            rule.field.as_deref().map_or_else(|| path.to_owned(), |field| join(path, field));
        let message = match value {
            Value::String(text) => format!("{} {sentence}", quoted(text)),
            _ => sentence,
        };
        problems.add(field, message);
    }
}

fn functions() -> &'static Context<'static> {
    static FUNCTIONS: OnceLock<Context<'static>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let mut context = Context::default().with_all();
        context.add_function("matches", matches);
        context.add_function("isCIDR", is_cidr);
        context
    })
}

/// Returns whether a text matches a regular expression, which is compiled only once and never
/// cloned, because a clone would have to build its internal caches again.
///
/// The cache of expressions needs no size limit, because it contains only the expressions in the
/// two schemas.
#[allow(clippy::needless_pass_by_value, reason = "the evaluator hands over values")]
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> bool {
    type Compiled = HashMap<Arc<String>, Option<Arc<Regex>>>;
    static COMPILED: OnceLock<Mutex<Compiled>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled
        .entry(pattern)
        .or_insert_with_key(|pattern| Regex::new(pattern).ok().map(Arc::new))
        .clone();
    drop(compiled);
    regex.is_some_and(|regex| regex.is_match(&text))
}

/// Returns whether a text is a network that the API server's `isCIDR` accepts.
///
/// Like the API server, refuses IPv6 zones, IPv4-mapped IPv6 addresses, and leading zeros, which
/// the evaluator's own `isCIDR` accepts but some programs read as octal (CVE-2021-29923).
#[allow(clippy::needless_pass_by_value, reason = "the evaluator hands over values")]
fn is_cidr(text: Arc<String>) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => 128,
        _ => return false,
    };
    let written_plainly = prefix == "0" || prefix.starts_with(|c: char| ('1'..='9').contains(&c));
    written_plainly && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest)
}

/// Returns the fields of `self` that an expression reads. Returns `None` if the expression uses
/// `self` in any form other than `self.field`.
fn fields_of_self(expression: &str) -> Option<Vec<String>> {
    static USES: OnceLock<Option<Regex>> = OnceLock::new();
    let uses = USES.get_or_init(|| Regex::new(r"\bself\b(?:\.(\w+)(\s*\()?)?").ok()).as_ref()?;
    let field = |used: regex::Captures<'_>| match (used.get(1), used.get(2)) {
        (Some(field), None) => Some(field.as_str().to_owned()),
        _ => None,
    };
    uses.captures_iter(expression).map(field).collect()
}

/// Converts a value to CEL, but only the fields that the rules read. For example, this skips the
/// list of clients in a fleet.
fn looked_at(rules: &[Rule], value: &Value) -> CelValue {
    let names: Option<Vec<&[String]>> = rules.iter().map(|rule| rule.looks_at.as_deref()).collect();
    match (value, names) {
        (Value::Object(fields), Some(names)) => {
            let names = names.into_iter().flatten();
            let fields = names.filter_map(|name| Some((name.clone(), to_cel(fields.get(name)?))));
            fields.collect::<HashMap<String, CelValue>>().into()
        }
        _ => to_cel(value),
    }
}

fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => CelValue::Int(whole),
            (None, Some(whole)) => CelValue::UInt(whole),
            (None, None) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(entries) => CelValue::List(Arc::new(entries.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), to_cel(field)));
            fields.collect::<HashMap<String, CelValue>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_looks_at_is_read_off_it() {
        let fields = |expression| fields_of_self(expression).map(|fields| fields.join(" "));
        assert_eq!(fields("has(self.a) != has(self.b.c)").as_deref(), Some("a b"));
        assert_eq!(fields("true").as_deref(), Some(""));
        for whole in
            ["self in ['a']", "self.size() > 0", "self.a == 1 && self['b'] == 2", "f(self)"]
        {
            assert_eq!(fields(whole), None, "{whole}");
        }
    }
}
