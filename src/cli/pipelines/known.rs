//! The settings that Logstash has: what is none of them is a mistake in typing, and said.

use logship_parsers::query::short_names::suggest;

/// Settings of the process that mean nothing to one pipeline.
const GENERAL: &[&str] = &[
    "allow_superuser",
    "api.auth.basic.password",
    "api.auth.basic.password_policy.include.digit",
    "api.auth.basic.password_policy.include.lower",
    "api.auth.basic.password_policy.include.symbol",
    "api.auth.basic.password_policy.include.upper",
    "api.auth.basic.password_policy.length.minimum",
    "api.auth.basic.password_policy.mode",
    "api.auth.basic.username",
    "api.auth.type",
    "api.enabled",
    "api.environment",
    "api.http.host",
    "api.http.port",
    "api.ssl.enabled",
    "api.ssl.keystore.password",
    "api.ssl.keystore.path",
    "api.ssl.supported_protocols",
    "cloud.auth",
    "cloud.id",
    "config.field_reference.escape_style",
    "config.field_reference.parser",
    "config.test_and_exit",
    "enable-local-plugin-development",
    "event_api.tags.illegal",
    "http.enabled",
    "http.environment",
    "http.host",
    "http.port",
    "interactive",
    "keystore.classname",
    "keystore.file",
    "log.format",
    "log.format.json.fix_duplicate_message_fields",
    "log.level",
    "modules",
    "node.name",
    "node.uuid",
    "path.logs",
    "path.plugins",
    "path.settings",
    "pipeline.buffer.type",
    "pipeline.separate_logs",
    "slowlog.threshold.debug",
    "slowlog.threshold.info",
    "slowlog.threshold.trace",
    "slowlog.threshold.warn",
];

/// What settings of extensions begin with; these are not known one by one.
const EXTENSIONS: &[&str] = &["monitoring.", "var.", "xpack."];

/// What a value must be.
enum Kind {
    Any,
    /// `true` or `false`
    Flag,
    /// A whole number, at least as large.
    Count(u64),
    OneOf(&'static [&'static str]),
}

/// Settings of one pipeline, which may stand in `logstash.yml` for all.
const OF_PIPELINES: &[(&str, Kind)] = &[
    ("config.debug", Kind::Flag),
    ("config.reload.automatic", Kind::Flag),
    ("config.reload.interval", Kind::Any),
    ("config.string", Kind::Any),
    ("config.support_escapes", Kind::Flag),
    ("dead_letter_queue.enable", Kind::Flag),
    ("dead_letter_queue.flush_interval", Kind::Count(0)),
    ("dead_letter_queue.max_bytes", Kind::Any),
    ("dead_letter_queue.retain.age", Kind::Any),
    ("dead_letter_queue.storage_policy", Kind::OneOf(&["drop_newer", "drop_older"])),
    ("metric.collect", Kind::Flag),
    ("path.config", Kind::Any),
    ("path.data", Kind::Any),
    ("path.dead_letter_queue", Kind::Any),
    ("path.queue", Kind::Any),
    ("pipeline.batch.delay", Kind::Count(0)),
    ("pipeline.batch.metrics.sampling_mode", Kind::Any),
    ("pipeline.batch.output_chunking.growth_threshold_factor", Kind::Count(1)),
    ("pipeline.batch.size", Kind::Count(1)),
    ("pipeline.ecs_compatibility", Kind::OneOf(&["disabled", "v1", "v8"])),
    ("pipeline.id", Kind::Any),
    ("pipeline.java_execution", Kind::Flag),
    ("pipeline.ordered", Kind::OneOf(&["auto", "true", "false"])),
    ("pipeline.plugin_classloaders", Kind::Flag),
    ("pipeline.recoverable", Kind::Flag),
    ("pipeline.reloadable", Kind::Flag),
    ("pipeline.system", Kind::Flag),
    ("pipeline.unsafe_shutdown", Kind::Flag),
    ("pipeline.workers", Kind::Count(1)),
    ("queue.checkpoint.acks", Kind::Count(0)),
    ("queue.checkpoint.interval", Kind::Count(0)),
    ("queue.checkpoint.retry", Kind::Flag),
    ("queue.checkpoint.writes", Kind::Count(0)),
    ("queue.compression", Kind::OneOf(&["none", "speed", "balanced", "size", "disabled"])),
    ("queue.drain", Kind::Flag),
    ("queue.max_bytes", Kind::Any),
    ("queue.max_events", Kind::Count(0)),
    ("queue.page_capacity", Kind::Any),
    ("queue.type", Kind::OneOf(&["memory", "persisted"])),
];

/// Which settings a file may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `logstash.yml`
    All,
    /// A pipeline of `pipelines.yml`.
    Pipeline,
}

/// What is wrong with a setting, if anything is. `value` is its text, where it has one.
pub(super) fn complaint(scope: Scope, name: &str, value: Option<&str>) -> Option<String> {
    if let Some((_, kind)) = OF_PIPELINES.iter().find(|(known, _)| *known == name) {
        let value = value?;
        let expected = match kind {
            Kind::Any => return None,
            Kind::Flag if matches!(value, "true" | "false") => return None,
            Kind::Flag => "`true` or `false`".to_owned(),
            Kind::Count(least) if value.parse::<u64>().is_ok_and(|number| number >= *least) => return None,
            Kind::Count(least) => format!("a whole number from {least} on"),
            Kind::OneOf(values) if values.contains(&value) => return None,
            Kind::OneOf(values) => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
        };
        return Some(format!("`{name}` cannot be `{value}`; expected {expected}"));
    }
    let is_general = GENERAL.contains(&name)
        || EXTENSIONS.iter().any(|extension| name.starts_with(extension))
        || name.starts_with("modules.");
    if is_general {
        return (scope == Scope::Pipeline)
            .then(|| format!("`{name}` is no setting of one pipeline: it belongs into logstash.yml"));
    }
    let all = OF_PIPELINES.iter().map(|(known, _)| *known);
    let near = match scope {
        Scope::All => suggest(name, all.chain(GENERAL.iter().copied())),
        Scope::Pipeline => suggest(name, all),
    };
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("there is no setting `{name}`{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_setting_is_said() {
        let check = |scope, name, value: &str, expected: Option<&str>| {
            assert_eq!(complaint(scope, name, Some(value)).as_deref(), expected, "{name}");
        };
        check(Scope::All, "pipeline.workers", "2", None);
        check(
            Scope::All,
            "pipeline.workers",
            "0",
            Some("`pipeline.workers` cannot be `0`; expected a whole number from 1 on"),
        );
        check(
            Scope::All,
            "pipeline.worker",
            "2",
            Some("there is no setting `pipeline.worker`; did you mean `pipeline.workers`?"),
        );
        check(Scope::All, "queue.drain", "yes", Some("`queue.drain` cannot be `yes`; expected `true` or `false`"));
        check(
            Scope::All,
            "queue.type",
            "paper",
            Some("`queue.type` cannot be `paper`; expected `memory`, `persisted`"),
        );
        check(Scope::All, "xpack.monitoring.enabled", "false", None);
        check(Scope::All, "http.host", "0.0.0.0", None);
        check(Scope::Pipeline, "pipeline.ecs_compatibility", "disabled", None);
        let elsewhere = "`http.host` is no setting of one pipeline: it belongs into logstash.yml";
        check(Scope::Pipeline, "http.host", "0.0.0.0", Some(elsewhere));
        check(Scope::Pipeline, "colour", "red", Some("there is no setting `colour`"));
    }
}
