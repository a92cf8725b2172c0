"""The texts of values that contain no others, and of values of packages that are not imported.

Every function returns text of any length; the writer cuts it. Methods that a subclass may have
overridden are called on the builtin class.

A foreign type is recognised by its package and name among its bases, so that an unknown object is
not touched. For an array, shape, element type and size are recorded. For an object that might run a
query or a computation, only its kind is recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from operator import or_
from types import BuiltinFunctionType, FunctionType
from typing import Any

from tracekit._values.bounded_text import MAX_NESTED_STRING, MAX_TEXT, cut, integer_text
from tracekit._values.type_names import (
    kind_text,
    lookup_name,
    package_of,
    qualified_name,
    short_name,
)

# Only inside `<… at 0x7f…>`: elsewhere a hexadecimal number may be part of the message.
_ADDRESS = re.compile(r"(?: at 0x[0-9A-Fa-f]+| id='\d+')(?=[>;,])")
_FUNCTIONS = frozenset({FunctionType, BuiltinFunctionType})
# Types of these packages are written by their lookup name.
_PACKAGES = frozenset(
    (
        "numpy pandas torch jax jaxlib tensorflow polars pyarrow xarray scipy cupy cupyx dask "
        "pyspark django sqlalchemy"
    ).split()
)


def enum_text(member: Any) -> str:
    """Return `Color.RED` or `Perm.R|W`, in the same form in every release of Python.

    `str()` of members with a mixed-in type and names of combined flags differ between releases.
    """
    members: dict[str, Any] = member._member_map_
    title = short_name(type(member))
    for name, other in members.items():
        if other is member:
            return f"{title}.{name}"
    return f"{title}.{_flag_names(members, member._value_)}"


def _flag_names(members: dict[str, Any], number: int) -> str:
    bits: dict[str, int] = {name: member._value_ for name, member in members.items()}
    if number < 0:
        # Old releases keep a complement as a negative number, new ones as its bits.
        number &= reduce(or_, bits.values(), 0)
    for name, bit in bits.items():
        if bit == number:
            return name
    single = {name: bit for name, bit in bits.items() if bit & number and bit.bit_count() == 1}
    rest = number & ~reduce(or_, single.values(), 0)
    return "|".join([*single, *([str(rest)] if rest or not single else [])])


def fraction_text(fraction: Any) -> str:
    """Return `3/4`, without the digits of a number that is too long to write."""
    numerator = integer_text(int(fraction.numerator))
    denominator = int(fraction.denominator)
    return numerator if denominator == 1 else f"{numerator}/{integer_text(denominator)}"


def owner_of(method: str, kind: type) -> type:
    """Return the class among a type's bases that defines a special method."""
    return next(base for base in kind.__mro__ if method in base.__dict__)


def repr_text(value: object) -> str:
    """Return the result of the value's own `__repr__`, without memory addresses."""
    text = str.__str__(repr(value))
    return _ADDRESS.sub("", text[:MAX_TEXT]) + text[MAX_TEXT:]


def function_text(function: Any) -> str:
    """Return the qualified name of a function or method: `shop.orders.Order.pay`, `len`."""
    module, name = function.__module__, function.__qualname__
    has_module = type(module) is str and module not in {"", "builtins"}
    return f"{module}.{name}" if has_module else str(name)


def method_text(method: Any) -> str:
    """Return the qualified name of a bound method's function, without touching the object."""
    function = method.__func__
    return function_text(function) if type(function) in _FUNCTIONS else kind_text(function)


def descriptor_text(descriptor: Any) -> str:
    """Return the qualified name of a method of a builtin type: `str.join`."""
    return f"{qualified_name(descriptor.__objclass__)}.{descriptor.__name__}"


def generator_text(generator: Any) -> str:
    """Return the kind and the function of a generator or coroutine, without running it."""
    return f"<{short_name(type(generator))} {generator.__qualname__}>"


def _bytes_text(count: Callable[[Any], int]) -> Callable[[object], str]:
    return lambda value: f"<{qualified_name(type(value))}, {count(value):,} bytes>"


def array_text(array: Any) -> str:
    """Return `<numpy.ndarray, shape (3, 4), float64, 96 bytes>`."""
    return _bracketed(array, _shape(array), _element_type(array), _size(array))


def frame_text(frame: Any) -> str:
    """Return `<pandas.DataFrame, 1,000 rows × 5 columns>`."""
    rows, columns = frame.shape
    return _bracketed(frame, f"{int(rows):,} rows × {int(columns):,} columns")


def dataset_text(dataset: Any) -> str:
    """Return `<xarray.Dataset, 2 variables, x: 3, y: 4>`."""
    sizes = [f"{name}: {int(length):,}" for name, length in dataset.sizes.items()]
    return _bracketed(dataset, f"{len(dataset.data_vars):,} variables", *sizes)


def typed_array_text(array: Any) -> str:
    """Return `<array.array, 3 items, d, 24 bytes>`."""
    size = len(array) * array.itemsize
    return _bracketed(array, f"{len(array):,} items", array.typecode, f"{size:,} bytes")


def plain_scalar(scalar: Any) -> object:
    """Return a numpy scalar as a Python primitive, or as text if no primitive fits."""
    plain = scalar.item()
    return plain if type(plain) in {bool, int, float, str} else str(scalar)


