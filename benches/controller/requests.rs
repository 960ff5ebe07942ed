//! Reads the API server's own metrics: its CPU time, and the number of status writes that it has
//! received.

use std::time::Duration;

use kube::Client;

use crate::Failure;

/// Number of status writes since the start of the API server, for each kind of object.
#[derive(Debug, Default)]
pub struct StatusWrites {
    pub fleets: u64,
    pub policies: u64,
}

impl StatusWrites {
    pub async fn count(client: &Client) -> Result<Self, Failure> {
        let metrics = metrics(client).await?;
        let sum = |resource: &str| -> u64 {
            let counted = metrics.lines().filter(|line| {
                line.starts_with("apiserver_request_total{")
                    && line.contains(&format!("resource=\"{resource}\""))
                    && line.contains("subresource=\"status\"")
                    && ["PUT", "PATCH", "APPLY"]
                        .iter()
                        .any(|v| line.contains(&format!("verb=\"{v}\"")))
            });
            counted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        Ok(Self { fleets: sum("clientfleets"), policies: sum("upgradepolicies") })
    }

    pub fn since(&self, before: &Self) -> Self {
        Self { fleets: self.fleets - before.fleets, policies: self.policies - before.policies }
    }
}

pub async fn server_cpu(client: &Client) -> Result<Duration, Failure> {
    let metrics = metrics(client).await?;
    let value = metrics.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    Ok(Duration::from_secs_f64(value.ok_or("it does not tell its CPU time")?.parse()?))
}

async fn metrics(client: &Client) -> Result<String, Failure> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    Ok(client.request_text(request).await?)
}
