//! Bad networks between an agent and its server: nothing is lost, nothing doubled, and nobody is besieged.

use crate::{
    agent_proxy::{Cut, Proxy, Weather},
    agent_world::World,
    harness::{Agent, Server, logship, run_by, until},
};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The longest pause between two attempts, and what a busy machine adds.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);

/// An agent that ships through a proxy, and a server.
fn through_proxy() -> (World, Proxy) {
    let mut world = World::new("*.log");
    let proxy = Proxy::to(world.port);
    world.route.clone_from(&proxy.url);
    world.start_server();
    world.start_agent();
    (world, proxy)
}

#[test]
fn delays_stalls_and_partitions_lose_and_double_nothing() {
    let (mut world, proxy) = through_proxy();
    let fine = Weather::default();
    let bad = [
        Weather { delay: Duration::from_millis(150), ..fine },
        Weather { stalled: true, ..fine },
        Weather { parted: true, ..fine },
    ];
    for turn in 0..6 {
        proxy.set(bad[turn % bad.len()]);
        for _ in 0..10 {
            world.write("app.log", "app", 5);
            std::thread::sleep(Duration::from_millis(30));
        }
        if turn == 4 {
            // The answer to what passed is never seen.
            proxy.set(bad[2]);
        }
        proxy.set(fine);
        world.arrived();
    }
    world.exactly_once();
}

#[test]
fn a_connection_that_breaks_at_any_byte_loses_and_doubles_nothing() {
    let (mut world, proxy) = through_proxy();
    world.write("app.log", "app", 1);
    world.arrived();
    let cuts = |to_server: bool, bytes: &mut dyn Iterator<Item = usize>| -> Vec<Cut> {
        // In between one that lets an exchange through, so that pauses stay short.
        bytes.flat_map(|bytes| [Cut { to_server, bytes }, Cut { to_server: true, bytes: 1_500 }]).collect()
    };
    let mut all = cuts(true, &mut (0..600).step_by(13));
    all.extend(cuts(false, &mut (0..260).step_by(9)));
    proxy.cut(all);
    let begun = proxy.accepted().len();
    // The connection that is there ends.
    proxy.set(Weather { parted: true, ..Weather::default() });
    std::thread::sleep(Duration::from_millis(50));
    proxy.set(Weather::default());
    until("every cut was met", || {
        world.write("app.log", "app", 1);
        std::thread::sleep(Duration::from_millis(10));
        (proxy.cuts_left() == 0).then_some(())
    });
    assert!(proxy.accepted().len() - begun > 140);
    world.exactly_once();
}

#[test]
fn a_server_that_is_away_is_asked_at_least_every_five_seconds_and_not_much_more() {
    let (mut world, proxy) = through_proxy();
    world.write("app.log", "app", 10);
    world.arrived();
    let before = proxy.accepted().len();
    proxy.set(Weather { parted: true, ..Weather::default() });
    let begun = Instant::now();
    world.write("app.log", "app", 10);
    let came = until("it tried for a while", || {
        let came = proxy.accepted().split_off(before);
        came.last().is_some_and(|last| last.duration_since(begun) > Duration::from_secs(14)).then_some(came)
    });
    let pauses: Vec<_> = came.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert!(pauses.iter().all(|pause| *pause < BACKOFF_MAX + SLACK), "{pauses:?}");
    assert!((4..30).contains(&came.len()), "{pauses:?}");
    proxy.set(Weather::default());
    let healed = Instant::now();
    until("the rest arrives", || (world.server().count("*") == 20).then_some(()));
    assert!(healed.elapsed() < BACKOFF_MAX + SLACK, "{:?}", healed.elapsed());
    let said = world.agent.as_ref().unwrap().said();
    assert!(said.lines().count() <= 4, "{said}");
    world.exactly_once();
}

/// A network of its own, for as long as the process lives.
struct Network(Child);

impl Network {
    /// One whose loopback interface drops one packet in five to and from a port and carries
    /// at most 4 Mbit/s; none where that is not permitted or there
    /// is no `nft`.
    fn lossy(port: u16) -> Option<Network> {
        let rules = ["dport", "sport"]
            .map(|of| format!("nft add rule inet lossy input tcp {of} {port} numgen random mod 100 '<' 20 drop"));
        // Debian keeps these tools where only root looks. Without them nothing waits for input.
        let script = format!(
            "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && nft add table inet lossy && \
             nft 'add chain inet lossy input {{ type filter hook input priority 0; }}' && {} && \
             tc qdisc add dev lo root tbf rate 4mbit burst 32kb latency 200ms && echo ready && exec cat",
            rules.join(" && ")
        );
        let mut command = Command::new("unshare");
        command.args(["-rn", "--kill-child", "sh", "-c", &script]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.ok()?;
        drop(BufReader::new(child.stdout.take()?).lines().next()?.ok().filter(|said| said == "ready")?);
        Some(Network(child))
    }

    /// The same command inside of it.
    fn inside(&self, inner: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "-U", "-n", "-t", &self.0.id().to_string(), "--"]);
        run_by(command, inner)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_network_that_loses_every_fifth_packet_loses_and_doubles_no_line() {
    let mut world = World::new("*.log");
    let Some(network) = Network::lossy(world.port) else {
        println!("skipped: no network of our own, or no nft");
        return;
    };
    let (listen, pattern) = (format!("127.0.0.1:{}", world.port), world.path("*.log"));
    let mut server = network.inside(&logship(&world.data("server"), &["server", "--listen", &listen]));
    let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let server = Server::of(server);
    let arguments = ["agent", "--server", &world.route, "--files", pattern.to_str().unwrap(), "--drain", "60s"];
    let agent = Agent::of(&mut network.inside(&logship(&world.data("agent"), &arguments)));
    for turn in 0..40 {
        world.write("app.log", &format!("app {turn}"), 50);
        std::thread::sleep(Duration::from_millis(50));
        if turn % 10 == 9 {
            world.rename("app.log", &format!("app.{turn}.log"));
        }
    }
    // Nothing here can ask the server: it is in another network. What it has is looked at when it has ended.
    let done = "2000\n";
    let count = logship(&world.data("server"), &["search", "-c"]);
    until("all has arrived", || {
        let said = network.inside(&count).output().unwrap();
        (said.stdout == done.as_bytes()).then_some(())
    });
    let said = agent.stop();
    crate::harness::signal(&server.child, "TERM");
    let (status, _) = server.ended();
    assert!(status.success(), "{status} {said}");
    let wrong = world.differences(&world.events());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
