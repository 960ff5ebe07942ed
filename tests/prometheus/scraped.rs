//! Runs the queries of the alerts and the dashboard on a Prometheus server. The server scrapes a
//! controller that plans the objects in `examples/`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use clientfleet::api::crds_yaml;

use crate::control_plane::tools::tool_of;
use crate::control_plane::{ControlPlane, Process};
use crate::promtool;
use crate::queries::{alerts, panels, selectors};

/// Maximum time to wait for the expected result of a query. It is long enough for a busy machine.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(180);

/// Titles of the dashboard panels whose queries return no series if there are no problems.
const EMPTY_WHEN_ALL_IS_WELL: [&str; 1] = ["Policies that need a person"];

fn eventually(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + SCRAPE_TIMEOUT;
    while let Err(instead) = look() {
        assert!(Instant::now() < deadline, "{what}: {instead}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Scraped {
    prometheus: String,
    controller: String,
    _processes: [Process; 2],
}

impl Scraped {
    fn start(plane: &ControlPlane) -> Self {
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &crds_yaml().unwrap()).unwrap();
        let definitions =
            ["crd/clientfleets.clientfleet.dev", "crd/upgradepolicies.clientfleet.dev"];
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=180s",
            definitions[0],
            definitions[1],
        ];
        plane.kubectl_ok(&wait, "").unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let apply = ["apply", "--server-side", "-f", examples.to_str().unwrap()];
        plane.kubectl_ok(&apply, "").unwrap();
        let controller = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
        command.args(["controller", "--audit", "stdout", "--listen", &controller, "--kubeconfig"]);
        command.arg(plane.kubeconfig_path()).env_remove("RUST_LOG");
        let controlling = plane.start_beside("controller", &mut command).unwrap();
        let prometheus = format!("127.0.0.1:{}", free_port());
        let scraping =
            plane.start_beside("prometheus", &mut scrape(plane, &controller, &prometheus));
        let prometheus = format!("http://{prometheus}");
        Self { prometheus, controller, _processes: [controlling, scraping.unwrap()] }
    }

    /// Runs a query and returns the resulting series, one on each line. Returns promtool's error if
    /// the query fails.
    fn ask(&self, query: &str) -> Result<String, String> {
        match promtool(&["query", "instant", &self.prometheus, query], None) {
            (true, series) => Ok(series.trim().to_owned()),
            (false, error) => Err(error),
        }
    }

    fn has(&self, what: &str, query: &str) {
        eventually(what, || match self.ask(query)?.as_str() {
            "" => Err(format!("nothing for {query}")),
            _ => Ok(()),
        });
    }

    fn metrics(&self) -> String {
        let mut connection = TcpStream::connect(&self.controller).unwrap();
        connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

fn scrape(plane: &ControlPlane, controller: &str, prometheus: &str) -> Command {
    let config = plane.folder().join("prometheus.yaml");
    let content = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: clientfleet\n    \
         honor_labels: true\n    static_configs: [{{targets: ['{controller}']}}]\n"
    );
    fs::write(&config, content).unwrap();
    let mut command = Command::new(tool_of("prometheus", "prometheus").unwrap());
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", plane.folder().join("prometheus").display()))
        .arg(format!("--web.listen-address={prometheus}"));
    command
}

#[test]
fn every_query_has_an_answer() {
    let plane = ControlPlane::start().unwrap();
    let scraped = Scraped::start(&plane);
    scraped.has("the clients are scraped", r#"clientfleet_clients{state="UpToDate"} > 0"#);
    let wait =
        ["wait", "-n", "clients", "--for=condition=Ready", "--timeout=180s", "upol", "--all"];
    plane.kubectl_ok(&wait, "").unwrap();

    // An alert's query returns no series if there are no problems, so a wrong metric name would not
    // be noticed. Check that each series selector in the query returns series.
    for alert in alerts() {
        scraped.ask(&alert.query).unwrap_or_else(|error| panic!("{}: {error}", alert.name));
        let series = selectors(&alert.query);
        assert!(!series.is_empty(), "{}", alert.name);
        for selector in series {
            scraped.has(&alert.name, &selector);
        }
    }
    for (title, queries) in panels() {
        for query in queries {
            let is_empty = EMPTY_WHEN_ALL_IS_WELL.contains(&title.as_str());
            let mut asked = if is_empty { selectors(&query) } else { BTreeSet::default() };
            scraped.ask(&query).unwrap_or_else(|error| panic!("{title}: {error}"));
            if asked.is_empty() {
                asked.insert(query);
            }
            for query in asked {
                scraped.has(&title, &query);
            }
        }
    }

    let metrics = plane.folder().join("metrics");
    fs::write(&metrics, scraped.metrics()).unwrap();
    let (content, said) = promtool(&["check", "metrics"], Some(&metrics));
    assert!(content && said.is_empty(), "{said}");
    // The metrics must count as many clients as the statuses of all fleets.
    let total = ["get", "clf", "-n", "clients", "-o", "jsonpath={.items[*].status.summary.total}"];
    let total = plane.kubectl_ok(&total, "").unwrap();
    let total: u32 = total.split_whitespace().map(|count| count.parse::<u32>().unwrap()).sum();
    let told = scraped.ask("sum(clientfleet_clients)").unwrap();
    assert!(told.contains(&format!("=> {total} @")), "{told}, not {total}");
}
