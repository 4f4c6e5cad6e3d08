//! What a `with` block gets of an instance over a slot: a stand-in, which is cut off when the block ends.
//!
//! A ctypes instance cannot be cut off from its memory, and its parts refer to it. So programs get neither: they get a [`Slot`], and of its
//! parts again slots. All slots of a block hang from one [`Block`], which has the instances, and lets all of them go at once.

use crate::payload::Payload;
use core::ffi::c_int;
use pyo3::exceptions::{PyAttributeError, PyReferenceError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the slots of a block stand for.
#[derive(Default)]
pub(crate) struct Block(Mutex<Targets>);

#[derive(Default)]
struct Targets {
    /// By the number of the slot; `None` where there is no such slot any more.
    all: Vec<Option<Py<PyAny>>>,
    free: Vec<usize>,
    ended: bool,
}

impl Block {
    fn targets(&self) -> MutexGuard<'_, Targets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot that stands for `target`.
    pub(crate) fn slot<'py>(self: &Arc<Self>, target: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Slot>> {
        let index = {
            let mut targets = self.targets();
            if targets.ended {
                return Err(ended());
            }
            let target = Some(target.clone().unbind());
            match targets.free.pop() {
                Some(index) => {
                    targets.all[index] = target;
                    index
                }
                None => {
                    targets.all.push(target);
                    targets.all.len() - 1
                }
            }
        };
        let block = self.clone();
        Bound::new(target.py(), Slot { block, index })
    }

    /// Lets go of everything: what is done with a slot from now on raises.
    pub(crate) fn end(&self) {
        let all = {
            let mut targets = self.targets();
            targets.ended = true;
            core::mem::take(&mut targets.all)
        };
        // Not under the lock: it runs what Python does when objects go.
        drop(all);
    }
}

fn ended() -> PyErr {
    PyReferenceError::new_err("the block that this slot was for has ended; its message is out of reach")
}

/// Stands for an instance of a message class, or a part of one, in a `with` block: has its attributes and items, is an instance of its
/// class by `isinstance`, and is a buffer of its bytes. After the block every use of it, and of what was got from it, raises
/// `ReferenceError`, but for numbers, texts and other values, which are copies.
///
/// `fill(message)` writes all of it at once, from an instance of the class or as many bytes, unless the class has a field of that name;
/// `Claim.fill` does the same.
#[pyclass(frozen, weakref, name = "_Slot", module = "dmxp._dmxp")]
pub(crate) struct Slot {
    block: Arc<Block>,
    index: usize,
}

impl Slot {
    /// What it stands for.
    pub(crate) fn target<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let targets = self.block.targets();
        let target = targets.all.get(self.index).and_then(Option::as_ref);
        target.map(|target| target.bind(py).clone()).ok_or_else(ended)
    }

    /// What a program gets in the place of what lies in the slot.
    fn stand_in<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if is_data(&value)? {
            return Ok(self.block.slot(&value)?.into_any());
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let items = list.iter().map(|item| self.stand_in(item));
            return Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any());
        }
        // A method of what lies in the slot.
        if value.is_callable()
            && let Some(owner) = value.getattr_opt(intern!(py, "__self__"))?
            && is_data(&owner)?
        {
            return Ok(self.block.slot(&value)?.into_any());
        }
        Ok(value)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let target = {
            let mut targets = self.block.targets();
            let target = targets.all.get_mut(self.index).and_then(Option::take);
            if target.is_some() {
                targets.free.push(self.index);
            }
            target
        };
        drop(target);
    }
}

/// Whether it is an instance of ctypes, over some memory.
fn is_data(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static DATA: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    let data = DATA.get_or_try_init(py, || {
        // The base of all of them has no name of its own that is public.
        let structure = py.import("ctypes")?.getattr("Structure")?;
        let base = structure.getattr("__base__")?.cast_into::<PyType>()?;
        Ok::<_, PyErr>(base.unbind())
    })?;
    let (class, data) = (value.get_type().as_type_ptr(), data.bind(py).as_type_ptr());
    // SAFETY: live types.
    Ok(unsafe { ffi::PyType_IsSubtype(class, data) } != 0)
}

