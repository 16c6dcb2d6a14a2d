//! What the daemons behind logins and accounts say: sshd, PAM, sudo, su, the account tools, cron, systemd.
//!
//! This is no format: [`enrich`] adds fields to a message whose syslog header is already read; the message itself stays
//! whole. Sources are the daemons' own format strings (OpenSSH, Linux-PAM, sudo, shadow, cron, systemd). Names that a
//! stranger typed may hold anything, so an address is what stands behind the *last* `from`.
//! Limits: only the first [`TEXT_BYTES_MAX`] bytes are looked at, and what is not one of these sentences adds nothing.

use crate::fields::{Fields, Value};
use memchr::{memchr, memmem};
use std::net::IpAddr;

/// Longer messages are none of these.
const TEXT_BYTES_MAX: usize = 4_096;

const FAILURE: Option<&str> = Some("failure");
const SUCCESS: Option<&str> = Some("success");

/// Adds what the message of that program says about users, addresses and outcomes.
pub(super) fn enrich<'a>(program: &str, text: &'a str, fields: &mut Fields<'a>) {
    if text.len() > TEXT_BYTES_MAX || fields.get("event.action").is_some() {
        return;
    }
    let program = program.rsplit_once('/').map_or(program, |(_, name)| name);
    if pam(text, fields) {
        return;
    }
    // Nothing that is half a sentence of a daemon is any: each of these adds all or nothing.
    let _ = match program {
        "sshd" | "sshd-session" | "sshd-auth" => ssh(text, fields),
        "sudo" => sudo(text, fields),
        "su" => su(text, fields),
        "useradd" | "userdel" | "usermod" | "groupadd" | "groupdel" | "groupmod" | "gpasswd" | "passwd"
        | "chpasswd" | "chage" | "chsh" | "chfn" => account(text, fields),
        "cron" | "CRON" | "crond" | "CROND" | "crontab" => cron(text, fields),
        "systemd" => unit(text, fields),
        "systemd-logind" => session(text, fields),
        _ => None,
    };
}

fn act(fields: &mut Fields<'_>, action: &'static str, outcome: Option<&'static str>) {
    fields.push("event.action", Value::text(action));
    if let Some(outcome) = outcome {
        fields.push("event.outcome", Value::text(outcome));
    }
}

/// `192.0.2.7`, `fe80::1%eth0`, a name.
fn put_source<'a>(address: &'a str, fields: &mut Fields<'a>) {
    let bare = address.split_once('%').map_or(address, |(bare, _)| bare);
    let name = if bare.parse::<IpAddr>().is_ok() { "source.ip" } else { "source.domain" };
    fields.push_present(name, if name == "source.ip" { bare } else { address });
}

/// `192.0.2.7 port 50122 ssh2`, the port perhaps missing.
fn put_endpoint<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let (address, rest) = text.split_once(' ').unwrap_or((text, ""));
    put_source(address.trim_end_matches([':', ',']), fields);
    if let Some(rest) = rest.strip_prefix("port ") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(port) = rest[..digits].parse::<u16>() {
            fields.push("source.port", Value::Int(i64::from(port)));
        }
    }
}

fn put_user<'a>(name: &'a str, fields: &mut Fields<'a>) {
    // `ann(uid=1000)`.
    let (name, id) = match name.split_once("(uid=") {
        Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or_default()),
        None => (name, ""),
    };
    fields.push_present("user.name", name);
    fields.push_present("user.id", id);
}

/// `NAME from ADDRESS port N`, the address behind the last `from`.
fn user_from<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let at = memmem::rfind(text.as_bytes(), b" from ")?;
    let name = &text[..at];
    put_user(name.strip_prefix("invalid user ").or_else(|| name.strip_prefix("illegal user ")).unwrap_or(name), fields);
    put_endpoint(&text[at + " from ".len()..], fields);
    Some(())
}

