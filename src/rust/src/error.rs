//! What can stop a fit.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reasons why no draws are returned. A value that is not finite is not among them: it is a
/// log density of minus infinity, which the sampler counts as a divergence.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The spec or the arrays do not describe a model.
    Spec(String),
    /// No position with a finite log density and gradient was found.
    Start(String),
    /// The response is fitted without error: how.
    Exact(String),
    /// A GPU cannot be used, or no longer: why, and on the next line what to do.
    Device(String),
    /// The user asked to stop.
    Interrupt,
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Machine-readable kind, the class of the condition raised in R.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Spec(_) => "spec",
            Error::Start(_) => "start",
            Error::Exact(_) => "exact",
            Error::Device(_) => "device",
            Error::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Spec(message) | Error::Start(message) | Error::Exact(message) | Error::Device(message) => {
                f.write_str(message)
            }
            Error::Interrupt => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

/// The message of a panic, for where R takes it as text.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
    text.unwrap_or_else(|| "unknown panic".into()).replace('\0', "")
}

/// What a job that was left unwinds with: no fault, and nobody is told.
struct Left;

/// Leaves a job after a cancel, from however deep, where it has nothing yet that is worth keeping: [`crate::run::on_workers`] then ends
/// with [`Error::Interrupt`].
pub fn leave_after(cancel: &AtomicBool) {
    if cancel.load(Ordering::Relaxed) {
        resume_unwind(Box::new(Left));
    }
}

/// What becomes of a job that unwound.
///
/// # Errors
/// [`Error::Interrupt`] if it was left; a fault goes on.
pub fn interrupt_or_panic<T>(panic: Box<dyn Any + Send>) -> Result<T> {
    if panic.is::<Left>() { Err(Error::Interrupt) } else { resume_unwind(panic) }
}
