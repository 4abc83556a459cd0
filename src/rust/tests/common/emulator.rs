//! A device that is the CPU: the kernels' source, compiled as C++ over `kernels/shim.h` by the system's compiler.
#![allow(unsafe_code)]

use libloading::Library;
use std::ffi::{CString, c_char, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use twill::device::error::{DeviceError, FailureKind, Result};
use twill::device::machine::{Argument, Buffer, LaunchShape, Machine};
use twill::device::source::Precision;

type Launch = unsafe extern "C" fn(*const c_char, *const u32, *mut *mut c_void) -> i32;

/// The kernels in both precisions, or nothing where there is no compiler.
static LIBRARIES: OnceLock<Option<[Library; 2]>> = OnceLock::new();
/// The shim has one block of threads at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The CPU in the place of a GPU.
pub struct Emulator {
    /// Shared memory of a block.
    pub shared_bytes: usize,
    /// Free memory that it claims to have.
    pub free: usize,
    /// Largest memory that it gives at a time.
    pub most: usize,
    /// Launches after which it is lost.
    pub lost_after: usize,
    launches: AtomicUsize,
    /// Order in which threads run between barriers: forwards, backwards, mixed.
    pub order: u32,
}

impl Emulator {
    /// `None` where it is asked for: a machine without a C++ compiler must not pass unseen what it has not run.
    ///
    /// # Panics
    /// Without a compiler.
    pub fn new() -> Option<Self> {
        if std::env::var_os("TWILL_SKIP_EMULATOR").is_some() {
            eprintln!("skipped: TWILL_SKIP_EMULATOR is set");
            return None;
        }
        let why = "no C++ compiler (c++) to run the kernels on the CPU: install g++, or set TWILL_SKIP_EMULATOR=true to do without";
        assert!(libraries().is_some(), "{why}");
        libraries().map(|_| Self {
            shared_bytes: 1 << 20,
            free: 1 << 30,
            most: 1 << 40,
            lost_after: usize::MAX,
            launches: AtomicUsize::new(0),
            order: 0,
        })
    }
}

fn libraries() -> Option<&'static [Library; 2]> {
    let load = || {
        let [Some(single), Some(double)] = Precision::ALL.map(compiled) else { return None };
        // SAFETY: our own library; its initialisers set empty vectors.
        Some([single, double].map(|path| unsafe { Library::new(path) }.expect("the kernels load")))
    };
    LIBRARIES.get_or_init(load).as_ref()
}

/// The library, newly compiled. Each process has its own: tests run side by side.
fn compiled(precision: Precision) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/device/kernels/shim.cpp");
    let name = format!("kernels-{}-{}.so", precision.c_type(), std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let real = format!("-DTWILL_REAL={}", precision.c_type());
    // The constants, as `source::text` puts them before the kernels.
    let constants = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "constants-{}-{}",
        precision.c_type(),
        std::process::id()
    ));
    std::fs::create_dir_all(&constants)
        .and_then(|()| std::fs::write(constants.join("tuning.h"), twill::tuning::in_c()))
        .ok()?;
    let mut compiler = Command::new("c++");
    compiler.args([
        "-std=c++17",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-shared",
        "-fPIC",
        &real,
        "-I",
        constants.to_str()?,
        source,
        "-o",
    ]);
    let done = compiler.arg(&path).status().ok()?;
    assert!(done.success(), "the kernels do not compile as C++");
    Some(path)
}

impl Machine for Emulator {
    fn name(&self) -> String {
        "emulator".into()
    }

    fn free_bytes(&self) -> Result<usize> {
        Ok(self.free)
    }

    fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }

    fn zeros(&self, bytes: usize) -> Result<Buffer> {
        if bytes > self.most {
            return Err(DeviceError::new(FailureKind::OutOfMemory, "The emulator's memory is full."));
        }
        let words = bytes.div_ceil(8).max(1);
        let memory = Box::leak(vec![0u64; words].into_boxed_slice());
        // SAFETY: the memory that was leaked here, given back once.
        let free = move |address: u64| unsafe {
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(address as *mut u64, words)));
        };
        Ok(Buffer::new(memory.as_mut_ptr() as u64, bytes, Arc::new(free)))
    }

    fn write(&self, buffer: &Buffer, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= buffer.bytes());
        // SAFETY: the buffer is as long as asserted.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.address() as *mut u8, bytes.len()) };
        Ok(())
    }

    fn read(&self, buffer: &Buffer, bytes: &mut [u8]) -> Result<()> {
        assert!(bytes.len() <= buffer.bytes());
        // SAFETY: the buffer is as long as asserted.
        unsafe { std::ptr::copy_nonoverlapping(buffer.address() as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn launch(&self, kernel: &str, precision: Precision, shape: LaunchShape, arguments: &[Argument]) -> Result<()> {
        if self.launches.fetch_add(1, Ordering::Relaxed) >= self.lost_after {
            return Err(DeviceError::new(FailureKind::Lost, "The emulator is lost."));
        }
        let library = &libraries().expect("made by new()")[usize::from(precision == Precision::Double)];
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = CString::new(kernel).expect("a name");
        let shape = [shape.blocks.0, shape.blocks.1, shape.threads, shape.shared_bytes, self.order];
        let mut values: Vec<u64> = arguments.iter().map(Argument::bits).collect();
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|v| std::ptr::from_mut(v).cast()).collect();
        // SAFETY: the function of `shim.cpp`; kernels read as many arguments as they declare.
        let code = unsafe {
            let launch = library.get::<Launch>(b"twill_launch\0").expect("the entry of shim.cpp");
            launch(name.as_ptr(), shape.as_ptr(), pointers.as_mut_ptr())
        };
        if code == 0 {
            Ok(())
        } else {
            Err(DeviceError::new(FailureKind::Internal, format!("there is no kernel {kernel}")))
        }
    }

    fn finish(&self) -> Result<()> {
        Ok(())
    }
}
