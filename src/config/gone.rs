//! Options that Logstash's plugins had once, which old configs still have: what does their work now.

use super::options::Role;

/// By role, plugin (empty: any) and option, sorted.
const GONE: &[(Role, &str, &str, &str)] = &[
    (Role::Filter, "", "exclude_tags", CONDITION),
    (Role::Filter, "", "tags", CONDITION),
    (Role::Filter, "", "type", CONDITION),
    (Role::Filter, "geoip", "lru_cache_size", "its name is `cache_size` now"),
    (Role::Filter, "grok", "drop_if_match", "put a `drop { }` into a condition behind it"),
    (Role::Filter, "grok", "pattern", "write `match => { \"message\" => \"PATTERN\" }`"),
    (Role::Filter, "grok", "singles", "take it away: one value is never a list"),
    (Role::Filter, "kv", "trim", "its name is `trim_value` now"),
    (Role::Filter, "kv", "trimkey", "its name is `trim_key` now"),
    (Role::Filter, "mutate", "remove", "its name is `remove_field` now"),
    (Role::Output, "", "exclude_tags", CONDITION),
    (Role::Output, "", "tags", CONDITION),
    (Role::Output, "", "type", CONDITION),
    (Role::Output, "elasticsearch", "cluster", HOSTS),
    (Role::Output, "elasticsearch", "flush_size", BATCHES),
    (Role::Output, "elasticsearch", "host", HOSTS),
    (Role::Output, "elasticsearch", "idle_flush_time", BATCHES),
    (Role::Output, "elasticsearch", "index_type", "its name is `document_type`, and indices have no types any more"),
    (Role::Output, "elasticsearch", "max_retries", "take it away: it is tried for ever"),
    (Role::Output, "elasticsearch", "port", HOSTS),
    (Role::Output, "elasticsearch", "protocol", HOSTS),
    (Role::Output, "file", "message_format", CODEC),
    (
        Role::Output,
        "http",
        "body",
        "what is sent is said by `format`: `message => \"...\"` with `format => \"message\"`, or `mapping`",
    ),
    (Role::Output, "stdout", "debug", "write `codec => rubydebug`"),
    (Role::Output, "stdout", "message", CODEC),
    (Role::Output, "tcp", "message_format", CODEC),
];

const CONDITION: &str = "put the plugin into a condition: `if \"x\" in [tags] { ... }`";
const HOSTS: &str = "write `hosts => [\"https://host:9200\"]`";
const BATCHES: &str = "take it away: batches are sent as soon as there is something, and grow by themselves";
const CODEC: &str = "write `codec => line { format => \"...\" }`";

/// What to do instead of giving an option that is gone.
pub(super) fn instead(role: Role, plugin: &str, option: &str) -> Option<&'static str> {
    let is_it = |(of, name, gone, _): &&(Role, &str, &str, &str)| {
        *of == role && (*name == plugin || name.is_empty()) && *gone == option
    };
    GONE.iter().find(is_it).map(|(.., help)| *help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, Settings};
    use logship_parsers::config::{Source, ast::Statement, parse};

    #[test]
    fn old_options_are_told_what_to_become() {
        let check = |role: Role, plugin: &str, option: &str, expected: Option<&str>| {
            let parsed =
                parse(&[Source::new("x", format!("filter {{ {plugin} {{ {option} => 1 }} }}"))], &Default::default());
            let Some(Statement::Plugin(plugin)) = parsed.config.filters.first() else { panic!("{plugin}") };
            let (settings, mut wrong) = (Settings::default(), Vec::new());
            Options::new(plugin, (role, &["trim_key", "trim_value"]), &settings, &mut wrong);
            let helps: Vec<_> = wrong.iter().map(|wrong| wrong.help.as_deref()).collect();
            assert_eq!(helps, [expected], "{plugin:?} {option}");
        };
        check(Role::Filter, "kv", "trimkey", Some("its name is `trim_key` now"));
        check(Role::Filter, "kv", "trim_keys", Some("did you mean `trim_key`?"));
        check(Role::Filter, "any", "exclude_tags", Some(CONDITION));
        check(Role::Output, "elasticsearch", "flush_size", Some(BATCHES));
        check(Role::Filter, "elasticsearch", "flush_size", None);
        assert!(GONE.is_sorted_by_key(|(role, plugin, option, _)| (*role as u8, *plugin, *option)));
    }
}
