//! Tests the decisions of `clientfleet::checkin`: whether an offer counts, the answers to polls, and
//! what the messages of a client change. Each test changes one thing in a case that is otherwise the
//! same.

mod messages;
mod poll;
mod validity;
