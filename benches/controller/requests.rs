//! How many status writes the API server has counted.

use kube::Client;

use crate::Failure;

/// Status writes since the API server's start.
#[derive(Debug, Default)]
pub struct StatusWrites {
    pub fleets: u64,
    pub policies: u64,
}

impl StatusWrites {
    /// Reads the API server's own metrics.
    pub async fn count(client: &Client) -> Result<Self, Failure> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let metrics = client.request_text(request).await?;
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
