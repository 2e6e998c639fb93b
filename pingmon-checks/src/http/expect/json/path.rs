//! A JSON path (RFC 9535) in the form in which it is searched for: typed, its regular expressions compiled. The grammar
//! is jsonpath-rust's; what the RFC demands beyond grammar is checked here.

use jsonpath_rust::parser::{
    model::{
        self, Comparison as Compared, FilterAtom, FnArg, JpQuery, Literal, SingularQuery, SingularQuerySegment, Test,
        TestFunction,
    },
    parse_json_path,
};
use regex::Regex;
use serde_json::Value;

use crate::pattern;

/// Longest path, in bytes.
pub(super) const MAX_PATH: usize = 1_000;

/// A query: where it starts and the way from there.
pub(super) struct Query {
    /// From the document's root (`$`) or from the value a filter looks at (`@`).
    pub(super) from_root: bool,
    pub(super) segments: Box<[Segment]>,
}

/// One step of a way.
pub(super) struct Segment {
    /// Whether it is taken from all that lies below as well (`..`).
    pub(super) deep: bool,
    pub(super) selectors: Box<[Selector]>,
}

/// What a step picks of a value's children.
pub(super) enum Selector {
    Name(Box<str>),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Logic),
}

/// What a filter asks of a child.
pub(super) enum Logic {
    Or(Box<[Logic]>),
    And(Box<[Logic]>),
    Not(Box<Logic>),
    Exists(Query),
    Compares(Operator, Operand, Operand),
    Matches { text: Operand, pattern: Pattern, whole: bool },
}

/// How two values are compared.
#[derive(Clone, Copy)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Something that has one value, or none.
pub(super) enum Operand {
    Literal(Value),
    One(Query),
    Length(Box<Operand>),
    Count(Query),
}

/// A regular expression.
pub(super) enum Pattern {
    Fixed(Regex),
    /// One that is found in the document.
    Found(Operand),
}

impl Query {
    /// # Errors
    /// Why `text` isn't a path that can be followed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATH {
            return Err(format!("more than {MAX_PATH} bytes; write a shorter one"));
        }
        // The RFC has no white space around a query; the parser lets some pass at its end.
        if text.trim() != text {
            return Err("it begins or ends with white space; remove it".to_owned());
        }
        let parsed = parse_json_path(text)
            .map_err(|error| format!("it isn't a JSON path such as \"$.items[0].id\": {error}"))?;
        Self::root(&parsed).map_err(|reason| format!("it isn't a JSON path that means something: {reason}"))
    }

    fn root(query: &JpQuery) -> Result<Self, String> {
        Ok(Self { from_root: true, segments: segments(&query.segments)? })
    }

    fn here(way: &[model::Segment]) -> Result<Self, String> {
        Ok(Self { from_root: false, segments: segments(way)? })
    }

    fn singular(query: &SingularQuery) -> Self {
        let (from_root, way) = match query {
            SingularQuery::Root(way) => (true, way),
            SingularQuery::Current(way) => (false, way),
        };
        let selector = |segment: &SingularQuerySegment| match segment {
            SingularQuerySegment::Index(index) => Selector::Index(*index),
            SingularQuerySegment::Name(name) => Selector::Name(name.as_str().into()),
        };
        let segment = |segment| Segment { deep: false, selectors: [selector(segment)].into() };
        Self { from_root, segments: way.iter().map(segment).collect() }
    }

    /// Whether it can find one value at most.
    fn is_singular(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| !segment.deep && matches!(*segment.selectors, [Selector::Name(_) | Selector::Index(_)]))
    }
}

fn segments(way: &[model::Segment]) -> Result<Box<[Segment]>, String> {
    way.iter().map(|step| segment(step, false)).collect()
}

fn segment(step: &model::Segment, deep: bool) -> Result<Segment, String> {
    let selectors = match step {
        model::Segment::Descendant(inner) => return segment(inner, true),
        model::Segment::Selector(one) => [selector(one)?].into(),
        model::Segment::Selectors(several) => several.iter().map(selector).collect::<Result<_, _>>()?,
    };
    Ok(Segment { deep, selectors })
}

fn selector(selector: &model::Selector) -> Result<Selector, String> {
    Ok(match selector {
        model::Selector::Name(name) => Selector::Name(name.as_str().into()),
        model::Selector::Wildcard => Selector::Wildcard,
        model::Selector::Index(index) => Selector::Index(*index),
        model::Selector::Slice(start, end, step) => {
            Selector::Slice { start: *start, end: *end, step: step.unwrap_or(1) }
        }
        model::Selector::Filter(filter) => Selector::Filter(logic(filter)?),
    })
}

