//! Refuses clusters and users of a kubeconfig that cannot be used, before anything is sent. Most of
//! them kubectl refuses as well.

use http::Uri;
use kube::config::{AuthInfo, Cluster};
use serde_json::Value;

use super::proxy::without_credentials;

/// Refuses fields that exclude each other, and values that no request can contain. The messages
/// contain no credentials.
pub(super) fn check(cluster: &Cluster, user: &AuthInfo) -> Result<(), String> {
    let has_authority =
        cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    if cluster.insecure_skip_tls_verify == Some(true) && has_authority {
        return Err(
            "insecure-skip-tls-verify and certificate-authority exclude each other: leave \
                    one of them out"
                .to_owned(),
        );
    }
    check_impersonation(user)?;
    if token(user).is_some_and(|token| token.contains(char::is_control)) {
        return Err("the user's token contains control characters, such as a line end: write it \
                    in one line"
            .to_owned());
    }
    match &user.auth_provider {
        Some(_) if user.exec.is_some() => {
            Err("a user has exec or auth-provider, not both".to_owned())
        }
        Some(provider) if provider.name != "oidc" => Err(format!(
            "the user's auth-provider {} is not supported: use a credential plugin (exec), such \
             as gke-gcloud-auth-plugin or kubelogin",
            provider.name.escape_debug()
        )),
        _ => Ok(()),
    }
}

fn check_impersonation(user: &AuthInfo) -> Result<(), String> {
    let groups = user.impersonate_groups.iter().flatten();
    let extra = user.impersonate_user_extra.iter().flatten();
    let attributes: Vec<&String> = user
        .impersonate_uid
        .iter()
        .chain(groups)
        .chain(extra.flat_map(|(_, values)| values))
        .collect();
    if user.impersonate.is_none() && !attributes.is_empty() {
        return Err("there are groups, a UID or extra attributes to act with, but no user: name \
                    the user with --as"
            .to_owned());
    }
    for text in user.impersonate.iter().chain(attributes) {
        if text.contains(char::is_control) {
            return Err(format!(
                "the user, group or attribute to act with contains control characters: {}",
                text.escape_debug()
            ));
        }
    }
    Ok(())
}

/// Parses the address of an API server.
pub(super) fn check_server(text: &str) -> Result<Uri, String> {
    let wrong = || {
        let text = without_credentials(text);
        format!(
            "server {}: write its address, as https://api.example.com:6443, with https or http",
            text.escape_debug()
        )
    };
    let server: Uri = text.parse().map_err(|_| wrong())?;
    let host = server.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    // `Uri` accepts a port that is no number below 65536, and reports none.
    let authority = server.authority().map_or("", |authority| authority.as_str());
    let has_port = authority.rsplit_once(host).is_some_and(|(_, port)| port.len() > 1);
    let is_wrong = has_port && server.port_u16().is_none();
    match server.scheme_str() {
        Some("https" | "http") if !is_wrong => Ok(server),
        _ => Err(wrong()),
    }
}

/// Returns the bearer token of a user.
pub(super) fn token(user: &AuthInfo) -> Option<String> {
    // The type of the field shows its text only when the user is serialized.
    let user = AuthInfo { token: user.token.clone(), ..AuthInfo::default() };
    let user = serde_json::to_value(user).ok()?;
    user.get("token").and_then(Value::as_str).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(user: Value) -> Result<(), String> {
        check(&Cluster::default(), &serde_json::from_value(user).expect("a user"))
    }

    #[test]
    fn a_user_that_no_request_can_have_is_refused_without_its_secret() {
        for user in [
            json!({"token": "secret\n"}),
            json!({"as": "jane\u{1b}[2J"}),
            json!({"as": "jane", "as-groups": ["a\n"]}),
            json!({"as": "jane", "as-user-extra": {"reason": ["a\u{7f}"]}}),
            json!({"as-uid": "17"}),
            json!({"auth-provider": {"name": "gcp", "config": {"access-token": "secret"}}}),
            json!({"auth-provider": {"name": "oidc"}, "exec": {"command": "secret"}}),
        ] {
            let error = checked(user.clone()).expect_err(&user.to_string());
            assert!(!error.contains("secret") && !error.contains(char::is_control), "{error}");
            assert!(!error.contains("feature"), "{error}");
        }
        for user in [json!({}), json!({"token": "a.b-c"}), json!({"as": "k\u{f6}ln"})] {
            assert_eq!(checked(user), Ok(()));
        }
    }

    #[test]
    fn the_address_of_a_server_is_a_url() {
        for server in ["https://a", "http://a:80/", "HTTPS://[::1]:6443/k8s", "https://u:p@a:1"] {
            assert!(check_server(server).is_ok(), "{server}");
        }
        for server in [
            "",
            "https://",
            "ftp://a",
            "unix:///run/api",
            "https://a b",
            "https://a:99999",
            "https://[::1]:x",
            "https://u:secret@",
            "https://u:secret@a:99999",
        ] {
            let error = check_server(server).expect_err(server);
            assert!(error.starts_with("server ") && !error.contains("secret"), "{error}");
        }
    }
}
