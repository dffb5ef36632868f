//! A parameter's value on its way in or out, and why one is refused.

use serde_json::Value as Json;

use crate::pack::Neurons;

/// The value of one parameter, already checked against its row of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Switch(bool),
    Text(String),
    Neurons(Neurons),
}

impl Value {
    pub fn to_json(&self) -> Json {
        match self {
            // Whole numbers print without a fraction: `2`, not `2.0`.
            Value::Number(n) if n.fract() == 0.0 && n.abs() < 1e15 => Json::from(*n as i64),
            Value::Number(n) => Json::from(*n),
            Value::Switch(b) => Json::from(*b),
            Value::Text(s) => Json::from(s.as_str()),
            Value::Neurons(n) => Json::from(n.to_string()),
        }
    }
}

/// Why a change of one parameter was refused, in words for the person who sent it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, thiserror::Error)]
#[error("{param}{}{message}", if .param.is_empty() { "" } else { ": " })]
pub struct Refusal {
    /// Empty where it is about a command as a whole.
    pub param: String,
    pub message: String,
}

impl Refusal {
    pub fn new(param: impl Into<String>, message: impl ToString) -> Refusal {
        Refusal { param: param.into(), message: message.to_string() }
    }

    /// About the whole command.
    pub fn whole(message: impl ToString) -> Refusal {
        Refusal::new("", message)
    }
}
