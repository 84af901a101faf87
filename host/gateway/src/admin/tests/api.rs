mod approving;
mod callers;
mod description;
mod reading;
mod revoking;
