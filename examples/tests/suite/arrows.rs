//! Imports fall only: core <- {checks, notify, store, web} <- {examples, benches}, and what a wall surrounds is used by
//! nobody else. Looks at the normal and build dependencies that the manifests declare; tests may use what they like.

use std::process::Command;

use serde_json::Value;

/// The crates of the workspace, lowest layer first. A crate may use those of lower layers only.
const LAYERS: [&[&str]; 3] = [
    &["pingmon-core"],
    &["pingmon-checks", "pingmon-notify", "pingmon-store", "pingmon-web"],
    &["pingmon", "pingmon-benches", "pingmon-examples"],
];

/// A library, with those that build on it (`sqlx`, `sqlx-…`), and who may use it; deny.toml says the same.
const WALLS: [(&str, &[&str]); 4] = [
    ("sqlx", &["pingmon-store", "pingmon-checks", "pingmon-benches"]),
    ("reqwest", &["pingmon-checks", "pingmon-notify"]),
    ("wasmtime", &["pingmon-checks"]),
    ("axum", &["pingmon-web", "pingmon-examples", "pingmon", "pingmon-benches"]),
];

/// `user` can't be built without `used`.
#[derive(Clone, Debug, PartialEq)]
struct Arrow {
    user: String,
    used: String,
}

impl Arrow {
    fn new(user: &str, used: &str) -> Self {
        Self { user: user.to_owned(), used: used.to_owned() }
    }

    /// Why this arrow may not be.
    fn fault(&self) -> Option<String> {
        let Self { user, used } = self;
        let Some(layer) = layer(user) else { return Some(format!("{user} stands in no layer: add it to LAYERS")) };
        if self::layer(used).is_some_and(|below| below >= layer) {
            return Some(format!("{user} may not use {used}: imports fall only"));
        }
        let wall = |name: &str| used == name || used.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        let (name, inside) = WALLS.into_iter().find(|(name, _)| wall(name))?;
        (!inside.contains(&user.as_str())).then(|| format!("{user} may not use {used}: {name} is for {inside:?}"))
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// The arrows of what `cargo metadata` printed.
fn arrows(metadata: &Value) -> Vec<Arrow> {
    let list = |value: &Value| value.as_array().expect("cargo metadata lists packages and dependencies").clone();
    let text = |value: &Value| value.as_str().expect("cargo metadata names packages").to_owned();
    let of_package = |package: Value| {
        let needed = list(&package["dependencies"]).into_iter().filter(|dependency| dependency["kind"] != "dev");
        let user = text(&package["name"]);
        needed.map(move |dependency| Arrow { user: user.clone(), used: text(&dependency["name"]) }).collect::<Vec<_>>()
    };
    list(&metadata["packages"]).into_iter().flat_map(of_package).collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn imports_fall_only_and_keep_to_their_side_of_each_wall() {
    let arrows = arrows(&metadata());
    let used = |user, used| arrows.contains(&Arrow::new(user, used));
    assert!(used("pingmon-store", "sqlx") && used("pingmon-store", "pingmon-core"), "arrows are missing: {arrows:?}");
    let faults: Vec<_> = arrows.iter().filter_map(Arrow::fault).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_wrong_arrow_would_be_seen() {
    for (user, used) in [
        ("pingmon-core", "pingmon-store"),
        ("pingmon-core", "pingmon"),
        ("pingmon-checks", "pingmon-notify"),
        ("pingmon-web", "pingmon-store"),
        ("pingmon-examples", "pingmon-benches"),
        ("pingmon-web", "sqlx"),
        ("pingmon-web", "sqlx-postgres"),
        ("pingmon-core", "reqwest"),
        ("pingmon-store", "axum"),
        ("pingmon", "wasmtime-wasi"),
        ("pingmon-attic", "serde"),
    ] {
        assert!(Arrow::new(user, used).fault().is_some(), "{user} -> {used}");
    }
    for (user, used) in [
        ("pingmon-web", "pingmon-core"),
        ("pingmon-store", "sqlx"),
        ("pingmon", "axum"),
        ("pingmon-examples", "pingmon-web"),
        ("pingmon-core", "serde"),
    ] {
        assert_eq!(Arrow::new(user, used).fault(), None, "{user} -> {used}");
    }
}

#[test]
fn a_dependency_of_tests_is_no_arrow() {
    let metadata = serde_json::json!({ "packages": [{ "name": "pingmon-core", "dependencies": [
        { "name": "pingmon-store", "kind": "dev" },
        { "name": "serde", "kind": null },
        { "name": "sqlx", "kind": "build" },
    ] }] });
    assert_eq!(arrows(&metadata), [Arrow::new("pingmon-core", "serde"), Arrow::new("pingmon-core", "sqlx")]);
}
