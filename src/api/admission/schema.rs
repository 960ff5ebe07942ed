//! Compiles a CRD's schema into nodes, each with the type, default and rules of one value.
//! `ClientFleet` and `UpgradePolicy` share this code.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::Value;

use super::cel::Rule;
use crate::api::schema::patterns_without_sentence;

/// The schema of one value.
#[derive(Debug)]
pub struct Node {
    pub shape: Shape,
    pub default: Option<Value>,
    pub rules: Vec<Rule>,
    /// First sentence of the field's description in the schema.
    pub about: String,
}

#[derive(Debug)]
pub enum Shape {
    Text(StringRules),
    Whole { least: f64, most: f64 },
    Flag,
    List { items: Box<Node>, most: usize, unique: Unique },
    Fields { properties: BTreeMap<String, Node>, required: Vec<String> },
    Map { values: Box<Node>, most: usize },
    Anything,
}

#[derive(Debug, Default)]
pub struct StringRules {
    pub least: usize,
    pub most: Option<usize>,
    /// Patterns that the text must match, each with a message.
    pub patterns: Vec<(Regex, String)>,
    pub choices: Vec<String>,
}

/// The uniqueness that a list requires: none, unique entries, or unique values of the key fields.
#[derive(Debug)]
pub enum Unique {
    No,
    Whole,
    Keys(Vec<String>),
}

impl Node {
    pub fn anything() -> Self {
        Self { shape: Shape::Anything, default: None, rules: Vec::new(), about: String::new() }
    }

    pub(crate) fn compile(schema: &JSONSchemaProps) -> Result<Self, String> {
        let rules = schema.x_kubernetes_validations.iter().flatten();
        let about = schema.description.as_deref().unwrap_or_default();
        Ok(Self {
            shape: shape(schema)?,
            default: schema.default.as_ref().map(|json| json.0.clone()),
            rules: rules.map(Rule::compile).collect::<Result<_, _>>()?,
            about: first_sentence(about),
        })
    }

    pub fn property(&self, name: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Fields { properties, .. } => properties.get(name),
            _ => None,
        }
    }

    /// Converts `value` to the form that the API server stores: without `null` fields, with
    /// defaults, and with integers such as `3.0` written as `3`.
    ///
    /// The API server drops each `null` except in nullable fields, and these schemas have no
    /// nullable fields.
    pub fn complete(&self, value: &mut Value) {
        match (&self.shape, value) {
            (Shape::Fields { properties, .. }, Value::Object(fields)) => {
                fields.retain(|name, field| !field.is_null() || !properties.contains_key(name));
                for (name, node) in properties {
                    match (fields.get_mut(name), &node.default) {
                        (Some(field), _) => node.complete(field),
                        (None, Some(default)) => {
                            let mut field = default.clone();
                            node.complete(&mut field);
                            fields.insert(name.clone(), field);
                        }
                        (None, None) => {}
                    }
                }
            }
            (Shape::Map { values, .. }, Value::Object(fields)) => {
                fields.retain(|_, field| !field.is_null());
                fields.values_mut().for_each(|field| values.complete(field));
            }
            (Shape::List { items, .. }, Value::Array(entries)) => {
                entries.iter_mut().for_each(|entry| items.complete(entry));
            }
            (Shape::Whole { .. }, value) => {
                if let Some(whole) = whole(value) {
                    *value = whole.into();
                }
            }
            _ => {}
        }
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    let first = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    first.trim_end_matches('.').to_owned()
}

/// The number 2^53. A 64-bit float represents every integer below this value exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns the integer value of a JSON number written with a decimal point or an exponent. Returns
/// `None` if the number has a fraction, or if its absolute value is not below 2^53.
fn whole(value: &Value) -> Option<i64> {
    let float = value.as_f64().filter(|_| value.is_f64())?;
    #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
}

fn shape(schema: &JSONSchemaProps) -> Result<Shape, String> {
    let most = |bound: Option<i64>| bound.and_then(|most| usize::try_from(most).ok());
    match schema.type_.as_deref() {
        Some("string") => Ok(Shape::Text(StringRules {
            least: most(schema.min_length).unwrap_or(0),
            most: most(schema.max_length),
            patterns: patterns(schema)?,
            choices: choices(schema),
        })),
        Some("integer") => Ok(Shape::Whole {
            least: schema.minimum.unwrap_or(f64::MIN),
            most: schema.maximum.unwrap_or(f64::MAX),
        }),
        Some("boolean") => Ok(Shape::Flag),
        Some("array") => {
            let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else {
                return Err("a list without a schema of its items".to_owned());
            };
            let items = Box::new(Node::compile(items)?);
            let most = most(schema.max_items).unwrap_or(usize::MAX);
            Ok(Shape::List { items, most, unique: unique(schema) })
        }
        Some("object") => object(schema, most(schema.max_properties).unwrap_or(usize::MAX)),
        other => Err(format!("a schema of type {other:?}")),
    }
}

fn object(schema: &JSONSchemaProps, most: usize) -> Result<Shape, String> {
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        return Ok(Shape::Map { values: Box::new(Node::compile(values)?), most });
    }
    let properties = schema.properties.iter().flatten();
    Ok(Shape::Fields {
        properties: properties
            .map(|(name, schema)| Ok((name.clone(), Node::compile(schema)?)))
            .collect::<Result<_, String>>()?,
        required: schema.required.clone().unwrap_or_default(),
    })
}

fn choices(schema: &JSONSchemaProps) -> Vec<String> {
    let choices = schema.enum_.iter().flatten();
    choices.filter_map(|choice| choice.0.as_str().map(ToOwned::to_owned)).collect()
}

fn unique(schema: &JSONSchemaProps) -> Unique {
    match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => Unique::Whole,
        Some("map") => Unique::Keys(schema.x_kubernetes_list_map_keys.clone().unwrap_or_default()),
        _ => Unique::No,
    }
}

/// Returns the schema's own pattern, and those in `allOf`, which has nothing else.
fn patterns(schema: &JSONSchemaProps) -> Result<Vec<(Regex, String)>, String> {
    let further = schema.all_of.iter().flatten();
    let all = [schema].into_iter().chain(further).filter_map(|part| part.pattern.as_deref());
    all.map(pattern).collect()
}

fn pattern(text: &str) -> Result<(Regex, String), String> {
    let regex = Regex::new(text).map_err(|error| error.to_string())?;
    let own = patterns_without_sentence().into_iter().find(|pattern| pattern.regex == text);
    let must = own.ok_or_else(|| format!("no sentence says what {text} wants"))?.must;
    Ok((regex, must))
}