def _bracketed(value: object, *details: str) -> str:
    kind = type(value)
    name = lookup_name(kind) if package_of(kind) in _PACKAGES else qualified_name(kind)
    return f"<{', '.join([name, *filter(None, details)])}>"


def _shape(array: Any) -> str:
    shape = _attribute(array, "shape")
    if shape is None:
        return f"{len(array):,} items"
    try:
        return f"shape {tuple(map(int, shape))}"
    except (TypeError, ValueError):
        return f"shape {shape}"  # tensorflow and jax have dimensions that are not known yet


def _element_type(array: Any) -> str:
    dtype = _attribute(array, "dtype")
    dtype = _attribute(array, "type") if dtype is None else dtype
    name = _attribute(dtype, "name")
    text = name if isinstance(name, str) else str("" if dtype is None else dtype)
    return cut(text.removeprefix("torch."), MAX_NESTED_STRING)


def _size(array: Any) -> str:
    size = _attribute(array, "nbytes")
    if size is not None:
        return f"{int(size):,} bytes"
    # Sparse matrices have no number of bytes, but a number of stored elements.
    stored = _attribute(array, "nnz")
    return "" if stored is None else f"{int(stored):,} stored"


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # the other details are recorded without this one


TEXTS: dict[str, Callable[[Any], str]] = {
    "builtins.complex": complex.__repr__,
    # Not datetime's own method: pandas.Timestamp has nanoseconds, and pandas.NaT has no date.
    **dict.fromkeys(("datetime.date", "datetime.time"), lambda value: str(value.isoformat())),
    "fractions.Fraction": fraction_text,
    "re.Pattern": lambda pattern: str(pattern.pattern),
    "builtins.type": qualified_name,
    "builtins.module": lambda module: str(module.__name__),
    "builtins.method": method_text,
    "builtins.bytes": _bytes_text(bytes.__len__),
    # Not through a memoryview, which would forbid the program to resize the bytearray.
    "builtins.bytearray": _bytes_text(bytearray.__len__),
    "builtins.memoryview": _bytes_text(lambda view: int(view.nbytes)),
    **dict.fromkeys(("builtins.function", "builtins.builtin_function_or_method"), function_text),
    **dict.fromkeys(
        (
            "builtins.method_descriptor",
            "builtins.classmethod_descriptor",
            "builtins.wrapper_descriptor",
            "builtins.method-wrapper",
        ),
        descriptor_text,
    ),
    **dict.fromkeys(
        ("builtins.generator", "builtins.coroutine", "builtins.async_generator"), generator_text
    ),
    **dict.fromkeys(
        (
            "datetime.timedelta",
            "datetime.tzinfo",
            "decimal.Decimal",
            "ipaddress._IPAddressBase",
            "numpy.datetime64",
            "numpy.timedelta64",
            "pathlib.PurePath",
            "uuid.UUID",
        ),
        str,
    ),
}
"""The function that returns the text of each kind of single value, by lookup name."""

_ARRAYS = (
    "numpy.ndarray pandas.Series pandas.Index pandas.ExtensionArray torch.Tensor torch.Storage "
    "torch.UntypedStorage torch.TypedStorage jax.Array jax.Tracer jaxlib.ArrayImpl jaxlib.Array "
    "jaxlib.DeviceArray tensorflow.Tensor tensorflow.Variable tensorflow.SparseTensor "
    "tensorflow.RaggedTensor polars.Series pyarrow.Array pyarrow.ChunkedArray xarray.DataArray "
    "xarray.Variable scipy._spbase scipy.spmatrix cupy.ndarray cupy._ndarray_base cupyx.spmatrix"
)
_FRAMES = "pandas.DataFrame polars.DataFrame pyarrow.Table pyarrow.RecordBatch"
_UNTOUCHED = (
    "django.QuerySet django.RawQuerySet django.BaseManager django.Promise django.LazyObject "
    "sqlalchemy.Query sqlalchemy.Result sqlalchemy.ResultProxy sqlalchemy.Session "
    "sqlalchemy.AsyncSession sqlalchemy.scoped_session sqlalchemy.AppenderMixin "
    "dask.Array dask.DataFrame dask.Series dask.Index dask.FrameBase dask.Bag dask.Delayed "
    "dask.Scalar dask_expr.FrameBase polars.LazyFrame polars.Expr polars.GroupBy "
    "polars.LazyGroupBy pyspark.DataFrame pyspark.RDD pyspark.Column pyspark.Frame "
    "pyspark.Series pyspark.Index pyspark.SparkSession pandas.GroupBy pandas.BaseWindow "
    "pandas.Styler ibis.Expr duckdb.DuckDBPyRelation _duckdb.DuckDBPyRelation peewee.BaseQuery "
    "mongoengine.BaseQuerySet tortoise.QuerySet pymongo.Cursor h5py.HLObject zarr.Group "
    "torch.Module tensorflow.Module keras.Layer wrapt.LazyObjectProxy shelve.Shelf "
    "multiprocessing.BaseProxy"
)

FOREIGN_TEXTS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(_ARRAYS.split(), array_text),
    **dict.fromkeys(_FRAMES.split(), frame_text),
    **dict.fromkeys(_UNTOUCHED.split(), _bracketed),
    "xarray.Dataset": dataset_text,
    "array.array": typed_array_text,
}
"""The function that returns the text of each foreign type, by lookup name."""
