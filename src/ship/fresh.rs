//! Where much of a log waits, what is new need not wait behind it: a second lane begins at its durable end.
//!
//! The first lane ends where the second begins, and when it has come there the second is the log's only one. Positions mean
//! the same to the server by whichever lane they come, because a lane begins where a frame ends. What is lost is the order
//! in which the server stores the log's frames, not their exactly-once. The progress file says how far the first lane is, so
//! after a restart what the second shipped is sent again and recognised.

use super::{
    lane::Lane,
    run::{Route, Run},
};
use crate::{log::Reader, pipeline::growth::Growing};
use std::collections::BTreeMap;

impl Run {
    /// Begins lanes for what is new in the logs that this process writes, once the server takes something.
    pub(super) fn open_fresh(&mut self) {
        if !self.is_healthy {
            return;
        }
        for (log, open) in self.logs.iter_mut() {
            let Some(durable) = self.own.get(&log).map(Growing::end) else { continue };
            let Some(route) = self.routes.get_mut(&log).filter(|route| route.fresh.is_none()) else { continue };
            let Some(main) = self.lanes.get_mut(&route.main) else { continue };
            let waiting = durable.0.saturating_sub(main.taken().0);
            if waiting <= self.settings.fresh_after {
                continue;
            }
            // What is wrong with the log will be said where it is read from its beginning.
            let Ok(reader) = Reader::open(&self.settings.fs, open.dir(), durable) else { continue };
            tracing::info!("{waiting} bytes of log {log} wait to be shipped; what is new is shipped beside them");
            main.until = Some(durable);
            self.lanes_begun += 1;
            route.fresh = Some(self.lanes_begun);
            self.lanes.insert(self.lanes_begun, Lane::fresh(self.lanes_begun, reader));
        }
    }

    /// Where the first lane has come to the second, the second goes on alone.
    pub(super) fn join_fresh(&mut self) {
        for (log, open) in self.logs.iter_mut() {
            let Some(route) = self.routes.get_mut(&log) else { continue };
            join(route, &mut self.lanes, |lane| lane.become_only(open));
        }
    }
}

fn join(route: &mut Route, lanes: &mut BTreeMap<u64, Lane>, go_on: impl FnOnce(&mut Lane)) {
    let Some(fresh) = route.fresh.filter(|_| lanes.get(&route.main).is_some_and(Lane::has_caught_up)) else { return };
    if let Some(lane) = lanes.get_mut(&fresh) {
        go_on(lane);
    }
    lanes.remove(&route.main);
    *route = Route { main: fresh, fresh: None };
}
