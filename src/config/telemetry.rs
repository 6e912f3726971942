//! `[telemetry]`: where traces of requests go, and how many of them.

use serde::Deserialize;

use super::error::Faults;

/// Traces by OTLP over HTTP. What is counted stands at `/metrics`, whatever this says.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    /// The collector, as `http://collector:4318`; without it nothing is traced.
    pub otlp_endpoint: Option<String>,
    /// How many of a thousand requests are traced, where no trusted proxy has decided.
    pub sampled_per_mille: u32,
    /// What this installation is called in traces.
    pub service_name: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, sampled_per_mille: 100, service_name: "muster".to_owned() }
    }
}

impl Telemetry {
    pub(super) fn check(&self, faults: &mut Faults) {
        if self.otlp_endpoint.as_deref().is_some_and(|address| !is_address(address)) {
            faults.add(
                "telemetry.otlp_endpoint",
                "must be an http or https address without a user, a query or a fragment",
            );
        }
        faults.within("telemetry.sampled_per_mille", self.sampled_per_mille, 0..=1000);
        let name = &self.service_name;
        if name.is_empty() || name.len() > 60 || name.chars().any(char::is_control) {
            faults.add("telemetry.service_name", "must have 1 to 60 characters");
        }
    }
}

/// Whether a text is an address as far as can be said here; whatever sends parses it.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#\"<>\\".contains(&byte));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && plain(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_traced_unless_somebody_says_where_to() {
        let mut faults = Faults::default();
        Telemetry::default().check(&mut faults);
        assert!(faults.finish().is_ok() && Telemetry::default().otlp_endpoint.is_none());
    }

    #[test]
    fn an_address_with_a_password_or_a_query_is_refused() {
        for good in ["http://collector:4318", "https://otel.acme.test/v1/traces", "http://[::1]:4318/"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "collector:4318", "grpc://a:4317", "http://", "http:///a", "http://u:p@a", "http://a?k=1"] {
            assert!(!is_address(bad), "{bad}");
        }
        let mut faults = Faults::default();
        let far = Telemetry { sampled_per_mille: 1001, service_name: String::new(), ..Telemetry::default() };
        far.check(&mut faults);
        assert_eq!(faults.finish().unwrap_err().faults().len(), 2);
    }
}
