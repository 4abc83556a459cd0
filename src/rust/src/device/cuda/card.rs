//! One GPU as a [`Machine`].
//!
//! Kernels come, in this order, from the cache, from NVRTC for this very architecture, or as the PTX in this package,
//! which the driver compiles: most machines have a driver and no NVRTC. All work is on the default stream of
//! the device's primary context, which PyTorch and others in the same process share.

use super::driver::{CardInfo, cards, guarded};
use super::nvrtc;
use crate::device::cache::Cache;
use crate::device::error::{DeviceError, FailureKind, Result};
use crate::device::machine::{Argument, Buffer, LaunchShape, Machine};
use crate::device::source::{Precision, fingerprint, ptx};
use cudarc::driver::result::{self, ctx, function, module};
use cudarc::driver::sys::{CUcontext, CUfunction, CUfunction_attribute, CUmodule};
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};

/// A context, which the driver lets any thread use.
#[derive(Clone, Copy)]
struct CardContext(CUcontext);

// SAFETY: a context and what belongs to it may be used by all threads, one `set_current` before each use.
unsafe impl Send for CardContext {}
// SAFETY: as above.
unsafe impl Sync for CardContext {}

/// Modules by precision.
struct Modules(HashMap<Precision, CUmodule>);

// SAFETY: as for the context.
unsafe impl Send for Modules {}

/// A GPU in use.
pub struct Card {
    info: CardInfo,
    context: CardContext,
    cache: Cache,
    only_ptx: bool,
    modules: Mutex<Modules>,
}

impl Card {
    /// The GPU of this number.
    ///
    /// # Errors
    /// No driver, no such GPU, one that is too old or taken.
    pub fn new(ordinal: i32, cache: Cache) -> Result<Self> {
        let (_, all) = cards()?;
        let info = all.into_iter().find(|card| card.ordinal == ordinal);
        let info =
            info.ok_or_else(|| DeviceError::new(FailureKind::NoGpu, format!("There is no GPU number {ordinal}.")))?;
        info.check()?;
        let context = guarded("starting the GPU", || {
            let device = result::device::get(ordinal)?;
            // SAFETY: the device comes from the driver.
            unsafe { result::primary_ctx::retain(device) }
        })?;
        Ok(Self {
            info,
            context: CardContext(context),
            cache,
            only_ptx: false,
            modules: Mutex::new(Modules(HashMap::new())),
        })
    }

    /// Takes the kernels from the PTX in this package, whatever else there is; for tests.
    pub fn with_ptx(mut self) -> Self {
        self.only_ptx = true;
        self
    }

    /// What the driver says of it.
    pub fn info(&self) -> &CardInfo {
        &self.info
    }

    /// Runs calls of the driver on this card.
    fn with<T>(&self, doing: &str, calls: impl FnOnce() -> std::result::Result<T, result::DriverError>) -> Result<T> {
        in_context(self.context, doing, calls)
    }

