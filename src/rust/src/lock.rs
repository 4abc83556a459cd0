//! Locks of folders: one process at a time works on a folder of blocks.
//!
//! The operating system holds the lock and drops it with the process, however that ends: nothing is left behind by a process
//! that was killed.

use std::collections::HashMap;
use std::fs::{File, read_to_string};
use std::io::Write;
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
    match system::take(path) {
        Ok(Some(mut file)) => {
            // What cannot be written is missing in a message, no more.
            let _ = file.set_len(0).and_then(|()| file.write_all(owner.as_bytes()));
            held().insert(path.to_path_buf(), file);
            Asked::Held
        }
        Ok(None) => Asked::Taken(read_to_string(path).unwrap_or_default()),
        Err(_) => Asked::Impossible,
    }
}

/// Gives a lock back. Processes forked meanwhile have the file too: closing it would not suffice.
pub fn unlock(path: &Path) {
    if let Some(file) = held().remove(path) {
        system::give_back(file);
    }
}

/// What `File::try_lock` does, which needs Rust 1.89. A file is opened as it is: it may hold what the present owner wrote.
#[cfg(unix)]
#[allow(unsafe_code)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io::{Error, ErrorKind, Result};
    use std::os::fd::AsRawFd;
    use std::path::Path;

    /// Exclusive, without waiting, and giving back: the same numbers on Linux, macOS and the BSDs.
    const EXCLUSIVE: i32 = 2;
    const NO_WAIT: i32 = 4;
    const GIVE_BACK: i32 = 8;

    unsafe extern "C" {
        fn flock(file: i32, operation: i32) -> i32;
    }

    /// The file with its lock; `None` if another has that.
    pub fn take(path: &Path) -> Result<Option<File>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // SAFETY: the file is open.
        if unsafe { flock(file.as_raw_fd(), EXCLUSIVE | NO_WAIT) } == 0 {
            return Ok(Some(file));
        }
        let error = Error::last_os_error();
        if error.kind() == ErrorKind::WouldBlock { Ok(None) } else { Err(error) }
    }

    pub fn give_back(file: File) {
        // SAFETY: the file is open.
        unsafe { flock(file.as_raw_fd(), GIVE_BACK) };
        drop(file);
    }
}

/// A file that others may read and not write while it is open.
#[cfg(windows)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io::Result;
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::Path;

    const OTHERS_READ: u32 = 1;
    const SHARING_VIOLATION: i32 = 32;

    /// The file with its lock; `None` if another has that.
    pub fn take(path: &Path) -> Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).share_mode(OTHERS_READ);
        match options.open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn give_back(file: File) {
        drop(file);
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use std::fs::File;
    use std::io::{Error, ErrorKind, Result};
    use std::path::Path;

    pub fn take(_: &Path) -> Result<Option<File>> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    pub fn give_back(_: File) {}
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
