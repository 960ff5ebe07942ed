//! Explains to which versions a client would move one after the other, if its policies depend on the
//! version that it runs.

use serde::Serialize;

use super::scenario::ScenarioView;
use crate::api::Text;
use crate::plan::target_chain::Move;

/// The moves of a client from target to target, if it made each of them at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedChain {
    /// Moves, in order.
    pub moves: Vec<ExplainedMove>,
    /// Policy of the highest precedence in the circle, whose clients alone move; absent if the chain
    /// is no circle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_in_circle: Option<Text>,
}

/// A move from one version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedMove {
    /// Version that the client leaves.
    pub from: Text,
    /// Version that the client moves to.
    pub to: Text,
    /// Policy that governs the client at the version that it leaves.
    pub policy: Text,
}

/// Returns the chain of a client's targets; `None` unless the client would move more than once.
pub(super) fn explain_chain(view: &ScenarioView<'_>) -> Option<ExplainedChain> {
    let chain = view.case().target_chain().filter(|chain| chain.moves.len() > 1)?;
    Some(ExplainedChain {
        moves: chain.moves.iter().map(explain_move).collect(),
        first_in_circle: chain.first_in_circle().map(|first| first.name.clone()),
    })
}

fn explain_move(passed: &Move<'_>) -> ExplainedMove {
    ExplainedMove {
        from: passed.from.raw.clone(),
        to: passed.to.raw.clone(),
        policy: passed.policy.name.clone(),
    }
}

impl ExplainedChain {
    /// Returns the chain in words, such as `3.59 to 3.58 by rollback, 3.58 to 3.59 by everyone`.
    #[must_use]
    pub fn text(&self) -> String {
        let text = |one: &ExplainedMove| format!("{} to {} by {}", one.from, one.to, one.policy);
        self.moves.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}
