//! Finding, checking and loading the ONNX Runtime library, once a process.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::AsPointer;
use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

use super::captures::Captures;
use super::engines::Engines;
use super::{Precision, Provider, RuntimeError, Settings, WholeFrames};
use crate::assets;

/// The oldest minor version of ONNX Runtime 1 that works: what `ort`'s feature `api-23` asks for.
pub const OLDEST_MINOR: u32 = 23;

/// The loaded ONNX Runtime library, and how sessions are to be opened with it.
///
/// A process has one library and one pool of threads, those of the first [`Runtime::load`].
#[derive(Debug)]
pub struct Runtime {
    loaded: Loaded,
    providers: Vec<Provider>,
    engines: Engines,
    whole_frames: WholeFrames,
    captures: Arc<Captures>,
    /// Providers whose failure was logged already, a bit each.
    warned: AtomicU8,
}

/// What a process loads once and keeps to its end.
#[derive(Debug, Clone)]
struct Loaded {
    library: PathBuf,
    version: String,
    environment: Environment,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

impl Runtime {
    /// Finds and loads the library, see [`search_order`]. One that was named but cannot be used is an error, never
    /// replaced in silence by another.
    ///
    /// # Errors
    /// No library, one that is none or is too old, or another one than this process runs on.
    pub fn load(settings: Settings) -> Result<Runtime, RuntimeError> {
        let (path, named_by) = find(settings.library.as_deref())?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.is_none() {
            let version = version_of(&path, named_by)?;
            let environment = start(&path, settings.threads)?;
            tracing::debug!("ONNX Runtime {version} from {}", path.display());
            *loaded = Some(Loaded { library: path.clone(), version, environment });
        }
        let loaded = loaded.clone().expect("filled above");
        if loaded.library != path {
            return Err(RuntimeError::AnotherLoaded { loaded: loaded.library, wanted: path });
        }
        let providers = if settings.providers.is_empty() { Provider::ALL.to_vec() } else { settings.providers };
        let engines = Engines { folder: settings.engines, fp16: settings.precision == Precision::Fp16 };
        Ok(Runtime {
            loaded,
            providers,
            engines,
            whole_frames: settings.whole_frames,
            captures: Arc::new(Captures::new(settings.cuda_graphs)),
            warned: AtomicU8::new(0),
        })
    }

    /// Version of the library, `1.31.1`.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// The library's file.
    pub fn library(&self) -> &Path {
        &self.loaded.library
    }

    /// What records whole frames as CUDA graphs.
    pub(super) fn captures(&self) -> &Arc<Captures> {
        &self.captures
    }

    /// Whether a frame is one run on `provider`, for who waits for its graph or for who does not.
    pub fn runs_whole_frames(&self, provider: Provider, waits: bool) -> bool {
        match self.whole_frames {
            WholeFrames::Auto => provider != Provider::Cpu && !waits,
            WholeFrames::Always => true,
            WholeFrames::Never => false,
        }
    }

    /// Providers in the order they are tried.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Those tried before `provider`.
    pub(super) fn better_than(&self, provider: Provider) -> &[Provider] {
        let place = self.providers.iter().position(|p| *p == provider).unwrap_or(0);
        &self.providers[..place]
    }

    pub(super) fn engines(&self) -> &Engines {
        &self.engines
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.loaded.environment
    }

    /// Logs once for each provider why it is not used.
    pub(super) fn warn_unusable(&self, provider: Provider, reason: &str) {
        let bit = 1 << provider as u8;
        if self.providers == Provider::ALL && !provider.is_built_in() {
            // The build for CPUs, and nobody asked for more.
            tracing::debug!("execution provider {provider} is not in this build of ONNX Runtime");
        } else if self.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            tracing::warn!("execution provider {provider} is not used: {reason}");
        }
    }

    /// Logs that `provider` works after all, where it was logged that it does not; the next failure is logged again.
    pub(super) fn log_recovery(&self, provider: Provider) {
        let bit = 1 << provider as u8;
        if self.warned.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            tracing::info!("execution provider {provider} is used again");
        }
    }
}

/// The files looked for, first to last, and who named each.
pub fn search_order(configured: Option<&Path>) -> Vec<(PathBuf, &'static str)> {
    // Who fetched the build with GPU providers wants it; it falls back to the CPU as the other does.
    let fetched = |root: &Path| {
        ["-gpu", ""].map(|build| {
            let folder = format!("{}{build}", std::env::consts::ARCH);
            (root.join(".cache/onnxruntime").join(folder).join(LIBRARY), FETCHED)
        })
    };
    let named = |path: &Path| if path.is_dir() { path.join(LIBRARY) } else { path.to_owned() };
    let mut files = Vec::new();
    if let Some(path) = configured {
        files.push((named(path), "named by --onnxruntime or the configuration"));
    }
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()) {
        files.push((named(Path::new(&path)), "named by ORT_DYLIB_PATH"));
    }
    // What somebody fetched for this machine comes before what the package brought.
    for folder in ["/usr/local/lib/reverie", "/usr/lib/reverie"] {
        files.push((Path::new(folder).join(LIBRARY), INSTALLED));
    }
    files.extend(assets::checkout().into_iter().flat_map(|checkout| fetched(&checkout)));
    files
}

