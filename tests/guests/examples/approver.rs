//! The approver that is told what to be.

#![cfg(target_arch = "wasm32")]

use std::cell::OnceCell;

use guests::approver::Behaviour;
use tidegate_sdk::approver::{Ask, Message, Reply, Ticket, Update};
use tidegate_sdk::{Error, Issue, Manifest, bindings};

std::thread_local! {
    static CHOSEN: OnceCell<&'static dyn Behaviour> = const { OnceCell::new() };
}

fn chosen() -> Result<&'static dyn Behaviour, Error> {
    CHOSEN
        .with(|chosen| chosen.get().copied())
        .ok_or_else(|| Error::internal("not configured"))
}

struct Guest;

impl bindings::plugin::exports::tidegate::base::plugin::Guest for Guest {
    fn describe() -> Manifest {
        guests::manifest()
    }

    fn configure(json: String) -> Result<(), Vec<Issue>> {
        let behaviour = guests::configure(&json, guests::approver::find)?;
        CHOSEN
            .with(|chosen| chosen.set(behaviour))
            .map_err(|_| vec![Issue::new("", "configured twice")])
    }
}

impl bindings::approver::exports::tidegate::approver::approver::Guest for Guest {
    fn submit(ask: Ask) -> Result<Ticket, Error> {
        chosen()?.submit(&ask)
    }

    fn poll(approval_id: String, _: Ticket) -> Result<Update, Error> {
        Ok(guests::approver::pending(&approval_id))
    }

    fn callback(message: Message) -> Result<(Vec<Update>, Reply), Error> {
        chosen()?.callback(&message)
    }

    fn withdraw(_: String, _: Ticket, _: String) -> Result<(), Error> {
        Ok(())
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::approver::export_approver_half!(Guest with_types_in bindings::approver);
