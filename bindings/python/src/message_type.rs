//! Message classes: ctypes structures that dmxp generated.

use dmxp_schema::compat::{self, Verdict};
use dmxp_schema::model::Schema;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyType};

/// A generated class and what is needed of it for each message.
pub(crate) struct MessageType {
    class: Py<PyType>,
    /// The class's bound method.
    from_buffer: Py<PyAny>,
    /// The same of a subclass whose instances can be referred to weakly.
    weakly_from_buffer: PyOnceLock<Py<PyAny>>,
    pub(crate) schema: Schema,
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
        let (Ok(text), Ok(from_buffer)) = (class.getattr(intern!(py, "SCHEMA")), class.getattr("from_buffer")) else {
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
            from_buffer: from_buffer.unbind(),
            weakly_from_buffer: PyOnceLock::new(),
            schema,
        })
    }

    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    pub(crate) fn is(&self, class: &Bound<'_, PyAny>) -> bool {
        self.class.is(class)
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

    /// An instance over the bytes of an object, which has to export a writable buffer: ctypes has no read-only instances.
    pub(crate) fn view<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.from_buffer.bind(object.py()).call1((object,))
    }

    /// As `view`, of an instance that can be referred to weakly.
    pub(crate) fn weakly_view<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        let from_buffer = self.weakly_from_buffer.get_or_try_init(py, || {
            let class = self.class(py);
            let members = [("__slots__", ("__weakref__",))].into_py_dict(py)?;
            let subclass = class.get_type().call1((class.name()?, (class,), members))?;
            subclass.getattr("from_buffer").map(Bound::unbind)
        })?;
        from_buffer.bind(py).call1((object,))
    }

    /// The numpy dtype with the same bytes.
    pub(crate) fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.class(py).call_method0("dtype")
    }
}
