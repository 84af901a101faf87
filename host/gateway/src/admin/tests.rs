mod api;
mod backchannel;
mod callback;
mod listener;
mod remote;
mod stage;