fn ssh<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (word, rest) = text.split_once(' ')?;
    match word {
        "Accepted" | "Failed" => {
            let (method, who) = rest.split_once(" for ")?;
            memmem::rfind(who.as_bytes(), b" from ")?;
            act(fields, "ssh_login", if word == "Accepted" { SUCCESS } else { FAILURE });
            fields.push_present("system.auth.ssh.method", method);
            user_from(who, fields)
        }
        "Invalid" | "Illegal" => {
            let who = rest.strip_prefix("user ")?;
            memmem::rfind(who.as_bytes(), b" from ")?;
            act(fields, "ssh_login", FAILURE);
            user_from(who, fields)
        }
        "maximum" => {
            let who = rest.strip_prefix("authentication attempts exceeded for ")?;
            memmem::rfind(who.as_bytes(), b" from ")?;
            act(fields, "ssh_login", FAILURE);
            user_from(who, fields)
        }
        "User" => {
            let end = memmem::rfind(rest.as_bytes(), b" not allowed because ")?;
            memmem::rfind(&rest.as_bytes()[..end], b" from ")?;
            act(fields, "ssh_login", FAILURE);
            user_from(&rest[..end], fields)
        }
        "Connection" | "Disconnected" | "Disconnecting" | "Received" | "Did" => ssh_connection(word, rest, fields),
        _ => None,
    }
}

fn ssh_connection<'a>(word: &str, rest: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let opened = (word == "Connection").then(|| rest.strip_prefix("from ")).flatten();
    if let Some(peer) = opened {
        act(fields, "ssh_connect", None);
        put_endpoint(peer, fields);
        return Some(());
    }
    let peer = ["closed by ", "reset by ", "from ", "disconnect from ", "not receive identification string from "]
        .into_iter()
        .find_map(|lead| rest.strip_prefix(lead))
        .or((word == "Disconnecting").then_some(rest))?;
    let named = ["authenticating user ", "invalid user ", "user "].into_iter().find_map(|lead| peer.strip_prefix(lead));
    match named {
        // The name may hold spaces, the address in front of the last port does not.
        Some(named) => {
            let port = memmem::rfind(named.as_bytes(), b" port ")?;
            let address = named[..port].rfind(' ')?;
            act(fields, "ssh_disconnect", None);
            put_user(&named[..address], fields);
            put_endpoint(&named[address + 1..], fields);
        }
        None => {
            act(fields, "ssh_disconnect", None);
            put_endpoint(peer, fields);
        }
    }
    Some(())
}

/// The sentences of PAM modules, with `pam_unix(sshd:session): ` or without it.
fn pam<'a>(text: &'a str, fields: &mut Fields<'a>) -> bool {
    let body = match text.strip_prefix("pam_").and_then(|rest| rest.split_once("): ")) {
        Some((_, body)) => body,
        None if text.starts_with("session ") || text.starts_with("authentication failure;") => text,
        None => return false,
    };
    if let Some(rest) = body.strip_prefix("session opened for user ") {
        act(fields, "session_opened", SUCCESS);
        put_user(rest.split_once(' ').map_or(rest, |(name, _)| name), fields);
    } else if let Some(rest) = body.strip_prefix("session closed for user ") {
        act(fields, "session_closed", SUCCESS);
        put_user(rest.split_once(' ').map_or(rest, |(name, _)| name), fields);
    } else if let Some(rest) = body.strip_prefix("authentication failure;") {
        act(fields, "authentication", FAILURE);
        for pair in rest.split(' ') {
            match pair.split_once('=') {
                Some(("rhost", host)) if !host.is_empty() => put_source(host, fields),
                Some(("user", name)) => put_user(name, fields),
                _ => {}
            }
        }
    } else if let Some(name) = body.strip_prefix("password changed for ") {
        act(fields, "changed-password", SUCCESS);
        put_user(name, fields);
    } else if body == "check pass; user unknown" {
        act(fields, "authentication", FAILURE);
    } else {
        return false;
    }
    true
}

