//! Message classes: ctypes structures that dmxp generated.

use crate::class_layout;
use crate::message::Place;
use dmxp::Error;
use dmxp_schema::codec::Checks;
use dmxp_schema::compat::{self, Verdict};
use dmxp_schema::generate::python;
use dmxp_schema::model::Schema;
use pyo3::exceptions::{PyTypeError, PyValueError};
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
    /// What must hold in the bytes of a message.
    pub(crate) checks: Checks,
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
        class_layout::check(class_type, &schema).map_err(|error| {
            let why = error.value(py).to_string();
            refuse(&format!("contradicts its SCHEMA: {why}; generate it again"))
        })?;
        Ok(Self {
            checks: Checks::of(&schema),
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

    /// Error for a message to be sent that is not valid.
    pub(crate) fn check_sent(&self, message: &[u8]) -> Result<(), Error> {
        self.checks.check(message).map_err(|invalid| Error::InvalidArgument {
            what: format!(
                "a `{}` that is not valid, and was not sent: {invalid}",
                self.schema.name()
            ),
        })
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
        // Not by way of the class, which checks what programs store.
        let name = intern!(py, LEASE);
        // SAFETY: live objects.
        let failed = unsafe { ffi::PyObject_GenericSetAttr(instance.as_ptr(), name.as_ptr(), lease.as_ptr()) };
        match failed {
            0 => Ok(instance),
            _ => Err(PyErr::fetch(py)),
        }
    }

    /// An instance over the bytes of an object, which has to export a writable buffer.
    pub(crate) fn view<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        call_with_one(self.lent(py)?.from_buffer.bind(py), object)
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

/// The Python module of a schema in text form, and the name of its message class there. `present` are the classes that it need not define.
#[pyfunction]
pub(crate) fn _generate(schema: &str, present: Vec<String>) -> PyResult<(String, String)> {
    let schema: Schema = schema
        .parse()
        .map_err(|error| PyValueError::new_err(format!("this is no schema: {error}")))?;
    let source = python::module_beside(core::slice::from_ref(&schema), &present);
    Ok((python::class_name(&schema), source))
}

/// Calls `callable` with one argument. PyO3, which has to do with what was stable in Python 3.11, would make a tuple of it first.
fn call_with_one<'py>(callable: &Bound<'py, PyAny>, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let end = core::ptr::null_mut::<ffi::PyObject>();
    // SAFETY: live objects, then the null that ends the arguments.
    let result = unsafe { ffi::PyObject_CallFunctionObjArgs(callable.as_ptr(), argument.as_ptr(), end) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}
