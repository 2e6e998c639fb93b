//! The monitor's own statement and what its answer must be.
//!
//! The statement becomes the query of a cursor, declared in the extended protocol. So the server itself refuses
//! several statements and anything but a query, only one row is ever sent, in text form whatever its type, and rows
//! are counted where they are.

use std::{borrow::Cow, time::Duration};

use pingmon_core::{outcome::Status, time::Span};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Column as _, PgConnection, Row as _, TypeInfo as _, ValueRef as _,
    postgres::PgRow,
    query, raw_sql,
    types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc},
};

use crate::{
    judgement::Judgement,
    postgres::{
        config::{Expected, MAX_ROWS, Query, Rows, Scalar},
        refusal::Refusal,
    },
};

/// How much of a value is looked at, in bytes.
const MAX_VALUE: usize = 64 * 1024;
/// How much of a value is shown, in characters.
const MAX_SHOWN: usize = 200;

/// Asks, and holds the answer against what is expected. `clock` is the server's time.
pub(super) async fn ask(
    connection: &mut PgConnection,
    wanted: &Query,
    clock: DateTime<Utc>,
    judgement: &mut Judgement,
) -> Result<(), Refusal> {
    // The operator's own statement, held to one that reads by the server.
    let declare = format!("declare pingmon no scroll cursor for {}", wanted.sql);
    query(AssertSqlSafe(declare)).persistent(false).execute(&mut *connection).await.map_err(Refusal::asking)?;
    let first = raw_sql("fetch 1 from pingmon").fetch_optional(&mut *connection).await.map_err(Refusal::asking)?;
    let level = wanted.level.into();
    if let Some(rows) = &wanted.rows {
        let counted = count(connection, first.is_some()).await?;
        judgement.evidence("rows", counted);
        judge_rows(rows, counted, level, judgement);
    }
    if wanted.value.is_some() || wanted.age.is_some() {
        let value = first.as_ref().map_or(Ok(None), text)?;
        judgement.evidence("value", value.map_or(Value::Null, |value| shown(value).into()));
        if let Some(expected) = &wanted.value {
            judge_value(expected, first.is_some(), value, level, judgement);
        }
        if let Some(most) = wanted.age {
            match first.as_ref().map(instant) {
                Some(Err(reason)) => judgement.unjudged("query.age", reason),
                at => judge_age(most, at.and_then(Result::ok).flatten(), clock, level, judgement),
            }
        }
    }
    Ok(())
}

/// How many rows there are, one more than is counted at most. Moving a cursor sends none of them.
async fn count(connection: &mut PgConnection, any: bool) -> Result<u64, Refusal> {
    if !any {
        return Ok(0);
    }
    let rest = format!("move forward {MAX_ROWS} in pingmon");
    let moved = raw_sql(AssertSqlSafe(rest)).execute(connection).await.map_err(Refusal::asking)?;
    Ok(1 + moved.rows_affected())
}

fn judge_rows(rows: &Rows, counted: u64, level: Status, judgement: &mut Judgement) {
    let actual = if counted > MAX_ROWS { format!("more than {MAX_ROWS}") } else { counted.to_string() };
    let mut fail = |expected: String| judgement.fail(level, "query.rows", expected, &*actual);
    if let Some(equals) = rows.equals.filter(|equals| counted != *equals) {
        fail(format!("{equals} rows"));
    }
    if let Some(min) = rows.min.filter(|min| counted < *min) {
        fail(format!("at least {min} rows"));
    }
    if let Some(max) = rows.max.filter(|max| counted > *max) {
        fail(format!("at most {max} rows"));
    }
}

fn judge_value(expected: &Expected, any: bool, value: Option<&str>, level: Status, judgement: &mut Judgement) {
    let number = value.and_then(|value| value.trim().parse::<f64>().ok());
    let actual = match value {
        Some(value) => shown(value),
        None if any => "NULL".into(),
        None => "no row".into(),
    };
    let mut fail = |met: bool, expected: String| {
        if !met {
            judgement.fail(level, "query.value", expected, &*actual);
        }
    };
    if let Some(wanted) = &expected.equals {
        fail(value.is_some_and(|value| equals(wanted, value)), wanted.to_string());
    }
    if let Some(bound) = expected.less {
        fail(number.is_some_and(|number| number < bound), format!("< {bound}"));
    }
    if let Some(bound) = expected.greater {
        fail(number.is_some_and(|number| number > bound), format!("> {bound}"));
    }
    if let Some(pattern) = &expected.matches {
        fail(value.is_some_and(|value| pattern.0.is_match(value)), format!("a match of {}", pattern.0));
    }
}

fn equals(wanted: &Scalar, value: &str) -> bool {
    match wanted {
        Scalar::Bool(wanted) => value == if *wanted { "t" } else { "f" },
        Scalar::Number(wanted) => value.trim().parse::<f64>() == Ok(*wanted),
        Scalar::Text(wanted) => value == wanted,
    }
}

fn judge_age(most: Span, at: Option<DateTime<Utc>>, clock: DateTime<Utc>, level: Status, judgement: &mut Judgement) {
    let expected = format!("at most {most} old");
    let Some(at) = at else {
        judgement.fail(level, "query.age", expected, "no timestamp");
        return;
    };
    // An instant in the future is as fresh as can be.
    let age = Duration::from_secs(u64::try_from((clock - at).num_seconds()).unwrap_or(0));
    if age > most.0 {
        judgement.fail(level, "query.age", expected, format!("{} old", Span(age)));
    }
}

/// The first column as the server writes it; `None` for NULL or no column at all.
fn text(row: &PgRow) -> Result<Option<&str>, Refusal> {
    if row.is_empty() {
        return Ok(None);
    }
    let value = row.try_get_raw(0).map_err(Refusal::asking)?;
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().map_err(|error| Refusal::asking(sqlx::Error::Decode(error)))?;
    Ok(Some(&text[..text.floor_char_boundary(MAX_VALUE)]))
}

/// The first column as an instant; `None` for NULL.
fn instant(row: &PgRow) -> Result<Option<DateTime<Utc>>, String> {
    let column = row.columns().first().ok_or("the query returns no column")?;
    let kind = column.type_info().name();
    let read = match kind {
        "TIMESTAMPTZ" => row.try_get(0),
        "TIMESTAMP" => row.try_get(0).map(|at: Option<NaiveDateTime>| at.map(|at| at.and_utc())),
        "DATE" => row.try_get(0).map(|day: Option<NaiveDate>| day.map(|day| day.and_time(NaiveTime::MIN).and_utc())),
        _ => return Err(format!("the first column is of type {kind}; cast it to timestamptz")),
    };
    read.map_err(|error| format!("the first column can't be read as an instant: {error}"))
}

fn shown(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]).into(),
        None => value.into(),
    }
}
