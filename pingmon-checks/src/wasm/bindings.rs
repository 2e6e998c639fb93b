//! What wasmtime makes of `wit`. Nothing is written here by hand.
#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "wit/check",
    world: "check",
    imports: {
        "pingmon:check/dns": async | trappable,
        "pingmon:check/tcp": async | trappable,
        "pingmon:check/http": async | trappable,
        "pingmon:check/state": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "pingmon:check/tcp.connection": super::host::tcp::Connection,
        "pingmon:check/http.body": super::host::http::Body,
    },
});

/// Channels: the same host, another export.
pub mod notify {
    wasmtime::component::bindgen!({
        path: ["wit/check", "wit/notify"],
        world: "pingmon:notify/notifier",
        exports: { default: async },
        with: { "pingmon:check": super::pingmon::check },
    });
}
