//! What RFC 3164 and RFC 5424 number: priorities, facilities and severities, with the names that Logstash gives them.

/// What a message without a priority has: `user` and `notice`.
pub const DEFAULT_PRIORITY: i64 = 13;
/// The largest priority: `local7` and `debug`.
pub const PRIORITY_MAX: i64 = 191;
/// Facilities by their numbers. Some names are there twice.
pub const FACILITIES: [&str; 24] = [
    "kernel",
    "user-level",
    "mail",
    "daemon",
    "security/authorization",
    "syslogd",
    "line printer",
    "network news",
    "uucp",
    "clock",
    "security/authorization",
    "ftp",
    "ntp",
    "log audit",
    "log alert",
    "clock",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];
/// Severities by their numbers.
pub const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
