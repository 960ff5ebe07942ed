//! Tests that the chart grants the real program exactly the permissions that it needs. The API
//! server must refuse no request of the program, and the program must use every permission.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Process};
use crate::helm::{LIMITED, RELEASE, kind, objects, only, project, template};
use crate::plane;

const ACCOUNT: &str = "system:serviceaccount:clientfleet:clientfleet";

const AUDIT: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}]}"#;

type Rights = BTreeSet<String>;

struct Installed {
    plane: ControlPlane,
    rendered: Vec<Value>,
    folder: tempfile::TempDir,
}

impl Installed {
    fn with(values: &str, more_arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (policy, log) = (folder.path().join("policy.json"), folder.path().join("audit.log"));
        fs::write(&policy, AUDIT).unwrap();
        let builder = more_arguments.iter().fold(
            ControlPlane::builder()
                .apiserver_arg(format!("--audit-policy-file={}", policy.display()))
                .apiserver_arg(format!("--audit-log-path={}", log.display()))
                // Log each request before the API server sends the response, so that the log is
                // complete when the test reads it.
                .apiserver_arg("--audit-log-mode=blocking-strict"),
            |builder, argument| builder.apiserver_arg(*argument),
        );
        let plane = plane::build(builder, &[RELEASE, "berlin", "tokyo"]);
        let rendered = objects(&template(values));
        for object in &rendered {
            plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
        }
        Self { plane, rendered, folder }
    }

