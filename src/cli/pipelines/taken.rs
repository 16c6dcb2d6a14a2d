//! Options of Logstash's command line that mean nothing here, or that another one takes back: taken, so that scripts and unit
//! files can stay as they are, and checked where they have a value.

use clap::Args;
use std::path::PathBuf;

/// Options that are taken and mean nothing, in the order of Logstash's manual.
#[derive(Clone, Debug, Default, Args)]
pub struct Taken {
    /// Nothing has the name of a node here
    #[arg(short = 'n', long = "node.name", value_name = "NAME", hide = true)]
    pub node: Option<String>,
    /// There are no plugins by path here
    #[arg(short = 'p', long = "path.plugins", value_name = "DIR", hide = true)]
    pub plugins: Vec<PathBuf>,
    /// Messages go to stderr
    #[arg(short = 'l', long = "path.logs", value_name = "DIR", hide = true)]
    pub logs: Option<PathBuf>,
    /// A stop never waits for more than some seconds
    #[arg(long = "pipeline.unsafe_shutdown", overrides_with = "safe_shutdown", hide = true)]
    pub unsafe_shutdown: bool,
    /// As always
    #[arg(long = "no-pipeline.unsafe_shutdown", hide = true)]
    pub safe_shutdown: bool,
    /// Nothing is put together for outputs
    #[arg(long = "pipeline.batch.output_chunking.growth_threshold_factor", value_name = "N", hide = true)]
    pub growth: Option<u64>,
    /// Events are in the process's own memory
    #[arg(long = "pipeline.buffer.type", value_parser = ["heap", "direct"], value_name = "TYPE", hide = true)]
    pub buffer: Option<String>,
    /// The config is in the messages that need it
    #[arg(long = "config.debug", overrides_with = "no_debug", hide = true)]
    pub config_debug: bool,
    /// As always
    #[arg(long = "no-config.debug", hide = true)]
    pub no_debug: bool,
    /// Brackets in the names of fields are never escaped
    #[arg(long = "field-reference-escape-style", value_parser = ["none"], value_name = "STYLE", hide = true)]
    pub escape_style: Option<String>,
    /// What is no tag is renamed
    #[arg(long = "event_api.tags.illegal", value_parser = ["rename"], value_name = "ACTION", hide = true)]
    pub illegal_tags: Option<String>,
    /// There are no plugins by path here
    #[arg(long = "enable-local-plugin-development", hide = true)]
    pub local_plugins: bool,
    /// There are no plugins of Java here
    #[arg(long = "plugin-classloaders", hide = true)]
    pub classloaders: bool,
    /// No message has a name twice
    #[arg(long = "log.format.json.fix_duplicate_message_fields", value_name = "BOOL", hide = true)]
    pub unique_names: Option<bool>,
}
