//! Approvers: a question to people outside, and their answer back.

use crate::Error;
pub use crate::bindings::approver::exports::tidegate::approver::approver::{
    Ask, Decision, Message, Reply, Ticket, Update, Vote,
};
pub use crate::bindings::plugin::tidegate::base::types::Principal;
use crate::plugin::Plugin;

/// An approver. The host decides what a vote is worth; any call may come on any instance.
pub trait Approver: Plugin {
    /// Puts a question. The same `approval_id` may come again and must not ask twice.
    ///
    /// # Errors
    /// When it was not put for sure.
    fn submit(&self, ask: &Ask) -> Result<Ticket, Error>;

    /// Asks how a question stands.
    ///
    /// # Errors
    /// When the outside system does not say.
    fn poll(&self, approval_id: &str, ticket: &Ticket) -> Result<Update, Error>;

    /// Takes in what the outside system reports. A message that is not proved genuine gets
    /// status 401 and no updates.
    ///
    /// # Errors
    /// Faults of the plugin's own; the host answers 500.
    fn callback(&self, message: &Message) -> Result<(Vec<Update>, Reply), Error>;

    /// Says that an answer is no longer wanted.
    ///
    /// # Errors
    /// When the outside system was not reached.
    fn withdraw(&self, approval_id: &str, ticket: &Ticket, reason: &str) -> Result<(), Error>;
}

impl Message {
    /// Returns the first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Reply {
    /// A reply of plain text.
    pub fn text(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self {
            status,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }
}

/// Makes a type that implements [`Approver`] the component's approver. Once per crate; does
/// nothing outside wasm.
#[macro_export]
macro_rules! export_approver {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::plugin::Instance<$plugin> =
                    const { $crate::plugin::Instance::new() };
            }
            struct Guest;
            $crate::__export_plugin!(Guest, $plugin);
            impl $crate::bindings::approver::exports::tidegate::approver::approver::Guest for Guest {
                fn submit(
                    ask: $crate::approver::Ask,
                ) -> ::std::result::Result<$crate::approver::Ticket, $crate::Error> {
                    INSTANCE.with(|instance| $crate::approver::Approver::submit(instance.plugin()?, &ask))
                }
                fn poll(
                    approval_id: ::std::string::String,
                    ticket: $crate::approver::Ticket,
                ) -> ::std::result::Result<$crate::approver::Update, $crate::Error> {
                    INSTANCE.with(|instance| {
                        $crate::approver::Approver::poll(instance.plugin()?, &approval_id, &ticket)
                    })
                }
                fn callback(
                    message: $crate::approver::Message,
                ) -> ::std::result::Result<
                    (
                        ::std::vec::Vec<$crate::approver::Update>,
                        $crate::approver::Reply,
                    ),
                    $crate::Error,
                > {
                    INSTANCE
                        .with(|instance| $crate::approver::Approver::callback(instance.plugin()?, &message))
                }
                fn withdraw(
                    approval_id: ::std::string::String,
                    ticket: $crate::approver::Ticket,
                    reason: ::std::string::String,
                ) -> ::std::result::Result<(), $crate::Error> {
                    INSTANCE.with(|instance| {
                        $crate::approver::Approver::withdraw(
                            instance.plugin()?,
                            &approval_id,
                            &ticket,
                            &reason,
                        )
                    })
                }
            }
            $crate::bindings::approver::export_approver_half!(
                Guest with_types_in $crate::bindings::approver
            );
        };
    };
}