    fn start(&self) -> Process {
        let token = self
            .plane
            .kubectl_ok(&["create", "token", RELEASE, "--namespace", RELEASE], "")
            .unwrap();
        let mut kubeconfig = json!(self.plane.kubeconfig());
        kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(RELEASE);
        let path = self.folder.path().join("kubeconfig");
        fs::write(&path, kubeconfig.to_string()).unwrap();
        let container =
            &only(&self.rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
        // Replace port 8080 with any free port. In a pod the program has its own IP address, but on
        // this machine another program may use port 8080.
        let arguments = arguments.map(|argument| argument.replace(":8080", ":0"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
        command.args(arguments).arg("--kubeconfig").arg(path).env_remove("RUST_LOG");
        self.plane.start_beside("clientfleet", &mut command).unwrap()
    }

    fn apply_examples(&self, namespace: &str) {
        let mut files: Vec<_> = fs::read_dir(project("examples"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        for file in &files {
            for mut object in objects(&fs::read_to_string(file).unwrap()) {
                if kind(&object) != "Namespace" {
                    object["metadata"]["namespace"] = json!(namespace);
                    let text = object.to_string();
                    self.plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &text).unwrap();
                }
            }
        }
    }

    fn wait(&self, process: &mut Process, namespace: &str, what: &str, condition: &str) {
        let waited = self.plane.kubectl_ok(
            &["wait", "-n", namespace, what, "--all", "--for", condition, "--timeout=180s"],
            "",
        );
        waited.unwrap_or_else(|error| panic!("{error}\n{}", process.report()));
    }

    /// Suspends and resumes a policy twice. The second Kubernetes event with a given reason must
    /// update the first event instead of creating another one.
    fn halt_and_resume(&self, process: &mut Process, namespace: &str) {
        for suspended in [true, false, true, false] {
            let patch = json!({"spec": {"suspend": suspended}}).to_string();
            self.plane
                .kubectl_ok(
                    &["patch", "upol", "canary", "-n", namespace, "--type=merge", "-p", &patch],
                    "",
                )
                .unwrap();
            let state = if suspended { "Off" } else { "Open" };
            self.wait_for(
                process,
                &[
                    "get",
                    "upol",
                    "canary",
                    "-n",
                    namespace,
                    "-o",
                    "jsonpath={.status.distributionState}",
                ],
                state,
            );
        }
        let events = [
            "get",
            "events.events.k8s.io",
            "-n",
            namespace,
            "-o",
            "jsonpath={.items[*].series.count}",
        ];
        self.wait_for(process, &events, "2");
    }

    fn wait_for(&self, process: &mut Process, question: &[&str], answer: &str) {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let said = self.plane.kubectl_ok(question, "").unwrap();
            if said.contains(answer) {
                return;
            }
            assert!(Instant::now() < deadline, "{question:?}: {said}\n{}", process.report());
        }
    }

    fn granted(&self) -> Rights {
        let bound: BTreeSet<_> = self
            .rendered
            .iter()
            .filter(|object| binds(object))
            .map(|object| {
                (
                    object["roleRef"]["kind"].as_str().unwrap(),
                    object["roleRef"]["name"].as_str().unwrap(),
                )
            })
            .collect();
        let roles = self.rendered.iter().filter(|object| {
            bound.contains(&(kind(object), object["metadata"]["name"].as_str().unwrap()))
        });
        roles.flat_map(|role| role["rules"].as_array().unwrap()).flat_map(rights).collect()
    }

    /// Returns the permissions that the program has used, according to the API server's audit log.
    /// Panics if the API server refused a request of the program.
    fn used(&self) -> Rights {
        let mut used = Rights::new();
        for line in fs::read_to_string(self.folder.path().join("audit.log")).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            if entry["user"]["username"] != ACCOUNT {
                continue;
            }
            assert_eq!(
                entry["annotations"]["authorization.k8s.io/decision"], "allow",
                "it asked for what it must not: {entry:#}"
            );
            used.extend(right_of(&entry));
        }
        used
    }
}

fn binds(object: &Value) -> bool {
    kind(object).ends_with("RoleBinding")
        && object["subjects"].as_array().unwrap().iter().any(|subject| subject["name"] == RELEASE)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn rights(rule: &Value) -> Vec<String> {
    let mut rights = Vec::new();
    for group in texts(&rule["apiGroups"]) {
        for resource in texts(&rule["resources"]) {
            for verb in texts(&rule["verbs"]) {
                rights.push(format!("{verb} {resource}.{group}"));
            }
        }
    }
    rights
}

fn right_of(entry: &Value) -> Option<String> {
    // Skip requests that concern no resource, such as requests for the API server's version,
    // because every authenticated user can send them.
    let object = entry.get("objectRef")?;
    let subresource = object["subresource"].as_str().map(|name| format!("/{name}"));
    Some(format!(
        "{} {}{}.{}",
        entry["verb"].as_str()?,
        object["resource"].as_str()?,
        subresource.unwrap_or_default(),
        object["apiGroup"].as_str().unwrap_or_default(),
    ))
}

fn all_its_work(installed: &Installed, namespaces: &[&str]) {
    let mut process = installed.start();
    for namespace in namespaces {
        installed.apply_examples(namespace);
        installed.wait(&mut process, namespace, "upol", "condition=Ready");
        installed.wait(&mut process, namespace, "clf", "condition=Ready");
        installed.halt_and_resume(&mut process, namespace);
    }
    process.stop(Duration::from_secs(30)).unwrap();
}

#[test]
fn cluster_wide_and_limited_it_uses_what_it_has_and_no_more() {
    let wide = Installed::with("", &[]);
    all_its_work(&wide, &["berlin", "tokyo"]);
    // Without the feature `WatchList`, the API server cannot stream lists, so the program must use
    // other requests to list objects.
    let limited = Installed::with(LIMITED, &["--feature-gates=WatchList=false"]);
    all_its_work(&limited, &["berlin", "tokyo"]);

    let used: Rights = wide.used().union(&limited.used()).cloned().collect();
    assert_eq!(wide.granted(), used, "cluster-wide: what is granted, and what was used");
    assert_eq!(limited.granted(), used, "limited: what is granted, and what was used");
}

#[test]
fn limited_it_may_do_nothing_elsewhere() {
    let plane = plane::with_namespaces(&[RELEASE, "berlin", "tokyo", "elsewhere"]);
    for object in objects(&template(LIMITED)) {
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
    }
    let may = |verb: &str, resource: &str, subresource: &str, namespace: &str| {
        let subresource = format!("--subresource={subresource}");
        let arguments =
            ["auth", "can-i", verb, resource, &subresource, "-n", namespace, "--as", ACCOUNT];
        plane.kubectl(&arguments).output().unwrap().status.success()
    };
    for (verb, resource, subresource) in [
        ("watch", "upgradepolicies.clientfleet.dev", ""),
        ("update", "clientfleets.clientfleet.dev", "status"),
        ("create", "events.events.k8s.io", ""),
    ] {
        assert!(may(verb, resource, subresource, "berlin"), "{verb} {resource}");
        assert!(may(verb, resource, subresource, "tokyo"), "{verb} {resource}");
        assert!(!may(verb, resource, subresource, "elsewhere"), "{verb} {resource}");
        assert!(!may(verb, resource, subresource, RELEASE), "{verb} {resource}");
    }
    // Check that the program can neither change specs nor read resources of other kinds, because it
    // needs neither.
    for kind in ["clientfleets.clientfleet.dev", "upgradepolicies.clientfleet.dev"] {
        assert!(!may("update", kind, "", "berlin") && !may("patch", kind, "", "berlin"), "{kind}");
    }
    for resource in ["secrets", "configmaps", "pods"] {
        assert!(!may("get", resource, "", RELEASE), "{resource}");
    }
}
