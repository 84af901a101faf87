mod api;
mod listener;
mod stage;
