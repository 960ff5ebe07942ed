//! Faults that the proxy can inject, and the rules that say to which requests a fault applies.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::Value;

/// What the proxy does instead of forwarding a request and its response.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Closes the connection before the request is forwarded.
    CutBefore,
    /// Forwards the request, and closes the connection instead of forwarding the response.
    CutAfter,
    /// Neither forwards the request nor responds.
    SwallowBefore,
    /// Forwards the request, but never responds.
    SwallowAfter,
    /// Forwards the request after a delay.
    DelayRequest(Duration),
    /// Closes the connection at once, and forwards the request after a delay.
    ArriveLate(Duration),
    /// Forwards the response after a delay.
    DelayResponse(Duration),
    /// Responds with an error, without forwarding the request.
    Answer(u16),
    /// Forwards the request, and responds with an error.
    AnswerAfter(u16),
    /// Forwards the request several times, and returns the response to the last one.
    Repeat(u32),
    /// Forwards the first bytes of the response body, and then closes the connection.
    Truncate(usize),
    /// Forwards the head of the response, but nothing of its body.
    SilentBody,
    /// Forwards the response body in pieces of 16 bytes, each after a delay.
    Drip(Duration),
    /// Forwards each part of a watch response twice.
    Duplicate,
    /// Responds with the body that was recorded for the path.
    Replay,
    /// Responds to a watch with the event of an expired resourceVersion.
    Expired,
    /// Responds with 200 and the body of the request, without forwarding the request.
    Claim,
    /// Changes the body of the request before it is forwarded.
    Forge(fn(&mut Value)),
}

/// Selects requests by their method and path.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    method: Option<&'static Method>,
    /// Part of the path that a request must contain, such as `/clientfleets`.
    path: &'static str,
    /// Whether only watches, or only other requests, are selected.
    watches: Option<bool>,
    /// Part of the query that a request must contain.
    query: &'static str,
}

impl Requests {
    pub const ALL: Self = Self { method: None, path: "", watches: None, query: "" };
    /// Selects the status writes of both kinds.
    pub const WRITES: Self =
        Self { method: Some(&Method::PUT), path: "/status", watches: None, query: "" };
    pub const FLEET_WRITES: Self =
        Self { method: Some(&Method::PUT), path: "/clientfleets/", watches: None, query: "" };
    pub const POLICY_WRITES: Self =
        Self { method: Some(&Method::PUT), path: "/upgradepolicies/", watches: None, query: "" };
    pub const WATCHES: Self =
        Self { method: Some(&Method::GET), path: "", watches: Some(true), query: "" };
    pub const POLICY_WATCHES: Self =
        Self { method: Some(&Method::GET), path: POLICIES, watches: Some(true), query: "" };
    /// Selects lists of both kinds, including the consistent reads of one object.
    pub const LISTS: Self = Self {
        method: Some(&Method::GET),
        path: "/clientfleet.dev/",
        watches: Some(false),
        query: "",
    };
    /// Selects watches that begin with a list of all objects.
    pub const POLICY_STREAMS: Self = Self {
        method: Some(&Method::GET),
        path: POLICIES,
        watches: Some(true),
        query: "sendInitialEvents=true",
    };
    /// Selects lists of whole objects in pages, but not the consistent reads of one object.
    pub const POLICY_PAGES: Self = Self {
        method: Some(&Method::GET),
        path: POLICIES,
        watches: Some(false),
        query: "limit=50",
    };
    /// Selects the requests with which a command changes objects, which the controller never sends.
    pub const CHANGES: Self = Self { method: None, path: CHANGES, watches: None, query: "" };
    pub const EVENTS: Self =
        Self { method: None, path: "/events.k8s.io/", watches: None, query: "" };
    pub const LEASES: Self = Self { method: None, path: "/leases", watches: None, query: "" };

    /// Returns whether a request is selected. Only [`Self::ALL`] selects reads of the CRDs, whose
    /// paths contain the names of the kinds.
    pub fn include(&self, request: &Request<Incoming>) -> bool {
        let path = request.uri().path();
        if self.path == CHANGES {
            return path.contains("/clientfleet.dev/")
                && matches!(*request.method(), Method::PATCH | Method::POST | Method::DELETE);
        }
        let of_definitions = path.contains("/customresourcedefinitions/");
        self.method.is_none_or(|method| method == request.method())
            && path.contains(self.path)
            && (self.path.is_empty() || !of_definitions)
            && request.uri().query().unwrap_or_default().contains(self.query)
            && self.watches.is_none_or(|watches| watches == is_watch(request))
    }
}

/// Stands for the changes of a command in [`Requests`], instead of a path.
const CHANGES: &str = "changes";

/// Last part of the path of all fleets and of all policies of a namespace.
pub const FLEETS: &str = "/clientfleets";
pub const POLICIES: &str = "/upgradepolicies";

pub fn is_watch(request: &Request<Incoming>) -> bool {
    request.uri().query().is_some_and(|query| query.contains("watch=true"))
}

/// A fault for the requests that a rule selects.
#[derive(Debug)]
pub struct Rule {
    pub requests: Requests,
    pub fault: Fault,
    /// Number of requests that the rule still lets through before its fault applies.
    pub skip: u32,
    /// Number of requests to which the fault still applies; `None` for all.
    pub left: Option<u32>,
}

impl Rule {
    /// Returns the fault for a request that has arrived, and counts that request.
    pub fn apply(&mut self, request: &Request<Incoming>) -> Option<Fault> {
        if self.left == Some(0) || !self.requests.include(request) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(self.fault.clone())
    }
}
