//! Components made of WebAssembly text: what no compiler would make.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What an honest plug-in says it is, with no config; at address 1024.
const INFO: &str = r#"
    (data (i32.const 1024)
        "\50\04\00\00\01\00\00\00"
        "\50\04\00\00\01\00\00\00"
        "\50\04\00\00\01\00\00\00"
        "\51\04\00\00\02\00\00\00"
        "\00\00\00\00\00\00\00\00")
    (data (i32.const 1104) "x{}")"#;

const REALLOC: &str = r#"
    (global $free (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3))))"#;

/// A plug-in whose `run` has this body, beside other parts of its module; it may leave `cx` and the config unread.
pub(super) fn running(body: &str, beside: &str) -> Vec<u8> {
    module(&format!(
        r#"{beside} {INFO}
        (func (export "pingmon:check/guest@1.0.0#describe") (result i32) (i32.const 1024))
        (func (export "pingmon:check/guest@1.0.0#run") (param i32 i32 i32 i32 i64 i32) (result i32) {body})"#
    ))
}

/// A plug-in whose `describe` has this body.
pub(super) fn describing(body: &str) -> Vec<u8> {
    module(&format!(
        r#"{INFO}
        (func (export "pingmon:check/guest@1.0.0#describe") (result i32) {body})
        (func (export "pingmon:check/guest@1.0.0#run") (param i32 i32 i32 i32 i64 i32) (result i32) unreachable)"#
    ))
}

fn module(parts: &str) -> Vec<u8> {
    component(&format!(r#"(module (memory (export "memory") 1) {REALLOC} {parts})"#), |interface| interface)
}

/// A component of a module, by an interface that may differ from ours.
pub(super) fn component(module: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let interface = concat!(include_str!("../../../wit/check/types.wit"), include_str!("../../../wit/check/host.wit"));
    let package = resolve.push_str("check.wit", &change(interface.to_owned())).unwrap();
    let world = resolve.select_world(&[package], Some("check")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}
