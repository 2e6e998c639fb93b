//! The command line: help, version, wrong usage, the schema, the shipped example.

use serde_json::Value;

use crate::program::Home;

#[test]
fn help_fits_80_columns_and_shows_examples() {
    let home = Home::empty();
    for command in [
        "",
        "run",
        "check",
        "validate",
        "notify",
        "notify test",
        "notify preview",
        "workers",
        "migrate",
        "store",
        "store copy",
        "schema",
        "import",
    ] {
        let args: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = home.call(&args);
        assert_eq!(help.code, 0);
        for line in help.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), help.stdout);
    }
    assert_eq!(home.call(&["--version"]).stdout, concat!("pingmon ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_unknown_and_never_down() {
    let home = Home::empty();
    for args in [["chekc"].as_slice(), &["check", "--output", "xml"], &["--nonsense"], &["check"], &["validate"]] {
        let done = home.call(args);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""), "{args:?}");
        assert!(done.stderr.contains("error:"), "{}", done.stderr);
    }
    assert!(home.call(&["chekc"]).stderr.contains("check"), "it suggests what was meant");
}

#[test]
fn the_schema_is_valid_and_accepts_the_shipped_example() {
    let example = include_str!("../../pingmon.example.toml");
    let home = Home::with(example);
    let schema: Value = serde_json::from_str(&home.call(&["schema"]).stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let config: Value = toml::from_str(example).unwrap();
    let errors: Vec<_> = validator.iter_errors(&config).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    let done = home.call(&["validate"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "ok: 7 monitors, 2 notifiers\n"), "{}", done.stderr);
}
