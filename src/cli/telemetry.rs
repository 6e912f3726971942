//! What a process tells of itself: lines of its log to stderr, and, where the settings name a collector, traces of its
//! requests. What it counts is `web/operating.rs`.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::config::log::{Log, LogFormat};
#[cfg(feature = "otel")]
use crate::outside::traces::Sending;

/// Spans are for traces alone: without a collector none is made, and none stands in a line of the log.
const NO_SPANS: &str = "muster::trace=off";

/// The sending of traces, if there is any.
#[derive(Debug)]
pub struct Traces {
    #[cfg(feature = "otel")]
    sending: Option<Sending>,
}

impl Traces {
    const NONE: Self = Self {
        #[cfg(feature = "otel")]
        sending: None,
    };

    /// Sends what is left.
    pub async fn stop(self) {
        #[cfg(feature = "otel")]
        if let Some(sending) = self.sending {
            sending.stop().await;
        }
    }
}

/// Starts the log as the settings say.
pub fn start_log(log: &Log) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter(log)?);
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log can't be started: {error}"))
}

/// Starts the log, and the sending of traces if the settings name a collector.
pub fn start(config: &Config) -> anyhow::Result<Traces> {
    match &config.telemetry.otlp_endpoint {
        None => start_log(&config.log).map(|()| Traces::NONE),
        Some(endpoint) => start_traced(config, endpoint),
    }
}

fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    let filter =
        EnvFilter::try_new(&log.filter).with_context(|| format!("log.filter: {:?} is no filter", log.filter))?;
    Ok(filter.add_directive(NO_SPANS.parse()?))
}

#[cfg(feature = "otel")]
fn start_traced(config: &Config, endpoint: &str) -> anyhow::Result<Traces> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    use tracing_subscriber::{Layer, Registry, fmt};

    use crate::outside::traces::Wanted;

    let extra = config.outbound.extra_ca.as_ref();
    let extra = extra.map(|path| std::fs::read(path).with_context(|| format!("outbound.extra_ca: {}", path.display())));
    let extra = extra.transpose()?;
    let sending = Sending::start(&Wanted {
        endpoint,
        per_mille: config.telemetry.sampled_per_mille,
        service_name: &config.telemetry.service_name,
        extra_ca_pem: extra.as_deref(),
    })?;
    let lines = fmt::layer::<Registry>().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.log.format {
        LogFormat::Text => lines.with_filter(filter(&config.log)?).boxed(),
        LogFormat::Json => lines.json().with_filter(filter(&config.log)?).boxed(),
    };
    let started = tracing_subscriber::registry().with(vec![lines, sending.layer::<Registry>()]).try_init();
    started.map_err(|error| anyhow::anyhow!("the log can't be started: {error}"))?;
    Ok(Traces { sending: Some(sending) })
}

#[cfg(not(feature = "otel"))]
fn start_traced(_: &Config, _: &str) -> anyhow::Result<Traces> {
    anyhow::bail!("telemetry.otlp_endpoint: this program was built without OpenTelemetry (the feature `otel`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_that_somebody_sets_lets_spans_into_the_log() {
        for text in ["info", "trace", "info,muster=trace"] {
            let made = filter(&Log { filter: text.to_owned(), ..Log::default() }).unwrap();
            assert!(made.to_string().contains(NO_SPANS), "{made}");
        }
        assert!(filter(&Log { filter: "muster=loud".to_owned(), ..Log::default() }).is_err());
    }
}
