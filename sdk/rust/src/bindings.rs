//! What `wit-bindgen` makes of the contract. Plugins use the veneer, not this; it is public
//! because the code that `export_…!` expands to names it.
//!
//! One crate cannot export one interface from several worlds. So what every kind exports is a
//! world of its own here, and each kind's world holds only the rest; the linker of components
//! unites the two into the kind's world of the contract.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "generated code"
)]

/// What every plugin exports, and all that any may import.
pub mod plugin {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world plugin {
                import tidegate:host/log@0.1.0;
                import tidegate:host/metrics@0.1.0;
                import tidegate:host/clock@0.1.0;
                import tidegate:host/scan@0.1.0;
                import tidegate:host/secrets@0.1.0;
                import tidegate:host/kv@0.1.0;
                export tidegate:base/plugin@0.1.0;
            }
        ",
        world: "plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq],
        export_macro_name: "export_plugin_half",
        default_bindings_module: "tidegate_sdk::bindings::plugin",
        generate_all,
    });
}

/// What a masker exports.
pub mod masker {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world masker { export tidegate:masker/masker@0.1.0; }
        ",
        world: "masker",
        pub_export_macro: true,
        additional_derives: [PartialEq],
        export_macro_name: "export_masker_half",
        default_bindings_module: "tidegate_sdk::bindings::masker",
        with: { "tidegate:base/types@0.1.0": crate::bindings::plugin::tidegate::base::types },
        generate_all,
    });
}

/// What a classifier exports.
pub mod classifier {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world classifier { export tidegate:classifier/classifier@0.1.0; }
        ",
        world: "classifier",
        pub_export_macro: true,
        additional_derives: [PartialEq],
        export_macro_name: "export_classifier_half",
        default_bindings_module: "tidegate_sdk::bindings::classifier",
        with: { "tidegate:base/types@0.1.0": crate::bindings::plugin::tidegate::base::types },
        generate_all,
    });
}

/// What an approver exports.
pub mod approver {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world approver { export tidegate:approver/approver@0.1.0; }
        ",
        world: "approver",
        pub_export_macro: true,
        additional_derives: [PartialEq],
        export_macro_name: "export_approver_half",
        default_bindings_module: "tidegate_sdk::bindings::approver",
        with: { "tidegate:base/types@0.1.0": crate::bindings::plugin::tidegate::base::types },
        generate_all,
    });
}

/// What an exporter exports.
pub mod exporter {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world exporter { export tidegate:exporter/exporter@0.1.0; }
        ",
        world: "exporter",
        pub_export_macro: true,
        additional_derives: [PartialEq],
        export_macro_name: "export_exporter_half",
        default_bindings_module: "tidegate_sdk::bindings::exporter",
        with: { "tidegate:base/types@0.1.0": crate::bindings::plugin::tidegate::base::types },
        generate_all,
    });
}