/// `ann : [REASON ; ]TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/apt update`.
fn sudo<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let (name, rest) = text.trim_start().split_once(" : ")?;
    let (settings, command) = rest.split_once("COMMAND=").map_or((rest, ""), |(settings, command)| (settings, command));
    // Without a terminal it names none.
    let named =
        ["TTY=", "PWD=", "USER="].into_iter().find(|lead| memmem::find(settings.as_bytes(), lead.as_bytes()).is_some());
    named.filter(|lead| *lead != "USER=" || settings.starts_with("USER="))?;
    let refused = !["TTY=", "HOST=", "PWD=", "USER="].iter().any(|lead| settings.starts_with(lead));
    act(fields, "sudo", if refused { FAILURE } else { SUCCESS });
    put_user(name.trim(), fields);
    for part in settings.split(" ; ") {
        match part.split_once('=') {
            Some(("USER", user)) => {
                // Folders are named by strangers and stand before the user: the last one is sudo's.
                fields.items.retain(|field| field.name != "user.effective.name");
                fields.push_present("user.effective.name", user.trim());
            }
            Some(("PWD", folder)) => fields.push_present("process.working_directory", folder.trim()),
            Some(("TTY", tty)) => fields.push_present("system.auth.sudo.tty", tty.trim()),
            None if refused => fields.push_present("system.auth.sudo.error", part.trim()),
            _ => {}
        }
    }
    fields.push_present("process.command_line", command);
    Some(())
}

fn su<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let (target, user, outcome) = if let Some(rest) = text.strip_prefix("Successful su for ") {
        let (target, user) = rest.split_once(" by ")?;
        (target, user, SUCCESS)
    } else if let Some(rest) = text.strip_prefix("FAILED su for ") {
        let (target, user) = rest.split_once(" by ")?;
        (target, user, FAILURE)
    } else {
        let (rest, outcome) = text.strip_prefix("FAILED SU ").map_or((text, SUCCESS), |rest| (rest, FAILURE));
        let (target, rest) = rest.strip_prefix("(to ")?.split_once(") ")?;
        (target, rest.split_once(" on ")?.0, outcome)
    };
    act(fields, "su", outcome);
    put_user(user, fields);
    fields.push_present("user.effective.name", target);
    Some(())
}

/// `new user: name=bob, UID=1001, ..`, `delete user 'bob'`, `add 'bob' to group 'sudo'`.
fn account<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let quoted = |rest: &'a str| rest.strip_prefix('\'')?.split_once('\'');
    if let Some(rest) = text.strip_prefix("new user: ") {
        act(fields, "added-user-account", SUCCESS);
        put_settings(rest, [("name", "user.name"), ("UID", "user.id"), ("GID", "group.id")], fields);
    } else if let Some(rest) = text.strip_prefix("new group: ") {
        act(fields, "added-group-account", SUCCESS);
        put_settings(rest, [("name", "group.name"), ("GID", "group.id"), ("UID", "user.id")], fields);
    } else if let Some(rest) = text.strip_prefix("delete user ") {
        let (name, _) = quoted(rest)?;
        act(fields, "deleted-user-account", SUCCESS);
        put_user(name, fields);
    } else if let Some(rest) = text.strip_prefix("removed group ") {
        let (name, _) = quoted(rest)?;
        act(fields, "deleted-group-account", SUCCESS);
        fields.push_present("group.name", name);
    } else if let Some(rest) = text.strip_prefix("add ") {
        let (name, rest) = quoted(rest)?;
        let (group, _) = quoted(rest.strip_prefix(" to group ")?)?;
        act(fields, "added-user-account-to-group", SUCCESS);
        put_user(name, fields);
        fields.push_present("group.name", group);
    } else {
        changed(text, fields)?;
    }
    Some(())
}