/// What a slot stands for; anything else as it is. Lists and tuples with what their items stand for.
pub(crate) fn meant<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if let Ok(slot) = value.cast_exact::<Slot>() {
        return slot.get().target(py);
    }
    let items = |items: &mut dyn Iterator<Item = Bound<'py, PyAny>>| {
        items.map(|item| meant(&item)).collect::<PyResult<Vec<_>>>()
    };
    if let Ok(list) = value.cast_exact::<PyList>() {
        return Ok(PyList::new(py, items(&mut list.iter())?)?.into_any());
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return Ok(PyTuple::new(py, items(&mut tuple.iter())?)?.into_any());
    }
    Ok(value.clone())
}

/// Overwrites `target`, which has to export a writable buffer, with an instance of the class or as many bytes.
pub(crate) fn fill(
    target: &Bound<'_, PyAny>,
    class: Option<&Bound<'_, PyAny>>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = target.py();
    let value = meant(value)?;
    if let Some(class) = class
        && is_data(&value)?
        && !value.is_instance(class)?
    {
        let (class, other) = (class.getattr("__name__")?, value.get_type().name()?);
        return Err(PyTypeError::new_err(format!("expected a {class}, not a {other}")));
    }
    let from = Payload::new(&value)?;
    let to = Payload::new_writable(target)?;
    if from.len() != to.len() {
        let (given, room) = (from.len(), to.len());
        return Err(PyValueError::new_err(format!(
            "{given} bytes, there is room for exactly {room}"
        )));
    }
    to.overwrite(&from, py);
    Ok(())
}

#[pymethods]
impl Slot {
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.target(py)?.getattr(intern!(py, "__class__"))
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let target = self.target(py)?;
        let name = name.cast::<pyo3::types::PyString>()?;
        match target.getattr(name) {
            Ok(value) => self.stand_in(value),
            Err(error) if error.is_instance_of::<PyAttributeError>(py) && name.to_str()? == "fill" => {
                let slot = self.block.slot(&target)?;
                let fill = py.import("dmxp._dmxp")?.getattr("_fill")?;
                py.import("functools")?.call_method1("partial", (fill, slot))
            }
            Err(error) => Err(error),
        }
    }

    fn __setattr__(&self, py: Python<'_>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = name.cast::<pyo3::types::PyString>()?;
        self.target(py)?.setattr(name, meant(value)?)
    }

    fn __delattr__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = name.cast::<pyo3::types::PyString>()?;
        self.target(py)?.delattr(name)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.target(py)?.dir()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.target(py)?.len()
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.target(py)?.is_truthy()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.stand_in(self.target(py)?.get_item(index)?)
    }

    fn __setitem__(&self, py: Python<'_>, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.target(py)?.set_item(index, meant(value)?)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = self.target(py)?.try_iter()?.map(|item| self.stand_in(item?));
        let items = PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?;
        Ok(items.try_iter()?.into_any())
    }

    #[pyo3(signature = (*arguments, **named))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arguments = meant(arguments.as_any())?.cast_into::<PyTuple>()?;
        self.stand_in(self.target(py)?.call(arguments, named)?)
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, how: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        self.target(other.py())?.rich_compare(meant(other)?, how)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.target(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        match self.target(py) {
            Ok(target) => Ok(target.repr()?.to_string()),
            Err(_) => Ok("<dmxp slot, its block has ended>".into()),
        }
    }

    /// A copy is an instance of its own.
    fn __reduce_ex__<'py>(&self, py: Python<'py>, protocol: i32) -> PyResult<Bound<'py, PyAny>> {
        self.target(py)?.call_method1(intern!(py, "__reduce_ex__"), (protocol,))
    }

    /// # Safety
    /// `view` is valid for writing, as Python's buffer protocol has it.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        // SAFETY: `view` is valid for writing.
        unsafe { (*view).obj = core::ptr::null_mut() };
        let target = slf.get().target(py)?;
        // It is the target's buffer: it refers to the target, which gets it back.
        // SAFETY: a live object, and `view` as the caller promises.
        match unsafe { ffi::PyObject_GetBuffer(target.as_ptr(), view, flags) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(py)),
        }
    }
}

/// `Slot.fill`.
#[pyfunction]
pub(crate) fn _fill(slot: &Bound<'_, Slot>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let target = slot.get().target(slot.py())?;
    let class = slot.py().import("dmxp.views")?.call_method1("class_of", (&target,))?;
    fill(&target, Some(&class), value)
}

/// What a slot stands for, to find out which message it leads to.
#[pyfunction]
pub(crate) fn _target<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    meant(value)
}