const LIBRARY: &str = "libonnxruntime.so";
const INSTALLED: &str = "installed";
const FETCHED: &str = "fetched";

/// The first file named by a person, whether or not it is there, else the first that is.
fn find(configured: Option<&Path>) -> Result<(PathBuf, &'static str), RuntimeError> {
    let order = search_order(configured);
    let searched = order.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let (path, named_by) = order
        .into_iter()
        .find(|(path, by)| ![INSTALLED, FETCHED].contains(by) || path.exists())
        .ok_or(RuntimeError::Missing { searched })?;
    // The full path: `ort` would look for a relative one beside the program first.
    match path.canonicalize() {
        Ok(path) => Ok((path, named_by)),
        Err(e) => Err(RuntimeError::Library { path, named_by, reason: e.to_string() }),
    }
}

/// Loads `path` far enough to ask its version, and checks that.
fn version_of(path: &Path, named_by: &'static str) -> Result<String, RuntimeError> {
    let unusable = |reason: String| RuntimeError::Library { path: path.to_owned(), named_by, reason };
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| unusable(e.to_string()))?;
    // SAFETY: `name` is a C string. Loading runs the library's initialisers, which is what its owner asked for.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Err(unusable(last_loader_error()));
    }
    let version = ask_version(handle);
    // SAFETY: `handle` came from dlopen above and nothing taken from it is used any more.
    unsafe { libc::dlclose(handle) };
    let version = version.ok_or_else(|| unusable("it is another kind of library".to_owned()))?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    match (numbers.next(), numbers.next()) {
        (Some(1), Some(minor)) if minor >= OLDEST_MINOR => Ok(version),
        (Some(0 | 1), _) => Err(RuntimeError::TooOld { path: path.to_owned(), version }),
        _ => Err(unusable(format!("its version is {version}, and only 1.x is known"))),
    }
}

/// The version that the library behind `handle` states; none where it is not ONNX Runtime.
fn ask_version(handle: *mut c_void) -> Option<String> {
    // SAFETY: `handle` is open and the name is a C string.
    let symbol = unsafe { libc::dlsym(handle, c"OrtGetApiBase".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: ONNX Runtime's C API, stable since 1.0, declares this symbol as a function of this type.
    let api_base: extern "C" fn() -> *const ort::sys::OrtApiBase = unsafe { std::mem::transmute(symbol) };
    // SAFETY: it returns null or a table that lives as long as the library.
    let base = unsafe { api_base().as_ref() }?;
    // SAFETY: the table's second function returns a C string that lives as long as the library.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Some(version.to_string_lossy().into_owned())
}

fn last_loader_error() -> String {
    // SAFETY: dlerror returns null or a C string valid until the next dl call of this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the loader gives no reason".to_owned();
    }
    // SAFETY: as above, and it is copied at once.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Hands the library to `ort` and starts its one environment: one pool of threads for the sessions of all octaves,
/// which run one after the other.
fn start(path: &Path, threads: usize) -> Result<Environment, RuntimeError> {
    let failed = |e: &dyn std::fmt::Display| RuntimeError::Start { reason: e.to_string() };
    let builder = ort::init_from(path).map_err(|e| failed(&e))?;
    let pool = GlobalThreadPoolOptions::default()
        .with_intra_threads(threads)
        // Threads that wait spinning would take the cores from the camera's and the screen's: on two cores half a one more,
        // for frames that come 7 % sooner.
        .and_then(|pool| pool.with_spin_control(false))
        // A gradient that fades to subnormal numbers is zero to the eye, and a hundred times slower to compute.
        .and_then(GlobalThreadPoolOptions::with_flush_to_zero)
        .map_err(|e| failed(&e))?;
    let environment = builder
        .with_name("reverie")
        .with_telemetry(false)
        .with_global_thread_pool(pool)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|e| failed(&e))?;
    share_memory(&environment).map_err(|e| failed(&e))?;
    Ok(environment)
}

/// Gives sessions that ask for it ([`SHARED_MEMORY`]) one pool of working memory together. They run one after the other:
/// what one lays down the next takes up, where each would else keep as much for itself.
fn share_memory(environment: &Environment) -> ort::Result<()> {
    let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    // SAFETY: both pointers come from live values and are only read during the call; no configuration (null) is the
    // default one. The status that comes back is taken over by `result_from_status`.
    unsafe {
        let register = ort::api().CreateAndRegisterAllocator;
        let status = register(environment.ptr().cast_mut(), memory.ptr(), std::ptr::null());
        ort::Error::result_from_status(status)
    }
}

/// The session's configuration entry that makes it take its memory from the environment's pool.
pub(super) const SHARED_MEMORY: (&str, &str) = ("session.use_env_allocators", "1");

/// ONNX Runtime's own messages. What fails comes back as an error too, and is reported there with what it means for us.
fn log(level: LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "onnxruntime", place, "{message}"),
        LogLevel::Warning | LogLevel::Error => tracing::debug!(target: "onnxruntime", place, "{message}"),
        LogLevel::Fatal => tracing::warn!(target: "onnxruntime", place, "{message}"),
    }
}