/// `failed adding user 'bob', exit code: 9`, `password for 'bob' changed by 'root'`, `lock user 'bob' password`,
/// `changed user 'bob' shell to '/bin/sh'`, `user bob added by root to group wheel`, `changed password expiry for bob`.
fn changed<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    const QUOTED: [(&str, &str, Option<&str>); 7] = [
        ("failed adding user '", "added-user-account", FAILURE),
        ("password for '", "changed-password", SUCCESS),
        ("change user '", "modified-user-account", SUCCESS),
        ("changed user '", "modified-user-account", SUCCESS),
        ("lock user '", "locked-user-account", SUCCESS),
        ("unlock user '", "unlocked-user-account", SUCCESS),
        ("delete '", "removed-user-account-from-group", SUCCESS),
    ];
    for (lead, action, outcome) in QUOTED {
        if let Some((name, rest)) = text.strip_prefix(lead).and_then(|rest| rest.split_once('\'')) {
            if lead == "delete '" && !rest.starts_with(" from group '") {
                return None;
            }
            act(fields, action, outcome);
            put_user(name, fields);
            return Some(());
        }
    }
    if let Some(name) = text.strip_prefix("changed password expiry for ") {
        act(fields, "modified-user-account", SUCCESS);
        put_user(name, fields);
        return Some(());
    }
    let (name, rest) = text.strip_prefix("user ")?.split_once(' ')?;
    let (added, rest) = match rest.strip_prefix("added by ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("removed by ")?),
    };
    let (_, group) = rest.split_once(if added { " to group " } else { " from group " })?;
    act(fields, if added { "added-user-account-to-group" } else { "removed-user-account-from-group" }, SUCCESS);
    put_user(name, fields);
    fields.push_present("group.name", group);
    Some(())
}

fn put_settings<'a>(text: &'a str, names: [(&str, &'static str); 3], fields: &mut Fields<'a>) {
    for (key, value) in text.split(", ").filter_map(|pair| pair.split_once('=')) {
        if let Some((_, name)) = names.iter().find(|(wanted, _)| *wanted == key)
            && fields.get(name).is_none()
        {
            fields.push_present(name, value);
        }
    }
}

/// `(root) CMD (run-parts /etc/cron.hourly)`.
fn cron<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let level = |fields: &mut Fields<'a>, level: &'static str| {
        if fields.get("log.level").is_none() {
            fields.push("log.level", Value::text(level));
        }
    };
    if text.starts_with("Error: ") {
        level(fields, "error");
    }
    let (user, rest) = text.strip_prefix('(')?.split_once(") ")?;
    let (verb, argument) = rest.split_once(" (")?;
    match verb {
        "ERROR" | "error" => level(fields, "error"),
        "WARNING" => level(fields, "warn"),
        "INFO" => level(fields, "info"),
        _ => {}
    }
    let action = match verb {
        "CMD" => "cron_command",
        "CMDEND" | "END" => "cron_command_end",
        "CMDOUT" => "cron_output",
        "RELOAD" => "cron_reload",
        "LIST" => "cron_list",
        "BEGIN EDIT" | "END EDIT" | "REPLACE" | "DELETE" => "cron_edit",
        "AUTH" => "cron_denied",
        _ => return None,
    };
    act(fields, action, if verb == "AUTH" { FAILURE } else { None });
    put_user(user, fields);
    if matches!(verb, "CMD" | "CMDEND" | "END") {
        let command = argument.strip_suffix(')').unwrap_or(argument).trim_start();
        // Debian's may name the process first: `[77] run-parts /etc/cron.hourly`.
        let named = command.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let numbered = named.filter(|(id, _)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        fields.push_present("process.command_line", numbered.map_or(command, |(_, command)| command));
    }
    Some(())
}

/// `Started X.`, `Failed to start X.`, `x.service: Failed with result 'exit-code'.`.
fn unit<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    const SENTENCES: [(&str, &str, Option<&str>); 9] = [
        ("Started ", "unit_started", SUCCESS),
        ("Finished ", "unit_started", SUCCESS),
        ("Starting ", "unit_starting", None),
        ("Stopped ", "unit_stopped", SUCCESS),
        ("Stopping ", "unit_stopping", None),
        ("Reloaded ", "unit_reloaded", SUCCESS),
        ("Failed to start ", "unit_started", FAILURE),
        ("Failed to stop ", "unit_stopped", FAILURE),
        ("Reached target ", "target_reached", SUCCESS),
    ];
    for (lead, action, outcome) in SENTENCES {
        if let Some(rest) = text.strip_prefix(lead) {
            act(fields, action, outcome);
            // `shop.service - The shop.`
            let name = rest.split_once(" - ").map_or(rest, |(name, _)| name);
            fields.push_present("systemd.unit", name.trim_end_matches('.'));
            return Some(());
        }
    }
    let (name, rest) = text.split_once(": ")?;
    memchr(b'.', name.as_bytes()).filter(|_| memchr(b' ', name.as_bytes()).is_none())?;
    match rest.as_bytes() {
        b"Succeeded." | b"Deactivated successfully." => act(fields, "unit_ended", SUCCESS),
        _ if rest.starts_with("Failed with result ") => act(fields, "unit_ended", FAILURE),
        _ if rest.starts_with("Main process exited,") => {
            let failed = !rest.ends_with("status=0/SUCCESS");
            act(fields, "process_exited", if failed { FAILURE } else { SUCCESS });
        }
        _ => {}
    }
    fields.push_present("systemd.unit", name);
    Some(())
}

