//! Tests the patches by which reports reach the cluster, against the rules of a JSON Patch.

mod json_patch;
mod patch;
