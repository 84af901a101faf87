mod api;
mod backchannel;
mod listener;
mod remote;
mod stage;
