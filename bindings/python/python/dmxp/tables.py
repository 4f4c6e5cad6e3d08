"""Arrays of messages as masked arrays and as tables of pandas. Both libraries are optional."""

__all__ = ["masked", "to_pandas"]


def masked(column):
    """A column of values that may be absent, as a `numpy.ma.MaskedArray`; of an array of them in each message, with as many columns.

    >>> import numpy
    >>> Reading = dmxp.message_class("struct Reading v1 size 8 align 4 { value: f32? @0 }")
    >>> producer, consumer = [make(name="r", message=Reading) for make in (dmxp.create_producer, dmxp.create_consumer)]
    >>> producer.send_batch([Reading(value=1.5), Reading()])
    1
    >>> print(dmxp.masked(consumer.recv_array(2)["value"]))
    [1.5 --]

    Raises `TypeError` for a column of another type.
    """
    import numpy

    if column.dtype.names != ("present", "value"):
        raise TypeError(f"values that may be absent have the fields `present` and `value`, not {column.dtype}")
    return numpy.ma.MaskedArray(column["value"], mask=column["present"] == 0)


def _columns(array, name=""):
    """Names and columns of a table: those of structs within messages have the names of both, with a dot."""
    import numpy

    kind = array.dtype
    if array.ndim > 1:
        absent = kind.names == ("present", "value") and kind["value"].names is None
        yield name, _objects(masked(array).tolist() if absent else _plain(array))
    elif kind.names == ("present", "value") and kind["value"].names is None and kind["value"].kind in "biufM":
        yield name, masked(array)
    elif kind.names == ("present", "value"):
        values = [None if absent else value for absent, (_, value) in zip(array["present"] == 0, _plain(array))]
        yield name, _objects(values)
    elif kind.names in (("count", "items"), ("count", "items", "rest")):
        yield name, _objects([items[:count] for count, items in zip(array["count"].tolist(), _plain(array["items"]))])
    elif kind.names is not None:
        for part in kind.names:
            if kind[part].kind == "V" and kind[part].names is None and kind[part].subdtype is None:
                continue  # Reserved, or the payload of a union.
            yield from _columns(array[part], f"{name}.{part}" if name else part)
    elif kind.kind == "S":
        yield name, _objects([text.decode("utf-8", "replace") for text in array.tolist()])
    else:
        # Of its own: a table outlives the slots.
        yield name, numpy.array(array)


def _plain(array):
    return [_text(value) for value in array.tolist()]


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return type(value)(map(_text, value))
    return value


def _objects(values):
    import numpy

    objects = numpy.empty(len(values), object)
    for index, value in enumerate(values):
        objects[index] = value
    return objects


def to_pandas(array, metadata=None):
    """A `pandas.DataFrame` of an array of messages, with memory of its own: a row for each message, and a column for each field. `metadata`
    is what `recv_array(…, metadata=True)` gives beside the array; its columns follow.

    Fields of structs within messages are columns with a dot in their names. Values that may be absent are `pandas.NA`, texts are `str`, lists
    and arrays are objects.
    """
    import numpy
    import pandas

    data = dict(_columns(array))
    for name in metadata.dtype.names if metadata is not None else ():
        data[f"metadata.{name}"] = numpy.array(metadata[name])
    for name, column in data.items():
        if isinstance(column, numpy.ma.MaskedArray) and column.dtype.kind != "M":
            values = pandas.array(column.data.tolist(), dtype=_nullable(column.dtype))
            values[numpy.ma.getmaskarray(column)] = pandas.NA
            data[name] = values
        elif isinstance(column, numpy.ma.MaskedArray):
            data[name] = column.filled(numpy.datetime64("NaT"))
    return pandas.DataFrame(data)


def _nullable(dtype):
    # What pandas calls its own types of values that may be absent.
    names = {"b": "boolean", "i": f"Int{8 * dtype.itemsize}", "u": f"UInt{8 * dtype.itemsize}", "f": f"Float{8 * dtype.itemsize}"}
    return names[dtype.kind]
