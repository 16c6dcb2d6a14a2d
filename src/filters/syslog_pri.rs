//! `syslog_pri { }`: the priority of a syslog message as facility and severity, with their names.
//!
//! The number is in `syslog_pri_field_name` (`[log][syslog][priority]`, or `syslog_pri` with `ecs_compatibility => disabled`);
//! where there is none it is 13. Labels are added with `use_labels`, from `facility_labels` and `severity_labels`. A number
//! above 191 is no priority: what it means is set, but has no labels, and with `use_labels` the event is tagged
//! `_syslogpriparsefailure`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, numbers};
use crate::{
    config::Options,
    event::{
        Event, Value, render,
        syslog::{DEFAULT_PRIORITY, FACILITIES, PRIORITY_MAX, SEVERITIES},
    },
};
use logship_parsers::config::{FieldRef, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "syslog_pri",
    summary: "Reads the priority of syslog messages",
    options: &["facility_labels", "severity_labels", "syslog_pri_field_name", "use_labels"],
    build,
};

#[derive(Debug)]
struct SyslogPri {
    priority: FieldRef,
    facility: Part,
    severity: Part,
    use_labels: bool,
}

/// One half of a priority.
#[derive(Debug)]
struct Part {
    code: FieldRef,
    label: FieldRef,
    labels: Vec<String>,
}

fn field(path: &str) -> FieldRef {
    FieldRef { parts: path.split('.').map(str::to_owned).collect() }
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let is_ecs = options.ecs().is_on();
    let name = |ecs: &str, legacy: &str| field(if is_ecs { ecs } else { legacy });
    let facilities = labels(options, "facility_labels", &FACILITIES);
    let severities = labels(options, "severity_labels", &SEVERITIES);
    let priority = options.field("syslog_pri_field_name");
    Some(Box::new(SyslogPri {
        priority: priority.unwrap_or_else(|| name("log.syslog.priority", "syslog_pri")),
        facility: Part {
            code: name("log.syslog.facility.code", "syslog_facility_code"),
            label: name("log.syslog.facility.name", "syslog_facility"),
            labels: facilities,
        },
        severity: Part {
            code: name("log.syslog.severity.code", "syslog_severity_code"),
            label: name("log.syslog.severity.name", "syslog_severity"),
            labels: severities,
        },
        use_labels: options.flag("use_labels", true),
    }))
}

fn labels(options: &mut Options<'_>, name: &str, standard: &[&str]) -> Vec<String> {
    match options.is_given(name) {
        true => options.each(name, |value| typed::text(value).map(str::to_owned)),
        false => standard.iter().map(|&label| label.to_owned()).collect(),
    }
}

impl Filter for SyslogPri {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let tags = ["_syslogpriparsefailure".to_owned()];
        let fail = |cause: String| FilterError::new(&tags, cause);
        let priority = match event.get(&self.priority).as_deref() {
            None | Some(Value::Null) => DEFAULT_PRIORITY,
            Some(Value::Int(number)) => *number,
            Some(Value::List(items)) => number(items.first().unwrap_or(&Value::Null), scratch),
            Some(other) => number(other, scratch),
        };
        let (facility, severity) = (priority.div_euclid(8), priority.rem_euclid(8));
        let is_priority = (0..=PRIORITY_MAX).contains(&priority);
        for (part, code) in [(&self.facility, facility), (&self.severity, severity)] {
            event.set(&part.code, Value::Int(code)).map_err(|cause| fail(cause.to_string()))?;
            let label = usize::try_from(code).ok().and_then(|code| part.labels.get(code));
            if let Some(label) = label.filter(|_| self.use_labels && is_priority) {
                event.set(&part.label, Value::from(label.as_str())).map_err(|cause| fail(cause.to_string()))?;
            }
        }
        match is_priority || !self.use_labels {
            true => Ok(Verdict::Matched),
            false => Err(fail(format!("{priority} is no priority"))),
        }
    }
}

fn number(value: &Value, scratch: &mut Scratch) -> i64 {
    scratch.text.clear();
    render::write_text(&mut scratch.text, value);
    match numbers::to_i(&scratch.text) {
        Value::Int(number) => number,
        _ => i64::MAX,
    }
}
