//! How a command that runs for long talks to the user: progress, remarks, warnings, questions. Sessions only know this trait;
//! the command line implements it for a terminal.

use crate::signals::Signals;

/// Takes what a session has to say. Must never hold a session up for long.
pub trait Notifier {
    /// Shows how far the session is. `text` is called only if it is time to show it again.
    fn draw(&mut self, text: &dyn Fn() -> String);
    /// Says what was done.
    fn say(&mut self, text: &str);
    /// Says something that helps to understand what is done.
    fn note(&mut self, text: &str);
    /// Says what must be read even by a user who asked for silence.
    fn warn(&mut self, text: &str);
    /// Takes away what [`Notifier::draw`] showed.
    fn clear(&mut self);
    /// Asks a question that can be answered by yes. Anything else, a signal included, is a no.
    fn confirm(&mut self, question: &str, signals: &Signals) -> bool {
        let _ = (question, signals);
        false
    }
}

/// Says nothing and agrees to nothing: for programs that use the library.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Notifier for Silent {
    fn draw(&mut self, _: &dyn Fn() -> String) {}
    fn say(&mut self, _: &str) {}
    fn note(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
    fn clear(&mut self) {}
}