fn logic(filter: &model::Filter) -> Result<Logic, String> {
    let all = |parts: &[model::Filter]| parts.iter().map(logic).collect::<Result<_, _>>();
    match filter {
        model::Filter::Or(parts) => Ok(Logic::Or(all(parts)?)),
        model::Filter::And(parts) => Ok(Logic::And(all(parts)?)),
        model::Filter::Atom(atom) => {
            let (inner, not) = match atom {
                FilterAtom::Filter { expr, not } => (logic(expr)?, *not),
                FilterAtom::Test { expr, not } => (test(expr)?, *not),
                FilterAtom::Comparison(compared) => (comparison(compared)?, false),
            };
            Ok(if not { Logic::Not(Box::new(inner)) } else { inner })
        }
    }
}

fn test(test: &Test) -> Result<Logic, String> {
    match test {
        Test::RelQuery(way) => Ok(Logic::Exists(Query::here(way)?)),
        Test::AbsQuery(query) => Ok(Logic::Exists(Query::root(query)?)),
        Test::Function(function) => match &**function {
            TestFunction::Match(text, pattern) => matches(text, pattern, true),
            TestFunction::Search(text, pattern) => matches(text, pattern, false),
            other => Err(format!("{other} is a value and has to be compared with one")),
        },
    }
}

fn comparison(compared: &Compared) -> Result<Logic, String> {
    let operator = match compared {
        Compared::Eq(..) => Operator::Equal,
        Compared::Ne(..) => Operator::NotEqual,
        Compared::Lt(..) => Operator::Less,
        Compared::Lte(..) => Operator::LessOrEqual,
        Compared::Gt(..) => Operator::Greater,
        Compared::Gte(..) => Operator::GreaterOrEqual,
    };
    let operand = |side: &model::Comparable| match side {
        model::Comparable::Literal(literal) => Ok(Operand::Literal(value(literal))),
        model::Comparable::SingularQuery(query) => Ok(Operand::One(Query::singular(query))),
        model::Comparable::Function(call) => function(call),
    };
    let (left, right) = compared.vals();
    Ok(Logic::Compares(operator, operand(left)?, operand(right)?))
}

fn function(call: &TestFunction) -> Result<Operand, String> {
    match call {
        TestFunction::Length(of) => Ok(Operand::Length(Box::new(single(of)?))),
        TestFunction::Count(of) => Ok(Operand::Count(nodes(of)?)),
        TestFunction::Value(of) => Ok(Operand::One(nodes(of)?)),
        TestFunction::Custom(name, _) => Err(format!("there is no function {name}")),
        other => Err(format!("{other} is true or false and can't be compared")),
    }
}

fn matches(text: &FnArg, pattern: &FnArg, whole: bool) -> Result<Logic, String> {
    let pattern = match single(pattern)? {
        Operand::Literal(Value::String(text)) => Pattern::Fixed(regex(&text, whole)?),
        found => Pattern::Found(found),
    };
    Ok(Logic::Matches { text: single(text)?, pattern, whole })
}

/// An argument that has one value at most.
fn single(argument: &FnArg) -> Result<Operand, String> {
    match argument {
        FnArg::Literal(literal) => Ok(Operand::Literal(value(literal))),
        FnArg::Test(test) => match &**test {
            Test::Function(call) => function(call),
            _ => Some(nodes(argument)?)
                .filter(Query::is_singular)
                .map(Operand::One)
                .ok_or_else(|| format!("{argument} can find several values where one is needed")),
        },
        FnArg::Filter(_) => Err(format!("{argument} is true or false where a value is needed")),
    }
}

/// An argument that is a query.
fn nodes(argument: &FnArg) -> Result<Query, String> {
    let FnArg::Test(test) = argument else { return Err(format!("{argument} is no path")) };
    match &**test {
        Test::RelQuery(way) => Query::here(way),
        Test::AbsQuery(query) => Query::root(query),
        Test::Function(_) => Err(format!("{argument} is a value where a path is needed")),
    }
}

fn value(literal: &Literal) -> Value {
    match literal {
        Literal::Int(number) => (*number).into(),
        Literal::Float(number) => (*number).into(),
        Literal::String(text) => text.as_str().into(),
        Literal::Bool(flag) => (*flag).into(),
        Literal::Null => Value::Null,
    }
}

/// An I-Regexp (RFC 9485): `.` doesn't match line ends, and `match` means the whole text.
pub(super) fn regex(text: &str, whole: bool) -> Result<Regex, String> {
    let mut written = String::with_capacity(text.len() + 8);
    let (mut escaped, mut in_class) = (false, false);
    for c in text.chars() {
        match c {
            '.' if !escaped && !in_class => written.push_str(r"[^\n\r]"),
            _ => written.push(c),
        }
        match c {
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    pattern::parse(&if whole { format!("^(?:{written})$") } else { written })
}
