//! The Rust side of `wit/`, generated when this crate is built.
//!
//! What plugins call is in [`imports`], one set of traits for all worlds. What the host calls
//! is in a module per interface. Nothing but code that `bindgen!` makes lives here.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    unsafe_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    reason = "generated from wit/, where every item is documented"
)]

/// What plugins of any kind may call.
pub(crate) mod imports {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world imports {
                import tidegate:host/log@0.1.0;
                import tidegate:host/metrics@0.1.0;
                import tidegate:host/clock@0.1.0;
                import tidegate:host/scan@0.1.0;
                import tidegate:host/secrets@0.1.0;
                import tidegate:host/kv@0.1.0;
            }
        ",
        path: "../../wit",
        world: "tidegate:embedding/imports",
        imports: {
            "tidegate:host/scan": trappable,
            "tidegate:host/kv": async,
        },
    });
}

/// What every plugin exports, called synchronously.
pub(crate) mod plugin {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world plugin { export tidegate:base/plugin@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/plugin",
    });
}

/// What every plugin exports, called asynchronously.
pub(crate) mod plugin_async {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world plugin { export tidegate:base/plugin@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/plugin",
        exports: { default: async },
        with: { "tidegate:base/types": super::plugin::tidegate::base::types },
    });
}

/// Maskers.
pub(crate) mod masker {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world masker { export tidegate:masker/masker@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/masker",
    });
}

/// Classifiers.
pub(crate) mod classifier {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world classifier { export tidegate:classifier/classifier@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/classifier",
    });
}

/// Exporters.
pub(crate) mod exporter {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world exporter { export tidegate:exporter/exporter@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/exporter",
        exports: { default: async },
    });
}

/// Approvers.
pub(crate) mod approver {
    wasmtime::component::bindgen!({
        inline: "
            package tidegate:embedding;
            world approver { export tidegate:approver/approver@0.1.0; }
        ",
        path: "../../wit",
        world: "tidegate:embedding/approver",
        exports: { default: async },
    });
}