/// `New session 12 of user ann.`.
fn session<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    if let Some(rest) = text.strip_prefix("New session ") {
        let (_, name) = rest.split_once(" of user ")?;
        act(fields, "session_opened", SUCCESS);
        // Newer versions name the class of the session behind the user.
        put_user(name.split_once(' ').map_or(name, |(name, _)| name).trim_end_matches('.'), fields);
    } else if text.starts_with("Removed session ") {
        act(fields, "session_closed", SUCCESS);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, text: &str, expected: &str) {
        let mut fields = Fields::default();
        enrich(program, text, &mut fields);
        let shown: Vec<String> = fields
            .items
            .iter()
            .map(|field| match &field.value {
                Value::Str(text) => format!("{}={text}", field.name),
                other => format!("{}={other:?}", field.name),
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{program}: {text}");
    }

    #[test]
    fn a_name_cannot_pass_for_an_address() {
        check(
            "sshd",
            "Failed password for invalid user x from 192.0.2.1 port 1 from 203.0.113.9 port 4242 ssh2",
            "event.action=ssh_login event.outcome=failure system.auth.ssh.method=password \
             user.name=x from 192.0.2.1 port 1 source.ip=203.0.113.9 source.port=Int(4242)",
        );
        check(
            "sshd",
            "Connection closed by invalid user a b 2001:db8::7 port 4242 [preauth]",
            "event.action=ssh_disconnect user.name=a b source.ip=2001:db8::7 source.port=Int(4242)",
        );
    }

    #[test]
    fn a_folder_cannot_pass_for_a_user() {
        check(
            "sudo",
            "ann : TTY=pts/0 ; PWD=/tmp/x ; USER=bob ; USER=root ; COMMAND=/bin/id",
            "event.action=sudo event.outcome=success user.name=ann system.auth.sudo.tty=pts/0 \
             process.working_directory=/tmp/x user.effective.name=root process.command_line=/bin/id",
        );
    }

    #[test]
    fn half_a_sentence_adds_nothing() {
        for (program, text) in [
            ("sshd", "Accepted"),
            ("sshd", "Accepted password for ann"),
            ("sshd", "Invalid user ann"),
            ("sshd", "Invalid argument"),
            ("sudo", "ann : no terminal"),
            ("su", "(to root"),
            ("cron", "(CRON) STARTUP (fork ok)"),
            ("useradd", "delete user bob"),
            ("systemd", "a b.c: text"),
            ("shop", "Accepted password for ann from 192.0.2.1 port 1 ssh2"),
        ] {
            check(program, text, "");
        }
    }
}
