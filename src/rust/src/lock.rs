//! Locks of folders: one process at a time works on a folder of blocks.
//!
//! The operating system holds the lock and drops it with the process, however that ends: nothing is left behind by a process
//! that was killed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What came of asking for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// This process has it.
    Held,
    /// Another has it: what that one wrote about itself.
    Taken(String),
    /// The file system has no locks, or nothing can be written there.
    Impossible,
}

/// The locks that this process has.
static HELD: LazyLock<Mutex<HashMap<PathBuf, File>>> = LazyLock::new(Mutex::default);

fn held() -> MutexGuard<'static, HashMap<PathBuf, File>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for the lock that this file stands for, without waiting. `owner` is what others are told.
pub fn lock(path: &Path, owner: &str) -> Asked {
    // Not truncated when opened: it may hold what the present owner wrote.
    let Ok(mut file) = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) else {
        return Asked::Impossible;
    };
    match file.try_lock() {
        Ok(()) => {
            // What cannot be written is missing in a message, no more.
            let _ = file.set_len(0).and_then(|()| file.write_all(owner.as_bytes()));
            held().insert(path.to_path_buf(), file);
            Asked::Held
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            Asked::Taken(text)
        }
        Err(TryLockError::Error(_)) => Asked::Impossible,
    }
}

/// Gives a lock back. Processes forked meanwhile have the file too: closing it would not suffice.
pub fn unlock(path: &Path) {
    if let Some(file) = held().remove(path) {
        let _ = file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time_and_again_after_it() {
        let path = std::env::temp_dir().join(format!("twill-lock-{}", std::process::id()));
        assert_eq!(lock(&path, "the first"), Asked::Held);
        assert_eq!(lock(&path, "the second"), Asked::Taken("the first".into()));
        unlock(&path);
        assert_eq!(lock(&path, "2nd"), Asked::Held);
        assert_eq!(lock(&path, "the third"), Asked::Taken("2nd".into()));
        unlock(&path);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn folders_that_cannot_be_written_have_no_lock() {
        assert_eq!(lock(Path::new("/proc/twill/lock"), "me"), Asked::Impossible);
    }
}
