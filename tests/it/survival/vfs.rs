//! An SQLite VFS that watches folders: everything that databases below one write,
//! truncate, sync, make and delete is recorded in order, and any one of these
//! calls can be made to fail. It becomes the process's default VFS, so that the
//! application opens its files as it always does; files outside watched folders
//! go straight to the system's VFS.
//!
//! The only unsafe code of the tests: SQLite's VFS interface is a C one.
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use super::recording::{Recorder, Verdict};

/// The system's VFS and the folders that are watched.
struct Watch {
    system: SystemVfs,
    folders: Mutex<Vec<(PathBuf, Arc<Recorder>)>>,
}

struct SystemVfs(*mut sqlite3_vfs);
// SAFETY: SQLite's VFS objects are made to be called from every thread; the
// pointer is to a static of the library.
unsafe impl Send for SystemVfs {}
// SAFETY: as above.
unsafe impl Sync for SystemVfs {}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Records what happens below a folder until it is dropped.
pub struct Watched {
    pub recorder: Arc<Recorder>,
}

impl Watched {
    /// Begins. Every file that SQLite opens below `folder` from now on is watched.
    pub fn begin(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap();
        let recorder = Arc::new(Recorder::of(&folder));
        watch().folders.lock().push((folder, recorder.clone()));
        Self { recorder }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        watch().folders.lock().retain(|(_, r)| !Arc::ptr_eq(r, &self.recorder));
    }
}

fn watch() -> &'static Watch {
    WATCH.get_or_init(|| {
        // SAFETY: finds a registered VFS by name (none: the default); it is there
        // for the life of the process.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!system.is_null(), "SQLite has a default VFS");
        // SAFETY: `system` points to a whole `sqlite3_vfs`; the copy keeps the
        // system's methods, which use of their VFS argument only what was copied.
        let mut ours = Box::new(unsafe { ptr::read(system) });
        ours.szOsFile += size_of::<WatchedFile>() as c_int;
        ours.pNext = ptr::null_mut();
        ours.zName = c"ledgerline-watch".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        let ours = Box::leak(ours);
        // SAFETY: a leaked, complete VFS object.
        let rc = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
        assert_eq!(rc, ffi::SQLITE_OK);
        Watch { system: SystemVfs(system), folders: Mutex::new(Vec::new()) }
    })
}

fn recorder_of(path: &Path) -> Option<Arc<Recorder>> {
    watch().folders.lock().iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, r)| r.clone())
}

/// What SQLite allocates for an open file; the system's own file object follows.
#[repr(C)]
struct WatchedFile {
    base: sqlite3_file,
    what: *mut What,
}

struct What {
    recorder: Arc<Recorder>,
    file: usize,
}

/// # Safety
/// `name` is null or a C string.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: by the caller.
    (!name.is_null()).then(|| PathBuf::from(unsafe { CStr::from_ptr(name) }.to_str().unwrap()))
}

unsafe extern "C" fn open(_: *mut sqlite3_vfs, name: *const c_char, file: *mut sqlite3_file, flags: c_int, out_flags: *mut c_int) -> c_int {
    let system = watch().system.0;
    // SAFETY: the system's VFS has the method; `name` comes from SQLite.
    let (system_open, path) = unsafe { ((*system).xOpen.unwrap(), path_of(name)) };
    let Some((path, recorder)) = path.and_then(|p| recorder_of(&p).map(|r| (p, r))) else {
        // SAFETY: SQLite allocated more than the system's VFS asks for.
        return unsafe { system_open(system, name, file, flags, out_flags) };
    };
    let before = std::fs::read(&path).ok();
    // SAFETY: `szOsFile` is the sum of both sizes, and ours keeps the alignment.
    unsafe {
        let ours = file.cast::<WatchedFile>();
        (*ours).base.pMethods = ptr::null();
        let real = real(file);
        (*real).pMethods = ptr::null();
        let rc = system_open(system, name, real, flags, out_flags);
        if rc != ffi::SQLITE_OK {
            if let Some(methods) = (*real).pMethods.as_ref() {
                methods.xClose.unwrap()(real);
            }
            return rc;
        }
        let syncs_folder = flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL) != 0;
        let file = recorder.opened(&path, before, syncs_folder);
        (*ours).what = Box::into_raw(Box::new(What { recorder, file }));
        (*ours).base.pMethods = &raw const METHODS;
        rc
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    let system = watch().system.0;
    // SAFETY: as in `open`.
    let (system_delete, path) = unsafe { ((*system).xDelete.unwrap(), path_of(name)) };
    // SAFETY: the arguments are SQLite's.
    let really = || unsafe { system_delete(system, name, sync_dir) };
    match path.and_then(|p| recorder_of(&p).map(|r| (p, r))) {
        Some((path, recorder)) => recorder.delete(&path, sync_dir != 0, really),
        None => really(),
    }
}

/// # Safety
/// `file` was opened by [`open`] as a watched one.
unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the system's file lies behind ours in one allocation.
    unsafe { file.cast::<u8>().add(size_of::<WatchedFile>()).cast() }
}

/// # Safety
/// As [`real`], and the file is open.
unsafe fn what<'a>(file: *mut sqlite3_file) -> &'a What {
    // SAFETY: set by `open`, freed by `close`.
    unsafe { &*(*file.cast::<WatchedFile>()).what }
}

/// Calls the system's method of the same name.
macro_rules! system {
    ($file:ident . $method:ident ( $($arg:expr),* )) => {{
        // SAFETY: SQLite calls methods on open files only, with its own arguments,
        // and the system's methods get the system's file.
        unsafe {
            let real = real($file);
            (*(*real).pMethods).$method.unwrap()(real $(, $arg)*)
        }
    }};
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let rc = system!(file.xClose());
    // SAFETY: `open` made the box; SQLite closes once.
    unsafe {
        drop(Box::from_raw((*file.cast::<WatchedFile>()).what));
        (*file).pMethods = ptr::null();
    }
    rc
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, len: c_int, offset: i64) -> c_int {
    system!(file.xRead(to, len, offset))
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite passes `len` readable bytes.
    let (bytes, what) = unsafe { (std::slice::from_raw_parts(from.cast::<u8>(), len as usize), what(file)) };
    what.recorder.write(what.file, offset as u64, bytes, || system!(file.xWrite(from, len, offset)))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is open.
    let what = unsafe { what(file) };
    what.recorder.truncate(what.file, size as u64, || system!(file.xTruncate(size)))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the file is open.
    let what = unsafe { what(file) };
    // What a sync would do to this machine's disk is beside the point: crash
    // images come from the recording, and a killed process keeps the page cache.
    what.recorder.sync(what.file)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    system!(file.xFileSize(size))
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    system!(file.xLock(level))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    system!(file.xUnlock(level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    system!(file.xCheckReservedLock(out))
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    system!(file.xFileControl(op, arg))
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    system!(file.xSectorSize())
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    system!(file.xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(file: *mut sqlite3_file, page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int {
    system!(file.xShmMap(page, size, extend, out))
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    system!(file.xShmLock(offset, n, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    system!(file.xShmBarrier());
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    system!(file.xShmUnmap(delete))
}

/// Version 2: with shared memory, without memory-mapped reading, so that every
/// change of a file passes through [`write`].
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What SQLite is told for a verdict on a call.
pub fn answer(verdict: Verdict, really: impl FnOnce() -> c_int) -> c_int {
    match verdict {
        Verdict::Do => really(),
        Verdict::DoAndFail(code) => {
            let rc = really();
            if rc == ffi::SQLITE_OK { code } else { rc }
        }
        Verdict::Fail(code) => code,
    }
}
