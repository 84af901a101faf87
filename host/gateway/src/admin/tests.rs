mod api;
mod listener;
mod remote;
mod stage;
