//! Scripts as their users run them: a real process each.

mod console;
mod examples;
mod hostile;
mod run;
