//! The connections of a store: each is given to one transaction at a time and kept for the next while it is good.
//!
//! Not sqlx's pool. That one tries a server that refuses again and again until the caller's time is up, hides what was
//! wrong with a new connection, asks a connection that comes back whether it lives (one round trip a call, and without
//! end when the server is silent), and keeps tasks of its own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use super::{
    connect::{Connected, Target},
    migrate,
    statements::Schema,
};
use crate::error::Result;

/// How long a connection is kept unused: less than what firewalls forget.
const IDLE: Duration = Duration::from_secs(240);
/// How long it is used at all: its server process sheds what it gathered, and a moved host name is looked up again.
const LIFETIME: Duration = Duration::from_secs(1800);
/// How long taking leave of one server may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// The connections there are, and how many there may be.
pub(super) struct Pool {
    target: Arc<Target>,
    schema: Schema,
    room: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Kept>,
    /// How often the connections fell in doubt. Those from before aren't used again.
    doubts: u64,
}

struct Kept {
    connected: Connected,
    opened: Instant,
    used: Instant,
}

/// The right to one connection.
pub(super) type Room<'p> = SemaphorePermit<'p>;

/// A connection on loan. Dropped, it is closed; what is good is given back.
pub(super) struct Loan<'p> {
    connected: Connected,
    opened: Instant,
    doubts: u64,
    /// Whether it was kept from an earlier loan, and may have died since.
    pub(super) is_old: bool,
    room: Room<'p>,
}

impl Pool {
    /// Connects to nothing yet.
    pub(super) fn new(target: Arc<Target>, schema: Schema, connections: u32) -> Self {
        let room = Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS));
        Self { target, schema, room, idle: Mutex::default() }
    }

    /// Waits until there may be one more.
    pub(super) async fn room(&self) -> sqlx::Result<Room<'_>> {
        self.room.acquire().await.map_err(|_| sqlx::Error::PoolClosed)
    }

    /// A connection that was kept, the one used last, or a new one.
    pub(super) async fn lend<'p>(&self, room: Room<'p>) -> Result<Loan<'p>> {
        let kept = {
            let mut idle = self.idle();
            idle.connections.pop().map(|kept| (kept, idle.doubts))
        };
        match kept {
            Some((Kept { connected, opened, .. }, doubts)) => {
                Ok(Loan { connected, opened, doubts, is_old: true, room })
            }
            None => self.open(room).await,
        }
    }

    /// A new connection, to a server that takes writes and has the tables that this program knows.
    pub(super) async fn open<'p>(&self, room: Room<'p>) -> Result<Loan<'p>> {
        let doubts = self.idle().doubts;
        let mut connected = self.target.connect().await?;
        migrate::check(&mut connected.conn, &self.schema).await?;
        Ok(Loan { connected, opened: Instant::now(), doubts, is_old: false, room })
    }

    /// Keeps a good connection for the next who asks.
    pub(super) fn give_back(&self, loan: Loan<'_>) {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.connections.retain(|kept| now - kept.used < IDLE);
        if loan.doubts == idle.doubts && now - loan.opened < LIFETIME {
            idle.connections.push(Kept { connected: loan.connected, opened: loan.opened, used: now });
        }
    }

    /// Closes what is kept and uses nothing again that is on loan: one connection failed in a way that says the same of
    /// those beside it. So a network that was cut costs one time-out and not one a connection.
    pub(super) fn doubt(&self) {
        let doubtful = {
            let mut idle = self.idle();
            idle.doubts += 1;
            std::mem::take(&mut idle.connections)
        };
        drop(doubtful);
    }

    /// Lends nothing any more and takes leave of what is kept.
    pub(super) async fn close(&self) {
        self.room.close();
        let kept = std::mem::take(&mut self.idle().connections);
        for Kept { connected, .. } in kept {
            if !matches!(timeout(FAREWELL, connected.conn.close()).await, Ok(Ok(()))) {
                // The others go without a word.
                break;
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'p> Loan<'p> {
    /// Closes it and keeps the right to another.
    pub(super) fn into_room(self) -> Room<'p> {
        self.room
    }

    pub(super) fn conn(&mut self) -> &mut PgConnection {
        &mut self.connected.conn
    }

    /// Whether each transaction on it may meet another server.
    pub(super) fn pooled(&self) -> bool {
        self.connected.pooled
    }
}
