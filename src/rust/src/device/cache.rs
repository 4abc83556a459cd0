//! Compiled kernels on disk, so that a card's first use costs a second once and not in each session.
//!
//! Whatever is wrong with the folder, the kernels are compiled anew: no failure here stops a fit. A file ends in a hash of its
//! name and content, so that neither damaged nor misplaced ones are loaded; links are not followed.

use super::source::hash;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
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
        let mut bytes = read_plain(&self.path(fingerprint)?).ok()?;
        let (content, seal) = bytes.split_last_chunk()?;
        let is_whole = content.starts_with(MAGIC) && *seal == seal_of(fingerprint, content);
        bytes.truncate(content.len());
        is_whole.then_some(bytes)
    }

    /// Keeps it. Written aside and renamed, so that another process never reads half a file.
    pub fn put(&self, fingerprint: u64, bytes: &[u8]) {
        let (Some(path), Some(folder)) = (self.path(fingerprint), &self.folder) else { return };
        let aside = path.with_extension(format!("{}.part", std::process::id()));
        let sealed = [bytes, &seal_of(fingerprint, bytes)].concat();
        let written = fs::create_dir_all(folder).and_then(|()| write_new(&aside, &sealed));
        if written.and_then(|()| fs::rename(&aside, &path)).is_err() {
            let _ = fs::remove_file(&aside);
        }
        trim(folder);
    }

    fn path(&self, fingerprint: u64) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("kernels-{fingerprint:016x}.{EXTENSION}")))
    }
}

/// What a file ends in.
fn seal_of(fingerprint: u64, content: &[u8]) -> [u8; 8] {
    hash(&[&fingerprint.to_le_bytes(), content].concat()).to_le_bytes()
}

/// The content of a file that is no link.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let named = fs::symlink_metadata(path)?;
    let mut file = File::open(path)?;
    // A link may have taken the file's place meanwhile.
    if !named.is_file() || !is_same(&named, &file.metadata()?) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len()
}

/// Writes a file that was not there: one that stands in its place, a link too, goes.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Removes the oldest files beyond [`KEPT`].
fn trim(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|e| e == EXTENSION);
    let paths = entries.filter_map(|entry| entry.ok().map(|e| e.path())).filter(is_ours);
    let age = |path: &PathBuf| fs::symlink_metadata(path).and_then(|m| m.modified()).ok();
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
    fn every_flipped_bit_is_seen() {
        let folder = folder("bits");
        let cache = Cache::new(&folder.to_string_lossy());
        cache.put(7, b"\x7fELF kernels");
        let path = cache.path(7).unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            assert_eq!(cache.get(7), None, "bit {bit}");
        }
        for n in 0..whole.len() {
            fs::write(&path, &whole[..n]).unwrap();
            assert_eq!(cache.get(7), None, "{n} bytes");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn kernels_of_another_fingerprint_are_not_taken() {
        let folder = folder("other");
        let cache = Cache::new(&folder.to_string_lossy());
        cache.put(7, b"\x7fELF kernels");
        fs::copy(cache.path(7).unwrap(), cache.path(8).unwrap()).unwrap();
        assert_eq!(cache.get(8), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_neither_read_nor_written_through() {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (folder("links"), folder("elsewhere"));
        let cache = Cache::new(&folder.to_string_lossy());
        cache.put(7, b"\x7fELF kernels");
        let path = cache.path(7).unwrap();
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(cache.get(7), None);
        symlink(&elsewhere, path.with_extension(format!("{}.part", std::process::id()))).unwrap();
        let before = fs::read(&elsewhere).unwrap();
        cache.put(7, b"\x7fELF others");
        assert_eq!(fs::read(&elsewhere).unwrap(), before);
        assert_eq!(cache.get(7).as_deref(), Some(&b"\x7fELF others"[..]));
        fs::remove_dir_all(folder).unwrap();
        fs::remove_file(elsewhere).unwrap();
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
