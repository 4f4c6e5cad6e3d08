//! Message classes: ctypes structures that dmxp generated.

use crate::message::Place;
use dmxp_schema::compat::{self, Verdict};
use dmxp_schema::model::Schema;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// A generated class and what is needed of it for each message.
pub(crate) struct MessageType {
    class: Py<PyType>,
    lent: PyOnceLock<Lent>,
    dtype: PyOnceLock<Py<PyAny>>,
    pub(crate) schema: Schema,
}

/// Where an instance keeps its [`Lease`](crate::lease::Lease); `views.py` knows it too.
const LEASE: &str = "_dmxp_lease";

/// A subclass of a message class, for instances over slots: they can keep a lease and be referred to weakly. Bound methods.
struct Lent {
    from_address: Py<PyAny>,
    from_buffer: Py<PyAny>,
}

impl Lent {
    fn new(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let py = class.py();
        let lent = py.import("dmxp.views")?.call_method1("lent", (class,))?;
        Ok(Self {
            from_address: lent.getattr("from_address")?.unbind(),
            from_buffer: lent.getattr("from_buffer")?.unbind(),
        })
    }
}

impl MessageType {
    pub(crate) fn new(class: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = class.py();
        let refuse = |why: &str| {
            let name = class.repr().map_or_else(|_| "message".into(), |repr| repr.to_string());
            PyTypeError::new_err(format!("{name} {why}"))
        };
        let Ok(class_type) = class.cast::<PyType>() else {
            return Err(refuse("is not a message class; give a class that dmxp generated"));
        };
        let (Ok(text), Ok(_)) = (class.getattr(intern!(py, "SCHEMA")), class.getattr("from_buffer")) else {
            return Err(refuse("has no SCHEMA; give a class that dmxp generated"));
        };
        let text: String = text.extract()?;
        let schema: Schema = text
            .parse()
            .map_err(|error| refuse(&format!("has a SCHEMA that cannot be read: {error}")))?;
        let size: usize = py.import("ctypes")?.call_method1("sizeof", (class,))?.extract()?;
        if size != schema.size() as usize {
            return Err(refuse(&format!(
                "has {size} bytes, and its SCHEMA says {}; generate it again",
                schema.size()
            )));
        }
        Ok(Self {
            class: class_type.clone().unbind(),
            lent: PyOnceLock::new(),
            dtype: PyOnceLock::new(),
            schema,
        })
    }

    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    pub(crate) fn is(&self, class: &Bound<'_, PyAny>) -> bool {
        self.class.is(class)
    }

    /// The name for error texts.
    pub(crate) fn quoted(&self) -> String {
        format!("`{}`", self.schema.name())
    }

    /// Bytes of a message.
    pub(crate) fn size(&self) -> usize {
        self.schema.size() as usize
    }

    /// Fails unless messages written as `writer` can be read as this.
    pub(crate) fn check_reads(&self, writer: &Schema) -> Result<(), String> {
        if self.schema.schema_fingerprint() == writer.schema_fingerprint()
            && self.schema.layout_fingerprint() == writer.layout_fingerprint()
        {
            return Ok(());
        }
        let comparison = compat::compare(writer, &self.schema);
        if comparison.verdict == Verdict::Incompatible {
            return Err(comparison.to_string());
        }
        Ok(())
    }

    /// An instance over a slot, which keeps `lease`, and with it the slot. By address: `from_buffer` takes several times as long.
    pub(crate) fn borrow<'py>(&self, place: Place, lease: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = lease.py();
        let address = place.bytes().as_ptr().cast::<u8>().addr().into_pyobject(py)?;
        let instance = call_with_one(self.lent(py)?.from_address.bind(py), address.as_any())?;
        instance.setattr(intern!(py, LEASE), lease)?;
        Ok(instance)
    }

    /// An instance over the bytes of an object, which has to export a writable buffer. It can be referred to weakly.
    pub(crate) fn weakly_view<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        self.lent(py)?.from_buffer.bind(py).call1((object,))
    }

    fn lent(&self, py: Python<'_>) -> PyResult<&Lent> {
        self.lent.get_or_try_init(py, || Lent::new(self.class(py)))
    }

    /// The numpy dtype with the same bytes.
    pub(crate) fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dtype = self
            .dtype
            .get_or_try_init(py, || self.class(py).call_method0("dtype").map(Bound::unbind))?;
        Ok(dtype.bind(py).clone())
    }
}

/// Calls `callable` with one argument. PyO3, which has to do with what was stable in Python 3.11, would make a tuple of it first.
fn call_with_one<'py>(callable: &Bound<'py, PyAny>, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let end = core::ptr::null_mut::<ffi::PyObject>();
    // SAFETY: live objects, then the null that ends the arguments.
    let result = unsafe { ffi::PyObject_CallFunctionObjArgs(callable.as_ptr(), argument.as_ptr(), end) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}
