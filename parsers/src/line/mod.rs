//! The line formats: one file each, listed in [`FORMATS`].
//!
//! A format is a cheap rule on the first bytes ([`Format::probe`]), which may say yes too often, and a parser, which
//! fails on everything that is not surely of that format: what no format takes stays text ([`plain`]).
//!
//! Field names are Elastic Common Schema's where it has one. `message` is the text for people: the whole line for
//! formats that people read whole (access lines, plain text), the message alone where the rest are fields.

mod access;
pub mod activemq;
pub mod apache_error;
pub mod auditd;
mod auth;
pub mod aws_elb;
pub mod aws_s3;
pub mod cassandra;
pub mod cbs;
pub mod cef;
pub mod cisco;
pub mod clf;
pub mod clickhouse;
pub mod cockroachdb;
pub mod compose;
mod content;
pub mod couchbase;
pub mod cri;
pub mod csv;
pub mod detect;
pub mod dmesg;
mod dns;
pub mod docker;
pub mod dovecot;
pub mod dpkg;
pub mod elasticsearch;
mod enclosed;
pub mod envoy;
pub mod etcd;
pub mod explain;
pub mod hadoop;
pub mod haproxy;
pub mod hclog;
pub mod inner;
pub mod journald;
pub mod json;
mod json_access;
pub mod kafka;
pub mod klog;
pub mod kubectl;
pub mod leef;
pub mod level;
pub mod lighttpd;
pub mod log4j;
pub mod logcat;
pub mod logfmt;
mod loggers;
pub mod logrus;
pub mod ltsv;
mod mail;
pub mod minio;
pub mod mongodb;
pub mod monolog;
pub mod mysql;
pub mod mysql_general;
pub mod mysql_slow;
pub mod named;
pub mod nats;
pub mod neo4j;
mod netfilter;
pub mod nginx_error;
pub mod normalize;
pub mod openvpn;
mod pairs;
pub(crate) mod parts;
pub mod php;
pub mod plain;
pub mod postgresql;
pub mod postgresql_csv;
pub mod postgresql_json;
pub mod proftpd;
pub mod rabbitmq;
pub mod rails;
pub mod ras;
pub mod redis;
pub mod sanic;
pub mod sidekiq;
pub mod slapd;
pub mod solr;
pub mod spark;
pub mod squid;
pub mod starts;
pub mod structlog;
pub mod supervisor;
pub mod syslog3164;
pub mod syslog5424;
pub mod tomcat;
pub mod tornado;
pub mod trace;
pub mod tracing;
pub mod unbound;
pub mod unified_log;
pub mod vpc_flow;
pub mod w3c;
pub mod winlog;
pub mod xferlog;
pub mod zookeeper;

use crate::error::ParseError;
use crate::fields::Fields;
pub use starts::Starts;

/// What a parser must know besides the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'h> {
    /// When the line arrived, in UTC nanoseconds since 1970: decides the year of stamps that name none.
    pub received: i64,
    /// Seconds east of Greenwich, for stamps that name no zone.
    pub utc_offset_s: i32,
    /// The day comes before the month in this stream's stamps (`31/12/2026`), by what it has shown so far.
    pub day_first: bool,
    /// The newest line of this stream that names columns, for formats whose lines mean nothing without (W3C extended,
    /// CSV).
    pub header: Option<&'h str>,
    /// The text stands in an envelope ([`crate::envelope`]), so it is none itself.
    pub enclosed: bool,
    /// What stands in an envelope is of this format, by the word of whoever runs the program.
    pub inside: Option<detect::FormatId>,
}

/// The one shape of every line parser.
pub type ParseLine = for<'a> fn(&'a str, &Context<'_>) -> Result<Fields<'a>, ParseError>;

/// What reads the lines below the first one of an entry.
pub type ReadBelow = for<'a> fn(&'a str, &Context<'_>, &mut Fields<'a>);

/// What becomes of the lines of a record below its first.
#[derive(Clone, Copy, Debug)]
pub enum Below {
    /// The message runs to the end of the first line, and they belong to it.
    Message,
    /// The first line is complete: they are its stack trace, or text behind the message.
    Apart,
    /// They say more of the entry, which is read from them, and belong to the message.
    Entry(ReadBelow),
    /// The parser takes the record as a whole.
    Whole,
}

