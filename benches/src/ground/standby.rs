//! A PostgreSQL server that follows another one, asynchronously, and can take its place.

use std::path::Path;

use super::cluster::{Cluster, execute};
use crate::Result;

pub(crate) struct Standby(Cluster);

// One at a time: the first may stand in no transaction, which statements sent together would share.
const CUT_OFF: [&str; 2] = ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"];
const PROMOTE: &str = "SELECT pg_promote(true, 30)";
// What the old primary says once it is only to be read from. A server that follows another says the same; this one must
// keep its connections.
const REFUSE_WRITES: &str = "
    CREATE FUNCTION pingmon.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'cannot execute % in a read-only transaction', TG_OP USING ERRCODE = '25006';
    END $$;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'pingmon' LOOP
            EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON pingmon.%I
                FOR EACH STATEMENT EXECUTE FUNCTION pingmon.refuse()', name);
        END LOOP;
    END $$";

impl Standby {
    /// Copies the primary and follows it from now on.
    pub(crate) async fn of(primary: &Cluster, log: &Path) -> Result<Self> {
        Ok(Self(Cluster::following(primary, log).await?))
    }

    /// Stops following: what the primary commits from now on is lost to this one.
    pub(crate) async fn cut_off(&self) -> Result<()> {
        let mut connection = self.0.connect().await?;
        for statement in CUT_OFF {
            execute(&mut connection, statement).await?;
        }
        Ok(())
    }

    /// Takes the place of the primary; takes writes when this has returned.
    pub(crate) async fn promote(self) -> Result<Cluster> {
        execute(&mut self.0.connect().await?, PROMOTE).await?;
        Ok(self.0)
    }
}

/// Lets a primary be read only, without cutting anybody's connection.
pub(crate) async fn refuse_writes(primary: &Cluster) -> Result<()> {
    execute(&mut primary.connect().await?, REFUSE_WRITES).await
}
