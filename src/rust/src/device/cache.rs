//! Compiled kernels on disk, so that a card's first use costs a second once and not in each session.
//!
//! Whatever is wrong with the folder, the kernels are compiled anew: no failure here stops a fit.

use std::fs;
use std::path::{Path, PathBuf};

/// Files kept; the oldest go.
const KEPT: usize = 16;
const EXTENSION: &str = "cubin";
/// ELF, the format of compiled kernels.
const MAGIC: &[u8] = b"\x7fELF";

/// A folder of compiled kernels, or none.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// In this folder, made when something is kept; an empty path is no folder.
    pub fn new(folder: &str) -> Self {
        Self { folder: (!folder.is_empty()).then(|| folder.into()) }
    }

    /// What was compiled under this fingerprint.
    pub fn get(&self, fingerprint: u64) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(fingerprint)?).ok()?;
        bytes.starts_with(MAGIC).then_some(bytes)
    }

    /// Keeps it. Written aside and renamed, so that another process never reads half a file.
    pub fn put(&self, fingerprint: u64, bytes: &[u8]) {
        let (Some(path), Some(folder)) = (self.path(fingerprint), &self.folder) else { return };
        let aside = path.with_extension(format!("{}.part", std::process::id()));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&aside, bytes));
        if written.and_then(|()| fs::rename(&aside, &path)).is_err() {
            let _ = fs::remove_file(&aside);
        }
        trim(folder);
    }

    fn path(&self, fingerprint: u64) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("kernels-{fingerprint:016x}.{EXTENSION}")))
    }
}

/// Removes the oldest files beyond [`KEPT`].
fn trim(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|e| e == EXTENSION);
    let paths = entries.filter_map(|entry| entry.ok().map(|e| e.path())).filter(is_ours);
    let age = |path: &PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
    let mut files: Vec<_> = paths.map(|path| (age(&path), path)).collect();
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    files.iter().take(surplus).for_each(|(_, path)| _ = fs::remove_file(path));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("twill-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn gives_back_what_was_put() {
        let folder = folder("round");
        let cache = Cache::new(&folder.to_string_lossy());
        assert_eq!(cache.get(7), None);
        cache.put(7, b"\x7fELF kernels");
        assert_eq!(cache.get(7).as_deref(), Some(&b"\x7fELF kernels"[..]));
        cache.put(8, b"an HTML page, say");
        assert_eq!(cache.get(8), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn stays_small() {
        let folder = folder("small");
        let cache = Cache::new(&folder.to_string_lossy());
        (0..40).for_each(|i| cache.put(i, MAGIC));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), KEPT);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn works_without_a_folder_or_with_one_that_cannot_be_written() {
        for folder in ["", "/proc/twill"] {
            let cache = Cache::new(folder);
            cache.put(1, MAGIC);
            assert_eq!(cache.get(1), None);
        }
    }
}