/// A line format.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name in `--as NAME`, and of its folder in `fixtures/lines/`.
    pub name: &'static str,
    /// One line for `logship formats`.
    pub summary: &'static str,
    /// A line in this format.
    pub example: &'static str,
    /// The place in the order of trial: formats that say yes less often come first. 0 to 5 envelopes, 6 to 19 the most
    /// common, 20 web, 60 systems, 100 data stores, 140 languages and frameworks, 250 on what takes nearly anything.
    pub rank: u8,
    /// The bytes with which a line of this format may begin: others are not even probed.
    pub starts: Starts,
    /// What becomes of the lines of a record below its first.
    pub below: Below,
    /// Whether the first bytes allow this format.
    pub probe: fn(&[u8]) -> bool,
    /// The parser of a line that the probe lets through.
    parse: ParseLine,
}

impl Format {
    /// The fields of a line of this format.
    ///
    /// # Errors
    /// Where and why it is not surely of this format.
    pub fn read<'a>(&self, line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
        let begins = line.as_bytes().first().is_none_or(|first| self.starts.has(*first));
        if !begins || !(self.probe)(line.as_bytes()) {
            return Err(ParseError::at(line, line, "the first bytes of this format"));
        }
        (self.parse)(line, context)
    }
}

/// All formats, sorted by name. A new one is a file, a line here and a folder of fixtures; [`Format::rank`], not the
/// place in this list, decides the order in which [`detect`] tries them.
pub const FORMATS: &[Format] = &[
    activemq::FORMAT,
    apache_error::FORMAT,
    auditd::FORMAT,
    aws_elb::FORMAT,
    aws_s3::FORMAT,
    cassandra::FORMAT,
    cbs::FORMAT,
    cef::FORMAT,
    cisco::FORMAT,
    clf::FORMAT,
    clickhouse::FORMAT,
    cockroachdb::FORMAT,
    compose::FORMAT,
    couchbase::FORMAT,
    cri::FORMAT,
    csv::FORMAT,
    dmesg::FORMAT,
    docker::FORMAT,
    dovecot::FORMAT,
    dpkg::FORMAT,
    elasticsearch::FORMAT,
    envoy::FORMAT,
    etcd::FORMAT,
    hadoop::FORMAT,
    haproxy::FORMAT,
    hclog::FORMAT,
    journald::FORMAT,
    json::FORMAT,
    kafka::FORMAT,
    klog::FORMAT,
    kubectl::FORMAT,
    leef::FORMAT,
    lighttpd::FORMAT,
    log4j::FORMAT,
    logcat::FORMAT,
    logfmt::FORMAT,
    logrus::FORMAT,
    ltsv::FORMAT,
    minio::FORMAT,
    mongodb::FORMAT,
    monolog::FORMAT,
    mysql::FORMAT,
    mysql_general::FORMAT,
    mysql_slow::FORMAT,
    named::FORMAT,
    nats::FORMAT,
    neo4j::FORMAT,
    nginx_error::FORMAT,
    openvpn::FORMAT,
    php::FORMAT,
    plain::FORMAT,
    postgresql::FORMAT,
    postgresql_csv::FORMAT,
    postgresql_json::FORMAT,
    proftpd::FORMAT,
    rabbitmq::FORMAT,
    rails::FORMAT,
    ras::FORMAT,
    redis::FORMAT,
    sanic::FORMAT,
    sidekiq::FORMAT,
    slapd::FORMAT,
    solr::FORMAT,
    spark::FORMAT,
    squid::FORMAT,
    structlog::FORMAT,
    supervisor::FORMAT,
    syslog3164::FORMAT,
    syslog5424::FORMAT,
    tomcat::FORMAT,
    tornado::FORMAT,
    tracing::FORMAT,
    unbound::FORMAT,
    unified_log::FORMAT,
    vpc_flow::FORMAT,
    w3c::FORMAT,
    winlog::FORMAT,
    xferlog::FORMAT,
    zookeeper::FORMAT,
];

/// The format of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_ranks_differ() {
        assert!(FORMATS.is_sorted_by(|a, b| a.name < b.name));
        let mut ranks: Vec<u8> = FORMATS.iter().map(|format| format.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), FORMATS.len());
    }

    #[test]
    fn every_example_is_of_its_format() {
        for format in FORMATS {
            assert!(format.starts.has(format.example.as_bytes()[0]), "{}", format.name);
            assert!(format.read(format.example, &Context::default()).is_ok(), "{}", format.name);
        }
    }
}
