//! The screen: a thread reads the stream, this one draws what is known of it and takes keys.

mod draw;
mod keyboard;
mod map;
mod style;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use style::{ScreenStyle, Tone};

use crate::error::MonitorError;
use crate::monitor::{End, Monitor};
use crate::source::Source;
use draw::{About, draw};
use keyboard::{Keyboard, Keys};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use view::{Asked, View};

/// Between two pictures, unless a key is pressed.
const REDRAW: Duration = Duration::from_millis(250);

/// Takes the text of a mark and gives back what is to be said of it, if anything.
pub type OnMark = Box<dyn FnMut(&str) -> Option<String>>;

/// Takes a name and a record of what is shown, makes a file of it, and gives back what is to be said of it.
type OnSave = Box<dyn FnMut(&str, Vec<u8>) -> String>;

/// How the screen is to be.
#[derive(Default)]
pub struct ScreenOptions {
    /// What the terminal can show.
    pub style: ScreenStyle,
    /// Ends it when it is set: by a signal.
    pub stop: Arc<AtomicBool>,
    /// Passes marks of the present moment on to the recording; what it gives back is shown.
    pub on_mark: Option<OnMark>,
    /// Saves what is shown; without it nothing can be saved.
    pub on_save: Option<OnSave>,
}

/// Shows a stream until the user ends it, and tells how the stream ended. The terminal is as before afterwards, also after
/// a panic.
///
/// # Errors
/// If the input is no record or cannot be read, or the terminal cannot be used.
pub fn screen(source: Source, mut options: ScreenOptions) -> Result<End, MonitorError> {
    let monitor = Monitor::start(source, |_| true)?;
    let shown = ratatui::try_init().map_err(MonitorError::Terminal).and_then(|mut terminal| {
        let shown = run(&mut terminal, &monitor, &mut options).map_err(MonitorError::Terminal);
        ratatui::restore();
        shown
    });
    let end = monitor.finish();
    shown?;
    end
}

fn run(terminal: &mut DefaultTerminal, monitor: &Monitor, options: &mut ScreenOptions) -> io::Result<()> {
    let keyboard = Keyboard::open()?;
    let mut view = View::default();
    let mut about = About { name: monitor.name().to_owned(), end: None };
    while !options.stop.load(Ordering::Relaxed) {
        about.end = monitor.end_text();
        if about.end.is_some() && monitor.state().begin().is_none() {
            // There is nothing to look at: what is wrong is said on the terminal as it was.
            return Ok(());
        }
        terminal.draw(|frame| draw(frame.buffer_mut(), &mut view, &monitor.state(), &about, &options.style))?;
        let mut patience = REDRAW;
        // All keys that are there before the next picture, and changes of the terminal's size, which are not waited for.
        loop {
            let keys = keyboard.wait(std::mem::take(&mut patience))?;
            if keys == Keys::Gone {
                return Ok(());
            }
            if !event::poll(Duration::ZERO)? {
                if keys == Keys::Some {
                    keyboard.announce()?;
                }
                break;
            }
            let Event::Key(key) = event::read()? else { continue };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            let asked = view.key(key, &mut monitor.state());
            match asked {
                Asked::Save(name) => view.message = Some(save(&name, &view, monitor, options)),
                Asked::Nothing => {}
                Asked::Quit => return Ok(()),
                Asked::Mark(text) => {
                    view.message = options.on_mark.as_mut().and_then(|mark| mark(&text)).or(view.message.take());
                }
            }
        }
    }
    Ok(())
}

/// Makes a file of what is shown, and says how that went.
fn save(name: &str, view: &View, monitor: &Monitor, options: &mut ScreenOptions) -> String {
    let record = view.saved(&monitor.state());
    match (record, options.on_save.as_mut()) {
        (None, _) => "there is nothing to save yet".to_owned(),
        (_, None) => "what is shown cannot be saved here".to_owned(),
        (Some(Err(error)), _) => error.to_string(),
        // The stream is read meanwhile: that is another thread's work.
        (Some(Ok(record)), Some(save)) => save(name, record),
    }
}
