"""HDF5 in Python's words: texts, attributes, and arrays with named dimensions that are read when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from facet.errors import StudyError

if TYPE_CHECKING:
    import xarray

Array = npt.NDArray[Any]


def strings(dataset: h5py.Dataset) -> list[str]:
    """A dataset of texts as a list of str."""
    return [s.decode() if isinstance(s, bytes) else str(s) for s in dataset[()].ravel()]


def plain(value: Any) -> Any:
    """An HDF5 attribute as a Python value: bytes become str, arrays of them lists, numbers plain numbers."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def texts(attributes: Any, name: str) -> list[str]:
    """A list of texts, empty if there is no such attribute."""
    value = attributes.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def dimension(dataset: h5py.Dataset, axis: int) -> tuple[str, h5py.Dataset | None]:
    """The name of an axis, and the dataset of its coordinates, if there is one."""
    about = dataset.dims[axis]
    scale = about[0] if len(about) else None
    name = unlike_the_root(dataset.file, scale.name) if scale is not None else about.label
    return name or f"axis{axis}", scale


def unlike_the_root(file: h5py.File, path: str) -> str:
    """The last name of a path; where the file's root has another array of that name, with the folder's in front:
    /linear/sample, which counts fewer than /sample, is linear_sample."""
    folder, _, name = path.strip("/").rpartition("/")
    return f"{folder.rpartition('/')[2]}_{name}" if folder and isinstance(file.get(name), h5py.Dataset) else name


def dimension_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of all axes; a name that occurred before gets a number: variant, variant_2."""
    names: list[str] = []
    for axis in range(dataset.ndim):
        name, turn = dimension(dataset, axis)[0], 2
        unique = name
        while unique in names:
            unique, turn = f"{name}_{turn}", turn + 1
        names.append(unique)
    return tuple(names)


def coordinates(dataset: h5py.Dataset) -> dict[str, Array]:
    """{name of a dimension: its coordinates}, of the dimensions that have some."""
    found = {}
    for axis, name in enumerate(dimension_names(dataset)):
        scale = dimension(dataset, axis)[1]
        if scale is not None and scale.shape == (dataset.shape[axis],):
            found[name] = np.asarray(strings(scale)) if scale.dtype.kind in "OS" else scale[()]
    return found


def labelled(dataset: h5py.Dataset) -> xarray.DataArray:
    """A dataset with named dimensions, coordinates, `units` and `long_name`. Its numbers are read when they are used, and
    only those: selections come first."""
    import xarray

    from facet.lazy import Lazy

    attributes = {key: plain(dataset.attrs[key]) for key in ("units", "long_name") if key in dataset.attrs}
    variable = xarray.Variable(dimension_names(dataset), Lazy.of(dataset), attributes)
    return xarray.DataArray(variable, coords=coordinates(dataset), name=dataset.name.rpartition("/")[2])


def select(array: xarray.DataArray, pick: dict[str, Any]) -> xarray.DataArray:
    """A part of an array: by name of a dimension a label of its coordinates, or a position or slice of positions where
    they are names or there are none."""
    from facet.errors import known

    for name, value in pick.items():
        if name not in array.dims:
            raise StudyError(f"{array.name} has no dimension {name}; it has: {', '.join(map(str, array.dims))}")
        labels = array[name].values.tolist() if name in array.coords else None
        if isinstance(value, slice) or labels is None or (isinstance(value, (int, np.integer)) and array[name].dtype.kind == "U"):
            if isinstance(value, (int, np.integer)) and not -array.sizes[name] <= value < array.sizes[name]:
                raise StudyError(f"{name} {value} is not in 0..{array.sizes[name] - 1} of {array.name}")
            array = array.isel({name: value})
            continue
        if isinstance(value, (list, tuple, np.ndarray)):
            missing = [v for v in value if v not in labels]
        else:
            missing = [value] if value not in labels else []
        if missing:
            raise StudyError(known(name, missing[0], labels))
        array = array.sel({name: value})
    return array
