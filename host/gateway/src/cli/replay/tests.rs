mod cut;
mod messages;
mod played;
mod shown;
mod stage;