    fn module(&self, precision: Precision) -> Result<CUmodule> {
        let mut modules = self.modules.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&module) = modules.0.get(&precision) {
            return Ok(module);
        }
        let module = self.load(precision)?;
        modules.0.insert(precision, module);
        Ok(module)
    }

    /// Machine code if there is any that the driver takes, else PTX.
    fn load(&self, precision: Precision) -> Result<CUmodule> {
        if self.only_ptx {
            return self.load_ptx();
        }
        match self.machine_code(precision).and_then(|image| self.load_image(&image)) {
            Err(error) if error.kind.is_about_the_image() && precision == Precision::Single => self.load_ptx(),
            other => other,
        }
    }

    fn load_ptx(&self) -> Result<CUmodule> {
        let text =
            CString::new(ptx()).map_err(|_| DeviceError::new(FailureKind::Internal, "the PTX has a zero byte"))?;
        self.load_image(text.as_bytes_with_nul())
    }

    fn machine_code(&self, precision: Precision) -> Result<Vec<u8>> {
        let none = || DeviceError::new(FailureKind::Compile, "NVRTC is not installed.");
        let compiler = nvrtc::version().ok_or_else(none)?;
        let architecture = self.info.architecture();
        let key = fingerprint(&architecture, precision, compiler);
        if let Some(known) = self.cache.get(key) {
            return Ok(known);
        }
        let code = nvrtc::compile(&architecture, precision)?;
        self.cache.put(key, &code);
        Ok(code)
    }

    fn load_image(&self, image: &[u8]) -> Result<CUmodule> {
        // SAFETY: an ELF file, or PTX with a zero at its end.
        self.with("loading the kernels", || unsafe { module::load_data(image.as_ptr().cast()) })
    }

    fn function(&self, kernel: &str, precision: Precision, shared_bytes: u32) -> Result<CUfunction> {
        let module = self.module(precision)?;
        let name =
            CString::new(kernel).map_err(|_| DeviceError::new(FailureKind::Internal, "a kernel's name has a zero"))?;
        self.with("looking for a kernel", || {
            // SAFETY: the module is loaded as long as the card.
            let function = unsafe { module::get_function(module, name) }?;
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: as above.
            unsafe { function::set_function_attribute(function, attribute, shared_bytes as i32) }?;
            Ok(function)
        })
    }
}

fn in_context<T>(
    context: CardContext, doing: &str, calls: impl FnOnce() -> std::result::Result<T, result::DriverError>,
) -> Result<T> {
    guarded(doing, || {
        // SAFETY: the context lives as long as the process: it is never released.
        unsafe { ctx::set_current(context.0) }?;
        calls()
    })
}

impl Machine for Card {
    fn name(&self) -> String {
        self.info.name.clone()
    }

    fn free_bytes(&self) -> Result<usize> {
        self.with("asking for free memory", result::mem_get_info).map(|(free, _)| free)
    }

    fn shared_bytes(&self) -> usize {
        self.info.shared_bytes
    }

    fn zeros(&self, bytes: usize) -> Result<Buffer> {
        let address = self.with(&format!("taking {bytes} bytes"), || {
            // SAFETY: the memory is set before it is handed on; freed if that fails.
            unsafe {
                let address = result::malloc_sync(bytes)?;
                result::memset_d8_sync(address, 0, bytes).inspect_err(|_| _ = result::free_sync(address))?;
                Ok(address)
            }
        })?;
        let context = self.context;
        // SAFETY: called once, by the buffer's drop. The driver waits for kernels that use the memory.
        let free =
            move |address| _ = in_context(context, "giving memory back", || unsafe { result::free_sync(address) });
        Ok(Buffer::new(address, bytes, Arc::new(free)))
    }

    fn write(&self, buffer: &Buffer, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= buffer.bytes());
        // SAFETY: the buffer is as long as asserted.
        self.with("copying to the GPU", || unsafe { result::memcpy_htod_sync(buffer.address(), bytes) })
    }

    fn read(&self, buffer: &Buffer, bytes: &mut [u8]) -> Result<()> {
        assert!(bytes.len() <= buffer.bytes());
        // SAFETY: the buffer is as long as asserted.
        self.with("copying from the GPU", || unsafe { result::memcpy_dtoh_sync(bytes, buffer.address()) })
    }

    fn launch(&self, kernel: &str, precision: Precision, shape: LaunchShape, arguments: &[Argument]) -> Result<()> {
        let function = self.function(kernel, precision, shape.shared_bytes)?;
        let mut values: Vec<u64> = arguments.iter().map(Argument::bits).collect();
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|v| ptr::from_mut(v).cast()).collect();
        let (grid, block) = ((shape.blocks.0, shape.blocks.1, 1), (shape.threads, 1, 1));
        self.with(&format!("starting {kernel}"), || {
            // SAFETY: callers in this crate give each kernel the arguments of its declaration, tested on the emulator.
            unsafe { result::launch_kernel(function, grid, block, shape.shared_bytes, ptr::null_mut(), &mut pointers) }
        })
    }

    fn finish(&self) -> Result<()> {
        self.with("running the kernels", ctx::synchronize)
    }
}
